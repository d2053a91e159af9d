"""Records and files without the publishers' names: what stands for them where file names identify people.

A set that is published without pixels holds, for such a source, the first digits of a raw file's sha256 in place of its
name, with the frame or slice in it. Whoever has the raw files computes the same from them; nobody else learns a name.
Everything here follows from an index or a list of files, and is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from med_mat.building.files import SCHEMA, FileIndex
from med_mat.catalog import Source

#: The key of a manifest under which it holds, for each source without names, what of it identifies.
WITHOUT_NAMES = "without_names"
#: What :func:`public_ids` reads of an index.
COLUMNS = ("id", "path", "sha256")
FILE_NAMES, RAW_LABELS, TABLES = "file names", "raw labels", "tables"

_DIGITS = 20  # of 64: two different files have the same ones once in 10^12 builds of a million files
_ID = r"^(?P<source>[^/]*)/(?P<row>\d+)/"
_FRAME = r"(?P<frame>#(?:frame=\d+|slice=\d+(?:,axis=\d)?(?:,volume=\d+)?))$"  # as Example.frame writes it
_UNTOLD = "not told, since the text may hold names"


def identifies(source: Source) -> tuple[str, ...]:
    """What of a source may identify people, of what a set without pixels would hold; all of it where nobody looked."""
    if source.identifying is None:
        return FILE_NAMES, RAW_LABELS, TABLES
    places = {one.where for one in source.identifying}
    return tuple(one for one in (FILE_NAMES, RAW_LABELS, TABLES) if one in places)


def public_ids(records: pa.Table) -> tuple[pa.Array, pa.Array]:
    """The ids and image ids that records have where they go without names.

    That is ``source/row/`` and the first 20 digits of the raw file's sha256, with the frame or slice, and ``~2``,
    ``~3``… in the order of ids where several images of a source are equal in that; the image id is the same without the
    row. Records that have no path have such an id already.

    Args:
        records: (n,) with the columns :data:`COLUMNS`: all records of their sources, in whatever order.

    Returns:
        (n,) strings, twice.
    """
    ids, paths, digests = (_whole(records[name]) for name in COLUMNS)
    place = pc.extract_regex(ids, _ID)
    source, row = (pc.struct_field(place, name) for name in ("source", "row"))
    frame = pc.coalesce(pc.struct_field(pc.extract_regex(paths, _FRAME), "frame"), "")
    rest = pc.replace_substring_regex(ids, _ID.replace("?P<source>", "?:").replace("?P<row>", "?:"), "")
    digits = pc.coalesce(pc.utf8_slice_codeunits(digests, 0, _DIGITS), "unknown")
    images = pc.binary_join_element_wise(source, rest, "/").dictionary_encode()
    codes = images.indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    wanted = pc.binary_join_element_wise(digits, frame, "").take(pa.array(first))
    tails = _numbered(source.take(pa.array(first)), wanted, images.dictionary).take(images.indices)
    named = pc.is_valid(paths)
    tails = pc.if_else(named, tails, rest)
    return pc.binary_join_element_wise(source, row, tails, "/"), pc.binary_join_element_wise(source, tails, "/")


def nameless_files(index: FileIndex) -> FileIndex:
    """A source's index of files without their paths: only of files that records were made of."""
    if not index.named:
        return index
    files = index.files.filter(pc.not_equal(index.files["role"], "skipped")).combine_chunks()
    digits = pc.coalesce(pc.utf8_slice_codeunits(_whole(files["sha256"]), 0, _DIGITS), "unknown")
    one = pa.array(np.full(len(files), index.source), pa.string())
    names = _numbered(one, digits, _whole(files["path"]))
    table = files.set_column(0, SCHEMA.field("path"), names).sort_by("path")
    return index._replace(files=table, named=False)


