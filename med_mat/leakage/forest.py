"""Union-find: what belongs together, and which pairs made it so."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Forest:
    """Sets of whole numbers that grow together.

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
        parents = self._parents
        new = np.zeros(len(first), bool)
        for place, (a, b) in enumerate(zip(self.roots(first).tolist(), self.roots(second).tolist(), strict=True)):
            while a != parents[a]:
                a = parents[a] = parents[parents[a]]
            while b != parents[b]:
                b = parents[b] = parents[parents[b]]
            if a != b:
                parents[max(a, b)] = min(a, b)
                new[place] = True
        return new
