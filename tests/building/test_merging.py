"""Parts that tasks built on their own become the Med-MAT that one build makes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from building import content, make
from click.testing import CliRunner

from med_mat.building import merge
from med_mat.cli import cli
from med_mat.demo import miniature
from med_mat.errors import BuildError
from med_mat.storage.location import MANIFEST

#: They share images and patients: some records of each are withheld only when the others are there.
SOURCES = ("busi", "isic_2016", "isic_2017", "nih_chestxray14", "nih_chestxray_sample", "duke_liver")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``raw``, ``whole`` (one build of all), and ``parts``, one per source."""
    top = tmp_path_factory.mktemp("merging")
    miniature(top / "raw", SOURCES)
    make(top / "raw", top / "whole", *SOURCES)
    for name in SOURCES:
        make(top / "raw", top / "parts" / name, name)
    return top


def folders(top: Path) -> list[Path]:
    return sorted((top / "parts").iterdir())


def test_merged_parts_have_the_bytes_of_one_build(parts: Path, tmp_path: Path) -> None:
    before = {name: content(parts / "parts" / name) for name in SOURCES}
    found = merge(folders(parts), tmp_path / "out")
    assert content(tmp_path / "out") == content(parts / "whole")
    assert found.sources.keys() == {*SOURCES}
    assert found.moved, "no record changed sides: the sources of this test share nothing"
    assert {name: content(parts / "parts" / name) for name in SOURCES} == before
    merge(folders(parts), tmp_path / "out")  # once more changes nothing
    assert content(tmp_path / "out") == content(parts / "whole")


def test_parts_of_several_sources_in_any_order_and_one_that_comes_later(parts: Path, tmp_path: Path) -> None:
    make(parts / "raw", tmp_path / "two", *SOURCES[:2])
    merge([*reversed(folders(parts)[2:]), tmp_path / "two"], tmp_path / "out")
    merge(folders(parts)[:2], tmp_path / "out")
    assert content(tmp_path / "out") == content(parts / "whole")


def test_a_part_given_twice_counts_once(parts: Path, tmp_path: Path) -> None:
    shutil.copytree(folders(parts)[0], tmp_path / "copy")
    merge([*folders(parts), tmp_path / "copy", *folders(parts)], tmp_path / "out")
    assert content(tmp_path / "out") == content(parts / "whole")


@pytest.mark.slow
def test_a_merge_that_is_killed_resumes_to_the_same_bytes(parts: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from med_mat.cli import main; main()", "merge", *map(str, folders(parts))]
    for tenth in range(6, 30, 3):
        process = subprocess.Popen([*command, "--out", str(tmp_path / "out"), "--quiet"], start_new_session=True)
        time.sleep(tenth / 10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    merge(folders(parts), tmp_path / "out")
    assert content(tmp_path / "out") == content(parts / "whole")


def test_two_parts_that_differ_in_a_source_are_refused(parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts / "raw", tmp_path / "raw")
    next((tmp_path / "raw" / "busi").rglob("benign (1).png")).unlink()
    make(tmp_path / "raw", tmp_path / "other", "busi")
    with pytest.raises(BuildError, match=r"both contain 'busi', and differ: leave out the one that is not meant"):
        merge([*folders(parts), tmp_path / "other"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_parts_with_other_options_are_refused(parts: Path, tmp_path: Path) -> None:
    make(parts / "raw", tmp_path / "eight", "busi", seed=8)
    make(parts / "raw", tmp_path / "header", "isic_2017", check="header")
    with pytest.raises(BuildError, match=r"was built with --check decode, and .*header with --check header"):
        merge([parts / "parts" / "busi", tmp_path / "header"], tmp_path / "out")
    with pytest.raises(BuildError, match=r"was built with --seed \d, and .* with --seed \d"):
        merge([tmp_path / "eight", *(path for path in folders(parts) if path.name != "busi")], tmp_path / "out")


def edited(part: Path, change: dict[str, object]) -> None:
    """A manifest with other facts, whose digest is entered in the list of files."""
    import hashlib

    from med_mat.building import sums

    known = sums.read(part)
    manifest = json.loads((part / MANIFEST).read_text("utf-8")) | change
    (part / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    known[MANIFEST] = hashlib.sha256((part / MANIFEST).read_bytes()).hexdigest()
    (part / "SHA256SUMS").write_bytes(sums.to_bytes(known))


def test_parts_of_other_versions_are_refused(parts: Path, tmp_path: Path) -> None:
    shutil.copytree(folders(parts)[0], tmp_path / "old")
    edited(tmp_path / "old", {"med_mat": "0.1.0"})
    with pytest.raises(
        BuildError, match=r"old was built by Med-MAT 0\.1\.0 .* Build this part again with this version"
    ):
        merge([tmp_path / "old"], tmp_path / "out")


def test_parts_built_with_other_libraries_are_refused(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from med_mat.building import libraries

    writer = libraries.writer()
    monkeypatch.setattr(libraries, "of_records", lambda decoders: {**writer, "pyarrow": "1.0"})
    make(parts / "raw", tmp_path / "other", "busi")
    monkeypatch.undo()
    with pytest.raises(BuildError, match=r"were built with different versions of pyarrow"):
        merge([tmp_path / "other", parts / "parts" / "duke_liver"], tmp_path / "out")


@pytest.mark.parametrize("what", ["data", "marker", "ledger", "list"])
def test_a_damaged_part_is_refused(parts: Path, tmp_path: Path, what: str) -> None:
    part = shutil.copytree(parts / "parts" / "busi", tmp_path / "busi")
    pattern = {"data": "data/busi/*/*.parquet", "marker": ".build/busi/*.json", "ledger": "ledger/busi.json"}
    path = next(Path(part).glob(pattern.get(what, "SHA256SUMS")))
    path.write_bytes(path.read_bytes()[:-9] + b"x" * 9)
    with pytest.raises(BuildError, match=r"is not as it was written|is damaged|changed"):
        merge([part, parts / "parts" / "duke_liver"], tmp_path / "out")


def test_an_unfinished_part_is_refused(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "part" / ".build").mkdir(parents=True)
    with pytest.raises(BuildError, match="is an unfinished build: run the 'med-mat build' of this part to its end"):
        merge([tmp_path / "part"], tmp_path / "out")
    with pytest.raises(BuildError, match="is no build"):
        merge([tmp_path], tmp_path / "out")


def test_the_commands_of_an_array(parts: Path, tmp_path: Path) -> None:
    listed = CliRunner().invoke(cli, ["build", "--raw", str(parts / "raw"), "--list"], catch_exceptions=False)
    assert sorted(listed.output.split()) == sorted(SOURCES)
    done = CliRunner().invoke(
        cli, ["merge", *map(str, folders(parts)), "--out", str(tmp_path / "out")], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert f"busi: from {parts / 'parts' / 'busi'}" in done.output
    assert "records in" in done.output
    assert content(tmp_path / "out") == content(parts / "whole")
