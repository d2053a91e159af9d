"""What a source promises of the records that are built from its miniature."""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from med_mat.building.consistency import contradiction
from med_mat.contract.promise import Subject, promise
from med_mat.taxonomy import DRAWN

Record = Mapping[str, Any]

_FEWEST = 6  # records, boxes and masks of a miniature
_STORED = ("PNG", "JPEG", "WEBP", "GIF")
_ORIENTATION = 0x0112
_REASON = 10  # letters, at least, of a reason


@promise(f"Every file and record is accounted for; at least {_FEWEST} records are written, few are skipped.", "records")
def balanced(subject: Subject) -> Iterator[str]:
    """The ledger."""
    ledger, files = subject.ledger, subject.ledger["files"]
    if ledger["found"] != ledger["written"] + ledger["skipped"] or ledger["skipped"] != len(ledger["quarantine"]):
        yield f"The ledger does not balance: {ledger['written']} + {ledger['skipped']} of {ledger['found']} records."
    if files["found"] != files["images"] + files["annotations"] + files["skipped"]:
        yield f"The ledger does not balance: {files}."
    if ledger["written"] < _FEWEST or ledger["written"] != len(subject.index):
        yield f"{ledger['written']} records are written: let the miniature hold at least {_FEWEST} sound images."
    if ledger["skipped"] > ledger["written"] / 4:
        why = "; ".join(sorted({entry["reason"] for entry in ledger["quarantine"]})[:3])
        yield f"{ledger['skipped']} records are skipped, more than a quarter of those written: {why}."
    reasons = [*ledger["skipped_files"].values(), *(entry["reason"] for entry in ledger["quarantine"])]
    for reason in {reason for reason in reasons if len(reason) <= _REASON}:
        yield f"A file is skipped for the reason {reason!r}: say it in words."


@promise("Every row of the card has records.", "records")
def rows(subject: Subject) -> Iterator[str]:
    """And no record is of another row."""
    seen = {one["row"] for one in subject.index}
    for row in subject.source.rows:
        if row.number not in seen:
            yield (
                f"No record is of row {row.number} ({row.kind}): a row of classes needs Example.label, of findings "
                "labels, of boxes or masks one of these."
            )
        for one in (one for one in subject.index if one["row"] == row.number):
            if (one["modality"], one["area"], one["task"]) != (row.mat.modality, row.mat.area, row.mat.task):
                yield f"{one['id']} has another triplet than row {row.number}."
            if one["subset"] != row.subset or one["license"] != subject.source.license:
                yield f"{one['id']} has another subset or license than its card."


@promise("Every label of the card occurs in the miniature; it is present, absent or unknown, never two.", "records")
def labels(subject: Subject) -> Iterator[str]:
    """What the loader's NOT_SHOWN names need not occur, and must not."""
    for row in subject.source.rows:
        records = [one for one in subject.index if one["row"] == row.number]
        seen = {label for one in records for label in one["labels"]}
        for label in sorted(set(row.names) - seen - subject.not_shown.keys()):
            yield (
                f"Row {row.number}: no image of the miniature is labeled {label!r}. Let it show one, or name the label "
                "in the loader's NOT_SHOWN, with the reason."
            )
        for label in sorted(seen & subject.not_shown.keys()):
            yield f"Row {row.number}: NOT_SHOWN names {label!r}, and the miniature shows it: remove it there."
        for one in records:
            states = [*one["labels"], *one["labels_absent"], *one["labels_unknown"]]
            single = row.kind in ("classes", "grades")
            right = one["labels"] == [one["label"]] and not one["labels_absent"]
            if len(set(states)) != len(states) or not (right if single else set(states) == set(row.names)):
                yield f"{one['id']}: its labels are present {one['labels']}, absent {one['labels_absent']}."


@promise("Ids are unique and begin with source and row.", "records")
def ids(subject: Subject) -> Iterator[str]:
    """SOURCE/ROW/…, with / between parts."""
    seen = [one["id"] for one in subject.index]
    if len(set(seen)) != len(seen):
        yield "Two records have one id: give the examples keys that differ."
    for one in subject.index:
        if not one["id"].startswith(f"{subject.name}/{one['row']}/") or "\\" in one["id"]:
            yield f"{one['id']!r} is not {subject.name}/{one['row']}/… with / between parts."


@promise("The published split is the one of the card; without one, 10 % are held out by whole groups.", "records")
def split(subject: Subject) -> Iterator[str]:
    """Parts, sides, and groups that are not divided."""
    published: set[str | None] = {part for part in subject.source.published_split if part not in subject.not_shown}
    found: set[str | None] = {one["published_split"] for one in subject.index}
    if found != (published or {None}):
        yield (
            f"The records' parts are {_listed(found)}, the card's published_split {_listed(published or {None})}: set "
            "Example.split for every image of a published part, and name in the card what the publisher divides."
        )
    held_out = published & {"validation", "test"}
    for one in subject.index if held_out else ():
        validation = held_out == {"validation"} and one["published_split"] == "validation"
        if one["split"] != ("test" if validation else one["published_split"] or "train"):
            yield f"{one['id']} is published as {one['published_split']} and in {one['split']}."
    if not held_out:
        sides: defaultdict[tuple[str, Any], set[str]] = defaultdict(set)
        for one in subject.index:
            for key in ("patient", "sha256", "group"):
                if one[key] is not None:
                    sides[key, one[key]].add(one["split"])
        yield from (f"{key} {value} is on both sides." for (key, value), both in sides.items() if len(both) > 1)
        if sum(one["split"] == "test" for one in subject.index) > len(subject.index) / 2:
            yield "More than half of the miniature is tested: let it show more patients or more images."
    if not any(one["split"] == "train" for one in subject.index):
        yield "Nothing is left to train on: let the miniature show more."


