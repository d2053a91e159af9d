"""Searches millions of 256-bit hashes for those within a Hamming distance, in any of the eight orientations.

Multi-index hashing (Norouzi et al. 2012, "Fast search in Hamming space with multi-index hashing"): each hash is cut
into 12 substrings. Two hashes that differ in at most 21 bits agree in one of the 12 up to one bit, and for two of the
substrings an exact match is enough: ten times 2 and twice 1 are 22. A flip of the image inverts all bits of odd
frequencies. So a substring whose bits are all odd or all even along either axis stays unchanged or becomes its
complement, and one table finds an image in four orientations; queried with the transposed image as well, in all eight.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from med_mat.imaging.hashing import BITS, FREQUENCIES

Array = NDArray[Any]

_SIDE = len(FREQUENCIES)
_CLASS = BITS // 4  # bits that a flip inverts together: of odd or even frequency along either axis
_SUBSTRINGS = 3  # of each class: every third of its bits
_EXACT = (0, 3)  # substrings for which an exact match is enough
#: The maximum Hamming distance, in bits, for which no pair is missed.
LIMIT = 21
#: The classes that each of the four flips inverts, in the order of :func:`~med_mat.imaging.hashing.orientations`. The
#: classes are odd and odd frequencies, odd and even, even and odd, even and even (the first frequency is 1, odd).
_FLIPPED = np.array([[0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0]])
_STILL = 3  # the class that no flip inverts
_STEP = 2**19  # candidate pairs that are compared at once
_COUNTS = np.array([number.bit_count() for number in range(2**16)], np.uint8)


class Pairs(NamedTuple):
    """Pairs of hashes within the threshold, by position and without repetition; all arrays are (n,) int64."""

    query: Array
    hit: Array
    distance: Array  # in bits
    turn: Array  # the orientation of the smallest distance, as a position in orientations(); the first of equal ones


class Words(NamedTuple):
    """Hashes, split by class."""

    words: Array  # (n, 4) uint64: the bits of each class
    keys: Array  # (12, n) uint32: each substring, or its complement, whichever begins with 0


def words(hashes: Array, *, transposed: bool = False) -> Words:
    """Hashes split by class.

    Args:
        hashes: (n, 32) uint8.
        transposed: whether to convert them to the hashes of the transposed images.
    """
    bits = np.unpackbits(hashes, axis=1).reshape(-1, _SIDE, _SIDE)
    if transposed:
        bits = bits.transpose(0, 2, 1)
    half = _SIDE // 2
    bits = bits.reshape(-1, half, 2, half, 2).transpose(0, 2, 4, 1, 3).reshape(-1, 4, _CLASS)
    keys = [_key(bits[:, kind, substring::_SUBSTRINGS]) for kind in range(4) for substring in range(_SUBSTRINGS)]
    return Words(np.packbits(bits.reshape(-1, BITS), axis=1).view(np.uint64), np.stack(keys))


def _key(bits: Array) -> Array:
    others = (bits[:, 1:] ^ bits[:, :1]).astype(np.float32)
    return np.asarray((others @ np.exp2(np.arange(others.shape[1], dtype=np.float32))).astype(np.uint32))


def _length(number: int) -> int:
    """The number of bits of a key, one less than its substring has."""
    return len(range(number % _SUBSTRINGS, _CLASS, _SUBSTRINGS)) - 1


class Index:
    """An index of hashes to search in."""

    def __init__(self, among: Words) -> None:
        self._words = among.words
        self._still = np.ascontiguousarray(among.words[:, _STILL])
        self._tables = []
        for number, keys in enumerate(among.keys):
            ends = np.cumsum(np.bincount(keys, minlength=2 ** _length(number)))
            starts = np.concatenate([[0], ends]).astype(np.int32)
            self._tables.append((np.argsort(keys, kind="stable").astype(np.int32), starts))

    def crowding(self) -> float:
        """The average number of hashes that share a substring with a hash."""
        shared = sum(float((np.diff(starts).astype(np.float64) ** 2).sum()) for _, starts in self._tables)
        return shared / max(1, len(self._words))

    def within(self, queries: Words, threshold: int, earlier: Array | None = None) -> Iterator[tuple[Array, ...]]:
        """Pairs in the four flips of one orientation, possibly repeated: query, hit, distance, and flip.

        Args:
            queries: the hashes of upright or of transposed images.
            threshold: in bits, :data:`LIMIT` at most.
            earlier: (n,) for each query, the position from which on hits are ignored.
        """
        still = np.ascontiguousarray(queries.words[:, _STILL])
        for number, (order, starts) in enumerate(self._tables):
            asked = queries.keys[number][:, None]
            if number not in _EXACT:
                every = 2 ** _length(number) - 1  # inverting the first bit of a key inverts all others
                asked = asked ^ np.array([0, every, *(2**bit for bit in range(_length(number)))], np.uint32)
            begin = starts.take(asked).ravel()
            count = starts.take(asked + 1).ravel() - begin
            filled = np.flatnonzero(count)
            begin, count = begin[filled], count[filled]
            ends = np.cumsum(count, dtype=np.int64)
            for part in _parts(ends):
                size = count[part]
                offset = begin[part] - (np.cumsum(size) - size)
                hit = order.take(np.repeat(offset, size) + np.arange(size.sum(), dtype=np.int32))
                query = np.repeat((filled[part] // asked.shape[1]).astype(np.int32), size)
                if earlier is not None:
                    before = np.flatnonzero(hit < earlier.take(query))
                    query, hit = query[before], hit[before]
                near = np.flatnonzero(_ones(self._still.take(hit) ^ still.take(query)) <= threshold)
                yield _verified(queries.words, self._words, query[near], hit[near], threshold)


def _parts(ends: Array) -> Iterator[slice]:
    """Slices with about as many candidate pairs as are compared in one step."""
    start = 0
    while start < len(ends):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _STEP, side="right")))
        yield slice(start, stop)
        start = stop


def _ones(numbers: Array) -> Array:
    """The number of 1 bits of each number (uint64)."""
    counts = _COUNTS.take(numbers.view(np.uint16)).reshape(*numbers.shape, 4)
    return np.asarray(counts.sum(axis=-1, dtype=np.uint8))


def _verified(queries: Array, known: Array, query: Array, hit: Array, threshold: int) -> tuple[Array, ...]:
    """The candidate pairs that are within the threshold."""
    bits = _ones(queries[query] ^ known[hit]).astype(np.int64)
    distances = bits @ (1 - 2 * _FLIPPED).T + _CLASS * _FLIPPED.sum(axis=1)
    flip = distances.argmin(axis=1)
    distance = distances[np.arange(len(flip)), flip]
    near = np.flatnonzero(distance <= threshold)
    return query[near].astype(np.int64), hit[near].astype(np.int64), distance[near], flip[near]


def among_themselves(hashes: Words, transposed: Words, threshold: int) -> Pairs:
    """Pairs among a small number of hashes, the query after the hit, by exhaustive comparison."""
    hit, query = np.triu_indices(len(hashes.words), 1)
    parts = []
    for turn, one in ((0, hashes), (4, transposed)):
        still = one.words[query, _STILL] ^ hashes.words[hit, _STILL]
        near = np.flatnonzero(_ones(still) <= threshold)
        parts.append((*_verified(one.words, hashes.words, query[near], hit[near], threshold), turn))
    return merged(parts)


def found(index: Index, hashes: Words, transposed: Words, threshold: int, earlier: Array | None = None) -> Pairs:
    """Pairs of the given hashes and the hashes of an index; ``earlier`` as for :meth:`Index.within`."""
    return merged(
        (*part, turn) for turn, one in ((0, hashes), (4, transposed)) for part in index.within(one, threshold, earlier)
    )


def merged(parts: Any) -> Pairs:
    """Pairs without repetition, in the orientation of the smallest distance."""
    columns = [np.zeros((4, 0), np.int64)]
    columns += [np.stack([query, hit, distance, flip + turn]) for query, hit, distance, flip, turn in parts]
    pairs = np.concatenate(columns, axis=1)
    pairs = pairs[:, np.lexsort((pairs[3], pairs[2], pairs[1], pairs[0]))]
    query, hit = pairs[:2]
    new = np.ones(len(query), bool)
    new[1:] = (query[1:] != query[:-1]) | (hit[1:] != hit[:-1])
    return Pairs(*pairs[:, new])
