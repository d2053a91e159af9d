"""Arms that are compared ask alike, tests that are balanced have their labels, and what an exclusion takes is told."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import LUNG, MADE, Record, Row, World, made_rows, made_up, many

from med_mat.errors import AuditError, SplitError
from med_mat.selection import MAT
from med_mat.splits import Options, compare, sampling
from med_mat.splits.study import OVERLAPPING, SILENT, UNMATCHED
from med_mat.taxonomy import AREAS, TASKS
from med_mat.vocabulary import STANDARD

FINDINGS = [Row(1, LUNG, 31, "findings"), *made_rows()[1:]]


def with_test(counts: dict[str, int]) -> World:
    """A target with so many test records of each label, and something to train on."""
    records = [Record(1, "test", label) for label, count in counts.items() for _ in range(count)]
    return made_up([*records, *many({(2, "a"): 5, (2, "b"): 5, (3, "c"): 5, (4, "d"): 20})[1:]], FINDINGS)


def kinds(world: World, positions: Any) -> Counter[str]:
    return Counter(world.of(p).annotation for p in positions)


# ------------------------------------------------------------------------------------------------------ balanced tests


@pytest.mark.parametrize(
    ("counts", "sets", "each"),
    [
        ({"none": 100, "a": 20, "b": 10, "a; b": 5}, 4, 5),
        ({"none": 553, "a": 140, "b": 60, "c": 50, "d": 20, "e": 1}, 4, 50),
        ({"none": 20, "a": 19, "b": 18, "c": 17, "d": 16, "e": 15, "f": 1}, 6, 15),
        ({"none": 100, "a": 2}, 2, 2),
        ({"none": 9, "a": 9, "b": 9, "c": 9, "d": 9}, 5, 9),
    ],
)
def test_a_balanced_test_of_findings_has_several_label_sets(counts: dict[str, int], sets: int, each: int) -> None:
    made = with_test(counts).mat.related(LUNG, balanced_test=True)
    audit = made.audit()
    assert set(audit.test_labels.values()) == {each}
    assert len(audit.test_labels) == sets
    assert set(audit.test_labels) == {name for name, count in counts.items() if count >= each}
    assert any(f"{each} records of each of {sets} label sets of subset 31" in note for note in audit.notes)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=12))
def test_as_many_label_sets_as_keep_the_most_records_but_at_least_four(counts: list[int]) -> None:
    falling = np.sort(np.array(counts))[::-1]
    number = sampling.common(falling)
    allowed = range(min(4, len(counts)), len(counts) + 1)
    assert number in allowed
    assert number * falling[number - 1] == max(k * falling[k - 1] for k in allowed)


def test_a_test_of_one_label_is_never_balanced() -> None:
    with pytest.raises(SplitError, match=r"All 9 test records .* have one label, 'none'.*balanced_test=False"):
        with_test({"none": 9}).mat.related(LUNG, balanced_test=True)
    good = with_test({"none": 9, "a": 9}).mat.related(LUNG, balanced_test=True)
    for positions, message in (
        (good.test_positions[:9], "test must be balanced, and has one label"),
        (good.test_positions[:12], "test must be balanced, and has 3 to 9 records of a label in subset 31"),
    ):
        broken = type(good)(**{**good.__dict__, "test_positions": positions})
        with pytest.raises(AuditError, match=message):
            broken.audit()


def test_a_test_of_one_label_is_noted_where_nothing_was_to_be_balanced() -> None:
    notes = with_test({"none": 9}).mat.related(LUNG).audit().notes
    assert any("all test records have one label set, none" in note for note in notes)


# -------------------------------------------------------------------------------------------------------- matched arms


@pytest.fixture
def mixed() -> World:
    """Related and unrelated rows of labels, and of boxes."""
    rows = [
        *made_rows(), Row(5, MAT("US", "Skin", "Organ Detection"), annotation="boxes"),
        Row(6, MAT("CT", "Skin", "Structure Detection"), annotation="masks"),
        Row(7, MAT("US", "Skin", "Cancer Detection"), annotation="boxes"),
    ]  # fmt: skip
    return made_up(many({(2, "a"): 20, (3, "c"): 20, (4, "d"): 60, (5, "e"): 60, (6, "f"): 30, (7, "g"): 60}), rows)


@pytest.mark.parametrize("arm", ["related", "unrelated", "all_related", "all_unrelated", "all_data", "held_out"])
def test_arms_of_a_target_of_labels_train_on_labels(mixed: World, arm: str) -> None:
    made = getattr(mixed.mat, arm)(LUNG)
    assert set(kinds(mixed, made.train_positions)) == {"classes"}
    loose = getattr(mixed.mat, arm)(LUNG, kinds="any")
    if "all" in arm or arm == "held_out":  # the others take what is nearest, or as many boxes as the nearest have
        assert set(kinds(mixed, loose.train_positions)) - {"classes"}
        assert made.audit().dropped[UNMATCHED] > 0
    made.audit()
    loose.audit()


def test_crossed_tasks_and_named_parts_ask_for_boxes(mixed: World) -> None:
    assert "masks" in kinds(mixed, mixed.mat.all_related(LUNG, cross_tasks=True).train_positions)
    parts = ["CT/Skin/Structure Detection", "CT/Brain/Cancer", "CT/Lung/COVID"]
    assert kinds(mixed, mixed.mat.combination(LUNG, parts).train_positions) == {"classes": 40, "masks": 30}


def test_the_baseline_has_as_many_boxes_as_the_arm_it_is_compared_with(mixed: World) -> None:
    related = mixed.mat.all_related(LUNG, kinds="any")
    base = mixed.mat.unrelated(LUNG, like=related, kinds="any")
    assert kinds(mixed, related.train_positions) == {"classes": 40, "masks": 30}
    assert kinds(mixed, base.train_positions) == {"classes": 40, "boxes": 30}
    assert not any("differ" in note for note in base.audit().notes)
    again = mixed.mat.experiment(base.definition)
    assert again.train_positions.tolist() == base.train_positions.tolist()
    assert str(compare({"related": related, "unrelated": base})).endswith("the arms match")


def test_arms_that_differ_are_told(mixed: World) -> None:
    related = mixed.mat.all_related(LUNG)
    base = mixed.mat.unrelated(LUNG, like=related, kinds="any", places=30)
    assert kinds(mixed, base.train_positions) == {"classes": 10, "boxes": 30}
    told = base.audit().notes
    assert any("the all_related arm that it is compared with differ: 25.0% single choice" in note for note in told)
    with pytest.raises(SplitError, match="not tested on the same records"):
        compare({"one": related, "other": mixed.mat.all_data("CT/Brain/Cancer", test_on="all")})


def test_what_states_nothing_is_not_trained_on() -> None:
    rows = [Row(1, LUNG), Row(2, MADE[1], annotation="findings"), *made_rows()[2:]]
    records = [*many({(2, "a"): 5, (3, "c"): 5}), *[Record(2, "train", "", silent=True)] * 4]
    made = made_up(records, rows).mat.related(LUNG)
    assert len(made.train_positions) == 10
    assert made.audit().dropped[SILENT] == 4
    with pytest.raises(SplitError, match=r"All 2 test records of CT/Lung/Cancer have nothing to ask"):
        made_up([*[Record(1, "test", "", silent=True)] * 2, Record(2), Record(3)],
                [Row(1, LUNG, annotation="findings"), *made_rows()[1:]]).mat.related(LUNG)  # fmt: skip


# ---------------------------------------------------------------------------------------------------- what is unrelated


@given(st.sampled_from(list(TASKS)), st.sampled_from(list(TASKS)))
def test_tasks_overlap_where_one_is_a_kind_of_the_other(one: str, other: str) -> None:
    assert STANDARD.related("task", one, other) == STANDARD.related("task", other, one)
    assert STANDARD.related("task", one, one)
    wide = STANDARD.counts_as(one, pool_tasks=True, cross_tasks=True)
    assert not wide & {other} or STANDARD.related("task", one, other)


def test_areas_under_two_names() -> None:
    pairs = {(a, b) for a in AREAS for b in AREAS if a < b and STANDARD.related("area", a, b)}
    assert pairs == {("Chest", "Lung"), ("Fundus", "Retina")}
    assert not STANDARD.related("task", "COVID", "Cancer")
    assert not STANDARD.related("modality", "CT", "MRI")


def test_unrelated_data_holds_nothing_of_the_target_under_another_name() -> None:
    mats = [LUNG, MADE[1], MADE[2], MAT("X-ray", "Chest", "Diseases"), MAT("US", "Skin", "State"),
            MAT("US", "Skin", "Cancer Detection"), MAT("US", "Skin", "COVID"), MAT("US", "Skin", "Level")]  # fmt: skip
    world = made_up(many({(n, "a"): 9 for n in range(2, 9)}), made_rows(mats))
    wide, literal = (world.mat.all_unrelated(LUNG, avoid=how) for how in ("wide", "literal"))
    assert set(wide.audit().train) == {"US/Skin/COVID", "US/Skin/Level"}
    assert wide.audit().dropped[OVERLAPPING] == 27
    assert set(literal.audit().train) == {str(mat) for mat in mats[3:]}
    assert any("27 training records (60.0%) hold what is the target's under another name: X-ray/Chest/Diseases"
               in note for note in literal.audit().notes)  # fmt: skip
    with pytest.raises(AuditError, match="train holds the target's area"):
        type(wide)(**{**wide.__dict__, "train_positions": literal.train_positions}).audit()
    assert set(world.mat.held_out("*/Lung/*").audit().train) == {str(mats[1]), *map(str, mats[4:])}


# ------------------------------------------------------------------------------------------------------ who is left out


def test_what_may_be_used_is_said_for_train_and_test_apart() -> None:
    rows = made_rows()
    records = [*[Record(1, "test", "a")] * 4, *[Record(1, "test", "b")] * 3, *many({(2, "a"): 9, (3, "b"): 9})[1:]]
    mat = made_up(records, rows).mat
    made = mat.related(LUNG, among_test="label=a|b & width>=66", among_train="!(label=c)")
    assert len(made.test_positions) < 7
    assert made.definition["among_test"] == "label=a|b & width>=66"
    assert any("among_test=" in reason for reason in made.audit().dropped)
    with pytest.raises(SplitError, match=r"7 records to test here, and none is left \(among_test=label=c\)"):
        mat.related(LUNG, among_test="label=c")
    with pytest.raises(SplitError, match=r"no training record.*\(among_train=label=c\).*18 are left out"):
        mat.all_data(LUNG, among_train="label=c")


def test_an_exclusion_that_leaves_one_label_is_refused() -> None:
    records = [*[Record(1, "test", "a")] * 4, *[Record(1, "test", "b")] * 3, *many({(2, "a"): 9, (3, "b"): 9})[1:]]
    mat = made_up(records, made_rows()).mat
    with pytest.raises(SplitError, match=r"The test of CT/Lung/Cancer is left with one label, 'a', of several.*among"):
        mat.related(LUNG, among_test="label=a")
    with pytest.raises(SplitError, match=r"is left with one label, 'b', of several\. 9 are left out: .*among_train"):
        mat.all_data(LUNG, among_train="label=b")


# -------------------------------------------------------------------------------------------------------------- samples


def test_shots_are_so_many_of_each_label() -> None:
    world = made_up([*many({(1, "a"): 30, (1, "b"): 8, (1, "c"): 2}), Record(1, "test", "b")], made_rows())
    drawn: set[int] = set()
    for k, expected in ((1, {"a": 1, "b": 1, "c": 1}), (5, {"a": 5, "b": 5, "c": 2})):
        made = world.mat.single_task(LUNG, shots=k, balanced_test=False)
        assert Counter(world.records[p].label for p in made.train_positions) == expected
        assert drawn < set(made.train_positions.tolist())
        drawn = set(made.train_positions.tolist())
    assert any("1 of 3 labels have fewer than the 5 shots asked for" in note for note in made.audit().notes)


def test_a_sample_can_be_even_over_sources() -> None:
    rows = [Row(1, LUNG), Row(2, MADE[1], 6), Row(3, MADE[1], 6), Row(4, MADE[2], 3)]
    world = made_up(many({(2, "a"): 90, (3, "a"): 90, (4, "c"): 90}), rows)
    over = {
        even: Counter(world.of(p).number for p in world.mat.related(LUNG, size=60, even=even).train_positions)
        for even in ("subset", "source")
    }
    assert over["subset"][4] == 30
    assert over["source"] == {2: 20, 3: 20, 4: 20}


@given(st.integers(0, 2**70), st.integers(0, 2**70))
def test_a_seed_is_used_whole(one: int, other: int) -> None:
    world = made_up(many({(2, "a"): 60, (3, "a"): 60}), made_rows())
    first, second, long = (
        world.mat.related(LUNG, size=60, seed=seed).train_positions.tolist() for seed in (one, other, one + 2**64)
    )
    assert (first == second) == (one == other)
    assert first != long


def test_a_seed_of_any_length() -> None:
    assert Options.of({"seed": 10**5000}).seed == 10**5000
    world = made_up(many({(2, "a"): 60, (3, "a"): 60}), made_rows())
    assert len(world.mat.related(LUNG, size=60, seed=16**6000).train_positions) == 60
