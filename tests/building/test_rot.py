"""What a disk, or a person, changed in a Med-MAT is seen: by validate and by push in every byte, by a build in time."""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from building import content, make, make_miniature, touch
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from workshop import once

import med_mat
from med_mat import duplicates, errors
from med_mat.building import sums
from med_mat.building.chunk import Result
from med_mat.building.store import Store, resume
from med_mat.catalog import load
from med_mat.cli import cli
from med_mat.files import sha256
from med_mat.hub.publication import choose
from med_mat.hub.staging import stage
from med_mat.storage.location import JOURNAL, MANIFEST, SUMS, locate

NAMES = ("head_ct", "busi")
ENDS = ("parquet", "json", "thumbnails")  # of what a build keeps of a chunk


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with raw/ and out/, never to be changed."""
    return once(tmp_path_factory, "rot", lambda folder: make_miniature(folder, *NAMES))


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    """A copy of the build, to be changed, as ``cp -a`` makes it."""
    return Path(shutil.copytree(original / "out", tmp_path / "out"))


@functools.cache
def bytes_of(out: Path) -> dict[str, bytes]:
    return content(out)


def files_of(out: Path, pattern: str) -> list[str]:
    found = sorted(path.relative_to(out).as_posix() for path in out.glob(pattern))
    assert found
    return found


def flip(path: Path, at: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << bit
    path.write_bytes(data)


def test_the_list_has_every_file_and_sha256sum_reads_it(original: Path) -> None:
    out = original / "out"
    listed = sums.read(out)
    assert set(listed) == set(content(out)) - {SUMS}
    assert all(sha256(out / name) == digest for name, digest in listed.items())
    checked = sums.check(out)
    assert checked.ok
    assert checked.files == len(listed)
    if shutil.which("sha256sum"):
        run = subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=out, capture_output=True, text=True)
        assert (run.returncode, run.stdout) == (0, "")


def test_a_marker_carries_the_sha256_of_its_files(original: Path) -> None:
    out = original / "out"
    for name in files_of(out, ".build/*/*.json"):
        made = Result.from_json((out / name).read_text("utf-8"))
        assert made.data
        assert all((out / one).stat().st_size == file.bytes for one, file in made.files.items())
        assert all(sha256(out / one) == file.sha256 for one, file in made.files.items())


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_byte_of_whatever_file_changes_is_named_and_a_build_restores_it(
    original: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytes_of(original / "out")
    name = data.draw(st.sampled_from(sorted(name for name, held in whole.items() if held)))
    out = Path(shutil.copytree(original / "out", tmp_path_factory.mktemp("flipped") / "out"))
    at, bit = data.draw(st.integers(0, len(whole[name]) - 1)), data.draw(st.integers(0, 7))
    flip(out / name, at, bit)
    checked = sums.check(out)
    assert (checked.damaged, checked.missing, checked.extra) == ((name,), (), ())
    make(original / "raw", out, *NAMES)
    assert content(out) == whole


@pytest.mark.parametrize(
    "pattern", ["data/*/*/*.parquet", ".build/*/*.parquet", ".build/*/*.json", ".build/*/*.thumbnails"]
)
@pytest.mark.parametrize("damage", ["zeros", "shorter", "gone", "older time"])
def test_a_damaged_file_of_a_chunk_is_made_anew_by_the_next_build(
    original: Path, copy: Path, pattern: str, damage: str
) -> None:
    path = copy / files_of(copy, pattern)[0]
    size, facts = path.stat().st_size, path.stat()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(bytes(size) if damage != "shorter" else path.read_bytes()[: size // 2])
    if damage == "older time":  # as a copy that keeps times would leave it
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    make(original / "raw", copy, *NAMES)
    assert content(copy) == bytes_of(original / "out")


def test_a_build_reads_only_what_was_touched(original: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(original / "raw", copy, *NAMES)  # reads all: a copy has new change times
    read: list[str] = []
    monkeypatch.setattr("med_mat.building.store.sha256", lambda path: read.append(path.name) or sha256(path))
    assert make(original / "raw", copy, *NAMES).kept == 2
    assert read == []
    shard = copy / files_of(copy, "data/busi/*/*.parquet")[0]
    touch(shard, -60)  # a time in the future would stay newer than the next build
    assert make(original / "raw", copy, *NAMES).kept == 2
    assert read == [shard.name]
    assert make(original / "raw", copy, *NAMES).kept == 2
    assert read == [shard.name]


def test_what_rots_without_a_trace_is_seen_by_validate_and_then_made_anew(
    original: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(original / "raw", copy, *NAMES)
    name = files_of(copy, "data/busi/*/*.parquet")[0]
    flip(copy / name, 5000)
    with monkeypatch.context() as patch:  # no time says that anything has changed
        patch.setattr(Store, "touched", lambda *_: False)
        make(original / "raw", copy, *NAMES)
    assert (copy / name).read_bytes() != bytes_of(original / "out")[name]
    run = CliRunner().invoke(cli, ["validate", "--out", str(copy), "--quiet"])
    assert run.exit_code == 1
    assert name in run.output
    assert "Run the same 'med-mat build' again" in run.output
    make(original / "raw", copy, *NAMES)
    assert content(copy) == bytes_of(original / "out")
    run = CliRunner().invoke(cli, ["validate", "--out", str(copy), "--json", "--quiet"])
    assert run.exit_code == 0
    assert json.loads(run.output)["ok"]


@pytest.mark.parametrize("pattern", [".build/busi/*.parquet", "ledger/busi.json", "files/busi.parquet", SUMS])
def test_damage_of_a_source_that_is_not_built_now_is_a_sentence(original: Path, copy: Path, pattern: str) -> None:
    for name in files_of(copy, pattern):
        (copy / name).write_bytes(bytes((copy / name).stat().st_size))
    with pytest.raises(errors.BuildError, match=r"busi"):
        make(original / "raw", copy, "head_ct")
    make(original / "raw", copy, *NAMES)
    assert content(copy) == bytes_of(original / "out")


@pytest.mark.parametrize("damage", ["zeros", "shorter"])
@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("index.parquet", lambda out: med_mat.open(out)),
        (MANIFEST, lambda out: med_mat.open(out)),
        ("data/busi/*/train-*.parquet", lambda out: med_mat.open(out).select("*/*/*", source="busi")),
        ("data/busi/*/train-*.parquet", lambda out: list(med_mat.open(out).select("*/*/*", streaming=True))),
        ("data/busi/*/train-*.parquet", lambda out: med_mat.open(out).read(med_mat.open(out).where(source="busi"))),
        ("duplicates.parquet", lambda out: duplicates.links(med_mat.open(out))),
    ],
)
def test_what_opens_a_damaged_file_says_which_and_what_to_do(
    copy: Path, name: str, act: Callable[[Path], object], damage: str, arrow_cache: Path
) -> None:
    for one in files_of(copy, name):
        size = (copy / one).stat().st_size
        (copy / one).write_bytes(bytes(size) if damage == "zeros" else (copy / one).read_bytes()[: size // 2])
    with pytest.raises(errors.MedMATError, match=r"(?s)(damaged|missing).*[Bb]uild( it)?'? again") as caught:
        act(copy)
    assert Path(name).name.partition("*")[0] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "pattern", ["data/busi/*/*.parquet", "index.parquet", "files/*.parquet", MANIFEST, "ledger.json"]
)
def test_nothing_damaged_is_published(copy: Path, tmp_path: Path, pattern: str) -> None:
    _, manifest = locate(copy)
    name = files_of(copy, pattern)[-1]
    flip(copy / name, 77)
    (tmp_path / "scratch").mkdir()
    with pytest.raises(errors.BuildError, match="is not as it was written") as caught:
        stage(choose(copy, manifest, load(), pixels="none"), "org/bare", tmp_path / "scratch")
    assert name in str(caught.value)


def test_a_published_set_has_a_list_of_its_own(original: Path, copy: Path, tmp_path: Path) -> None:
    _, manifest = locate(copy)
    (tmp_path / "scratch").mkdir()
    publication = choose(copy, manifest, load(), only=["busi"], pixels="none")
    for name, path in stage(publication, "org/bare", tmp_path / "scratch").files.items():
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tmp_path / "set" / name)
    checked = sums.check(tmp_path / "set")
    assert checked.ok, str(checked)
    assert ".build" in checked.note
    assert set(sums.read(tmp_path / "set")) == set(content(tmp_path / "set")) - {SUMS}
    with pytest.raises(errors.BuildError, match=r"a Med-MAT without its folder \.build: published, or"):
        make(original / "raw", tmp_path / "set", "busi")


def test_a_file_that_no_build_wrote_is_told(copy: Path) -> None:
    shutil.copy(copy / files_of(copy, "data/busi/*/*.parquet")[0], copy / "data/busi/048/train-00000-00000000.parquet")
    (copy / "data/notes.txt").write_text("mine")
    checked = sums.check(copy)
    assert checked.extra == ("data/busi/048/train-00000-00000000.parquet",)
    assert not checked.ok


def test_a_damaged_journal_is_dropped(original: Path, copy: Path) -> None:
    (copy / JOURNAL).write_bytes(bytes(300))
    make(original / "raw", copy, *NAMES)
    assert content(copy) == bytes_of(original / "out")


def test_a_journal_that_leads_out_of_the_folder_moves_and_removes_nothing(copy: Path) -> None:
    (copy.parent / "mine.parquet").write_text("mine")
    (copy / "mine.txt").write_text("mine")
    removes = ["../mine.parquet", str(copy.parent / "mine.parquet"), "data/../mine.txt", "mine.txt", MANIFEST]
    (copy / ".build/next").mkdir()
    (copy / ".build/next/x").write_text("x")
    (copy / JOURNAL).write_text(json.dumps({"moves": ["../next/x", "../../x"], "removes": removes}))
    before = content(copy)
    resume(Store(copy))
    assert (copy.parent / "mine.parquet").exists()
    assert {name for name in before if not name.startswith(".build/")} <= set(content(copy))


def test_a_folder_without_a_list_is_a_sentence(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(errors.BuildError, match="has no SHA256SUMS, with which 'med-mat build' ends"):
            sums.check(folder)
