"""k folds of a target by group: each record is tested once, and never while a record of its group trains."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from med_mat import strict
from med_mat.errors import SplitError
from med_mat.index import Index
from med_mat.selection import Selector
from med_mat.splits import divide
from med_mat.splits.options import ExperimentOptions, Options, Rule
from med_mat.splits.registry import experiment, with_options
from med_mat.splits.result import Experiment
from med_mat.splits.study import Study
from med_mat.taxonomy import SPLITS

if TYPE_CHECKING:
    from typing_extensions import Unpack

Over = Literal["all", "train"]


@with_options
def folds(
    index: Index, target: Selector, k: int = 5, *, over: Over = "all", **options: Unpack[ExperimentOptions]
) -> list[Experiment]:
    """Divide the records of a target into ``k`` folds; each experiment tests on one and trains on the others.

    Whole groups (also across sources) are in one fold. Folds are balanced over label sets as far as groups allow, and
    in size: see :func:`med_mat.splits.divide.folds`. They depend on the seed and the target's own records alone.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to divide.
        k: Number of folds, 2 or more.
        over: What is divided. "all" takes every record of the target, whatever part its publisher or our seed puts it
            in: folds replace that division, which for many sources is our own. "train" takes the training part alone,
            for choosing a model, and leaves the test part for the end, with all that shares a group with it.

    Raises:
        SplitError: No record of the target, fewer groups than folds, or an option that does not go with folds:
            ``test_on`` and ``balanced_test`` are refused, since every record is tested once.
    """
    return _made(index, target, {"k": k, "over": over}, None, options)


@experiment(series={"fold": folds})
def fold(
    index: Index, target: Selector, k: int, fold: int, *, over: Over = "all", **options: Unpack[ExperimentOptions]
) -> Experiment:
    """Test on one of ``k`` folds of the target and train on the others, as one of :func:`folds`.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to divide.
        k: Number of folds, 2 or more.
        fold: Number of the fold to test on, from 0 to k - 1.
        over: Whether all records of the target are divided, or its training part alone.
    """
    return _made(index, target, {"k": k, "over": over}, fold, options)[0]


def _made(
    index: Index, target: Selector, given: dict[str, Any], only: int | None, options: ExperimentOptions
) -> list[Experiment]:
    types = {"k": int, "over": Over, "fold": int}
    read = strict.arguments(types, {**given, "fold": 0 if only is None else only}, "Folds", error=SplitError)
    k, over, number = read["k"], read["over"], read["fold"]
    if k < 2:
        raise SplitError(f"Folds: k must be 2 or more, not {k}.")
    if not 0 <= number < k:
        raise SplitError(f"Folds: fold must be from 0 to {k - 1}, for k={k}, not {number}.")
    study, dropped = _divided(index, target, over, options)
    pool, tags = study.test, index.tags
    count = len(np.unique(tags.group[pool]))
    if count < k:
        raise SplitError(
            f"{k} folds of {study.target} need at least {k} groups (patients, or images of unknown patients): its "
            f"{len(pool):,} records are of {count}. Give a smaller k, or build more sources of it."
        )
    fold_of = divide.folds(tags, pool, k, study.options.seed)
    rule = Rule(target_records=None, any_part=over == "all")
    made = []
    for one in range(k) if only is None else [number]:
        test = pool[fold_of == one]
        tested_groups = np.zeros_like(study.tested_groups)
        tested_groups[tags.group[test]] = True
        arm = replace(study, test=test, tested_groups=tested_groups)
        train = pool[fold_of != one]
        may = np.isin(train, index.where_rows(study.target.rows, study.options.may("train")))
        left_out = {study.options.outside("train"): int(np.count_nonzero(~may))} if not may.all() else {}
        made.append(arm.train_on("fold", train[may], {**dropped, **left_out}, rule, k=k, fold=one, over=over))
    return made


def _divided(index: Index, target: Selector, over: str, options: ExperimentOptions) -> tuple[Study, dict[str, int]]:
    """A study whose test is all that is divided; and what is left out of it: reason -> records."""
    given = Options.of({"test_on": "all", **options})
    for name in ("test_on", "balanced_test"):
        if getattr(given, name) != getattr(Options(test_on="all"), name):
            raise SplitError(
                f"Folds test every record once, and do not take {name}={getattr(given, name)!r}: over= says what is "
                "divided; balance the accuracy over labels, not the records."
            )
    study = Study.of(index, target, given)
    if over == "all":
        return study, {}
    train = study.test[index.tags.split[study.test] == SPLITS.index("train")]
    withheld = index.tags.withheld[train] & (not given.withheld)
    if not len(train) or withheld.all():
        raise SplitError(f"{study.target} has no training record here to divide into folds: over='all' divides all.")
    dropped = {"withheld: their group is held out": int(withheld.sum())} if withheld.any() else {}
    return replace(study, test=train[~withheld]), dropped
