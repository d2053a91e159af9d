"""Which pictures may be one another's copies, though their hashes differ: those whose descriptors stand out as near.

Each is searched for among its own source, and among the other sources of its modality. Up to :data:`EXACT` pictures the
search is over all of them; beyond, over the part whose centres lie nearest (Jégou et al. 2011, an inverted file), where
the centres are the descriptors of lowest digest: a function of the set, as all here is. Descriptors are whole numbers,
and float32 adds their products exactly, in whatever order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from med_mat.leakage.descriptor import LENGTH

Array = NDArray[Any]

#: Neighbours asked for. The last is the measure of how dense it is there: a copy is much nearer than that one.
NEIGHBOURS = 25
#: Squared distances: beyond the first nothing is a copy, below the second everything is looked at.
FAR, NEAR = 50**2, 16**2
#: A candidate's squared distance is below so much of that of the last neighbour.
SHARE = 0.72
#: Pictures up to which a search is over all of them.
EXACT = 50_000
_PER_CENTRE = 512
_PROBED = 16  # one in so many of the centres
_BATCH = 65_536


def candidates(descriptors: Array, source: Array, modality: Array) -> tuple[Array, Array]:
    """Pairs of positions that are worth a look, each once, the lower position first.

    Args:
        descriptors: (n, LENGTH) of int8.
        source: (n,) whole numbers, and so is ``modality``.
    """
    order = np.argsort(source, kind="stable")
    found = [np.zeros((2, 0), np.int64)]
    for one in np.unique(source).tolist():
        mine = order[source[order] == one]
        found.append(_pairs(descriptors, mine, mine, own=True))
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


def _pairs(descriptors: Array, queries: Array, among: Array, *, own: bool) -> Array:
    if len(among) < 2:
        return np.zeros((2, 0), np.int64)
    distance, place = _Index(descriptors[among]).nearest(descriptors[queries], NEIGHBOURS + own)
    return _outstanding(distance, place, queries, among, own)


def _across(index: _Index, descriptors: Array, members: Array, mine: Array) -> Array:
    """Pairs between one source, which lies together in the index, and the others."""
    hidden = (int(mine[0]), int(mine[-1]) + 1)
    distance, place = index.nearest(descriptors[members[mine]], NEIGHBOURS, hidden)
    return _outstanding(distance, place, members[mine], members, False)


def _outstanding(distance: Array, place: Array, queries: Array, among: Array, own: bool) -> Array:
    """Of the neighbours those that are much nearer than the last one."""
    there = place >= 0
    if own:
        there &= among[place] != queries[:, None]
    # without so many neighbours, nothing is dense
    last = np.where(place[:, -1:] >= 0, distance[:, -1:], np.inf)
    near = (distance < SHARE * last) | ((distance <= NEAR) & (distance < last))
    row, column = np.nonzero(there & near & (distance <= FAR))
    return np.stack([queries[row], among[place[row, column]]])


class _Index:
    """Descriptors in which neighbours are searched for."""

    def __init__(self, descriptors: Array) -> None:
        import faiss

        vectors = descriptors.astype(np.float32)
        self._probed = 0
        self._index: Any = faiss.IndexFlatL2(LENGTH)
        if len(vectors) > EXACT:
            centres = _centres(descriptors, len(vectors) // _PER_CENTRE)
            coarse = faiss.IndexFlatL2(LENGTH)
            coarse.add(centres.astype(np.float32))
            self._coarse = coarse  # faiss does not keep it alive
            self._index = faiss.IndexIVFFlat(coarse, LENGTH, len(centres))
            self._index.is_trained = True
            self._probed = -(-len(centres) // _PROBED)
        for start in range(0, len(vectors), _BATCH):
            self._index.add(vectors[start : start + _BATCH])

    def nearest(self, queries: Array, count: int, hidden: tuple[int, int] | None = None) -> tuple[Array, Array]:
        """Squared distances and positions, the nearest first; -1 where there are fewer, or they lie in ``hidden``."""
        import faiss

        options: dict[str, Any] = {"nprobe": self._probed} if self._probed else {}
        if hidden is not None:
            range_ = faiss.IDSelectorRange(*hidden)  # faiss does not keep it alive, either
            options["sel"] = faiss.IDSelectorNot(range_)
        parameters: Any = (faiss.SearchParametersIVF if self._probed else faiss.SearchParameters)(**options)
        parts = [
            self._index.search(queries[start : start + _BATCH].astype(np.float32), count, params=parameters)
            for start in range(0, len(queries), _BATCH)
        ]
        distance, place = (np.concatenate(part) for part in zip(*parts, strict=True))
        return distance, place


def _centres(descriptors: Array, count: int) -> Array:
    """The descriptors of lowest digest."""
    distinct = np.unique(descriptors, axis=0)
    digests = np.array([xxhash.xxh3_64_intdigest(one.tobytes()) for one in distinct], np.uint64)
    return np.asarray(distinct[np.argsort(digests)[:count]])
