"""Connected components, spanning forests, and sets that are merged incrementally."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[Any]


def components(count: int, first: Array, second: Array) -> Array:
    """The connected component (int32) of each of the nodes 0 to count - 1; each pair is an edge."""
    from scipy.sparse.csgraph import connected_components

    graph = _graph(count, np.ones(len(first), bool), first, second)
    return np.asarray(connected_components(graph, directed=False)[1])


def spanning_forest(count: int, first: Array, second: Array) -> Array:
    """The positions (int64, ascending) of the edges of the minimum spanning forest, earlier edges first.

    It has n - 1 edges for a component of n nodes, and is unique, since all edges have different weights.
    """
    from scipy.sparse.csgraph import minimum_spanning_tree

    low, high = np.minimum(first, second).astype(np.int64), np.maximum(first, second)
    _, earliest = np.unique(low * count + high, return_index=True)
    earliest = earliest[low[earliest] < high[earliest]]
    weights = earliest.astype(np.float64) + 1  # all different
    graph = _graph(count, weights, low[earliest], high[earliest])
    return np.sort(minimum_spanning_tree(graph).data.astype(np.int64) - 1)


def _graph(count: int, weights: Array, first: Array, second: Array) -> csr_array:
    """A sparse matrix of weighted edges."""
    from scipy.sparse import coo_array

    ends = (first.astype(np.int32), second.astype(np.int32))  # SciPy before 1.16 takes no other type of index
    return coo_array((weights, ends), shape=(count, count)).tocsr()


class DisjointSets:
    """Disjoint sets of the numbers 0 to n - 1 (union-find), for edges that arrive in batches.

    Args:
        labels: (n,) numbers with the same label are in one set at the start.
    """

    def __init__(self, labels: Array) -> None:
        _, lowest, which = np.unique(labels, return_index=True, return_inverse=True)
        self._parents = lowest[which]

    def roots(self, numbers: Array) -> Array:
        """The lowest number in the set of each of these numbers."""
        found = self._parents[numbers]
        while not np.array_equal(further := self._parents[found], found):
            found = further
        self._parents[numbers] = found
        return found

    def join(self, first: Array, second: Array) -> Array:
        """Merge the sets of each pair, in order; True for the pairs that merged two sets (bool)."""
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
