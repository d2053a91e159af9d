"""What belongs together: sets that grow by pairs, and the surest pairs that hold them together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def components(count: int, first: Array, second: Array) -> Array:
    """For each of the numbers 0 to count - 1, the number of the set that the pairs put it in (int32)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    return np.asarray(connected_components(graph.tocsr(), directed=False)[1])


def tree(count: int, first: Array, second: Array) -> Array:
    """Which pairs hold the sets together: n - 1 for a set of n, the earlier before the later (positions, int64).

    It is the minimum spanning tree under the pairs' own order, and there is but one.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    low, high = np.minimum(first, second).astype(np.int64), np.maximum(first, second)
    _, earliest = np.unique(low * count + high, return_index=True)
    earliest = earliest[low[earliest] < high[earliest]]
    weights = earliest.astype(np.float64) + 1  # all different
    graph = coo_array((weights, (low[earliest], high[earliest])), shape=(count, count))
    return np.sort(minimum_spanning_tree(graph.tocsr()).data.astype(np.int64) - 1)


class Forest:
    """Sets of whole numbers that grow together, where pairs come one batch after the other.

    Args:
        labels: (n,); the numbers 0 to n - 1 of one label are one set to begin with.
    """

    def __init__(self, labels: Array) -> None:
        _, lowest, which = np.unique(labels, return_index=True, return_inverse=True)
        self._parents = lowest[which]

    def roots(self, numbers: Array) -> Array:
        """The lowest number of each one's set."""
        found = self._parents[numbers]
        while not np.array_equal(further := self._parents[found], found):
            found = further
        self._parents[numbers] = found
        return found

    def join(self, first: Array, second: Array) -> Array:
        """Make one set of two, pair by pair; which pairs were of two sets until then (bool)."""
        new = np.zeros(len(first), bool)
        for place, (a, b) in enumerate(zip(self.roots(first).tolist(), self.roots(second).tolist(), strict=True)):
            low, high = sorted((self._root(a), self._root(b)))
            if low != high:
                self._parents[high] = low
                new[place] = True
        return new

    def _root(self, number: int) -> int:
        parents = self._parents
        while (parent := parents[number]) != number:
            parents[number] = parents[parent]
            number = parent
        return int(number)
