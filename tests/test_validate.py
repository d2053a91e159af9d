"""A copy of raw files against the index of another: names and sizes, hashes, decoding."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from med_mat import cli as cli_module
from med_mat import validate as module
from med_mat.building import build, find
from med_mat.cli import cli
from med_mat.demo import miniature
from med_mat.mounts.base import RawPath
from med_mat.storage.raw_files import read_indexes

NAMES = ("busi", "head_ct", "duke_liver")
IMAGE = "benign/benign (1).png"


def run(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["validate", *map(str, arguments), "--quiet"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    miniature(folder / "raw", NAMES)
    build(find(dict.fromkeys(NAMES), folder / "raw"), folder / "out")
    return folder


@pytest.fixture
def copy(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another person's raw folder, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(original / "raw", tmp_path / "raw", symlinks=True)
    return tmp_path / "raw"


def busi(raw: Path) -> Path:
    return raw / "busi" / "Dataset_BUSI_with_GT"


def alter(path: Path) -> None:
    """Change one byte, and neither size nor time."""
    facts = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize("level", ["quick", "hash", "decode"])
def test_the_same_files_are_the_same(original: Path, copy: Path, level: str) -> None:
    found = json.loads(run("--raw", copy, "--against", original / "out", "--level", level, "--json").output)
    by_name = {one["source"]: one for one in found}
    assert set(by_name) == set(NAMES)
    for one in by_name.values():
        assert not one["missing"] + one["extra"] + one["altered"] + one["moved"]
    # the miniature of Head CT holds a broken image; it gave no record, and so it is not asked for
    assert all(one["ok"] for one in by_name.values())
    assert (by_name["busi"]["hashed"] > 30) == (level != "quick")
    assert (by_name["duke_liver"]["decoded"] > 10) == (level == "decode")


def test_missing_extra_altered_truncated_and_moved(original: Path, copy: Path) -> None:
    root = busi(copy)
    (root / "benign/benign (2).png").unlink()
    (root / "benign/🩺 extra.png").write_bytes(b"x")
    (root / ".DS_Store").write_bytes(b"x")
    cut = root / "benign/benign (3).png"
    cut.write_bytes(cut.read_bytes()[:-40])
    alter(root / IMAGE)
    (root / "malignant/malignant (1).png").rename(root / "normal/malignant (1).png")
    by_level = {}
    for level in ("quick", "hash", "decode"):
        output = run(f"busi={copy / 'busi'}", "--against", original / "out", "--level", level, "--json", code=1).output
        (by_level[level],) = json.loads(output)
    for one in by_level.values():
        assert one["missing"] == ["benign/benign (2).png"]
        assert one["extra"] == ["benign/🩺 extra.png"]
        assert one["moved"] == [["malignant/malignant (1).png", "normal/malignant (1).png"]]
    assert by_level["quick"]["altered"] == ["benign/benign (3).png"]
    assert by_level["hash"]["altered"] == by_level["decode"]["altered"] == [IMAGE, "benign/benign (3).png"]
    assert "benign/benign (3).png" in by_level["decode"]["undecodable"]
    text = run(f"busi={copy / 'busi'}", "--against", original / "out", code=1).output
    assert "busi: differs" in text
    assert "🩺 extra.png" in text


def test_neither_folders_around_it_nor_links_matter(original: Path, copy: Path) -> None:
    deep = copy / "a b" / "c" / "other name"
    deep.mkdir(parents=True)
    busi(copy).rename(deep / "moved")
    against = original / "out/files/busi.parquet"
    assert "the same" in run(f"busi={copy / 'a b'}", "--against", against).output
    image = deep / "moved" / IMAGE
    image.rename(copy / "elsewhere.png")
    image.symlink_to(copy / "elsewhere.png")
    assert "the same" in run(f"busi={deep}", "--against", against, "--level", "hash").output


def test_a_source_that_is_not_there_is_missing_as_a_whole(original: Path, copy: Path) -> None:
    shutil.rmtree(copy / "head_ct")
    found = json.loads(run("--raw", copy, "--against", original / "out", "--json", code=1).output)
    wrong = [one for one in found if not one["ok"]]
    assert [one["source"] for one in wrong] == ["head_ct"]
    assert len(wrong[0]["missing"]) == wrong[0]["files"] > 0


def test_a_hash_run_that_was_killed_goes_on_and_reads_each_file_once(
    original: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = RawPath.sha256

    def counted(path: RawPath) -> str:
        if len(read) == 20:
            raise KeyboardInterrupt
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(RawPath, "sha256", counted)
    monkeypatch.setattr(module, "_CHUNK", 4)
    index = read_indexes(original / "out")["busi"]
    with pytest.raises(KeyboardInterrupt):
        module.validate(copy / "busi", index, level="hash")
    (marker,) = (copy.parent / "cache/med_mat/validate").iterdir()
    with marker.open("a") as file:
        file.write('["torn')  # as a kill leaves it
    changed = busi(copy) / read[0]
    changed = next(busi(copy).rglob(changed.name))
    alter(changed)
    os.utime(changed)  # of another time: not taken from the marker
    first, read[:] = list(read), []
    monkeypatch.setattr(RawPath, "sha256", lambda path: read.append(path.name) or real(path))  # type: ignore[func-returns-value]
    found = module.validate(copy / "busi", index, level="hash", jobs=2)
    assert found.altered == (changed.relative_to(busi(copy)).as_posix(),)
    assert "hashed by an earlier, interrupted run" in found.note
    assert len(read) == index.files.num_rows - 20 + 1 + (len(first) - 20)
    assert not marker.exists()
    alter(busi(copy) / "benign/benign (5).png")
    assert len(module.validate(copy / "busi", index, level="hash").altered) == 2  # a new run trusts no old one


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    original: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert module.validate(copy, read_indexes(original / "out")["busi"], level="hash").ok


def test_two_peoples_indexes_are_compared_without_raw_files(original: Path, copy: Path) -> None:
    mine = copy.parent / "mine"
    against = original / "out"
    run("--raw", copy, "--against", against, "--level", "hash", "--write", mine)
    assert run("--compare", against, mine).output.count("the same") == len(NAMES)
    alter(busi(copy) / IMAGE)
    (busi(copy) / "normal/normal (1).png").unlink()
    run("--raw", copy, "--against", against, "--level", "hash", "--write", mine, code=1)
    (mine / "head_ct.parquet").unlink()
    shutil.rmtree(copy)
    found = {one["source"]: one for one in json.loads(run("--compare", against, mine, "--json", code=1).output)}
    assert found["busi"]["altered"] == [IMAGE]
    assert found["busi"]["missing"] == ["normal/normal (1).png"]
    assert found["duke_liver"]["ok"]
    assert found["head_ct"]["note"] == "only the first has this source"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--raw", "RAW"], "--against"),
        (["--against", "OUT"], "--raw"),
        (["busi", "--against", "OUT"], "--raw"),
        (["kvasir=RAW", "--against", "OUT"], "no index of 'kvasir'"),
        (["busi=RAW/head_ct", "--against", "OUT"], "has none, or hardly any, of the files"),
        (["busi=RAW/nowhere", "--against", "OUT"], "not a folder"),
        (["--raw", "RAW", "--against", "RAW"], "no index of raw files"),
        (["--compare", "OUT", "RAW"], "no index of raw files"),
        (["--compare", "OUT", "OUT", "--raw", "RAW"], "neither"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(
    original: Path, arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [one.replace("RAW", str(original / "raw")).replace("OUT", str(original / "out")) for one in arguments]
    monkeypatch.setattr(sys, "argv", ["med-mat", "validate", *words])
    with pytest.raises(SystemExit) as caught:
        cli_module.main()
    said = capsys.readouterr().err
    assert caught.value.code == 1
    assert says in said
    assert "Traceback" not in said


def test_an_unreadable_file_is_told(original: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = RawPath.sha256

    def refused(path: RawPath) -> str:
        if path.name == "benign (1).png":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(RawPath, "sha256", refused)
    found = module.validate(copy, read_indexes(original / "out")["busi"], level="hash")
    assert list(found.undecodable) == [IMAGE]
    assert "Permission denied" in found.undecodable[IMAGE]
