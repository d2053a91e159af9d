"""Matches the hashes of images with those of a build: equal files, equal pixels, near-duplicates, transformed copies.

The hashes and thresholds are those by which a build groups its records (:mod:`med_mat.leakage`). An image without
structure (all black) matches nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from med_mat.imaging.descriptor import LENGTH
from med_mat.leakage.candidates import candidates_between
from med_mat.leakage.hamming import Index, found, words
from med_mat.leakage.links import REASONS, encoded
from med_mat.leakage.near import CROWD, THRESHOLD, unpacked

Array = NDArray[Any]

FILE, PIXELS, NEAR, TURNED, TRANSFORMED, SCAN = map(
    REASONS.index, ("same file", "same pixels", "near", "near, turned", "transformed", "same scan")
)
_BLOCK = 1 << 19  # hashes of a build that are indexed at once
_ASKED = 8192


class Matches(NamedTuple):
    """Pairs of an image and a record, by position; every array is (n,)."""

    image: Array
    record: Array
    reason: Array  # position in REASONS
    distance: Array  # Hamming distance of the perceptual hashes; -1: none

    @classmethod
    def of(cls, image: Array, record: Array, reason: Any, distance: Any = -1) -> Matches:
        """Pairs; a value common to all may be a scalar."""
        return cls(
            image, record, *(np.broadcast_to(np.asarray(one, np.int64), len(image)) for one in (reason, distance))
        )

    def chosen(self, which: Array) -> Matches:
        """The pairs at these positions, or where this mask is True."""
        return Matches(*(part[which] for part in self))


def surest(parts: list[Matches]) -> Matches:
    """Of each image and record, the most certain match."""
    joined = Matches(*map(np.concatenate, zip(*parts, strict=True)))
    order = np.lexsort((joined.distance, joined.reason, joined.record, joined.image))
    joined = joined.chosen(order)
    new = np.ones(len(joined.image), bool)
    new[1:] = (np.diff(joined.image) != 0) | (np.diff(joined.record) != 0)
    return joined.chosen(new)


def by_hash(images: pa.Table, records: pa.Table) -> Matches:
    """Matches of equal files and pixels and of near-duplicates, the latter not verified.

    Of the near-duplicates of one image, those of the :data:`~med_mat.leakage.near.CROWD` closest hashes are kept.

    Args:
        images: ``sha256``, ``pixel_hash`` and ``perceptual_hash`` of the images.
        records: the same of the records.
    """
    parts = []
    for name, reason in (("sha256", FILE), ("pixel_hash", PIXELS)):
        parts.append(Matches.of(*equal(*(_structured(table, name) for table in (images, records))), reason))
    parts.append(_near(images["perceptual_hash"], records["perceptual_hash"]))
    return surest(parts)


def _structured(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column, null for images that were decoded and have no structure."""
    nothing = pc.and_(pc.is_valid(table["pixel_hash"]), pc.is_null(table["perceptual_hash"]))
    return pc.if_else(nothing, pa.scalar(None, pa.string()), table[name])


def equal(first: pa.ChunkedArray, second: pa.ChunkedArray) -> tuple[Array, Array]:
    """All pairs of positions with equal values; null equals nothing."""
    codes = encoded(pa.chunked_array([*first.chunks, *second.chunks], pa.string()))
    return _joined(codes[: len(first)], codes[len(first) :])


def _joined(first: Array, second: Array) -> tuple[Array, Array]:
    """All pairs of positions with equal codes; negative ones equal nothing."""
    order = np.argsort(second, kind="stable")
    ranked = second[order]
    start, stop = (np.searchsorted(ranked, first, side=side) for side in ("left", "right"))
    count = np.where(first < 0, 0, stop - start)
    offset = np.repeat(start - (np.cumsum(count) - count), count)
    return np.repeat(np.arange(len(first)), count), order[offset + np.arange(count.sum())]


def _near(images: pa.ChunkedArray, records: pa.ChunkedArray) -> Matches:
    mine, theirs = (pc.unique(column.drop_null()) for column in (images, records))
    hashes = [unpacked(values.to_pylist()) for values in (mine, theirs)]
    kept = [np.zeros((4, 0), np.int64)]
    for start in range(0, len(theirs), _BLOCK):
        index = Index(words(hashes[1][start : start + _BLOCK]))
        for first in range(0, len(mine), _ASKED):
            part = hashes[0][first : first + _ASKED]
            near = found(index, words(part), words(part, transposed=True), THRESHOLD)
            kept.append(np.stack([near.query + first, near.hit + start, near.distance, near.turn]))
    pairs = np.concatenate(kept, axis=1)
    pairs = pairs[:, np.lexsort((pairs[1], pairs[2], pairs[0]))]
    rank = np.arange(pairs.shape[1]) - np.searchsorted(pairs[0], pairs[0])
    query, hit, distance, turn = pairs[:, rank < CROWD]
    place, image = _joined(query, np.asarray(pc.fill_null(pc.index_in(images, mine), -1)))
    pair, record = _joined(hit[place], np.asarray(pc.fill_null(pc.index_in(records, theirs), -1)))
    place, image = place[pair], image[pair]
    return Matches.of(image, record, np.where(turn[place] > 0, TURNED, NEAR), distance[place])


def by_descriptor(images: pa.ChunkedArray, records: pa.ChunkedArray) -> tuple[Array, Array]:
    """Candidates for transformed copies, to be verified: positions of images and of records.

    Args:
        images: the descriptors of the images, null where they have none.
        records: the same of the records.
    """
    places = [np.flatnonzero(np.asarray(pc.is_valid(one))) for one in (images, records)]
    data = [
        np.frombuffer(b"".join(column.drop_null().to_pylist()), np.int8).reshape(-1, LENGTH)
        for column in (images, records)
    ]
    first, second = candidates_between(*data)
    return places[0][first], places[1][second]
