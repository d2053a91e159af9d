"""The connected pieces of a mask."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Piece(NamedTuple):
    """What hangs together, in pixels: its bounds, of which bottom and right are one beyond, and how many it has."""

    top: int
    bottom: int
    left: int
    right: int
    size: int


def pieces(marked: NDArray[np.bool_]) -> list[Piece]:
    """Each connected piece of what is marked, from the top down; corners connect."""
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
    found: dict[int, Piece] = {}
    for number, (line, first, last) in enumerate(runs):
        piece = root(number)
        top, _, left, right, size = found.get(piece, (line, line + 1, first, last, 0))
        found[piece] = Piece(top, line + 1, min(left, first), max(right, last), size + last - first)
    return list(found.values())
