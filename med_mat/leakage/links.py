"""Links between records that show the same image, scan or patient: pairs with a reason, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from med_mat.errors import BuildError
from med_mat.leakage.components import spanning_forest

Array = NDArray[Any]

#: The reasons why two records are linked, the most certain first.
REASONS = (
    "same file",
    "same pixels",
    "shared id",
    "near",
    "near, turned",
    "transformed",
    "same scan",
    "same patient",
)
#: What two linked records have in common.
KINDS = ("same picture", "same scan", "same patient")
LINK_SCHEMA = pa.schema(
    [
        ("first", pa.string()),  # the earlier in the order of casefolded NFC ids
        ("second", pa.string()),
        ("first_source", pa.string()),
        ("second_source", pa.string()),
        ("reason", pa.string()),
        ("distance", pa.int16()),  # Hamming distance of the perceptual hashes, 0 to 256; null for other reasons
        ("score", pa.float32()),  # score of the geometric verification, 0 to 1; null for other reasons
        ("kind", pa.string()),
        ("known", pa.bool_()),  # both belong to one patient or one raw file of one source anyway
    ]
)
_SCANS = REASONS.index("same scan")
_PATIENTS = REASONS.index("same patient")


class Edges(NamedTuple):
    """Pairs of images, by position; every array is (n,)."""

    first: Array
    second: Array
    reason: Array  # position in REASONS
    distance: Array  # -1: none
    score: Array  # NaN: none

    def chosen(self, which: Array) -> Edges:
        """The pairs at these positions, or where this mask is True."""
        return Edges(*(part[which] for part in self))


def edges(reason: int | Array, first: Array, second: Array, distance: Any = -1, score: Any = np.nan) -> Edges:
    """Pairs, the lower position first; a value common to all pairs may be a scalar."""
    size = len(first)
    return Edges(
        np.minimum(first, second).astype(np.int64),
        np.maximum(first, second).astype(np.int64),
        np.broadcast_to(np.asarray(reason, np.int64), size),
        np.broadcast_to(np.asarray(distance, np.int64), size),
        np.broadcast_to(np.asarray(score, np.float64), size),
    )


def encoded(column: pa.ChunkedArray | pa.Array) -> Array:
    """A number for each distinct value, -1 for null."""
    found = pc.dictionary_encode(column)
    found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    return np.asarray(pc.fill_null(found.indices, -1))


def gathered(parts: Iterable[Edges]) -> Edges:
    """The concatenation of several sets of pairs."""
    empty = np.zeros(0, np.int64)
    return Edges(*map(np.concatenate, zip(edges(0, empty, empty), *parts, strict=True)))


def surest(count: int, found: Edges) -> Edges:
    """n - 1 pairs for n copies of one image, the most certain and closest ones, in the order of the images.

    Args:
        count: total number of images.
        found: the pairs to choose from.
    """
    order = np.lexsort((found.second, found.first, -np.nan_to_num(found.score), found.distance, found.reason))
    ranked = found.chosen(order)
    kept = ranked.chosen(spanning_forest(count, ranked.first, ranked.second))
    return kept.chosen(np.lexsort((kept.second, kept.first)))


def stars(codes: Array, part: Array) -> tuple[Array, Array]:
    """Pairs that link all positions with the same code: to the first of their part, and these to the first of all.

    So the links within a part do not depend on other parts.

    Args:
        codes: (n,) int; negative codes link nothing.
        part: (n,) int: the part of each position.
    """
    order = np.lexsort((part, codes))
    order = order[codes[order] >= 0]
    begins = np.diff(codes[order], prepend=-1) != 0
    own = begins | (np.diff(part[order], prepend=-1) != 0)
    places = np.arange(len(order))
    first = order[np.maximum.accumulate(np.where(own, places, 0))]
    leader = order[np.maximum.accumulate(np.where(begins, places, 0))]
    center = np.where(own, leader, first)
    other = ~begins
    return center[other], order[other]


def link_table(found: Edges, images: pa.Table, known: Array) -> pa.Table:
    """Pairs as a table of :data:`LINK_SCHEMA`.

    Args:
        found: the pairs.
        images: a table with ``id`` and ``source`` of every image.
        known: (n,) int: for each image, the number of its patient or raw file.
    """
    columns = [images[name].take(pa.array(side)) for name in ("id", "source") for side in (found.first, found.second)]
    kinds = np.select([found.reason == _PATIENTS, found.reason == _SCANS], [2, 1], 0)
    return pa.Table.from_arrays(
        [
            *columns,
            pa.array(REASONS).take(pa.array(found.reason)),
            pa.array(found.distance.astype(np.int16), mask=found.distance < 0),
            pa.array(found.score.astype(np.float32), mask=np.isnan(found.score)),
            pa.array(KINDS).take(pa.array(kinds)),
            pa.array(known[found.first] == known[found.second]),
        ],
        schema=LINK_SCHEMA,
    )


def check_links(links: pa.Table, ids: pa.ChunkedArray | Sequence[str], numbers: pa.Array) -> None:
    """Check that both records of each link are in the same group.

    Args:
        links: a table of :data:`LINK_SCHEMA`.
        ids: the ids of all records.
        numbers: the group of each record.

    Raises:
        BuildError: the records of a link are in different groups, or one of them does not exist.
    """
    known = ids if isinstance(ids, (pa.ChunkedArray, pa.Array)) else pa.array(ids, pa.string())
    groups = np.asarray(numbers)
    places = [pc.index_in(links[side], value_set=known) for side in ("first", "second")]
    for side, place in zip(("first", "second"), places, strict=True):
        if place.null_count:
            lost = links[side].filter(pc.is_null(place))[0].as_py()
            raise BuildError(
                f"The links between duplicates name the record {lost!r}, which this build does not hold. "
                "Build again; if it comes back, it is a fault of med-mat, and a report would help."
            )
    first, second = (groups[np.asarray(place)] for place in places)
    torn = np.flatnonzero(first != second)
    if len(torn):
        one = links.slice(int(torn[0]), 1).to_pylist()[0]
        raise BuildError(
            f"{len(torn):,} of {links.num_rows:,} links between duplicates join records of two groups; the first is "
            f"{one['first']!r} - {one['second']!r} ({one['reason']}), of groups {first[torn[0]]} and "
            f"{second[torn[0]]}. Both ends of a link must lie in one group, or splits leak: this is a fault of med-mat."
        )
