"""The images of a part with their annotations: records of one image merged, in files that any program can read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from med_mat.export.job import REASONS, Job, Picture, Row
from med_mat.export.objects import Object, Objects, Survey
from med_mat.imaging import label_maps

#: Notes on images that were not copied as stored.
UPRIGHT = "turned upright and written as PNG: not every program reads the orientation in its metadata"
UNCOMMON = "written as PNG: not every program reads its format"
Masks = Literal["none", "any", "all"]
#: Suffixes that any image program can read.
COMMON = (".jpg", ".png")


@dataclass
class Image:
    """An image of an export, with what all of its records say."""

    path: str  # of its file, relative to the export
    size: tuple[int, int]  # width and height in pixels, upright
    found: Objects
    image_id: str
    ids: list[str] = field(default_factory=list)  # of its records
    masks: list[tuple[bytes, Any]] = field(default_factory=list)  # label maps as PNG, with their legends
    facts: Mapping[str, Any] = field(default_factory=dict)  # columns of its first record

    @property
    def stem(self) -> str:
        """Its path below the folder of images, without the suffix."""
        return self.path.partition("/")[2].rpartition(".")[0]

    def regions(self) -> dict[str, NDArray[np.bool_]]:
        """The mask of each label, (height, width) of bool; those of several records are joined."""
        return joined((content, legend, self.ids[0]) for content, legend in self.masks)


def joined(masks: Iterable[tuple[Any, Any, object]]) -> dict[str, NDArray[np.bool_]]:
    """The mask of each label of one image, (height, width) of bool, from several label maps.

    Args:
        masks: Label maps with their legends, and the ids of their records.
    """
    found: dict[str, NDArray[np.bool_]] = {}
    for content, legend, name in masks:
        for label, region in label_maps.regions(label_maps.values(content, name), legend).items():
            found[label] = found[label] | region if label in found else region
    return found


def images(
    job: Job, part: str, known: Survey, write: Callable[[Row], str], *, partial: bool, masks: Masks = "any"
) -> Iterator[Image]:
    """The images of a part. Those that several records share come last.

    Args:
        job: The export, whose rows are read.
        part: "train", "validation" or "test".
        known: See :func:`med_mat.export.objects.survey`.
        write: Writes the image of a row, and returns the path of its file.
        partial: Whether to keep images in which some classes are not annotated; otherwise they are left out and
            counted.
        masks: "none", "any" that there are, or "all": records without a mask are left out and counted.
    """
    pending: dict[str, Image] = {}
    for row in job.rows(part):
        name = row.facts["image_id"]
        if masks == "all" and row.mask is None:
            job.skip(row, REASONS["mask"])
            continue
        found = known.of(row.facts)
        if (why := known.refused(found, partial=partial)) is not None:
            job.skip(row, why)
            continue
        here = Image(write(row), row.image.size, found, name, [row.id], facts=row.facts)
        if masks != "none" and row.mask is not None:
            here.masks.append((row.mask.bytes, row.facts["mask_legend"]))
        if name not in known.shared:
            yield here
        elif (before := pending.setdefault(name, here)) is not here:
            before.ids += here.ids
            before.masks += [one for one in here.masks if one not in before.masks]
    yield from pending.values()


def plain(row: Row) -> tuple[Row, str]:
    """A row whose image looks the same in every program, and a note if it is not the stored image.

    An image that its metadata rotates, or that is neither JPEG nor PNG, is converted to an upright PNG of the same
    pixels.
    """
    turned = label_maps.is_turned(row.image.bytes, row.id)
    if not turned and row.image.suffix in COMMON:
        return row, ""
    content = label_maps.as_png(row.image.bytes, row.id)
    return replace(row, image=Picture(content, ".png", row.image.size)), UPRIGHT if turned else UNCOMMON


def write_plain(job: Job, row: Row, folder: str = "images", *, flat: bool = False) -> str:
    """Write the image of a row as :func:`plain` has it, and return the path of its file."""
    shown, note = plain(row)
    return job.image(shown, folder, flat=flat, note=note)


def part_of(region: NDArray[np.bool_], one: Object, boxes: Iterable[Object]) -> NDArray[np.bool_]:
    """The pixels of an object: all of its label in its box; where the label has several boxes, the connected component
    with this very box, if there is exactly one.

    Args:
        region: (height, width): the mask of the label.
        one: The object.
        boxes: All objects of the image.
    """
    from scipy import ndimage

    left, top, right, bottom = round(one.xmin), round(one.ymin), round(one.xmax), round(one.ymax)
    mine = np.zeros_like(region)
    inside = region[top:bottom, left:right]
    if sum(other.label == one.label for other in boxes) > 1:
        labels, _ = ndimage.label(inside, np.ones((3, 3), dtype=np.bool_))
        whole = (slice(0, bottom - top), slice(0, right - left))
        same = [number for number, box in enumerate(ndimage.find_objects(labels), 1) if box == whole]
        inside = labels == same[0] if len(same) == 1 else inside
    mine[top:bottom, left:right] = inside
    return mine
