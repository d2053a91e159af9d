"""Candidate copies whose hashes differ: images whose descriptors are conspicuously near to each other.

Each is searched for among its own source, and among the other sources of its modality. Up to :data:`EXACT` pictures the
search is over all of them; beyond, over the part whose centers lie nearest (Jégou et al. 2011, an inverted file), where
the centers are the descriptors of lowest digest: a function of the set, as all here is. Descriptors are whole numbers,
and float32 adds their products exactly, in whatever order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from med_mat.imaging.descriptor import LENGTH

Array = NDArray[Any]

#: Neighbours asked for. The last is the measure of how dense it is there: a copy is much nearer than that one.
NEIGHBOURS = 25
#: Squared distances: beyond the first nothing is a copy, below the second every pair is a candidate.
FAR, NEAR = 50**2, 16**2
#: A candidate's squared distance is below so much of that of the last neighbor.
SHARE = 0.72
#: Pictures up to which a search is over all of them.
EXACT = 20_000
_PER_CENTER = 512
_PROBED = 20  # centers: as many pictures as half of those
_BATCH = 65_536


def candidates(descriptors: Array, source: Array, modality: Array) -> tuple[Array, Array]:
    """Pairs of positions to verify, each once, the lower position first.

    Args:
        descriptors: (n, LENGTH) of int8.
        source: (n,) whole numbers, and so is ``modality``.
    """
    order = np.argsort(source, kind="stable")
    found = [np.zeros((2, 0), np.int64)]
    for one in np.unique(source).tolist():
        mine = order[source[order] == one]
        found.append(_pairs(descriptors, mine))
    for kind in np.unique(modality).tolist():
        all_of_it = order[modality[order] == kind]
        index = None
        for one in np.unique(source[all_of_it]).tolist():
            mine = np.flatnonzero(source[all_of_it] == one)
            if len(mine) == len(all_of_it):
                continue
            index = index if index is not None else _Index(descriptors[all_of_it])
            found.append(_across(index, descriptors, all_of_it, mine))
    pairs = np.sort(np.concatenate(found, axis=1), axis=0)
    first, second = np.unique(pairs, axis=1)
    return first, second


def _pairs(descriptors: Array, mine: Array) -> Array:
    """Pairs within one source."""
    if len(mine) < 2:
        return np.zeros((2, 0), np.int64)
    found = [
        _outstanding(distance, place, queries, mine, True)
        for queries, distance, place in _Index(descriptors[mine]).nearest(descriptors, mine, NEIGHBOURS + 1)
    ]
    return np.concatenate(found, axis=1)


def _across(index: _Index, descriptors: Array, members: Array, mine: Array) -> Array:
    """Pairs between one source, which lies together in the index, and the others."""
    hidden = (int(mine[0]), int(mine[-1]) + 1)
    found = [
        _outstanding(distance, place, queries, members, False)
        for queries, distance, place in index.nearest(descriptors, members[mine], NEIGHBOURS, hidden)
    ]
    return np.concatenate(found, axis=1)


def _outstanding(distance: Array, place: Array, queries: Array, among: Array, own: bool) -> Array:
    """Of the neighbors those that are much nearer than the last one."""
    there = place >= 0
    if own:
        there &= among[place] != queries[:, None]
    # without so many neighbors, nothing is dense
    last = np.where(place[:, -1:] >= 0, distance[:, -1:], np.inf)
    near = (distance < SHARE * last) | ((distance <= NEAR) & (distance < last))
    row, column = np.nonzero(there & near & (distance <= FAR))
    return np.stack([queries[row], among[place[row, column]]])


class _Index:
    """Descriptors in which neighbors are searched for."""

    def __init__(self, descriptors: Array) -> None:
        import faiss

        self._probed = 0
        self._index: Any = faiss.IndexFlatL2(LENGTH)
        if len(descriptors) > EXACT:
            centers = _centers(descriptors, len(descriptors) // _PER_CENTER)
            coarse = faiss.IndexFlatL2(LENGTH)
            coarse.add(centers.astype(np.float32))
            self._coarse = coarse  # faiss does not keep it alive
            bytes_ = faiss.ScalarQuantizer.QT_8bit_direct_signed  # the numbers as they are: nothing is trained or lost
            self._index = faiss.IndexIVFScalarQuantizer(coarse, LENGTH, len(centers), bytes_)
            self._index.by_residual = False
            self._index.is_trained = True
            self._probed = _PROBED
        for start in range(0, len(descriptors), _BATCH):
            self._index.add(descriptors[start : start + _BATCH].astype(np.float32))

    def nearest(
        self, descriptors: Array, queries: Array, count: int, hidden: tuple[int, int] | None = None
    ) -> Iterator[tuple[Array, Array, Array]]:
        """Some of the queries, squared distances and positions of their nearest, these first; -1 where there are fewer.

        What lies in ``hidden`` is passed over.
        """
        import faiss

        options: dict[str, Any] = {"nprobe": self._probed} if self._probed else {}
        if hidden is not None:
            range_ = faiss.IDSelectorRange(*hidden)  # faiss does not keep it alive, either
            options["sel"] = faiss.IDSelectorNot(range_)
        parameters: Any = (faiss.SearchParametersIVF if self._probed else faiss.SearchParameters)(**options)
        for start in range(0, len(queries), _BATCH):
            part = queries[start : start + _BATCH]
            yield part, *self._index.search(descriptors[part].astype(np.float32), count, params=parameters)


def _centers(descriptors: Array, count: int) -> Array:
    """The descriptors of lowest digest."""
    distinct = np.unique(np.ascontiguousarray(descriptors).view(f"V{LENGTH}")).view(np.int8).reshape(-1, LENGTH)
    digests = np.array([xxhash.xxh3_64_intdigest(one.tobytes()) for one in distinct], np.uint64)
    return np.asarray(distinct[np.argsort(digests)[:count]])
