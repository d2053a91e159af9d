"""ImageFolder: a folder for each label; where records have several labels, one folder and a table of them."""

from __future__ import annotations

import json
from typing import Literal

import numpy as np
import pyarrow.compute as pc

from med_mat.export.job import Job
from med_mat.export.labels import chosen, is_single
from med_mat.export.merged import write_plain
from med_mat.export.names import readable
from med_mat.export.registry import export_format
from med_mat.schema import LABEL_SEPARATOR

Layout = Literal["auto", "folders", "table"]
SEVERAL = "it does not have exactly one label (layout='table' keeps it)"
OTHER = "its label is none of the chosen classes"
NO_LABELS = "it has no labels"
EMPTY = ".empty"
TABLE = "metadata.jsonl"
_LISTS = ("labels", "labels_absent", "labels_unknown")


@export_format("imagefolder", summary="a folder of images per label, or metadata.jsonl where images have several")
def imagefolder(job: Job, *, layout: Layout = "auto", classes: tuple[str, ...] = ()) -> None:
    """Write ``train/FOLDER/image`` (``validation``, ``test``) and ``classes.json``, or images and a table.

    As folders, each label has its folder in all parts, so that readers number them alike; one without images has the
    file ``.empty``. ``classes.json`` maps folders to labels, in the order of these numbers. As a table,
    ``metadata.jsonl`` has, for each image, ``file_name``, ``id``, ``label``, and ``labels``, ``labels_absent``,
    ``labels_unknown``, each joined by "; ".

    Args:
        layout: "folders", "table", or "auto": folders if every record has exactly one label.
        classes: Labels to keep as folders (default: all labels of all parts).
    """
    mat, every = job.experiment.mat, np.concatenate(list(job.positions.values()))
    if layout == "table" or (layout == "auto" and not is_single(mat, every)):
        _table(job)
    else:
        known = sorted({*pc.unique(mat.facts(every, ("label",))["label"]).to_pylist()} - {None})
        _folders(job, tuple(sorted(chosen(classes, known))))


def _folders(job: Job, labels: tuple[str, ...]) -> None:
    folders = folder_names(labels)
    for part in job.parts:
        used = set()
        for row in job.rows(part):
            label = row.facts["label"]
            if label is None:
                job.skip(row, SEVERAL)
            elif label not in folders:
                job.skip(row, OTHER)
            else:
                write_plain(job, row, f"{part}/{folders[label]}", flat=True)
                used.add(label)
        for label in labels:
            if label not in used:
                job.out.write(f"{part}/{folders[label]}/{EMPTY}", b"")
    ordered = {folders[label]: label for label in sorted(labels, key=folders.__getitem__)}
    job.out.write("classes.json", json.dumps(ordered, indent=1, ensure_ascii=False).encode() + b"\n")


def folder_names(labels: tuple[str, ...]) -> dict[str, str]:
    """A folder name for each label: ASCII, valid on every system, and different from others by more than case."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for label in sorted(labels):
        name, number = readable(label), 1
        while name.lower() in taken:
            number += 1
            name = f"{readable(label)}-{number}"
        taken.add(name.lower())
        found[label] = name
    return found


def _table(job: Job) -> None:
    """Every value is a text, so that readers find the same types in each part, also where all lists are empty."""
    for part in job.parts:
        with job.out.lines(f"{part}/{TABLE}") as file:
            for row in job.rows(part):
                if not row.facts["labels"] and not row.facts["labels_absent"]:
                    job.skip(row, NO_LABELS)
                    continue
                path = write_plain(job, row, f"{part}/images")
                lists = {name: LABEL_SEPARATOR.join(row.facts[name] or ()) for name in _LISTS}
                facts = {"file_name": path.removeprefix(f"{part}/"), "id": row.id, "label": row.facts["label"] or ""}
                file.write(json.dumps({**facts, **lists}, ensure_ascii=False) + "\n")
