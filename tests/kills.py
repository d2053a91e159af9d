"""Runs of every kind, killed at random points and run again: `python -m tests.kills --points 200`, from the checkout.

A build (of one process, and of two), a push, an attach, a download, an attach of upstream's questions and a saved split
are each killed with SIGKILL, workers included, up to three times in a row, and then run to their end. What must hold:
what a killed run has left under a final name is what the undisturbed run leaves there; in the end everything is the
same to the byte; nothing else lies there, in the output, beside it, in the caches, or among the temporary files.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow.parquet as pq

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE / "hub"), str(HERE / "download")]

from hub_server import TOKEN  # noqa: E402
from hub_server import serve as a_hub  # noqa: E402
from serving import serve as a_server  # noqa: E402
from serving import zipped  # noqa: E402

from med_mat import catalog, files  # noqa: E402
from med_mat.demo import miniature  # noqa: E402

KILLS = 3  # of one run, at most
LIMIT = 300  # seconds that a run may take
SOURCES = ("acrima", "busi", "drimdb", "head_ct")
#: What takes long to import comes first, so that few kills are spent on it.
_READY = """
import sys
import datasets, faiss, pandas, PIL.PngImagePlugin, scipy.fft, scipy.sparse.csgraph
import med_mat
from med_mat import building, cli, download, hub, official, splits
from med_mat.building import plan
plan.CHUNK_EXAMPLES = 4  # so that a run has many steps
print("ready", flush=True)
"""
_COMMAND = "cli.main()"
_SAVE = """
med_mat.open(sys.argv[1]).held_out("US/*/*").save(sys.argv[2])
"""
_DOWNLOAD = """
import pathlib
import kills
ways = download.plan(kills.toy(sys.argv[1]), pathlib.Path(sys.argv[2]))
settings = download.fetch.Settings(tries=3, pause=0.001, timeout=(5, 5), chunk=4096)
download.download(ways, ways.choose(None), settings=settings)
"""


@dataclass(frozen=True)
class Trial:
    """A program that can be run again and again, and what it leaves."""

    program: str
    arguments: list[str]
    left: Callable[[], dict[str, bytes]]  # name -> content, whatever lies there
    settings: dict[str, str] = field(default_factory=dict)

    def start(self, folder: Path) -> subprocess.Popen[str]:
        """Run it in a process group of its own; once this returns, the work has begun."""
        places = {"TMPDIR": folder / "tmp", "HF_HOME": folder / "home"}
        for place in places.values():
            place.mkdir(parents=True, exist_ok=True)
        run = subprocess.Popen(
            [sys.executable, "-c", _READY + self.program, *self.arguments],
            env=os.environ | {name: str(place) for name, place in places.items()} | self.settings | _QUIET,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n", run.stdout.read()
        return run

    def finish(self, folder: Path) -> float:
        """Run it to its end; how long the work took, in seconds."""
        run = self.start(folder)
        begun = time.monotonic()
        said = run.communicate(timeout=LIMIT)[0]
        assert run.returncode == 0, said
        return time.monotonic() - begun


_QUIET = {
    "PYTHONPATH": os.pathsep.join(sys.path[-3:]),
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}
Kind = Callable[[Path, Path], AbstractContextManager[Trial]]  # what is given, and a folder of its own


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but locks."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def give(folder: Path) -> None:
    """What the runs are given: raw folders, a Med-MAT of them, and questions of upstream's form about it."""
    miniature(folder / "raw", SOURCES)
    arguments = ["build", "--raw", str(folder / "raw"), "--out", str(folder / "out"), "--jobs", "1", "--quiet"]
    Trial(_COMMAND, arguments, dict).finish(folder / "builder")
    records = pq.read_table(folder / "out/index.parquet", columns=["source", "row", "path", "label"]).to_pylist()
    for source in ("busi", "drimdb"):
        entries = [
            _entry(number, one) for number, one in enumerate(records) if one["source"] == source and one["label"]
        ]
        place = folder / f"json/Original_Medical_Datasets/ori--{entries[0]['data-no']}-train.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(entries), "utf-8")


def _entry(number: int, record: dict[str, object]) -> dict[str, object]:
    asked = (
        f"What is it?\nA: {record['label']}\nB: other\nAnswer with the option's letter from the given choices directly."
    )
    return {
        "id": number,
        "caption": record["label"],
        "image": f"med-mat/x/{record['path']}",
        "Question": "What is it?",
        "Answer": record["label"],
        "Question-choice": asked,
        "Answer-choice": "A",
        "data-no": str(record["row"]),
    }


def _building(jobs: int) -> Kind:
    @contextmanager
    def of(given: Path, folder: Path) -> Iterator[Trial]:
        out = folder / "out"
        arguments = ["build", "--raw", str(given / "raw"), "--out", str(out), "--quiet", "--jobs", str(jobs)]
        yield Trial(_COMMAND, arguments, lambda: content(out))

    return of


@contextmanager
def _pushing(given: Path, folder: Path) -> Iterator[Trial]:
    with a_hub() as hub:
        arguments, name = ["push", str(given / "out"), "org/Med-MAT"], "org/Med-MAT"
        yield Trial(
            _COMMAND, arguments, lambda: hub.files(name) if name in hub.repositories else {}, _user_of(hub.endpoint)
        )


