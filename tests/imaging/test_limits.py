"""How much of one file is read: what is larger, on disk, unpacked or as pixels, is refused before it is held."""

from __future__ import annotations

import gzip
import io
import os
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from benchmarks import hostile
from med_mat import limits
from med_mat.errors import ReadError
from med_mat.example import Slice
from med_mat.imaging import tiff_tags
from med_mat.imaging.decoding import FileCache, read
from med_mat.raw import tables
from med_mat.raw.folder import RawFolder

SMALL = 1 << 20
#: Bytes beside the limit: what the libraries hold of their own.
BESIDE = 8 << 20


@pytest.fixture
def small() -> Iterator[limits.Allowance]:
    with limits.allowing(SMALL) as asked:
        yield asked


def refusal(root: Path, name: str, index: int | None = None) -> str:
    path = PurePosixPath(name)
    with pytest.raises(ReadError) as told:
        read(root, path if index is None else Slice(path, index), mat=None, cache=FileCache())
    return str(told.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("500MB", 5 * 10**8), ("4GB", 4 * 10**9), ("4 GiB", 4 << 30), ("1.5g", 15 * 10**8), ("7", 7), ("2kb", 2000)],
)
def test_a_size_is_a_number_with_a_unit(text: str, size: int) -> None:
    assert limits.parsed(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "4 apples", "1e9", "nan"])
def test_other_texts_are_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="500MB, 4GB or 4GiB"):
        limits.parsed(text)


@pytest.mark.parametrize("name", ["a.png", "a.dcm", "a.nii", "a.tif"])
def test_a_file_over_the_limit_is_refused_by_its_size(tmp_path: Path, name: str) -> None:
    hostile.sparse(tmp_path / name, b"", 10 * 10**9)
    expected = f"{name}: is 10 GB, more than the 2 GB that are read of one file (--max-file 10GB would read it)."
    assert refusal(tmp_path, name, 0 if name.endswith("nii") else None) == expected


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.xml", "a.txt", "a.xlsx", "a.dcm"])
def test_so_is_an_annotation_file(tmp_path: Path, name: str) -> None:
    hostile.sparse(tmp_path / name, b"", 10 * 10**9)
    raw = RawFolder(tmp_path)
    door = {"csv": raw.table, "json": raw.json, "xml": raw.xml, "txt": raw.text, "xlsx": raw.table, "dcm": raw.dicom}
    with pytest.raises(ReadError, match="is 10 GB, more than the 2 GB that are read"):
        list(door[name[2:]](name))  # type: ignore[operator]


@pytest.mark.parametrize("head", [b"", bytes(128) + b"DICM"])
@pytest.mark.parametrize("name", ["a.png", "a.dcm"])
def test_of_a_large_file_that_is_no_image_only_the_head_is_held(tmp_path: Path, head: bytes, name: str) -> None:
    hostile.sparse(tmp_path / name, head, 100 << 20)
    tracemalloc.start()
    assert "is no" in refusal(tmp_path, name)
    assert tracemalloc.get_traced_memory()[1] < BESIDE
    tracemalloc.stop()


def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert refusal(tmp_path, "a.png") == "a.png: is no regular file but a pipe; it is not read."
    with pytest.raises(ReadError, match="is no regular file but a pipe"):
        list(tables.rows(tmp_path / "a.png"))
    with pytest.raises(ReadError, match="is no regular file but a device"):
        limits.path(Path("/dev/zero"))


