"""Selecting from an index of 2,000,000 records, against a row filter of ``datasets``, Polars and DuckDB.

A number on the command line is how many records there are.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
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

    records = next((int(one) for one in sys.argv[1:] if one.isdecimal()), RECORDS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.parquet"
        manifest = write_index(path, records)
        start = time.perf_counter()
        mat = MedMAT(Folder(Path(folder)), manifest)
        print(f"\nopening an index of {records:,} records: {(time.perf_counter() - start) * 1000:,.0f} ms, "
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
        best[list(best)[-1]] *= records / FILTERED
        best = {name.replace(f" on {FILTERED:,} records", ", scaled up"): value for name, value in best.items()}
        table(f"Selecting CT/Lung/Cancer from {records:,} records", best)
        table(
            "Selecting by a fact of single records, width>=1024",
            compare({"mat.where('width>=1024')": lambda: mat.where("width>=1024"), **_by_width(path)}),
        )
        related = lambda: mat.related("CT/Lung/Cancer")  # noqa: E731
        table("An experiment", compare({"related, with its audit": lambda: related().audit(), "related": related}))


def _by_width(path: Path) -> dict[str, Callable[[], object]]:
    """What a user of Polars or DuckDB would write, as far as they are installed."""
    ways: dict[str, Callable[[], object]] = {}
    if importlib.util.find_spec("polars"):
        import polars

        scan = polars.scan_parquet(path).with_row_index("at").filter(polars.col("width") >= 1024).select("at")
        ways["polars.scan_parquet"] = scan.collect
    if importlib.util.find_spec("duckdb"):
        import duckdb

        query = f"SELECT file_row_number FROM read_parquet('{path}', file_row_number=true) WHERE width >= 1024"
        ways["DuckDB"] = lambda: duckdb.sql(query).fetchnumpy()
    return ways


def _mask(path: Path) -> None:
    import pyarrow.compute as pc

    rows = pq.read_table(path, columns=["modality", "area", "task", "split"])
    mask = pc.and_(pc.equal(rows["modality"], "CT"), pc.equal(rows["area"], "Lung"))
    pc.indices_nonzero(pc.and_(mask, pc.equal(rows["split"], "train")))


if __name__ == "__main__":
    main()
