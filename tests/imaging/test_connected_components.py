import numpy as np
from hypothesis import given
from hypothesis.extra import numpy as hn
from numpy.typing import NDArray

from med_mat.imaging.components import Component, connected_components


def flooded(marked: NDArray[np.bool_]) -> list[Component]:
    """The bounds and sizes of the components, by flood fill."""
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
        found.append(Component(min(rows), max(rows) + 1, min(columns), max(columns) + 1, len(piece)))
    return found


@given(hn.arrays(np.bool_, hn.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_components_are_those_of_a_flood_fill_from_the_top_down(marked: NDArray[np.bool_]) -> None:
    found = connected_components(marked)
    assert sorted(found) == sorted(flooded(marked))
    first = [(one.top, min(np.flatnonzero(marked[one.top, one.left : one.right]) + one.left)) for one in found]
    assert [top for top, _ in first] == sorted(top for top, _ in first)


def test_components_connect_by_corners() -> None:
    marked = np.zeros((20, 30), np.bool_)
    marked[0, 0] = True
    marked[5:10, 20:30] = True
    marked[10, 19] = True  # touches by a corner
    marked[12:18, 2:6] = True
    assert connected_components(marked) == [(0, 1, 0, 1, 1), (5, 11, 19, 30, 51), (12, 18, 2, 6, 24)]
    assert connected_components(np.zeros((3, 3), np.bool_)) == []
