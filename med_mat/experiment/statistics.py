"""Arms of one target compared, and differences pooled over targets, on top of :mod:`med_mat.score`.

Arms are compared on the same records. Everything is seeded, so the same answers give the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from med_mat.score import intervals, power
from med_mat.score.comparing import permutation

Floats = npt.NDArray[np.float64]

#: Number of bootstrap samples.
DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval: percentiles of a bootstrap."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """Bootstrap samples of the scores of several arms on the same records.

    Args:
        value: Arm -> score, the mean over its records and seeds.
        draws: Arm -> (DRAWS,) score in each sample of groups and seeds.
        by_group: Arm -> (groups,) sum of the scores in each group, the mean over its seeds.
    """

    value: Mapping[str, float]
    draws: Mapping[str, Floats]
    by_group: Mapping[str, Floats]

    def score(self, arm: str) -> Interval:
        """The score of an arm."""
        return Interval(self.value[arm], *intervals.ends(self.draws[arm]))

    def difference(self, arm: str, other: str) -> Interval:
        """The score of an arm minus that of another, paired by record."""
        ends = intervals.ends(self.draws[arm] - self.draws[other])
        return Interval(self.value[arm] - self.value[other], *ends)

    def p_value(self, arm: str, other: str) -> float:
        """Two-sided p of a paired permutation test: in each group, the two arms may be exchanged."""
        return permutation(self.by_group[arm] - self.by_group[other])

    def detectable(self, arm: str, other: str) -> float:
        """The smallest true difference that this test would detect with a power of 80%, at a level of 5%."""
        quantiles = norm.isf(power.LEVEL / 2) + norm.isf(1 - power.POWER)
        return float(quantiles * np.std(self.draws[arm] - self.draws[other], ddof=1))


def draw(scores: Mapping[str, Floats], groups: npt.NDArray[np.int64], seed: int = 0) -> Drawn:
    """Sample groups with replacement, the same for all arms, and seeds within each arm.

    Args:
        scores: Arm -> (seeds, records) score of each answer from 0 to 1.
        groups: (records,) group of each record.
        seed: Random seed.
    """
    columns = np.concatenate([*scores.values(), np.ones((1, len(groups)))])
    of_groups = intervals.sums(groups, *columns)
    totals = intervals.resampled(of_groups, DRAWS, seed)
    means = totals[:, :-1] / totals[:, -1:]
    rng = np.random.default_rng([seed, 1])
    draws, by_group, first = {}, {}, 0
    for name, rows in scores.items():
        mine = slice(first, first + len(rows))
        chosen = rng.integers(len(rows), size=(DRAWS, len(rows)))
        draws[name] = np.take_along_axis(means[:, mine], chosen, axis=1).mean(axis=1)
        by_group[name] = of_groups[:, mine].mean(axis=1)
        first += len(rows)
    return Drawn({name: float(np.mean(rows)) for name, rows in scores.items()}, draws, by_group)


def pooled(differences: Sequence[Floats], values: Sequence[float], seed: int = 0) -> tuple[Interval, float]:
    """The mean of differences over targets, with an interval over targets and groups, and a p value over targets.

    Args:
        differences: For each target, its (DRAWS,) difference in each sample of its groups.
        values: For each target, its difference.
        seed: Random seed.
    """
    rng = np.random.default_rng(seed)
    table = np.stack(differences)  # (targets, DRAWS)
    targets = rng.integers(len(table), size=(DRAWS, len(table)))
    # a sample of its own for each sampled target, so that targets are independent
    places = rng.integers(table.shape[1], size=targets.shape)
    means = table[targets, places].mean(axis=1)
    return Interval(float(np.mean(values)), *intervals.ends(means)), permutation(np.asarray(values))
