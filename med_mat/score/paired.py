"""The statistics of arms that answer the same questions, over arrays of scores: one row for each run, or seed.

Every test is paired: what counts is the records on which two arms differ. Runs may have been tested on different
samples of the records, as those with split seeds of their own: the score of an arm is the mean over its runs of each
run's mean.

===================  ===================================================================================================
interval             two-level bootstrap: seeds, and groups of records, are drawn with replacement; percentile method
permutation test     of the difference: the sign of each group's difference is drawn, the seeds' means compared
exact McNemar test   of each pair of runs, as if records were independent (statsmodels)
Holm                 p values that are tested together, adjusted (statsmodels)
detectable           the difference that this test, with the spread it has, shows with a power of 80 %
helps                the paper's mark: a mean strictly above that of the reference and of the untrained model. No test
over targets         the mean difference: targets, groups and seeds are drawn; the sign of each target's is permuted
===================  ===================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from med_mat.errors import MissingExtraError
from med_mat.score import intervals, power
from med_mat.score.intervals import RESAMPLES, Floats

#: Number of sign changes that a permutation test draws.
PERMUTATIONS = 20_000
#: The arm that is a baseline for the paper's mark beside the reference.
UNTRAINED = "untrained"


@dataclass(frozen=True, slots=True)
class Arm:
    """One model, trained with one or several seeds."""

    name: str
    mean: float  # over seeds
    sd: float | None  # over seeds, as of a sample; None for one seed
    low: float | None  # of the 95 % interval over seeds and groups
    high: float | None
    seeds: tuple[float, ...]  # the score of each run
    models: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm minus the reference, on the same records."""

    arm: str
    reference: str
    difference: float
    low: float | None
    high: float | None
    p: float  # permutation test by group
    p_holm: float | None  # adjusted over what is tested together: arms of a comparison, targets of an experiment
    mcnemar: tuple[float, ...]  # of each pair of runs; empty if scores are not 0 and 1
    better: int  # groups in which the arm is better
    worse: int
    detectable: float | None  # at a power of 80 %
    helps: bool

    @property
    def significant(self) -> bool:
        """Whether the adjusted p value of the permutation test is below 5 %."""
        return (self.p if self.p_holm is None else self.p_holm) < power.LEVEL


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """The mean of the differences between two arms over several targets."""

    difference: float
    low: float  # of the 95 % interval over targets, groups and seeds
    high: float
    p: float  # permutation test by target


