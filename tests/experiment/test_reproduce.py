"""The paper's experiments over a build of miniatures."""

from __future__ import annotations

from collections import Counter

import pytest

import med_mat
from med_mat import paper
from med_mat.errors import EngineError
from med_mat.experiment import launch, plan
from med_mat.experiment.definition import read
from med_mat.experiment.reproduce import beside, definition

pytestmark = pytest.mark.usefixtures("toy")
GIVEN = {"engine": "toy", "seeds": [0]}


def test_every_combination_of_the_paper_is_planned_or_absent_with_a_reason(mat: med_mat.MedMAT) -> None:
    made = definition(mat, GIVEN)
    parts = Counter(study.name.partition("-")[0] for study in made.studies)
    parts.update(name.partition("-")[0] for name in made.absent)
    assert (parts["two"], parts["three"], parts["detection"]) == (43, 9, 8)
    assert parts["disruption"] == 2
    assert parts["scaling"] <= 4
    assert parts["limited"] <= 4
    assert all(reason for reason in made.absent.values())


def test_the_arms_are_those_of_the_paper(mat: med_mat.MedMAT) -> None:
    made = definition(mat, {**GIVEN, "max_records": 30}, ["two"])
    study = next(study for study in made.studies if study.name == "two-02")
    prepared = plan.prepare(mat, read({**GIVEN, "target": "CT/Lung/Cancer"}))
    assert prepared.plan.studies
    row = paper.combinations("two")[1]
    assert study.target == row.target.selection
    assert study.published == {"untrained": 47, "unrelated": 46, "related": 50}
    assert study.options["balanced_test"] is True
    assert made.max_per_subset == 3000


def test_figures_stand_beside_the_published_ones(mat: med_mat.MedMAT, tmp_path: object) -> None:
    made = definition(mat, {**GIVEN, "max_records": 20}, ["three"])
    found = launch.run(mat, made, f"{tmp_path}/out")
    rows = {row["combination"].partition(".")[0]: row for row in beside(found) if row["table"] == "three"}
    assert len(rows) == 9
    shown = [row for row in rows.values() if row["our T"]]
    assert shown
    assert all(row["paper T"] and row["our helps"] in ("yes", "no") for row in shown)
    assert all(row["our T"] or row["missing"] for row in rows.values())
    assert all(row["missing"] == "" for row in shown)


def test_a_part_that_is_not_there(mat: med_mat.MedMAT) -> None:
    with pytest.raises(EngineError, match=r"no part 'tow' of the paper here. Did you mean 'two'"):
        definition(mat, GIVEN, ["tow"])
