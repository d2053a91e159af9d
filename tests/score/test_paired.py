"""Arms compared run by run and group by group, and differences pooled over targets."""

from __future__ import annotations

import numpy as np
import pytest

from med_mat.score import paired

RNG = np.random.default_rng(1)
ALONE = np.arange(60)


@pytest.fixture(autouse=True)
def _statsmodels() -> None:
    pytest.importorskip("statsmodels")


def test_seeds_that_differ_widen_the_interval() -> None:
    same = np.tile((ALONE % 2).astype(float), (3, 1))
    differing = np.stack([np.zeros(60), same[0], np.ones(60)])
    narrow, wide = (paired.arm("a", scores, ALONE, [None] * 3) for scores in (same, differing))
    assert narrow.low is not None
    assert wide.low is not None
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_pairing_makes_equal_arms_surely_equal() -> None:
    right = (RNG.random((2, 60)) < 0.5).astype(float)
    scores = {"a": right[:1], "b": right[:1], "c": right[1:]}
    same = paired.difference(scores, "a", "b", ALONE)
    assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    other = paired.difference(scores, "a", "c", ALONE)
    assert other.detectable is not None
    assert other.detectable > 0.2


def test_records_that_no_run_was_tested_on_change_nothing() -> None:
    ours, theirs = (RNG.random((2, 3, 60)) < 0.6).astype(float)
    group = ALONE // 2
    more = {name: np.hstack([one, np.full((3, 8), np.nan)]) for name, one in (("a", ours), ("b", theirs))}
    wider = np.concatenate([group, group[:8]])
    found = paired.difference(more, "a", "b", wider)
    expected = paired.difference({"a": ours, "b": theirs}, "a", "b", group)
    assert (found.difference, found.low, found.high, found.p) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.p)
    )
    assert found.mcnemar == expected.mcnemar
    assert found.detectable == pytest.approx(expected.detectable)


def test_runs_count_alike_however_many_records_each_was_tested_on() -> None:
    scores = np.full((2, 60), np.nan)
    scores[0, :50], scores[1, 50:] = 1.0, 0.0
    assert paired.arm("a", scores, ALONE, [None, None]).mean == 0.5


def test_few_targets_are_not_taken_for_many() -> None:
    def differing(share: float) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
        return [(np.full((1, 40), share), np.zeros((1, 40)))], np.arange(40)

    found = paired.over_targets([differing(0.1), differing(0.3)])
    assert (found.low, found.difference, found.high) == pytest.approx((0.1, 0.2, 0.3))
    assert found.p == pytest.approx(0.5, abs=0.03)


def test_comparisons_on_the_same_records_of_a_target_are_one() -> None:
    right = (RNG.random((2, 1, 60)) < 0.5).astype(float)
    pair = (right[0], right[1])
    once = paired.over_targets([([pair], ALONE), ([pair], ALONE)])
    several = paired.over_targets([([pair] * 4, ALONE), ([pair] * 4, ALONE)])
    assert (several.low, several.high) == pytest.approx((once.low, once.high), abs=0.03)
