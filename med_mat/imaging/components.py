"""Connected components of a mask."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_EIGHT = np.ones((3, 3), np.bool_)  # pixels that touch at a corner are connected


class Component(NamedTuple):
    """Bounds in pixels (bottom and right are exclusive) and number of pixels."""

    top: int
    bottom: int
    left: int
    right: int
    size: int


def connected_components(marked: NDArray[np.bool_]) -> list[Component]:
    """The 8-connected components of a mask, in the order of their first pixels in row-major order."""
    from scipy import ndimage

    labels, count = ndimage.label(marked, _EIGHT)
    if not count:
        return []
    sizes = np.bincount(labels.ravel())
    numbers, first = np.unique(labels, return_index=True)
    bounds = ndimage.find_objects(labels)
    ordered = numbers[np.argsort(first)].tolist()
    return [
        Component(rows.start, rows.stop, columns.start, columns.stop, int(sizes[number]))
        for number in ordered
        if number
        for rows, columns in [bounds[number - 1]]
    ]
