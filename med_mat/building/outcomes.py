"""One example -> the record of each row that it serves, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from med_mat import image
from med_mat.annotations import NOTHING, place, render
from med_mat.building.kept import Kept
from med_mat.building.record import Placed, record, rows_served
from med_mat.catalog import Row, Source
from med_mat.errors import LabelError, ReadError
from med_mat.example import Box, Example
from med_mat.image import Check
from med_mat.qa import Questioner

OnError = Literal["raise", "skip"]
#: What was done to the annotations of records, or is odd about them -> the ids of these records.
Notes = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all shards of one source share."""

    root: Path
    out: Path
    source: Source
    questioner: Questioner
    check: Check
    on_error: OnError


@dataclass(frozen=True, slots=True)
class Skip:
    """One record that was found and not written."""

    id: str
    path: str
    reason: str


def outcomes(
    example: Example, placed: Placed, setting: Setting, cache: image.FileCache, notes: Notes, kept: Kept | None = None
) -> Iterator[dict[str, Any] | Skip]:
    """The record of each row that the example serves, or why there is none."""

    def skip(row: Row, reason: object) -> Skip:
        return Skip(f"{row.source}/{row.number}/{example.name}", str(example.path), str(reason))

    served = rows_served(example, setting.source.rows)
    if not served:
        yield skip(setting.source.rows[0], "it serves none of its source's rows: no label, boxes or masks")
        return
    try:
        stored = kept.stored(f"{setting.source.name}/{example.name}") if kept is not None else None
        stored = stored or image.read(setting.root, example.pixels, mat=served[0].mat, check=setting.check, cache=cache)
    except ReadError as error:
        yield from (skip(row, error) for row in served)
        return
    for note in stored.notes:
        notes.setdefault(note, []).append(f"{setting.source.name}/{example.name}")
    drawn = [row for row in setting.source.rows if row.kind in ("boxes", "masks")] or setting.source.rows
    masks, boxes, fault = NOTHING, None, None
    try:
        masks = render(setting.root, example.masks, stored, cache)
        boxes = None if example.boxes is None else _place(example, stored, setting.source, notes)
    except ReadError as error:  # a row that needs no annotations keeps its record
        fault = error
    for row in served:
        annotated = row in drawn
        if annotated and fault is not None:
            yield skip(row, fault)
            continue
        try:
            yield record(
                example,
                row,
                placed,
                stored,
                masks if annotated else NOTHING,
                boxes if annotated else (),
                setting.source,
                setting.questioner,
            )
        except LabelError as error:
            yield skip(row, error)


def _place(example: Example, stored: image.Stored, source: Source, notes: Notes) -> tuple[Box, ...]:
    placed = place(example.boxes or (), stored)
    for note, count in (
        ("boxes clipped to the image", placed.clipped),
        ("boxes without area left out", placed.dropped),
    ):
        if count:
            notes.setdefault(note, []).append(f"{source.name}/{example.name}")
    return placed
