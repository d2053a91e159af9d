"""A package outside this repository adds source number 110 by an entry point, without a file of ours being touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

PLUGIN = Path(__file__).parent / "plugin"


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = "from med_mat.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PLUGIN)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_source_110_is_listed_shown_and_built(tmp_path: Path) -> None:
    assert "toy_wrist" in run("sources", "X-ray/Bones/State", cwd=tmp_path).stdout
    assert "row 110: X-ray/Bones/State" in run("show", "toy_wrist", cwd=tmp_path).stdout
    assert run("miniature", "raw", "toy_wrist", "busi", cwd=tmp_path).returncode == 0
    built = run("build", "--raw", "raw", "--out", "Med-MAT", "--jobs", "2", "--quiet", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    assert "toy_wrist: 20 found = 20 written + 0 skipped" in built.stdout

    index = pq.read_table(tmp_path / "Med-MAT" / "index.parquet").to_pylist()
    ours = [record for record in index if record["source"] == "toy_wrist"]
    assert {record["row"] for record in ours} == {110}
    assert {record["subset"] for record in ours} == {None}
    assert {record["label"] for record in ours} == {"Fractured", "Not fractured"}
    assert all(record["question"].startswith("Is this wrist fractured?\nA: ") for record in ours)

    from datasets import load_dataset

    assert load_dataset(str(tmp_path / "Med-MAT"), "toy_wrist", split="train").num_rows == 18


def test_without_the_package_the_source_is_unknown(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", "from med_mat.cli import main; main()", "show", "toy_wrist"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "There is no source named 'toy_wrist'" in result.stderr