@contextmanager
def _attaching(given: Path, folder: Path) -> Iterator[Trial]:
    with a_hub() as hub:
        place, out = str(given / "out"), folder / "out"
        bare = ["push", place, "org/bare", "--without-pixels", "--names"]
        Trial(_COMMAND, bare, dict, _user_of(hub.endpoint)).finish(folder / "publisher")
        arguments = ["attach", "org/bare", "--raw", str(given / "raw"), "--out", str(out), "--jobs", "1", "--quiet"]
        yield Trial(_COMMAND, arguments, lambda: content(out), _user_of(hub.endpoint))


def _user_of(endpoint: str) -> dict[str, str]:
    return {"HF_ENDPOINT": endpoint, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}


@contextmanager
def _downloading(given: Path, folder: Path) -> Iterator[Trial]:
    draw = random.Random("pictures")
    pictures = {f"images/{number}.png": draw.randbytes(3_000) for number in range(40)}
    with a_server() as server:
        inner = zipped(pictures)
        server.file("/set/images.zip", zipped({"inner.zip": inner}), delay=0.002)
        server.file("/set/labels.csv", b"image,label\n" * 2_000, delay=0.002)
        yield Trial(_DOWNLOAD, [server.base, str(folder / "raw")], lambda: content(folder / "raw"))


def toy(base: str) -> catalog.Source:
    """A source that a server on loopback has: an archive inside another, and a table."""
    ways = catalog.Download("https", f"{base}/set/", ("images.zip", "labels.csv"))
    layouts = (catalog.Layout("published", ("labels.csv", "images/*.png")),)
    return replace(catalog.load()["kvasir_seg"], name="toy", downloads=(ways,), layouts=layouts)


@contextmanager
def _attaching_questions(given: Path, folder: Path) -> Iterator[Trial]:
    out = folder / "upstream"
    arguments = ["official", "attach", str(given / "json"), "--build", str(given / "out"), "--out", str(out)]
    yield Trial(_COMMAND, arguments, lambda: content(out))


@contextmanager
def _saving(given: Path, folder: Path) -> Iterator[Trial]:
    out = folder / "saved"
    yield Trial(_SAVE, [str(given / "out"), str(out / "split.parquet")], lambda: content(out))


KINDS: dict[str, Kind] = {
    "build": _building(1),
    "build of two processes": _building(2),
    "push": _pushing,
    "attach": _attaching,
    "download": _downloading,
    "official attach": _attaching_questions,
    "save": _saving,
}


@dataclass
class Seen:
    """What happened to one kind of run."""

    points: int = 0
    kills: int = 0
    half_written: list[str] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        return self.half_written + self.mismatches + self.leftovers


def disturb(kind: Kind, given: Path, folder: Path, points: int, draw: random.Random) -> Seen:
    """Kill one kind of run at so many points, and say what was wrong."""
    with kind(given, folder / "undisturbed") as trial:
        seconds = trial.finish(folder / "undisturbed")
        expected = trial.left()
    assert expected
    seen = Seen()
    while seen.points < points:
        place = folder / str(seen.points)
        with kind(given, place) as trial:
            for _ in range(draw.randint(1, KILLS)):
                if not _killed(trial.start(place), draw.uniform(0, seconds)):
                    break
                seen.kills += 1
                seen.half_written += [
                    f"{place.name}: {name}"
                    for name, data in trial.left().items()
                    if not _hidden(name) and expected.get(name) != data
                ]
            trial.finish(place)
            left = trial.left()
        seen.points += 1
        differing = {name for name in expected.keys() | left.keys() if expected.get(name) != left.get(name)}
        seen.mismatches += [f"{place.name}: {name}" for name in sorted(differing)]
        seen.leftovers += [str(path) for path in sorted(place.rglob("*")) if _begun(path, place)]
    return seen


def _killed(run: subprocess.Popen[str], seconds: float) -> bool:
    """Kill a run after so many seconds; whether it was still running."""
    with suppress(subprocess.TimeoutExpired):
        run.communicate(timeout=seconds)
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    return run.returncode == -signal.SIGKILL


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _begun(path: Path, folder: Path) -> bool:
    """Whether a path is one that something had begun and should have tidied up. What ``huggingface_hub`` had begun to
    fetch into its own cache stays there, by its own rules."""
    theirs = path.suffix == ".incomplete" and folder / "home/hub" in path.parents
    odd = files.is_temporary(path.name) or path.suffix in (".tmp", ".incomplete", ".part")
    return (odd and not theirs) or path.parent == folder / "tmp"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("--points", type=int, default=200, help="over all kinds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, help="of this kind alone")
    chosen = parser.parse_args()
    kinds = [chosen.kind] if chosen.kind else list(KINDS)
    faults = 0
    with tempfile.TemporaryDirectory(prefix="med-mat-kills-") as top:
        give(Path(top) / "given")
        for number, name in enumerate(kinds):
            points = chosen.points // len(kinds) + (number < chosen.points % len(kinds))
            seen = disturb(
                KINDS[name], Path(top) / "given", Path(top) / name, points, random.Random(f"{chosen.seed} {name}")
            )
            faults += len(seen.faults)
            print(
                f"{name}: {seen.points} points, {seen.kills} kills, {len(seen.half_written)} half-written, "
                f"{len(seen.mismatches)} mismatches, {len(seen.leftovers)} leftovers",
                *seen.faults[:3],
                sep="\n  ",
                flush=True,
            )
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
