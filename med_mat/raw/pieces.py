"""The connected pieces of a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bounds = tuple[int, int, int, int]  # top, bottom, left, right; bottom and right are one beyond


def pieces(marked: NDArray[np.bool_], least: int) -> list[Bounds]:
    """The bounds of each connected piece of at least ``least`` pixels, from the top down; corners connect.

    Where no piece is that large, all pieces come: better a speck than none of what the mask marks.
    """
    rows, columns = marked.shape
    padded = np.zeros((rows, columns + 2), np.bool_)
    padded[:, 1:-1] = marked
    changes = np.flatnonzero(padded.ravel()[1:] != padded.ravel()[:-1]).reshape(-1, 2)
    row, start = np.divmod(changes[:, 0], columns + 2)
    end = changes[:, 1] - row * (columns + 2)
    runs = list(zip(row.tolist(), start.tolist(), end.tolist(), strict=True))
    parents = list(range(len(runs)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    above = 0  # the first run that may still touch this one from the row above
    for number, (line, first, last) in enumerate(runs):
        while runs[above][0] < line - 1 or (runs[above][0] == line - 1 and runs[above][2] < first):
            above += 1
        touching = above
        while touching < number and runs[touching][0] == line - 1 and runs[touching][1] <= last:
            parents[root(touching)] = root(number)
            touching += 1
    found: dict[int, Bounds] = {}
    sizes: dict[int, int] = {}
    for number, (line, first, last) in enumerate(runs):
        piece = root(number)
        top, _, left, right = found.get(piece, (line, line + 1, first, last))
        found[piece] = top, line + 1, min(left, first), max(right, last)
        sizes[piece] = sizes.get(piece, 0) + last - first
    large = [bounds for piece, bounds in found.items() if sizes[piece] >= least]
    return large or list(found.values())
