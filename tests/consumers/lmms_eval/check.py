"""lmms-eval: its command line scores a model that always says "A" as the records say, with errors by group."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pyarrow.parquet as pq

folder = Path(sys.argv[1])
records = [one for path in sorted(folder.glob("data/*/*.parquet")) for one in pq.read_table(path).to_pylist()]
command = [
    sys.executable, "-m", "lmms_eval", "--model", "dummy", "--model_args", "response=A", "--tasks", "med_mat",
    "--include_path", str(folder), "--batch_size", "1", "--log_samples", "--output_path", "out",
]  # fmt: skip
subprocess.run(command, check=True)
(results,) = Path("out").rglob("*_results.json")
figures = json.loads(results.read_text("utf-8"))["results"]
samples = [json.loads(line) for path in Path("out").rglob("*_samples_*.jsonl") for line in path.open(encoding="utf-8")]
assert {one["accuracy"]["id"] for one in samples} == {one["id"] for one in records}
assert len(samples) == len(records)
right = {one["id"]: one["answer"] == "A" for one in records}
assert all((one["accuracy"]["score"] == 100) == right[one["accuracy"]["id"]] for one in samples)
assert all(one["unparsed"]["how"] == "letter" for one in samples)
triplets = {one["triplet"] for one in records}
total = figures["med_mat"]["accuracy,none"]
assert abs(total - 100 * sum(right.values()) / len(right)) < 1e-6, total
assert len(triplets) == max(1, len(figures) - 1)
assert any(isinstance(one.get("accuracy_stderr_clustered,none"), float) for one in figures.values())
print(f"lmms-eval {metadata.version('lmms-eval')}: {len(samples)} records of {len(triplets)} triplets, {total:.1f} %")
