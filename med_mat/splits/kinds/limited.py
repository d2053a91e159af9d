"""An arm with some training records of the target itself, and an arm at several sizes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from med_mat.errors import SplitError
from med_mat.index import Index
from med_mat.selection import Selector
from med_mat.splits import sampling
from med_mat.splits.kinds import arms
from med_mat.splits.options import ExperimentOptions
from med_mat.splits.registry import experiment, with_options
from med_mat.splits.result import Experiment
from med_mat.splits.study import Study

if TYPE_CHECKING:
    from typing_extensions import Unpack

Base = Literal["related", "unrelated", "all_related", "all_unrelated", "all_data"]
_BASES: dict[str, Callable[..., Experiment]] = {
    "related": arms.related,
    "unrelated": arms.unrelated,
    "all_related": arms.all_related,
    "all_unrelated": arms.all_unrelated,
    "all_data": arms.all_data,
}


@experiment()
def limited(
    index: Index,
    target: Selector,
    n: int,
    *,
    base: Base = "related",
    like: Experiment | None = None,
    places: int | None = None,
    **options: Unpack[ExperimentOptions],
) -> Experiment:
    """Train on ``n`` records of the target itself, in addition to another arm (section 5.2, Figure 6).

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to test on.
        n: Number of the target's training records, balanced over its label sets. 0 gives the base alone; a larger n
            contains the records of a smaller one.
        base: Arm that they are added to; ``size`` does not count them.
        like: Arm to be compared with, if the base is "unrelated": see :func:`~med_mat.splits.kinds.arms.unrelated`.
        places: Number of the base's training records from rows of boxes and masks, if the base is "unrelated".
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
        raise SplitError(f"n={n!r} must be a whole number, 0 or more.")
    arm = _arm(base, like, places)(index, target, **options)
    study = Study.of(index, target, arm.options)
    own, _ = study.trainable(study.target.rows)
    own = own[~np.isin(index.tags.group[own], index.tags.group[arm.validation_positions])]
    if n > len(own):
        validated = " or set apart for validation" if len(arm.validation_positions) else ""
        raise SplitError(
            f"{n:,} training records of {target} are requested, and there are {len(own):,} whose group is not "
            f"tested{validated}."
        )
    extra = sampling.take(index.tags, own, n, study.options.seed, study.options.even)
    rule = replace(arm.rule, target_records=n, shares=False)
    train = np.sort(np.concatenate((arm.train_positions, extra)))
    arguments = {**arm.arguments, "n": int(n), "base": base}
    return replace(arm, name="limited", train_positions=train, rule=rule, arguments=arguments, like=None)


@with_options
def scaling(
    index: Index,
    target: Selector,
    sizes: Sequence[int],
    *,
    base: Base = "related",
    like: Experiment | None = None,
    places: int | None = None,
    **options: Unpack[ExperimentOptions],
) -> list[Experiment]:
    """Make one arm at several sizes, each contained in the next (section 5.1, Figure 5).

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to test on.
        sizes: Numbers of training records.
        base: The arm.
        like: Arm to be compared with, if the base is "unrelated": see :func:`~med_mat.splits.kinds.arms.unrelated`.
        places: Number of training records from rows of boxes and masks, if the base is "unrelated".
    """
    make = _arm(base, like, places)
    return [make(index, target, **{**options, "size": size}) for size in sorted(sizes)]


def _arm(name: object, like: Experiment | None, places: int | None) -> Callable[..., Experiment]:
    """The function that makes an arm, with the arguments that only "unrelated" takes."""
    if not isinstance(name, str) or name not in _BASES:
        raise SplitError(f"base={name!r} is not one of {', '.join(_BASES)}.")
    if like is None and places is None:
        return _BASES[name]
    if name != "unrelated":
        raise SplitError(f"like= and places= are arguments of base='unrelated', and not of base={name!r}.")
    return functools.partial(arms.unrelated, like=like, places=places)
