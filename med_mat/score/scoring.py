"""From the answers to a split to a :class:`~med_mat.score.result.Result`."""

from __future__ import annotations

import functools
import platform
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from med_mat import __version__
from med_mat.blind.report import of_parts
from med_mat.errors import MissingExtraError
from med_mat.index import Parts
from med_mat.score import intervals, power, regions
from med_mat.score.answers import Answers, Given, Missing, read
from med_mat.score.intervals import RESAMPLES, Figure
from med_mat.score.judging import KINDS, READ, Judged, Kind, Part, Style, codes, judge
from med_mat.score.result import FEW, VERSION, Cell, Records, Result, Section

if TYPE_CHECKING:
    from med_mat.conventions import Convention
    from med_mat.index import Index

_AXES = ("modality", "area", "task", "subset", "source")
_ATTRIBUTES = ("age_group", "sex", "device", "view")
#: The measure of each kind of question, from 0 to 1.
MEASURES: Mapping[Kind, str] = {"choice": "accuracy", "open": "accuracy", "findings": "F1", "boxes": "mean IoU"}
#: Pairs of right and chosen answer that a result lists.
_CONFUSED = 500


def score(
    exp: Parts,
    answers: Given | Answers,
    *,
    part: Part = "test",
    style: Style = "auto",
    boxes: Convention = "pixels",
    missing: Missing = "refuse",
    model: str | None = None,
    seed: int | None = None,
    blind: bool = True,
    resamples: int = RESAMPLES,
) -> Result:
    """Score the answers of a model to the records of a split.

    Args:
        exp: The split.
        answers: A file (see :mod:`med_mat.score.answers`), a dict from record ids to answers, or a list of answers in
            the order of ``exp.test``.
        part: "test", or "validation" for choosing a model.
        style: "auto" for the column ``question``, "choice" for records with options alone, "open" for the column
            ``open_question``.
        boxes: The convention of boxes in the answers (:mod:`med_mat.conventions`).
        missing: "refuse", or "wrong": questions without an answer count as wrong, and are reported.
        model: Name of the model (default: as the answers state).
        seed: Seed with which it was trained (default: as the answers state).
        blind: Whether to measure the accuracy without the image, from the training questions.
        resamples: Number of resamples of the intervals.

    Raises:
        ScoreError: The answers cannot be read, are to other records, or there is nothing to score.
    """
    given = answers if isinstance(answers, Answers) else read(answers)
    judged = judge(exp, given, part=part, style=style, boxes=boxes, missing=missing)
    group = exp.mat.tags.group[judged.positions]
    axes = dict(_axes(exp.mat, judged))
    notes: list[str] = []
    sections = [
        _section(judged, kind, judged.kind == number, group, axes, resamples, notes)
        for number, kind in enumerate(KINDS)
        if (judged.kind == number).any()
    ]
    sections.sort(key=lambda one: -one.figure.records)
    for one in sections:
        notes += power.warnings(one.figure.records, one.figure.groups)
    parsed = np.bincount(judged.how, minlength=len(READ)).tolist()
    positions = exp.test_positions if part == "test" else exp.validation_positions
    return Result(
        version=VERSION,
        split=exp.fingerprint,
        part=part,
        style=style,
        definition=dict(exp.definition),
        train=len(exp.train_positions),
        model=given.model if model is None else model,
        seed=given.seed if seed is None else seed,
        sections=tuple(sections),
        parsed={how: number for how, number in zip(READ, parsed, strict=True) if number},
        left_out=judged.left_out,
        blind=_blind(exp, positions, sections) if blind else None,
        notes=tuple(notes),
        versions=versions(),
        records=Records(
            id=tuple(judged.ids),
            group=tuple(group.tolist()),
            kind=tuple(KINDS[one] for one in judged.kind.tolist()),
            score=tuple(judged.score.tolist()),
            how=tuple(READ[one] for one in judged.how.tolist()),
        ),
    )


def _blind(exp: Parts, positions: npt.NDArray[np.int64], sections: list[Section]) -> dict[str, float] | None:
    """The accuracy of each way of guessing without the image; None without training questions or options."""
    if not len(exp.train_positions) or not any(one.kind == "choice" for one in sections):
        return None
    found = of_parts(exp.mat, exp.train_positions, positions, exp.options.questions)
    if not found.learned_from:
        return None
    return {name: round(one.all.accuracy, 6) for name, one in found.ways.items()}


def _axes(mat: Index, judged: Judged) -> Iterator[tuple[str, tuple[npt.NDArray[np.int64], list[str]]]]:
    """Each axis: a code per question, -1 for none, and the values of the codes."""
    facts, rows = mat.tags.facts, mat.tags.row[judged.positions]
    numbers, of_row = np.unique(rows, return_inverse=True)
    named = {
        "triplet": [str(facts[int(number)].mat) for number in numbers],
        **{axis: [_text(facts[int(number)].as_fields()[axis]) for number in numbers] for axis in _AXES},
    }
    for axis, texts in named.items():
        values = sorted({text for text in texts if text})
        place = np.array([values.index(text) if text else -1 for text in texts], dtype=np.int64)
        yield axis, (place[of_row], values)
    yield "label", codes(judged.truth)
    attributes = mat.facts(judged.positions, ["attributes"])["attributes"].combine_chunks()
    for name in _ATTRIBUTES:
        column = pc.struct_field(attributes, name)
        if column.null_count < len(column):
            coded = column.dictionary_encode()
            yield name, (np.asarray(pc.fill_null(coded.indices, -1)).astype(np.int64), coded.dictionary.to_pylist())


