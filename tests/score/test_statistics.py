"""Intervals, tests and regions agree with those of the libraries that do the simple case, and hold for groups."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from med_mat.score import intervals, paired, power, regions

RNG = np.random.default_rng(0)
RIGHT = (RNG.random(400) < 0.6).astype(float)
ALONE = np.arange(400)


def test_the_bootstrap_is_that_of_scipy() -> None:
    ours = intervals.mean(RIGHT, ALONE, resamples=20_000)
    theirs = scipy.stats.bootstrap(
        (RIGHT,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=0.004)


def test_groups_that_are_right_together_widen_an_interval() -> None:
    alone = intervals.mean(RIGHT, ALONE)
    together = intervals.mean(np.repeat(RIGHT[:40], 10), np.repeat(np.arange(40), 10))
    assert together.high - together.low > 2 * (alone.high - alone.low)
    same = intervals.mean(RIGHT[:40], np.arange(40))
    assert (together.low, together.high) == pytest.approx((same.low, same.high), abs=1e-12)


def test_an_interval_over_groups_covers_what_it_should() -> None:
    """Of 400 worlds in which patients differ, about 95 % of the intervals contain the true accuracy."""
    rng, covered = np.random.default_rng(3), 0
    for number in range(400):
        each = rng.beta(3, 2, 60)
        right = (rng.random((60, 5)) < each[:, None]).astype(float).ravel()
        found = intervals.mean(right, np.repeat(np.arange(60), 5), resamples=500, seed=number)
        covered += found.low <= 0.6 <= found.high
    assert 0.91 <= covered / 400 <= 0.98


def test_where_all_groups_agree_the_interval_is_wilsons() -> None:
    found = intervals.mean(np.ones(10), np.arange(10))
    assert (found.value, found.method) == (1.0, "wilson")
    assert found.high == pytest.approx(1.0)
    assert found.low == pytest.approx(0.722, abs=0.001)
    assert intervals.mean(np.ones(3), np.zeros(3)).low is None  # one group tells nothing of others


def test_balanced_accuracy_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truth, said = RNG.integers(0, 4, 500), RNG.integers(0, 4, 500)
    found = intervals.balanced((truth == said).astype(float), truth, np.arange(500))
    assert found.value == pytest.approx(metrics.balanced_accuracy_score(truth, said))
    assert found.low < found.value < found.high


@given(arrays.arrays(np.int64, st.integers(2, 14), elements=st.integers(-3, 3)))
@settings(max_examples=20)
def test_the_permutation_test_is_that_of_scipy(differences: np.ndarray) -> None:
    theirs = scipy.stats.permutation_test(
        (differences, np.zeros(len(differences))),
        lambda x, y, axis: np.sum(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert paired.permutation(differences.astype(float)) == pytest.approx(theirs.pvalue, abs=0.015)


def test_mcnemar_is_exact() -> None:
    pytest.importorskip("statsmodels")
    ours, theirs = np.array([1] * 12 + [0] * 3 + [1] * 20), np.array([0] * 12 + [1] * 3 + [1] * 20)
    assert paired.mcnemar(ours, theirs) == pytest.approx(scipy.stats.binomtest(3, 15).pvalue)
    assert paired.mcnemar(ours, ours) == 1.0


def test_holm_adjusts_together() -> None:
    pytest.importorskip("statsmodels")
    assert paired.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert paired.holm([]) == []


def test_a_larger_test_shows_smaller_differences() -> None:
    found = [power.detectable(size) for size in (50, 150, 1000, 10_000)]
    assert all(one > other for one, other in itertools.pairwise(found))
    assert found[1] == pytest.approx(0.123, abs=0.005)
    assert power.detectable(5) is None
    assert power.warnings(23, 18)
    assert not power.warnings(1000, 1000)


def test_the_detectable_difference_is_detected_in_four_of_five_tests() -> None:
    least, rng, seen = power.detectable(200), np.random.default_rng(0), 0
    assert least is not None
    for number in range(300):
        kind = rng.choice(
            3, 200, p=[(power.DISCORDANT + least) / 2, (power.DISCORDANT - least) / 2, 1 - power.DISCORDANT]
        )
        seen += paired.permutation(np.array([1.0, -1.0, 0.0])[kind], number) < power.LEVEL
    assert 0.72 <= seen / 300 <= 0.88


boxes = st.lists(
    st.tuples(*[st.integers(0, 12)] * 4).map(
        lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
    ),
    max_size=4,
)


def _drawn(several: list[tuple[int, int, int, int]]) -> np.ndarray:
    mask = np.zeros((12, 12), dtype=bool)
    for xmin, ymin, xmax, ymax in several:
        mask[ymin:ymax, xmin:xmax] = True
    return mask


@given(boxes, boxes)
def test_a_region_is_what_its_boxes_cover(
    said: list[tuple[int, int, int, int]], truth: list[tuple[int, int, int, int]]
) -> None:
    one, other = _drawn(said), _drawn(truth)
    inner, outer = regions.overlap(regions.as_boxes(said), regions.as_boxes(truth))
    assert (inner, outer) == ((one & other).sum(), (one | other).sum())
    expected = 2 * inner / (one.sum() + other.sum()) if one.any() or other.any() else 1.0
    assert regions.dice(one, other) == pytest.approx(expected)


@given(boxes, boxes)
def test_complete_iou_is_bounded_and_1_for_the_truth(
    said: list[tuple[int, int, int, int]], truth: list[tuple[int, int, int, int]]
) -> None:
    real = [box for box in truth if box[0] < box[2] and box[1] < box[3]]
    assert -1.001 <= regions.complete_iou(regions.as_boxes(said), regions.as_boxes(truth)) <= 1.001
    assert regions.complete_iou(regions.as_boxes(real), regions.as_boxes(real)) == pytest.approx(1.0)


def test_complete_iou_is_the_published_formula() -> None:
    """Two unit squares side by side: no overlap, centers 1 apart, diagonal of the enclosing box squared 5."""
    found = regions.complete_iou(regions.as_boxes([[0, 0, 1, 1]]), regions.as_boxes([[1, 0, 2, 1]]))
    assert found == pytest.approx(-1 / 5)


def test_average_precision_is_1_for_the_truth_and_less_for_the_rest() -> None:
    pytest.importorskip("pycocotools")
    truth = [
        regions.as_boxes([[0, 0, 10, 10], [20, 20, 40, 40]]),
        regions.as_boxes([[5, 5, 9, 9]]),
        regions.as_boxes([]),
    ]
    assert regions.average_precision(truth, truth) == pytest.approx((1.0, 1.0))
    shifted = [one + [[1, 0, 1, 0]] * len(one) if len(one) else one for one in truth]
    every, half = regions.average_precision(shifted, truth)
    assert 0 < every < half <= 1
    assert math.isnan(regions.average_precision([truth[2]], [truth[2]])[0])
