"""Downscaling in integer arithmetic, with the same result on every machine and with every library version."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]

#: An image is first averaged over blocks, to between this and twice as many along its shorter side.
_BLOCKS = 128
#: Maximum difference, in shades, of a border from its median.
_BORDER = 12
#: A row or column belongs to the content if more than one in this number of its pixels differ from the border.
_RARE = 50
#: Minimum number of blocks along either side; cropping stops there.
_LEAST = 16


def blocks(picture: Image.Image) -> Array:
    """The gray shades of an image, averaged over square blocks: (rows, columns) of uint8.

    Args:
        picture: Image of mode L, RGB or RGBA; color becomes gray by Pillow's integer weights (ITU-R 601-2).
    """
    size = max(1, min(picture.size) // _BLOCKS)
    if picture.mode == "RGBA":
        picture = picture.convert("RGB")  # otherwise averages would be weighted by transparency
    if size > 1:
        columns, rows = picture.width // size, picture.height // size
        left, top = (picture.width - columns * size) // 2, (picture.height - rows * size) // 2
        # exact integer averages of whole blocks, unlike Pillow's resize
        picture = picture.reduce(size, (left, top, left + columns * size, top + rows * size))
    return np.asarray(picture.convert("L"))


def averaged(shades: Array, rows: int, columns: int) -> Array:
    """Shades of uint8 resampled to a grid of cells; each pixel is weighted by the area that it shares with a cell.

    Returns:
        (rows, columns) of integers, as float64.
    """
    height, width = shades.shape
    # exact: no sum reaches 2 ** 53
    across = _overlaps(height, rows) @ shades.astype(np.float64)
    total = (_overlaps(width, columns) @ np.ascontiguousarray(across.T)).T
    return np.asarray(np.floor(np.ascontiguousarray(total) / (height * width) + 0.5))


@functools.lru_cache(maxsize=2048)  # a few kB each
def _overlaps(pixels: int, cells: int) -> Any:
    """The overlap of each cell with each pixel along one axis, in units of 1 / (pixels * cells): (cells, pixels).

    A sparse matrix, since a cell overlaps few pixels. NumPy would also start threads for each of these small products.
    """
    from scipy import sparse

    cell, pixel = np.arange(cells)[:, None] * pixels, np.arange(pixels) * cells
    shared = np.minimum(cell + pixels, pixel + cells) - np.maximum(cell, pixel)
    return sparse.csr_array(np.maximum(shared, 0).astype(np.float64))


def framed(shades: Array, side: int) -> Array:
    """Crops a uniform border, then scales and centers the rest in a square filled with the shade of the border."""
    edge = np.concatenate([shades[0], shades[-1], shades[:, 0], shades[:, -1]])
    ground = int(np.partition(edge, len(edge) // 2)[len(edge) // 2])
    inner = _without_border(shades, ground)
    height, width = inner.shape
    longer = max(height, width)
    rows, columns = (max(1, (2 * side * length + longer) // (2 * longer)) for length in (height, width))
    square = np.full((side, side), float(ground))
    top, left = (side - rows) // 2, (side - columns) // 2
    square[top : top + rows, left : left + columns] = averaged(inner, rows, columns)
    return square


def _without_border(shades: Array, ground: int) -> Array:
    other = ((shades < max(ground - _BORDER, 0)) | (shades > min(ground + _BORDER, 255))).view(np.uint8)
    height, width = shades.shape
    rows = np.flatnonzero(np.add.reduce(other, axis=1, dtype=np.int64) * _RARE > width)
    columns = np.flatnonzero(np.add.reduce(other, axis=0, dtype=np.int64) * _RARE > height)
    if len(rows) < _LEAST or len(columns) < _LEAST:
        return shades
    return shades[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
