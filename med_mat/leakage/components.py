"""What belongs together: connected components of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def components(count: int, *pairs: Sequence[tuple[int, int]] | Array) -> Array:
    """The lowest number of each one's connected component.

    Args:
        count: the numbers are 0 to ``count`` - 1.
        pairs: (n, 2) each: numbers that belong together.

    Returns:
        (count,) of int64.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = np.concatenate([np.asarray(one, dtype=np.int64).reshape(-1, 2) for one in pairs] or [np.zeros((0, 2), int)])
    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    lowest = np.full(count, count, dtype=np.int64)
    np.minimum.at(lowest, labels, np.arange(count))
    return lowest[labels]
