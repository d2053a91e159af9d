"""Experiments from definition to table: arms that match, tasks that resume, failures that stop nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import med_mat
from med_mat.cli import cli
from med_mat.errors import EngineError, SplitError
from med_mat.experiment import launch, plan, read, report, runner, table
from med_mat.experiment.engine import engine

pytestmark = pytest.mark.usefixtures("toy")
TARGET = "X-ray/Lung/COVID"
DEFINITION: dict[str, Any] = {"engine": "toy", "target": TARGET, "seeds": [0, 1]}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results"


def run(mat: med_mat.MedMAT, out: Path, **changes: Any) -> report.Report:
    return launch.run(mat, {**DEFINITION, **changes}, out)


def digests(folder: Path) -> dict[str, bytes]:
    """The files of an experiment, but its locks and scratch folders."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in ("locks", "work", "cache", ".plan.lock")
    }


def test_arms_are_tested_alike_have_one_size_and_pass_their_audit(mat: med_mat.MedMAT, out: Path) -> None:
    arms = ["untrained", "unrelated", "related", "all_related", "single_task"]
    made = plan.planned(mat, read({**DEFINITION, "arms": arms, "max_records": 40}), out)
    splits = {arm: mat.load_split(plan.split_path(out, f"x-ray-lung-covid-{arm}-split0")) for arm in arms}
    assert {len(splits[arm].train_positions) for arm in ("unrelated", "related", "all_related")} == {40}
    assert 0 < len(splits["single_task"].train_positions) <= 40
    assert not len(splits["untrained"].train_positions)
    assert not len(splits["untrained"].validation_positions)
    for arm, split in splits.items():
        assert np.array_equal(split.test_positions, splits["related"].test_positions), arm
        if arm != "untrained":
            assert len(split.validation_positions), arm
            assert split.audit().fingerprint == made.studies[0].arms[arm]["0"].split
            assert "holds: yes" in (out / "audits" / f"x-ray-lung-covid-{arm}-split0.txt").read_text()
    assert len(made.steps) == 1 + 4 * 2 * 2, "an untrained arm is run once, and has no controls"


def test_a_small_unrelated_arm_makes_the_related_one_smaller(mat: med_mat.MedMAT) -> None:
    among = "X-ray/*/*, */Lung/COVID, Co/*/*"  # unrelated: Co alone
    made = plan.prepare(mat, read({**DEFINITION, "options": {"among_train": among}})).plan.studies[0]
    sizes = {arm: next(iter(parts.values())).train for arm, parts in made.arms.items()}
    assert 0 < sizes["unrelated"] == sizes["related"] < 40


def test_the_table_shows_arms_with_their_controls_and_says_that_it_is_synthetic(mat: med_mat.MedMAT, out: Path) -> None:
    found = run(mat, out)
    (study,) = found.studies
    by_name = {arm.arm: arm for arm in study.arms}
    related = by_name["related"]
    assert related.own.accuracy.low > by_name["unrelated"].own.accuracy.mean
    assert related.own.difference is not None
    assert related.own.difference.low > 0
    pytest.importorskip("statsmodels")
    assert related.own.difference.p_holm is not None
    assert related.own.difference.p_holm < 0.05
    guess = related.controls["guess"].difference
    assert guess is not None
    assert guess.low <= 0 <= guess.high
    assert found.selection == ("validation accuracy within the arm",)
    page = (out / "table.md").read_text("utf-8")
    assert "SYNTHETIC" in page.splitlines()[0]
    assert "| guess |" in page
    drawn = (out / "table.svg").read_text("utf-8")
    assert drawn.startswith("<?xml")
    for words in ("on SYNTHETIC images<", "1 target, seeds 0, 1;", ">difference to unrelated (Baseline+), points<"):
        assert words in drawn
    for name in ("untrained", "unrelated", "related", "controls:", "guess"):
        assert f">{name}<" in drawn
    assert "SYNTHETIC" in (out / "table.tex").read_text("utf-8")
    rows = (out / "table.csv").read_text("utf-8").splitlines()
    assert len(rows) == 1 + 3 + 2, "controls have rows of their own"
    assert json.loads((out / "results.json").read_text("utf-8"))["synthetic"] is True


