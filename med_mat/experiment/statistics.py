"""Intervals and tests of accuracies over groups: records of one patient or image are not independent.

Arms are compared on the same records. Everything is seeded, so that the same answers give the same digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from med_mat.errors import MissingExtraError

Floats = npt.NDArray[np.float64]

#: Draws of a bootstrap, and the level of all intervals.
DRAWS = 2_000
LEVEL = 0.95
#: Standard normal quantiles: two-sided 5 %, and a power of 80 %.
_Z, _POWER = 1.959964, 0.841621
_CHUNK = 100  # draws at a time, so that memory is bounded by groups x _CHUNK
_PERMUTATIONS = 9_999
_EXACT = 13  # up to so many differences, all 2**13 exchanges are tried


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval: percentiles of a bootstrap."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """Bootstrap draws of the accuracies of several arms on the same records.

    Args:
        value: Arm -> accuracy, the mean over its seeds.
        draws: Arm -> (DRAWS,) accuracy in each draw of groups and seeds.
        by_group: Arm -> (groups,) number of right answers in each group, the mean over its seeds.
        records: Number of records.
    """

    value: Mapping[str, float]
    draws: Mapping[str, Floats]
    by_group: Mapping[str, Floats]
    records: int

    def accuracy(self, arm: str) -> Interval:
        """The accuracy of an arm."""
        return Interval(self.value[arm], *_percentiles(self.draws[arm]))

    def difference(self, arm: str, other: str) -> Interval:
        """The accuracy of an arm minus that of another, paired by record."""
        return Interval(self.value[arm] - self.value[other], *_percentiles(self.draws[arm] - self.draws[other]))

    def p_value(self, arm: str, other: str) -> float:
        """Two-sided p of a paired permutation test: in each group, the two arms may be exchanged.

        Exact for few groups, and of :data:`_PERMUTATIONS` random exchanges otherwise.
        """
        return sign_flip(self.by_group[arm] - self.by_group[other])

    def detectable(self, arm: str, other: str) -> float:
        """The smallest true difference that this test would find in 4 of 5 studies, at a level of 5 %."""
        return float((_Z + _POWER) * np.std(self.draws[arm] - self.draws[other], ddof=1))


def draw(right: Mapping[str, Floats], groups: npt.ArrayLike, seed: int = 0) -> Drawn:
    """Draw groups with replacement, the same for all arms, and seeds within each arm.

    Args:
        right: Arm -> (seeds, records) score of each answer from 0 to 1.
        groups: (records,) group of each record.
        seed: Random seed.
    """
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    count = int(codes.max(initial=-1)) + 1
    names = list(right)
    sums = [np.stack([np.bincount(codes, row, count) for row in right[name]]) for name in names]
    columns = np.concatenate([*sums, np.bincount(codes, minlength=count)[None]]).T  # (groups, seeds of all arms + 1)
    rng = np.random.default_rng(seed)
    totals = np.empty((DRAWS, columns.shape[1]))
    for start in range(0, DRAWS, _CHUNK):
        taken = rng.multinomial(count, np.full(count, 1 / count), size=min(_CHUNK, DRAWS - start))
        totals[start : start + len(taken)] = taken @ columns
    accuracies = totals[:, :-1] / totals[:, -1:]
    draws, first = {}, 0
    for name, one in zip(names, sums, strict=True):
        chosen = rng.integers(len(one), size=(DRAWS, len(one)))
        mine = accuracies[:, first : first + len(one)]
        draws[name] = np.take_along_axis(mine, chosen, axis=1).mean(axis=1)
        first += len(one)
    return Drawn(
        {name: float(np.mean(right[name])) for name in names},
        draws,
        {name: one.mean(axis=0) for name, one in zip(names, sums, strict=True)},
        len(codes),
    )


def pooled(differences: Sequence[Floats], values: Sequence[float], seed: int = 0) -> tuple[Interval, float]:
    """The mean of differences over targets, with an interval over targets and groups, and a p value over targets.

    Args:
        differences: For each target, its (DRAWS,) difference in each draw of its groups.
        values: For each target, its difference.
        seed: Random seed.
    """
    rng = np.random.default_rng(seed)
    table = np.stack(differences)  # (targets, DRAWS)
    targets = rng.integers(len(table), size=(DRAWS, len(table)))
    # a draw of its own for each target that is drawn, so that targets are independent
    places = rng.integers(table.shape[1], size=targets.shape)
    means = table[targets, places].mean(axis=1)
    return Interval(float(np.mean(values)), *_percentiles(means)), sign_flip(np.asarray(values))


def sign_flip(differences: Floats) -> float:
    """Two-sided p of the hypothesis that each of these differences could as well have the other sign."""
    from scipy.stats import permutation_test

    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    if counts.sum() < 2:  # a single difference is as large with the other sign
        return 1.0
    rng = np.random.default_rng(0)
    if counts.sum() <= _EXACT:
        found = permutation_test(
            (differences[differences != 0],),
            lambda one, axis: np.sum(one, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=2**_EXACT,  # all of them
            random_state=rng,
        )
        return float(min(found.pvalue, 1.0))
    # differences of one size are exchangeable: how many of them keep their sign is binomial
    kept = rng.binomial(counts, 0.5, size=(_PERMUTATIONS, len(counts)))
    sums = np.abs((2 * kept - counts) @ sizes)
    observed = abs(float(differences.sum()))
    return float((1 + np.count_nonzero(sums >= observed * (1 - 1e-12))) / (1 + _PERMUTATIONS))


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for the number of comparisons, by Holm's method.

    Raises:
        MissingExtraError: statsmodels is not installed.
    """
    if len(p_values) < 2:
        return list(p_values)
    try:
        from statsmodels.stats.multitest import multipletests
    except ImportError as error:
        raise MissingExtraError(
            "Adjusting p values needs the package statsmodels: pip install 'med-mat[score]'."
        ) from error
    return [float(one) for one in multipletests(p_values, method="holm")[1]]


def _percentiles(draws: Floats) -> tuple[float, float]:
    low, high = np.quantile(draws, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)
