"""The experiments by name. Each takes a built Med-MAT, a target, and the options of :class:`~med_mat.splits.Options`.

A target is a triplet (``"CT/Lung/Cancer"``), a pattern, or a selection of rows (``"CT/Lung/State & subset=3"``).
All raise :class:`~med_mat.errors.SplitError` where the build has no test record of the target, lacks an element of it
(the message names the sources that would provide it), or has fewer training records than ``size``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from med_mat import catalog, strict
from med_mat.errors import SplitError
from med_mat.selection import MAT, Selection, Selector, Triplets
from med_mat.splits import draw
from med_mat.splits.combinations import Combination, check_direction, enumerate_combinations
from med_mat.splits.experiment import Experiment
from med_mat.splits.options import Options, Rule
from med_mat.splits.reading import find_target
from med_mat.splits.sources import each_source_left_out
from med_mat.splits.study import OVERLAPPING, Study, reasons
from med_mat.taxonomy import AXES, DRAWN

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

log = logging.getLogger(__name__)

#: The paper's cap on the training records of a subset (arXiv 2412.20070 v2, section 2.1).
CAP = 3_000

Base = Literal["related", "unrelated", "all_related", "all_unrelated", "all_data"]


def related(mat: MedMAT, target: Selector, **options: Any) -> Experiment:
    """Train on the rows nearest to the target that together hold each of its elements.

    These are the rows that share two elements with it (the paper's two-element combinations) where these suffice, else
    all that share one.
    """
    study = Study.of(mat, target, Options.of(options))
    sharing = {row for row, axes in study.others().items() if axes}
    positions, _ = study.trainable(sharing)
    available = [mat.tags.facts[row] for row in mat.tags.counts(positions)]
    study.check_covered(element for row in available for element in study.reading.elements(row))
    goal = study.target.elements
    near = [row for row in available if any(len(n.shared(m)) > 1 for n in study.reading.wide_names(row)
                                            for m in study.target.mats)]  # fmt: skip
    suffices = goal <= {element for row in near for element in study.reading.elements(row)}
    rows = {row.number for row in (near if suffices else available)}
    return study.make("related", rows, Rule(covers=True, shares=True))


def all_related(mat: MedMAT, target: Selector, **options: Any) -> Experiment:
    """Train on every row that shares at least one element with the target."""
    study = Study.of(mat, target, Options.of(options))
    sharing = {row for row, axes in study.others().items() if axes}
    positions, _ = study.trainable(sharing)
    rows = (mat.tags.facts[row] for row in mat.tags.counts(positions))
    study.check_covered(element for row in rows for element in study.reading.elements(row))
    return study.make("all_related", sharing, Rule(covers=True, shares=True))


def unrelated(
    mat: MedMAT, target: Selector, *, like: Experiment | None = None, places: int | None = None, **options: Any
) -> Experiment:
    """Train on rows that share no element with the target (the paper's Baseline+), to be compared with another arm.

    It has as many records as that arm, and as many of them of rows of boxes and masks, as far as there are so many; its
    audit says where the two differ.

    Args:
        mat: a built Med-MAT.
        target: to test on.
        like: the arm to be compared with; None: :func:`related`, unless ``size`` is given.
        places: how many of the records are to be of rows of boxes and masks; None: as many as ``like`` has.
        options: of :class:`~med_mat.splits.Options`.

    Raises:
        SplitError: as all, or there is no :func:`related` to be as large as.
    """
    strict.arguments({"places": int | None}, {"places": places}, "An experiment", error=SplitError)
    study = Study.of(mat, target, Options.of(options))
    if study.options.size is None:
        try:
            like = like or related(mat, target, **options)
        except SplitError as error:
            raise SplitError(
                f"unrelated is as large as related unless size= is given, and related cannot be had for {target}: "
                f"{error} Give size=, the number of training records, or like=, an arm to be as large as."
            ) from error
        study = replace(study, options=replace(study.options, size=len(like.train_positions)))
    if places is None and like is not None:
        places = int(np.count_nonzero(study.drawn(like.train_positions)))
    return _apart(study, "unrelated", study.others(), AXES, places=places, like=like)


def all_unrelated(mat: MedMAT, target: Selector, **options: Any) -> Experiment:
    """Train on every row that shares no element with the target."""
    study = Study.of(mat, target, Options.of(options))
    return _apart(study, "all_unrelated", study.others(), AXES)


def _apart(
    study: Study, name: str, rows: Iterable[int], axes: Sequence[str], *, shares: bool = False, **arguments: Any
) -> Experiment:
    """The experiment that trains on those of some rows that hold nothing of the target on these axes."""
    sure, overlapping = study.apart(rows, axes)
    rule = Rule(avoids=tuple(axes), wide=study.options.avoid == "wide", shares=shares)
    return study.make(name, sure, rule, left_out={OVERLAPPING: overlapping}, **arguments)


def all_data(mat: MedMAT, target: Selector, **options: Any) -> Experiment:
    """Train on everything but the target."""
    study = Study.of(mat, target, Options.of(options))
    return study.make("all_data", study.others(), Rule())


def without(mat: MedMAT, target: Selector, axis: str, **options: Any) -> Experiment:
    """Train on all related rows but those that share the target's ``axis``: modality, area or task.

    What the paper calls disrupting CG (section 4, Figure 4).
    """
    if axis not in AXES:
        raise SplitError(f"axis={axis!r} is not one of {', '.join(AXES)}.")
    study = Study.of(mat, target, Options.of(options))
    related_rows = [row for row, axes in study.others().items() if axes]
    return _apart(study, "without", related_rows, (axis,), shares=True, axis=axis)


def disruption(mat: MedMAT, target: Selector, **options: Any) -> dict[str, Experiment]:
    """The six arms of the paper's Figure 4, all of one size: ``size``, or the smallest of the six where it is None.

    Keys: all_unrelated, all_related, without_modality, without_area, without_task, all_data.
    """
    given = Options.of(options)

    def arms(**more: Any) -> dict[str, Experiment]:
        return {
            "all_unrelated": all_unrelated(mat, target, **more),
            "all_related": all_related(mat, target, **more),
            **{f"without_{axis}": without(mat, target, axis, **more) for axis in AXES},
            "all_data": all_data(mat, target, **more),
        }

    if given.size is not None:
        return arms(**options)
    made = arms(**options)
    smallest = min(made, key=lambda name: len(made[name].train_positions))
    return arms(**{**options, "size": len(made[smallest].train_positions)})


def combinations(
    mat: MedMAT, target: Selector, *, direction: str | None = None, elements: int | None = None, **options: Any
) -> tuple[Combination, ...]:
    """Every way to compose the target from triplets that have training records here (the paper's Related combinations).

    Args:
        mat: a built Med-MAT.
        target: a triplet; a pattern gives the combinations of each triplet that it names.
        direction: "fixed modality", "fixed area", "fixed task", "fixed pair" or "three elements"; None: all of them.
        elements: 2 or 3 parts; None: both.
        options: of :class:`~med_mat.splits.Options`.

    Raises:
        SplitError: no test record of the target, an unknown direction, or another number of elements.
    """
    strict.arguments({"elements": Literal[2, 3] | None}, {"elements": elements}, "Combinations", error=SplitError)
    check_direction(direction)
    study = Study.of(mat, target, Options.of(options))
    with_records = mat.tags.counts(study.trainable(mat.tags.facts)[0])
    names = {name for row in with_records for name in study.reading.names(mat.tags.facts[row])}
    return tuple(
        one
        for goal in study.target.mats
        for one in enumerate_combinations(names, goal, study.reading, mat.vocabulary)
        if direction in (None, one.direction) and elements in (None, len(one.parts))
    )


def combination(mat: MedMAT, target: Selector, parts: Sequence[Selector], **options: Any) -> Experiment:
    """Train on these parts alone, as one of :func:`combinations` names them.

    Args:
        mat: a built Med-MAT.
        target: to test on. A row that is a part is not tested, though the target may name it too: Lung Cancer trains
            for Lung State.
        parts: triplets, or selections of rows such as ``"X-ray/Lung/Diseases & subset=30"``.
        options: of :class:`~med_mat.splits.Options`.
    """
    given = Options.of(options)
    rows_of = {str(part): part_rows(mat, part, given) for part in parts}
    rows = frozenset().union(*rows_of.values())
    _refuse_target(mat, target, rows_of, given)
    study = Study.of(mat, target, given, named=rows)
    positions, _ = study.trainable(rows)
    counts = mat.tags.counts(positions)
    for part, its in rows_of.items():
        if not its.intersection(counts):
            raise SplitError(
                f"The part {part} of a combination for {target} has no training record here that may be used"
                f"{given.limits('train')}.{reasons(study.trainable(its)[1])}"
            )
    study.check_covered(element for row in counts for element in study.reading.elements(mat.tags.facts[row]))
    return study.make("combination", rows, Rule(covers=True, shares=True, literal=True), parts=list(rows_of))


def _refuse_target(mat: MedMAT, target: Selector, parts: Mapping[str, frozenset[int]], options: Options) -> None:
    """Raise where a part of a combination is the target's own triplet, which is never trained on."""
    facts, wanted = mat.tags.facts, mat.selection(target)
    own = set(find_target(facts, wanted, options.read).mats)
    for part, rows in parts.items():
        held = sorted({options.read.names(facts[row])[0] for row in rows} & own)
        if held:
            raise SplitError(
                f"The part {part} of a combination for {wanted} is the target's own triplet, {held[0]}, which a "
                "combination never trains on. To test on one source of it and train on the others, use "
                "leave_source_out(target, source)."
            )


def leave_one_out(
    mat: MedMAT,
    over: Literal["triplet", "modality", "area", "task", "source"] = "triplet",
    *,
    target: Selector = None,
    **options: Any,
) -> Iterator[Experiment]:
    """For each triplet, or each word of an axis: test on it, train on everything that does not hold it.

    Over "source": for each source of ``target``, test on it and train on the target in all others, see
    :func:`~med_mat.splits.sources.leave_source_out`. What has no test records, or leaves nothing to train on, is passed
    over, and the reason logged.
    """
    if over == "source":
        if target is None:
            raise SplitError("leave_one_out over 'source' needs target=, such as CT/Lung/COVID.")
        yield from each_source_left_out(mat, target, **options)
        return
    if target is not None:
        raise SplitError(f"leave_one_out over {over!r} takes no target=: it tests on each in turn.")
    if over != "triplet" and over not in AXES:
        raise SplitError(f"over={over!r} is not one of triplet, {', '.join(AXES)}, source.")
    given = Options.of(options)
    names = sorted({name for row in mat.tags.facts.values() for name in given.read.wide_names(row)})
    targets = (
        names if over == "triplet" else [MAT(**{over: word}) for word in sorted({getattr(n, over) for n in names})]
    )
    for one in targets:
        try:
            yield held_out(mat, one, **options)
        except SplitError as error:
            log.info("leave_one_out passes over %s: %s", one, error)


def held_out(mat: MedMAT, target: Selector, **options: Any) -> Experiment:
    """Test on a target, train on everything that does not hold what the target leaves closed.

    For a triplet, or a selection of sources, that is everything but the triplet; for ``CT/*/*`` everything but CT, and
    for ``*/Lung/*`` everything but the lungs and the chest: see ``avoid``.
    """
    study = Study.of(mat, target, Options.of(options))
    return _apart(study, "held_out", study.others(), _closed(target))


def _closed(target: Selector) -> tuple[str, ...]:
    """The axis that a target alone says something of, as ``CT/*/*`` does of the modality; none where it says more."""
    selection = Selection.of(target)
    if not isinstance(selection, Triplets):
        return ()
    pattern = selection.pattern
    said = [axis for axis, words in zip(AXES, pattern.parts, strict=True) if words]
    return tuple(said) if len(said) == 1 and not pattern.negated and not any(pattern.negated_parts) else ()


def limited(mat: MedMAT, target: Selector, n: int, *, base: Base = "related", **options: Any) -> Experiment:
    """``n`` training records of the target itself, beside related or unrelated data (section 5.2, Figure 6).

    Args:
        mat: a built Med-MAT.
        target: to test on.
        n: records of the target in train, even over its label sets; 0 is the base alone. Growing n keeps the smaller
            draw in the larger one.
        base: the arm that they are added to; its ``size`` does not count them.
        options: of :class:`~med_mat.splits.Options`.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
        raise SplitError(f"n={n!r} is to be a whole number, 0 or more.")
    arm: Experiment = _arm(base)(mat, target, **options)
    study = Study.of(mat, target, arm.options)
    own, _ = study.trainable(study.target.rows)
    own = own[~np.isin(mat.tags.group[own], mat.tags.group[arm.validation_positions])]
    if n > len(own):
        validated = " or set apart for validation" if len(arm.validation_positions) else ""
        raise SplitError(
            f"{n:,} training records of {target} are asked for, of which there are {len(own):,} whose group is not "
            f"tested{validated}."
        )
    extra = draw.take(mat.tags, own, n, study.options.seed, study.options.even)
    rule = replace(arm.rule, target_records=n, shares=False)
    train = np.sort(np.concatenate((arm.train_positions, extra)))
    arguments = {**arm.arguments, "n": int(n), "base": base}
    return replace(arm, name="limited", train_positions=train, rule=rule, arguments=arguments, like=None)


def scaling(
    mat: MedMAT, target: Selector, sizes: Sequence[int], *, base: Base = "related", **options: Any
) -> list[Experiment]:
    """The same arm at growing sizes, each contained in the next (section 5.1, Figure 5)."""
    return [_arm(base)(mat, target, **{**options, "size": size}) for size in sorted(sizes)]


def single_task(mat: MedMAT, target: Selector, **options: Any) -> Experiment:
    """Train and test on the target itself: the upper bound (Single-task in Tables 1 and 2 of the paper).

    At most 3,000 label-balanced training records of each subset, and equally many test records of each label, unless
    ``cap`` and ``balanced_test`` say otherwise.
    """
    study = Study.of(mat, target, Options.of({"cap": CAP, "balanced_test": True, **options}))
    return study.make("single_task", study.target.rows, Rule(target_records=None))


def multi_task(mat: MedMAT, target: Selector = None, *, train: Selector = None, **options: Any) -> Experiment:
    """Train on all in-distribution subsets together, test on all (Multi-task in Tables 1 and 2 of the paper).

    Args:
        mat: a built Med-MAT.
        target: what to test on; None: every classification subset, those out of distribution included.
        train: what to train on; None: the paper's 25 in-distribution subsets.
        options: of :class:`~med_mat.splits.Options`; ``cap`` is 3,000 and ``balanced_test`` is on unless given.
    """
    subsets = catalog.load().subsets.values()
    tested = target if target is not None else _of_subsets(mat, [s.number for s in subsets if s.role != "detection"])
    trained = train if train is not None else _of_subsets(mat, [s.number for s in subsets if s.role == "id"])
    study = Study.of(mat, tested, Options.of({"cap": CAP, "balanced_test": True, **options}))
    rows = find_target(mat.tags.facts, mat.selection(trained), study.reading).rows
    if train is None:
        return study.make("multi_task", rows, Rule(target_records=None))
    named = replace(study, named=rows)
    return named.make("multi_task", rows, Rule(target_records=None), train=str(mat.selection(train)))


def _of_subsets(mat: MedMAT, numbers: Sequence[int]) -> str:
    """A selection of those subsets that have records."""
    here = {row.subset for row in mat.tags.facts.values()}
    present = [number for number in numbers if number in here]
    if not present:
        raise SplitError(
            "This Med-MAT has no record of any of the paper's subsets that are needed: name target= and train=."
        )
    return "subset=" + "|".join(map(str, present))


def part_rows(mat: MedMAT, part: Selector, options: Options) -> frozenset[int]:
    """The rows of a part: those that it names first of all, else those that it names as well.

    Of rows that have labels and rows that have boxes or masks, those that have labels, unless tasks are crossed.
    """
    selection, reading = mat.selection(part), options.read
    facts = mat.tags.facts
    foremost = {
        number
        for number, row in facts.items()
        if selection.resolve({**row.as_fields(), **asdict(reading.names(row)[0])}) is True
    }
    rows = frozenset(foremost) or find_target(facts, selection, reading).rows
    matched = options.kinds == "matched" and not options.cross_tasks
    return (matched and frozenset(row for row in rows if facts[row].annotation not in DRAWN)) or rows


def _arm(name: str) -> Any:
    arms = {"related": related, "unrelated": unrelated, "all_related": all_related, "all_unrelated": all_unrelated,
            "all_data": all_data}  # fmt: skip
    if name not in arms:
        raise SplitError(f"base={name!r} is not one of {', '.join(arms)}.")
    return arms[name]
