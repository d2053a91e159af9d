import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from workshop import Workshop, digests

import med_mat
from med_mat.cli import cli
from med_mat.dataset import MedMAT
from med_mat.errors import ExportError, ScoreError
from med_mat.shortcut import Easy, compare
from med_mat.shortcut.asking import AXES, OVERLAPS, Axis, rivals
from med_mat.splits import Experiment
from med_mat.taxonomy import AREAS, MODALITIES

TARGET = "CT/*/*|MRI/Brain/*|X-ray/Lung/*"
WORDS: dict[Axis, list[str]] = {"modality": sorted(MODALITIES), "area": sorted(AREAS)}


@pytest.fixture(scope="module")
def mat(workshop: Workshop) -> MedMAT:
    return med_mat.open(workshop.out)


@pytest.fixture(scope="module")
def experiment(mat: MedMAT) -> Experiment:
    return mat.held_out(TARGET)


def answers(of: Easy | Experiment) -> dict[str, str]:
    """The right answer of each record with options."""
    ids = of.mat.facts(of.test_positions, ["id"])["id"].to_pylist()
    asked = of.mat.questions(of.test_positions).to_pylist()
    return {one: question["answer"] for one, question in zip(ids, asked, strict=True) if question["options"]}


def other(letter: str) -> str:
    return "A" if letter != "A" else "B"


@pytest.mark.parametrize("axis", AXES)
def test_the_answer_is_the_tag_and_no_other_option_is_right(axis: Axis, mat: MedMAT, experiment: Experiment) -> None:
    easy = mat.shortcut(experiment, axis)
    tags = [getattr(mat.tags.facts[row].mat, axis) for row in mat.tags.row[easy.test_positions].tolist()]
    meanings = {one: MODALITIES[one] if axis == "modality" else one for one in set(tags)}
    for tag, one in zip(tags, easy.mat.questions(easy.test_positions).to_pylist(), strict=True):
        assert meanings[tag].startswith(one["options"]["ABCD".index(one["answer"])])
        assert len(set(one["options"])) == len(one["options"]) == 4
        assert all(
            f"{letter}: {option}" in one["question"] for letter, option in zip("ABCD", one["options"], strict=True)
        )


@given(st.sampled_from(AXES), st.data())
def test_overlapping_words_are_never_offered_together(axis: Axis, data: Any) -> None:
    word = data.draw(st.sampled_from(WORDS[axis]))
    offered = rivals(word, WORDS[axis], axis)
    assert word not in offered
    assert not any({word, one} == set(pair) for one in offered for pair in OVERLAPS[axis])
    assert all(word in rivals(one, WORDS[axis], axis) for one in offered)  # wrong is mutual


def test_questions_depend_on_record_and_seed_alone(mat: MedMAT, experiment: Experiment) -> None:
    easy = mat.shortcut(experiment)
    every = easy.mat.questions(easy.test_positions)
    assert easy.mat.questions(easy.test_positions[::-1]).to_pylist() == every.to_pylist()[::-1]
    assert mat.shortcut(experiment, seed=1).mat.questions(easy.test_positions) != every
    assert set(every["answer"].to_pylist()) == set("ABCD")  # the place of the answer says nothing


def test_answers_to_one_question_are_not_answers_to_the_other(mat: MedMAT, experiment: Experiment) -> None:
    prints = {experiment.fingerprint, *(mat.shortcut(experiment, one).fingerprint for one in AXES)}
    assert len(prints) == 3


def test_the_four_kinds_of_images_are_counted(mat: MedMAT, experiment: Experiment) -> None:
    easy = mat.shortcut(experiment, "area")
    hard_right, easy_right = answers(experiment), answers(easy)
    ids = list(hard_right)
    hard = {one: hard_right[one] if number % 2 else other(hard_right[one]) for number, one in enumerate(ids)}
    said = {one: easy_right[one] for one in easy_right}
    said |= {one: easy_right[one] if number % 4 < 2 else other(easy_right[one]) for number, one in enumerate(ids)}
    found = compare(easy, hard, said)
    kinds = [(number % 2 == 1, number % 4 < 2) for number in range(len(ids))]
    assert found.images == len(ids)
    assert (found.both, found.hard_only, found.easy_only, found.neither) == tuple(
        kinds.count(one) for one in ((True, True), (True, False), (False, True), (False, False))
    )
    assert found.rate.value == pytest.approx(found.hard_only / found.images)
    assert found.unseen is not None
    assert found.unseen.value == pytest.approx(found.hard_only / (found.hard_only + found.both))
    assert sum(one.images for one in found.cells) == found.images
    mean = sum(one.shortcut * one.images for one in found.cells) / found.images
    assert mean == pytest.approx(found.rate.value)
    assert json.loads(json.dumps(found.to_json()))["images"] == found.images