def test_a_difference_that_a_control_or_a_guess_reaches_is_warned_of(mat: med_mat.MedMAT, out: Path) -> None:
    found = run(mat, out)
    assert "no evidence" not in table.text(found)
    (study,) = found.studies
    *others, related = study.arms
    alike = replace(related, controls={"guess": related.own})
    doubtful = replace(found, studies=(replace(study, arms=(*others, alike), blind_best=1.0),))
    for told in (table.text(doubtful), table.markdown(doubtful)):
        assert "as well: this is no evidence of compositional generalization." in told
        assert "not above what can be guessed without images, 100.0 %." in told


def test_no_figure_without_its_controls(mat: med_mat.MedMAT, out: Path) -> None:
    made = plan.planned(mat, read(DEFINITION), out)
    without = [step for step in made.steps if (step.arm, step.control, step.seed) != ("related", "guess", 1)]
    runner.run_tasks(mat, made, out, without)
    found = report.collect(mat, out)
    assert [arm.arm for arm in found.studies[0].arms] == ["untrained", "unrelated"]
    assert found.missing == ("x-ray-lung-covid-related-guess-seed1",)
    assert "x-ray-lung-covid-related-guess-seed1: not run yet" in table.text(found)
    assert [row["arm"] for row in table.rows(found.studies)] == ["untrained", "unrelated"]


def test_a_second_run_runs_nothing_and_every_way_gives_the_same_bytes(
    mat: med_mat.MedMAT, out: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    run(mat, out)
    run(mat, tmp_path / "logged", settings={"log": str(log)})
    count = len(log.read_text().splitlines())
    run(mat, tmp_path / "logged", settings={"log": str(log)})
    assert len(log.read_text().splitlines()) == count == 1 + 2 * 2 * 2
    other = tmp_path / "other"
    made = plan.planned(mat, read(DEFINITION), other)
    for step in reversed(made.steps):
        runner.run_tasks(mat, made, other, [made.step(step.name)])
    launch.write(report.collect(mat, other), other)
    assert digests(out) == digests(other)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("engine", "The model does not fit."),
        ("bug", "ZeroDivisionError: a bug; see the .traceback.txt"),
        ("disk", "weights.bin: No space left on device."),
        ("incomplete", "1 of 23 records have no answer, such as"),
        ("nan", "the score nan"),
    ],
)
def test_a_task_that_fails_is_a_sentence_and_the_others_go_on(
    mat: med_mat.MedMAT, out: Path, how: str, words: str
) -> None:
    name = "x-ray-lung-covid-related-seed1"
    found = run(mat, out, settings={"stumble": name, "how": how})
    assert list(found.failed) == [name]
    assert words in found.failed[name]
    assert "\n" not in found.failed[name]
    assert found.missing == (name,)
    assert not runner.answers_path(out, name).exists()
    assert [arm.arm for arm in found.studies[0].arms] == ["untrained", "unrelated"]


def test_another_definition_and_another_folder_are_refused(mat: med_mat.MedMAT, out: Path) -> None:
    plan.planned(mat, read(DEFINITION), out)
    with pytest.raises(EngineError, match=r"results of another definition: seeds, order_seeds, split_seeds differs"):
        plan.planned(mat, read({**DEFINITION, "seeds": [0, 1, 2]}), out)
    with pytest.raises(EngineError, match="is not empty, and has no experiment"):
        plan.planned(mat, read(DEFINITION), out.parent)
    with pytest.raises(EngineError, match="has no experiment"):
        plan.load(out.parent)
    with pytest.raises(EngineError, match="There is no task 99"):
        plan.load(out).step("99")


def test_a_plan_whose_names_lead_elsewhere_is_refused(mat: med_mat.MedMAT, out: Path) -> None:
    plan.planned(mat, read(DEFINITION), out)
    path = out / plan.PLAN
    whole = path.read_text()
    path.write_text(whole.replace("x-ray-lung-covid-related-seed0", "../../x-ray-lung-covid-related-seed0"))
    with pytest.raises(EngineError, match="has a name that Med-MAT did not give"):
        plan.load(out)
    for text in ("{", "[]", '{"version": 1}', '{"version": 2}', whole.replace('"steps"', '"stepps"')):
        path.write_text(text)
        with pytest.raises(EngineError, match=r"plan\.json"):
            plan.load(out)


