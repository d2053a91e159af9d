from __future__ import annotations

from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workshop import Workshop
from worlds import LUNG, MADE, MATS, Record, made_rows, made_up

import med_mat
from med_mat.errors import SplitError
from med_mat.selection import MAT
from med_mat.splits.combinations import Combination, enumerate_combinations
from med_mat.splits.interpretation import Interpretation
from med_mat.vocabulary import STANDARD


def oracle(names: set[MAT], target: MAT, pool: bool) -> set[Combination]:
    """Every pair and triple of triplets, kept where it fits a direction of the paper."""

    def holds(part: MAT) -> tuple[bool, bool, bool]:
        task = target.task in STANDARD.counts_as(part.task, pool_tasks=pool, cross_tasks=False)
        return part.modality == target.modality, part.area == target.area, task

    def other_task(part: MAT) -> bool:
        return part.task != target.task

    found = set()
    for one, two in permutations(names - {target}, 2):
        (m1, a1, t1), (m2, a2, t2) = holds(one), holds(two)
        if m1 and a1 and other_task(one) and t2:
            if m2 and not a2:
                found.add(Combination("fixed modality", (one, two), target))
            if a2 and not m2:
                found.add(Combination("fixed area", (one, two), target))
            if not m2 and not a2:
                found.add(Combination("fixed pair", (one, two), target))
        if m1 and not a1 and t1 and a2 and not m2 and t2:
            found.add(Combination("fixed task", (one, two), target))
    for one, two, three in product(names - {target}, repeat=3):
        (m1, a1, _), (m2, a2, _), (m3, a3, t3) = holds(one), holds(two), holds(three)
        if m1 and not a1 and other_task(one) and a2 and not m2 and other_task(two) and t3 and not m3 and not a3:
            found.add(Combination("three elements", (one, two, three), target))
    return found


@settings(max_examples=300)
@given(st.sets(st.sampled_from(MATS), max_size=9), st.sampled_from(MATS), st.booleans())
def test_the_enumeration_is_that_of_the_definition(names: set[MAT], target: MAT, pool: bool) -> None:
    found = list(enumerate_combinations(names, target, Interpretation(pool_tasks=pool)))
    assert len(found) == len(set(found))
    assert set(found) == oracle(names, target, pool)
    for one in found:
        assert target not in one.parts
        assert str(target) in str(one)


def test_every_combination_of_the_miniatures_is_an_experiment(workshop: Workshop, arrow_cache: object) -> None:
    mat = med_mat.open(workshop.out)
    found = mat.combinations("CT/Lung/Cancer", elements=2)
    assert Combination("fixed modality", (MAT.parse("CT/Lung/COVID"), MAT.parse("CT/Brain/Cancer")), LUNG) in found
    for one in found:
        audit = mat.combination(one.target, one.parts).audit()
        assert set(audit.train) == set(map(str, one.parts))
    three = mat.combinations("CT/Lung/Cancer", direction="three elements")
    assert three
    assert all(len(one.parts) == 3 for one in three)
    mat.combination(LUNG, three[0].parts, size=6).audit()


def test_a_row_that_is_a_part_is_not_tested() -> None:
    """Table 3, row 2: Lung Cancer trains for Lung State, though it counts as State."""
    mats = [MAT("CT", "Lung", "COVID"), MAT("CT", "Lung", "Cancer"), MAT("CT", "Brain", "State")]
    world = made_up([Record(n, split) for n in (1, 2, 3) for split in ("train", "test")], made_rows(mats))
    made = world.mat.combination("CT/Lung/State", ["CT/Lung/Cancer", "CT/Brain/State"], pool_tasks=True)
    audit = made.audit()
    assert audit.test == {"CT/Lung/COVID": 1}
    assert audit.train == {"CT/Lung/Cancer": 1, "CT/Brain/State": 1}
    assert "1 training records of CT/Lung/Cancer also count as CT/Lung/State" in audit.notes


def test_what_cannot_be_combined() -> None:
    world = made_up([Record(1, "test"), Record(2), Record(3, patient="p"), Record(1, "test", patient="p")], made_rows())
    with pytest.raises(
        SplitError, match="The part CT/Lung/COVID of a combination for CT/Lung/Cancer has no usable training"
    ):
        world.mat.combination(LUNG, [MADE[1], MADE[2]])
    with pytest.raises(SplitError, match="direction='sideways' is not one of fixed modality"):
        world.mat.combinations(LUNG, direction="sideways")
