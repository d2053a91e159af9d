"""Archives are read in place, and what is read is what the unpacked tree gives."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packing import KINDS, pack
from PIL import Image
from workshop import Workshop

import med_mat
from med_mat import limits
from med_mat.building import Options, build, find
from med_mat.building.loader import examples_of
from med_mat.catalog import load
from med_mat.demo import miniature
from med_mat.errors import ArchiveError, LayoutError, MissingExtraError
from med_mat.example import Slice
from med_mat.imaging import decoding
from med_mat.layouts.listing import Tree
from med_mat.layouts.locating import locate, recognize
from med_mat.layouts.packed import archives
from med_mat.mounts import cache
from med_mat.mounts.archives import ArchiveMount, alone, placed
from med_mat.mounts.choice import mount_of
from med_mat.mounts.folder import mounted
from med_mat.mounts.members import kind, spanned
from med_mat.raw import RawFolder
from med_mat.storage.raw_files import read_indexes
from med_mat.validate import validate

NAMES = list(load())


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv(cache.VARIABLE, str(folder))
    return folder


def told(raw: RawFolder) -> dict[str, Any]:
    """Everything that a loader can learn of a raw folder, times aside."""
    return {
        "files": {path: facts.size for path, facts in raw.files.items()},
        "bytes": {path: raw.file(path).read_bytes() for path in raw.files},
        "links": dict(raw.links),
        "skipped": dict(raw.skipped),
    }


def content(out: Path) -> dict[str, bytes]:
    """Every file of a build but its state, and the sums, which include the state."""
    files = (path for path in out.rglob("*") if path.is_file() and ".build" not in path.parts)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files if path.name != "SHA256SUMS"}


# ---- the same as the unpacked tree


@pytest.mark.parametrize("name", NAMES)
def test_every_source_reads_the_same_from_an_archive(tmp_path: Path, name: str) -> None:
    """Files, examples, and what is skipped; each source in another kind of archive."""
    source = load()[name]
    (folder,) = miniature(tmp_path / "raw", [name]).values()
    plain = locate(source, folder, examples_of(source))
    suffix = KINDS[list(load()).index(name) % len(KINDS)]
    archive = pack(folder, tmp_path / f"archive (1).{suffix}")
    packed = locate(source, archive, examples_of(source))
    assert packed.variant == plain.variant
    assert told(packed) == told(plain)
    assert [str(one) for one in examples_of(source)(packed)] == [str(one) for one in examples_of(source)(plain)]
    assert (packed.faults, packed.missing, packed.notes) == (plain.faults, plain.missing, plain.notes)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["zip", "tar.gz", "7z", "one zip per folder"])
def test_a_build_from_archives_has_the_bytes_of_one_from_folders(
    tmp_path: Path, workshop: Workshop, suffix: str
) -> None:
    (tmp_path / "raw").mkdir()
    for folder in sorted(path for path in workshop.raw.iterdir() if path.is_dir()):
        if suffix in KINDS:
            pack(folder, tmp_path / "raw" / f"{folder.name}.{suffix}")
            continue
        place = tmp_path / "raw" / folder.name
        place.mkdir()
        for one in folder.iterdir():
            if one.is_dir():
                pack(folder, place / f"{one.name}.zip", only=one.rglob("*"))
            else:
                (place / one.name).write_bytes(one.read_bytes())
    build(find({}, tmp_path / "raw"), tmp_path / "out", Options(jobs=2))
    assert content(tmp_path / "out") == content(workshop.out)
    assert not list(cache.folder("archives").glob("*.copy"))


_NAME = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\0:", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8
)
_TREES = st.dictionaries(
    st.lists(_NAME.filter(lambda name: name.strip(". ") != ""), min_size=1, max_size=3).map("/".join),
    st.binary(max_size=3000),
    min_size=1,
    max_size=8,
)


@given(files=_TREES, suffix=st.sampled_from(KINDS), seed=st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_any_tree_is_the_same_in_any_archive(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], suffix: str, seed: Any
) -> None:
    top = tmp_path_factory.mktemp("tree")
    for path, data in files.items():
        with contextlib.suppress(OSError):  # a file where another name needs a folder
            (top / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
            (top / "tree" / path).write_bytes(data)
    archive = pack(top / "tree", top / f"tree.{suffix}")
    plain, packed = mounted(top / "tree"), pickle.loads(pickle.dumps(mount_of(archive)))
    paths = list(plain.scan().files)
    assert {path: facts.size for path, facts in packed.scan().files.items()} == {
        path: facts.size for path, facts in plain.scan().files.items()
    }
    folders = {"", *(str(parent) for path in paths for parent in PurePosixPath(path).parents if str(parent) != ".")}
    for folder in folders:
        assert packed.names(folder) == plain.names(folder)
        assert packed.is_folder(folder)
        assert packed.below(folder).scan().files.keys() == plain.below(folder).scan().files.keys()
    seed.shuffle(paths)  # in any order, whole or in part
    for path in paths:
        assert packed.stat(path).st_size == plain.stat(path).st_size
        size = plain.stat(path).st_size
        at, count = seed.randint(0, size), seed.randint(0, size)
        with packed.open(path) as one, plain.open(path) as other:
            one.seek(at), other.seek(at)
            assert one.read(count) == other.read(count)
            one.seek(0), other.seek(0)
            assert one.read() == other.read()


@pytest.mark.parametrize("suffix", ["zip", "tar.gz", "7z"])
def test_large_members_are_streamed_and_sought_in(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "tree").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, 9 << 20, np.uint8).tobytes()
    for name in ("a.bin", "b.bin"):
        (tmp_path / "tree" / name).write_bytes(noise + name.encode())
    packed = mount_of(pack(tmp_path / "tree", tmp_path / f"tree.{suffix}"))
    with packed.open("b.bin") as second, packed.open("a.bin") as first:
        assert first.read() == noise + b"a.bin"
        second.seek(len(noise))
        assert second.read() == b"b.bin"
        second.seek(5)
        assert second.read(7) == noise[5:12]


def test_parts_of_a_source_beside_its_table(tmp_path: Path) -> None:
    """As NIH ships: images_01.tar.gz, images_02.tar.gz, …, and the tables beside them."""
    (folder,) = miniature(tmp_path / "raw", ["nih_chestxray14"]).values()
    source = load()["nih_chestxray14"]
    plain = locate(source, folder)
    want = told(plain)
    images = sorted((folder / "images").iterdir())
    pack(folder, folder / "images_01.tar.gz", only=images[::2])
    pack(folder, folder / "images_02.tar.gz", only=images[1::2])
    for image in images:
        image.unlink()
    (folder / "images").rmdir()
    for raw in (locate(source, folder), recognize(tmp_path / "raw", load())[source.name]):
        assert told(raw) == want
        assert raw.root == plain.root
    # beside archives of other sources, in a folder of any name
    folder.rename(tmp_path / "raw" / "downloads")
    (busi,) = miniature(tmp_path / "busi", ["busi"]).values()
    pack(busi, tmp_path / "raw" / "downloads" / "archive.zip")
    found = recognize(tmp_path / "raw", load())
    assert found.keys() == {"busi", "nih_chestxray14"}
    want["files"]["archive.zip"] = found["nih_chestxray14"].files["archive.zip"].size  # it lies in this folder
    assert told(found["nih_chestxray14"])["files"] == want["files"]
    assert told(found["busi"]) == told(RawFolder(locate(load()["busi"], busi).mount))


def test_files_in_the_folder_come_first_and_what_they_hide_is_told(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").write_bytes(b"in the folder")
    for name in ("a.zip", "b.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("images/1.png", b"in the archive")
            archive.writestr("images/2.png", name)
    base = mounted(tmp_path)
    raw = RawFolder(ArchiveMount(base, tuple(placed(base, name, "") for name in ("a.zip", "b.zip"))))
    assert list(raw.files) == ["images/1.png", "images/2.png"]
    assert raw.file("images/1.png").read_bytes() == b"in the folder"
    assert raw.file("images/1.png").stat().st_size == len(b"in the folder")
    assert raw.file("images/2.png").read_bytes() == b"a.zip"
    assert raw.skipped.keys() == {"a.zip/images/1.png", "b.zip/images/1.png", "b.zip/images/2.png"}


def test_links_in_archives(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        one = tarfile.TarInfo("d/1.png")
        one.size = 1
        archive.addfile(one, io.BytesIO(b"1"))
        for name, kind_, target in (
            ("hard.png", tarfile.LNKTYPE, "d/1.png"),
            ("soft.png", tarfile.SYMTYPE, "d/1.png"),
            ("d/soft.png", tarfile.SYMTYPE, "../soft.png"),
            ("loop", tarfile.SYMTYPE, "loop"),
            ("folder", tarfile.SYMTYPE, "d"),
            ("out", tarfile.SYMTYPE, "../../etc/passwd"),
            ("root", tarfile.SYMTYPE, "/etc/passwd"),
            ("pipe", tarfile.FIFOTYPE, ""),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind_, target
            archive.addfile(link)
    raw = RawFolder(mount_of(tmp_path / "a.tar"))
    assert raw.files.keys() == {"d/1.png", "hard.png", "soft.png", "d/soft.png"}
    assert {raw.file(path).read_bytes() for path in raw.files} == {b"1"}
    assert raw.links == {"soft.png": "d/1.png", "d/soft.png": "../soft.png"}
    assert raw.skipped.keys() == {"loop", "folder", "out", "root", "pipe"}


@pytest.mark.parametrize("kind_", [nibabel.Nifti1Image, nibabel.Nifti1Pair])
def test_copies_of_volumes_go_when_the_volume_is_closed(tmp_path: Path, kind_: Any) -> None:
    """Libraries that take nothing but paths get copies, of a header and its voxels side by side."""
    (tmp_path / "tree" / "a").mkdir(parents=True)
    name = "a/v.nii" if kind_ is nibabel.Nifti1Image else "a/v.img"
    voxels = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    nibabel.save(kind_(voxels, np.eye(4)), tmp_path / "tree" / name)
    (tmp_path / "scratch").mkdir()
    reference = Slice(PurePosixPath(name), 2)
    with limits.allowing(limits.MAX_FILE, tmp_path / "scratch"):
        cache_ = decoding.FileCache()
        packed = decoding.values(mount_of(pack(tmp_path / "tree", tmp_path / "a.zip")), reference, cache_, want="gray")
        assert len(list((tmp_path / "scratch").iterdir())) == 1
        del cache_
        gc.collect()
        assert not list((tmp_path / "scratch").iterdir())
        assert (packed == decoding.values(tmp_path / "tree", reference, decoding.FileCache(), want="gray")).all()


@pytest.mark.parametrize("name", ["covidx_cxr4", "edd2020", "isic_2017"])
def test_a_layout_does_not_depend_on_the_name_of_the_folder(tmp_path: Path, name: str) -> None:
    """These fit several layouts of their cards."""
    (folder,) = miniature(tmp_path / "raw", [name]).values()
    own = recognize(tmp_path / "raw", load())[name]
    folder.rename(tmp_path / "raw" / "my copy")
    assert recognize(tmp_path / "raw", load())[name].variant == own.variant


def test_every_archive_of_a_large_folder_is_looked_into(tmp_path: Path) -> None:
    """Of many images of one form a sample is enough; of many archives it is not."""
    for number in range(70):
        (tmp_path / f"images_{number:03}.tar.gz").write_bytes(b"")
    assert len(archives(Tree(mounted(tmp_path), sample=True))) == 70


def test_a_copy_is_validated_in_place(tmp_path: Path) -> None:
    (folder,) = miniature(tmp_path / "raw", ["busi"]).values()
    build(find({"busi": folder}, None), tmp_path / "out", Options(jobs=1))
    archive = pack(folder, tmp_path / "busi.zip")
    index = read_indexes(tmp_path / "out")["busi"]
    (tmp_path / "apart").mkdir()
    shutil.copy(archive, tmp_path / "apart" / "archive (2).zip")
    for place in (archive, tmp_path / "apart"):
        result = validate(place, index, level="decode")
        assert result.ok
        assert result.decoded


# ---- archives that cannot be sought in


@pytest.mark.parametrize("suffix", ["tar.xz", "7z"])
def test_what_cannot_be_sought_in_is_unpacked_once_and_forgotten(
    tmp_path: Path, own_cache: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder,) = miniature(tmp_path / "raw", ["busi"]).values()
    archive = pack(folder, tmp_path / f"busi.{suffix}")
    found = find({"busi": archive}, None)
    build(found, tmp_path / "out", Options(jobs=2))
    assert caplog.text.count("unpacked once, to a temporary copy of") == 1
    assert not list(own_cache.rglob("*.copy"))


def test_a_copy_that_does_not_fit_is_refused_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "1.png").write_bytes(bytes(100))
    mount = mount_of(pack(tmp_path / "tree", tmp_path / "a.tar.xz"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 9))  # type: ignore[attr-defined]
    with pytest.raises(
        ArchiveError, match=r"a\.tar\.xz cannot be sought in, and its temporary copy of .* does not fit"
    ):
        mount.open("1.png")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["tar.gz", "7z"])
def test_a_build_from_archives_that_is_killed_resumes_to_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name, folder in miniature(tmp_path / "trees", ["busi", "head_ct", "duke_liver", "ph2"]).items():
        pack(folder, raw / f"{name}.{suffix}")
    command = [sys.executable, "-c", "from med_mat.cli import main; main()", "build", "--raw", str(raw), "--quiet"]
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    for seconds in (1.5, 2.0, 2.5, 3.0):
        process = subprocess.Popen(
            [*command, "--out", str(tmp_path / "out")], start_new_session=True, stdout=subprocess.DEVNULL
        )
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run([*command, "--out", str(tmp_path / "out")], check=True, capture_output=True)
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert not list(cache.folder("archives").glob("*.copy"))


# ---- archives that are damaged, hostile, or not for us


@pytest.mark.parametrize("cut", [30, 500, -40])
@pytest.mark.parametrize("suffix", ["zip", "tar.gz", "tar.xz", "7z"])
def test_an_archive_that_is_cut_short_is_refused_in_a_sentence(tmp_path: Path, suffix: str, cut: int) -> None:
    (folder,) = miniature(tmp_path / "raw", ["busi"]).values()
    archive = pack(folder, tmp_path / f"busi.{suffix}")
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(
        ArchiveError, match=r"busi\..* cannot be read as a .* archive .* Download it again|download it again"
    ):
        find({"busi": archive}, None)


def test_a_member_that_is_damaged_costs_its_own_record(tmp_path: Path) -> None:
    (folder,) = miniature(tmp_path / "raw", ["busi"]).values()
    archive = pack(folder, tmp_path / "busi.zip")
    with zipfile.ZipFile(archive) as opened:
        entry = next(one for one in opened.infolist() if one.filename.endswith("benign (1).png"))
    data = bytearray(archive.read_bytes())
    at = entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2
    data[at : at + 20] = bytes(20)
    archive.write_bytes(data)
    whole, items = med_mat.examples("busi", folder), med_mat.examples("busi", archive)
    assert len(list(items)) == len(list(whole)) - 2  # it serves two rows
    skip, _ = (one for one in items.skipped if one.path not in {other.path for other in whole.skipped})
    assert skip.path == entry.filename.partition("/")[2]
    assert "its archive is damaged there" in skip.reason


@pytest.mark.parametrize("name", ["/etc/passwd", "../../x.png", "a/../../x.png", "C:\\x.png", "..\\x.png"])
def test_an_archive_with_names_that_lead_out_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(ArchiveError, match="No honest archive needs that"):
        mount_of(tmp_path / "a.zip").scan()


def test_bombs_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", compresslevel=9) as archive:
        big = tarfile.TarInfo("1.png")
        big.size = 300 << 20
        archive.addfile(big, io.BytesIO(bytes(300 << 20)))
    with pytest.raises(ArchiveError, match="unpack to more than 250 times as many"):
        mount_of(tmp_path / "a.tar.gz").scan()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("a.png", b"x")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    at = data.rfind(b"PK\x01\x02") + 24  # the size of the member, in the list of names
    data[at : at + 4] = (4_000_000_000).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ArchiveError, match="claims to hold"):
        mount_of(tmp_path / "a.zip").scan()


def test_members_that_cannot_be_unpacked_are_skipped_with_the_reason(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("1.png", "2.png", "3.png"):
            archive.writestr(name, b"x")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    first = data.find(b"PK\x01\x02")
    data[first + 8] |= 1  # encrypted
    second = data.find(b"PK\x01\x02", first + 4)
    data[second + 10] = 9  # Deflate64
    (tmp_path / "a.zip").write_bytes(data)
    raw = RawFolder(mount_of(tmp_path / "a.zip"))
    assert list(raw.files) == ["3.png"]
    assert "is encrypted" in raw.skipped["1.png"]
    assert "is compressed by method 9" in raw.skipped["2.png"]


@pytest.mark.parametrize("name", ["a.z01", "a.zip.001", "a.7z.002", "a.r00", "a.part1.rar", "a.tar.gz.aa", "a.tgz.01"])
def test_parts_of_split_archives_are_not_taken_for_archives(name: str) -> None:
    assert spanned(name)
    assert not kind(name)


def test_the_last_part_of_a_split_zip_says_how_to_join_them(tmp_path: Path) -> None:
    (tmp_path / "busi.zip").write_bytes(b"PK\x07\x08" + bytes(200))
    with pytest.raises(ArchiveError, match=r"join the parts: 'zip -s 0 ARCHIVE\.zip --out JOINED\.zip'"):
        find({"busi": tmp_path / "busi.zip"}, None)


def test_archives_inside_archives_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("inner.zip", b"PK\x05\x06" + bytes(18))
    (tmp_path / "raw").mkdir()
    (tmp_path / "outer.zip").rename(tmp_path / "raw" / "outer.zip")
    with pytest.raises(LayoutError, match=r"Archives inside archives, such as 'inner\.zip', are not read in place"):
        find({"busi": tmp_path / "raw"}, None)


def test_without_the_extra_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")
    monkeypatch.setitem(sys.modules, "py7zr", None)
    with pytest.raises(MissingExtraError, match=r"needs the package py7zr: pip install 'med-mat\[archives\]'"):
        mount_of(tmp_path / "a.7z").scan()


def test_without_indexed_gzip_a_tar_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "indexed_gzip" else find_spec(name))
    (folder,) = miniature(tmp_path / "raw", ["head_ct"]).values()
    plain = locate(load()["head_ct"], folder)
    assert told(locate(load()["head_ct"], pack(folder, tmp_path / "a.tar.gz"))) == told(plain)


def test_an_archive_that_changes_during_a_build_is_noticed(tmp_path: Path) -> None:
    (folder,) = miniature(tmp_path / "raw", ["busi"]).values()
    archive = pack(folder, tmp_path / "busi.zip")
    base = mounted(tmp_path)
    mount = alone(base, "busi.zip")
    os.utime(archive, ns=(1, 1))
    with pytest.raises(ArchiveError, match="has changed since it was found"):
        mount.scan()


def test_an_index_in_the_cache_that_is_damaged_is_made_again(tmp_path: Path, own_cache: Path) -> None:
    (tmp_path / "tree").mkdir()
    Image.new("L", (9, 9)).save(tmp_path / "tree" / "1.png")
    archive = pack(tmp_path / "tree", tmp_path / "a.tar.gz")
    want = told(RawFolder(mount_of(archive)))
    for path in own_cache.rglob("*.json"):
        path.write_text("[]")
    code = (
        "import sys; from med_mat.mounts.choice import mount_of\n"
        "mount = mount_of(sys.argv[1]); print(sorted(mount.scan().files), len(mount.open('1.png').read()))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(archive)], capture_output=True, text=True, check=True)
    assert done.stdout == f"['1.png'] {want['files']['1.png']}\n"
