"""Groups: records that must stay on one side of a split, over all sources, and the links between duplicates.

A group is a connected component over patients, raw files, equal files, equal pixels, ids that sources share, and
near-duplicates. Two records of one source that are of one patient, or of one raw file (its slices, frames, and the rows
that it serves), belong together anyway: they are no duplicates, and no link is noted between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from med_mat.catalog import SharedId
from med_mat.leakage.forest import Forest
from med_mat.leakage.near import near_links, unpacked

Array = NDArray[Any]

#: The file beside the index that holds the links.
DUPLICATES = "duplicates.parquet"
#: What :func:`find_groups` reads of every record.
COLUMNS = ("id", "source", "path", "patient_key", "sha256", "pixel_hash", "perceptual_hash")
#: Why two records are linked, the surest first.
REASONS = ("same file", "same pixels", "shared id", "near", "near, turned")
LINK_SCHEMA = pa.schema(
    [
        ("first", pa.string()),
        ("second", pa.string()),
        ("first_source", pa.string()),
        ("second_source", pa.string()),
        ("reason", pa.string()),
        ("distance", pa.int16()),  # bits of the perceptual hashes, 0 to 256; null for other reasons
    ]
)
#: A look that so many patients of one source share is no copy of a picture: an all but empty slice, a mask of a lung, a
#: screen before the probe touches. Links by such looks would chain all patients of a source into one group.
COMMON_LOOK = 8


@dataclass(frozen=True, slots=True)
class Groups:
    """What :func:`find_groups` found."""

    numbers: pa.Array  # int32, for each record the position of its group's first record
    links: pa.Table  # LINK_SCHEMA, in the order of the records; n - 1 links for n copies of a picture
    common: int  # pictures left unlinked since their look is common


def find_groups(records: pa.Table, shared: Mapping[str, Sequence[SharedId]], *, progress: bool = False) -> Groups:
    """The groups of all records, and the links between duplicates.

    Args:
        records: the columns :data:`COLUMNS`, where null means unknown and joins nothing.
        shared: source -> the ids in its paths that other sources use too.
        progress: whether to show a bar while near-duplicates are searched.
    """
    count = records.num_rows
    everything = np.arange(count)
    source, patient = (_codes(records[name]) for name in ("source", "patient_key"))
    raw_file = pc.replace_substring_regex(records["path"], r"#(frame|slice)=[^#]*$", "")
    known = Forest(_paired(source, _codes(raw_file)))  # what belongs together without looking at it
    known.join(*_stars(np.where(patient < 0, -1, _paired(source, patient))))
    alone = known.roots(everything)
    groups, pictures = Forest(alone), Forest(_paired(source, _codes(records["path"])))
    groups.join(*_stars(patient))  # of several sources, where one uses the patient numbers of another
    links: list[tuple[Array, Array, Array, Array]] = []

    def link(reason: int | Array, first: Array, second: Array, distance: int | Array = -1) -> None:
        groups.join(first, second)
        apart = alone[first] != alone[second]
        pictures.join(first[~apart], second[~apart])
        chosen = np.flatnonzero(apart)
        chosen = chosen[pictures.join(first[apart], second[apart])]
        reasons, distances = (np.broadcast_to(fact, len(first))[chosen] for fact in (reason, distance))
        links.append((first[chosen], second[chosen], reasons, distances))

    link(0, *_stars(_codes(records["sha256"])))
    link(1, *_stars(_codes(records["pixel_hash"])))
    for codes in _shared_codes(records, shared):
        link(2, *_stars(codes))
    first, second, distance, turned = _near(records["perceptual_hash"], pictures, progress)
    looks = Forest(everything)
    looks.join(first, second)
    linked = np.unique(np.concatenate([first, second]))
    common = _common(looks.roots(linked), patient[linked], source[linked])
    plain = ~np.isin(looks.roots(first), common)
    link(3 + turned[plain], first[plain], second[plain], distance[plain])
    left = int(np.isin(looks.roots(linked), common).sum())
    return Groups(pa.array(groups.roots(everything), pa.int32()), _table(records, links), left)


def _paired(first: Array, second: Array) -> Array:
    """A number for each pair of numbers."""
    return first.astype(np.int64) * (int(second.max(initial=0)) + 1) + second


def _codes(column: pa.ChunkedArray) -> Array:
    """A number for each distinct value, -1 for null."""
    return np.asarray(pc.fill_null(pc.dictionary_encode(column).combine_chunks().indices, -1))


def _stars(codes: Array) -> tuple[Array, Array]:
    """Pairs that join all positions of one code to the first of them."""
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    begins = np.flatnonzero(np.diff(codes[order], prepend=-1))
    firsts = np.repeat(order[begins], np.diff(begins, append=len(order)))
    other = order != firsts
    return firsts[other], order[other]


def _shared_codes(records: pa.Table, shared: Mapping[str, Sequence[SharedId]]) -> Iterator[Array]:
    """For each namespace, a number for every id that the paths of its sources hold."""
    sources = records["source"]
    for namespace in sorted({one.namespace for ids in shared.values() for one in ids}):
        column = pa.chunked_array([pa.nulls(records.num_rows, pa.string())])
        for source, ids in sorted(shared.items()):
            for one in ids:
                if one.namespace == namespace:
                    mine = pc.if_else(pc.equal(sources, source), records["path"], pa.scalar(None, pa.string()))
                    # RE2: linear in the length of the path, whatever the pattern
                    found = pc.struct_field(pc.extract_regex(mine, one.pattern), "id")
                    column = pc.coalesce(column, found)
        yield _codes(column)


def _near(column: pa.ChunkedArray, pictures: Forest, progress: bool) -> tuple[Array, Array, Array, Array]:
    """Pairs that connect near-duplicates, the nearest first: positions, bits that differ, whether flipped or turned."""
    codes = _codes(column)
    first, second = _stars(codes)  # equal hashes of different pixels
    parts = [(first, second, np.zeros(len(first), np.int64), np.zeros(len(first), bool))]
    known = np.flatnonzero(codes >= 0)
    holders = known[np.unique(codes[known], return_index=True)[1]]  # the first record of each hash
    near = near_links(unpacked(column.take(holders).to_pylist()), pictures.roots(holders), progress=progress)
    parts.append((holders[near.first], holders[near.second], near.distance, near.turned))
    first, second, distance, turned = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((second, first, distance))
    return first[order], second[order], distance[order], turned[order]


def _common(looks: Array, patients: Array, sources: Array) -> Array:
    """The looks that more than :data:`COMMON_LOOK` patients of one source share."""
    known = patients >= 0
    each = np.unique(np.stack([looks[known], sources[known], patients[known]]), axis=1)
    pairs, counts = np.unique(each[:2], axis=1, return_counts=True)
    return np.asarray(pairs[0, counts > COMMON_LOOK])


def _table(records: pa.Table, links: Sequence[tuple[Array, Array, Array, Array]]) -> pa.Table:
    first, second, reason, bits = (np.concatenate(part) for part in zip(*links, strict=True))
    order = np.lexsort((second, first))
    first, second, reason, bits = first[order], second[order], reason[order], bits[order].astype(np.int16)
    columns = [records[name].take(pa.array(side)) for name in ("id", "source") for side in (first, second)]
    distance = pa.array(bits, pa.int16(), mask=bits < 0)
    reasons = pa.array(REASONS).take(pa.array(reason, pa.int8()))
    return pa.Table.from_arrays([*columns, reasons, distance], schema=LINK_SCHEMA)
