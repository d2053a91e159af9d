"""Combinations: training data that has the target's elements in two or three parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from med_mat import strict
from med_mat.errors import SplitError
from med_mat.index import Index
from med_mat.selection import Selector
from med_mat.splits.combinations import Combination, Direction, check_direction, enumerate_combinations
from med_mat.splits.interpretation import find_target
from med_mat.splits.options import ExperimentOptions, Options, Rule
from med_mat.splits.registry import experiment, with_options
from med_mat.splits.result import Experiment
from med_mat.splits.study import Study, reasons
from med_mat.taxonomy import DRAWN

if TYPE_CHECKING:
    from typing_extensions import Unpack


@with_options
def combinations(
    index: Index,
    target: Selector,
    *,
    direction: Direction | None = None,
    elements: Literal[2, 3] | None = None,
    **options: Unpack[ExperimentOptions],
) -> tuple[Combination, ...]:
    """List every way to compose the target from triplets that have training records (the paper's Related combinations).

    Args:
        index: An opened Med-MAT.
        target: Triplet; a pattern gives the combinations of each triplet that it matches.
        direction: What the parts have in common with the target (default: any).
        elements: Number of parts (default: both two and three).

    Raises:
        SplitError: No test record of the target, an unknown direction, or another number of elements.
    """
    strict.arguments({"elements": Literal[2, 3] | None}, {"elements": elements}, "Combinations", error=SplitError)
    check_direction(direction)
    study = Study.of(index, target, Options.of(options))
    with_records = index.tags.counts(study.trainable(index.tags.facts)[0])
    triplets = {one for row in with_records for one in study.interpretation.triplets(index.tags.facts[row])}
    return tuple(
        one
        for goal in study.target.mats
        for one in enumerate_combinations(triplets, goal, study.interpretation, index.vocabulary)
        if direction in (None, one.direction) and elements in (None, len(one.parts))
    )


@experiment()
def combination(
    index: Index, target: Selector, parts: Sequence[Selector], **options: Unpack[ExperimentOptions]
) -> Experiment:
    """Train on the given parts alone, as listed by :func:`combinations`.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to test on. A row that is a part is not tested, even if the target
            includes it: Lung Cancer trains for Lung State.
        parts: Triplet to train on, or a selection of rows such as "X-ray/Lung/Diseases & subset=30".
    """
    if isinstance(parts, str) or not isinstance(parts, Sequence):
        raise SplitError(f"combination: parts must be a list of triplets, not {parts!r}.")
    given = Options.of(options)
    rows_of = {str(part): part_rows(index, part, given) for part in parts}
    rows = frozenset().union(*rows_of.values())
    _refuse_target(index, target, rows_of, given)
    study = Study.of(index, target, given, named=rows)
    positions, _ = study.trainable(rows)
    counts = index.tags.counts(positions)
    for part, its in rows_of.items():
        if not its.intersection(counts):
            raise SplitError(
                f"The part {part} of a combination for {target} has no usable training record here"
                f"{given.limits('train')}.{reasons(study.trainable(its)[1])}"
            )
    elements = study.interpretation.elements
    study.check_covered(element for row in counts for element in elements(index.tags.facts[row]))
    return study.make("combination", rows, Rule(covers=True, shares=True, literal=True), parts=list(rows_of))


def part_rows(index: Index, part: Selector, options: Options) -> frozenset[int]:
    """The rows of a part: those whose first triplet it matches, else those that also count as it.

    If some of them have labels and others boxes or masks, those that have labels, unless tasks are crossed.
    """
    selection, interpretation = index.selection(part), options.interpretation
    facts = index.tags.facts
    foremost = {
        number
        for number, row in facts.items()
        if selection.resolve({**row.as_fields(), **asdict(interpretation.triplets(row)[0])}) is True
    }
    rows = frozenset(foremost) or find_target(facts, selection, interpretation).rows
    matched = options.kinds == "matched" and not options.cross_tasks
    return (matched and frozenset(row for row in rows if facts[row].annotation not in DRAWN)) or rows


def _refuse_target(index: Index, target: Selector, parts: Mapping[str, frozenset[int]], options: Options) -> None:
    """Raise if a part of a combination is the target's own triplet, which is never trained on."""
    facts, wanted, triplets = index.tags.facts, index.selection(target), options.interpretation.triplets
    own = set(find_target(facts, wanted, options.interpretation).mats)
    for part, rows in parts.items():
        held = sorted({triplets(facts[row])[0] for row in rows} & own)
        if held:
            raise SplitError(
                f"The part {part} of a combination for {wanted} is the target's own triplet, {held[0]}, which a "
                "combination never trains on. To test on one source of it and train on the others, use "
                "leave_source_out(target, source)."
            )