def test_a_model_that_sees_what_is_easy_has_no_shortcut(mat: MedMAT, experiment: Experiment) -> None:
    easy = mat.shortcut(experiment)
    found = compare(easy, answers(experiment), answers(easy))
    assert found.hard_only == 0
    assert found.rate.value == 0
    assert found.when_seen is not None
    assert found.when_seen.value == 1
    assert found.when_not is None
    assert "wrong: (none)" in str(found)
    assert found.correlation is None  # nothing varies


def test_a_model_that_always_says_a_is_counted_too(mat: MedMAT, experiment: Experiment) -> None:
    easy = mat.shortcut(experiment)
    found = compare(easy, dict.fromkeys(answers(experiment), "A"), dict.fromkeys(answers(easy), "A"))
    assert found.both + found.hard_only + found.easy_only + found.neither == found.images


def test_answers_of_the_wrong_question_are_refused(mat: MedMAT, experiment: Experiment, tmp_path: Path) -> None:
    easy = mat.shortcut(experiment)
    path = tmp_path / "easy.jsonl"
    lines = [{"id": one, "answer": "A", "split": experiment.fingerprint} for one in answers(easy)]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    with pytest.raises(ScoreError, match="split"):
        compare(easy, answers(experiment), path)


@pytest.mark.parametrize("form", ["lmms-eval", "vlmevalkit", "evalscope", "trl", "llava"])
def test_easy_questions_go_out_in_every_format(form: str, mat: MedMAT, experiment: Experiment, tmp_path: Path) -> None:
    easy = mat.shortcut(experiment, "area")
    told = easy.export(tmp_path / "first", format=form, progress=False)
    assert told.records["test"] == len(experiment.test_positions)
    easy.export(tmp_path / "second", format=form, progress=False)
    assert digests(tmp_path / "first") == digests(tmp_path / "second")


def test_what_cannot_be_asked_is_refused(mat: MedMAT, experiment: Experiment) -> None:
    with pytest.raises(ExportError, match="axis"):
        mat.shortcut(experiment, "task")  # type: ignore[arg-type]

    class Nothing:
        mat, test_positions = experiment.mat, np.zeros(0, np.int64)
        fingerprint, definition, options = "", experiment.definition, experiment.options

    with pytest.raises(ExportError, match="no test records"):
        mat.shortcut(Nothing())  # type: ignore[arg-type]


def test_the_command_asks_and_compares(workshop: Workshop, mat: MedMAT, experiment: Experiment, tmp_path: Path) -> None:
    experiment.save(tmp_path / "split.parquet")
    easy = mat.shortcut(experiment)
    for name, of in (("hard", experiment), ("easy", easy)):
        lines = (json.dumps({"id": one, "answer": letter}) + "\n" for one, letter in answers(of).items())
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    command = ["shortcut", str(workshop.out), str(tmp_path / "split.parquet")]
    wrote = CliRunner().invoke(cli, [*command, "--export", str(tmp_path / "out"), "--format", "llava"])
    assert wrote.exit_code == 0, wrote.output
    assert (tmp_path / "out" / "test.json").exists()
    both = ["--hard", str(tmp_path / "hard.jsonl"), "--easy", str(tmp_path / "easy.jsonl")]
    assert "right without the modality" in CliRunner().invoke(cli, [*command, *both]).output
    assert json.loads(CliRunner().invoke(cli, [*command, *both, "--json"]).output)["hard_only"] == 0
    assert CliRunner().invoke(cli, command).exit_code == 2
