"""TIFF pages that Pillow refuses, narrows to 8 bit or turns silently, read by way of other tags in memory.

Colours that are called grey are called RGB, and samples of more than 8 bit become numbers in a row. Nothing is inverted
or turned here: who asks for the page does that, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from med_mat.raw import opened
from med_mat.raw import tiff_tags as tag
from med_mat.raw.tiff_tags import Directory, directories, rewritten

if TYPE_CHECKING:
    from PIL import Image

    from med_mat.raw.planes import Array

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_FAX = (2, 3, 4)  # compressions, of writers that may leave out that white is 0
_ALPHA = 2  # an extra sample that leaves the colours alone; others are premultiplied, or no alpha
_FLOATS = 3  # a predictor

Tags = dict[int, tuple[int, ...]]


@dataclass(slots=True)
class Page:
    """One page, decoded; neither inverted nor turned."""

    content: Image.Image | Array  # an array of (rows, columns) or (rows, columns, samples) where Pillow has no mode
    pages: int
    orientation: int
    bits: int  # of a sample
    white_is_zero: bool
    alpha: bool = False  # whether that is the last sample of an array
    notes: list[str] = field(default_factory=list)


def page(data: bytes, index: int, name: object) -> Page:
    """One page of a file.

    Raises:
        ReadError: no such page, or one that cannot be read.
    """
    pages = directories(data)
    if not 0 <= index < len(pages):
        raise opened.no_frame(name, index, len(pages))
    directory = pages[index]
    notes: list[str] = []
    changes = _changes(directory, notes)
    meaning = changes.get(tag.PHOTOMETRIC) or directory.numbers(tag.PHOTOMETRIC)
    bits = directory.first(tag.BITS, 1)
    extra = directory.numbers(tag.EXTRA)
    colors = directory.first(tag.SAMPLES, 1) - len(extra)
    alpha = extra[:1] == (_ALPHA,)
    content: Image.Image | Array
    if (
        (meaning == (_RGB,) and colors == 3 and bits > 8) or (meaning == (_BLACK_IS_ZERO,) and colors == 1 and extra)
    ) and bits in (8, 16, 32) and directory.first(tag.PREDICTOR, 1) < _FLOATS:  # fmt: skip
        content = _samples(directory, bits, changes, name)[..., : colors + alpha]
        content = content[..., 0] if content.shape[2] == 1 else content
        notes += ["an extra sample left out"] if len(extra) > alpha else []
    else:
        content = _narrow(_decoded(directory, changes, index, name), directory, notes)
        alpha = False
    orientation = directory.first(tag.ORIENTATION, 1)
    return Page(
        content,
        len(pages),
        orientation if 1 <= orientation <= 8 else 1,
        bits,
        meaning == (_BLACK_IS_ZERO,) and _said(directory) == _WHITE_IS_ZERO,
        alpha,
        notes,
    )


def _said(directory: Directory) -> int | None:
    """The photometric interpretation that a page states; None: none."""
    return (*directory.numbers(tag.PHOTOMETRIC), None)[0]


def _changes(directory: Directory, notes: list[str]) -> Tags:
    """Other tags for a page that Pillow would read wrong."""
    changes: Tags = {}
    colors = directory.first(tag.SAMPLES, 1) - len(directory.numbers(tag.EXTRA))
    said = _said(directory)
    if said is None:
        fax = directory.first(tag.COMPRESSION, 1) in _FAX
        changes[tag.PHOTOMETRIC] = (_RGB if colors == 3 else _WHITE_IS_ZERO if fax else _BLACK_IS_ZERO,)
        if not fax:
            taken = "RGB" if colors == 3 else "BlackIsZero"
            notes.append(f"no photometric interpretation, read as {taken}")
    elif said in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) and colors == 3:
        changes[tag.PHOTOMETRIC] = (_RGB,)
        notes.append(f"3 samples of photometric interpretation {said} read as RGB")
    elif said == _WHITE_IS_ZERO:
        changes[tag.PHOTOMETRIC] = (_BLACK_IS_ZERO,)
    if directory.first(tag.ORIENTATION, 1) != 1 or directory.entries.get(tag.XMP):
        changes[tag.ORIENTATION] = (1,)  # Pillow would turn it, by its XMP as well
    return changes


def _decoded(directory: Directory, changes: Tags, index: int, name: object) -> Image.Image:
    data = rewritten(directory, changes) if changes else directory.data
    picture = opened.picture(data, name, otherwise=str(directory))
    opened.sought(picture, 0 if changes else index, name)
    return opened.loaded(picture, name)


def _narrow(picture: Image.Image, directory: Directory, notes: list[str]) -> Image.Image | Array:
    """The same page, where Pillow takes signed bytes, unsigned words or a palette of 8 bit for something else."""
    signed = directory.first(tag.FORMAT, 1) == 2
    if picture.mode == "L" and signed:
        return np.asarray(picture).view(np.int8)
    if picture.mode == "I" and directory.first(tag.BITS, 1) == 32 and not signed:
        return np.asarray(picture).view(np.uint32)
    palette = directory.numbers(tag.PALETTE)
    if picture.mode == "P" and palette and max(palette) < 256:
        picture.putpalette(np.reshape(palette, (3, -1)).T.astype(np.uint8).tobytes())
        notes.append("palette of 8 bit")
    return picture


def _samples(directory: Directory, bits: int, changes: Tags, name: object) -> Array:
    """(rows, columns, samples) of a page: read as one longer row of numbers, or plane by plane."""
    samples = directory.first(tag.SAMPLES, 1)
    alone: Tags = {
        **changes,
        tag.SAMPLES: (1,),
        tag.BITS: (bits,),
        tag.PHOTOMETRIC: (_BLACK_IS_ZERO,),
        tag.FORMAT: (directory.first(tag.FORMAT, 1),),
        tag.EXTRA: (),
    }
    if directory.first(tag.PLANAR, 1) == 2:
        planes = []
        for number in range(samples):
            for place in tag.PLACES:
                all_places = directory.numbers(place)
                each = len(all_places) // samples
                alone[place] = all_places[number * each : (number + 1) * each]
            planes.append(_numbers(directory, {**alone, tag.PLANAR: (1,)}, name))
        return np.stack(planes, axis=-1)
    width, tile = directory.first(tag.WIDTH, 0), directory.first(tag.TILE_WIDTH, 0)
    alone |= {tag.WIDTH: (width * samples,), tag.PREDICTOR: (1,), tag.TILE_WIDTH: (tile * samples,) if tile else ()}
    found = _numbers(directory, alone, name)
    found = found.reshape(found.shape[0], width, samples)
    if directory.first(tag.PREDICTOR, 1) == 2:  # each number is the difference to the one before it in its tile
        found = np.concatenate(
            [
                np.cumsum(found[:, left : left + (tile or width)], axis=1, dtype=found.dtype)
                for left in range(0, width, tile or width)
            ],
            axis=1,
        )
    return found


def _numbers(directory: Directory, changes: Tags, name: object) -> Array:
    found = np.asarray(_narrow(_decoded(directory, changes, 0, name), directory, []))
    return found.astype(found.dtype.newbyteorder("="), copy=False)
