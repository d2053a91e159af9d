"""The figures of an experiment are those of its answers, scored and compared by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import med_mat
from med_mat.cli import cli
from med_mat.experiment import launch, plan, runner
from med_mat.score import compare

pytestmark = pytest.mark.usefixtures("toy")
TARGET = "X-ray/Lung/COVID"
DEFINITION = {"engine": "toy", "target": TARGET, "arms": ["unrelated", "related"]}


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
def test_they_are_what_the_command_score_prints(mat: med_mat.MedMAT, tmp_path: Path, seeds: list[int]) -> None:
    pytest.importorskip("statsmodels")
    (study,) = launch.run(mat, {**DEFINITION, "seeds": seeds}, tmp_path).studies
    split = {arm: plan.split_path(tmp_path, f"{study.name}-{arm}-split0") for arm in ("related", "unrelated")}
    answers = {
        arm: [str(runner.answers_path(tmp_path, f"{study.name}-{arm}-seed{seed}")) for seed in seeds] for arm in split
    }
    line = [str(mat.location), str(split["related"]), *answers["related"], "--name", "related"]
    line += [word for file in answers["unrelated"] for word in ("--against", f"unrelated={file}")]
    line += ["--against-split", f"unrelated={split['unrelated']}", "--json"]
    printed = CliRunner().invoke(cli, ["score", *line], standalone_mode=False, catch_exceptions=False)
    theirs = json.loads(printed.output)
    ours = json.loads(json.dumps(asdict(study.comparison())))
    by_name = {arm["name"]: arm for arm in ours["arms"]}
    assert [by_name[arm["name"]] for arm in theirs["arms"]] == theirs["arms"]
    for key in ("target", "kind", "measure", "records", "groups", "reference", "differences"):
        assert ours[key] == theirs[key], key
    assert ours["chance"] == pytest.approx(theirs["chance"])


def test_runs_with_tests_of_their_own_count_alike(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    """A test that is balanced over labels is another sample of the records for each seed of the split."""
    pytest.importorskip("statsmodels")
    asked = {**DEFINITION, "seeds": [0, 1], "split_seeds": [3, 4], "options": {"balanced_test": True}}
    (study,) = launch.run(mat, asked, tmp_path).studies
    splits = [mat.load_split(plan.split_path(tmp_path, f"{study.name}-related-split{seed}")) for seed in (3, 4)]
    tests = [split.test_positions for split in splits]
    assert not np.array_equal(*tests), "the samples differ"
    assert study.records == len(np.union1d(*tests))
    each = [
        mat.score(split, runner.answers_path(tmp_path, f"{study.name}-related-seed{seed}"))
        for seed, split in enumerate(splits)
    ]
    related = study.comparison()["related"]
    assert related.seeds == pytest.approx([one.figure.value for one in each])
    assert related.mean == pytest.approx(np.mean(related.seeds))
    assert compare({"related": each[:1]}, reference="related")["related"].mean == pytest.approx(related.seeds[0])
