"""Opening an index of 10,000,000 records, splitting it, and reading the records of a split beside ``datasets``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.records import write_index
from benchmarks.timing import compare, table

RECORDS = 10_000_000

_OPEN = r"""
import json, sys, time
from pathlib import Path
from benchmarks.timing import peak_memory
from med_mat.dataset import MedMAT
from med_mat.storage.location import Folder
manifest = json.loads(sys.stdin.read())
before = peak_memory()
start = time.perf_counter()
mat = MedMAT(Folder(Path(sys.argv[1])), manifest)
mat.tags.runs
print(f"{(time.perf_counter() - start) * 1000:.0f} ms, {peak_memory()} MB in all ({before} MB before)")
"""


def main() -> None:
    import json

    from med_mat.dataset import MedMAT
    from med_mat.selection import Selection
    from med_mat.storage.location import Folder

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        start = time.perf_counter()
        manifest = write_index(root / "index.parquet", RECORDS)
        size = (root / "index.parquet").stat().st_size
        print(
            f"\nan index of {RECORDS:,} records: {size / 1e6:,.0f} MB, written in {time.perf_counter() - start:.0f} s"
        )
        command = [sys.executable, "-c", _OPEN, str(root)]
        text = json.dumps(manifest)
        for _ in range(2):
            print(
                "opening it:",
                subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout.strip(),
            )
        mat = MedMAT(Folder(root), manifest)
        target = "CT/Lung/Cancer"
        table(
            f"Splitting {RECORDS:,} records, target {target}",
            compare(
                {
                    "resolving a selection over all triplets": lambda: [
                        Selection.of("CT|MRI/Lung/* & !*/*/Cancer").resolve(row.as_fields())
                        for row in mat.tags.facts.values()
                    ],
                    "mat.where(target, split='train')": lambda: mat.where(target, split="train"),
                    "mat.related(target)": lambda: mat.related(target),
                    "mat.related(target, size=3000)": lambda: mat.related(target, size=3000),
                    "mat.unrelated(target, size=3000)": lambda: mat.unrelated(target, size=3000),
                    "mat.all_data(target)": lambda: mat.all_data(target),
                    "mat.combinations(target, elements=2)": lambda: mat.combinations(target, elements=2),
                }
            ),
        )
        experiment = mat.related(target, size=3000)
        start = time.perf_counter()
        experiment.audit()
        print(f"  audit of {experiment!r}: {(time.perf_counter() - start) * 1000:.0f} ms")
    _reading()


def _reading() -> None:
    """Records one by one from an experiment, and from ``Dataset.from_parquet`` of the same files."""
    import datasets
    import numpy as np

    import med_mat
    from med_mat.building import Options, build, find
    from med_mat.demo import miniature

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        folders = miniature(root / "raw")
        build(find(dict.fromkeys(folders), root / "raw"), root / "out", Options(jobs=2))
        train = med_mat.open(root / "out").all_data("CT/Lung/Cancer").train
        ids = set(train["id"])
        files = sorted(str(path) for path in (root / "out" / "data").rglob("train-*.parquet"))
        plain = datasets.Dataset.from_parquet(files, cache_dir=str(root / "cache"))
        plain = plain.select([i for i, name in enumerate(plain["id"]) if name in ids])
        order = np.random.default_rng(0).permutation(len(train)).tolist()
        table(
            f"Reading {len(order):,} records in random order, pictures decoded",
            compare(
                {
                    "experiment.train[i]": lambda: [train[i] for i in order],
                    "Dataset.from_parquet(...)[i]": lambda: [plain[i] for i in order],
                }
            ),
        )


if __name__ == "__main__":
    main()
