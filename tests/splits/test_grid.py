"""Splits of the whole grid: a share of all triplets is withheld, and every element stays in training."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from workshop import Workshop

import med_mat
from med_mat.errors import SplitError
from med_mat.selection import MAT
from med_mat.splits.interpretation import elements_of
from med_mat.splits.kinds import grid

pytest.importorskip("ortools")


@pytest.fixture(scope="module")
def mat(workshop: Workshop) -> med_mat.MedMAT:
    return med_mat.open(workshop.out)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_every_element_of_the_grid_stays_in_training_and_no_withheld_triplet_does(
    mat: med_mat.MedMAT, share: float, seed: int
) -> None:
    made, found = mat.withhold(share=share, seed=seed), mat.withheld(share=share, seed=seed)
    trained = {mat.tags.facts[row].mat for row in mat.tags.counts(made.train_positions)}
    tested = {mat.tags.facts[row].mat for row in mat.tags.counts(made.test_positions)}
    assert tested == set(found.tested)
    assert not tested & trained
    assert elements_of(tested) <= elements_of(trained)
    assert len(tested) == round(share * len(found.triplets))
    assert found.difficulty == len(tested) / found.most
    assert not made.audit().violations
    assert mat.experiment(made.definition) == made == mat.withhold(share=share, seed=seed)


def test_seeds_withhold_different_triplets(mat: med_mat.MedMAT) -> None:
    assert len({mat.withheld(seed=seed).tested for seed in range(5)}) > 1


def test_triplets_for_validation_are_disjoint_from_those_of_train_and_test(mat: med_mat.MedMAT) -> None:
    made, found = mat.withhold(share=0.3, ood_validation=0.4), mat.withheld(share=0.3, ood_validation=0.4)
    parts = {
        name: {mat.tags.facts[row].mat for row in mat.tags.counts(positions)}
        for name, positions in (
            ("train", made.train_positions),
            ("validation", made.validation_positions),
            ("test", made.test_positions),
        )
    }
    assert parts["validation"] == set(found.validated)
    for one, other in itertools.combinations(parts.values(), 2):
        assert not one & other
    groups = mat.tags.group
    assert not np.isin(groups[made.train_positions], groups[made.validation_positions]).any()
    assert not made.audit().violations
    assert mat.experiment(made.definition) == made


def test_too_large_a_share_is_refused_with_the_largest_that_works(mat: med_mat.MedMAT) -> None:
    with pytest.raises(
        SplitError, match=r"with more than (\d+) \(share 0\.\d\d\), an element would be in no"
    ) as caught:
        mat.withhold(share=0.9)
    most = int(str(caught.value).partition("with more than ")[2].partition(" ")[0])
    count = len(mat.withheld().triplets)
    assert mat.withheld(share=most / count).difficulty == 1
    with pytest.raises(SplitError, match="cannot be withheld"):
        mat.withheld(share=(most + 1) / count)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"share": 0.0}, "share must be above 0"),
        ({"share": "much"}, "share must be a number"),
        ({"ood_validation": 1.0}, "ood_validation must be from 0 to below 1"),
        ({"ood_validation": 0.5, "validation": 0.1}, "not both"),
        ({"pool_tasks": True}, "not for a grid"),
        ({"target": "label=Normal"}, "conditions on single records"),
        ({"target": "CT/Lung/Cancer"}, "1 of 1 triplets cannot be withheld"),
        ({"share": 0.01, "ood_validation": 0.5}, "a single triplet is withheld"),
    ],
)
def test_mistakes(mat: med_mat.MedMAT, options: dict[str, object], words: str) -> None:
    with pytest.raises(SplitError, match=words):
        mat.withhold(**options)  # type: ignore[arg-type]


def _mats(*texts: str) -> list[MAT]:
    return [MAT.parse(text) for text in texts]


def test_the_largest_number_is_that_of_trying_all_sets() -> None:
    triplets = _mats(
        "CT/Lung/Cancer", "CT/Lung/COVID", "CT/Brain/Cancer", "MRI/Brain/Cancer", "MRI/Lung/COVID", "MRI/Brain/COVID"
    )
    testable = [True, True, False, True, True, True]
    every = elements_of(triplets)
    sets = [
        {one for one, bit in zip(range(6), f"{code:06b}", strict=True) if bit == "1"}
        for code in range(2 ** len(triplets))
    ]
    allowed = [
        held
        for held in sets
        if all(testable[one] for one in held)
        and elements_of([triplets[one] for one in range(6) if one not in held]) == every
    ]
    most = max(map(len, allowed))
    assert grid._most(triplets, testable) == most
    for order in itertools.islice(itertools.permutations(range(6)), 0, 720, 97):
        for wanted in range(1, most + 1):
            chosen = grid._first(triplets, testable, order, wanted)
            places = {one: place for place, one in enumerate(order)}
            best = min(sorted(places[one] for one in held) for held in allowed if len(held) == wanted)
            assert sorted(places[one] for one in chosen) == best, "the first in the order, and so the only solution"
