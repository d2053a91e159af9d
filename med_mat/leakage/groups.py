"""Groups: records that must stay on one side of a split, over all sources, and the links between duplicates.

A group is a connected component over patients, raw files, equal files, equal pixels, ids that sources share,
near-duplicates, images that are rotated, shifted or zoomed copies of another, and neighboring slices of a scan. Groups
and links are a function of the set of records, whatever their order: links follow the order of casefolded ids, and
groups are numbered last. An image without structure (all black) links no records, however many patients have it.
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
from med_mat.example import FRAME
from med_mat.leakage.components import components
from med_mat.leakage.links import (
    LINK_SCHEMA,
    REASONS,
    Edges,
    check_links,
    edges,
    encoded,
    gathered,
    link_table,
    stars,
    surest,
)
from med_mat.leakage.near import near_links, unpacked
from med_mat.leakage.thumbnails import Thumbnails
from med_mat.leakage.transformed import transformed
from med_mat.raw.names import folded

__all__ = ["COLUMNS", "DUPLICATES", "LINK_SCHEMA", "LOOKED_AT", "REASONS", "Groups", "check_links", "find_groups"]

Array = NDArray[Any]

#: The file next to the index that contains the links.
DUPLICATES = "duplicates.parquet"
#: The columns that :func:`find_groups` reads of every record.
COLUMNS = ("id", "image_id", "source", "path", "patient_key", "sha256", "pixel_hash", "perceptual_hash")
#: The columns that it also reads if there are thumbnails; ``image`` is the position of a record's thumbnail, or null.
LOOKED_AT = ("modality", "descriptor", "image")
#: A perceptual hash shared by more than this many patients of one source is uninformative and creates no link: nearly
#: empty slices, lung masks, a screen before the probe touches. Such links would chain all patients into one group.
COMMON_HASH = 8
_FILE, _PIXELS, _SHARED, _NEAR, _PATIENT = map(
    REASONS.index, ("same file", "same pixels", "shared id", "near", "same patient")
)


@dataclass(frozen=True, slots=True)
class Groups:
    """The result of :func:`find_groups`."""

    numbers: pa.Array  # (n,) int32: for each record the position of the first record of its group
    within: pa.Array  # (n,) int32: the same within its source, as a function of the records of that source alone
    links: pa.Table  # LINK_SCHEMA, in the order of ids; n - 1 links for n copies of an image
    counts: dict[str, int]  # for the manifest


def find_groups(
    records: pa.Table,
    shared: Mapping[str, Sequence[SharedId]],
    thumbnails: Thumbnails | None = None,
    *,
    progress: bool = False,
) -> Groups:
    """The groups of all records, and the links between duplicates.

    Args:
        records: the columns :data:`COLUMNS`; null means unknown and links nothing.
        shared: source -> the ids in its paths that other sources use too.
        thumbnails: thumbnails of the images; ``records`` must then have the columns :data:`LOOKED_AT` too. Without
            them, transformed copies are not searched for.
        progress: whether to show a progress bar during the search for near-duplicates.

    Raises:
        BuildError: the two records of a link are in different groups: a bug in Med-MAT.
    """
    firsts, image = _images(records)
    images = records.select([*COLUMNS, *(LOOKED_AT if thumbnails is not None else ())]).take(pa.array(firsts))
    count = images.num_rows
    source, patient = (encoded(images[name]) for name in ("source", "patient_key"))
    raw_file = _paired(source, encoded(pc.replace_substring_regex(images["path"], FRAME, "")))
    anyway = gathered(
        edges(_PATIENT, *stars(codes, source))
        for codes in (raw_file, _paired(source, patient), _paired(source, encoded(_folded(images["image_id"]))))
    )
    known = components(count, anyway.first, anyway.second)
    sure = gathered(_sure(images, source, raw_file, shared))
    near, crowded = _near(images["perceptual_hash"], source, progress)
    counts = {"pictures in a crowd": crowded}
    if thumbnails is not None:
        turned, more = transformed(images, source, known, gathered([sure, near]), thumbnails, progress=progress)
        near, counts = gathered([near, turned]), counts | more
    likely, counts["records of a common look"] = _uncommon(near, source, patient)
    found = gathered([sure, likely])
    patients = edges(_PATIENT, *stars(patient, source))
    patients = patients.chosen(source[patients.first] != source[patients.second])
    everything = gathered([anyway, found, patients])
    numbers = components(count, everything.first, everything.second)
    own = everything.chosen(source[everything.first] == source[everything.second])
    within = components(count, own.first, own.second)
    links = surest(count, found)
    links = links.chosen((known[links.first] != known[links.second]) | (links.reason < _NEAR))
    links = gathered([links, patients])
    links = links.chosen(np.lexsort((links.reason, links.second, links.first)))
    groups = Groups(
        _numbered(numbers[image]),
        _numbered(within[image]),
        link_table(links, images, known),
        counts,
    )
    check_links(groups.links, records["id"], groups.numbers)
    return groups


def _images(records: pa.Table) -> tuple[Array, Array]:
    """The first record of each image, by casefolded id and then by id; for each record, the number of its image."""
    keys = pa.table({"folded": _folded(records["id"]), "id": records["id"]})
    order = np.asarray(pc.sort_indices(keys, sort_keys=[("folded", "ascending"), ("id", "ascending")]))
    codes = encoded(records["image_id"])[order]
    _, places, which = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(places))
    image = np.empty(records.num_rows, np.int64)
    image[order] = rank[which]
    return order[np.sort(places)], image


def _folded(column: pa.ChunkedArray) -> pa.Array:
    """Strings folded so that names which are equal on some file systems are equal."""
    return pa.array(map(folded, column.to_pylist()), pa.string())


def _numbered(labels: Array) -> pa.Array:
    """Labels of sets as the position of each set's first member."""
    _, lowest, which = np.unique(labels, return_index=True, return_inverse=True)
    return pa.array(lowest[which], pa.int32())