def _text(value: object) -> str:
    return "" if value is None else f"{value:02d}" if isinstance(value, int) else str(value)


def _section(
    judged: Judged,
    kind: Kind,
    here: npt.NDArray[np.bool_],
    group: npt.NDArray[Any],
    axes: Mapping[str, tuple[npt.NDArray[np.int64], list[str]]],
    resamples: int,
    notes: list[str],
) -> Section:
    """The figures of the questions of one kind."""
    score, groups = judged.score[here], group[here]
    share = kind in ("choice", "open")
    mean = functools.partial(intervals.mean, resamples=resamples)
    figures = {MEASURES[kind]: mean(score, groups, share=share)}
    label = axes["label"][0][here]
    if share:
        figures["balanced accuracy"] = intervals.balanced(score, label, groups, resamples=resamples)
    elif kind == "findings":
        figures |= _of_findings(judged, here, groups, resamples)
    else:
        figures |= _of_boxes(judged, here, groups, resamples, notes)
    cells = []
    for axis, (code, values) in axes.items():
        if axis == "label" and not share:
            continue
        of = code[here]
        order = np.argsort(of, kind="stable")
        bounds = np.searchsorted(of[order], np.arange(len(values) + 1))
        for number, value in enumerate(values):
            members = order[bounds[number] : bounds[number + 1]]
            if len(members):
                chance = float(judged.chance[here][members].mean()) if kind == "choice" else None
                figure = mean(score[members], groups[members], share=share)
                cells.append(Cell(axis, value, figure, chance))
    return Section(
        kind=kind,
        measure=MEASURES[kind],
        figures=figures,
        chance=float(judged.chance[here].mean()) if kind == "choice" else None,
        cells=tuple(cells),
        worst=_worst(cells),
        confusion=_confusion(judged, here) if share else (),
    )


def _worst(cells: list[Cell]) -> dict[str, str]:
    """The value with the lowest figure of each axis that has several; those with few records only if all have few."""
    found = {}
    for axis in dict.fromkeys(cell.axis for cell in cells):
        several = [cell for cell in cells if cell.axis == axis]
        enough = [cell for cell in several if cell.figure.records >= FEW]
        if len(several) > 1:
            found[axis] = min(enough or several, key=lambda cell: (cell.figure.value, cell.value)).value
    return found


def _confusion(judged: Judged, here: npt.NDArray[np.bool_]) -> tuple[tuple[str, str, int], ...]:
    kept = pa.array(here)
    table = pa.table({"truth": pa.array(judged.truth), "said": pa.array(judged.said)}).filter(kept)
    counts = table.group_by(["truth", "said"]).aggregate([([], "count_all")]).to_pylist()
    ranked = sorted(counts, key=lambda one: (-one["count_all"], one["truth"], one["said"]))
    return tuple((one["truth"], one["said"], one["count_all"]) for one in ranked[:_CONFUSED])


def _of_findings(
    judged: Judged, here: npt.NDArray[np.bool_], group: npt.NDArray[Any], resamples: int
) -> dict[str, Figure]:
    counts = np.array([judged.counts[place] for place in np.flatnonzero(here).tolist()], dtype=np.float64)
    hits, more, less, exact = counts.T
    micro = intervals.ratio(2 * hits, 2 * hits + more + less, group, resamples=resamples)
    return {"micro F1": micro, "all findings right": intervals.mean(exact, group, resamples=resamples)}


def _of_boxes(
    judged: Judged, here: npt.NDArray[np.bool_], group: npt.NDArray[Any], resamples: int, notes: list[str]
) -> dict[str, Figure]:
    places = np.flatnonzero(here).tolist()
    pairs = [judged.boxes[place] for place in places]
    read_ = judged.how[here] == READ.index("boxes")
    inner, outer = np.array([pair[2:] for pair in pairs]).T
    both = inner + outer  # the sum of both areas
    dice = np.where(both > 0, 2 * inner / np.where(both > 0, both, 1), 1.0) * read_
    complete = np.array([regions.complete_iou(*pair[:2]) for pair in pairs]) * read_
    found = {
        "cumulative IoU": intervals.ratio(inner, outer, group, resamples=resamples),
        "complete IoU": intervals.mean(complete, group, share=False, resamples=resamples),
        "Dice": intervals.mean(dice, group, share=False, resamples=resamples),
        "IoU of 0.5 or more": intervals.mean(judged.score[here] >= 0.5, group, resamples=resamples),
    }
    try:
        precision = regions.average_precision([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    except MissingExtraError as error:
        notes.append(f"AP is left out. {error}")
        return found
    number = len(np.unique(group))
    for name, value in zip(("AP 0.5 to 0.95", "AP 0.5"), precision, strict=True):
        if not np.isnan(value):
            found[name] = Figure(value, None, None, len(pairs), number, "none")
    return found


@functools.cache
def versions() -> dict[str, str]:
    """The versions of what computes the figures."""
    packages = ("numpy", "scipy", "pyarrow")
    return {
        "med_mat": __version__,
        "python": platform.python_version(),
        **{one: metadata.version(one) for one in packages},
    }
