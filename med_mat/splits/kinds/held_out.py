"""Everything except the target trains: for one target, or for each triplet, word or source in turn."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

from med_mat.errors import SplitError
from med_mat.index import Index
from med_mat.selection import MAT, Selection, Selector, Triplets
from med_mat.splits.kinds.arms import train_apart
from med_mat.splits.kinds.sources import each_source_left_out
from med_mat.splits.options import ExperimentOptions, Options
from med_mat.splits.registry import experiment, with_options
from med_mat.splits.result import Experiment
from med_mat.splits.study import Study
from med_mat.taxonomy import AXES

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger(__name__)

Over = Literal["triplet", "modality", "area", "task", "source"]


@experiment()
def held_out(index: Index, target: Selector, **options: Unpack[ExperimentOptions]) -> Experiment:
    """Test on a target, train on everything that does not contain it.

    For a triplet, or a selection of sources, that is everything except the triplet; for ``CT/*/*`` everything except
    CT, and for ``*/Lung/*`` everything except the lungs and the chest: see ``avoid``.

    Args:
        index: An opened Med-MAT.
        target: Triplet, pattern or selection of rows to test on.
    """
    study = Study.of(index, target, Options.of(options))
    return train_apart(study, "held_out", study.others(), _only_axis(target))


def _only_axis(target: Selector) -> tuple[str, ...]:
    """The axis that a target restricts, as ``CT/*/*`` does the modality; none if it restricts several."""
    selection = Selection.of(target)
    if not isinstance(selection, Triplets):
        return ()
    pattern = selection.pattern
    restricted = [axis for axis, words in zip(AXES, pattern.parts, strict=True) if words]
    single = len(restricted) == 1 and not pattern.negated and not any(pattern.negated_parts)
    return tuple(restricted) if single else ()


@with_options
def leave_one_out(
    index: Index, over: Over = "triplet", *, target: Selector = None, **options: Unpack[ExperimentOptions]
) -> Iterator[Experiment]:
    """For each triplet, or each word of an axis: test on it, train on everything that does not contain it.

    Over "source": for each source of ``target``, test on it and train on the target in all others (see
    :func:`~med_mat.splits.kinds.sources.leave_source_out`). Whatever has no test records, or leaves nothing to
    train on, is skipped, and the reason is logged.

    Args:
        index: An opened Med-MAT.
        over: What to hold out in turn.
        target: The target whose sources are held out; only with "source".
    """
    if over not in get_args(Over):
        raise SplitError(f"over={over!r} is not one of {', '.join(get_args(Over))}.")
    if over == "source":
        if target is None:
            raise SplitError("leave_one_out over 'source' needs target=, such as CT/Lung/COVID.")
        yield from each_source_left_out(index, target, **options)
        return
    if target is not None:
        raise SplitError(f"leave_one_out over {over!r} takes no target=: it tests on each in turn.")
    expanded = Options.of(options).interpretation.expanded_triplets
    triplets = sorted({triplet for row in index.tags.facts.values() for triplet in expanded(row)})
    words = sorted({getattr(triplet, over) for triplet in triplets}) if over in AXES else ()
    for one in [MAT(**{over: word}) for word in words] if over in AXES else triplets:
        try:
            yield held_out(index, one, **options)
        except SplitError as error:
            log.info("leave_one_out skips %s: %s", one, error)
