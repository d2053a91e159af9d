"""Intervals and tests over groups."""

from __future__ import annotations

import numpy as np
import pytest

from med_mat.experiment import statistics


def test_intervals_of_grouped_records_are_wider_than_those_of_single_ones() -> None:
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(40) < 0.5, 5).astype(float)[None]
    alone = statistics.draw({"a": right}, np.arange(200)).score("a")
    grouped = statistics.draw({"a": right}, np.repeat(np.arange(40), 5)).score("a")
    assert alone.value == grouped.value == right.mean()
    assert grouped.high - grouped.low > 1.8 * (alone.high - alone.low)


def test_an_interval_holds_the_truth_in_about_95_of_100() -> None:
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        one = statistics.draw({"a": (rng.random((1, 120)) < 0.6).astype(float)}, np.arange(120)).score("a")
        held += one.low <= 0.6 <= one.high
    assert 88 <= held <= 99


def test_seeds_that_differ_widen_the_interval() -> None:
    same = np.tile((np.arange(60) % 2).astype(float), (3, 1))
    differing = np.stack([np.zeros(60), same[0], np.ones(60)])
    drawn = statistics.draw({"same": same, "differing": differing}, np.arange(60))
    widths = {name: (one := drawn.score(name)).high - one.low for name in ("same", "differing")}
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
    assert p == pytest.approx(0.5, abs=0.03)