def test_the_limit_can_be_raised_and_what_was_asked_for_is_known(tmp_path: Path, small: limits.Allowance) -> None:
    Image.new("L", (600, 500)).save(tmp_path / "a.png")
    assert "declares 600 x 500 pixels, more than the 0.1311 megapixels" in refusal(tmp_path, "a.png")
    assert (small.refused, small.read) == (600 * 500 * 8, (tmp_path / "a.png").stat().st_size)
    with limits.allowing(small.refused or 0) as asked:
        assert read(tmp_path, PurePosixPath("a.png"), mat=None, cache=FileCache()).width == 600
    assert (asked.read, asked.refused) == (small.refused, None)
    with limits.allowing((small.refused or 0) - 1):
        refusal(tmp_path, "a.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "bmp", "webp"])
def test_pixels_are_counted_in_every_format(tmp_path: Path, small: limits.Allowance, suffix: str) -> None:
    Image.new("L", (600, 500)).save(tmp_path / f"a.{suffix}")
    assert "declares 600 x 500 pixels" in refusal(tmp_path, f"a.{suffix}")


def test_an_image_of_no_pixels_is_damaged(tmp_path: Path) -> None:
    hostile.png(tmp_path / "a.png", 0, 10, 0)
    assert refusal(tmp_path, "a.png") == "a.png: its header declares 0 x 10 pixels; it is damaged."


def test_pillow_neither_warns_nor_refuses_what_is_within_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for number, size in enumerate([(40, 40), (400, 400)]):  # of which Pillow warns, and which it refuses
        for suffix in ("png", "jpg", "gif", "tif"):
            Image.new("L", size).save(tmp_path / f"{number}.{suffix}")
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                stored = read(tmp_path, PurePosixPath(f"{number}.{suffix}"), mat=None, cache=FileCache())
            assert (stored.width, stored.height) == size
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_a_deflated_dicom_is_inflated_up_to_the_limit(tmp_path: Path, small: limits.Allowance) -> None:
    hostile.deflated_dicom(tmp_path / "a.dcm", 300, 300, 1)
    assert read(tmp_path, PurePosixPath("a.dcm"), mat=None, cache=FileCache()).width == 300
    hostile.deflated_dicom(tmp_path / "b.dcm", 300, 300, 300)
    tracemalloc.start()
    said = refusal(tmp_path, "b.dcm")
    assert tracemalloc.get_traced_memory()[1] < SMALL + BESIDE
    tracemalloc.stop()
    assert "b.dcm: unpacks to over" in said
    assert "--max-file" in said
    whole = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:-20])
    assert "its deflated data are cut short" in refusal(tmp_path, "cut.dcm")


def test_the_header_of_a_deflated_dicom_too(tmp_path: Path, small: limits.Allowance) -> None:
    hostile.deflated_dicom(tmp_path / "a.dcm", 300, 300, 1)
    assert RawFolder(tmp_path).dicom("a.dcm").Rows == 300
    hostile.deflated_dicom(tmp_path / "b.dcm", 300, 300, 300)
    with pytest.raises(ReadError, match="unpacks to over"):
        RawFolder(tmp_path).dicom("b.dcm")


def test_a_dicom_of_endless_elements_is_refused(tmp_path: Path) -> None:
    element = b"\x08\0\x05\0CS\0\0"
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + element * 30_000)
    assert "has more than 20000 elements" in refusal(tmp_path, "a.dcm")


def test_a_packed_volume_is_unpacked_once_and_up_to_its_shape(
    tmp_path: Path, small: limits.Allowance, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile.nifti(tmp_path / "a.nii.gz", (100, 100, 1000), 1 << 20)
    assert "a.nii.gz: unpacks to 10 MB, more than the 1 MB that are read" in refusal(tmp_path, "a.nii.gz", 0)
    hostile.nifti(tmp_path / "b.nii.gz", (100, 100, 10), 16 << 20)
    assert "declares 100000 bytes of voxels, and it holds at least" in refusal(tmp_path, "b.nii.gz", 0)
    hostile.nifti(tmp_path / "c.nii.gz", (1 << 8, 1 << 8, 16), 1 << 20)
    monkeypatch.setattr(limits, "LARGE", 100)
    times = []
    monkeypatch.setattr(limits, "scratch", lambda was=limits.scratch: times.append(1) or was())
    cache = FileCache()
    for index in (0, 1, 2, 3):
        read(tmp_path, Slice(PurePosixPath("c.nii.gz"), index), mat=None, cache=cache)
    assert len(times) == 1


def test_what_waits_on_the_disk_has_no_name(tmp_path: Path) -> None:
    with limits.allowing(SMALL, tmp_path):
        file = limits.spooled("a", io.BytesIO(b"abc"))
        assert file.read() == b"abc"
        assert not any(tmp_path.iterdir())


def test_tags_of_a_tiff_may_not_hold_more_than_it_does(tmp_path: Path) -> None:
    hostile.tags(tmp_path / "a.tif")
    tracemalloc.start()
    assert refusal(tmp_path, "a.tif") == "a.tif: the TIFF is damaged: its tags hold more than the file does."
    assert tracemalloc.get_traced_memory()[1] < 4 * (tmp_path / "a.tif").stat().st_size
    tracemalloc.stop()
    buffer = io.BytesIO()
    Image.new("L", (3, 3)).save(buffer, "TIFF")
    assert len(tiff_tags.directories(buffer.getvalue())) == 1


def test_run_lengths_unpack_to_what_the_header_declares() -> None:
    from med_mat.imaging.dicom_doubts import run_length

    assert run_length(bytes(64) + b"\xff\7\2abc\x80\x81\1") == 2 + 3 + 128


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.json", b"[" + b"[]," * 20_000 + b"[]]"), ("b.json", b'[{"a":1}' + b',{"a":1}' * 10_000 + b"]"),
     ("a.xml", b"<a>" + b"<b/>" * 20_000 + b"</a>")],
)  # fmt: skip
def test_what_a_parser_would_make_of_a_text_is_counted(
    tmp_path: Path, small: limits.Allowance, name: str, data: bytes
) -> None:
    (tmp_path / name).write_bytes(data)
    raw = RawFolder(tmp_path)
    door: Callable[[str], object] = raw.json if name.endswith("json") else raw.xml
    with pytest.raises(ReadError, match=r"would take about .* MB of memory when it is parsed"):
        door(name)
    with limits.allowing(limits.MAX_FILE):
        tracemalloc.start()
        held = door(name)
        assert tracemalloc.get_traced_memory()[0] < 2 * (small.refused or 0), type(held)
        tracemalloc.stop()


