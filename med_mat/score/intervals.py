"""Intervals of means over records that are not independent: groups are resampled, not records.

Records of one group (a patient, an image) are right or wrong together. The bootstrap samples as many groups as there
are, with replacement, and takes the 2.5th and 97.5th percentiles of the resampled values. Groups with equal sums are
interchangeable, so only the number of times that each distinct sum occurs is sampled, from a multinomial distribution:
exact, and as fast for 100,000 records as for 100.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from med_mat.blind.guessing import wilson

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

#: Number of resamples of an interval.
RESAMPLES = 2000
LEVEL = 0.95
#: Elements of an array of resamples.
_CHUNK = 4_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over records with its 95 % interval."""

    value: float
    low: float | None  # None: there are fewer than two groups
    high: float | None
    records: int
    groups: int
    method: str  # of the interval: "bootstrap" over groups, "wilson" where all groups agree, or "none"
    wilson: tuple[float, float] | None = None  # of a share, as if all records were independent

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def sums(group: npt.NDArray[Any], *columns: npt.NDArray[Any]) -> Floats:
    """The sums of columns over each group.

    Args:
        group: (n,) Codes or numbers of groups.
        columns: (n,) Values.

    Returns:
        (groups, columns) Sums.
    """
    _, codes = np.unique(group, return_inverse=True)
    return np.stack([np.bincount(codes, column) for column in columns], axis=1) if len(codes) else np.zeros((0, 1))


def resampled(of_groups: Floats, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """The totals of resampled groups.

    Args:
        of_groups: (groups, columns) Sums over each group.
        resamples: Number of resamples.
        seed: Random seed.

    Returns:
        (resamples, columns) Totals.
    """
    distinct, number = _distinct(of_groups)
    rng, parts = np.random.default_rng(seed), []
    share = number / number.sum()
    step = max(1, _CHUNK // max(len(share), 1))
    for start in range(0, resamples, step):
        drawn = rng.multinomial(len(of_groups), share, size=min(step, resamples - start))
        parts.append(drawn @ distinct)
    return np.concatenate(parts)


def _distinct(of_groups: Floats) -> tuple[Floats, Codes]:
    """The distinct rows, and how often each occurs."""
    if of_groups.shape[1] == 2:
        found, number = np.unique(of_groups[:, 0] + 1j * of_groups[:, 1], return_counts=True)
        return np.stack([found.real, found.imag], axis=1), number
    rows = np.ascontiguousarray(of_groups)
    width = rows.shape[1] * rows.itemsize
    # Hashing leaves few rows to sort: sorting all of them takes most of the time of an interval over many labels.
    coded = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(rows)])
    coded = coded.dictionary_encode()
    codes = coded.indices.to_numpy()
    first = np.zeros(len(coded.dictionary), dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    distinct, place = np.unique(rows[first], axis=0, return_inverse=True)
    return distinct, np.bincount(place.ravel(), np.bincount(codes)).astype(np.int64)


def ends(values: Floats) -> tuple[float, float]:
    """The ends of the middle 95 % of some values."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mean(
    values: npt.NDArray[Any],
    group: npt.NDArray[Any],
    *,
    share: bool = True,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Figure:
    """The mean of values with an interval over groups.

    Args:
        values: (n,) One value per record, at least one.
        group: (n,) The group of each record.
        share: Whether the values are 0 and 1, so that Wilson's interval applies.
        resamples: Number of resamples.
        seed: Random seed.
    """
    values = np.asarray(values, dtype=np.float64)
    return ratio(values, np.ones(len(values)), group, share=share, resamples=resamples, seed=seed)


def ratio(
    above: Floats,
    below: Floats,
    group: npt.NDArray[Any],
    *,
    share: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Figure:
    """The ratio of two sums over records, with an interval over groups.

    Args:
        above: (n,) Numerators.
        below: (n,) Denominators.
        group: (n,) The group of each record.
        share: Whether it is a share of records, so that Wilson's interval applies.
        resamples: Number of resamples.
        seed: Random seed.
    """
    of_groups = sums(group, above, below)
    total = of_groups.sum(axis=0)
    value = float(total[0] / total[1]) if total[1] else 0.0
    around = wilson(value, len(above)) if share else None
    if len(of_groups) < 2:
        return Figure(value, None, None, len(above), len(of_groups), "none", around)
    drawn = resampled(of_groups, resamples, seed)
    low, high = ends(drawn[:, 0] / np.maximum(drawn[:, 1], 1e-12))
    if share and high - low < 1e-9:  # all groups agree, so resampling has no spread
        low, high = wilson(value, len(of_groups))
        return Figure(value, low, high, len(above), len(of_groups), "wilson", around)
    return Figure(value, low, high, len(above), len(of_groups), "bootstrap", around)


def balanced(
    right: npt.NDArray[Any],
    label: npt.NDArray[Any],
    group: npt.NDArray[Any],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    most_labels: int = 60,
) -> Figure:
    """Balanced accuracy: the mean over labels of the share of right answers, with an interval over groups.

    Args:
        right: (n,) 0 or 1.
        label: (n,) Codes of the right answers.
        group: (n,) The group of each record.
        resamples: Number of resamples.
        seed: Random seed.
        most_labels: With more labels there is no interval: most of them are too rare to be resampled.
    """
    _, codes = np.unique(label, return_inverse=True)
    labels = int(codes.max()) + 1
    number = np.bincount(codes)
    value = float(np.mean(np.bincount(codes, right) / number))
    groups = len(np.unique(group))
    if groups < 2 or labels > most_labels:
        return Figure(value, None, None, len(right), groups, "none")
    one_hot = [codes == one for one in range(labels)]
    of_groups = sums(group, *(here * right for here in one_hot), *(here.astype(float) for here in one_hot))
    drawn = resampled(of_groups, resamples, seed)
    hits, seen = drawn[:, :labels], drawn[:, labels:]
    present = seen > 0
    shares = np.where(present, hits / np.maximum(seen, 1), 0.0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    low, high = ends(shares)
    return Figure(value, low, high, len(right), groups, "bootstrap")