class Nameless:
    """How the records of a build are told where some of its sources go without names.

    Args:
        records: :data:`COLUMNS` of the whole index.
        hidden: source -> what of it identifies, as :func:`identifies` says.
        vocabulary: source -> the raw labels that its card lists, which are no secret.
    """

    def __init__(
        self, records: pa.Table, hidden: Mapping[str, Collection[str]], vocabulary: Mapping[str, Collection[str]]
    ) -> None:
        self._hidden, self._vocabulary = hidden, vocabulary
        self._old = _whole(records["id"])
        public = public_ids(records)
        source = pc.struct_field(pc.extract_regex(self._old, _ID), "source")
        unnamed = pc.is_in(source, pa.array(self._of(FILE_NAMES), pa.string()))
        images = pc.replace_substring_regex(self._old, r"^([^/]*)/\d+/", r"\1/")
        self._ids, self._images = (
            pc.if_else(unnamed, new, old) for new, old in zip(public, (self._old, images), strict=True)
        )

    def _of(self, what: str) -> list[str]:
        return [name for name, places in self._hidden.items() if what in places]

    def table(self, records: pa.Table) -> pa.Table:
        """Records, or rows of the index, with public ids in place of names; all else as it is."""
        at = pc.index_in(_whole(records["id"]), self._old)
        unnamed = pc.is_in(records["source"], pa.array(self._of(FILE_NAMES), pa.string()))
        nothing = pa.scalar(None, pa.string())
        columns: dict[str, Any] = {
            "id": self._ids.take(at),
            "path": pc.if_else(unnamed, nothing, records["path"]),
            "raw_label": self._raw_labels(records),
        }
        # an image id may be spelt otherwise than the id where no name is hidden
        columns["image_id"] = pc.if_else(unnamed, self._images.take(at), records["image_id"])
        for name, column in columns.items():
            place = records.schema.get_field_index(name)
            records = records.set_column(place, records.schema.field(place), column)
        return records

    def links(self, links: pa.Table) -> pa.Table:
        """Links between records, as ``duplicates.parquet`` holds them, with public ids for both ends."""
        for name in ("first", "second"):
            ends = self._ids.take(pc.index_in(_whole(links[name]), self._old))
            place = links.schema.get_field_index(name)
            links = links.set_column(place, links.schema.field(place), ends)
        return links

    def _raw_labels(self, records: pa.Table) -> pa.ChunkedArray:
        """Raw labels; null, where they identify, for what is no word of the source's card."""
        column, nothing = records["raw_label"], pa.scalar(None, pa.string())
        for name in self._of(RAW_LABELS):
            mine = pc.equal(records["source"], name)
            known = self._vocabulary[name]
            listed = [
                one for one in pc.unique(column.filter(mine)).to_pylist() if one and set(one.split("|")) <= set(known)
            ]
            secret = pc.and_(mine, pc.invert(pc.is_in(column, pa.array(listed, pa.string()))))
            column = pc.if_else(secret, nothing, column)
        return column


def nameless_ledger(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The brief ledger of a source, its counts alone: reasons, and the first example of each, may hold names."""
    counts = {
        "skipped_by_reason": _sum(entry["skipped_by_reason"].values()),
        "missing_by_table": _sums("images", entry["missing_by_table"]),
        "rows_unread_by_reason": _sums("rows", entry["rows_unread_by_reason"]),
        "tables_noted": _sums("places", entry["tables_noted"]),
    }
    images = {**entry["images"], "unused_by_reason": _sums("files", entry["images"]["unused_by_reason"])}
    files = {**entry["files"], "skipped_by_reason": _sum(entry["files"]["skipped_by_reason"].values())}
    told = entry["contradictions"]
    return {
        **entry, **counts, "images": images, "files": files,
        "contradictions": told and told.partition(", first: ")[0],
    }  # fmt: skip


def _sum(counts: Iterable[int]) -> dict[str, int]:
    total = sum(counts)
    return {_UNTOLD: total} if total else {}


def _sums(what: str, found: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    total = sum(one[what] for one in found.values())
    return {_UNTOLD: {what: total, "first": None}} if total else {}


def _numbered(source: pa.Array, wanted: pa.Array, names: pa.Array) -> pa.Array:
    """What stands for names: what is wanted, with ~2, ~3… where several names of a source would have the same."""
    keys = pc.binary_join_element_wise(source, wanted, "/").dictionary_encode()
    codes = keys.indices.to_numpy()
    several = np.flatnonzero(np.bincount(codes, minlength=len(keys.dictionary))[codes] > 1)
    if not len(several):
        return wanted
    mine = names.take(pa.array(several))
    table = pa.table({"key": codes[several], "folded": pc.utf8_lower(mine), "name": mine})
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in table.column_names]).to_numpy()
    arranged = codes[several][order]
    _, starts, sizes = np.unique(arranged, return_index=True, return_counts=True)
    turn = np.arange(len(order)) - np.repeat(starts, sizes)
    suffix = np.full(len(names), "", dtype=object)
    suffix[several[order]] = [f"~{number + 1}" if number else "" for number in turn.tolist()]
    return pc.binary_join_element_wise(wanted, pa.array(suffix, pa.string()), "")


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array of texts."""
    found = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
