"""Hostile raw folders, one after the other: `python -m tests.fuzz --seed 1 --count 300`, from the checkout.

Each case copies the miniature of one source beside a second one that stays whole, spoils files of it as the seed says,
and builds both. What must hold: no exception but those of Med-MAT, each one line long and with the source's name or the
folder's; the whole source is built; the ledger adds up; the Med-MAT opens; no raw file changed; nothing is left behind.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import med_mat
from med_mat.building import Options, build, find
from med_mat.catalog import load
from med_mat.demo import miniature
from med_mat.errors import MedMATError

WHOLE = "head_ct"  # the source that stays as it is
RECORDS = 20  # it has
SLOW = 60  # seconds
WORDS = (
    "",
    " ",
    "nan",
    "-1",
    "1e999",
    "9" * 30,
    "x",
    "?!",
    "true",
    "0,0",
    "../../x",
    '"',
    "\u202e",
    "\x00",
    "=1+1",
    "[1]",
    "a" * 70_000,
    "0" * 70_000,
    " ," * 35_000,
    "1 " * 35_000,
    "(" * 70_000,
)
VALUES: tuple[Any, ...] = (None, True, -1, 1.5, 10**400, "", "x", [], {}, [None], [[1]], {"a": {"b": []}}, "\ud800")
SHAPES = (b"[1]", b"{}", b"null", b'"x"', b"[[[1]], [[]]]", b"3", b"", b"[" * 100_000, b"\x00" * 50, b"<a><b/></a>")
TABLES = {".csv", ".tsv", ".txt"}
DOCUMENTS = {".json", ".xml"}


def spoil(file: Path, draw: random.Random) -> str:
    """Change a file as chance has it; what was done."""
    data = file.read_bytes()
    how = draw.choice(["cut", "flip", "shape", "inside", "inside", "inside", "gone", "empty", "link", "folder", "name"])
    if how == "inside" and file.suffix.lower() in DOCUMENTS | TABLES:
        data = (_values if file.suffix.lower() == ".json" else _cells)(data, draw)
    elif how == "shape":
        data = draw.choice(SHAPES)
    elif how == "cut":
        data = data[: draw.randrange(len(data) + 1)]
    elif how == "empty":
        data = b""
    elif how == "name":
        stem = draw.choice(
            ["copy of {}", "{} (1)", "a_{}", "{}_b", "{}_1_2_3", "{0}_{0}", "-", "{}.x", "\u202e{}", "{}\n{}"]
        )
        name = stem.format(file.stem, file.stem)[:200] + file.suffix
        file.rename(file.with_name(name))
        return f"name {name!r}"
    elif how in ("gone", "link", "folder"):
        file.unlink()
        if how == "link":
            file.symlink_to(draw.choice([file.name, "/dev/zero", "/nowhere", "/etc/passwd"]))
        elif how == "folder":
            file.mkdir()
        return how
    elif data:
        spoiled = bytearray(data)
        for _ in range(draw.choice([1, 8, 40])):
            spoiled[draw.randrange(min(len(data), draw.choice([64, len(data)])))] = draw.randrange(256)
        data = bytes(spoiled)
    file.write_bytes(data)
    return how


def _cells(data: bytes, draw: random.Random) -> bytes:
    """Other words in some cells of a table, or between the tags of XML."""
    lines = data.split(b"\n")
    line = draw.randrange(len(lines))
    for mark in (b">", b",", b"\t", b";", b" "):
        cells = lines[line].split(mark)
        if len(cells) > 1:
            cells[draw.randrange(len(cells))] = draw.choice(WORDS).encode("utf-8", "surrogatepass")
            lines[line] = mark.join(cells)
            break
    return b"\n".join(lines)


def _values(data: bytes, draw: random.Random) -> bytes:
    """Another value somewhere in JSON."""
    try:
        document = json.loads(data)
    except ValueError:  # an earlier change
        return data
    at = document
    while isinstance(at, dict | list) and at:
        key = draw.choice(list(at) if isinstance(at, dict) else range(len(at)))
        if not isinstance(at[key], dict | list) or not at[key] or draw.random() < 0.3:
            at[key] = draw.choice(VALUES)
            break
        at = at[key]
    return json.dumps(document).encode()


def case(folder: Path, source: str, change: Callable[[Path], str]) -> list[str]:
    """Build a spoiled source beside a whole one; what broke.

    Args:
        folder: an empty one.
        source: the one to spoil.
        change: changes the files of its miniature and says how.
    """
    raw, out, broken = folder / "raw", folder / "out", []
    miniature(raw, [WHOLE, source])
    how = change(raw / source)
    before = _state(raw)
    try:
        report = build(find({WHOLE: None, source: None}, raw), out, Options(jobs=1))
    except MedMATError as error:  # already when it is looked for
        broken += _unsaid(error, source, folder)
        report = build(find({WHOLE: None}, raw), out, Options(jobs=1))
    except Exception:
        return [f"{how}: {traceback.format_exc()}"]
    for error in report.failed.values():
        broken += _unsaid(error, source, folder)
    if report.ledgers[WHOLE].written != RECORDS:
        broken.append(f"{report.ledgers[WHOLE].written} records of {WHOLE}")
    for name, ledger in report.ledgers.items():
        data, images = ledger.to_data(), ledger.images
        if data["found"] != data["written"] + data["skipped"]:
            broken.append(f"the ledger of {name} does not add up: {data['found']} records")
        if images["found"] != images["in_records"] + images["annotations"] + images["unused"]:
            broken.append(f"the ledger of {name} does not add up: {images}")
    if len(med_mat.open(out)) != report.total:
        broken.append("it does not open")
    if _state(raw) != before:
        broken.append("raw files changed")
    broken += [f"left behind: {path}" for path in out.rglob("*.tmp")]
    broken += [f"outside: {path.name}" for path in folder.iterdir() if path.name not in ("raw", "out")]
    return [f"{how}: {one}" for one in broken]


def _state(raw: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in raw.rglob("*")}


def _unsaid(error: MedMATError, source: str, folder: Path) -> list[str]:
    """What is wrong with a sentence."""
    said = str(error)
    wrong = ["more than a line"] if "\n" in said else []
    wrong += [] if f"'{source}'" in said or str(folder) in said or load()[source].title in said else ["names nothing"]
    wrong += ["blames the loader"] if "please report" in said else []
    return [f"{one}: {said}" for one in wrong]


def chance(seed: int, number: int) -> tuple[str, Callable[[Path], str]]:
    """The source of a case, and what is done to it."""
    draw = random.Random(f"{seed}/{number}")  # of no secret
    source = draw.choice([name for name in load() if name != WHOLE])

    def change(top: Path) -> str:
        files = sorted(path for path in top.rglob("*") if path.is_file() and path.name != "SYNTHETIC.txt")
        told = [path for path in files if path.suffix.lower() in TABLES | DOCUMENTS]
        done = []
        for _ in range(draw.choice([1, 1, 2, 4])):
            file = draw.choice(told if told and draw.random() < 0.6 else files)
            if file.is_file() and not file.is_symlink():
                done.append(f"{spoil(file, draw)} {file.relative_to(top)}")
        return f"{source}, {', '.join(done)}"

    return source, change


def run(seed: int, count: int, *, start: int = 0, seconds: float | None = None) -> tuple[int, dict[int, list[str]]]:
    """Run cases until they or the seconds are over; how many were run, and what broke by number."""
    begun, broken, number = time.monotonic(), {}, start
    for number in range(start, start + count):
        if seconds is not None and time.monotonic() - begun > seconds:
            return number - start, broken
        since = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="med-mat-fuzz-") as folder:
            found = case(Path(folder), *chance(seed, number))
        found += [f"it took {time.monotonic() - since:.0f} s"] if time.monotonic() - since > SLOW else []
        if found:
            broken[number] = found
    return count, broken


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--start", type=int, default=0, help="the number of the first case, to run one again")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    broken = 0
    for number in range(given.start, given.start + given.count):
        found = run(given.seed, 1, start=number)[1].get(number, [])
        broken += bool(found)
        for one in found:
            print(f"case {number}: {one}", flush=True)
    print(f"seed {given.seed}: {given.count} inputs, {broken} of them broke something")
    sys.exit(bool(broken))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
