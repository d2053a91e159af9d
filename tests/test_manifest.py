"""A manifest by somebody else, or a damaged one: a Med-MAT opens, or is refused in a sentence that names it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import med_mat
from med_mat import dataset
from med_mat.building import Options, build, find
from med_mat.catalog import load
from med_mat.demo import miniature
from med_mat.duplicates import unseen
from med_mat.errors import MedMATError
from med_mat.hub.publication import choose
from med_mat.storage.location import MANIFEST

ODD: tuple[Any, ...] = (
    None,
    [],
    {},
    [None],
    [[1]],
    {"a": [1]},
    True,
    -1,
    1.5,
    10**400,
    float("nan"),
    "",
    "x",
    "\ud800",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manifest")
    build(find(miniature(folder / "raw", ["busi", "head_ct"]), None), folder / "out", Options(jobs=1))
    return folder / "out"


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from nodes(one, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    inside = changed
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return changed


def said_of(folder: Path) -> str:
    """Open a Med-MAT and do with it what needs what the manifest says; the sentence where it does not open."""
    try:
        mat = med_mat.open(folder)
    except MedMATError as error:
        return str(error)
    repr(mat), mat.mats, mat.grid()
    asked: tuple[Callable[[], Any], ...] = (
        lambda: mat.where("CT/*/*"),
        lambda: mat.where("source=busi & licence=open"),
        lambda: mat.where("redistributable=yes"),
        lambda: mat.related("CT/Brain/Hemorrhage"),
        lambda: mat.select("*/*/*", columns=["id"], streaming=True),
        lambda: unseen(mat),
        lambda: choose(folder, mat.manifest, load(), pixels="none"),
    )
    for ask in asked:
        with suppress(MedMATError):
            ask()
    return ""


def test_each_value_of_a_manifest_may_be_anything(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "_SWITCHING", ())  # no build is running
    right = (made / MANIFEST).read_text("utf-8")
    manifest = json.loads(right)
    try:
        for path in nodes(manifest):
            for value in ODD:
                (made / MANIFEST).write_text(json.dumps(put(manifest, path, value)), "utf-8")
                said = said_of(made)
                assert not said or str(made) in said, (path, value)
                assert "\n" not in said
    finally:
        (made / MANIFEST).write_text(right, "utf-8")


@pytest.mark.parametrize(
    "text", ["", "[", "[1]", "null", '"x"', "3", "[" * 100_000, '{"a":' * 100_000, "9" * 5000, "\x00"]
)
def test_a_manifest_may_be_any_text(made: Path, text: str) -> None:
    right = (made / MANIFEST).read_bytes()
    try:
        (made / MANIFEST).write_text(text, "utf-8")
        assert str(made) in said_of(made)
        (made / MANIFEST).write_bytes(b"\xff\xfe" + text.encode())
        assert str(made) in said_of(made)
    finally:
        (made / MANIFEST).write_bytes(right)
