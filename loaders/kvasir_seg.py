"""Kvasir-SEG: colonoscopy images of polyps, each with a mask.

Kvasir-SEG/
    images/cju0qkwl35piu0993l0dewei2.jpg
    masks/cju0qkwl35piu0993l0dewei2.jpg      # JPEG: grey at the borders
    kavsir_bboxes.json                       # spelled like this; may be missing: boxes then come from the masks
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from med_mat.example import BinaryMask, Box, Example
from med_mat.raw import Miniature, RawFolder, aligned, named_entries, stated_size

_SPECK = 100  # pixels: some masks have a lone white pixel in a corner


@dataclass(frozen=True, slots=True)
class _Polyp:
    label: str
    xmin: float
    ymin: float
    xmax: float
    ymax: float


@dataclass(frozen=True, slots=True)
class _Entry:
    bbox: tuple[_Polyp, ...]
    width: int | None = None
    height: int | None = None


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.images("images/*")
    stems = [image.stem for image in images]
    boxes, masks = aligned(_boxes(raw), stems), aligned(raw.by_stem("masks/*.{jpg,png}"), stems)
    for image in images:
        mask = masks.pop(image.stem, None)
        if mask is None:
            raw.skip(image, "masks holds no mask of its name")
            continue
        polyps = BinaryMask(mask, "polyp", threshold=127, min_component_size=_SPECK)
        yield Example(image, masks=(polyps,), boxes=boxes.get(image.stem))
    for mask in masks.values():
        raw.skip(mask, "images holds no image of its name")


def _boxes(raw: RawFolder) -> dict[str, tuple[Box, ...]]:
    """Stem of the image -> its boxes."""
    listed = raw.first("{kavsir,kvasir}_bboxes.json")
    found = {}
    for stem, entry in (named_entries(raw, listed, _Entry) if listed else {}).items():
        with raw.reading(f"{listed}, entry {stem!r}"):
            drawn_on = stated_size(entry.width, entry.height)
            found[stem] = tuple(
                Box(one.xmin, one.ymin, one.xmax, one.ymax, one.label, drawn_on=drawn_on) for one in entry.bbox
            )
    return found


def miniature(raw: Miniature) -> None:
    entries = {}
    for number in range(12):
        stem = f"cju{number * 7919:06x}l35piu0993l0dewei2"
        size = (104 + number, 88)
        raw.image(f"Kvasir-SEG/images/{stem}.jpg", size=size, mode="RGB")
        path = f"Kvasir-SEG/masks/{stem}.jpg"
        raw.mask(path, size=size, mode="RGB")
        sides = dict(zip(("xmin", "ymin", "xmax", "ymax"), raw.box(size, path), strict=True))
        entries[stem] = {"height": size[1], "width": size[0], "bbox": [{"label": "polyp", **sides}]}
    raw.json("Kvasir-SEG/kavsir_bboxes.json", entries)
