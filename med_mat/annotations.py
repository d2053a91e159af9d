"""Masks and boxes of an example -> one label map and the boxes of the displayed image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from med_mat.errors import ReadError
from med_mat.example import BinaryMask, Box, ColorMap, LabelMap, Mask, Pixels, Polygon, RunLengths
from med_mat.image import FileCache, Stored, png_bytes, values
from med_mat.raw.opened import sentence
from med_mat.raw.pieces import pieces

__all__ = ["NOTHING", "Annotations", "PlacedBoxes", "place", "render"]

Marked = NDArray[np.bool_]

#: EXIF orientation -> whether rows and columns are exchanged, then whether x and y are reversed.
_TURNS: dict[int, tuple[bool, bool, bool]] = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}

_LEAST = 1e-3  # pixels: a box thinner than that is none, a box that moves by less has not moved


@dataclass(frozen=True, slots=True)
class Annotations:
    """One label map of the displayed image's size, what its values stand for, and the boxes of its objects."""

    png: bytes | None
    legend: tuple[tuple[int, tuple[str, ...]], ...]  # value -> the labels that hold there; never 0, the background
    objects: tuple[Box, ...]


#: An image that nobody annotated with masks.
NOTHING = Annotations(None, (), ())


class PlacedBoxes(tuple[Box, ...]):
    """Boxes in pixels of the displayed image; ``clipped`` and ``dropped`` count those that did not fit it."""

    clipped: int = 0
    dropped: int = 0


def render(root: Path, masks: Sequence[Mask] | None, stored: Stored, cache: FileCache) -> Annotations:
    """The masks of an example as one label map in which overlaps are kept: a value stands for a set of labels.

    Values count from 1, in the order of the sets' labels, which is the order in which the masks name them. The map has
    8 bit, or 16 where there are more than 255 sets. No masks (``()``) or empty ones give a map of zeros; None, "not
    annotated", gives none. There is one object per mask and label (or per piece of it), its box the outermost pixels.

    Raises:
        ReadError: a mask that cannot be read, or is of another size than the image.
    """
    if masks is None:
        return NOTHING
    order: dict[str, int] = {}
    sets: list[tuple[int, ...]] = [()]
    numbers: dict[tuple[int, ...], int] = {(): 0}
    codes: NDArray[Any] = np.zeros((stored.height, stored.width), np.uint8)  # which of `sets`; wider where it must be
    objects: list[Box] = []
    for mask in masks:
        for label, marked in _marked(root, mask, stored, cache):
            number = order.setdefault(label, len(order))
            box = _bounds(marked)
            if box is None:
                continue
            top, bottom, left, right = box
            inside = marked[top:bottom, left:right]
            apart = None if not isinstance(mask, BinaryMask) else mask.pieces
            parts = [(0, bottom - top, 0, right - left)] if apart is None else pieces(inside, apart)
            objects += [
                Box(float(left + west), float(top + north), float(left + east), float(top + south), label)
                for north, south, west, east in parts
            ]
            before = codes[top:bottom, left:right][inside]
            turned = np.arange(len(sets))
            for code in np.flatnonzero(np.bincount(before)):
                held = sets[code]
                joined = held if number in held else tuple(sorted((*held, number)))
                if joined not in numbers:
                    numbers[joined] = len(sets)
                    sets.append(joined)
                turned[code] = numbers[joined]
            if len(sets) > 256 and codes.dtype == np.uint8:
                codes = codes.astype(np.int32)
            codes[top:bottom, left:right][inside] = turned[before]
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
    return Annotations(png_bytes(picture), legend, tuple(objects))


def place(boxes: Sequence[Box], stored: Stored) -> PlacedBoxes:
    """Boxes in pixels of the displayed image: scaled where relative, turned with the image, and clipped to it."""
    placed: list[Box] = []
    clipped = dropped = 0
    for box in boxes:
        wide, high = (stored.raw_width, stored.raw_height) if box.relative else (1, 1)
        x0, y0, x1, y1 = box.xmin * wide, box.ymin * high, box.xmax * wide, box.ymax * high
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            dropped += 1
            continue
        exchanged, reverse_x, reverse_y = _TURNS[stored.orientation]
        if exchanged:
            x0, y0, x1, y1 = y0, x0, y1, x1
        if reverse_x:
            x0, x1 = stored.width - x1, stored.width - x0
        if reverse_y:
            y0, y1 = stored.height - y1, stored.height - y0
        xmin, xmax = (min(max(x, 0.0), float(stored.width)) for x in sorted((x0, x1)))
        ymin, ymax = (min(max(y, 0.0), float(stored.height)) for y in sorted((y0, y1)))
        if xmax - xmin < _LEAST or ymax - ymin < _LEAST:
            dropped += 1
            continue
        clipped += max(abs(xmin - x0), abs(ymin - y0), abs(xmax - x1), abs(ymax - y1)) > _LEAST
        placed.append(Box(xmin, ymin, xmax, ymax, box.label))
    result = PlacedBoxes(placed)
    result.clipped, result.dropped = clipped, dropped
    return result