def test_what_a_run_leaves_that_was_killed_before_its_plan_is_continued(mat: med_mat.MedMAT, out: Path) -> None:
    plan.planned(mat, read(DEFINITION), out)
    before = digests(out)
    (out / plan.PLAN).unlink()
    next((out / "splits").iterdir()).unlink()
    plan.planned(mat, read(DEFINITION), out)
    assert digests(out) == before


def test_a_target_that_cannot_be_studied_is_said_and_the_others_are_run(mat: med_mat.MedMAT, out: Path) -> None:
    found = run(mat, out, target=None, targets=[TARGET, "End/Bladder/Level"], seeds=[0])
    assert len(found.studies) == 1
    assert "holds its area, Bladder" in found.left_out["end-bladder-level"]
    with pytest.raises(SplitError, match="holds its area, Bladder"):
        run(mat, out.parent / "alone", target="End/Bladder/Level")


def test_a_test_that_is_too_small_is_warned_of_before_anything_is_trained(mat: med_mat.MedMAT) -> None:
    made = plan.prepare(mat, read({**DEFINITION, "target": "CT/Lung/COVID"})).plan
    assert "with 10 questions in 6 groups it can detect" in made.studies[0].warnings[0]


def test_results_that_somebody_changed_are_refused(mat: med_mat.MedMAT, out: Path) -> None:
    run(mat, out)
    name = "x-ray-lung-covid-related-seed0"
    path = runner.answers_path(out, name)
    path.write_bytes(path.read_bytes().replace(b"answer is", b"answer was"))
    with pytest.raises(EngineError, match="is not what the task wrote"):
        report.collect(mat, out)
    runner.result_path(out, name).write_text('{"task": 1}')
    with pytest.raises(EngineError, match="lacks the key"):
        report.collect(mat, out)


@pytest.mark.parametrize("answer", ["scores", "always A"])
def test_likelihoods_and_a_model_that_always_says_a(mat: med_mat.MedMAT, out: Path, answer: str) -> None:
    found = run(mat, out, settings={"answer": answer})
    arms = {arm.arm: arm.own for arm in found.studies[0].arms}
    if answer == "scores":
        assert arms["related"].accuracy.mean > arms["unrelated"].accuracy.mean
    else:
        assert arms["related"].accuracy.seeds == arms["unrelated"].accuracy.seeds
        assert arms["related"].difference.p == 1.0


def test_two_targets_are_pooled_and_their_p_values_adjusted(mat: med_mat.MedMAT, out: Path) -> None:
    found = run(mat, out, target=None, targets=[TARGET, "MRI/Brain/Diseases"])
    pooled = {one.arm: one for one in found.pooled}
    assert pooled["related"].targets == 2
    assert pooled["related"].difference.low > 0
    for study in found.studies:
        for arm in study.arms:
            if arm.own.difference is not None:
                assert arm.own.difference.p_holm >= arm.own.difference.p


def test_the_order_and_the_split_have_seeds_of_their_own(mat: med_mat.MedMAT) -> None:
    made = plan.prepare(mat, read({**DEFINITION, "order_seeds": [7, 8], "split_seeds": [3, 4], "max_records": 30})).plan
    steps = {(step.seed, step.order, step.split_seed) for step in made.steps if step.arm == "related"}
    assert steps == {(0, 7, 3), (1, 8, 4)}
    arms = made.studies[0].arms["related"]
    assert arms["3"].split != arms["4"].split


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from med_mat.cli import main; main()", *arguments]


