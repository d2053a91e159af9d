"""Writes ``index.parquet``: all columns of every record except the pixels, with groups that span all sources."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import schema
from med_mat.building.counts import COUNTED
from med_mat.building.settle import Settled
from med_mat.building.store import Store
from med_mat.building.writer import index_part
from med_mat.catalog import Source
from med_mat.files import replacing
from med_mat.leakage import contradictions
from med_mat.leakage.groups import DUPLICATES, REASONS, check_links
from med_mat.leakage.near import THRESHOLD
from med_mat.storage.location import BUILD_KEY, INDEX
from med_mat.storage.parquet import open_writer

ROW_GROUP_RECORDS = 16_384


@dataclass(frozen=True, slots=True)
class Written:
    """The index and the duplicates of a whole build, as written."""

    records: pa.Table  # the columns COUNTED of all records, in the order of the index
    links: pa.Table  # as in duplicates.parquet
    facts: dict[str, Any]  # about near-duplicates, for the manifest
    build: str  # identifies this state of the build, in the index and in the manifest
    contested: Mapping[str, contradictions.Contested]  # source -> its images with contradictory labels


def write_index(store: Store, files: Sequence[str], settled: Settled, sources: Sequence[Source]) -> Written:
    """Write ``index.parquet`` and ``duplicates.parquet`` over the given data files of the sources, in their order.

    Raises:
        BuildError: the two records of a link are in different groups: a bug in Med-MAT, not a fault of the data.
    """
    build = hashlib.blake2b("\n".join(files).encode(), digest_size=8).hexdigest()
    target = schema.index_schema()
    target = target.with_metadata({**(target.metadata or {}), BUILD_KEY: build.encode()})
    with (
        replacing(store.next / INDEX) as temporary,
        open_writer(temporary, target, text_codec="zstd") as writer,
    ):
        start = 0
        waiting: list[pa.Table] = []
        for name in files:
            part = store.table(index_part(name))
            count = part.num_rows
            own = {
                "label_set": label_sets(part),
                "group": settled.groups.slice(start, count),
                "withheld": settled.withheld.slice(start, count),
                "file": pa.array([name] * count, pa.string()),
                "position": pa.array(range(count), pa.int32()),
            }
            columns = [own[field.name] if field.name in own else part[field.name] for field in target]
            waiting.append(pa.Table.from_arrays(columns, schema=target))
            start += count
            if sum(map(len, waiting)) >= ROW_GROUP_RECORDS:
                writer.write_table(pa.concat_tables(waiting), row_group_size=ROW_GROUP_RECORDS)
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting), row_group_size=ROW_GROUP_RECORDS)
    wanted = tuple(dict.fromkeys((*COUNTED, *contradictions.COLUMNS)))
    records = pq.read_table(store.next / INDEX, columns=list(wanted)).replace_schema_metadata(None)
    told = records.select(list(contradictions.COLUMNS))
    links = contradictions.settle(settled.links, told, [row for source in sources for row in source.rows])
    check_links(links, records["id"], settled.groups)
    with (
        replacing(store.next / DUPLICATES) as temporary,
        open_writer(temporary, contradictions.SCHEMA, text_codec="zstd") as writer,
    ):
        writer.write_table(links, row_group_size=ROW_GROUP_RECORDS)
    facts = {
        "threshold": THRESHOLD,
        "faiss": metadata.version("faiss-cpu"),
        **settled.counts,
        "links": {reason: pc.sum(pc.equal(links["reason"], reason)).as_py() or 0 for reason in REASONS},
        "contradictory links": pc.sum(links["contradictory"]).as_py() or 0,
    }
    return Written(records.select(list(COUNTED)), links, facts, build, contradictions.count(links, told))


def label_sets(records: pa.Table) -> pa.ChunkedArray:
    """The label of each record, or its labels as one string; empty if no label is stated to be present."""
    return pc.coalesce(records["label"], pc.binary_join(records["labels"], schema.LABEL_SEPARATOR))
