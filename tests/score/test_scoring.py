"""From a split and answers to a result and a comparison, in Python and on the command line."""

from __future__ import annotations

import csv
import io
import json
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from workshop import Workshop

import med_mat
from med_mat import paper, plot, score
from med_mat.cli import cli
from med_mat.errors import MissingExtraError, PlotError, ScoreError, VocabularyError
from med_mat.splits import Experiment

TARGET = "X-ray/Lung/COVID"
Rows = list[dict[str, object]]


@pytest.fixture(scope="module")
def mat(workshop: Workshop) -> med_mat.MedMAT:
    return med_mat.open(workshop.out)


@pytest.fixture(scope="module")
def related(mat: med_mat.MedMAT) -> Experiment:
    return mat.related(TARGET, test_on="all")


@pytest.fixture(scope="module")
def unrelated(mat: med_mat.MedMAT, related: Experiment) -> Experiment:
    return mat.unrelated(TARGET, like=related, test_on="all")


def _facts(exp: Experiment) -> Rows:
    ids = exp.mat.facts(exp.test_positions, ["id"])["id"].to_pylist()
    asked = exp.mat.questions(exp.test_positions, exp.options.questions).to_pylist()
    return [{"id": one, **row} for one, row in zip(ids, asked, strict=True)]


def _answers(exp: Experiment, share: float, seed: int = 0) -> dict[str, str]:
    """Answers of which a share is right, and the others any letter."""
    rng = random.Random(seed)
    return {
        str(row["id"]): str(row["target"]) if rng.random() < share else rng.choice("ABCD"[: len(row["options"] or "A")])  # type: ignore[arg-type]
        for row in _facts(exp)
        if row["target"]
    }


def test_right_answers_reach_1_and_the_cells_add_up(related: Experiment) -> None:
    found = related.mat.score(related, _answers(related, 1.0))
    assert (found.figure.value, found.unparsed, found.split) == (1.0, 0.0, related.fingerprint)
    for axis in ("triplet", "modality", "source", "label"):
        assert sum(cell.records for cell in found.section.of(axis).values()) == len(found.records.id)


def test_accuracy_is_that_of_the_answers_and_balanced_over_labels(related: Experiment) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    answers = _answers(related, 0.6)
    found = related.mat.score(related, answers)
    rows = [row for row in _facts(related) if row["target"]]
    right = [answers[str(row["id"])] == row["target"] for row in rows]
    assert found.figure.value == pytest.approx(np.mean(right))
    truth = [row["options"]["ABCD".index(str(row["target"]))] for row in rows]  # type: ignore[index]
    said = [row["options"]["ABCD".index(answers[str(row["id"])])] for row in rows]  # type: ignore[index]
    expected = metrics.recall_score(truth, said, labels=sorted(set(truth)), average="macro")
    assert found.section.figures["balanced accuracy"].value == pytest.approx(expected)
    assert found.section.chance == pytest.approx(np.mean([1 / len(row["options"]) for row in rows]))  # type: ignore[arg-type]
    assert sum(number for *_, number in found.section.confusion) == len(rows)


def test_always_a_is_near_chance_and_below_what_is_blind(related: Experiment) -> None:
    found = related.mat.score(related, dict.fromkeys(_answers(related, 1.0), "A"))
    assert found.section.chance is not None
    assert abs(found.figure.value - found.section.chance) < 0.15
    assert found.blind
    assert "without the image" in str(found)


def test_likelihoods_are_answers_and_a_tie_is_none(related: Experiment) -> None:
    scores = {
        str(row["id"]): {letter: float(letter == row["target"]) for letter in "ABCD"[: len(row["options"])]}  # type: ignore[arg-type]
        for row in _facts(related)
        if row["target"]
    }
    assert related.mat.score(related, scores).figure.value == 1.0
    first = next(iter(scores))
    tied = {**scores, first: dict.fromkeys(scores[first], 0.0)}
    assert related.mat.score(related, tied).parsed["ambiguous"] == 1
    with pytest.raises(ScoreError, match=r"'Z' is none of them|has no score"):
        related.mat.score(related, {**scores, first: {"Z": 1.0}})


def test_missing_answers_are_wrong_and_reported(related: Experiment) -> None:
    answers = dict(list(_answers(related, 1.0).items())[1:])
    with pytest.raises(ScoreError, match="have no answer"):
        related.mat.score(related, answers)
    found = related.mat.score(related, answers, missing="wrong")
    assert found.parsed["missing"] == 1
    assert found.figure.value < 1


