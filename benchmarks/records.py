"""A synthetic index: records of all 109 rows in the order of a build, the columns that selecting and splitting read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from med_mat import catalog, schema
from med_mat.building.index import ROW_GROUP_RECORDS
from med_mat.catalog import RowFacts
from med_mat.leakage import contradictions
from med_mat.leakage.groups import DUPLICATES
from med_mat.leakage.near import THRESHOLD

SHARD = 2_000


def write_index(path: Path, records: int) -> dict[str, Any]:
    """Write it in pieces, so that its size does not matter, and no link beside it; the manifest of such a build."""
    pq.write_table(contradictions.SCHEMA.empty_table(), path.with_name(DUPLICATES))
    sources = catalog.load()
    rows = [(row, sources[row.source]) for row in sources.rows]
    random = np.random.default_rng(0)
    sizes = random.multinomial(records, random.dirichlet(np.full(len(rows), 0.7)))
    target = schema.index_schema()
    start = 0
    with pq.ParquetWriter(path, target, compression="zstd", write_page_index=True) as writer:
        for (row, _), size in zip(rows, sizes, strict=True):
            tested = int(size) // 10
            for split, count in (("test", tested), ("train", int(size) - tested)):
                if count:
                    table = _stretch(row, split, count, start, target, random)
                    writer.write_table(table, row_group_size=ROW_GROUP_RECORDS)
                    start += count
    facts = {str(row.number): RowFacts.of(row, source).to_data() for row, source in rows}
    return {
        "schema": schema.VERSION,
        "records": records,
        "rows": facts,
        "sources": {},
        "near_duplicates": {"threshold": THRESHOLD},
    }


def _stretch(
    row: catalog.Row, split: str, count: int, start: int, target: pa.Schema, random: np.random.Generator
) -> pa.Table:
    place = np.arange(count)
    label = pa.array(list(row.names)).take(pa.array(random.integers(0, len(row.names), count)))
    sha256 = pa.array([f"{a:016x}{b:016x}" * 2 for a, b in random.integers(0, 2**63, (count, 2)).tolist()])
    values = {
        "id": pa.array([f"{row.source}/{row.number}/images/{split}/{n:08d}.png" for n in place.tolist()]),
        "source": pa.repeat(row.source, count),
        "row": pa.array(np.full(count, row.number, dtype=np.int16)),
        "subset": pa.array([row.subset] * count, pa.int16()),
        "modality": pa.repeat(row.mat.modality, count),
        "area": pa.repeat(row.mat.area, count),
        "task": pa.repeat(row.mat.task, count),
        "split": pa.repeat(split, count),
        "label_set": label,
        "options": pa.repeat(pa.scalar([*row.names][:4], pa.list_(pa.string())), count),
        "answer": pa.repeat("A", count),
        "open_question": pa.repeat("Which?", count),
        "target": pa.repeat("A", count),
        "sha256": sha256,
        # a patient has three records, and one in a hundred is also found in another place of the build
        "group": pa.array(
            np.where(random.random(count) < 0.01, random.integers(0, start + 1, count), start + place // 3 * 3).astype(
                np.int32
            )
        ),
        "withheld": pa.nulls(count, pa.string()),
        "key": pa.array(random.integers(-(2**63), 2**63 - 1, count)),
        "file": pa.array(
            [f"data/{row.source}/{row.number:03d}/{split}-{n:05d}.parquet" for n in (place // SHARD).tolist()]
        ),
        "position": pa.array((place % SHARD).astype(np.int32)),
        "width": pa.array(random.integers(64, 2048, count), pa.int32()),
        "height": pa.array(random.integers(64, 2048, count), pa.int32()),
    }
    columns = [values.get(field.name, pa.nulls(count, field.type)) for field in target]
    return pa.Table.from_arrays(
        [column.cast(field.type) for column, field in zip(columns, target, strict=True)], schema=target
    )
