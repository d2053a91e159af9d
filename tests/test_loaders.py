"""Every loader keeps the contract (:mod:`med_mat.contract`), and all of them together do more."""

from __future__ import annotations

import functools
import re
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from workshop import Workshop, digests

from med_mat import contract
from med_mat.building import Options, build, find
from med_mat.building.loader import has_loader
from med_mat.catalog import UPSTREAM_ROWS, load
from med_mat.contract import Promise, Subject
from med_mat.demo import miniature
from med_mat.layouts.locating import recognize

LOADERS = Path(__file__).parents[1] / "loaders"
CATALOG = load()
NAMES = [source.name for source in CATALOG.values() if has_loader(source)]

#: Sources whose miniature shares no patient with the source that numbers its patients, and why.
SHARED_ELSEWHERE = {"coronahack": "it has the older file names, the miniature of pediatric_pneumonia the newer"}

pytestmark = pytest.mark.usefixtures("offline")
each = pytest.mark.parametrize("name", NAMES)


@functools.cache
def subject(name: str, root: Path) -> Subject:
    return Subject(CATALOG[name], CATALOG, root / "raw", root / "out")


def slug(promise: Promise) -> str:
    return re.sub(r"\W+", "_", promise.says.lower()).strip("_")[:60]


@each
@pytest.mark.parametrize("promise", contract.PROMISES, ids=slug)
def test_a_source_keeps_its_promises(promise: Promise, name: str, workshop: Workshop) -> None:
    assert promise.check(subject(name, workshop.root)) == ()


def test_every_source_has_a_loader_and_every_row_and_subset_is_built(workshop: Workshop) -> None:
    assert list(CATALOG) == NAMES
    rows = {row.number for row in CATALOG.rows}
    assert rows >= set(range(1, UPSTREAM_ROWS + 1))
    assert {one["row"] for one in workshop.records} == rows
    assert {one["subset"] for one in workshop.records} - {None} == set(CATALOG.subsets)


def test_each_loader_has_a_card() -> None:
    modules = {path.stem for path in LOADERS.glob("[!_]*.py")}
    assert modules == {name for name in NAMES if CATALOG[name].loader.startswith("med_mat.loaders.")}


def test_all_are_recognized_side_by_side_whatever_their_folders_are_called(workshop: Workshop, tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        (tmp_path / f"disk {number % 3}").mkdir(exist_ok=True)
        (tmp_path / f"disk {number % 3}" / f"set {number}").symlink_to(workshop.raw / name)
    assert recognize(tmp_path, CATALOG) == {}  # links to folders are not followed
    for number, name in enumerate(NAMES):
        place = tmp_path / f"disk {number % 3}" / f"set {number}"
        place.unlink()
        shutil.copytree(workshop.raw / name, place)
    found = recognize(tmp_path, CATALOG)
    assert list(found) == NAMES
    for number, name in enumerate(NAMES):
        assert found[name].root.is_relative_to(tmp_path / f"disk {number % 3}" / f"set {number}")


def test_sources_share_patients_and_groups_where_the_card_says_so_and_nowhere_else(workshop: Workshop) -> None:
    numbering = {name: CATALOG[name].patients_of for name in NAMES}
    named = {name: subject(name, workshop.root).examples for name in NAMES if CATALOG[name].patients}
    numbered = {
        name: list(dict.fromkeys(one.patient for one in found if one.patient is not None))
        for name, found in named.items()
    }
    holders: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    groups: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for one in workshop.records:
        if one["patient"] is not None:
            patient = (numbering[one["source"]], numbered[one["source"]][one["patient"]])
            holders[patient].add(one["source"])
            groups[patient].add(one["group"])
    assert all(len(numbers) == 1 for numbers in groups.values())
    for name, whose in numbering.items():
        shared = any({name, whose} <= sources for sources in holders.values())
        assert shared == (bool(CATALOG[name].patients) and name not in SHARED_ELSEWHERE)


def test_the_raw_folders_are_as_they_were(workshop: Workshop) -> None:
    assert workshop.hashes["after"] == workshop.hashes["before"]
    assert digests(workshop.raw) == workshop.hashes["before"]


@each
def test_a_build_leaves_no_trace_elsewhere_and_is_the_same_alone(
    name: str, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, elsewhere = tmp_path / "raw", tmp_path / "elsewhere"
    shutil.copytree(workshop.raw / name, raw / name)
    for folder in ("home", "cwd", "tmp"):
        (elsewhere / folder).mkdir(parents=True)
    monkeypatch.chdir(elsewhere / "cwd")
    monkeypatch.setenv("HOME", str(elsewhere / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere / "tmp"))
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in raw.rglob("*")}
    found = find({name: None}, raw)
    build(found, tmp_path / "out", Options(jobs=1))
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in raw.rglob("*")} == before
    assert not [path for path in elsewhere.rglob("*") if path.is_file()]
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "out", "elsewhere"}
    # built alone its questions may have other options; pixels, labels, boxes, masks and splits are the same
    # and so, elsewhere, are what is withheld and the files that follow from it
    ignored = {"question", "options", "answer", "target", "group", "withheld", "file", "position"}
    alone = pq.read_table(tmp_path / "out" / "index.parquet").to_pylist()
    kept, known = (
        {one["id"]: {key: value for key, value in one.items() if key not in ignored} for one in found_ones}
        for found_ones in (alone, workshop.of(name))
    )
    assert kept == known
    again = build(found, tmp_path / "out", Options(jobs=1))
    assert again.kept == len(list((tmp_path / "out" / ".build" / name).glob("*.json")))


def test_the_miniature_command_writes_below_its_folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    assert list(miniature(tmp_path / "raw", ["busi"])) == ["busi"]
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["busi"]
    assert not list((tmp_path / "cwd").iterdir())
