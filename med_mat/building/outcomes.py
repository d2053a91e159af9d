"""Turns one example into the record of each row that it serves, or into a skip with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from med_mat.building.consistency import contradictions
from med_mat.building.drawn import UNDRAWN, Drawn, draw
from med_mat.building.kept import Kept
from med_mat.building.record import Placed, record, rows_served
from med_mat.catalog import Row, Source
from med_mat.errors import LabelError, ReadError
from med_mat.example import Example, Slice
from med_mat.imaging import decoding
from med_mat.imaging.decoding import Check
from med_mat.mounts.base import Mount
from med_mat.questions import Questioner
from med_mat.taxonomy import DRAWN

OnError = Literal["raise", "skip"]
#: Note on a change to annotations or an anomaly in them -> the ids of the records concerned.
Notes = dict[str, list[str]]

LEFT_OUT = "boxes and masks left out: none of them has a place in the image, or they cannot be read"
WITHOUT_PLACE = "a label that is there, without a box or a mask that shows where"
EMPTY = "nothing is marked, where the card says that every image shows something"
UNANSWERED = "no question can be answered: its labels do not say"


@dataclass(frozen=True, slots=True)
class Setting:
    """The settings that all chunks of one source share."""

    mount: Mount
    out: Path
    source: Source
    questioner: Questioner
    check: Check
    on_error: OnError
    max_file: int  # maximum size of a file, in bytes


@dataclass(frozen=True, slots=True)
class Skip:
    """One record that was found but not written."""

    id: str
    path: str
    reason: str


def outcomes(
    example: Example,
    placed: Placed,
    setting: Setting,
    cache: decoding.FileCache,
    notes: Notes,
    kept: Kept | None = None,
) -> Iterator[dict[str, Any] | Skip]:
    """The record of each row that the example serves, or a skip with the reason why there is none."""

    def skip(row: Row, reason: object) -> Skip:
        return Skip(f"{row.source}/{row.number}/{example.name}", str(example.path), str(reason))

    served = rows_served(example, setting.source.rows)
    if not served:
        yield skip(setting.source.rows[0], "it serves none of its source's rows: no label, boxes or masks")
        return
    try:
        stored = _kept(example, setting, cache, kept)
        stored = stored or decoding.read(
            setting.mount, example.pixels, mat=served[0].mat, check=setting.check, cache=cache
        )
    except ReadError as error:
        yield from (skip(row, error) for row in served)
        return
    drawn = draw(setting.mount, example, stored, cache)
    # a row without need of boxes gets existing ones, unless another row of its source is for boxes or masks
    reserved = any(row.kind in DRAWN for row in setting.source.rows)
    made: list[tuple[Row, Drawn, dict[str, Any] | Skip]] = []
    for row in served:
        mine = UNDRAWN if reserved and row.kind not in DRAWN else drawn
        try:
            if row.kind in DRAWN and drawn.fault is not None:
                raise ReadError(drawn.fault)
            one = record(example, row, placed, stored, mine, setting.source, setting.questioner)
            made.append((row, mine, one))
        except (LabelError, ReadError) as error:
            made.append((row, mine, skip(row, error)))
    wrong = contradictions([(row, one) for row, _, one in made if not isinstance(one, Skip)])
    for row, mine, outcome in made:
        if isinstance(outcome, Skip):
            yield outcome
        elif outcome["id"] in wrong:
            yield skip(row, f"{example.reference}: {wrong[outcome['id']]}")
        else:
            for note in (*stored.notes, *_notes(outcome, row, mine)):
                notes.setdefault(note, []).append(outcome["id"])
            yield outcome


def _kept(example: Example, setting: Setting, cache: decoding.FileCache, kept: Kept | None) -> decoding.Stored | None:
    """The image as stored by an earlier build; None if there is none."""
    stored = None if kept is None else kept.stored(f"{setting.source.name}/{example.name}")
    if stored is not None and isinstance(example.pixels, Slice) and example.masks:
        stored = replace(stored, volume=decoding.open_file(setting.mount, example.pixels, cache))
    return stored


def _notes(record: dict[str, Any], row: Row, drawn: Drawn) -> Iterator[str]:
    """The notes of the ledger on a record that was written."""
    yield from drawn.notes
    if drawn.fault is not None:
        yield LEFT_OUT
    named = {box["label"] for box in record["boxes"] or ()}
    named |= {label for entry in record["mask_legend"] or () for label in entry["labels"]}
    if row.kind in DRAWN:
        if not named.issuperset(record["labels"]):
            yield WITHOUT_PLACE
        if row.always and not named:
            yield EMPTY
    if record["target"] is None and not row.traced:
        yield UNANSWERED
