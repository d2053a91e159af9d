"""Records and files without the publishers' file names, for sources whose file names identify people.

A dataset that is published without images has, for such a source, the first digits of a raw file's sha256 in place of
its name, and the frame or slice in it. Anyone who has the raw files can compute the same from them; nobody else learns
a name. Everything here is a function of an index or a list of files, the same on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from med_mat.catalog import Place, Source
from med_mat.errors import BuildError
from med_mat.example import FRAME
from med_mat.storage.raw_files import SCHEMA, FileIndex

#: The key of a manifest under which it holds, for each source without names, what of it identifies.
WITHOUT_NAMES = "without_names"
#: What :func:`public_ids` reads of an index.
COLUMNS = ("id", "path", "sha256")
FILE_NAMES: Place = "file names"
RAW_LABELS: Place = "raw labels"
TABLES: Place = "tables"

_DIGITS = 20  # of 64: two different files have the same ones once in 10^12 builds of a million files
_ID = r"^(?P<source>[^/]*)/(?P<row>\d+)/"
_EXAMPLE = re.compile(r"\s*\([^()]*\)")
_NOTHING = pa.scalar(None, pa.string())
_UNTOLD = "for reasons not told here, which may hold names"


def identifies(source: Source) -> tuple[Place, ...]:
    """Which parts of records without images may identify people; all of them where this was not checked."""
    return tuple(one for one in (FILE_NAMES, RAW_LABELS, TABLES) if source.identifies(one))


def without_examples(source: Source) -> Source:
    """A source whose card says what identifies people, without the examples in parentheses."""
    told = tuple(replace(one, what=_EXAMPLE.sub("", one.what)) for one in source.identifying or ())
    return replace(source, identifying=told or source.identifying)


def public_ids(records: pa.Table) -> tuple[pa.Array, pa.Array]:
    """The ids and image ids that records have where they go without names.

    That is ``source/row/`` and the first 20 digits of the raw file's sha256, with the frame or slice, and ``~2``,
    ``~3``… in the order of ids where several images of a source are equal in that; the image id is the same without the
    row. Records that have no path have such an id already.

    Args:
        records: (n,) with the columns :data:`COLUMNS`, in whatever order: of a source all records, or all those of
            some files and of their equals.

    Returns:
        (n,) strings, twice; null where there is a path and no sha256, which no build leaves.
    """
    ids, paths, digests = (_whole(records[name]) for name in COLUMNS)
    place = pc.extract_regex(ids, _ID)
    source, row = (pc.struct_field(place, name) for name in ("source", "row"))
    frame = pc.coalesce(pc.struct_field(pc.extract_regex(paths, rf"(?P<frame>{FRAME})"), "frame"), "")
    rest = pc.replace_substring_regex(ids, _ID.replace("?P<source>", "?:").replace("?P<row>", "?:"), "")
    digits = pc.coalesce(pc.utf8_slice_codeunits(digests, 0, _DIGITS), "unknown")
    images = pc.binary_join_element_wise(source, rest, "/").dictionary_encode()
    codes = images.indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    wanted = pc.binary_join_element_wise(digits, frame, "").take(pa.array(first))
    tails = _numbered(source.take(pa.array(first)), wanted, images.dictionary).take(images.indices)
    tails = pc.if_else(pc.is_null(paths), rest, pc.if_else(pc.is_valid(digests), tails, _NOTHING))
    return pc.binary_join_element_wise(source, row, tails, "/"), pc.binary_join_element_wise(source, tails, "/")


def nameless_files(index: FileIndex) -> FileIndex:
    """A source's index of files without their paths, restricted to files that records were made from."""
    if not index.named:
        return index
    files = index.files.filter(pc.not_equal(index.files["role"], "skipped")).combine_chunks()
    digits = pc.coalesce(pc.utf8_slice_codeunits(_whole(files["sha256"]), 0, _DIGITS), "unknown")
    one = pa.array(np.full(len(files), index.source), pa.string())
    names = _numbered(one, digits, _whole(files["path"]))
    table = files.set_column(0, SCHEMA.field("path"), names).sort_by("path")
    return index._replace(files=table, named=False)


