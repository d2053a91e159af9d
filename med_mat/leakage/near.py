"""Pictures that look the same, among millions: pairs of perceptual hashes that differ in few bits.

Two hashes that differ in at most 21 of 256 bits differ in at most one bit of one of 11 pieces of 23 bits. So it is
enough to compare a hash with those that share a piece with it, but for one bit (Norouzi et al. 2012, "Fast search in
Hamming space with multi-index hashing"); faiss does this (``IndexBinaryMultiHash``), and no pair is missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med_mat.leakage.fingerprint import BITS, turns
from med_mat.leakage.forest import Forest
from med_mat.progress import Bar

Array = NDArray[Any]

#: Bits in which two hashes of one picture may differ: measured by ``python -m benchmarks duplicates``.
THRESHOLD = 21
#: A hash with so many known ones within the threshold does not become known itself: see :func:`near_links`.
CROWD = 64
_PIECES, _PIECE_BITS, _FLIPS = 11, 23, 1  # 12 of 21 take three times as long for two bits more
_LIMIT = _PIECES * (_FLIPS + 1) - 1  # the search is exact up to here
_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs of hashes, by their positions."""

    first: Array  # int64, and so are the next two
    second: Array  # behind the first
    distance: Array  # in bits
    turned: Array  # bool: one shows the other flipped, or turned by quarter turns, or both
    crowded: Array  # bool, for each hash: it has so many others within the threshold that it was not searched for


def unpacked(hashes: Sequence[str]) -> Array:
    """Hexadecimal hashes as (n, 32) bytes."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, BITS // 8)


def near_links(
    hashes: Array, labels: Array, *, threshold: int = THRESHOLD, turned: bool = True, progress: bool = False
) -> Links:
    """What joins hashes that differ in at most ``threshold`` bits: n - 1 links for n that belong together.

    Pairs of one label, or joined by other pairs already, give no link. The links are a function of the set of hashes:
    they are taken in the order of their bits, whatever order they come in, and whatever the number of threads. Time and
    memory stay bounded where thousands look alike (a video that stands still, empty frames): a hash is compared with
    all that are known before it, but one that finds :data:`CROWD` of them within the threshold does not become known.
    In such a crowd alone a pair may be missed, and both its hashes are joined with others of it.

    Args:
        hashes: (n, 32) of uint8, no two of them equal.
        labels: (n,) whole numbers.
        threshold: 21 at most, for the search would miss pairs beyond that.
        turned: whether to look for pictures that are flipped or turned, too.
        progress: whether to show a bar.

    Raises:
        ValueError: a threshold that the search is not exact for.
    """
    if not 0 <= threshold <= _LIMIT:
        raise ValueError(f"threshold is {threshold}: expected 0 to {_LIMIT} bits.")
    order = np.lexsort(hashes.T[::-1])
    crowded = np.zeros(len(hashes), bool)
    forest = Forest(labels[order])
    kept = [np.zeros((4, 0), np.int64)]
    for pairs in _pairs(hashes[order], threshold, turned, crowded, progress):
        while pairs.size:  # each hash with the nearest that it is not joined with yet, until none is left
            pairs = pairs[:, forest.roots(pairs[0]) != forest.roots(pairs[1])]
            nearest = pairs[:, np.unique(pairs[1], return_index=True)[1]]
            kept.append(nearest[:, forest.join(nearest[0], nearest[1])])
    links = np.concatenate(kept, axis=1)
    links[:2] = np.sort(order[links[:2]], axis=0)
    first, second, distance, turn = links[:, np.lexsort((links[1], links[0]))]
    hidden = np.zeros(len(hashes), bool)
    hidden[order] = crowded
    return Links(first, second, distance, turn > 0, hidden)


def _pairs(hashes: Array, threshold: int, turned: bool, crowded: Array, progress: bool) -> Iterator[Array]:
    """Pairs within the threshold, batch by batch: rows of first and second position, distance, and how it is turned.

    ``crowded`` is filled in.
    """
    import faiss

    known = faiss.IndexBinaryMultiHash(BITS, _PIECES, _PIECE_BITS)
    known.nflip = _FLIPS
    positions = np.zeros(len(hashes), np.int64)  # of those known
    bar = Bar(len(hashes), desc="near-duplicates", unit="img", shown=progress)
    for start in range(0, len(hashes), _BATCH):
        batch = hashes[start : start + _BATCH]
        own = faiss.IndexBinaryFlat(BITS)
        own.add(batch)
        crowd = np.zeros(len(batch), np.int64)
        found = []
        for number, queries in enumerate(turns(batch) if turned else [batch]):
            query, hit, distance = _within(own, queries, threshold)
            earlier = hit < query
            found.append(_rows(hit[earlier] + start, query[earlier] + start, distance[earlier], number))
            if known.ntotal:
                query, hit, distance = _within(known, queries, threshold)
                crowd += np.bincount(query, minlength=len(batch))
                found.append(_rows(positions[hit], query + start, distance, number))
        crowded[start : start + len(batch)] = crowd >= CROWD
        new = np.flatnonzero(crowd < CROWD)
        positions[known.ntotal : known.ntotal + len(new)] = new + start
        known.add(batch[new])
        pairs = np.concatenate(found, axis=1)
        first, second, distance, turn = pairs
        yield pairs[:, np.lexsort((first, turn, distance, second))]  # faiss gives them in any order
        bar.update(len(batch))
    bar.close()


def _rows(first: Array, second: Array, distance: Array, turn: int) -> Array:
    return np.stack([first, second, distance, np.full(len(first), turn)])


def _within(index: Any, queries: Array, threshold: int) -> tuple[Array, Array, Array]:
    """Number of the query, number in the index, and bits that differ, of all within the threshold."""
    limits, bits, hit = index.range_search(queries, threshold + 1)  # faiss means: nearer than that
    return np.repeat(np.arange(len(queries)), np.diff(limits.astype(np.int64))), hit, bits.astype(np.int64)
