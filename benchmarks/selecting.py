"""Selecting from an index of 2,000,000 records, against a row filter of ``datasets`` over the same columns."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.records import write_index
from benchmarks.timing import compare, table

RECORDS = 2_000_000
FILTERED = 20_000  # the row filter is timed on this many and scaled up


def main() -> None:
    import datasets

    from med_mat.dataset import MedMAT
    from med_mat.storage.location import Folder

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.parquet"
        manifest = write_index(path, RECORDS)
        start = time.perf_counter()
        mat = MedMAT(Folder(Path(folder)), manifest)
        print(f"\nopening an index of {RECORDS:,} records: {(time.perf_counter() - start) * 1000:,.0f} ms, "
              f"{path.stat().st_size / 1e6:.0f} MB on disk")  # fmt: skip
        rows = datasets.Dataset.from_parquet(str(path), columns=["modality", "area", "task", "split"]).select(
            range(FILTERED)
        )
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
        table(f"Selecting CT/Lung/Cancer from {RECORDS:,} records", best)


def _mask(path: Path) -> None:
    import pyarrow.compute as pc

    rows = pq.read_table(path, columns=["modality", "area", "task", "split"])
    mask = pc.and_(pc.equal(rows["modality"], "CT"), pc.equal(rows["area"], "Lung"))
    pc.indices_nonzero(pc.and_(mask, pc.equal(rows["split"], "train")))


if __name__ == "__main__":
    main()
