"""The Arrow copies in the cache: made once, told apart, cleared where stale; and a cache that refuses."""

from __future__ import annotations

import os
import resource
import shutil
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from workshop import Workshop

import med_mat
from med_mat.cli import cli
from med_mat.commands import next_step
from med_mat.errors import BuildError
from med_mat.files import temporary_path
from med_mat.storage import copies
from med_mat.storage.location import taken_for_pattern


@pytest.fixture
def built(workshop: Workshop, tmp_path: Path) -> Path:
    """A Med-MAT of one's own."""
    return Path(shutil.copytree(workshop.out, tmp_path / "Med-MAT"))


def states(build: Path) -> list[str]:
    """The states of the copies of a build."""
    return [one.state for one in copies.copies() if one.build == str(build.resolve())]


def test_a_copy_says_of_which_file_of_which_build_it_is_one(built: Path, arrow_cache: Path) -> None:
    assert copies.copies() == []
    selected = med_mat.open(built).select(row=48, split="test")
    (copy,) = copies.copies()
    assert (copy.build, copy.state, copy.stale) == (str(built.resolve()), "in use", False)
    assert (built / copy.file).is_file()
    assert copy.size == copy.path.stat().st_size
    assert copy.path.parent == arrow_cache / "med_mat"
    assert [one["filename"] for one in selected.cache_files] == [str(copy.path)]


def test_a_copy_is_stale_once_its_file_changed_or_is_gone(built: Path, arrow_cache: Path) -> None:
    med_mat.open(built).select(row=48)
    assert set(states(built)) == {"in use"}
    changed, gone = (built / one.file for one in copies.copies()[:2])
    os.utime(changed, ns=(0, changed.stat().st_mtime_ns + 10**9))
    gone.unlink()
    assert sorted(states(built))[-2:] == ["stale", "stale"]
    shutil.rmtree(built)
    assert set(states(built)) == {"stale"}


def test_clearing_removes_what_is_stale_and_nothing_else(workshop: Workshop, built: Path, arrow_cache: Path) -> None:
    for where in (built, workshop.out):
        med_mat.open(where).select(row=48)
    shutil.rmtree(built)
    place = arrow_cache / "med_mat"
    old, new = (temporary_path(place / f"{digit * 32}.arrow") for digit in "ab")
    broken = place / f"{'c' * 32}.arrow"
    theirs = [place / "mine.arrow", place / f"{'d' * 32}.arrow.tmp", place / f"{'e' * 32}.txt", arrow_cache / "x.arrow"]
    for path in (old, new, broken, *theirs):
        path.write_bytes(b"no Arrow")
    folder = place / f"{'f' * 32}.arrow"
    folder.mkdir()
    os.utime(old, (0, time.time() - 2 * 86400))
    said = CliRunner().invoke(cli, ["cache"]).output
    assert all(word in said for word in (f"{built.resolve()}: ", "in use", "stale", "unfinished", "unreadable"))
    done = CliRunner().invoke(cli, ["cache", "--clear"])
    assert (done.exit_code, "Removed: " in done.output) == (0, True)
    assert (states(built), set(states(workshop.out))) == ([], {"in use"})
    assert [path for path in (old, broken) if path.exists()] == []
    assert all(path.exists() for path in (new, folder, *theirs))
    assert "Nothing of it is stale" in CliRunner().invoke(cli, ["cache", "--clear"]).output
    assert CliRunner().invoke(cli, ["cache", "--clear", "--all"]).exit_code == 0
    assert copies.copies() == []
    assert all(path.exists() for path in theirs)


def test_a_damaged_copy_is_made_again(built: Path, arrow_cache: Path) -> None:
    before = med_mat.open(built).select(row=48, split="test").to_list()
    (copy,) = copies.copies()
    copy.path.write_bytes(bytes(copy.size))
    assert med_mat.open(built).select(row=48, split="test").to_list() == before
    assert set(states(built)) == {"in use"}


def test_a_damaged_data_file_is_one_sentence(built: Path, arrow_cache: Path) -> None:
    file = next((built / "data/busi/048").glob("test-*.parquet"))
    file.write_bytes(bytes(file.stat().st_size))
    with pytest.raises(BuildError, match=r"test-.* is damaged.*'med-mat build' again"):
        med_mat.open(built).select(row=48, split="test")
    assert not arrow_cache.exists()


def test_a_cache_that_refuses_is_one_sentence_with_the_way_out(built: Path, arrow_cache: Path) -> None:
    arrow_cache.mkdir()
    (arrow_cache / "med_mat").write_text("a file where the folder belongs")
    with pytest.raises(BuildError, match=r"copied to .*med_mat: .*HF_DATASETS_CACHE.*streaming=True"):
        med_mat.open(built).select(row=48)
    assert len(list(med_mat.open(built).select(row=48, streaming=True))) > 0


def test_a_disk_that_takes_no_more_is_one_sentence_and_nothing_is_left_on_it(built: Path, arrow_cache: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(BuildError, match=r"copied to .*: File too large"):
            med_mat.open(built).select(row=48)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((arrow_cache / "med_mat").iterdir()) == []


@pytest.mark.parametrize("name", ["a[x]b", "a*b", "a?b", "a::b"])
def test_a_path_that_load_dataset_takes_for_a_pattern_is_told(workshop: Workshop, tmp_path: Path, name: str) -> None:
    import datasets

    odd = Path(shutil.copytree(workshop.out, tmp_path / name))
    assert all(map(taken_for_pattern, (odd, odd / "inner")))
    said = next_step(odd)
    assert all(word in said for word in ("Warning: ", str(odd), "med_mat.open("))
    assert len(med_mat.open(odd).select(row=48)) > 0
    if "*" in name or "?" in name:
        shutil.copytree(workshop.out, tmp_path / "axb")
    try:
        found = len(datasets.load_dataset(str(odd), "busi", split="train"))
    except FileNotFoundError:
        found = 0
    right = len(datasets.load_dataset(str(workshop.out), "busi", split="train"))
    assert found != right, "datasets has mended this: the warning can go"


@pytest.mark.parametrize("name", ["a b", "a#b", "a%20b", "a'b", 'a"b', "a{b,c}d", "a:b", "a\\b", "ä", "a]b", "a[b"])
def test_other_odd_paths_are_opened_as_the_advice_says(workshop: Workshop, tmp_path: Path, name: str) -> None:
    from datasets import load_dataset

    odd = Path(shutil.copytree(workshop.out, tmp_path / name))
    said = next_step(odd)
    assert said.startswith("Next: load_dataset(")
    opened = eval(
        said.removeprefix("Next: "), {"load_dataset": lambda path, split: load_dataset(path, "busi", split=split)}
    )
    assert len(opened) > 0
