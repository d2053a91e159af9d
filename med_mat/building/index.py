"""``index.parquet``: every column of every record but the pixels, with the groups that span all sources."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import schema
from med_mat.building.writer import flush_to_disk, index_part, open_writer, temporary_path
from med_mat.catalog import Source
from med_mat.leakage.groups import COLUMNS, DUPLICATES, LINK_SCHEMA, REASONS, find_groups
from med_mat.leakage.near import THRESHOLD
from med_mat.location import INDEX

ROW_GROUP_RECORDS = 16_384


def write_index(
    out: Path, files: Sequence[str], sources: Iterable[Source], *, progress: bool = False
) -> tuple[pa.Table, dict[str, Any]]:
    """Write ``index.parquet`` and ``duplicates.parquet`` over the given shards, in their order.

    Args:
        out: the folder of the build.
        files: the shards, below ``out``.
        sources: those of the shards; their cards say which ids they share.
        progress: whether to show a bar.

    Returns:
        The index's columns of tags and groups, and for the manifest what is known of near-duplicates.
    """
    records = _read(out, files, COLUMNS)
    found = find_groups(records, {source.name: source.shared_ids for source in sources}, progress=progress)
    undecoded = records["pixel_hash"].null_count
    unstructured = records["perceptual_hash"].null_count - undecoded
    del records
    target = schema.index_schema()
    with _replacing(out / INDEX, target) as writer:
        start = 0
        for name in files:
            part = pq.read_table(out / index_part(name))
            count = part.num_rows
            columns = [
                *(part[name] for name, _ in schema.FIELDS if name not in schema.PIXEL_COLUMNS),
                label_sets(part),
                found.numbers.slice(start, count),
                pa.nulls(count, pa.string()),
                pa.array([name] * count, pa.string()),
                pa.array(range(count), pa.int32()),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=target), row_group_size=ROW_GROUP_RECORDS)
            start += count
    with _replacing(out / DUPLICATES, LINK_SCHEMA) as writer:
        writer.write_table(found.links, row_group_size=ROW_GROUP_RECORDS)
    facts = {
        "threshold": THRESHOLD,
        "faiss": metadata.version("faiss-cpu"),
        "records without hash": undecoded,
        "records without structure": unstructured,
        **found.counts,
        "links": {reason: pc.sum(pc.equal(found.links["reason"], reason)).as_py() or 0 for reason in REASONS},
    }
    tags = pq.read_table(
        out / INDEX,
        columns=["source", "row", "subset", "modality", "area", "task", "split", "label_set", "group"],
    )
    return tags, facts


@contextlib.contextmanager
def _replacing(path: Path, kind: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A writer of a file that takes its place when it is whole."""
    temporary = temporary_path(path)
    try:
        with open_writer(temporary, kind, text_codec="zstd") as writer:
            yield writer
        flush_to_disk(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def label_sets(records: pa.Table) -> pa.ChunkedArray:
    """The label of each record, or its labels as one text; empty where nothing is stated to be present."""
    return pc.coalesce(records["label"], pc.binary_join(records["labels"], schema.LABEL_SEPARATOR))


def _read(out: Path, files: Iterable[str], columns: Sequence[str]) -> pa.Table:
    tables = [pq.read_table(out / index_part(name), columns=list(columns)) for name in files]
    known = (*schema.FIELDS, *schema.PRIVATE_FIELDS)
    empty = pa.schema([(name, kind) for name, kind in known if name in columns]).empty_table()
    return pa.concat_tables([empty.select(list(columns)), *(table.replace_schema_metadata(None) for table in tables)])
