"""MONAI: a datalist as ``load_decathlon_datalist`` reads it, of label maps or of classes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc

from med_mat.errors import ExportError
from med_mat.export.job import Job
from med_mat.export.labels import chosen, is_single, labels_of, labels_of_rows, multi_hot
from med_mat.export.legends import LabelSet, coded, label_sets, png
from med_mat.export.merged import Image, images, write_plain
from med_mat.export.objects import Survey, survey
from med_mat.export.registry import export_format

Target = Literal["auto", "masks", "classes"]
Entries = Callable[[str], Iterator[dict[str, Any]]]
#: The lists of a datalist.
LISTS = {"train": "training", "validation": "validation", "test": "test"}
NO_LABELS = "it has no labels of the chosen classes"


@export_format("monai", summary="MONAI datalist: images with label maps, or with classes")
def monai(job: Job, *, target: Target = "auto", classes: tuple[str, ...] = (), partial: bool = False) -> None:
    """Write ``dataset.json`` with the lists "training", "validation", "test", the images, and masks below ``labels/``.

    Masks: if no two classes overlap anywhere, ``label`` is a gray PNG whose values are the numbers of the classes from
    1, 0 for the background; else it is a list of PNGs of 0 and 1, one for each class in the order of ``channels``,
    which ``LoadImaged(ensure_channel_first=True)`` reads as channels. Values and channels are the same in all parts.

    Classes: ``label`` is the number of the class from 0; where records have several labels, it is a list of 1, 0 and -1
    in the order of ``channels``, -1 for what is not known.

    Args:
        target: "masks", "classes", or "auto": masks if any record has one.
        classes: Labels in their order (default: all of all parts, sorted).
        partial: Masks: whether to keep images in which some of the classes are not annotated; they count as background.
    """
    legends = job.experiment.mat.facts(np.concatenate(list(job.positions.values())), ("mask_legend",))["mask_legend"]
    masks = target == "masks" or (target == "auto" and legends.null_count < len(legends))
    head, entries = _masks(job, classes, partial) if masks else _classes(job, classes)
    about = {"name": "Med-MAT", "description": f"split {job.info['fingerprint']} of build {job.info['build']}", **head}
    with job.out.lines("dataset.json") as file:
        file.write(json.dumps(about, ensure_ascii=False, indent=1)[:-2])
        for part in job.parts:
            file.write(f',\n "{LISTS[part]}": [')
            for number, entry in enumerate(entries(part)):
                file.write(("," if number else "") + "\n  " + json.dumps(entry, ensure_ascii=False))
            file.write("\n ]")
        file.write("\n}\n")


def _masks(job: Job, classes: tuple[str, ...], partial: bool) -> tuple[dict[str, Any], Entries]:
    mat = job.experiment.mat
    masked = {part: at[_have_masks(job, part)] for part, at in job.positions.items()}
    ours = survey(mat, masked, classes)
    if not ours.classes:
        raise ExportError("No record of this split has a mask: export it with target='classes'.")
    overlap = bool(ours.shared) or any(len(one) > 1 for one in label_sets(mat, masked.values(), ours.classes))
    named = {"0": "background"} | {str(number): label for number, label in enumerate(ours.classes, 1)}

    def entries(part: str) -> Iterator[dict[str, Any]]:
        found = images(job, part, ours, lambda row: write_plain(job, row), partial=partial, masks="all")
        for image in found:
            label = _channels(job, image, ours) if overlap else _label_map(job, image, ours)
            yield {"image": image.path, "label": label, "id": image.ids[0]}

    return {**({} if overlap else {"labels": named}), "channels": list(ours.classes)}, entries


def _have_masks(job: Job, part: str) -> Any:
    legends = job.experiment.mat.facts(job.positions[part], ("mask_legend",))["mask_legend"]
    return np.asarray(pc.is_valid(legends))


def _label_map(job: Job, image: Image, ours: Survey) -> str:
    values: dict[LabelSet, int] = {(label,): number for number, label in enumerate(ours.classes, 1)}
    path = f"labels/{image.stem}.png"
    job.out.write(path, png(coded(image.regions(), image.size, ours.classes, values)))
    return path


def _channels(job: Job, image: Image, ours: Survey) -> list[str]:
    regions, nothing = image.regions(), np.zeros((image.size[1], image.size[0]), dtype=np.bool_)
    paths = [f"labels/{image.stem}_{number:02d}.png" for number in range(len(ours.classes))]
    for path, label in zip(paths, ours.classes, strict=True):
        job.out.write(path, png(regions.get(label, nothing).astype(np.int64)))
    return paths


def _classes(job: Job, classes: tuple[str, ...]) -> tuple[dict[str, Any], Entries]:
    mat, every = job.experiment.mat, np.concatenate(list(job.positions.values()))
    names, single = chosen(classes, labels_of(mat, every)), is_single(mat, every)
    place, of_row = {label: number for number, label in enumerate(names)}, labels_of_rows(mat, every)

    def entries(part: str) -> Iterator[dict[str, Any]]:
        for row in job.rows(part):
            label = place.get(row.facts["label"], -1) if single else multi_hot(row.facts, names, of_row)
            if label == -1 or (isinstance(label, list) and max(label) < 0):
                job.skip(row, NO_LABELS)
            else:
                yield {"image": write_plain(job, row), "label": label, "id": row.id}

    return {"labels": {str(number): label for label, number in place.items()}, "channels": list(names)}, entries