class TestCommandLine:
    def run(self, *arguments: str) -> Any:
        """As a program: the status is what the command returns, or 1 for an error, whose message is in the output."""
        found = CliRunner().invoke(cli, [*arguments], standalone_mode=False)
        status = 1 if found.exception else found.return_value or 0
        return SimpleNamespace(exit_code=status, output=f"{found.output}{found.exception or ''}")

    def test_from_one_line_to_a_table(self, mat: med_mat.MedMAT, out: Path) -> None:
        line = ("experiment", str(mat.location), "related", TARGET, "--engine", "toy", "--seeds", "0,1")
        listed = self.run(*line, "--out", str(out), "--list")
        assert listed.exit_code == 0, listed.output
        assert "0 x-ray-lung-covid-untrained-seed0" in listed.output
        planned = self.run(*line, "--out", str(out), "--dry-run")
        assert "9 tasks of the engine toy, controls guess." in planned.output
        assert not out.exists()
        for task in ("0", "x-ray-lung-covid-related-seed1"):
            done = self.run(*line, "--out", str(out), "--task", task)
            assert (done.exit_code, "done" in done.output) == (0, True), done.output
        done = self.run(*line, "--out", str(out))
        assert done.exit_code == 0, done.output
        assert f"{TARGET}  untrained" in done.output
        collected = self.run("collect", str(out), "--save", str(out.parent / "mine.tex"))
        assert collected.exit_code == 0
        assert r"\toprule" in (out.parent / "mine.tex").read_text("utf-8")

    def test_a_yaml_file_says_all(self, mat: med_mat.MedMAT, out: Path, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text(json.dumps({**DEFINITION, "settings": {"stumble": "x-ray-lung-covid-related-seed1"}}))
        failed = self.run("experiment", str(mat.location), str(path), "--out", str(out))
        assert failed.exit_code == 1
        assert "Error: x-ray-lung-covid-related-seed1: The model does not fit." in failed.output
        both = self.run("experiment", str(mat.location), str(path), TARGET, "--engine", "toy")
        assert both.exit_code == 1
        assert "leave out TARGET, --engine" in both.output

    def test_help_lists_engines_and_their_settings(self) -> None:
        text = self.run("experiment", "--help").output
        assert "Engine toy:" in text
        assert "others=0.3" in text

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ((), "name an --engine"),
            (("--engine", "tyo"), "Did you mean 'toy'"),
            (("--engine", "toy", "--set", "othres=1"), "Did you mean 'others'"),
            (("--engine", "toy", "--set", "others=2"), "others must be at most 1"),
            (("--engine", "toy", "--k", "3"), "no option 'k'"),
            (("--engine", "toy", "--arm", "nobody"), "no experiment 'nobody'"),
        ],
    )
    def test_mistakes(self, mat: med_mat.MedMAT, tmp_path: Path, more: tuple[str, ...], words: str) -> None:
        line = ("experiment", str(mat.location), "related", TARGET, "--out", str(tmp_path / "o"), *more)
        found = self.run(*line)
        assert found.exit_code
        assert words in found.output


def test_a_killed_run_loses_the_task_in_hand_alone(mat: med_mat.MedMAT, out: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = {"dawdle": 0.4, "log": str(log)}
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({**DEFINITION, "settings": settings, "seeds": [0]}))
    line = command("experiment", str(mat.location), str(path), "--out", str(out))
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    wait(lambda: log.exists() and len(log.read_text().splitlines()) >= 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = set(runner.finished(plan.load(out), out))
    assert before
    assert not report.collect(mat, out).failed
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    runs = log.read_text().splitlines()
    assert all(runs.count(name) == 1 for name in before), "what was done is not run again"
    undisturbed = launch.run(mat, path, tmp_path / "undisturbed")
    assert undisturbed == report.collect(mat, out)
    assert digests(out) == digests(tmp_path / "undisturbed")


def test_two_processes_on_one_folder_do_no_task_twice(mat: med_mat.MedMAT, out: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({**DEFINITION, "settings": {"dawdle": 0.1, "log": str(log)}, "seeds": [0]}))
    line = command("experiment", str(mat.location), str(path), "--out", str(out), "--jobs", "2")
    both = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    for process in both:
        process.communicate(timeout=120)
    runs = log.read_text().splitlines()
    assert len(runs) == len(set(runs)) == 5


def wait(until: Callable[[], bool]) -> None:
    for _ in range(600):
        if until():
            return
        time.sleep(0.1)
    pytest.fail("nothing happened in a minute")


def test_the_engine_gets_what_the_plan_says(toy: Any, mat: med_mat.MedMAT, out: Path) -> None:
    seen = []
    original = type(toy).run

    def spy(self: Any, task: Any) -> Any:
        seen.append(task)
        return original(self, task)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(toy), "run", spy)
        run(mat, out, order_seeds=[5, 6], seeds=[1, 2])
    assert engine("toy") is toy
    by_name = {task.name: task for task in seen}
    control = by_name["x-ray-lung-covid-related-guess-seed2"]
    assert (control.arm, control.seed, control.order, control.settings["related"]) == ("related", 2, 6, 0.25)
    assert control.folder == out / "work" / control.name
    assert control.cache == out / "cache"
    assert not len(by_name["x-ray-lung-covid-untrained-seed1"].experiment.train_positions)
