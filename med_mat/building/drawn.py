"""Places an example's boxes and masks on its stored image, and notes which of them were dropped.

A box or a contour outside the image still says that its label is present. If other annotations of the image remain,
the label stays present, without a location. If no box remains, the boxes are derived from the masks, if these contain
anything; if no contour remains, there is no mask. If nothing remains, a row that needs boxes or masks gets no record of
the image, since an empty annotation would mean that the image was annotated and nothing was found. Nor does it get one
if boxes and masks show a label in different places, or if the mask is empty although there are boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from med_mat.errors import ReadError
from med_mat.example import Box, Example
from med_mat.imaging.annotations import NOTHING, Annotations, place, render
from med_mat.imaging.decoding import FileCache, Stored
from med_mat.mounts.base import Mount

INSTEAD = "none of its boxes lies in the image: the boxes are those of its mask"
APART = "boxes that lie elsewhere than the mask of their label, by half or more"


_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Drawn:
    """Boxes and masks of one example, in pixels of the displayed image."""

    masks: Annotations
    boxes: tuple[Box, ...] | None  # None: not annotated
    fallen: tuple[str, ...] = ()  # raw labels of boxes and contours outside the image
    notes: tuple[str, ...] = ()  # changes that were made, and anomalies
    fault: str | None = None  # why a row that needs boxes or masks cannot have them

    @property
    def shown(self) -> frozenset[str]:
        """The raw labels that have a box or a region of the mask."""
        return frozenset(box.label for box in self.boxes or ()).union(*(labels for _, labels in self.masks.legend))

    @property
    def unsure(self) -> frozenset[str]:
        """The raw labels that are neither present nor absent: their masks contain nothing but specks."""
        return frozenset(self.masks.unsure) - self.shown


#: For a row that has neither boxes nor masks.
UNDRAWN = Drawn(NOTHING, None)


def draw(mount: Mount, example: Example, stored: Stored, cache: FileCache) -> Drawn:
    """Place the boxes and draw the masks. If they cannot be read or all are outside the image, ``fault`` says so."""
    try:
        masks = render(mount, example.masks, stored, cache)
        placed = None if example.boxes is None else place(example.boxes, stored)
    except ReadError as error:
        return Drawn(NOTHING, None, fault=str(error))
    size = f"{stored.width} x {stored.height} pixels"
    notes, fallen = list(masks.notes), masks.fallen
    boxes: tuple[Box, ...] | None = masks.objects if placed is None and example.masks is not None else None
    if placed is not None:
        notes += placed.notes
        fallen += placed.fallen
        boxes = placed.boxes
        if placed.fallen and not boxes:
            if not masks.objects:
                return _lost(
                    example, fallen, notes, f"none of its {len(placed.fallen)} boxes lies in the image of {size}"
                )
            notes.append(INSTEAD)
            boxes = masks.objects
        elif overlaps := _overlaps(boxes, masks.objects):
            label, least = min(overlaps.items(), key=lambda item: item[1])
            if least == 0:
                return _lost(example, fallen, notes, f"its boxes and its mask show {label!r} in different places")
            if least < _HALF:
                notes.append(APART)
    if masks.png is not None and not masks.legend and boxes:
        if not (masks.fallen or masks.unsure):
            return _lost(example, fallen, notes, f"its boxes show {boxes[0].label!r}, and its mask marks nothing")
        return Drawn(replace(masks, png=None), boxes, fallen, tuple(dict.fromkeys(notes)))
    if masks.fallen and not masks.legend:
        contours = f"none of its {len(masks.fallen)} contours or run lengths marks a pixel of the image of {size}"
        return _lost(example, fallen, notes, contours)
    return Drawn(masks, boxes, fallen, tuple(dict.fromkeys(notes)))


def _overlaps(boxes: Sequence[Box], objects: Sequence[Box]) -> dict[str, float]:
    """Label that has boxes and a mask -> intersection over union of the bounds of both, from 0 to 1."""
    one, other = _bounds(boxes), _bounds(objects)
    found = {}
    for label in one.keys() & other.keys():
        (a, b, c, d), (e, f, g, h) = one[label], other[label]
        shared = max(min(c, g) - max(a, e), 0.0) * max(min(d, h) - max(b, f), 0.0)
        found[label] = shared / ((c - a) * (d - b) + (g - e) * (h - f) - shared)
    return dict(sorted(found.items()))


def _bounds(boxes: Sequence[Box]) -> dict[str, tuple[float, float, float, float]]:
    found: dict[str, tuple[float, float, float, float]] = {}
    for box in boxes:
        left, top, right, bottom = found.get(box.label, (box.xmin, box.ymin, box.xmax, box.ymax))
        found[box.label] = min(left, box.xmin), min(top, box.ymin), max(right, box.xmax), max(bottom, box.ymax)
    return found


def _lost(example: Example, fallen: tuple[str, ...], notes: list[str], why: str) -> Drawn:
    return Drawn(NOTHING, None, fallen, tuple(dict.fromkeys(notes)), f"{example.reference}: {why}.")
