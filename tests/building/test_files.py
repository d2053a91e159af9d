"""The index of raw files that a build records."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from building import CLASS_FOLDERS, Toy, content, make, records, touch

from med_mat.demo import miniature
from med_mat.errors import ReadError
from med_mat.mounts.base import RawPath
from med_mat.storage.raw_files import ROLES, SCHEMA, read_index, read_indexes

MakeToy = Callable[..., Toy]
SOURCES = ("busi", "head_ct", "duke_liver", "covid_ct")
MASKED = """
    for image in raw.images("*/*", exclude="*_m.png"):
        masks = tuple(BinaryMask(mask, "a") for mask in raw.siblings(image, f"{image.stem}_m.png"))
        yield Example(image, label=image.parent.name, masks=masks or None)
    raw.lines("list.txt")
"""


def rows(out: Path, name: str = "toy") -> dict[str, dict[str, Any]]:
    """Path -> row of the index."""
    return {one["path"]: one for one in pq.read_table(out / "files" / f"{name}.parquet").to_pylist()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("four")
    miniature(folder / "raw", SOURCES)
    make(folder / "raw", folder / "out", *SOURCES)
    return folder


@pytest.mark.parametrize("name", SOURCES)
def test_every_visible_file_is_in_the_index_with_size_role_and_the_sha256_of_what_was_read(
    four: Path, name: str
) -> None:
    from med_mat.building import find
    from med_mat.raw.patterns import is_hidden

    raw = find({name: None}, four / "raw")[name]
    index = rows(four / "out", name)
    assert list(index) == [path for path in raw.files if not is_hidden(path)]
    assert list(index) == sorted(index, key=lambda path: (path.casefold(), path))
    for path, one in index.items():
        assert one["bytes"] == (raw.root / path).stat().st_size
        assert one["role"] in ROLES
        assert (one["sha256"] is None) == (one["role"] == "skipped")
        assert one["sha256"] in (None, digest(raw.root / path))
    written = {one["path"].partition("#")[0] for one in records(four / "out") if one["source"] == name}
    assert written == {path for path, one in index.items() if one["role"] == "image"}


def test_roles(four: Path) -> None:
    busi, head = rows(four / "out", "busi"), rows(four / "out", "head_ct")
    assert busi["benign/benign (1)_mask.png"]["role"] == "mask"
    assert head["labels.csv"]["role"] == "table"
    index = read_index(four / "out/files/busi.parquet")
    assert (index.source, index.variant, index.files.schema) == ("busi", "published", SCHEMA)
    assert list(read_indexes(four / "out")) == sorted(SOURCES)


def test_the_same_files_elsewhere_at_another_time_give_the_same_bytes(four: Path, tmp_path: Path) -> None:
    shutil.copytree(four / "raw/busi", tmp_path / "raw/other name/busi")
    for path in (tmp_path / "raw").rglob("*.png"):
        touch(path)
    make(tmp_path / "raw/other name", tmp_path / "out", "busi")
    assert (tmp_path / "out/files/busi.parquet").read_bytes() == (four / "out/files/busi.parquet").read_bytes()


def test_a_second_run_hashes_nothing_again_and_a_changed_mask_alone(
    toy: MakeToy, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = toy(MASKED)
    source.draw("a/1.png", "a/1_m.png", "a/2.png", "a/2_m.png", "b/3.png")
    (source.raw / "list.txt").write_text("1")
    source.build()
    before = content(source.out)
    read: list[str] = []
    real = RawPath.sha256
    monkeypatch.setattr(RawPath, "sha256", lambda file: read.append(file.name) or real(file))  # type: ignore[func-returns-value]
    source.build()
    assert content(source.out) == before
    assert read == []
    shutil.copy(source.raw / "a/1_m.png", source.raw / "a/2_m.png")
    touch(source.raw / "a/2_m.png")
    source.build()
    assert read == ["2_m.png"]
    assert rows(source.out)["a/2_m.png"]["sha256"] == digest(source.raw / "a/1_m.png")
    # a state that is broken is no state
    (source.out / ".build/toy/hashed").write_bytes(b"PAR1")
    source.build()
    assert sorted(read[1:]) == ["1_m.png", "2_m.png", "list.txt"]
    source.build(source.out.with_name("fresh"))
    assert content(source.out) == content(source.out.with_name("fresh"))


def test_frames_slices_odd_names_and_bad_files(toy: MakeToy) -> None:
    source = toy(
        """
    for image in raw.images("*/*"):
        yield Example(Frame(image, 0) if "frame" in image.name else image, label=image.parent.name)
"""
    )
    names = ["a/frame.png", "a/frame.png#frame=0.png", "b/🩺 nu\nll.png", "b/plain.png"]
    source.draw(*names)
    (source.raw / "a/bad.png").write_bytes(b"no image")
    (source.raw / ".hidden.png").write_bytes(b"x")
    (source.raw / "a/readme.txt").write_bytes(b"")
    (source.raw / "out.png").symlink_to("/dev/null")
    source.build()
    index = rows(source.out)
    assert set(index) == {*names, "a/bad.png", "a/readme.txt"}
    assert all(index[name]["sha256"] == digest(source.raw / name) for name in names)
    assert [index[name]["role"] for name in ("a/bad.png", "a/readme.txt")] == ["skipped", "skipped"]


def test_nothing_of_the_machine_is_in_it(four: Path) -> None:
    for path in (four / "out/files").iterdir():
        assert str(four).encode() not in path.read_bytes()


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no parquet at all" * 10])
def test_what_is_no_index_is_refused_in_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(ReadError, match="is not an index of raw files"):
        read_index(tmp_path / "x.parquet")


def test_other_parquet_files_and_empty_places_are_refused(four: Path, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="is not an index of raw files"):
        read_index(four / "out/index.parquet")
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ReadError, match="contains no index of raw files"):
            read_indexes(place)


def test_one_source_more_leaves_the_other_indexes_alone(toy: MakeToy, four: Path, tmp_path: Path) -> None:
    shutil.copytree(four / "out", tmp_path / "copy")
    make(four / "raw", tmp_path / "copy", "busi")
    assert {name: data for name, data in content(tmp_path / "copy").items() if name.startswith("files/")} == {
        name: data for name, data in content(four / "out").items() if name.startswith("files/")
    }
    assert toy(CLASS_FOLDERS)
