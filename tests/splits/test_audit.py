from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workshop import Workshop
from worlds import LUNG, MADE, Record, World, look, made_rows, made_up, many, replace, worlds

import med_mat
from med_mat.errors import AuditError, SplitError
from med_mat.splits import Experiment


@pytest.fixture
def world() -> World:
    records = [Record(1, "test", patient="p1", sha256="f1", pixel_hash="h1"), Record(1, label="b")]
    records += [Record(2, patient=f"a{n}", sha256=f"g{n}") for n in range(4)] + [Record(3, label="c")] * 2
    return made_up([*records, *[Record(4)] * 9, Record(2, "test")], made_rows())


def broken(good: Experiment, message: str, **changes: Any) -> None:
    with pytest.raises(AuditError) as caught:
        replace(good, **changes).audit()
    assert message in "; ".join(caught.value.audit.violations)
    assert f"VIOLATED: {message}" in str(caught.value)
    assert "holds: yes" not in str(caught.value)


def test_a_violation_is_named(world: World) -> None:
    good = world.mat.related(LUNG)
    good.audit()
    none = np.zeros(0, dtype=np.int64)
    own = world.mat.where(LUNG, split="train")
    brain = world.mat.where("CT/Brain/Cancer", split="train")
    plus = np.concatenate([good.train_positions, own])
    broken(good, "train holds 1 records of the target, of which 0 are allowed", train_positions=plus)
    broken(good, "nothing in train holds the target's area Lung", train_positions=brain)
    broken(good, "train is empty", train_positions=none)
    broken(good, "test is empty", test_positions=none)
    broken(good, "test holds records that are not the target's", test_positions=brain)
    broken(good, "test holds records that are not of the test part", test_positions=brain)
    broken(good, "train holds records of the test part", train_positions=world.mat.where("CT/Brain/Cancer"))
    broken(good, "train holds a record twice", train_positions=np.repeat(good.train_positions, 2))
    broken(good, "1 groups are in train and in test", train_positions=good.test_positions)
    broken(good, "1 patients are in train and in test", train_positions=good.test_positions)
    broken(good, "1 files are in train and in test", train_positions=good.test_positions)
    broken(good, "1 images are in train and in test", train_positions=good.test_positions)
    foreign = world.mat.unrelated(LUNG)
    broken(foreign, "train holds the target's modality", train_positions=good.train_positions)
    broken(world.mat.without(LUNG, "area"), "train holds the target's area", train_positions=good.train_positions)
    broken(good, "train holds records that share no element", train_positions=foreign.train_positions)


@settings(max_examples=200)
@given(worlds(), st.data())
def test_a_leak_that_the_split_did_not_make_is_found(made: tuple[Any, Any], data: st.DataObject) -> None:
    """Whatever two sets of records are called a split: who shares anything is found, from the records themselves."""
    world = made_up(*made)
    positions = st.lists(st.integers(0, len(world.records) - 1), unique=True, max_size=9).map(sorted)
    train, test = data.draw(positions), data.draw(positions)
    template = made_up(many({(2, "a"): 1, (3, "a"): 1}), made_rows()).mat.related(LUNG)
    experiment = replace(
        template, mat=world.mat, train_positions=np.array(train, dtype=np.int64),
        test_positions=np.array(test, dtype=np.int64),
    )  # fmt: skip
    try:
        message = str(experiment.audit())
    except SplitError as error:
        message = str(error)
    of: dict[str, Callable[[Record], object]] = {
        "patients": lambda one: one.patient and (one.row, one.patient),  # numbered within a source
        "files": lambda one: one.sha256,
        "images": lambda one: one.pixel_hash,
        "near-duplicates": look,
    }
    for what, value in of.items():
        sides = [{value(world.records[p]) for p in side} - {None} for side in (train, test)]
        assert f" {len(sides[0] & sides[1])} {what}" in message
    assert ("VIOLATED" in message) or not (set(train) & set(test))


def test_an_audit_survives_its_json(workshop: Workshop, tmp_path: Path) -> None:
    mat = med_mat.open(workshop.out)
    audit = mat.related("CT/Lung/Cancer", size=12, seed=5).audit()
    read = json.loads(audit.to_json())
    assert read == json.loads(json.dumps(asdict(audit)))
    assert (
        read["definition"].items()
        >= {"experiment": "related", "target": "CT/Lung/Cancer", "size": 12, "seed": 5}.items()
    )
    assert read["build"]["records"] == len(mat)
    for suffix in ("json", "txt", "svg", "png"):
        audit.save(tmp_path / f"audit.{suffix}")
        assert (tmp_path / f"audit.{suffix}").stat().st_size > 200
    assert "holds: yes" in (tmp_path / "audit.txt").read_text("utf-8")
    with pytest.raises(SplitError, match=r"saved as \.json, \.txt, \.svg or \.png"):
        audit.save(tmp_path / "audit.docx")


def test_what_was_not_looked_at_is_noted() -> None:
    records = many({(2, "a"): 1, (3, "a"): 1})
    world = made_up(records, made_rows(MADE), near_duplicates={"records without hash": 3})
    assert any(
        "near-duplicates were not looked for among 3 records" in text for text in world.mat.related(LUNG).audit().notes
    )