def _listed(parts: set[str | None]) -> str:
    return ", ".join(sorted(part or "none" for part in parts))


@promise("Patients are known where the card says how, and nowhere else.", "records")
def patients(subject: Subject) -> Iterator[str]:
    """As numbers in the order of first appearance."""
    known = [one["patient"] for one in subject.index if one["patient"] is not None]
    if not subject.source.patients:
        if known:
            yield "Patients are known, and the card's 'patients' is empty: say there how a patient is told."
        return
    if len(known) < len(subject.index) and "patients" not in subject.not_shown:
        yield "Some records have no patient: if they have none as published, name 'patients' in the loader's NOT_SHOWN."
    if len(set(known)) < 2:
        yield "The miniature shows fewer than two patients: let it show two or more."
    told = {example.patient for example in subject.examples} - {None}
    if not set(known) <= set(range(len(told))):
        yield "A patient is no number from 0 to the count of patients."


@promise("Images open, have the size that is stated, and boxes and masks fit them.", "records")
def pictures(subject: Subject) -> Iterator[str]:
    """Every record, with its pixels."""
    drawn = 0
    draws = any(row.kind in DRAWN for row in subject.source.rows)
    for one in subject.records:
        size = _size(one["image"]["bytes"])
        if size != (one["width"], one["height"]):
            yield f"{one['id']}: the image is {size}, and stated to be {one['width']} x {one['height']}."
        if (why := contradiction(one)) is not None:
            yield f"{one['id']}: {why}"
        if subject.source.row(one["row"]).kind not in DRAWN:
            if draws and (one["boxes"], one["mask"]) != (None, None):
                yield f"{one['id']} has boxes or a mask, which belong to another row."
            continue
        drawn += len(one["boxes"])
        for box in one["boxes"]:
            if not (0 <= box["xmin"] < box["xmax"] <= size[0] and 0 <= box["ymin"] < box["ymax"] <= size[1]):
                yield f"{one['id']}: a box of {box['label']!r} leaves the image."
        yield from _mask(one, size)
    if draws and drawn < _FEWEST:
        yield f"The miniature shows {drawn} boxes (a mask has one around each lesion): let it show {_FEWEST} or more."


def _size(data: bytes) -> tuple[int, int]:
    """Width and height as displayed."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        image.load()
        if image.format not in _STORED:
            raise ValueError(f"an image is stored as {image.format}")
        width, height = image.size
        return (height, width) if image.getexif().get(_ORIENTATION, 1) >= 5 else (width, height)


def _mask(one: Record, size: tuple[int, int]) -> Iterator[str]:
    import numpy as np
    from PIL import Image

    if one["mask"] is None:
        return
    with Image.open(io.BytesIO(one["mask"]["bytes"])) as mask:
        values = set(np.unique(np.asarray(mask)).tolist()) - {0}
        if mask.format != "PNG" or mask.size != size:
            yield f"{one['id']}: its mask is {mask.format} of {mask.size}, on an image of {size}."
    if values != {entry["value"] for entry in one["mask_legend"]} or not all(e["labels"] for e in one["mask_legend"]):
        yield f"{one['id']}: the legend of its mask does not name the values {sorted(values)} of its pixels."


@promise("Where nothing was done to an image, its bytes are the publisher's.", "records")
def untouched(subject: Subject) -> Iterator[str]:
    """By digest."""
    files = (path for path in subject.folder.rglob("*") if path.is_file())
    known = {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    for one in subject.records:
        if one["sha256"] not in known:
            yield f"{one['id']}: no file of the folder has its digest."
        if one["transform"] == "none" and hashlib.sha256(one["image"]["bytes"]).hexdigest() != one["sha256"]:
            yield f"{one['id']}: its bytes differ from the file's, and its transform says 'none'."


@promise("Every record has a question, and options of which one is right.", "records")
def questions(subject: Subject) -> Iterator[str]:
    """In the form of single choice, or open."""
    for one in subject.index:
        if not one["question"].strip() or not one["open_question"].strip():
            yield f"{one['id']} has no question: give its row 'instructions', or a subset."
        if not one["answer"]:
            if one["options"] or one["label"] is not None:
                yield f"{one['id']} has a label or options, and no answer: a row needs two labels or more."
            continue
        right = one["options"]["ABCD".index(one["answer"])]
        if right != one["open_answer"] or (one["label"] is not None and right != one["label"]):
            yield f"{one['id']}: the right option is {right!r}, and its label {one['label']!r}."
        if not 2 <= len(set(one["options"])) == len(one["options"]) <= len("ABCD"):
            yield f"{one['id']}: its options are {one['options']}."
        for letter, option in zip("ABCD", one["options"], strict=False):
            if f"{letter}: {option}" not in one["question"]:
                yield f"{one['id']}: its question lacks option {letter}."


PROMISES = (balanced, rows, labels, ids, split, patients, pictures, untouched, questions)
