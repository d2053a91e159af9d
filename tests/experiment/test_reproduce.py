"""The paper's experiments over a build of miniatures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import med_mat
from med_mat import paper
from med_mat.errors import EngineError
from med_mat.experiment import launch, plan
from med_mat.experiment.definition import read
from med_mat.experiment.reproduce import beside, definition, page

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


def test_figures_stand_beside_the_published_ones(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    pytest.importorskip("statsmodels")
    made = definition(mat, {**GIVEN, "max_records": 20}, ["three"])
    found = launch.run(mat, made, tmp_path / "out")
    tables = beside(found)
    assert list(tables) == ["three"], "parts that were not asked for have no table"
    table = tables["three"]
    ours = {int(study.name.partition("-")[2]): study.comparison() for study in found.studies}
    assert table == paper.table("three").beside(ours), "the one way to put figures beside the paper's"
    rows = [dict(zip(table.head, row, strict=True)) for row in table.rows]
    assert len(rows) == 9
    shown = [row for row in rows if row["ours trained"]]
    assert len(shown) == len(found.studies) > 0
    assert all(row["ours helps"] in ("yes", "no") and row["ours p"] for row in shown)
    text = page(found)
    assert all(name in text for name in found.left_out), "what is missing is named"


def test_a_part_that_is_not_there(mat: med_mat.MedMAT) -> None:
    with pytest.raises(EngineError, match=r"no part of the paper 'tow'\. Did you mean 'two'"):
        definition(mat, GIVEN, ["tow"])
