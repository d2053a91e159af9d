"""Downscaling in integer arithmetic, with the same result on every machine and with every version of a library."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]

#: Blocks of a picture are averaged down to between this and twice as many along its shorter side before all else.
_BLOCKS = 128
#: Shades by which a border may differ from its median.
_BORDER = 12
#: A row or column belongs to the picture where more than one in so many of its pixels differ from the border.
_RARE = 50
#: Blocks, along either side, below which nothing is cut off.
_LEAST = 16


def blocks(picture: Image.Image) -> Array:
    """The gray shades of a picture, averaged over square blocks: (rows, columns) of integers, as float64.

    Args:
        picture: of mode L, RGB or RGBA; color becomes gray by Pillow's integer weights (ITU-R 601-2).
    """
    size = max(1, min(picture.size) // _BLOCKS)
    if picture.mode == "RGBA":
        picture = picture.convert("RGB")  # or averages would be weighted by the transparency
    if size > 1:
        columns, rows = picture.width // size, picture.height // size
        left, top = (picture.width - columns * size) // 2, (picture.height - rows * size) // 2
        # averages of whole blocks in whole numbers, unlike what Pillow's resize computes
        picture = picture.reduce(size, (left, top, left + columns * size, top + rows * size))
    return np.asarray(picture.convert("L"), np.float64)


def averaged(shades: Array, rows: int, columns: int) -> Array:
    """Integer shades averaged over a grid of other cells; each pixel counts by the area that it shares with a cell."""
    height, width = shades.shape
    # exact: no sum reaches 2 ** 53
    total = _overlaps(height, rows) @ shades @ _overlaps(width, columns).T
    return np.asarray(np.floor(total / (height * width) + 0.5))


@functools.lru_cache(maxsize=64)
def _overlaps(pixels: int, cells: int) -> Array:
    """What each cell shares with each pixel along one axis, in units of 1 / (pixels * cells): (cells, pixels)."""
    cell, pixel = np.arange(cells)[:, None] * pixels, np.arange(pixels) * cells
    shared = np.minimum(cell + pixels, pixel + cells) - np.maximum(cell, pixel)
    return np.asarray(np.maximum(shared, 0), np.float64)


def framed(shades: Array, side: int) -> Array:
    """Cropped of a uniform border, then scaled and centered in a square that is filled with the shade of the border."""
    edge = np.concatenate([shades[0], shades[-1], shades[:, 0], shades[:, -1]])
    ground = float(np.partition(edge, len(edge) // 2)[len(edge) // 2])
    inner = _without_border(shades, ground)
    height, width = inner.shape
    longer = max(height, width)
    rows, columns = (max(1, (2 * side * length + longer) // (2 * longer)) for length in (height, width))
    square = np.full((side, side), ground)
    top, left = (side - rows) // 2, (side - columns) // 2
    square[top : top + rows, left : left + columns] = averaged(inner, rows, columns)
    return square


def _without_border(shades: Array, ground: float) -> Array:
    other = abs(shades - ground) > _BORDER
    height, width = shades.shape
    rows = np.flatnonzero(other.sum(axis=1) * _RARE > width)
    columns = np.flatnonzero(other.sum(axis=0) * _RARE > height)
    if len(rows) < _LEAST or len(columns) < _LEAST:
        return shades
    return shades[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