def arm(
    name: str,
    scores: Floats,
    group: npt.NDArray[Any],
    models: Sequence[str | None],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Arm:
    """The score of an arm.

    Args:
        name: Its name.
        scores: (runs, records) Scores, 0 to 1; NaN for a record on which a run was not tested.
        group: (records,) Group of each record.
        models: Name of the model of each run.
        resamples: Number of resamples of the interval.
        seed: Random seed.
    """
    runs = np.nanmean(scores, axis=1)
    low = high = sd = None
    if len(scores) == 1:
        asked = ~np.isnan(scores[0])
        figure = intervals.mean(scores[0][asked], group[asked], share=_binary(scores), resamples=resamples, seed=seed)
        low, high = figure.low, figure.high
    else:
        sd = float(np.std(runs, ddof=1))
        if len(np.unique(group)) > 1:
            low, high = intervals.ends(_resampled([scores], group, resamples, seed)[0])
    return Arm(name, float(runs.mean()), sd, low, high, tuple(runs.tolist()), tuple(models))


def difference(
    scores: Mapping[str, Floats],
    name: str,
    reference: str,
    group: npt.NDArray[Any],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """The difference between two arms; its p value is not adjusted.

    Args:
        scores: Arm -> (runs, records) Scores, as for :func:`arm`.
        name: The arm.
        reference: The arm that it is compared with.
        group: (records,) Group of each record.
        resamples: Number of resamples of the interval.
        seed: Random seed.

    Raises:
        MissingExtraError: statsmodels is not installed.
    """
    ours, theirs = scores[name], scores[reference]
    of_groups = intervals.sums(group, _each(ours) - _each(theirs), _each(np.where(np.isnan(ours), np.nan, 1.0)))
    mean = _mean(ours)
    value, low, high = mean - _mean(theirs), None, None
    if len(of_groups) > 1:
        one, other = _resampled([ours, theirs], group, resamples, seed)
        low, high = intervals.ends(one - other)
    sign = np.round(of_groups[:, 0], 9)
    pairs = list(zip(ours, theirs, strict=False)) if _binary(ours) and _binary(theirs) else []
    return Difference(
        arm=name,
        reference=reference,
        difference=value,
        low=low,
        high=high,
        p=permutation(of_groups[:, 0], seed),
        p_holm=None,
        mcnemar=tuple(mcnemar(*pair) for pair in pairs),
        better=int((sign > 0).sum()),
        worse=int((sign < 0).sum()),
        detectable=_detectable(of_groups, value),
        helps=all(mean > _mean(scores[one]) for one in {reference, UNTRAINED} & scores.keys() - {name}),
    )


def over_targets(
    targets: Sequence[tuple[Sequence[tuple[Floats, Floats]], npt.NDArray[Any]]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> MeanDifference:
    """The mean over targets of the difference between two arms.

    Several comparisons on one target, such as different training data for it, are not independent: they count as one,
    the mean of theirs.

    Args:
        targets: For each target, the pairs of scores that are compared, (runs, records) each as for :func:`arm`, and
            the (records,) group of each record.
        resamples: Number of resamples of the interval.
        seed: Random seed.
    """
    values, draws = [], []
    for pairs, group in targets:
        values.append(float(np.mean([_mean(ours) - _mean(theirs) for ours, theirs in pairs])))
        drawn = _resampled([one for pair in pairs for one in pair], group, resamples, seed)
        draws.append(np.mean([ours - theirs for ours, theirs in zip(drawn[::2], drawn[1::2], strict=True)], axis=0))
    rng = np.random.default_rng([seed, 3])
    table = np.stack(draws)  # (targets, resamples)
    chosen = rng.integers(len(table), size=(resamples, len(table)))
    # a resample of its own for each target that is drawn, so that targets are independent
    places = rng.integers(resamples, size=chosen.shape)
    low, high = intervals.ends(table[chosen, places].mean(axis=1))
    return MeanDifference(float(np.mean(values)), low, high, permutation(np.asarray(values), seed))


def holm(p: Sequence[float]) -> list[float]:
    """P values adjusted by Holm's method, such as those of one arm over several targets.

    Raises:
        MissingExtraError: statsmodels is not installed.
    """
    try:
        from statsmodels.stats.multitest import multipletests
    except ImportError as error:
        raise _missing() from error
    return [float(one) for one in multipletests(list(p), method="holm")[1]] if p else []


def _missing() -> MissingExtraError:
    return MissingExtraError("Comparing models needs the package statsmodels: pip install 'med-mat[score]'.")


def permutation(differences: npt.NDArray[Any], seed: int = 0) -> float:
    """The two-sided p value of paired differences of groups whose signs are random if both models are alike.

    Differences of one size are interchangeable, so that what is drawn is how many of them are positive.

    Args:
        differences: (groups,) Sum of the differences of each group.
        seed: Random seed.
    """
    size, number = np.unique(np.round(np.abs(differences[np.abs(differences) > 1e-9]), 9), return_counts=True)
    if not len(size):
        return 1.0
    rng, total, at_least = np.random.default_rng([seed, 2]), abs(float(differences.sum())) - 1e-7, 0
    step = max(1, 4_000_000 // len(size))
    for start in range(0, PERMUTATIONS, step):
        positive = rng.binomial(number, 0.5, size=(min(step, PERMUTATIONS - start), len(size)))
        at_least += int((np.abs((2 * positive - number) @ size) >= total).sum())
    return (at_least + 1) / (PERMUTATIONS + 1)


def mcnemar(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> float:
    """The p value of the exact McNemar test.

    Args:
        ours: (n,) 0 or 1; NaN for a record that was not asked.
        theirs: (n,) 0 or 1, of the same records.

    Raises:
        MissingExtraError: statsmodels is not installed.
    """
    try:
        from statsmodels.stats.contingency_tables import mcnemar as test
    except ImportError as error:
        raise _missing() from error
    better, worse = int(((ours == 1) & (theirs == 0)).sum()), int(((ours == 0) & (theirs == 1)).sum())
    if not better + worse:
        return 1.0
    both = int(((ours == 1) & (theirs == 1)).sum())
    return min(1.0, float(test([[both, better], [worse, int(((ours == 0) & (theirs == 0)).sum())]], exact=True).pvalue))


def _resampled(sets: Sequence[Floats], group: npt.NDArray[Any], resamples: int, seed: int) -> list[Floats]:
    """The resampled mean of each set of runs, (resamples,): groups are drawn for all at once, runs for each set."""
    whole = np.concatenate(sets)
    tests, of_run = np.unique(~np.isnan(whole), axis=0, return_inverse=True)  # most often all runs have one test
    of_groups = intervals.sums(group, *np.nan_to_num(whole), *tests.astype(np.float64))
    drawn = intervals.resampled(of_groups, resamples, seed)
    means = drawn[:, : len(whole)] / np.maximum(drawn[:, len(whole) + of_run.ravel()], 1)
    rng, found, first = np.random.default_rng([seed, 1]), [], 0
    for one in sets:
        runs = len(one)
        weight = rng.multinomial(runs, np.full(runs, 1 / runs), size=resamples) / runs
        found.append((means[:, first : first + runs] * weight).sum(axis=1))
        first += runs
    return found


def _mean(scores: Floats) -> float:
    return float(np.nanmean(scores, axis=1).mean())


def _each(scores: Floats) -> Floats:
    """What each record adds to the mean of an arm, (records,), times the number of records."""
    asked = (~np.isnan(scores)).sum(axis=1, keepdims=True)
    found: Floats = (np.nan_to_num(scores) * (scores.shape[1] / asked)).mean(axis=0)
    return found


def _binary(scores: Floats) -> bool:
    return bool(np.isin(scores[~np.isnan(scores)], (0.0, 1.0)).all())


def _detectable(of_groups: Floats, value: float) -> float | None:
    """The difference that is shown with a power of 80 %, from the spread of the groups' differences."""
    groups, records = len(of_groups), of_groups[:, 1].sum()
    if groups < 2:
        return None
    spread = float(((of_groups[:, 0] - value * of_groups[:, 1]) ** 2).sum()) * groups / (groups - 1)
    if spread < 1e-12:  # both models answer alike: nothing is known of how they differ
        return power.detectable(groups)
    return float((norm.isf(power.LEVEL / 2) + norm.isf(1 - power.POWER)) * spread**0.5 / float(records))
