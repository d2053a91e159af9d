import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn
from numpy.typing import NDArray

from med_mat.raw.pieces import Bounds, pieces


def flooded(marked: NDArray[np.bool_]) -> list[tuple[Bounds, int]]:
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
        found.append(((min(rows), max(rows) + 1, min(columns), max(columns) + 1), len(piece)))
    return found


@given(hn.arrays(np.bool_, hn.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.integers(0, 6))
def test_pieces_are_those_of_a_flood_fill(marked: NDArray[np.bool_], least: int) -> None:
    expected = flooded(marked)
    large = [bounds for bounds, size in expected if size >= least]
    found = pieces(marked, least)
    assert sorted(found) == sorted(large or [bounds for bounds, _ in expected])
    assert [top for top, *_ in found] == sorted(top for top, *_ in found)


def test_specks_are_left_out() -> None:
    marked = np.zeros((20, 30), np.bool_)
    marked[0, 0] = True
    marked[5:10, 20:30] = True
    marked[10, 19] = True  # touches by a corner
    marked[12:18, 2:6] = True
    assert pieces(marked, 5) == [(5, 11, 19, 30), (12, 18, 2, 6)]
    assert pieces(marked, 0)[0] == (0, 1, 0, 1)
    assert pieces(marked[:5], 5) == [(0, 1, 0, 1)]
    assert pieces(np.zeros((3, 3), np.bool_), 5) == []
