"""Leaving one source out: tested on one source of the target, trained on the others (external validation)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from med_mat import catalog, strict
from med_mat.catalog import RowFacts
from med_mat.errors import SplitError
from med_mat.index import Index
from med_mat.selection import Selection, Selector, field
from med_mat.splits.interpretation import find_target
from med_mat.splits.options import ExperimentOptions, Options, Rule
from med_mat.splits.registry import experiment, with_options
from med_mat.splits.result import Experiment
from med_mat.splits.study import Study
from med_mat.taxonomy import did_you_mean

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger(__name__)


@with_options
def each_source_left_out(index: Index, target: Selector, **options: Unpack[ExperimentOptions]) -> Iterator[Experiment]:
    """:func:`leave_source_out` for each source that has the target, in alphabetical order.

    A source without test records, or without which nothing is left to train on, is skipped, and the reason is logged.

    Raises:
        SplitError: No source can be left out; the message names each reason.
    """
    wanted = index.selection(target)
    facts = index.tags.facts
    rows = find_target(facts, wanted, Options.of(options).interpretation).rows
    reasons = []
    for source in sorted({facts[row].source for row in rows}):
        try:
            made = leave_source_out(index, wanted, source, **options)
        except SplitError as error:
            log.warning("leave_one_out skips %s: %s", source, error)
            reasons.append(f"{source}: {error}")
        else:
            yield made
    if len(reasons) == len({facts[row].source for row in rows}):
        why = " ".join(reasons) or f"This Med-MAT has no record of {wanted}."
        raise SplitError(f"No source can be left out for {wanted}. {why}")


@experiment(series={"source": each_source_left_out})
def leave_source_out(
    index: Index, target: Selector, source: str, *, train: Selector = None, **options: Unpack[ExperimentOptions]
) -> Experiment:
    """Test on the target's records of one source, train on the target in all other sources (external validation).

    No record of the source is trained on, so all of them are tested: ``test_on`` is "all" by default. With "test" only
    its test part is, as for a model that was trained on its training part.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to train and test on.
        source: Source to test on.
        train: What to train on in addition to the target, such as "CT/*/*"; records of the source are left out.

    Raises:
        SplitError: The source is not in this build or has no test record of the target, or no other source trains.
    """
    strict.arguments({"source": str}, {"source": source}, "leave_source_out", error=SplitError)
    given = Options.of({"test_on": "all", **options})
    wanted, facts = index.selection(target), index.tags.facts
    rows = find_target(facts, wanted, given.interpretation).rows
    _check_source(index, wanted, source, {facts[row].source for row in rows})
    study = Study.of(index, wanted & field("source", source), given)
    study = replace(study, target=replace(study.target, text=str(wanted)))
    arguments: dict[str, Any] = {"source": source}
    if train is not None:
        beside = index.selection(train)
        named = find_target(facts, beside, given.interpretation).rows
        rows, study = rows | named, replace(study, named=named)
        arguments["train"] = str(beside)
    others = {row for row in rows if facts[row].source != source}
    if not others:
        known = _holders(wanted, given) - {source}
        raise SplitError(
            f"No other source here holds {wanted}, so that nothing is left to train on without {source}. Sources that "
            f"hold it: {', '.join(sorted(known)) or 'none'}. Or name what to train on beside the target: train="
        )
    return study.make("leave_source_out", others, Rule(target_records=None, left_out=source), **arguments)


def _check_source(index: Index, wanted: Selection, source: str, holding: set[str]) -> None:
    """Raise where the build lacks the source, or the source the target."""
    if source in holding:
        return
    having = f"Sources here that have some: {', '.join(sorted(holding)) or 'none'}."
    if source not in index.tags.sources:
        raise SplitError(f"This Med-MAT has no source {source!r}.{did_you_mean(source, index.tags.sources)} {having}")
    raise SplitError(f"{source} has no record of {wanted}. {having}")


def _holders(wanted: Selection, options: Options) -> set[str]:
    """The sources of the catalog that have the target."""
    facts = {row.number: RowFacts.of(row, one) for one in catalog.load().values() for row in one.rows}
    return {facts[row].source for row in find_target(facts, wanted, options.interpretation).rows}
