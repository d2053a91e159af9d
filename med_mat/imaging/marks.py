"""Finds the marked pixels of mask images, and notes how a mask was read if it is not as its card says.

A mask in which nothing exceeds the threshold is not empty if it has a foreground: masks are re-saved as 0 and 1, as
palettes, in color or in the alpha channel. A mask that can be read in only one way is read with a note; for any other,
an error says why it is ambiguous.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from med_mat.errors import ReadError
from med_mat.example import BinaryMask, ColorMap, LabelMap

Array = NDArray[Any]
Marked = NDArray[np.bool_]

TWO_VALUES = "a mask of two values, none of them the usual, read by its marks"
DIM = "a mask of dim marks, read at half their brightness"
COLOR = "a mask in color, read by the brightest channel"
ALPHA = "a mask read by its transparency"
INVERTED = "a mark over most of the image and its border: perhaps an inverted mask"
STRAY = "a mask with values or colors that no label has, read as background"

_TINT = 48  # channels this close are gray: JPEG separates them by less
_FAINT = 16  # steps that are JPEG artifacts
_NEAR = 16  # distance from the threshold: JPEG shifts values by that
_HUE = 0.35  # how far the channels of one color may differ, relative to the brightest, at the edges of a JPEG
_MOST = 0.5  # of the image
_BORDER = 0.9  # of its outermost pixels
_SOME = 8  # numbers listed in a message


@dataclass(frozen=True, slots=True)
class Marks:
    """The marked pixels (rows, columns), and how they were read if not in the usual way."""

    marked: Marked
    notes: tuple[str, ...] = ()


def binary(channels: Array, mask: BinaryMask, name: str, lossy: Callable[[], bool]) -> Marks:
    """The foreground of a mask with a single class.

    Args:
        channels: (rows, columns), or (rows, columns, 2 to 4) of uint8: gray or colors, then alpha.
        mask: How to read it.
        name: File name for errors.
        lossy: Whether the file is a JPEG, whose values are only close to the original ones.

    Raises:
        ReadError: The mask can be read in more than one way.
    """
    if channels.ndim == 2:
        found = _threshold(channels, mask, name, lossy)
    elif channels.shape[2] % 2:
        found = _colors(channels, mask, name, lossy)
    else:
        found = _with_alpha(channels, mask, name, lossy)
    covers = np.count_nonzero(found.marked) > _MOST * found.marked.size
    if covers and np.mean(_border(found.marked)) > _BORDER:
        return Marks(found.marked, (*found.notes, INVERTED))
    return found


def labels(numbers: Array, mask: LabelMap, name: str) -> tuple[Iterator[tuple[str, Marked]], tuple[str, ...]]:
    """The pixels of each label in a mask of integers (rows, columns), and notes on how it was read.

    Raises:
        ReadError: The mask has values other than those of the labels and the background.
    """
    there = {int(value) for value in np.unique(numbers)}
    stray = sorted(there - mask.values.keys() - set(mask.others or (0,)))
    if stray and (mask.others is not None or not there & mask.values.keys()):
        known = [*mask.values, *(mask.others or (0,))]
        raise ReadError(f"{name}: holds the values {_some(stray)}, where {_some(known)} are expected: another code?")

    def marked() -> Iterator[tuple[str, Marked]]:
        for label in dict.fromkeys(mask.values.values()):
            held = [value for value, named in mask.values.items() if named == label and value in there]
            if held:
                yield label, numbers == held[0] if len(held) == 1 else np.isin(numbers, held)

    return marked(), (STRAY,) if stray else ()


def colors(
    picture: Array, mask: ColorMap, name: str, lossy: Callable[[], bool]
) -> tuple[Iterator[tuple[str, Marked]], tuple[str, ...]]:
    """The pixels of each label in a color mask, (rows, columns, 3) of uint8, and notes on how it was read.

    Raises:
        ReadError: The mask is not black, and has no color of the labels or of ``others``.
    """
    packed = picture[..., 0].astype(np.uint32) << 16 | picture[..., 1].astype(np.uint32) << 8 | picture[..., 2]
    there, where = np.unique(packed, return_inverse=True)
    where = where.reshape(packed.shape)
    shades = np.stack([there >> 16, there >> 8 & 255, there & 255], axis=1).astype(np.int16)

    def near(color: tuple[int, int, int]) -> Marked:
        away = np.abs(shades - np.array(color, np.int16)).max(axis=1)
        return np.asarray(away <= mask.tolerance)

    by_label: dict[str, Marked] = {label: np.zeros(len(there), np.bool_) for label in mask.colors.values()}
    for color, label in mask.colors.items():
        np.logical_or(by_label[label], near(color), out=by_label[label])
    labelled = np.any([*by_label.values()], axis=0)
    black = near((0, 0, 0))
    known = np.any([labelled, black, *map(near, mask.others)], axis=0)
    foreign = not black.all() or (len(there) > 1 and not lossy())  # class numbers look like shades of black
    if foreign and not labelled.any() and not (known & ~black).any():
        raise ReadError(f"{name}: none of its {len(there)} colors is one that its source has: is it another code?")
    return ((label, held[where]) for label, held in by_label.items() if held.any()), () if known.all() else (STRAY,)


def _with_alpha(channels: Array, mask: BinaryMask, name: str, lossy: Callable[[], bool]) -> Marks:
    """Reads a mask with an alpha channel, which is the mask if everything else has a single shade."""
    shades, alpha = channels[..., :-1], channels[..., -1]
    plain = shades[..., 0] if shades.shape[2] == 1 else shades
    if alpha.min() == alpha.max():
        return _threshold(plain, mask, name, lossy) if plain.ndim == 2 else _colors(plain, mask, name, lossy)
    if (shades == shades[0, 0]).all():
        found = _threshold(alpha, mask, name, lossy)
        return Marks(found.marked, (ALPHA, *found.notes))
    found = _threshold(plain, mask, name, lossy) if plain.ndim == 2 else _colors(plain, mask, name, lossy)
    if (found.marked & (alpha == 0)).any():
        raise ReadError(f"{name}: its colors mark what its transparency hides; save it without transparency.")
    return found


def _colors(picture: Array, mask: BinaryMask, name: str, lossy: Callable[[], bool]) -> Marks:
    """Reads a color mask: gray as numbers; otherwise one color is the foreground, on black or another color."""
    red, green, blue = (picture[..., channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return _threshold(red, mask, name, lossy)
    brightest, dullest = picture.max(axis=2), picture.min(axis=2)
    if int((brightest - dullest).max()) <= _TINT:
        gray = np.asarray(Image.fromarray(np.ascontiguousarray(picture)).convert("L"))
        return _threshold(gray, mask, name, lossy)
    packed = red.astype(np.uint32) << 16 | green.astype(np.uint32) << 8 | blue
    if ((packed == packed.min()) | (packed == packed.max())).all():
        return Marks(_of_two(packed, mask, name), (COLOR,))
    bright = brightest > max(mask.threshold, int(brightest.max()) // 2)
    hues = picture[bright] / brightest[bright, None]
    hue = np.median(hues, axis=0)
    if np.mean((np.abs(hues - hue) <= _HUE).all(axis=1)) < 0.98:
        raise ReadError(f"{name}: its marks have several colors, where one thing is marked: which of them is it?")
    found = _threshold(brightest, mask, name, lossy)
    return Marks(found.marked, (COLOR, *found.notes))


def _threshold(gray: Array, mask: BinaryMask, name: str, lossy: Callable[[], bool]) -> Marks:
    """Reads numbers: those above the threshold; if that separates nothing, one of two values or of two modes."""
    over = gray > mask.threshold
    count = int(np.count_nonzero(over))
    parted = 0 < count < over.size
    # marks near the threshold: JPEG moves some of their pixels above it, and others below
    if parted and (mask.threshold <= _NEAR or _about(gray, mask.threshold) <= count / 2):
        return Marks(over != mask.inverted)
    gray = np.nan_to_num(gray) if gray.dtype.kind == "f" else gray
    low, high = gray.min(), gray.max()
    two = bool(((gray == low) | (gray == high)).all())
    if parted:
        return Marks(over != mask.inverted) if two else _dim(gray, mask, name)
    if low == high:
        if low == 0 or over.all():
            return Marks(over != mask.inverted)
        raise ReadError(f"{name}: all its pixels are {low}: neither black nor over {mask.threshold:g}.")
    if lossy() and (over.all() or high <= _FAINT):
        if over.all():
            return Marks(over != mask.inverted)
        raise ReadError(f"{name}: its values, {low} to {high}, are too faint to be told from what JPEG makes of black.")
    if two:
        return Marks(_of_two(gray, mask, name), (TWO_VALUES,))
    if over.all():
        return Marks(over != mask.inverted)
    return _dim(gray, mask, name)


def _about(gray: Array, level: float) -> int:
    """The number of values close to the threshold."""
    return int(np.count_nonzero((gray >= level - _NEAR) & (gray <= level + _NEAR)))


def _dim(gray: Array, mask: BinaryMask, name: str) -> Marks:
    """Reads numbers with two modes, the upper of which is below or near the threshold."""
    low, high = float(gray.min()), float(gray.max())
    height = float(np.median(gray[gray > (low + high) / 2])) - low
    marked = gray > low + height / 2
    between = (gray > low + height / 4) & (gray < low + height * 3 / 4)
    if height <= 2 * _FAINT or np.count_nonzero(between) > np.count_nonzero(marked) / 2:
        raise ReadError(
            f"{name}: its values, {low:g} to {high:g}, do not part into marks and background at {mask.threshold:g} "
            "or not."
        )
    return Marks(marked != mask.inverted, (DIM,))


def _of_two(numbers: Array, mask: BinaryMask, name: str) -> Marked:
    """The foreground of two values: the one that is not black, else the one that is not at the border."""
    low, border = numbers.min(), _border(numbers)
    if low == 0:
        return np.asarray((numbers > 0) != mask.inverted)
    if border.min() != border.max():
        raise ReadError(
            f"{name}: has two shades, neither of them black, and both reach its border: which of them marks?"
        )
    return np.asarray(numbers != border[0])


def _border(picture: Array) -> Array:
    """The outermost pixels of an image."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _some(numbers: Iterable[int]) -> str:
    """The first numbers, as text."""
    listed = [str(number) for number in numbers]
    return ", ".join(listed[:_SOME]) + (f" and {len(listed) - _SOME} more" if len(listed) > _SOME else "")
