"""Runs the check of each consumer in an environment of its own: see README.md beside this file."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}


def consumers() -> dict[str, Path]:
    """The folders that have a check, by name."""
    return {path.parent.name: path.parent for path in sorted(HERE.glob("*/check.py"))}


def build(cache: Path) -> Path:
    """The demo build, made once."""
    out = cache / "build" / "Med-MAT"
    if not (out / "med_mat.json").exists():
        from med_mat import demo

        shutil.rmtree(out.parent, ignore_errors=True)
        demo.miniature(out.parent / "raw")
        command = [shutil.which("med-mat") or "med-mat", "build", "--raw", str(out.parent / "raw"), "--out", str(out)]
        subprocess.run(command, check=True)
    return out


def export(folder: Path, where: Path, cache: Path) -> Path:
    """What a consumer reads, exported anew."""
    import med_mat

    asked: Mapping[str, Any] = {}
    if (folder / "export.yaml").exists():
        asked = yaml.safe_load((folder / "export.yaml").read_text("utf-8"))
    out = cache / "exports" / folder.name
    shutil.rmtree(out, ignore_errors=True)
    form = asked.get("format", folder.name.replace("_", "-"))
    told = med_mat.open(where).export(
        asked.get("select", "*"), out, format=form, progress=False, **asked.get("options", {})
    )
    print(told)
    return out


def environment(folder: Path, cache: Path) -> Path:
    """The Python of a consumer; its environment is made again if its requirements change."""
    needs = (folder / "requirements.txt").read_bytes()
    root = cache / "environments" / f"{folder.name}-{hashlib.sha256(needs).hexdigest()[:12]}"
    python = root / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        venv.create(root, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "-r", str(folder / "requirements.txt")]
        subprocess.run(install, check=True, cwd=CHECKOUT)
        (root / "complete").touch()
    return python


def check(folder: Path, where: Path, cache: Path) -> tuple[bool, str]:
    """Whether a consumer reads its export, and what it read or why not."""
    try:
        python = environment(folder, cache)
    except subprocess.CalledProcessError:
        return False, "its environment cannot be installed"
    out = export(folder, where, cache)
    scratch = cache / "scratch" / folder.name
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    environ = {**os.environ, **OFFLINE, "HF_HOME": str(scratch / "hf")}
    run = subprocess.run(
        [str(python), str(folder / "check.py"), str(out), str(where)],
        cwd=scratch, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    (cache / f"{folder.name}.log").write_text(run.stdout + run.stderr, "utf-8")
    lines = (run.stdout if run.returncode == 0 else run.stderr).strip().splitlines()
    return run.returncode == 0, lines[-1] if lines else f"status {run.returncode}"


def version(folder: Path) -> str:
    """The consumer and its version: the first requirement, or the comment above it."""
    first = (folder / "requirements.txt").read_text("utf-8").splitlines()[0]
    return re.sub(r"^# *", "", first)


def main() -> None:
    """Run the checks, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="Folder of environments, builds and logs.")
    parser.add_argument("--only", action="append", choices=list(consumers()), help="This consumer (repeatable).")
    given = parser.parse_args()
    cache = given.cache.absolute()
    cache.mkdir(parents=True, exist_ok=True)
    where, rows = build(cache), []
    for name, folder in consumers().items():
        if given.only and name not in given.only:
            continue
        ok, said = check(folder, where, cache)
        rows.append((name, version(folder), "ok" if ok else "FAILED", said))
        print(f"{name}: {rows[-1][2]}: {said}", flush=True)
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    print()
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
    sys.exit(any(row[2] != "ok" for row in rows))


if __name__ == "__main__":
    main()
