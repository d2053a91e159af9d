"""A validation part set apart from train: whole groups of every label, in every experiment, and proven by the audit."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_arms import ARMS
from test_evidence import damaged, put
from worlds import LUNG, MADE, Record, Row, World, audited, made_rows, made_up, many, replace, tried, worlds

from med_mat.errors import AuditError, SplitError
from med_mat.selection import MAT
from med_mat.splits import Experiment


@pytest.fixture(scope="module")
def world() -> World:
    return made_up(many({(2, "a"): 60, (2, "b"): 40, (3, "c"): 100, (4, "a"): 300}), made_rows())


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(worlds(), st.integers(0, 9), st.sampled_from([0.1, 0.3, 0.5]), st.none() | st.integers(1, 12))
@pytest.mark.parametrize("name", ARMS)
def test_the_validation_part_keeps_the_rule_in_any_world(
    name: str, made: tuple[Any, Any], number: int, share: float, size: int | None
) -> None:
    world = made_up(*made)
    target = made[1][number % len(made[1])].mat
    one, _ = tried(lambda: ARMS[name](world.mat, target, validation=share, size=size))
    if one is None:
        return
    held = one.validation_positions
    assert held.tolist() == sorted(set(held.tolist()))
    assert len(held) or one.leaked
    group = world.mat.tags.group
    for other in (one.train_positions, one.test_positions):
        assert not set(group[held].tolist()) & set(group[other].tolist())
    assert all(world.records[p].split == "train" for p in held)
    if size is not None and not name.startswith("limited") and not one.leaked:
        assert len(one.train_positions) == size
    found, why = audited(one)
    assert found is None or not any(count for counts in found.validation_shared.values() for count in counts.values())
    assert found is not None or "nothing in train holds" in why
    again = world.mat.experiment(one.definition)
    assert again.validation_positions.tolist() == held.tolist()
    assert again.train_positions.tolist() == one.train_positions.tolist()


def labels(world: World, positions: Any) -> Counter[tuple[int, str]]:
    return Counter((world.of(p).number, world.records[p].label) for p in positions.tolist())


def test_a_share_of_every_label_is_set_apart(world: World) -> None:
    made = world.mat.related(LUNG, validation=0.1)
    assert labels(world, made.validation_positions) == {(2, "a"): 6, (2, "b"): 4, (3, "c"): 10}
    assert len(made.train_positions) == 180
    audit = made.audit()
    assert audit.validation == {"CT/Brain/Cancer": 10, "CT/Lung/COVID": 10}
    assert audit.validation_labels == {"c": 10, "a": 6, "b": 4}
    assert set(audit.validation_shared) == {"train", "test"}
    for line in (
        "  validation: 20 records",
        "  in validation and train: 0 groups",
        "  in validation and test: 0 groups",
    ):
        assert line in str(audit)
    assert "20 validation" in repr(made)
    assert "validation" not in str(world.mat.related(LUNG).audit())
    assert not len(world.mat.related(LUNG).validation_positions)


def test_a_size_counts_what_is_trained_on_and_validation_follows_it(world: World) -> None:
    related = world.mat.related(LUNG, size=45, validation=0.1)
    unrelated = world.mat.unrelated(LUNG, like=related, validation=0.1)
    assert [len(one.train_positions) for one in (related, unrelated)] == [45, 45]
    assert [len(one.validation_positions) for one in (related, unrelated)] == [5, 5]
    assert related.audit().dropped["set apart for validation and not drawn"] == 15
    capped = world.mat.related(LUNG, max_per_subset=27, validation=0.1)
    assert (len(capped.train_positions), len(capped.validation_positions)) == (54, 6)
    with pytest.raises(SplitError, match="and there are 180 beside 20 for validation: pass the same smaller size="):
        world.mat.related(LUNG, size=190, validation=0.1)


def test_growing_sizes_contain_each_other_in_both_parts(world: World) -> None:
    made = world.mat.scaling(LUNG, [10, 40, 160], validation=0.2)
    for small, large in itertools.pairwise(made):
        assert set(small.train_positions) < set(large.train_positions)
        assert set(small.validation_positions) < set(large.validation_positions)
        assert not set(small.validation_positions) & set(large.train_positions)


def test_target_records_beside_an_arm_do_not_validate() -> None:
    """One patient has records of the target and of an arm; where those validate, the former do not train."""
    people = [Record(1, label="a", patient=str(n)) for n in range(20)]
    people += [Record(2, label="a", patient=str(n)) for n in range(20)] + [Record(3, label="c")] * 20
    world = made_up([*people, Record(1, "test")], made_rows())
    made = world.mat.limited(LUNG, 18, validation=0.1)
    assert labels(world, made.validation_positions) == {(2, "a"): 2, (3, "c"): 2}
    made.audit()
    with pytest.raises(SplitError, match=r"and there are 18 whose group is not tested or set apart for validation"):
        world.mat.limited(LUNG, 19, validation=0.1)


@pytest.mark.parametrize("share", [-0.1, 0.51, 1, float("nan"), True, "0.1", None])
def test_what_is_no_share(world: World, share: Any) -> None:
    with pytest.raises(SplitError, match=r"^An experiment: validation"):
        world.mat.related(LUNG, validation=share)


def test_nothing_that_can_be_set_apart_is_refused() -> None:
    few = made_up([Record(1, "test"), Record(2, label="a"), Record(3, label="b"), Record(3, label="c")], made_rows())
    with pytest.raises(SplitError, match=r"^validation=0.1 sets none of the 3 training records apart: .* larger share"):
        few.mat.related(LUNG, validation=0.1)


def broken(good: Experiment, message: str, positions: Any) -> None:
    with pytest.raises(AuditError) as caught:
        replace(good, validation_positions=np.asarray(positions, dtype=np.int64)).audit()
    assert message in "; ".join(caught.value.audit.violations)


def test_a_validation_part_that_leaks_or_breaks_the_rule_is_found() -> None:
    records = [Record(1, "test", patient="t", sha256="t", pixel_hash="t"), Record(1), Record(2, "test")]
    records += [Record(2, label="a", patient="p", sha256="p", pixel_hash="p")]
    records += [*[Record(2)] * 9, *[Record(3)] * 9, *[Record(4)] * 9]
    world = made_up(records, made_rows())
    good = world.mat.related(LUNG, validation=0.2)
    good.audit()
    held = good.validation_positions
    for what in ("groups", "patients", "files", "images", "near-duplicates"):
        broken(good, f"1 {what} are in validation and in test", [*held, *good.test_positions])
    known = next(p for p, one in enumerate(world.records) if one.patient == "p")
    train = replace(good, train_positions=np.union1d(good.train_positions, [known]))
    for what in ("groups", "patients", "files", "images", "near-duplicates"):
        broken(train, f"1 {what} are in validation and in train", [*set(held.tolist()) - {known}, known])
    broken(good, "validation holds a record twice", [*held, held[0]])
    broken(good, "validation holds 1 records of the target", world.mat.where(LUNG, split="train"))
    broken(good, "validation holds records of the test part", world.mat.where("CT/Brain/Cancer", split="test"))
    broken(good, "validation holds records that share no element", world.mat.where(MADE[3])[:2])
    foreign = world.mat.unrelated(LUNG, size=3, validation=0.2)
    assert foreign.rule.wide
    broken(foreign, "validation holds the target's area", world.mat.where(MADE[2])[:2])
    rows = [Row(1, LUNG, source="a"), Row(2, LUNG, source="b"), Row(3, MAT("CT", "Lung", "State"), source="a")]
    left = made_up([Record(n) for n in (1, 2, 2, 2, 3)], rows).mat
    broken(left.leave_source_out(LUNG, "a", validation=0.3), "validation holds records of a, which is left out",
           left.where("row=3"))  # fmt: skip


def test_a_validation_record_that_says_another_triplet_of_itself_is_found(world: World, tmp_path: Path) -> None:
    """The index is changed after the split was made: its rows still fit, a record's own columns do not."""
    made = world.mat.related(LUNG, validation=0.1)
    place = int(made.validation_positions[0])
    names = dict(zip(("modality", "area", "task"), (LUNG.modality, LUNG.area, LUNG.task), strict=True))
    changed = damaged(world, tmp_path, **{name: put(place, word) for name, word in names.items()})
    with pytest.raises(AuditError) as caught:
        replace(made, mat=changed).audit()
    message = "; ".join(caught.value.audit.violations)
    assert "1 validation records have the target's triplet in their own columns" in message
    assert "1 records of validation have columns that differ from their row, such as row" in message


def test_a_validation_part_is_saved_and_loaded(world: World, tmp_path: Path) -> None:
    made = world.mat.related(LUNG, size=45, validation=0.1, seed=3)
    for name in ("x.parquet", "x.json"):
        made.save(tmp_path / name)
        back = world.mat.load_split(tmp_path / name)
        assert back.validation_positions.tolist() == made.validation_positions.tolist()
        assert (back.options, back.definition) == (made.options, made.definition)
        assert str(back.audit()) == str(made.audit())
