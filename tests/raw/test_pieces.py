import numpy as np
from hypothesis import given
from hypothesis.extra import numpy as hn
from numpy.typing import NDArray

from med_mat.imaging.components import Piece, pieces


def flooded(marked: NDArray[np.bool_]) -> list[Piece]:
    """The bounds and sizes of the pieces, by flood fill."""
    left = set(zip(*map(np.ndarray.tolist, np.nonzero(marked)), strict=True))
    found = []
    while left:
        pending = [left.pop()]
        piece = []
        while pending:
            row, column = pending.pop()
            piece.append((row, column))
            around = {(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)}
            pending += around & left
            left -= around
        rows, columns = zip(*piece, strict=True)
        found.append(Piece(min(rows), max(rows) + 1, min(columns), max(columns) + 1, len(piece)))
    return found


@given(hn.arrays(np.bool_, hn.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_pieces_are_those_of_a_flood_fill_from_the_top_down(marked: NDArray[np.bool_]) -> None:
    found = pieces(marked)
    assert sorted(found) == sorted(flooded(marked))
    assert [piece.top for piece in found] == sorted(piece.top for piece in found)


def test_pieces_connect_by_corners() -> None:
    marked = np.zeros((20, 30), np.bool_)
    marked[0, 0] = True
    marked[5:10, 20:30] = True
    marked[10, 19] = True  # touches by a corner
    marked[12:18, 2:6] = True
    assert pieces(marked) == [(0, 1, 0, 1, 1), (5, 11, 19, 30, 51), (12, 18, 2, 6, 24)]
    assert pieces(np.zeros((3, 3), np.bool_)) == []
