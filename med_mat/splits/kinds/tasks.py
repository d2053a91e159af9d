"""Training on the target itself, alone or with all in-distribution subsets: the upper bounds of Tables 1 and 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from med_mat import catalog
from med_mat.errors import SplitError
from med_mat.index import Index
from med_mat.selection import Selector
from med_mat.splits.interpretation import find_target
from med_mat.splits.options import ExperimentOptions, Options, Rule
from med_mat.splits.registry import experiment
from med_mat.splits.result import Experiment
from med_mat.splits.study import Study

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: The paper's maximum number of training records per subset (arXiv 2412.20070 v2, section 2.1).
PAPER_MAX_PER_SUBSET = 3_000


@experiment()
def single_task(index: Index, target: Selector, **options: Unpack[ExperimentOptions]) -> Experiment:
    """Train and test on the target itself: the upper bound (Single-task in Tables 1 and 2 of the paper).

    By default ``max_per_subset`` is 3,000 and ``balanced_test`` is on.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to train and test on.
    """
    study = Study.of(index, target, _options(options))
    return study.make("single_task", study.target.rows, Rule(target_records=None))


@experiment()
def multi_task(
    index: Index, target: Selector = None, *, train: Selector = None, **options: Unpack[ExperimentOptions]
) -> Experiment:
    """Train on all in-distribution subsets together, test on all (Multi-task in Tables 1 and 2 of the paper).

    By default ``max_per_subset`` is 3,000 and ``balanced_test`` is on.

    Args:
        index: An opened Med-MAT.
        target: What to test on (default: every classification subset, those out of distribution included).
        train: What to train on (default: the paper's 25 in-distribution subsets).
    """
    subsets = catalog.load().subsets.values()
    tested = target if target is not None else _of_subsets(index, [s.number for s in subsets if s.role != "detection"])
    trained = train if train is not None else _of_subsets(index, [s.number for s in subsets if s.role == "id"])
    study = Study.of(index, tested, _options(options))
    rows = find_target(index.tags.facts, index.selection(trained), study.interpretation).rows
    if train is None:
        return study.make("multi_task", rows, Rule(target_records=None))
    named = replace(study, named=rows)
    return named.make("multi_task", rows, Rule(target_records=None), train=str(index.selection(train)))


def _options(given: ExperimentOptions) -> Options:
    return Options.of({"max_per_subset": PAPER_MAX_PER_SUBSET, "balanced_test": True, **given})


def _of_subsets(index: Index, numbers: Sequence[int]) -> str:
    """A selection of those subsets that have records."""
    here = {row.subset for row in index.tags.facts.values()}
    present = [number for number in numbers if number in here]
    if not present:
        raise SplitError("This Med-MAT has no record of the paper's subsets that are needed: give target= and train=.")
    return "subset=" + "|".join(map(str, present))
