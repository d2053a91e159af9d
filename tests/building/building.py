"""What the tests of the build share: miniatures, sources that a test makes up, and what a build left behind."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from med_mat.building import Options, Report, build, find
from med_mat.catalog import Catalog, Layout, Row, Source, load
from med_mat.demo import miniature
from med_mat.raw import RawFolder
from med_mat.taxonomy import AnnotationKind

#: A loader of folders whose names are the labels.
CLASS_FOLDERS = """
    for image in raw.images("*/*"):
        yield Example(image, label=image.parent.name)
"""
_HEAD = """
import json
from pathlib import PurePosixPath
from med_mat.example import *
from med_mat.raw import multi_hot


def examples(raw):
"""


def make(raw: Path, out: Path, *names: str, **options: Any) -> Report:
    """Build sources that lie below ``raw`` as ``raw/<source>``."""
    return build(find(dict.fromkeys(names), raw), out, Options(**{"jobs": 1, **options}))


def make_miniature(folder: Path, *names: str) -> Path:
    """Write miniatures of sources below ``folder``/raw and build them into ``folder``/out."""
    miniature(folder / "raw", names)
    make(folder / "raw", folder / "out", *names)
    return folder / "out"


def content(out: Path) -> dict[str, bytes]:
    """Every file of a build, its state included, but the lock."""
    paths = (path for path in out.rglob("*") if path.is_file() and path != out / ".build" / "lock")
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


def records(out: Path) -> list[dict[str, Any]]:
    """The rows of the index."""
    rows: list[dict[str, Any]] = pq.read_table(out / "index.parquet").to_pylist()
    return rows


def ledger(out: Path, name: str = "toy") -> dict[str, Any]:
    """The ledger of one source."""
    read: dict[str, Any] = json.loads((out / "ledger" / f"{name}.json").read_text("utf-8"))
    return read


def reasons(out: Path, name: str = "toy") -> dict[str, str]:
    """Path -> why none of its records was written."""
    return {entry["path"]: entry["reason"] for entry in ledger(out, name)["quarantine"]}


def touch(path: Path, seconds: int = 5) -> None:
    """Give a file a time that it did not have, as an edit would."""
    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + seconds * 10**9))


def draw(path: Path, shade: int = 128, size: tuple[int, int] = (16, 12)) -> Path:
    """Write a picture of one shade."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, shade).save(path)
    return path


@dataclass(frozen=True)
class Toy:
    """A source named "toy" that exists for one test: its loader, its card's rows, and an empty raw folder."""

    source: Source
    raw: Path
    out: Path

    @property
    def catalog(self) -> Catalog:
        """The catalog in which it is the only source."""
        return Catalog({self.source.name: self.source}, load().subsets)

    def draw(self, *paths: str) -> None:
        """Write a picture under each path below the raw folder, each of another shade."""
        for path in paths:
            shade = 1 + len(list(self.raw.rglob("*"))) % 250
            draw(self.raw / path, shade)

    def build(self, out: Path | None = None, **options: Any) -> Report:
        """Scan the raw folder afresh and build it."""
        raw = {self.source.name: RawFolder(self.raw, "any")}
        return build(raw, out or self.out, Options(**{"jobs": 1, **options}), catalog=self.catalog)


def row(number: int, kind: AnnotationKind, labels: Mapping[str, str]) -> Row:
    """A row of the toy, under the tags of row 48."""
    return replace(load()["busi"].row(48), number=number, source="toy", kind=kind, labels=dict(labels))


def make_toy(folder: Path, body: str, *rows: Row, register: Callable[[dict[str, Any], str, Any], None]) -> Toy:
    """A toy whose loader has the given body: ``examples(raw)`` without its first line.

    Args:
        register: puts the loader among the loaded modules for the time of the test (``monkeypatch.setitem``).
    """
    (folder / "raw").mkdir()
    file = folder / "toy.py"
    file.write_text(_HEAD + body, "utf-8")
    spec = importlib.util.spec_from_file_location("med_mat.loaders.toy", file)
    if spec is None or spec.loader is None:
        raise ImportError(str(file))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    register(sys.modules, spec.name, module)
    source = replace(
        load()["busi"], name="toy", loader="med_mat.loaders.toy", rows=rows, layouts=(Layout("any", ("**",)),)
    )
    return Toy(source, folder / "raw", folder / "out")
