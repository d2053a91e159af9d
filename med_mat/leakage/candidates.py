"""Candidate copies whose hashes differ: images whose descriptors are unusually close to each other.

Each image is searched for in its own source, and in the other sources of its modality. Up to :data:`EXACT` images, the
search is exhaustive; beyond, it covers the cells with the closest centers (an inverted file, Jégou et al. 2011). The
centers are the descriptors with the lowest digests, so that the result is a function of the set of images. Descriptors
are integers, so float32 sums of their products are exact in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from med_mat.imaging.descriptor import LENGTH

Array = NDArray[Any]

#: Number of neighbors searched for. The last one measures the local density: a copy is much closer than that one.
NEIGHBOURS = 25
#: Squared distances: above the first no pair is a candidate, up to the second every pair is.
FAR, NEAR = 50**2, 16**2
#: A candidate's squared distance is less than this fraction of that of the last neighbor.
SHARE = 0.72
#: Maximum number of images for an exhaustive search.
EXACT = 20_000
_PER_CENTER = 512
_PROBED = 20  # number of centers searched: about half of EXACT images
_BATCH = 65_536


def candidates(descriptors: Array, source: Array, modality: Array) -> tuple[Array, Array]:
    """Pairs of positions to verify, without repetition, the lower position first.

    Args:
        descriptors: (n, LENGTH) int8.
        source: (n,) int: the source of each image.
        modality: (n,) int: the modality of each image.

    Returns:
        The first and the second position of each pair, both (m,) int64.
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


def candidates_between(queries: Array, among: Array) -> tuple[Array, Array]:
    """Pairs of two sets of images to verify, such as those of another dataset and of a build, without repetition.

    Args:
        queries: (n, LENGTH) int8.
        among: (m, LENGTH) int8; equal ones count once, so that copies do not hide how close an image is.

    Returns:
        The position in ``queries`` and in ``among`` of each pair, both int64 and of the same length.
    """
    if not len(queries) or not len(among):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    distinct = np.sort(np.unique(among, axis=0, return_index=True)[1])
    both = np.concatenate([queries, among])
    members = len(queries) + distinct
    found = [
        _outstanding(distance, place, asked, members, False)
        for asked, distance, place in _Index(among[distinct]).nearest(both, np.arange(len(queries)), NEIGHBOURS)
    ]
    first, second = np.concatenate(found, axis=1)
    return first, second - len(queries)


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
    """Pairs between one source, which is contiguous in the index, and the others."""
    hidden = (int(mine[0]), int(mine[-1]) + 1)
    found = [
        _outstanding(distance, place, queries, members, False)
        for queries, distance, place in index.nearest(descriptors, members[mine], NEIGHBOURS, hidden)
    ]
    return np.concatenate(found, axis=1)


def _outstanding(distance: Array, place: Array, queries: Array, among: Array, own: bool) -> Array:
    """The neighbors that are much closer than the last one."""
    there = place >= 0
    if own:
        there &= among[place] != queries[:, None]
    # with fewer neighbors than that, the density is low
    last = np.where(place[:, -1:] >= 0, distance[:, -1:], np.inf)
    near = (distance < SHARE * last) | ((distance <= NEAR) & (distance < last))
    row, column = np.nonzero(there & near & (distance <= FAR))
    return np.stack([queries[row], among[place[row, column]]])


class _Index:
    """A search index of descriptors."""

    def __init__(self, descriptors: Array) -> None:
        import faiss

        self._probed = 0
        self._index: Any = faiss.IndexFlatL2(LENGTH)
        if len(descriptors) > EXACT:
            centers = _centers(descriptors, len(descriptors) // _PER_CENTER)
            coarse = faiss.IndexFlatL2(LENGTH)
            coarse.add(centers.astype(np.float32))
            self._coarse = coarse  # faiss does not keep it alive
            bytes_ = faiss.ScalarQuantizer.QT_8bit_direct_signed  # lossless, without training
            self._index = faiss.IndexIVFScalarQuantizer(coarse, LENGTH, len(centers), bytes_)
            self._index.by_residual = False
            self._index.is_trained = True
            self._probed = _PROBED
        for start in range(0, len(descriptors), _BATCH):
            self._index.add(descriptors[start : start + _BATCH].astype(np.float32))

    def nearest(
        self, descriptors: Array, queries: Array, count: int, hidden: tuple[int, int] | None = None
    ) -> Iterator[tuple[Array, Array, Array]]:
        """Batches of queries, with squared distances and positions of their nearest neighbors in ascending distance.

        Positions are -1 if there are fewer neighbors. Positions in the range ``hidden`` are excluded.
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
    """The descriptors with the lowest digests."""
    distinct = np.unique(np.ascontiguousarray(descriptors).view(f"V{LENGTH}")).view(np.int8).reshape(-1, LENGTH)
    digests = np.array([xxhash.xxh3_64_intdigest(one.tobytes()) for one in distinct], np.uint64)
    return np.asarray(distinct[np.argsort(digests)[:count]])
