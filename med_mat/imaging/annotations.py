"""Renders an example's masks as one label map, places its boxes on the displayed image, and reports lost ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from med_mat.errors import ReadError
from med_mat.example import RLE, BinaryMask, Box, ColorMap, LabelMap, Mask, Pixels, Polygon
from med_mat.imaging import marks
from med_mat.imaging.components import connected_components
from med_mat.imaging.decoding import FileCache, Stored, png_bytes, values
from med_mat.imaging.marks import Marked
from med_mat.imaging.opened import sentence
from med_mat.mounts.base import Mount
from med_mat.mounts.folder import mounted

__all__ = ["NOTHING", "Annotations", "PlacedBoxes", "place", "render"]

#: EXIF orientation -> whether rows and columns are exchanged, then whether x and y are reversed.
_ORIENTATIONS: dict[int, tuple[bool, bool, bool]] = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}

CLIPPED = "boxes clipped to the image"
SCALED = "boxes or contours scaled from the size of image that their file states"
SPECKS = "a mask with specks, which get no box"
FALLEN_BOXES = "boxes outside the image, without area or not finite left out"
FALLEN_CONTOURS = "contours or run lengths that mark no pixel of the image left out"

_LEAST = 1e-3  # pixels: a thinner box is lost, and a box that moves by less counts as unmoved
_FAR = 1e15  # pixels: coordinates beyond this have no exact position
_SHAPE = 0.01  # how far the scales of width and height may differ, beyond rounding
_SPECK = 1e-4  # share of the image: less than that, in small components alone, is an accident

_Bounds = tuple[int, int, int, int]  # top, bottom, left, right; bottom and right are exclusive


@dataclass(frozen=True, slots=True)
class Annotations:
    """One label map of the displayed image's size, the meaning of its values, and the boxes of its objects.

    ``fallen`` contains the label of each published contour or RLE that marks no pixel, ``unsure`` the labels of masks
    that contain only specks: neither can be called absent.
    """

    png: bytes | None
    legend: tuple[tuple[int, tuple[str, ...]], ...]  # value -> its labels; never 0, the background
    objects: tuple[Box, ...]
    fallen: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # how they were read, if not in the usual way


#: An image without mask annotations.
NOTHING = Annotations(None, (), ())


@dataclass(frozen=True, slots=True)
class PlacedBoxes:
    """Boxes in pixels of the displayed image, and the label of each box that was lost."""

    boxes: tuple[Box, ...]
    fallen: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def render(place: Path | Mount, masks: Sequence[Mask] | None, stored: Stored, cache: FileCache) -> Annotations:
    """Renders the masks of an example as one label map that keeps overlaps: each value stands for a set of labels.

    Values count from 1, in the order of the sets' labels, which is the order in which the masks name them. The map has
    8 bits, or 16 if there are more than 255 sets. No masks (``()``) or empty masks give a map of zeros; None ("not
    annotated") gives no map. There is one object per mask and label (or per connected component), with the bounding box
    of its pixels.

    Raises:
        ReadError: A mask cannot be read, or its size differs from that of the image.
    """
    if masks is None:
        return NOTHING
    cache.used.add("mask")
    mount = mounted(place)
    order: dict[str, int] = {}
    sets: list[tuple[int, ...]] = [()]
    numbers: dict[tuple[int, ...], int] = {(): 0}
    codes: NDArray[Any] = np.zeros((stored.height, stored.width), np.uint8)  # index into `sets`; widened if necessary
    objects: list[Box] = []
    fallen: list[str] = []
    unsure: list[str] = []
    notes: list[str] = []
    for mask in masks:
        for label, marked in _marked(mount, mask, stored, cache, notes):
            number = order.setdefault(label, len(order))
            box = _bounds(marked)
            if box is None:
                if isinstance(mask, Polygon) or (isinstance(mask, RLE) and _runs(mask)):
                    fallen.append(label)
                continue
            top, bottom, left, right = box
            inside = marked[top:bottom, left:right]
            parts = [box] if not isinstance(mask, BinaryMask) else _parts(mask, inside, box, marked.size, notes)
            if not parts:
                unsure.append(label)
                continue
            objects += [
                Box(float(west), float(north), float(east), float(south), label) for north, south, west, east in parts
            ]
            before = codes[top:bottom, left:right][inside]
            mapped = np.arange(len(sets))
            for code in np.flatnonzero(np.bincount(before)):
                held = sets[code]
                joined = held if number in held else tuple(sorted((*held, number)))
                if joined not in numbers:
                    numbers[joined] = len(sets)
                    sets.append(joined)
                mapped[code] = numbers[joined]
            if len(sets) > 256 and codes.dtype == np.uint8:
                codes = codes.astype(np.int32)
            codes[top:bottom, left:right][inside] = mapped[before]
    narrow = codes.dtype == np.uint8  # Pillow then counts and looks up several times faster
    picture = Image.fromarray(codes)
    present = np.flatnonzero(picture.histogram() if narrow else np.bincount(codes.ravel()))
    shown = sorted((code for code in present if code), key=lambda code: sets[code])
    if len(shown) > 65535:
        raise ReadError(f"The masks of one image have {len(shown)} combinations of labels; 65535 fit a label map.")
    final = np.zeros(len(sets), np.uint16 if len(shown) > 255 else np.uint8)
    final[shown] = np.arange(1, len(shown) + 1)
    labels = tuple(order)
    legend = tuple((value, tuple(labels[i] for i in sets[code])) for value, code in enumerate(shown, 1))
    picture = picture.point([*final.tolist(), *[0] * (256 - len(sets))]) if narrow else Image.fromarray(final[codes])
    if fallen:
        notes.append(FALLEN_CONTOURS)
    return Annotations(
        png_bytes(picture), legend, tuple(objects), tuple(fallen), tuple(unsure), tuple(dict.fromkeys(notes))
    )


def place(boxes: Sequence[Box], stored: Stored) -> PlacedBoxes:
    """Boxes in pixels of the displayed image: scaled if relative, rotated or flipped with the image, and clipped to it.

    Raises:
        ReadError: A box was annotated on an image with another aspect ratio.
    """
    placed: list[Box] = []
    fallen: list[str] = []
    notes: dict[str, None] = {}
    for box in boxes:
        if box.relative:
            wide, high, upright = float(stored.raw_width), float(stored.raw_height), False
        else:
            wide, high, upright = _scale(box.drawn_on, stored)
            if (wide, high) != (1, 1):
                notes[SCALED] = None
        x0, y0, x1, y1 = box.xmin * wide, box.ymin * high, box.xmax * wide, box.ymax * high
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            fallen.append(box.label)
            continue
        exchanged, reverse_x, reverse_y = _ORIENTATIONS[1 if upright else stored.orientation]
        if exchanged:
            x0, y0, x1, y1 = y0, x0, y1, x1
        if reverse_x:
            x0, x1 = stored.width - x1, stored.width - x0
        if reverse_y:
            y0, y1 = stored.height - y1, stored.height - y0
        (x0, x1), (y0, y1) = sorted((x0, x1)), sorted((y0, y1))
        xmin, xmax = (min(max(x, 0.0), float(stored.width)) for x in (x0, x1))
        ymin, ymax = (min(max(y, 0.0), float(stored.height)) for y in (y0, y1))
        if xmax - xmin < _LEAST or ymax - ymin < _LEAST:
            fallen.append(box.label)
            continue
        if max(xmin - x0, ymin - y0, x1 - xmax, y1 - ymax) > _LEAST:
            notes[CLIPPED] = None
        placed.append(Box(xmin, ymin, xmax, ymax, box.label))
    if fallen:
        notes[FALLEN_BOXES] = None
    return PlacedBoxes(tuple(placed), tuple(fallen), tuple(notes))


def _scale(drawn_on: tuple[int, int] | None, stored: Stored) -> tuple[float, float, bool]:
    """Factors for x and y, and whether the result refers to the displayed image rather than to the raw matrix."""
    if drawn_on is None:
        return 1, 1, False
    width, height = drawn_on
    ways = (((stored.raw_width, stored.raw_height), False), ((stored.width, stored.height), True))
    for size, upright in ways:
        if drawn_on == size:
            return 1, 1, upright
    for (wide, high), upright in ways:
        across, down = wide / width, high / height
        if abs(across - down) <= 1 / width + 1 / height + _SHAPE * across:
            return across, down, upright
    raise ReadError(
        f"Its boxes or contours were drawn on an image of {width} x {height} pixels, and it has "
        f"{stored.width} x {stored.height}, which is another shape."
    )


def _parts(mask: BinaryMask, inside: Marked, box: _Bounds, area: int, notes: list[str]) -> list[_Bounds]:
    """The bounds of each object in a binary mask; none if it contains only specks.

    If no component reaches the loader's minimum size, all are kept unless almost nothing is marked: the mask may belong
    to a copy with smaller images, to which the loader's sizes do not apply.
    """
    if mask.min_component_size is None and mask.min_side <= 1:
        return [box]
    top, _, left, _ = box
    found = connected_components(inside)
    wide = [one for one in found if min(one.bottom - one.top, one.right - one.left) >= mask.min_side]
    kept = [one for one in wide if one.size >= (mask.min_component_size or 1)]
    if not kept and sum(one.size for one in wide) >= _SPECK * area:
        kept = wide
    if len(kept) < len(found):
        notes.append(SPECKS)
    bounds = [(top + one.top, top + one.bottom, left + one.left, left + one.right) for one in kept]
    if mask.min_component_size is not None or len(bounds) < 2:
        return bounds
    north, south, west, east = zip(*bounds, strict=True)
    return [(min(north), max(south), min(west), max(east))]


def _marked(
    mount: Mount, mask: Mask, stored: Stored, cache: FileCache, notes: list[str]
) -> Iterator[tuple[str, Marked]]:
    """Each label of a mask with the pixels of the displayed image that belong to it."""
    match mask:
        case BinaryMask():
            name = _name(mask.pixels)
            channels = values(mount, mask.pixels, cache, want="channels", on=stored, notes=notes)
            found = marks.binary(channels, mask, name, lambda: _is_jpeg(mount, mask.pixels))
            notes += found.notes
            yield mask.label, _fit(found.marked, stored, name)
        case LabelMap() | ColorMap():
            name = _name(mask.pixels)
            if isinstance(mask, LabelMap):
                numbers = _rounded(values(mount, mask.pixels, cache, want="index", on=stored, notes=notes))
                held, more = marks.labels(numbers, mask, name)
            else:
                picture = values(mount, mask.pixels, cache, want="color", on=stored, notes=notes)
                held, more = marks.colors(picture, mask, name, lambda: _is_jpeg(mount, mask.pixels))
            notes += more
            yield from ((label, _fit(marked, stored, name)) for label, marked in held)
        case RLE():
            yield mask.label, _fit(_rle(mask, stored), stored, f"the run lengths of {mask.label!r}")
        case Polygon():
            yield mask.label, _contour(mask, stored, notes)


def _is_jpeg(mount: Mount, pixels: Pixels) -> bool:
    """Whether a mask was compressed lossily, so that its values are only close to the original ones."""
    if not isinstance(pixels, PurePosixPath):
        return False
    with mount.open(pixels) as file:
        return file.read(2) == b"\xff\xd8"


def _contour(mask: Polygon, stored: Stored, notes: list[str]) -> Marked:
    wide, high, upright = _scale(mask.drawn_on, stored)
    if (wide, high) != (1, 1):
        notes.append(SCALED)
    points = [(x * wide, y * high) for x, y in mask.points]
    width, height = (stored.width, stored.height) if upright else (stored.raw_width, stored.raw_height)
    if not all(math.isfinite(number) and abs(number) < _FAR for point in points for number in point):
        return np.zeros((stored.height, stored.width), np.bool_)
    filled = _polygon(points, width, height)
    # points refer to the raw matrix, as boxes do
    return filled if upright else _displayed(filled, stored)


def _rounded(numbers: NDArray[Any]) -> NDArray[Any]:
    """Values rounded to integers: those of a volume with a scale factor are floats."""
    if numbers.dtype.kind != "f":
        return numbers
    return np.rint(np.nan_to_num(numbers.astype(np.float64))).astype(np.int64)


def _fit(raw: NDArray[Any], stored: Stored, name: str) -> NDArray[Any]:
    """A mask of the raw matrix or of the displayed image, oriented like the displayed image."""
    height, width = raw.shape
    if (width, height) == (stored.raw_width, stored.raw_height):
        return _displayed(raw, stored)
    if (width, height) == (stored.width, stored.height):
        return raw
    raise ReadError(f"{name}: a mask of {width} x {height} pixels on an image of {stored.width} x {stored.height}.")


def _displayed(raw: NDArray[Any], stored: Stored) -> NDArray[Any]:
    """The raw matrix, oriented for display."""
    exchanged, reverse_x, reverse_y = _ORIENTATIONS[stored.orientation]
    mapped = raw.T if exchanged else raw
    return mapped[:: -1 if reverse_y else 1, :: -1 if reverse_x else 1]


def _bounds(marked: NDArray[Any]) -> tuple[int, int, int, int] | None:
    """Top, bottom, left and right of the marked pixels; bottom and right are exclusive."""
    rows = np.flatnonzero(marked.any(axis=1))
    if not rows.size:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(marked[top:bottom].any(axis=0))
    return top, bottom, int(columns[0]), int(columns[-1]) + 1


def _rle(mask: RLE, stored: Stored) -> Marked:
    width, height = mask.size or (stored.raw_width, stored.raw_height)
    flat = np.zeros(width * height, np.bool_)
    words = _runs(mask)
    if words:
        where = f"The run lengths of {mask.label!r}"
        try:
            numbers = [int(word) for word in words]
        except ValueError as error:
            raise ReadError(f"{where} hold something other than whole numbers ({sentence(error)}).") from error
        if len(numbers) % 2:
            raise ReadError(f"{where} are {len(numbers)} numbers, where pairs are expected.")
        at = 0
        for pair, (start, length) in enumerate(zip(numbers[::2], numbers[1::2], strict=True)):
            begin = at + start if mask.relative and pair else start - mask.first
            at = begin + length
            if begin < 0 or length < 0 or at > flat.size:
                raise ReadError(
                    f"{where} run from pixel {begin} to {at}, beyond the {flat.size} of {width} x {height}."
                )
            flat[begin:at] = True
    return flat.reshape(height, width) if mask.order == "rows" else flat.reshape(width, height).T


def _runs(mask: RLE) -> list[str]:
    """The numbers of an RLE; none if it states that the mask is empty."""
    words = mask.text.split()
    return [] if words == ["-1"] else words


def _polygon(points: Sequence[tuple[float, float]], width: int, height: int) -> Marked:
    """The pixels whose centers lie inside, by the even-odd rule."""
    # each edge flips everything to its right in the rows that it spans
    flips = np.zeros((height, width + 1), np.uint8)
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], *points[:1]), strict=True):
        if y0 == y1:
            continue
        first = min(max(math.ceil(min(y0, y1) - 0.5), 0), height)
        last = min(max(math.ceil(max(y0, y1) - 0.5), 0), height)
        rows = np.arange(first, last)
        crossing = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
        columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.intp)
        flips[rows, columns] ^= 1
    return np.bitwise_xor.accumulate(flips, axis=1)[:, :width].astype(np.bool_)


def _name(pixels: Pixels) -> str:
    return str(getattr(pixels, "path", pixels))
