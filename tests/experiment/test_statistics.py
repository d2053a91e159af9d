"""Intervals and tests over groups."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from med_mat.experiment import statistics

differences = st.lists(st.integers(-3, 3), min_size=1, max_size=8)


@given(differences)
def test_an_exact_p_is_the_share_of_sign_changes_that_are_as_extreme(given: list[int]) -> None:
    sums = [abs(sum(map(int.__mul__, signs, given))) for signs in itertools.product((1, -1), repeat=len(given))]
    expected = sum(one >= abs(sum(given)) for one in sums) / len(sums)
    assert statistics.sign_flip(np.array(given, dtype=float)) == pytest.approx(expected)


@given(st.lists(st.integers(-3, 3), min_size=20, max_size=60))
def test_p_does_not_depend_on_the_order_or_the_sign(given: list[int]) -> None:
    one = np.array(given, dtype=float)
    assert statistics.sign_flip(one) == statistics.sign_flip(one[::-1]) == statistics.sign_flip(-one)


def test_under_the_null_hypothesis_p_is_below_five_percent_in_five_percent() -> None:
    found = [statistics.sign_flip(np.random.default_rng(seed).normal(size=30)) for seed in range(400)]
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.09


def test_intervals_of_grouped_records_are_wider_than_those_of_single_ones() -> None:
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(40) < 0.5, 5).astype(float)[None]
    alone = statistics.draw({"a": right}, np.arange(200)).accuracy("a")
    grouped = statistics.draw({"a": right}, np.repeat(np.arange(40), 5)).accuracy("a")
    assert alone.value == grouped.value == right.mean()
    assert grouped.high - grouped.low > 1.8 * (alone.high - alone.low)


def test_an_interval_holds_the_truth_in_about_95_of_100() -> None:
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        one = statistics.draw({"a": (rng.random((1, 120)) < 0.6).astype(float)}, np.arange(120)).accuracy("a")
        held += one.low <= 0.6 <= one.high
    assert 88 <= held <= 99


def test_seeds_that_differ_widen_the_interval() -> None:
    same = np.tile((np.arange(60) % 2).astype(float), (3, 1))
    differing = np.stack([np.zeros(60), same[0], np.ones(60)])
    drawn = statistics.draw({"same": same, "differing": differing}, np.arange(60))
    widths = {name: (one := drawn.accuracy(name)).high - one.low for name in ("same", "differing")}
    assert widths["differing"] > 1.5 * widths["same"]


def test_pairing_makes_equal_arms_surely_equal() -> None:
    right = (np.random.default_rng(1).random((2, 50)) < 0.5).astype(float)
    drawn = statistics.draw({"a": right[:1], "b": right[:1], "c": right[1:]}, np.arange(50))
    assert drawn.difference("a", "b") == statistics.Interval(0.0, 0.0, 0.0)
    assert drawn.p_value("a", "b") == 1.0
    assert drawn.detectable("a", "b") == 0.0
    assert drawn.detectable("a", "c") > 0.2


def test_few_targets_are_not_taken_for_many() -> None:
    draws = [np.full(statistics.DRAWS, 0.1), np.full(statistics.DRAWS, 0.3)]
    interval, p = statistics.pooled(draws, [0.1, 0.3])
    assert (interval.low, interval.value, interval.high) == pytest.approx((0.1, 0.2, 0.3))
    assert p == 0.5


def test_holm_multiplies_the_smallest_p_by_the_number_of_comparisons() -> None:
    pytest.importorskip("statsmodels")
    assert statistics.holm([0.01, 0.04, 0.5]) == pytest.approx([0.03, 0.08, 0.5])
    assert statistics.holm([0.04]) == [0.04]
