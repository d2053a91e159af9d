"""Hashes that differ in few bits, in whichever of the eight positions of their pictures, found among millions.

Two hashes that differ in at most 21 of 256 bits agree in one of 12 pieces but for at most one bit, and two of them
need not even be asked for that bit (Norouzi et al. 2012, "Fast search in Hamming space with multi-index hashing"): ten
times 2 and twice 1 are 22. A flip turns over all bits of odd frequencies. So a piece whose bits are all odd or all even
along either axis stays as it is or becomes its complement, and one table finds a picture in four positions; asked for
the transposed picture too, in all eight.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from med_mat.imaging.hashing import BITS, FREQUENCIES

Array = NDArray[Any]

_SIDE = len(FREQUENCIES)
_CLASS = BITS // 4  # bits that a flip turns over together: of odd or even frequency along either axis
_PIECES = 3  # of each class: every third of its bits
_SURE = (0, 3)  # pieces that are asked for as they are
#: Bits up to which no pair is missed.
LIMIT = 21
#: Which classes each of the four flips turns over, in the order of :func:`~med_mat.imaging.hashing.turns`. The
#: classes are those of odd and odd frequencies, odd and even, even and odd, even and even (the first is 1, odd).
_FLIPPED = np.array([[0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0]])
_STILL = 3  # the class that no flip turns over
_STEP = 2**19  # likely pairs that are looked at together
_COUNTS = np.array([number.bit_count() for number in range(2**16)], np.uint8)


class Pairs(NamedTuple):
    """Hashes within the threshold of others, by their positions; each pair once."""

    query: Array  # int64, and so are the others
    hit: Array
    distance: Array
    turn: Array  # the position in orientations() in which the query comes so near; the first of the nearest


class Words(NamedTuple):
    """Hashes, class by class."""

    words: Array  # (n, 4) of uint64: the bits of each class
    keys: Array  # (12, n) of uint32: each piece, or its complement, whichever begins with 0


def words(hashes: Array, *, transposed: bool = False) -> Words:
    """Hashes, or those of the transposed pictures, class by class.

    Args:
        hashes: (n, 32) of uint8.
    """
    bits = np.unpackbits(hashes, axis=1).reshape(-1, _SIDE, _SIDE)
    if transposed:
        bits = bits.transpose(0, 2, 1)
    half = _SIDE // 2
    bits = bits.reshape(-1, half, 2, half, 2).transpose(0, 2, 4, 1, 3).reshape(-1, 4, _CLASS)
    keys = [_key(bits[:, kind, piece::_PIECES]) for kind in range(4) for piece in range(_PIECES)]
    return Words(np.packbits(bits.reshape(-1, BITS), axis=1).view(np.uint64), np.stack(keys))


def _key(bits: Array) -> Array:
    others = (bits[:, 1:] ^ bits[:, :1]).astype(np.float32)
    return np.asarray((others @ np.exp2(np.arange(others.shape[1], dtype=np.float32))).astype(np.uint32))


def _length(piece: int) -> int:
    """Bits of a key, one less than those of its piece."""
    return len(range(piece % _PIECES, _CLASS, _PIECES)) - 1


class Index:
    """Hashes among which others are searched for."""

    def __init__(self, among: Words) -> None:
        self._words = among.words
        self._still = np.ascontiguousarray(among.words[:, _STILL])
        self._tables = []
        for piece, keys in enumerate(among.keys):
            ends = np.cumsum(np.bincount(keys, minlength=2 ** _length(piece)))
            starts = np.concatenate([[0], ends]).astype(np.int32)
            self._tables.append((np.argsort(keys, kind="stable").astype(np.int32), starts))

    def crowding(self) -> float:
        """With how many others a hash shares a piece, on average."""
        shared = sum(float((np.diff(starts).astype(np.float64) ** 2).sum()) for _, starts in self._tables)
        return shared / max(1, len(self._words))

    def within(self, queries: Words, threshold: int, earlier: Array | None = None) -> Iterator[tuple[Array, ...]]:
        """Pairs of one orientation, some of them several times: query, hit, distance, and flip.

        Args:
            queries: upright or transposed.
            threshold: in bits, :data:`LIMIT` at most.
            earlier: of each query, the position from which on hits do not count.
        """
        still = np.ascontiguousarray(queries.words[:, _STILL])
        for piece, (order, starts) in enumerate(self._tables):
            asked = queries.keys[piece][:, None]
            if piece not in _SURE:
                every = 2 ** _length(piece) - 1  # the bit that a key begins with, turned over, turns over all others
                asked = asked ^ np.array([0, every, *(2**bit for bit in range(_length(piece)))], np.uint32)
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
    """Stretches of about as many likely pairs as are looked at together."""
    start = 0
    while start < len(ends):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _STEP, side="right")))
        yield slice(start, stop)
        start = stop


def _ones(numbers: Array) -> Array:
    """How many bits of each number (uint64) are 1."""
    pieces = _COUNTS.take(numbers.view(np.uint16)).reshape(*numbers.shape, 4)
    return np.asarray(pieces.sum(axis=-1, dtype=np.uint8))


def _verified(queries: Array, known: Array, query: Array, hit: Array, threshold: int) -> tuple[Array, ...]:
    """Of likely pairs those within the threshold."""
    bits = _ones(queries[query] ^ known[hit]).astype(np.int64)
    distances = bits @ (1 - 2 * _FLIPPED).T + _CLASS * _FLIPPED.sum(axis=1)
    flip = distances.argmin(axis=1)
    distance = distances[np.arange(len(flip)), flip]
    near = np.flatnonzero(distance <= threshold)
    return query[near].astype(np.int64), hit[near].astype(np.int64), distance[near], flip[near]


def among_themselves(hashes: Words, transposed: Words, threshold: int) -> Pairs:
    """Pairs among a few hashes, the query behind the hit, all of them compared."""
    hit, query = np.triu_indices(len(hashes.words), 1)
    parts = []
    for turn, one in ((0, hashes), (4, transposed)):
        still = one.words[query, _STILL] ^ hashes.words[hit, _STILL]
        near = np.flatnonzero(_ones(still) <= threshold)
        parts.append((*_verified(one.words, hashes.words, query[near], hit[near], threshold), turn))
    return merged(parts)


def found(index: Index, hashes: Words, transposed: Words, threshold: int, earlier: Array | None = None) -> Pairs:
    """Pairs of hashes and those of an index; ``earlier`` as of :meth:`Index.within`."""
    return merged(
        (*part, turn) for turn, one in ((0, hashes), (4, transposed)) for part in index.within(one, threshold, earlier)
    )


def merged(parts: Any) -> Pairs:
    """Each pair once, in its nearest position."""
    columns = [np.zeros((4, 0), np.int64)]
    columns += [np.stack([query, hit, distance, flip + turn]) for query, hit, distance, flip, turn in parts]
    pairs = np.concatenate(columns, axis=1)
    pairs = pairs[:, np.lexsort((pairs[3], pairs[2], pairs[1], pairs[0]))]
    query, hit = pairs[:2]
    new = np.ones(len(query), bool)
    new[1:] = (query[1:] != query[:-1]) | (hit[1:] != hit[:-1])
    return Pairs(*pairs[:, new])
