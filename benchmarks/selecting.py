"""Selecting from an index of 2,000,000 records, against a row filter of ``datasets`` over the same columns."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.timing import compare, table
from med_mat import catalog, schema
from med_mat.dataset import Tags
from med_mat.taxonomy import Patterns

RECORDS = 2_000_000
SHARD = 2_000
FILTERED = 20_000  # the row filter is timed on this many and scaled up


def write_index(path: Path) -> None:
    """Records of all 109 rows, the tag columns filled."""
    rows = catalog.load().rows
    random = np.random.default_rng(0)
    numbers = np.sort(random.integers(0, len(rows), RECORDS))
    position = np.arange(RECORDS)
    values = {
        "id": pa.array([f"r{n}" for n in range(RECORDS)]),
        "source": pa.array([row.source for row in rows]).take(pa.array(numbers)),
        "row": pa.array([row.number for row in rows], pa.int16()).take(pa.array(numbers)),
        "subset": pa.array([row.subset for row in rows], pa.int16()).take(pa.array(numbers)),
        "modality": pa.array([row.mat.modality for row in rows]).take(pa.array(numbers)),
        "area": pa.array([row.mat.area for row in rows]).take(pa.array(numbers)),
        "task": pa.array([row.mat.task for row in rows]).take(pa.array(numbers)),
        "split": pa.array(["train", "test"]).take(pa.array((random.random(RECORDS) < 0.1).astype(int))),
        "label": pa.array(["Normal", "Cancer", None]).take(pa.array(random.integers(0, 3, RECORDS))),
        "group": pa.array([f"{n:016x}" for n in random.integers(0, RECORDS, RECORDS)]),
        "file": pa.array([f"data/x/001/train-{n:05d}.parquet" for n in range(RECORDS // SHARD)]).take(
            pa.array(position // SHARD)
        ),
        "position": pa.array(position % SHARD, pa.int32()),
    }
    target = schema.index_schema()
    columns = [values.get(field.name, pa.nulls(RECORDS, field.type)) for field in target]
    pq.write_table(pa.Table.from_arrays(columns, schema=target), path, compression="zstd", row_group_size=16_384)


def main() -> None:
    import datasets

    from med_mat.dataset import Folder, MedMAT

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.parquet"
        write_index(path)
        start = time.perf_counter()
        tags = Tags.read(path)
        print(f"\nopening an index of {RECORDS:,} records: {(time.perf_counter() - start) * 1000:,.0f} ms, "
              f"{path.stat().st_size / 1e6:.0f} MB on disk")  # fmt: skip
        mat = MedMAT(Folder(Path(folder)), {"schema": schema.VERSION})
        assert len(mat) == len(tags.row)
        rows = datasets.Dataset.from_parquet(str(path), columns=["modality", "area", "task", "split"]).select(
            range(FILTERED)
        )
        patterns = Patterns.of("CT/Lung/Cancer")
        datasets.disable_caching()
        datasets.disable_progress_bars()
        best = compare(
            {
                "mat.where('CT/Lung/Cancer', split='train')": lambda: mat.where("CT/Lung/Cancer", split="train"),
                "pyarrow mask over the same columns": lambda: _mask(path),
                f"ds.filter(lambda row) on {FILTERED:,} records, no images": lambda: rows.filter(
                    lambda row: row["area"] == "Lung" and row["modality"] == "CT" and row["split"] == "train"
                ),
            }
        )
        best[list(best)[-1]] *= RECORDS / FILTERED
        best = {name.replace(f" on {FILTERED:,} records", ", scaled up"): value for name, value in best.items()}
        table(f"Selecting {patterns} from {RECORDS:,} records", best)


def _mask(path: Path) -> None:
    import pyarrow.compute as pc

    rows = pq.read_table(path, columns=["modality", "area", "task", "split"])
    mask = pc.and_(pc.equal(rows["modality"], "CT"), pc.equal(rows["area"], "Lung"))
    pc.indices_nonzero(pc.and_(mask, pc.equal(rows["split"], "train")))


if __name__ == "__main__":
    main()