def _paired(first: Array, second: Array) -> Array:
    """A number for each pair of numbers; -1 if the second one is negative."""
    pairs = first.astype(np.int64) * (int(second.max(initial=0)) + 1) + second
    return np.where(second < 0, -1, pairs)


def _sure(
    images: pa.Table, source: Array, raw_file: Array, shared: Mapping[str, Sequence[SharedId]]
) -> Iterator[Edges]:
    """Pairs of equal files, pixels and ids, without images that have no structure."""
    nothing = np.asarray(pc.and_(pc.is_valid(images["pixel_hash"]), pc.is_null(images["perceptual_hash"])))
    file, pixels = (np.where(nothing, -1, encoded(images[name])) for name in ("sha256", "pixel_hash"))
    frame = pc.struct_field(pc.extract_regex(images["path"], rf"(?P<frame>{FRAME})"), "frame")
    yield edges(_FILE, *stars(_paired(encoded(frame) + 1, file), source))
    # one file with two names, of which the sources use different frames
    first = np.zeros(len(file), bool)
    first[np.unique(np.where(file < 0, -1, raw_file), return_index=True)[1]] = True
    yield edges(_FILE, *stars(np.where(first, file, -1), source))
    yield edges(_PIXELS, *stars(pixels, source))
    for codes in _shared_codes(images, shared):
        yield edges(_SHARED, *stars(codes, source))


def _shared_codes(images: pa.Table, shared: Mapping[str, Sequence[SharedId]]) -> Iterator[Array]:
    """For each namespace, a number for every id in the paths of its sources."""
    for namespace in sorted({one.namespace for ids in shared.values() for one in ids}):
        column = pa.chunked_array([pa.nulls(images.num_rows, pa.string())])
        for source, ids in sorted(shared.items()):
            for one in ids:
                if one.namespace == namespace:
                    mine = pc.if_else(pc.equal(images["source"], source), images["path"], pa.scalar(None, pa.string()))
                    # RE2: linear in the length of the path for any pattern
                    column = pc.coalesce(column, pc.struct_field(pc.extract_regex(mine, one.pattern), "id"))
        yield encoded(column)


def _near(column: pa.ChunkedArray, source: Array, progress: bool) -> tuple[Edges, int]:
    """Pairs that connect near-duplicates, and the number of images with too many neighbors to search for.

    Each source is searched by itself first, so that its own pairs do not depend on others; then the uncrowded images of
    all sources are searched together.
    """
    codes = encoded(column)
    parts = [edges(_NEAR, *stars(codes, source), 0)]  # equal hashes of different pixels
    own = [_holders(codes, np.flatnonzero((source == one) & (codes >= 0))) for one in range(source.max(initial=-1) + 1)]
    lonely, crowded = [], 0
    for holders in own:
        found = near_links(unpacked(column.take(holders).to_pylist()), np.arange(len(holders)), progress=progress)
        parts.append(_near_edges(found, holders))
        lonely.append(holders[~found.crowded])
        crowded += int(found.crowded.sum())
    if sum(map(len, own)) > max(map(len, own), default=0):
        joined = gathered(parts)
        labels = components(len(codes), joined.first, joined.second)
        holders = _holders(codes, np.sort(np.concatenate(lonely)))
        found = near_links(unpacked(column.take(holders).to_pylist()), labels[holders], progress=progress)
        across = _near_edges(found, holders)
        parts.append(across.chosen(source[across.first] != source[across.second]))
    return gathered(parts), crowded


def _holders(codes: Array, places: Array) -> Array:
    """The first of the given positions for each code."""
    return places[np.sort(np.unique(codes[places], return_index=True)[1])]


def _near_edges(found: Any, holders: Array) -> Edges:
    return edges(_NEAR + found.turned, holders[found.first], holders[found.second], found.distance)


def _uncommon(likely: Edges, source: Array, patient: Array) -> tuple[Edges, int]:
    """Pairs without those of a hash that is common in its source; the number of images with such hashes."""
    own = likely.chosen(source[likely.first] == source[likely.second])
    hashes = components(len(source), own.first, own.second)
    linked = np.unique(np.concatenate([own.first, own.second]))
    known = linked[patient[linked] >= 0]
    each = np.unique(np.stack([hashes[known], patient[known]]), axis=1)
    shown, patients = np.unique(each[0], return_counts=True)
    common = np.isin(hashes, shown[patients > COMMON_HASH])
    return likely.chosen(~common[likely.first] & ~common[likely.second]), int(common.sum())