def _marked(root: Path, mask: Mask, stored: Stored, cache: FileCache) -> Iterator[tuple[str, Marked]]:
    """Each label of a mask with the pixels of the displayed image that it marks."""
    match mask:
        case BinaryMask():
            grey = values(root, mask.pixels, cache, want="grey", on=stored)
            yield mask.label, _fit((grey > mask.above) != mask.inverted, stored, _name(mask.pixels))
        case LabelMap():
            yield from _label_map(_rounded(values(root, mask.pixels, cache, want="index", on=stored)), mask, stored)
        case ColorMap():
            colors = values(root, mask.pixels, cache, want="color", on=stored).astype(np.int16)
            for label in dict.fromkeys(mask.colors.values()):
                marked = np.zeros(colors.shape[:2], np.bool_)
                for color, named in mask.colors.items():
                    if named == label:
                        marked |= (np.abs(colors - np.array(color, np.int16)) <= mask.tolerance).all(axis=2)
                yield label, _fit(marked, stored, _name(mask.pixels))
        case RunLengths():
            yield mask.label, _fit(_run_lengths(mask, stored), stored, f"the run lengths of {mask.label!r}")
        case Polygon():
            # points lie in the raw matrix, as boxes do
            filled = _polygon(mask.points, stored.raw_width, stored.raw_height)
            yield mask.label, _fit(filled, stored, f"the polygon of {mask.label!r}")


def _label_map(numbers: NDArray[Any], mask: LabelMap, stored: Stored) -> Iterator[tuple[str, Marked]]:
    name = _name(mask.pixels)
    there = {int(value) for value in np.unique(numbers)} & set(mask.values)
    fitted = _fit(numbers, stored, name)
    for label in dict.fromkeys(mask.values.values()):
        held = [value for value, named in mask.values.items() if named == label and value in there]
        if len(held) == 1:
            yield label, fitted == held[0]
        elif held:
            yield label, np.isin(fitted, held)


def _rounded(numbers: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers: those of a volume with a scale come as floats."""
    if numbers.dtype.kind != "f":
        return numbers
    return np.rint(np.nan_to_num(numbers.astype(np.float64))).astype(np.int64)


def _fit(raw: NDArray[Any], stored: Stored, name: str) -> NDArray[Any]:
    """A mask of the raw matrix, or of the displayed image, as it lies on the displayed image."""
    height, width = raw.shape
    exchanged, reverse_x, reverse_y = _TURNS[stored.orientation]
    if (width, height) == (stored.raw_width, stored.raw_height):
        turned = raw.T if exchanged else raw
        return turned[:: -1 if reverse_y else 1, :: -1 if reverse_x else 1]
    if (width, height) == (stored.width, stored.height):
        return raw
    raise ReadError(f"{name}: a mask of {width} x {height} pixels on an image of {stored.width} x {stored.height}.")


def _bounds(marked: NDArray[Any]) -> tuple[int, int, int, int] | None:
    """Top, bottom, left, right of what is marked; bottom and right are one beyond."""
    rows = np.flatnonzero(marked.any(axis=1))
    if not rows.size:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(marked[top:bottom].any(axis=0))
    return top, bottom, int(columns[0]), int(columns[-1]) + 1


def _run_lengths(mask: RunLengths, stored: Stored) -> Marked:
    width, height = mask.size or (stored.raw_width, stored.raw_height)
    flat = np.zeros(width * height, np.bool_)
    words = mask.text.split()
    if words not in ([], ["-1"]):
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


def _polygon(points: Sequence[tuple[float, float]], width: int, height: int) -> Marked:
    """The pixels whose centres lie inside, by the even-odd rule."""
    # each edge flips all that lies right of it in the rows that it spans
    flips = np.zeros((height, width + 1), np.uint8)
    if points and not all(math.isfinite(number) for point in points for number in point):
        raise ReadError("A polygon has corners that are not numbers.")
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
