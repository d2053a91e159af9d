"""k folds of a target by group: each of its records is tested once, and its group never trains when it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from med_mat import strict
from med_mat.errors import SplitError
from med_mat.selection import Selector
from med_mat.splits import divide
from med_mat.splits.experiment import Experiment
from med_mat.splits.options import Options, Rule
from med_mat.splits.study import Study
from med_mat.taxonomy import SPLITS

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

_KINDS = {"k": int, "fold": int, "over": Literal["all", "train"]}


def folds(
    mat: MedMAT, target: Selector, k: int = 5, *, over: Literal["all", "train"] = "all", **options: Any
) -> list[Experiment]:
    """Divide the records of a target into ``k`` folds; each experiment tests on one and trains on the others.

    Whole groups (also across sources) are of one fold. Folds are even over label sets as far as groups allow, and in
    size: see :func:`med_mat.splits.divide.folds`. They follow from the seed and the target's own records.

    Args:
        mat: a built Med-MAT.
        target: a triplet, a pattern, or a selection of rows.
        k: number of folds, 2 or more.
        over: "all" divides every record of the target, whatever part its publisher or our seed puts it in: folds take
            the place of that division, and of many sources it is our own. "train" divides the training part alone, to
            choose a model by, and leaves the test part for the end: what shares a group with it stays out, too.
        options: of :class:`~med_mat.splits.Options`. ``among`` narrows the records; ``test_on`` and ``balanced_test``
            are refused, since every record is tested once.

    Raises:
        SplitError: no record of the target, fewer groups than folds, or an option that does not go with folds.
    """
    given = {**options, "over": over}
    return _made(mat, target, k, None, given)


def fold(
    mat: MedMAT, target: Selector, k: int, fold: int, *, over: Literal["all", "train"] = "all", **options: Any
) -> Experiment:
    """One of :func:`folds`, from 0 to k - 1."""
    return _made(mat, target, k, fold, {**options, "over": over})[0]


def _made(mat: MedMAT, target: Selector, k: int, only: int | None, given: dict[str, Any]) -> list[Experiment]:
    asked = {"k": k, "fold": 0 if only is None else only, "over": given.pop("over")}
    read = strict.arguments(_KINDS, asked, "Folds", error=SplitError)
    k, over = read["k"], read["over"]
    if k < 2:
        raise SplitError(f"Folds: k is to be 2 or more, and is {k}.")
    if not 0 <= read["fold"] < k:
        raise SplitError(f"Folds: fold is to be from 0 to {k - 1}, for k={k}, and is {read['fold']}.")
    study, dropped = _divided(mat, target, over, given)
    pool, tags = study.test, mat.tags
    count = len(np.unique(tags.group[pool]))
    if count < k:
        raise SplitError(
            f"{k} folds of {study.target} need as many groups (patients, or pictures of nobody known): its "
            f"{len(pool):,} records are of {count}. Give a smaller k, or build more sources of it."
        )
    number = divide.folds(tags, pool, k, study.options.seed)
    rule = Rule(target_records=None, any_part=over == "all")
    made = []
    for one in range(k) if only is None else [read["fold"]]:
        test = pool[number == one]
        barred = np.zeros_like(study.barred)
        barred[tags.group[test]] = True
        arm = replace(study, test=test, barred=barred)
        train = pool[number != one]
        may = np.isin(train, mat.where_rows(study.target.rows, study.options.may("train")))
        left_out = {study.options.outside("train"): int(np.count_nonzero(~may))} if not may.all() else {}
        made.append(arm.train_on("fold", train[may], {**dropped, **left_out}, rule, k=k, fold=one, over=over))
    return made


def _divided(mat: MedMAT, target: Selector, over: str, options: dict[str, Any]) -> tuple[Study, dict[str, int]]:
    """A study whose test is all that is to be divided; and why there is not more: reason -> records."""
    given = Options.of({"test_on": "all", **options})
    for name in ("test_on", "balanced_test"):
        if getattr(given, name) != getattr(Options(test_on="all"), name):
            raise SplitError(
                f"Folds test every record once, and do not take {name}={getattr(given, name)!r}: over= says what is "
                "divided; balance the accuracy over labels, not the records."
            )
    study = Study.of(mat, target, given)
    if over == "all":
        return study, {}
    train = study.test[mat.tags.split[study.test] == SPLITS.index("train")]
    withheld = mat.tags.withheld[train] & (not given.withheld)
    if not len(train) or withheld.all():
        raise SplitError(f"{study.target} has no training record here to divide into folds: over='all' divides all.")
    dropped = {"withheld: their group is held out": int(withheld.sum())} if withheld.any() else {}
    return replace(study, test=train[~withheld]), dropped
