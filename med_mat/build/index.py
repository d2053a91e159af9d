"""``index.parquet``: every column of every record but the pixels, with the groups that span all sources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import schema
from med_mat.build.writer import flush_to_disk, index_part, open_writer, temporary_path

#: Records that agree in one of these belong to one group.
GROUP_KEYS = ("patient", "sha256", "pixel_hash")
ROW_GROUP_RECORDS = 16_384


def write_index(out: Path, files: Sequence[str]) -> pa.Table:
    """Write ``index.parquet`` over the given shards, in their order, and return its columns of tags and groups.

    Records of one volume or multi-frame file share its sha256 and so fall into one group, as they must.
    """
    keys = _read(out, files, ("id", *GROUP_KEYS))
    groups = group_names(keys)
    target = schema.index_schema()
    temporary = temporary_path(out / "index.parquet")
    start = 0
    try:
        with open_writer(temporary, target, text_codec="zstd") as writer:
            for name in files:
                records = pq.read_table(out / index_part(name))
                count = records.num_rows
                columns = [
                    *records.columns,
                    groups.slice(start, count),
                    pa.array([name] * count, pa.string()),
                    pa.array(range(count), pa.int32()),
                ]
                writer.write_table(pa.Table.from_arrays(columns, schema=target), row_group_size=ROW_GROUP_RECORDS)
                start += count
        flush_to_disk(temporary)
        temporary.replace(out / "index.parquet")
    finally:
        temporary.unlink(missing_ok=True)
    return pq.read_table(
        out / "index.parquet",
        columns=["source", "row", "subset", "modality", "area", "task", "split", "published_split", "label", "group"],
    )


def group_names(keys: pa.Table) -> pa.Array:
    """A name for each record's group: the connected component over patient, file and pixels.

    Args:
        keys: the columns ``id`` and those of :data:`GROUP_KEYS`, where null means unknown and joins nothing.
    """
    component = np.arange(keys.num_rows)
    codes = [_codes(keys[name]) for name in GROUP_KEYS]
    while True:
        before = component.copy()
        for code in codes:
            known = code >= 0
            if not known.any():
                continue
            lowest = np.full(int(code.max()) + 1, keys.num_rows)
            np.minimum.at(lowest, code[known], component[known])
            component[known] = np.minimum(component[known], lowest[code[known]])
        component = component[component]
        if np.array_equal(before, component):
            break
    firsts, inverse = np.unique(component, return_inverse=True)
    ids = keys["id"].take(pa.array(firsts)).to_pylist()
    names = pa.array([hashlib.blake2b(name.encode(), digest_size=8).hexdigest() for name in ids], pa.string())
    return names.take(pa.array(inverse))


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    encoded = pc.fill_null(pc.dictionary_encode(column).combine_chunks().indices, -1)
    return np.asarray(encoded)


def _read(out: Path, files: Iterable[str], columns: Sequence[str]) -> pa.Table:
    tables = [pq.read_table(out / index_part(name), columns=list(columns)) for name in files]
    empty = pa.schema([(name, kind) for name, kind in schema.FIELDS if name in columns]).empty_table()
    return pa.concat_tables([empty.select(list(columns)), *(table.replace_schema_metadata(None) for table in tables)])
