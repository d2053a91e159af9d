"""JPEG files that lack a part: refused, however they were cut; sound ones are not, whatever they show."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from med_mat.errors import ReadError
from med_mat.imaging import jpegs
from med_mat.imaging.decoding import FileCache, read, values

RETINA = Image.fromarray(skimage.data.retina()[200:501, 200:517])
RESTARTS = {"quality": 90, "restart_marker_rows": 1}
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("L", {"quality": 90}),
    ("L", {"quality": 75, **RESTARTS}),
    ("L", {"quality": 90, "progressive": True}),
    ("RGB", {"quality": 90, "subsampling": 0}),
    ("RGB", {"quality": 75, "subsampling": 2}),
    ("RGB", RESTARTS),
    ("RGB", {"quality": 90, "progressive": True}),
    ("CMYK", {"quality": 90}),
]


def encoded(picture: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", **options)
    return buffer.getvalue()


SOUND = {f"{mode} {options}": encoded(RETINA.convert(mode), **options) for mode, options in KINDS}


@settings(max_examples=120)
@given(kind=st.sampled_from(sorted(SOUND)), keep=st.floats(0.05, 0.99), size=st.integers(1, 40))
def test_cut_and_closed_by_an_end_marker(kind: str, keep: float, size: int) -> None:
    data = SOUND[kind]
    start = data.find(b"\xff\xda") + 40
    short = data[: start + round((len(data) - start) * keep)]
    with pytest.raises(ReadError, match=r"^a\.jpg: the JPEG (is damaged|cannot be decoded)"):
        jpegs.decoded(short + b"\xff\xd9" + bytes(size), "a.jpg")


@pytest.mark.parametrize("kind", sorted(SOUND))
def test_a_piece_missing_from_the_middle(kind: str) -> None:
    data = SOUND[kind]
    middle = (data.find(b"\xff\xda") + len(data)) // 2
    if "restart" in kind:
        with pytest.raises(ReadError, match=r"a part of its pixels is missing|out of order|end before"):
            jpegs.decoded(data[:middle] + data[middle + 3000 :], "a.jpg")
    elif "progressive" not in kind:
        with pytest.raises(ReadError, match="end before its last pixel"):
            jpegs.decoded(data[:middle] + data[middle + 512 :], "a.jpg")


@pytest.mark.parametrize("kind", sorted(SOUND))
def test_sound_files_pass(kind: str) -> None:
    picture, notes = jpegs.decoded(SOUND[kind], "a.jpg")
    assert notes == ()
    assert picture.tobytes() == Image.open(io.BytesIO(SOUND[kind])).tobytes()
    for filling in (b"\0" * 7, b"\xff" * 3):  # before the end marker, as some writers fill up
        filled = SOUND[kind][:-2] + filling + b"\xff\xd9"
        assert jpegs.decoded(filled, "a.jpg")[1] == ()


@settings(max_examples=80)
@given(
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    level=st.integers(124, 132),
    mode=st.sampled_from(["L", "RGB"]),
    progressive=st.booleans(),
    quality=st.sampled_from([30, 75, 95]),
    restart=st.integers(0, 2),
)
def test_pictures_that_end_in_that_grey_are_sound(
    width: int, height: int, level: int, mode: str, progressive: bool, quality: int, restart: int
) -> None:
    picture = Image.new(mode, (width, height), level if mode == "L" else (level,) * 3)
    picture.paste(RETINA.convert(mode).crop((0, 0, width, height // 2)), (0, 0))
    options = {"restart_marker_rows": restart} if restart else {}
    data = encoded(picture, quality=quality, progressive=progressive, **options)
    assert jpegs.decoded(data, "a.jpg")[1] == ()


def test_data_after_the_last_pixel_are_noted() -> None:
    data = SOUND["L {'quality': 90}"]
    extra = bytes(range(1, 40))
    assert jpegs.decoded(data[:-2] + extra + b"\xff\xd9", "a.jpg")[1] == (
        "the JPEG holds data after its last pixel, so a part of it may be damaged",
    )


def test_a_progressive_picture_without_its_last_scans() -> None:
    data = encoded(RETINA, quality=90, progressive=True)
    scans = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]
    tables = data.rfind(b"\xff\xc4", 0, scans[-1])
    with pytest.raises(ReadError, match="its last scans are missing"):
        jpegs.decoded(data[:tables] + b"\xff\xd9", "a.jpg")


def test_a_mask_in_a_cut_jpeg_is_refused_too(tmp_path: Path) -> None:
    marks = np.zeros((200, 200), np.uint8)
    marks[20:60, 20:60] = 255
    data = encoded(Image.fromarray(marks), quality=90)
    (tmp_path / "m.jpg").write_bytes(data[: len(data) - 60] + b"\xff\xd9")
    with pytest.raises(ReadError, match=r"m\.jpg: the JPEG is damaged"):
        values(tmp_path, PurePosixPath("m.jpg"), FileCache(), want="gray")


def test_the_note_reaches_who_stores_the_picture(tmp_path: Path) -> None:
    data = SOUND["L {'quality': 90}"]
    (tmp_path / "a.jpg").write_bytes(data[:-2] + bytes(range(1, 40)) + b"\xff\xd9")
    stored = read(tmp_path, PurePosixPath("a.jpg"), mat=None, cache=FileCache())
    assert len(stored.notes) == 1
    assert stored.format == "PNG"  # what those bytes are is unknown, so they are not passed on
    assert stored.transform.endswith(stored.notes[0])


def test_the_size_in_the_frame_header() -> None:
    assert jpegs.size(SOUND["L {'quality': 90}"]) == RETINA.size
    assert jpegs.size(b"\xff\xd8\xff") is None


def test_of_other_codings_nothing_is_said() -> None:
    """Lossless JPEG and JPEG-LS have frames of their own, and no block that would come out grey."""
    grey = np.full((16, 16), 128, np.uint8)
    data = encoded(Image.fromarray(grey), quality=90)
    for marker in (b"\xff\xc3", b"\xff\xf7"):
        assert jpegs.missing(data.replace(b"\xff\xc0", marker), grey) == ""
    assert jpegs.missing(data, grey) == ""