def test_open_answers_findings_and_boxes_are_scored_by_their_own_measures(mat: med_mat.MedMAT) -> None:
    for target, kind, measure in (
        ("MRI/Brain/Diseases", "open", "accuracy"),
        ("X-ray/Chest/Diseases", "findings", "F1"),
        ("X-ray/Chest/Diseases Detection", "boxes", "mean IoU"),
    ):
        places = mat.where(target)
        exp = mat.split(test=places, train=mat.where("US/Breast/Cancer"))
        rows = [row for row in _facts(exp) if row["open_answer"]]
        found = mat.score(exp, {str(row["id"]): str(row["open_answer"]) for row in rows}, style="open")
        section = found.sections[0]
        assert (section.kind, section.measure) == (kind, measure)
        assert section.figure.value == pytest.approx(1.0), (target, found.section.confusion[:5])
        nothing = mat.score(exp, {str(row["id"]): "the weather" for row in rows}, style="open")
        assert nothing.figure.value == 0
        assert nothing.parsed == {"unparsed": len(rows)}
        assert str(found)


def test_boxes_in_the_convention_of_a_model(mat: med_mat.MedMAT) -> None:
    from med_mat import conventions

    exp = mat.split(test=mat.where("X-ray/Chest/Diseases Detection"), train=mat.where("US/Breast/Cancer"))
    sizes = exp.mat.facts(exp.test_positions, ["width", "height"]).to_pylist()
    answers = {}
    for row, size in zip(_facts(exp), sizes, strict=True):
        if row["target"]:
            shape = (size["width"], size["height"])
            boxes = conventions.read(str(row["target"]), shape, "pixels") or []
            answers[str(row["id"])] = conventions.write(boxes, shape, "qwen2-vl")
    assert mat.score(exp, answers, boxes="qwen2-vl").figure.value > 0.8
    assert mat.score(exp, answers, boxes="pixels").figure.value < 0.5
    names = set(mat.score(exp, answers, boxes="qwen2-vl").section.figures)
    assert {"cumulative IoU", "complete IoU", "Dice"} <= names


def test_what_cannot_be_scored_is_a_sentence(mat: med_mat.MedMAT, related: Experiment) -> None:
    empty = replace(related, test_positions=related.test_positions[:0])
    with pytest.raises(ScoreError, match="its test part is empty"):
        mat.score(empty, {})
    with pytest.raises(ScoreError, match="its validation part is empty"):
        mat.score(related, {}, part="validation")
    with pytest.raises(ScoreError, match="style='sung'"):
        mat.score(related, {}, style="sung")


def test_one_label_and_one_group_have_figures_without_intervals(mat: med_mat.MedMAT, related: Experiment) -> None:
    one = replace(related, test_positions=related.test_positions[:1])
    found = mat.score(one, _answers(one, 1.0))
    assert (found.figure.value, found.figure.low, found.figure.method) == (1.0, None, "none")
    assert any("too small" in note for note in found.notes)


