"""COCO: one JSON file per part, with boxes, and masks as run lengths; what is not annotated is listed as in LVIS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from med_mat.export.job import Job
from med_mat.export.merged import Image, Masks, images, part_of, write_plain
from med_mat.export.objects import Survey, survey
from med_mat.export.registry import export_format

_SPOOL = 64 << 20


@export_format("coco", summary="COCO detection JSON, with masks as run lengths", needs=("boxes",))
def coco(job: Job, *, classes: tuple[str, ...] = (), partial: bool = True, masks: bool = True) -> None:
    """Write ``annotations/train.json`` (``validation``, ``test``) and the images below ``images/``.

    ``file_name`` is relative to ``images/``. Ids of categories, images and annotations count from 1; categories are the
    same in all parts. ``bbox`` is x, y, width, height in pixels. An image without annotations was annotated, and has
    none of the objects. Records of one image are one image, and a box that two of them have is one annotation.

    As in LVIS, ``neg_category_ids`` of an image are the categories that are stated to be absent, and
    ``not_exhaustive_category_ids`` those that may have further, unannotated objects. Categories in neither list that
    have no box were not annotated: programs that read plain COCO take them for absent.

    Args:
        classes: Labels in the order of their ids (default: all labels of boxes in all parts, sorted).
        partial: Whether to keep images in which some of the classes are not annotated.
        masks: Whether to write the masks, where there are some.
    """
    ours = survey(job.experiment.mat, job.positions, classes)
    kept: Masks = "any" if masks else "none"
    categories = [{"id": number, "name": name} for number, name in enumerate(ours.classes, 1)]
    for part in job.parts:
        found = images(job, part, ours, lambda row: write_plain(job, row), partial=partial, masks=kept)
        with (
            job.out.lines(f"annotations/{part}.json") as file,
            SpooledTemporaryFile(_SPOOL, "w+", encoding="utf-8") as spool,
        ):
            file.write('{"info": ' + json.dumps(_info(job, part), ensure_ascii=False))
            file.write(f',\n"categories": {json.dumps(categories, ensure_ascii=False)},\n"images": [')
            total = 0
            for number, image in enumerate(found, 1):
                file.write(("," if number > 1 else "") + "\n" + json.dumps(_image(number, image, ours)))
                for annotation in _annotations(number, image, ours):
                    total += 1
                    spool.write(("," if total > 1 else "") + "\n" + json.dumps({"id": total, **annotation}))
            file.write('\n],\n"annotations": [')
            _copy(spool, file)
            file.write("\n]}\n")


def _info(job: Job, part: str) -> dict[str, Any]:
    about = f"Med-MAT, {part}: split {job.info['fingerprint']} of build {job.info['build']}"
    return {"description": about, "version": job.info["fingerprint"], "url": "", "year": 0, "date_created": ""}


def _image(number: int, image: Image, ours: Survey) -> dict[str, Any]:
    ids = {name: place for place, name in enumerate(ours.classes, 1)}
    known = image.found
    return {
        "id": number,
        "file_name": image.path.removeprefix("images/"),
        "width": image.size[0],
        "height": image.size[1],
        "neg_category_ids": sorted(ids[one] for one in known.absent if one in ids),
        "not_exhaustive_category_ids": sorted(ids[one] for one in known.unsure if one in ids),
        "records": image.ids,
    }


def _annotations(number: int, image: Image, ours: Survey) -> Iterator[dict[str, Any]]:
    regions = image.regions()
    for place, one in ours.boxes(image.found):
        width, height = one.xmax - one.xmin, one.ymax - one.ymin
        annotation: dict[str, Any] = {
            "image_id": number, "category_id": place + 1, "bbox": [one.xmin, one.ymin, width, height],
            "area": width * height, "iscrowd": 0, "segmentation": [],
        }  # fmt: skip
        if one.label in regions and (mine := part_of(regions[one.label], one, image.found.boxes)).any():
            annotation |= {"area": int(mine.sum()), "segmentation": run_lengths(mine)}
        yield annotation


def run_lengths(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask as COCO's uncompressed run lengths: column by column, beginning with the zeros.

    Args:
        mask: (height, width).
    """
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = np.concatenate(([0], changes, [len(flat)]))
    counts = np.diff(bounds).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if len(flat) and flat[0] else counts}


def _copy(source: IO[str], target: IO[str]) -> None:
    source.seek(0)
    while block := source.read(1 << 20):
        target.write(block)
