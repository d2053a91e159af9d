"""Training data that is related or unrelated to a target, and the arms of the paper's comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from med_mat import strict
from med_mat.catalog import RowFacts
from med_mat.errors import SplitError
from med_mat.index import Index
from med_mat.selection import Selector
from med_mat.splits.options import ExperimentOptions, Options, Rule
from med_mat.splits.registry import experiment, with_options
from med_mat.splits.result import Experiment
from med_mat.splits.study import OVERLAPPING, Study
from med_mat.taxonomy import AXES

if TYPE_CHECKING:
    from typing_extensions import Unpack

Axis = Literal["modality", "area", "task"]


@experiment()
def related(index: Index, target: Selector, **options: Unpack[ExperimentOptions]) -> Experiment:
    """Train on the rows most similar to the target that together have all of its elements.

    These are the rows that share two elements with the target (the paper's two-element combinations) if they have all
    three; otherwise all rows that share at least one.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to test on.
    """
    study = Study.of(index, target, Options.of(options))
    _, available = _sharing(study)
    elements = study.interpretation.elements
    near = [row for row in available if study.likeness(row) > 1]
    suffices = study.target.elements <= {element for row in near for element in elements(row)}
    rows = {row.number for row in (near if suffices else available)}
    return study.make("related", rows, Rule(covers=True, shares=True))


@experiment()
def all_related(index: Index, target: Selector, **options: Unpack[ExperimentOptions]) -> Experiment:
    """Train on every row that shares at least one element with the target.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to test on.
    """
    study = Study.of(index, target, Options.of(options))
    sharing, _ = _sharing(study)
    return study.make("all_related", sharing, Rule(covers=True, shares=True))


@experiment()
def unrelated(
    index: Index,
    target: Selector,
    *,
    like: Experiment | None = None,
    places: int | None = None,
    **options: Unpack[ExperimentOptions],
) -> Experiment:
    """Train on rows that share no element with the target (the paper's Baseline+), as a control for another arm.

    The control has as many records as that arm and, as far as there are enough, as many from rows of boxes and masks.
    Its audit says where the two differ.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to test on.
        like: Arm to be compared with (default: :func:`related`, unless ``size`` is given).
        places: Number of training records from rows of boxes and masks (default: as many as ``like`` has).

    Raises:
        SplitError: As for all experiments, or there is no :func:`related` arm to take the size of.
    """
    strict.arguments({"places": int | None}, {"places": places}, "An experiment", error=SplitError)
    study = Study.of(index, target, Options.of(options))
    if study.options.size is None:
        try:
            like = like or related(index, target, **options)
        except SplitError as error:
            raise SplitError(
                f"unrelated has the size of related unless size= is given, and related cannot be made for {target}: "
                f"{error} Give size=, the number of training records, or like=, an arm to take the size of."
            ) from error
        study = replace(study, options=replace(study.options, size=len(like.train_positions)))
    if places is None and like is not None:
        places = int(np.count_nonzero(study.drawn(like.train_positions)))
    return train_apart(study, "unrelated", study.others(), AXES, places=places, like=like)


@experiment()
def all_unrelated(index: Index, target: Selector, **options: Unpack[ExperimentOptions]) -> Experiment:
    """Train on every row that shares no element with the target.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to test on.
    """
    study = Study.of(index, target, Options.of(options))
    return train_apart(study, "all_unrelated", study.others(), AXES)


@experiment()
def all_data(index: Index, target: Selector, **options: Unpack[ExperimentOptions]) -> Experiment:
    """Train on everything except the target.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to test on.
    """
    study = Study.of(index, target, Options.of(options))
    return study.make("all_data", study.others(), Rule())


@experiment()
def without(index: Index, target: Selector, axis: Axis, **options: Unpack[ExperimentOptions]) -> Experiment:
    """Train on all related rows except those that share one axis of the target: disrupted CG (section 4, Figure 4).

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to test on.
        axis: Axis to leave out.
    """
    strict.arguments({"axis": Axis}, {"axis": axis}, "without", error=SplitError)
    study = Study.of(index, target, Options.of(options))
    related_rows = [row for row, axes in study.others().items() if axes]
    return train_apart(study, "without", related_rows, (axis,), shares=True, axis=axis)


@with_options
def disruption(index: Index, target: Selector, **options: Unpack[ExperimentOptions]) -> dict[str, Experiment]:
    """Make the six arms of the paper's Figure 4, all of one size: ``size``, or by default that of the smallest arm.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to test on.

    Returns:
        The experiments all_unrelated, all_related, without_modality, without_area, without_task and all_data.
    """

    def arms(**given: Any) -> dict[str, Experiment]:
        return {
            "all_unrelated": all_unrelated(index, target, **given),
            "all_related": all_related(index, target, **given),
            **{f"without_{axis}": without(index, target, axis, **given) for axis in get_args(Axis)},
            "all_data": all_data(index, target, **given),
        }

    made = arms(**options)
    if Options.of(options).size is not None:
        return made
    return arms(**{**options, "size": min(len(arm.train_positions) for arm in made.values())})


def train_apart(
    study: Study, name: str, rows: Iterable[int], axes: Sequence[str], *, shares: bool = False, **arguments: Any
) -> Experiment:
    """The experiment that trains on those of the given rows that have no element of the target on these axes."""
    sure, overlapping = study.apart(rows, axes)
    rule = Rule(avoids=tuple(axes), wide=study.options.avoid == "wide", shares=shares)
    return study.make(name, sure, rule, left_out={OVERLAPPING: overlapping}, **arguments)


def _sharing(study: Study) -> tuple[set[int], list[RowFacts]]:
    """The rows that share an element with the target, and the facts of those that have training records.

    Raises:
        SplitError: Together these do not hold all elements of the target.
    """
    sharing = {row for row, axes in study.others().items() if axes}
    positions, _ = study.trainable(sharing)
    available = [study.index.tags.facts[row] for row in study.index.tags.counts(positions)]
    study.check_covered(element for row in available for element in study.interpretation.elements(row))
    return sharing, available
