"""One example and its stored pixels -> the values of a record, for each row that the example can serve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from med_mat.annotations import Annotations
from med_mat.catalog import Row, Source
from med_mat.errors import LabelError
from med_mat.example import Box, Example
from med_mat.image import Stored
from med_mat.qa import Questioner

#: The Hub's picture suffix for each stored format.
_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif"}


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an example goes: its split, ours to use and the publisher's own, and the number of its patient."""

    split: str
    published: str | None
    patient: int | None = None


def rows_served(example: Example, rows: Iterable[Row]) -> list[Row]:
    """The rows for which the example says enough. A label that no row knows serves, and fails later with its name."""
    rows = [row for row in rows if example.rows is None or row.number in example.rows]
    known_elsewhere = {raw for row in rows for raw in row.labels}
    served = []
    for row in rows:
        if row.kind in ("boxes", "masks"):
            fits = example.boxes is not None or example.masks is not None
        elif row.kind == "findings":
            fits = bool(example.labels) or example.label is not None
        else:
            fits = example.label is not None and (example.label in row.labels or example.label not in known_elsewhere)
        if fits:
            served.append(row)
    return served


def record(
    example: Example,
    row: Row,
    placed: Placed,
    stored: Stored,
    annotations: Annotations,
    boxes: Sequence[Box] | None,
    source: Source,
    questioner: Questioner,
) -> dict[str, Any]:
    """The record's columns (see :mod:`med_mat.schema`).

    Args:
        annotations: the masks, drawn to the size of the stored image.
        boxes: the publisher's boxes, placed on the stored image; None where the objects of the masks stand for them.

    Raises:
        LabelError: a raw label that the card does not map.
    """
    identity = f"{row.source}/{row.number}/{example.name}"
    found = annotations.objects if boxes is None else boxes
    drawn = [
        {"xmin": box.xmin, "ymin": box.ymin, "xmax": box.xmax, "ymax": box.ymax, "label": human(row, box.label)}
        for box in found
    ]
    label, present, absent, unknown = _labels(example, row, drawn)
    question = questioner.ask(
        identity,
        row,
        label=label,
        present=present,
        absent=absent,
        unknown=unknown,
        boxes=[(b.xmin, b.ymin, b.xmax, b.ymax, row.labels[b.label]) for b in found],
        size=(stored.width, stored.height),
    )
    file_name = example.path.stem + _SUFFIXES[stored.format] if stored.transform != "none" else example.path.name
    return {
        "id": identity,
        "image_id": f"{row.source}/{example.name}",
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
        "raw_label": _raw_label(example, found),
        "path": example.reference,
        "boxes": drawn,
        "mask_legend": [
            {"value": value, "labels": [human(row, raw) for raw in labels]} for value, labels in annotations.legend
        ],
        "patient": placed.patient,
        "attributes": None if example.attributes is None else asdict(example.attributes),
        "spacing": stored.spacing,
        "question": question.question,
        "options": question.options,
        "answer": question.answer or None,
        "open_question": question.open_question,
        "open_answer": question.open_answer or None,
        "target": question.answer or question.open_answer or None,
        "sha256": stored.sha256,
        "pixel_hash": stored.pixel_hash,
        "perceptual_hash": stored.perceptual_hash,
        "width": stored.width,
        "height": stored.height,
        "transform": stored.transform,
        "license": source.license,
        "license_certainty": source.license_certainty,
        "patient_key": None if example.patient is None else f"{source.patients_of} {example.patient}",
        "descriptor": stored.descriptor,
        "image": {"bytes": stored.data, "path": file_name},
        "mask": None
        if annotations.png is None
        else {"bytes": annotations.png, "path": example.path.stem + "_mask.png"},
    }


def human(row: Row, raw: str) -> str:
    """The human label of a raw one."""
    try:
        return row.labels[raw]
    except KeyError:
        raise LabelError(
            f"The label {raw!r} is not among those that the card of {row.source!r} lists for row {row.number}: "
            f"{', '.join(map(repr, row.labels))}. Add it under 'labels:' in dataset_cards/{row.source}.md."
        ) from None


def _labels(
    example: Example, row: Row, drawn: Sequence[dict[str, Any]]
) -> tuple[str | None, list[str], list[str], list[str]]:
    """The single label, and the labels present, absent and unknown, each in the card's order."""
    if row.kind in ("classes", "grades"):
        label = human(row, example.label or "")
        return label, [label], [], []
    if row.kind == "findings":
        states = dict(example.labels) if example.labels else {example.label or "": True}
        by_name: dict[str, bool | None] = {}
        for raw, state in states.items():
            name = human(row, raw)
            # two raw labels of one meaning: present wins over unknown, unknown over absent
            by_name[name] = max((by_name.get(name, False), state), key=(False, None, True).index)
        present = [name for name in row.names if by_name.get(name) is True]
        absent = [name for name in row.names if by_name.get(name) is False]
        unknown = [name for name in row.names if by_name.get(name) is None]
        return None, present, absent, unknown
    seen = {box["label"] for box in drawn}
    return None, [n for n in row.names if n in seen], [n for n in row.names if n not in seen], []


def _raw_label(example: Example, boxes: Sequence[Box]) -> str:
    if example.raw_label is not None:
        return example.raw_label
    if example.label is not None:
        return example.label
    if example.labels:
        return "|".join(raw for raw, state in example.labels.items() if state)
    return "|".join(dict.fromkeys(box.label for box in boxes))
