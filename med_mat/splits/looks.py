"""Pictures that look the same on the two sides of an experiment, found again from their perceptual hashes alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from med_mat.leakage.forest import components
from med_mat.leakage.fingerprint import BITS, turns
from med_mat.leakage.groups import COMMON_LOOK
from med_mat.leakage.near import THRESHOLD, unpacked
from med_mat.location import INDEX, Location

Array = NDArray[Any]

#: Different looks of both sides together up to which they are compared bit by bit: some ten seconds on two cores.
COMPARED = 200_000
#: Comparisons of two hashes up to which it is faster to make them all than to build a table of pieces first.
_PLAIN = 4 * 10**9
_PIECES, _PIECE_BITS, _FLIPS = 11, 23, 1  # exact for 21 bits: see med_mat.leakage.near
_BATCH = 256
#: Pairs that one step may find: a crowd of empty pictures, all alike, would fill the memory.
_FOUND = 2**25


def shared_looks(train: pa.Array, test: pa.Array, threshold: int = THRESHOLD) -> tuple[Array, Array]:
    """Which looks of the two sides are the same, or differ in at most ``threshold`` bits, flipped or turned included.

    Args:
        train: different perceptual hashes, as hexadecimal text.
        test: the same of the other side.
        threshold: in bits, 21 at most.

    Returns:
        Positions in train and in test, as pairs.
    """
    import faiss

    if not len(train) or not len(test):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    one, other = unpacked(train.to_pylist()), unpacked(test.to_pylist())
    turned = np.concatenate(list(turns(other)))
    index: Any = faiss.IndexBinaryFlat(BITS)
    if len(one) * len(turned) > _PLAIN:
        index = faiss.IndexBinaryMultiHash(BITS, _PIECES, _PIECE_BITS)
        index.nflip = _FLIPS
    index.add(turned)
    found = [np.zeros((2, 0), np.int64)]
    step = min(max(_FOUND // len(turned), 64), 4096)
    for start in range(0, len(one), step):
        limits, _, hit = index.range_search(one[start : start + step], threshold + 1)  # faiss means: nearer than that
        query = np.repeat(np.arange(len(limits) - 1), np.diff(limits.astype(np.int64)))
        found.append(np.unique(np.stack([query + start, hit % len(other)]), axis=1))
    first, second = np.concatenate(found, axis=1)
    return first, second


def common_looks(location: Location, looks: Sequence[str], pairs: tuple[Array, Array], threshold: int) -> Array:
    """Which of these looks are common: more than :data:`~med_mat.leakage.groups.COMMON_LOOK` patients of a source share
    them, and a build does not join records by them.

    A look is taken with all that are like it, and like those, in the whole build. This is asked only of looks that lie
    on both sides, of which an honest build has none or common ones; the first that is not settles the matter.

    Args:
        location: of the build.
        looks: different perceptual hashes.
        pairs: positions of looks that are the same picture.
        threshold: in bits.
    """
    crowd = components(len(looks), *pairs)
    common = np.zeros(len(looks), dtype=bool)
    hashes, holder, source, patient = _patients(location)
    if not len(holder):
        return common
    known = unpacked(hashes.to_pylist())
    for number in np.unique(crowd):
        mine = np.flatnonzero(crowd == number)
        if not _spreads(known, unpacked([looks[one] for one in mine.tolist()]), (holder, source, patient), threshold):
            break
        common[mine] = True
    return common


def _spreads(known: Array, seeds: Array, patients: tuple[Array, Array, Array], threshold: int) -> bool:
    """Whether a look, with all that are like it, belongs to more patients of one source than a picture can."""
    import faiss

    index = faiss.IndexBinaryFlat(BITS)
    index.add(known)
    holder, source, patient = patients
    reached, edge = np.zeros(len(known), dtype=bool), seeds
    while len(edge):
        hits = [index.range_search(one, threshold + 1)[2] for one in turns(edge[:_BATCH])]
        new = np.unique(np.concatenate(hits))
        new = new[~reached[new]]
        reached[new] = True
        there = reached[holder]
        people = np.unique(np.stack([source[there], patient[there]]), axis=1)
        if np.bincount(people[0], minlength=1).max() > COMMON_LOOK:
            return True
        edge = np.concatenate([edge[_BATCH:], known[new]])
    return False


def _patients(location: Location) -> tuple[pa.Array, Array, Array, Array]:
    """The different looks of a build, and for each record of a known patient its look, source and patient."""
    table = pq.read_table(location.local(INDEX), columns=["perceptual_hash", "source", "patient"])
    table = table.filter(pc.is_valid(table["perceptual_hash"]))
    looks = pc.dictionary_encode(table["perceptual_hash"]).combine_chunks()
    named = np.asarray(pc.is_valid(table["patient"]))
    sources = np.asarray(pc.dictionary_encode(table["source"]).combine_chunks().indices)
    people = np.asarray(pc.fill_null(table["patient"], -1))
    return looks.dictionary, np.asarray(looks.indices)[named], sources[named], people[named]
