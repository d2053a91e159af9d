"""Near-duplicates among millions of images: links between perceptual hashes that differ in few bits."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med_mat.imaging.hashing import BITS
from med_mat.leakage.components import DisjointSets
from med_mat.leakage.hamming import LIMIT, Index, among_themselves, found, words
from med_mat.progress import Bar

Array = NDArray[Any]

#: The maximum number of differing bits of near-duplicates: measured by ``python -m benchmarks duplicates``.
THRESHOLD = 21
#: A hash with at least this many neighbors within the threshold is not added to the index: see :func:`near_links`.
CROWD = 64
_LEAF = 1024  # hashes that are compared exhaustively
_BLOCK = 16_384  # hashes that are added to the index at once; more if it is large
_ALIKE = 2**21  # maximum number of shared substrings in a block before it is halved: quadratic in a crowd's size
_ASKED = 8192
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs of hashes, by position."""

    first: Array  # int64, like the next two
    second: Array  # greater than the first
    distance: Array  # in bits
    turned: Array  # bool: one image is the other flipped, rotated by a multiple of 90 degrees, or both
    crowded: Array  # bool, for each hash: it has too many neighbors and was not added to the index


def unpacked(hashes: Sequence[str]) -> Array:
    """Hexadecimal hashes as a (n, 32) uint8 array."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, BITS // 8)


def near_links(hashes: Array, labels: Array, *, threshold: int = THRESHOLD, progress: bool = False) -> Links:
    """Links between hashes that differ in at most ``threshold`` bits: n - 1 links for a component of n hashes.

    Pairs with the same label, or already connected by other pairs, give no link. The links are a function of the set of
    hashes: these are processed in the order of their bits, independent of their input order and the number of threads.
    Flipped and rotated images are found as well. Time and memory are bounded even if thousands of images look the same
    (a still video, empty frames): a hash is compared with all hashes in the index, but one with :data:`CROWD` neighbors
    within the threshold is not added to it. Only in such a crowd may a pair be missed, and both its hashes are linked
    to others of the crowd.

    Args:
        hashes: (n, 32) uint8, all different.
        labels: (n,) int.
        threshold: maximum number of differing bits, at most 21: the search would miss pairs beyond that.
        progress: whether to show a progress bar.

    Raises:
        ValueError: the search is not exact for this threshold.
    """
    if not 0 <= threshold <= LIMIT:
        raise ValueError(f"threshold is {threshold}: expected 0 to {LIMIT} bits.")
    order = np.lexsort(hashes.T[::-1])
    crowded = np.zeros(len(hashes), bool)
    sets = DisjointSets(labels[order])
    kept = [np.zeros((4, 0), np.int64)]
    for pairs in _pairs(hashes[order], threshold, crowded, progress):
        while pairs.size:  # each hash with its nearest unconnected one, until none is left
            pairs = pairs[:, sets.roots(pairs[0]) != sets.roots(pairs[1])]
            nearest = pairs[:, np.unique(pairs[1], return_index=True)[1]]
            kept.append(nearest[:, sets.join(nearest[0], nearest[1])])
    links = np.concatenate(kept, axis=1)
    links[:2] = np.sort(order[links[:2]], axis=0)
    first, second, distance, turn = links[:, np.lexsort((links[1], links[0]))]
    hidden = np.zeros(len(hashes), bool)
    hidden[order] = crowded
    return Links(first, second, distance, turn > 0, hidden)


def _pairs(hashes: Array, threshold: int, crowded: Array, progress: bool) -> Iterator[Array]:
    """Pairs within the threshold, block by block: rows of first position, second position, distance and orientation.

    Fills in ``crowded``. The pairs do not depend on the division of the hashes into blocks.
    """
    known = _Known(hashes)
    size, start = _BLOCK, 0
    with (
        ThreadPoolExecutor(_THREADS) as pool,
        Bar(len(hashes), desc="near-duplicates", unit="img", shown=progress) as bar,
    ):
        while start < len(hashes):
            own, size = _block(hashes, start, size)
            stop = min(start + size, len(hashes))
            count, pairs = np.zeros(stop - start, np.int64), []
            if own is None:
                one = words(hashes[start:stop])
                query, hit, distance, turn = among_themselves(
                    one, words(hashes[start:stop], transposed=True), threshold
                )
                pairs.append(_rows(hit + start, query + start, distance, turn))
            ask = functools.partial(_asked, hashes, known.levels, own, start, threshold)
            for place, part in pool.map(ask, [(n, min(n + _ASKED, stop)) for n in range(start, stop, _ASKED)]):
                earlier = part[0] < start
                count += np.bincount(part[1, earlier] - start, minlength=stop - start)
                pairs.append(part)
                bar.update(place)
            first, second, distance, turn = all_of_them = np.concatenate(pairs, axis=1)
            inside = np.flatnonzero(first >= start)
            inside = inside[np.argsort(second[inside], kind="stable")]
            crowd = _crowd(count, second[inside] - start, first[inside] - start)
            crowded[start:stop] = crowd
            if stop < len(hashes):
                known.add(start + np.flatnonzero(~crowd), None if crowd.any() else own)
            all_of_them = all_of_them[:, ~crowded[first]]
            first, second, distance, turn = all_of_them
            yield all_of_them[:, np.lexsort((first, turn, distance, second))]
            start = stop
            size = max(_BLOCK, min(2 * size, known.count // 4))


def _block(hashes: Array, start: int, size: int) -> tuple[Index | None, int]:
    """An index of the hashes from ``start`` on, and their number: ``size``, or less in a crowd; None for a leaf."""
    while True:
        block = hashes[start : start + size]
        if len(block) <= _LEAF:
            return None, size
        index = Index(words(block))
        if index.crowding() * len(block) <= _ALIKE:
            return index, size
        size = max(_LEAF, len(block) // 2)


def _asked(
    hashes: Array,
    levels: Sequence[tuple[Array, Index]],
    own: Index | None,
    start: int,
    threshold: int,
    span: tuple[int, int],
) -> tuple[int, Array]:
    """Search for a part of a block among the known hashes and earlier ones of the block: number of queries, pairs."""
    part = hashes[span[0] : span[1]]
    upright, transposed = words(part), words(part, transposed=True)
    pairs = [np.zeros((4, 0), np.int64)]
    for places, index in levels:
        query, hit, distance, turn = found(index, upright, transposed, threshold)
        pairs.append(_rows(places[hit], query + span[0], distance, turn))
    if own is not None:
        earlier = np.arange(span[0] - start, span[1] - start)
        query, hit, distance, turn = found(own, upright, transposed, threshold, earlier)
        pairs.append(_rows(hit + start, query + span[0], distance, turn))
    return len(part), np.concatenate(pairs, axis=1)


def _rows(first: Array, second: Array, distance: Array, turn: Array) -> Array:
    return np.stack([first, second, distance, turn])


def _crowd(count: Array, query: Array, hit: Array) -> Array:
    """Which hashes of a block have too many known ones within the threshold, determined in order.

    Args:
        count: for each hash, the number of known hashes from before the block.
        query: the later position of each pair within the block, ascending.
        hit: the earlier position of each pair.
    """
    crowd = np.zeros(len(count), bool)
    starts = np.searchsorted(query, np.arange(len(count) + 1))
    for one in np.flatnonzero(count + np.diff(starts) >= CROWD).tolist():
        others = hit[starts[one] : starts[one + 1]]
        crowd[one] = count[one] + np.count_nonzero(~crowd[others]) >= CROWD
    return crowd


class _Known:
    """The hashes that later ones are compared with: a few indexes, each more than twice as large as the next."""

    def __init__(self, hashes: Array) -> None:
        self._hashes = hashes
        self.levels: list[tuple[Array, Index]] = []
        self.count = 0

    def add(self, places: Array, index: Index | None) -> None:
        """Add hashes by position; ``index`` is their index if it already exists."""
        if not len(places):
            return
        self.count += len(places)
        while self.levels and len(self.levels[-1][0]) <= 2 * len(places):
            places, index = np.concatenate([self.levels.pop()[0], places]), None
        self.levels.append((places, index or Index(words(self._hashes[places]))))