def test_a_saved_result_is_the_same_again(related: Experiment, tmp_path: Path) -> None:
    found = related.mat.score(related, _answers(related, 0.5), model="m", seed=3)
    found.save(tmp_path / "r.json")
    assert score.load(tmp_path / "r.json") == found
    found.save(tmp_path / "again.json")
    assert (tmp_path / "r.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    with pytest.raises(ScoreError, match="saved as"):
        found.save(tmp_path / "r.xlsx")
    for damage in (b"{}", b"[", b'{"version": 1}', (tmp_path / "r.json").read_bytes().replace(b'"score"', b'"scores"')):
        (tmp_path / "bad.json").write_bytes(damage)
        with pytest.raises(ScoreError, match=r"bad\.json"):
            score.load(tmp_path / "bad.json")


def test_a_table_has_every_figure_in_each_form(related: Experiment) -> None:
    found = related.mat.score(related, _answers(related, 0.5))
    rows = list(csv.reader(io.StringIO(found.table("csv"))))
    assert rows[0][:3] == ["axis", "value", "records"]
    assert len(rows) == len(found.table("markdown").splitlines()) - 1 == found.table("latex").count(r"\\")
    assert TARGET in found._repr_html_()


def _arms(related: Experiment, unrelated: Experiment) -> Mapping[str, object]:
    made = related.mat.score
    return {
        "related": [made(related, _answers(related, 0.75, seed), seed=seed) for seed in range(3)],
        "unrelated": [made(unrelated, _answers(unrelated, 0.3, seed), seed=seed) for seed in (10, 11, 12)],
        "untrained": made(related, dict.fromkeys(_answers(related, 1.0), "A")),
    }


def test_arms_are_compared_on_the_same_records(related: Experiment, unrelated: Experiment) -> None:
    pytest.importorskip("statsmodels")
    found = score.compare(_arms(related, unrelated))  # type: ignore[arg-type]
    better = found.against("related")
    assert found.reference == "unrelated"
    assert better.low is not None
    assert better.low > 0
    assert better.significant
    assert better.helps
    assert len(better.mcnemar) == 3
    assert better.difference == pytest.approx(found["related"].mean - found["unrelated"].mean)
    assert found["related"].sd == pytest.approx(np.std(found["related"].seeds, ddof=1))
    assert not found.against("untrained").helps
    again = score.compare(_arms(related, unrelated))  # type: ignore[arg-type]
    assert again == found
    for form in ("markdown", "latex", "csv"):
        assert "related" in found.table(form)
    assert "McNemar" in str(found)
    assert TARGET in found._repr_html_()


def test_our_figures_stand_beside_the_published_ones(
    related: Experiment, unrelated: Experiment, tmp_path: Path
) -> None:
    pytest.importorskip("statsmodels")
    found = score.compare(_arms(related, unrelated))  # type: ignore[arg-type]
    made = paper.table("two").beside({2: found})
    assert len(made.rows) == len(paper.combinations("two"))
    row = dict(zip(made.head, made.rows[1], strict=True))
    assert row["LLaVA-v1.5-7B trained"] == "50"
    assert row["ours trained"].startswith(f"{100 * found['related'].mean:.0f} [")
    assert row["ours helps"] == "yes"
    assert f"{len(made.rows) - 1} of {len(made.rows)} rows have no result of ours" in str(made)
    made.save(tmp_path / "beside.tex")
    with pytest.raises(VocabularyError, match="has no row 99"):
        paper.table("two").beside({99: found})


def test_equal_answers_differ_in_nothing(related: Experiment) -> None:
    pytest.importorskip("statsmodels")
    one = related.mat.score(related, _answers(related, 0.5))
    found = score.compare({"one": one, "other": one}).differences[0]
    assert (found.difference, found.low, found.high, found.p, found.helps) == (0, 0, 0, 1, False)
    assert found.detectable is not None
    assert found.detectable > 0


def test_what_cannot_be_compared_is_a_sentence(related: Experiment) -> None:
    found = related.mat.score(related, _answers(related, 0.5))
    fewer = replace(related, test_positions=related.test_positions[1:])
    other = related.mat.score(fewer, _answers(fewer, 0.5))
    for arms, told in (
        ({"a": found, "b": other}, "same test records"),
        ({"a": []}, "has no result"),
        ({}, "no arm"),
    ):
        with pytest.raises(ScoreError, match=told):
            score.compare(arms)
    with pytest.raises(ScoreError, match="is no arm"):
        score.compare({"a": found}, reference="b")
    with pytest.raises(ScoreError, match="no question of the kind"):
        score.compare({"a": found}, kind="boxes")


def test_comparing_without_statsmodels_says_what_to_install(
    related: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = related.mat.score(related, _answers(related, 0.5))
    for name in ("statsmodels.stats.multitest", "statsmodels.stats.contingency_tables"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"med-mat\[score\]"):
        score.compare({"a": found, "b": found})


def test_a_picture_of_a_result_and_of_a_comparison(related: Experiment, unrelated: Experiment, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("statsmodels")
    arms = _arms(related, unrelated)
    plot.save(plot.scores(score.compare(arms)), tmp_path / "arms.svg")  # type: ignore[arg-type]
    assert "unrelated" in (tmp_path / "arms.svg").read_text("utf-8")
    plot.save(plot.scores(arms["untrained"], axis="source"), tmp_path / "cells.svg")  # type: ignore[arg-type]
    assert "covidgr" in (tmp_path / "cells.svg").read_text("utf-8")
    with pytest.raises(PlotError, match="no axis 'weather'"):
        plot.scores(arms["untrained"], axis="weather")  # type: ignore[arg-type]


def test_the_command_scores_compares_and_saves(
    workshop: Workshop, related: Experiment, unrelated: Experiment, tmp_path: Path
) -> None:
    pytest.importorskip("statsmodels")
    for exp, name in ((related, "related"), (unrelated, "unrelated")):
        exp.save(tmp_path / f"{name}.parquet")
    for exp, name, share in ((related, "s0", 0.8), (related, "s1", 0.7), (unrelated, "base", 0.2)):
        rows = ({"id": one, "answer": a, "split": exp.fingerprint} for one, a in _answers(exp, share).items())
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    build, split, first = str(workshop.out), str(tmp_path / "related.parquet"), str(tmp_path / "s0.jsonl")
    base, other = str(tmp_path / "base.jsonl"), str(tmp_path / "unrelated.parquet")
    run: Callable[..., str] = lambda *arguments: _run("score", *arguments)  # noqa: E731
    assert "accuracy" in run(build, split, first)
    assert run(split, first, "--med-mat", build) == run(build, split, first)
    saves = [word for end in ("json", "md", "tex", "csv") for word in ("--save", str(tmp_path / f"r.{end}"))]
    told = run(build, split, first, str(tmp_path / "s1.jsonl"), "--against", base, "--against-split", other, *saves)
    assert "related - against" in told
    assert json.loads((tmp_path / "r.json").read_text("utf-8"))["reference"] == "against"
    result = CliRunner().invoke(cli, ["score", build, split, base])
    assert isinstance(result.exception, ScoreError)
    assert "answers to the split" in str(result.exception)


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output
