"""Turns one example and its stored pixels into the values of a record, for each row that the example serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from med_mat.building.drawn import Drawn
from med_mat.building.sides import key
from med_mat.catalog import Row, Source
from med_mat.errors import LabelError
from med_mat.example import Box, Example
from med_mat.imaging.decoding import Stored
from med_mat.questions import Questioner
from med_mat.raw.labels import as_listed
from med_mat.taxonomy import DRAWN

#: The suffix of image files on the Hub for each stored format.
_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif"}

_BOX = ("xmin", "ymin", "xmax", "ymax", "label")


@dataclass(frozen=True, slots=True)
class Placed:
    """The split of an example, its published split, and the number of its patient."""

    split: str
    published: str | None
    patient: int | None = None


def rows_served(example: Example, rows: Iterable[Row]) -> list[Row]:
    """The rows for which the example has the annotations. A label that is in no row counts, and is reported later."""
    rows = [row for row in rows if example.rows is None or row.number in example.rows]
    served = []
    for row in rows:
        if row.kind in DRAWN:
            fits = example.boxes is not None or example.masks is not None
        elif row.kind == "findings":
            fits = bool(example.labels) or example.label is not None
        else:
            fits = example.label is not None and (
                example.label in row.labels or not any(example.label in other.labels for other in rows)
            )
        if fits:
            served.append(row)
    return served


def record(
    example: Example,
    row: Row,
    placed: Placed,
    stored: Stored,
    drawn: Drawn,
    source: Source,
    questioner: Questioner,
) -> dict[str, Any]:
    """The record's columns (see :mod:`med_mat.schema`).

    Args:
        example: the example.
        row: the row of the record.
        placed: the split and the patient of the example.
        stored: its stored image.
        drawn: its boxes and masks on the stored image; ``UNDRAWN`` for a row without boxes and masks.
        source: the source of the row.
        questioner: generates the question.

    Raises:
        LabelError: the card does not map a raw label, or a present label has no box or mask in a row that needs one.
    """
    name, own = example.name, key_of(example, stored, row)
    found = drawn.boxes or ()
    boxes = [
        (_stored(box.xmin), _stored(box.ymin), _stored(box.xmax), _stored(box.ymax), human(row, box.label))
        for box in found
    ]
    legend = [
        {"value": value, "labels": list(dict.fromkeys(human(row, raw) for raw in labels))}
        for value, labels in drawn.masks.legend
    ]
    label, present, absent, unknown = _labels(example, row, drawn)
    raw_label = _raw_label(example, found)
    question = questioner.ask(
        own,
        row,
        label=label,
        present=present,
        absent=absent,
        unknown=unknown,
        raw_label=raw_label,
        boxes=boxes,
        size=(stored.width, stored.height),
    )
    file_name = example.path.stem + _SUFFIXES[stored.format] if stored.encoded else example.path.name
    return {
        "id": f"{row.source}/{row.number}/{name}",
        "image_id": f"{row.source}/{name}",
        "source": row.source,
        "row": row.number,
        "subset": row.subset,
        "modality": row.mat.modality,
        "area": row.mat.area,
        "task": row.mat.task,
        "split": placed.split,
        "published_split": placed.published,
        "label": label,
        "labels": present,
        "labels_absent": absent,
        "labels_unknown": unknown,
        "raw_label": raw_label,
        "path": example.reference,
        "boxes": None if drawn.boxes is None else [dict(zip(_BOX, box, strict=True)) for box in boxes],
        "mask_legend": None if drawn.masks.png is None else legend,
        "patient": placed.patient,
        "attributes": None if example.attributes is None else asdict(example.attributes),
        "spacing": stored.spacing,
        **question.columns(),
        "sha256": stored.sha256,
        "pixel_hash": stored.pixel_hash,
        "perceptual_hash": stored.perceptual_hash,
        "width": stored.width,
        "height": stored.height,
        "transform": stored.transform,
        "license": source.license,
        "license_certainty": source.license_certainty,
        **private(example, stored, source, name, own),
        "image": {"bytes": stored.data, "path": file_name},
        "mask": None
        if drawn.masks.png is None
        else {"bytes": drawn.masks.png, "path": example.path.stem + "_mask.png"},
    }


def private(example: Example, stored: Stored, source: Source, name: str, own: int) -> dict[str, Any]:
    """The private columns of a build, except for the record's position in its chunk.

    Args:
        example: the example.
        stored: its stored image.
        source: its source.
        name: its name.
        own: the key of the record.
    """
    return {
        "patient_key": None if example.patient is None else f"{source.patients_of} {example.patient}",
        "key": own,
        "image_key": key(f"{source.name}/{name}"),
        "stratum": stratum(example),
        "format": stored.format,
        "raw_width": stored.raw_width,
        "raw_height": stored.raw_height,
        "orientation": stored.orientation,
        "notes": list(stored.notes),
        "encoded": stored.encoded,
        "removed": list(stored.removed),
        "descriptor": stored.descriptor,
        "thumbnail": stored.thumbnail,
    }


def key_of(example: Example, stored: Stored, row: Row) -> int:
    """The key of a record for seeded sampling, a signed 64-bit hash of the content of its raw file.

    It does not depend on the name: a digest of a name would reveal it if all possible names can be tried. Records of
    equal files have the same key.
    """
    return key(f"{row.source}/{row.number}/{stored.sha256}{example.frame}")


def stratum(example: Example) -> str:
    """The stratum of an example in a seeded split: its label, or the first finding that is present."""
    if example.label is not None:
        return example.label
    return next((raw for raw, state in example.labels.items() if state), "masks" if example.masks else "")


def _stored(value: float) -> float:
    """A coordinate rounded to float32, as stored in the record, so that question and record agree."""
    return float(np.float32(value))


def human(row: Row, raw: str) -> str:
    """The human label of a raw label.

    Raises:
        LabelError: the card does not list the raw label.
    """
    try:
        return row.labels[raw if raw in row.labels else as_listed(raw, row.labels)]
    except KeyError:
        raise LabelError(
            f"The label {raw!r} is not among those that the card of {row.source!r} lists for row {row.number}: "
            f"{', '.join(map(repr, row.labels))}. Add it under 'labels:' in dataset_cards/{row.source}.md."
        ) from None


def _labels(example: Example, row: Row, drawn: Drawn) -> tuple[str | None, list[str], list[str], list[str]]:
    """The single label, and the labels present, absent and unknown, each in the card's order."""
    if row.kind in ("classes", "grades"):
        label = human(row, example.label or "")
        return label, [label], [], []
    states = dict(example.labels) if example.labels else {example.label or "": True}
    if row.kind == "findings":
        by_name = _by_name((human(row, raw), state) for raw, state in states.items())
        return None, *_sorted(row, by_name, missing=None)
    # a label in the publisher's tables stays valid even if its box or mask is lost or was never drawn
    said = _by_name((row.labels[raw], state) for raw, state in states.items() if raw in row.labels)
    shown = {human(row, raw) for raw in drawn.shown}
    there = {human(row, raw) for raw in drawn.fallen} | {name for name, state in said.items() if state}
    unsure = {human(row, raw) for raw in drawn.unsure} | {name for name, state in said.items() if state is None}
    if there and not shown:
        names = ", ".join(map(repr, sorted(there)))
        raise LabelError(f"{example.reference}: {names} is said to be there, and no box or mask shows where.")
    return None, *_sorted(row, dict.fromkeys(unsure, None) | dict.fromkeys(shown | there, True), missing=False)


def _by_name(states: Iterable[tuple[str, bool | None]]) -> dict[str, bool | None]:
    """Merge raw labels with the same human label: present takes precedence over unknown, unknown over absent."""
    found: dict[str, bool | None] = {}
    for name, state in states:
        found[name] = max((found.get(name, False), state), key=(False, None, True).index)
    return found


def _sorted(
    row: Row, states: Mapping[str, bool | None], missing: bool | None
) -> tuple[list[str], list[str], list[str]]:
    """The row's labels present, absent and unknown, in the card's order; ``missing`` is the state of all others."""
    found = {name: states.get(name, missing) for name in row.names}
    present, absent, unknown = ([name for name in row.names if found[name] is state] for state in (True, False, None))
    return present, absent, unknown


def _raw_label(example: Example, boxes: Sequence[Box]) -> str:
    if example.raw_label is not None:
        return example.raw_label
    if example.label is not None:
        return example.label
    if example.labels:
        return "|".join(raw for raw, state in example.labels.items() if state)
    return "|".join(dict.fromkeys(box.label for box in example.boxes or boxes))
