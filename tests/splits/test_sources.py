"""One source left out: tested on it, trained on the target elsewhere; and what an exclusion takes away is listed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import LUNG, Record, Row, World, made_up, replace, tried, worlds

from med_mat.errors import AuditError, SplitError, VocabularyError
from med_mat.selection import MAT

COVID = MAT("CT", "Lung", "COVID")
ELSEWHERE = "the target's triplet in other sources, b, c: leave_source_out trains on it"


@pytest.fixture
def world() -> World:
    """One triplet in the sources a, b and c, of which b lacks a test part; a has a row of another triplet, too."""
    rows = [Row(1, COVID, source="a"), Row(2, COVID, source="b"), Row(3, COVID, source="c"), Row(4, LUNG, source="a"),
            Row(5, MAT("US", "Skin", "Level"), source="d")]  # fmt: skip
    counts = {(1, "train"): 5, (1, "test"): 2, (2, "train"): 7, (3, "train"): 6, (3, "test"): 3, (4, "train"): 4,
              (4, "test"): 1, (5, "train"): 9, (5, "test"): 1}  # fmt: skip
    return made_up([Record(row, part) for (row, part), count in counts.items() for _ in range(count)], rows)


def sources(world: World, positions: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for position in positions.tolist():
        found[world.of(position).where] = found.get(world.of(position).where, 0) + 1
    return found


def test_a_source_is_tested_whole_and_the_others_train(world: World) -> None:
    made = world.mat.leave_source_out(COVID, "a")
    assert sources(world, made.test_positions) == {"a": 7}
    assert sources(world, made.train_positions) == {"b": 7, "c": 6}
    assert not made.dropped
    assert made.audit().definition["source"] == "a"
    assert sources(world, world.mat.leave_source_out(COVID, "a", test_on="test").test_positions) == {"a": 2}


def test_what_trains_can_be_widened_but_never_to_the_source(world: World) -> None:
    made = world.mat.leave_source_out(COVID, "a", train="CT/*/*")
    assert sources(world, made.train_positions) == {"b": 7, "c": 6}
    made = world.mat.leave_source_out(COVID, "a", train="*/*/Level")
    assert sources(world, made.train_positions) == {"b": 7, "c": 6, "d": 9}
    made.audit()
    assert world.mat.experiment(made.definition).train_positions.tolist() == made.train_positions.tolist()
    own = world.mat.where("source=a", split="train")
    with pytest.raises(AuditError, match="VIOLATED: train holds records of a, which is left out"):
        replace(made, train_positions=np.union1d(made.train_positions, own)).audit()


def test_what_shares_a_group_with_the_source_does_not_train(world: World) -> None:
    records = [replace(one, patient="p") if (one.row, one.split) in ((1, "train"), (2, "train")) else one
               for one in world.records]  # fmt: skip
    made = made_up(records, list(world.rows.values())).mat.leave_source_out(COVID, "a")
    assert len(made.train_positions) == 6
    assert made.audit().dropped == {"their group is tested": 7}


def test_labels_that_the_other_sources_do_not_have_are_noted(world: World) -> None:
    records = [
        replace(one, label="Severe" if one.row == 1 and n % 2 else one.label) for n, one in enumerate(world.records)
    ]
    made = made_up(records, list(world.rows.values())).mat
    count = sum(one.row == 1 and one.label == "Severe" for one in records)
    note = f"{count:,} test records have a label that no training record has: Severe"
    assert note in made.leave_source_out(COVID, "a").audit().notes
    assert not any("no training record has" in one for one in made.leave_source_out(COVID, "b").audit().notes)
    assert not any("no training record has" in one for one in made.all_data(LUNG).audit().notes), "CG: that is meant"


def test_each_source_in_turn(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        made = list(world.mat.leave_one_out("source", target=COVID, test_on="test"))
    assert [one.arguments["source"] for one in made] == ["a", "c"]
    assert "leave_one_out skips b: CT/Lung/COVID & source=b has records here, but none in the test" in caplog.text
    assert [one.arguments["source"] for one in world.mat.leave_one_out("source", target=COVID)] == ["a", "b", "c"]
    with pytest.raises(SplitError, match=r"needs target=, such as CT/Lung/COVID"):
        list(world.mat.leave_one_out("source"))
    with pytest.raises(SplitError, match="over 'area' takes no target="):
        list(world.mat.leave_one_out("area", target=COVID))
    with pytest.raises(
        SplitError, match=r"No source can be left out for US/Skin/Level\. d: No other source here holds"
    ):
        list(world.mat.leave_one_out("source", target="US/Skin/Level"))
    with pytest.raises(SplitError, match=r"No source can be left out for FP/.*has no record of FP/Fundus/Level"):
        list(world.mat.leave_one_out("source", target="FP/Fundus/Level"))


@pytest.mark.parametrize(
    ("target", "source", "message"),
    [
        (COVID, "aa", r"This Med-MAT has no source 'aa'\. Did you mean 'a'\? Sources here that have some: a, b, c\."),
        (COVID, "d", r"d has no record of CT/Lung/COVID\. Sources here that have some: a, b, c\."),
        (COVID, None, "leave_source_out: source must be a string, not None"),
        (
            "US/Skin/Level",
            "d",
            r"No other source here holds US/Skin/Level, so .* without d\. Sources that hold it: none",
        ),
    ],
)
def test_what_cannot_be_left_out(world: World, target: Any, source: Any, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        world.mat.leave_source_out(target, source)


def test_words_are_checked(world: World) -> None:
    with pytest.raises(VocabularyError, match="Lungs"):
        world.mat.leave_source_out("CT/Lungs/COVID", "a")
    with pytest.raises(VocabularyError, match="no source 'e'"):
        world.mat.leave_source_out(COVID, "a", train="source=e")


@settings(max_examples=200)
@given(worlds(), st.integers(0, 9), st.booleans(), st.integers(0, 2))
def test_leaving_a_source_out_in_any_world(made: tuple[Any, Any], number: int, pool: bool, seed: int) -> None:
    """Rows of one source have one number each; here two neighbours make a source."""
    rows = [replace(row, source=f"source_{row.number // 2}") for row in made[1]]
    world = made_up(made[0], rows)
    target = rows[number % len(rows)]
    one, _ = tried(lambda: world.mat.leave_source_out(target.mat, target.where, pool_tasks=pool, seed=seed))
    if one is None:
        return
    assert set(sources(world, one.test_positions)) == {target.where}
    assert target.where not in sources(world, one.train_positions)
    one.audit()
    again = world.mat.experiment(one.definition)
    assert again.train_positions.tolist() == one.train_positions.tolist()
    assert again.test_positions.tolist() == one.test_positions.tolist()


# ------------------------------------------------------------------------- what an exclusion takes away, in other arms


@pytest.mark.parametrize("name", ["held_out", "all_data", "all_unrelated", "single_task"])
def test_the_triplet_in_other_sources_is_listed(world: World, name: str) -> None:
    made = getattr(world.mat, name)("CT/Lung/COVID & source=a", balanced_test=False)
    assert made.audit().dropped.get(ELSEWHERE) == 13
    assert f"dropped: 13 records, {ELSEWHERE}" in str(made.audit())
    assert not sources(world, made.train_positions).keys() & {"b", "c"}
    assert ELSEWHERE not in getattr(world.mat, name)(COVID, balanced_test=False).dropped


def test_the_triplet_in_other_rows_of_a_source_is_listed() -> None:
    rows = [Row(1, COVID, source="a"), Row(2, COVID, source="a"), Row(3, LUNG, source="b")]
    world = made_up([Record(row, part) for row in (1, 2, 3) for part in ("train", "test")], rows)
    made = world.mat.all_data("CT/Lung/COVID & row=1")
    assert made.dropped == {"the target's triplet in other rows of its sources": 1}


def test_where_nothing_else_is_left_the_cure_is_named(world: World) -> None:
    only = made_up([one for one in world.records if one.row < 3], [world.rows[1], world.rows[2]])
    with pytest.raises(SplitError, match=r"7 are left out: the target's triplet in other sources, b: leave_source_out"):
        only.mat.held_out("CT/Lung/COVID & source=a")


def test_the_targets_own_triplet_is_no_part_of_a_combination(world: World) -> None:
    message = (
        r"The part CT/Lung/COVID & source=b of a combination for CT/Lung/COVID & source=a is the target's own triplet, "
        r"CT/Lung/COVID, .* use leave_source_out\(target, source\)\."
    )
    with pytest.raises(SplitError, match=message):
        world.mat.combination("CT/Lung/COVID & source=a", ["CT/Lung/COVID & source=b"])
    with pytest.raises(
        SplitError, match="The part CT/Lung/COVID of a combination for CT/Lung/COVID is the target's own"
    ):
        world.mat.combination(COVID, [COVID, LUNG])


def test_a_source_left_out_is_saved_and_loaded(world: World, tmp_path: Path) -> None:
    made = world.mat.leave_source_out(COVID, "a", validation=0.2)
    for name in ("x.parquet", "x.json"):
        made.save(tmp_path / name)
        back = world.mat.load_split(tmp_path / name)
        assert back.rule == made.rule
        assert str(back.audit()) == str(made.audit())