class Nameless:
    """Converts the records of a build in which some sources are published without file names.

    Args:
        records: all of those sources, in the order of the index: :data:`COLUMNS` and ``source``.
        sources: by name, those in ``hidden``: what their cards list as raw labels is no secret.
        hidden: source -> what of it identifies, as :func:`identifies` says.
    """

    def __init__(self, records: pa.Table, sources: Mapping[str, Source], hidden: Mapping[str, Collection[str]]) -> None:
        self._unnamed, self._unlabelled = (
            [name for name, places in hidden.items() if what in places] for what in (FILE_NAMES, RAW_LABELS)
        )
        self._listed = {name: _listed(sources[name]) for name in self._unlabelled}
        unnamed = records.filter(_is_of(records["source"], self._unnamed))
        self._old = _whole(unnamed["id"])
        self._ids, self._images = public_ids(unnamed)

    def table(self, records: pa.Table) -> pa.Table:
        """Consecutive records of the index without file names: another ``id`` and ``image_id``, no ``path``.

        Where raw labels identify, ``raw_label`` is null but for what the card lists, which ``label`` tells as well.

        Raises:
            BuildError: the index holds other records.
        """
        unnamed = _whole(_is_of(records["source"], self._unnamed))
        mine = _whole(records["id"]).filter(unnamed)
        start = max(pc.index(self._old, mine[0]).as_py(), 0) if len(mine) else 0
        if not self._old.slice(start, len(mine)).equals(mine):
            raise BuildError(f"The index and a data file differ: it does not hold {mine[0]} and what follows there.")
        places = pa.array(start + np.cumsum(unnamed.to_numpy(zero_copy_only=False)) - 1)
        places = pc.if_else(unnamed, places, pa.scalar(None, pa.int64()))
        columns = {
            "id": pc.if_else(unnamed, self._ids.take(places), records["id"]),
            "image_id": pc.if_else(unnamed, self._images.take(places), records["image_id"]),
            "path": pc.if_else(unnamed, _NOTHING, records["path"]),
            "raw_label": self._raw_labels(records),
        }
        return _replaced(records, columns)

    def links(self, links: pa.Table) -> pa.Table:
        """Links between records, as ``duplicates.parquet`` holds them: both ends by such ids."""
        columns = {}
        for end in ("first", "second"):
            at = pc.index_in(_whole(links[end]), self._old)
            columns[end] = pc.coalesce(self._ids.take(at), links[end])
        return _replaced(links, columns)

    def _raw_labels(self, records: pa.Table) -> pa.ChunkedArray:
        column = records["raw_label"]
        for name in self._unlabelled:
            mine = pc.equal(records["source"], name)
            said = pc.unique(column.filter(mine)).to_pylist()
            listed = [one for one in said if one is not None and self._listed[name].issuperset(one.split("|"))]
            secret = pc.and_(mine, pc.invert(_is_of(column, listed)))
            column = pc.if_else(secret, _NOTHING, column)
        return column


def nameless_ledger(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The brief ledger of a source, its counts alone: reasons, and the first example of each, may hold names."""
    counts = {
        "skipped_by_reason": _sum(entry["skipped_by_reason"].values()),
        "missing_by_table": _sums("images", entry["missing_by_table"], "a table"),
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


def _is_of(column: pa.ChunkedArray, values: list[str]) -> pa.ChunkedArray:
    return pc.is_in(column, pa.array(values, pa.string()))


def _listed(source: Source) -> set[str]:
    """The raw labels that a card lists, with the parts of the body whose grades they are."""
    scaled = {f"{part}/{raw}" for row in source.rows for part in row.scales for raw in row.labels}
    return scaled | {raw for row in source.rows for raw in row.labels}


def _replaced(table: pa.Table, columns: Mapping[str, Any]) -> pa.Table:
    """A table with other values in some of its columns."""
    for name, column in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), column)
    return table


def _sum(counts: Iterable[int]) -> dict[str, int]:
    total = sum(counts)
    return {_UNTOLD: total} if total else {}


def _sums(what: str, found: Mapping[str, Mapping[str, Any]], reason: str = _UNTOLD) -> dict[str, dict[str, Any]]:
    total = sum(one[what] for one in found.values())
    return {reason: {what: total, "first": None}} if total else {}


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
    """A column as one array."""
    found = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found