def test_a_packed_table_is_unpacked_up_to_the_limit(tmp_path: Path, small: limits.Allowance) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 300_000))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"a,b\n" + b"1,2\n" * 300_000)
    for name in ("a.csv.gz", "a.zip"):
        with pytest.raises(ReadError, match=r"unpacks to over 1.* MB, more than the 1 MB"):
            list(RawFolder(tmp_path).table(name))


def test_a_header_of_many_equal_names_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(",".join(["finding"] * 100_000) + "\n1\n")
    (row,) = RawFolder(tmp_path).table("a.csv")
    assert (len(row), row["finding"], row["finding (100000)"]) == (100_000, "1", "")
    with pytest.raises(ReadError, match=r"has no column 'label'.*and 99,940 more"):
        list(RawFolder(tmp_path).table("a.csv", columns=["label"]))


def test_names_that_come_again_are_told_apart_whatever_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,a (2),a,a,b\n1,2,3,4,5\n")
    (row,) = RawFolder(tmp_path).table("a.csv")
    assert list(row) == ["a", "a (2)", "a (3)", "a (4)", "b"]


def test_short_rows_of_a_wide_table_are_filled_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CELL_LIMIT", 1000)
    (tmp_path / "a.csv").write_text(",".join(f"c{n}" for n in range(100)) + "\n" + "1\n" * 20)
    with pytest.raises(ReadError, match="lacks over 1,000 cells of the 100 columns"):
        list(RawFolder(tmp_path).table("a.csv"))
    monkeypatch.setattr(tables, "COLUMN_LIMIT", 99)
    with pytest.raises(ReadError, match="names 100 columns, more than the 99"):
        list(RawFolder(tmp_path).table("a.csv"))


def test_cells_of_a_workbook_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CELL_LIMIT", 100_000)
    hostile.workbook(tmp_path / "a.xlsx")
    with pytest.raises(ReadError, match="holds over 100,000 cells"):
        list(RawFolder(tmp_path).table("a.xlsx"))
    monkeypatch.setattr(tables, "PART_LIMIT", 100)
    with pytest.raises(ReadError, match=r"its part .* would unpack to"):
        list(RawFolder(tmp_path).table("a.xlsx"))


def test_texts_of_a_png_are_not_unpacked_without_end(tmp_path: Path) -> None:
    from med_mat.imaging.containers.png import packed, parts

    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(buffer, "PNG")
    text = packed(b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(bytes(100)))
    data = buffer.getvalue()
    assert parts(data[:33] + text * 60 + data[33:]).fault == ""
    assert "more than 64 texts" in parts(data[:33] + text * 70 + data[33:]).fault
