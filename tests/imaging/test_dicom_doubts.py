"""DICOM headers that are wrong about their pixels: what is right is shown, or the file is refused, and it is told."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from dicoms import made
from PIL import Image

from med_mat.errors import ReadError
from med_mat.example import Frame
from med_mat.imaging.decoding import FileCache, Stored, read, values

pytest.importorskip("pydicom")

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import JPEGBaseline8Bit

Y, X = np.mgrid[:60, :80]
GREY = (2000 + 1800 * np.sin(X / 15) * np.cos(Y / 11)).astype(np.uint16)  # 200 to 3799
SIGNED = (GREY.astype(np.int32) - 2000).astype(np.int16)
BYTES = (GREY >> 4).astype(np.uint8)
COLOR = np.dstack([BYTES, BYTES[::-1], BYTES[:, ::-1]])


def shown(root: Path, data: bytes, frame: int | None = None) -> tuple[np.ndarray, Stored]:
    (root / "a.dcm").write_bytes(data)
    path = PurePosixPath("a.dcm")
    stored = read(root, path if frame is None else Frame(path, frame), mat=None, cache=FileCache())
    return np.asarray(Image.open(io.BytesIO(stored.data))), stored


def mask(root: Path, data: bytes) -> np.ndarray:
    (root / "a.dcm").write_bytes(data)
    return values(root, PurePosixPath("a.dcm"), FileCache(), want="index")


def compressed(pixels: np.ndarray, photometric: str, *, frames: int = 1, cut: bool = False, **elements: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    frame = buffer.getvalue()
    frame = frame[: len(frame) // 2] + b"\xff\xd9" if cut else frame
    data = encapsulate([frame] * frames)
    return made(pixels, bits=8, photometric=photometric, syntax=JPEGBaseline8Bit, PixelData=data, **elements)


@pytest.mark.parametrize("stored", range(1, 12))
def test_too_few_bits_stored_do_not_fold_the_picture(tmp_path: Path, stored: int) -> None:
    right, lying = made(GREY, bits=12), made(GREY, bits=stored)
    np.testing.assert_array_equal(shown(tmp_path, lying)[0], shown(tmp_path, right)[0])
    note = f"BitsStored is {stored}, its values have 12 bits"
    found = shown(tmp_path, lying)[1]
    assert found.notes == (note,)
    assert found.transform.startswith(f"DICOM to PNG; {note}; percentiles")
    np.testing.assert_array_equal(mask(tmp_path, lying), GREY)


def test_bits_beyond_those_stored_are_no_pixels(tmp_path: Path) -> None:
    overlay = GREY | ((X > 40) & (Y > 30)).astype(np.uint16) << 12
    for data in (
        made(overlay, bits=12),
        made((GREY << 4).astype(np.uint16), bits=12, HighBit=15),
        made((GREY << 4 | 9).astype(np.uint16), bits=12, HighBit=15),
        made(GREY, bits=12, HighBit=15),
    ):
        picture, stored = shown(tmp_path, data)
        np.testing.assert_array_equal(mask(tmp_path, data), GREY)
        np.testing.assert_array_equal(picture, shown(tmp_path, made(GREY, bits=12))[0])
        assert stored.notes == ()


def test_a_sign_in_the_highest_stored_bit(tmp_path: Path) -> None:
    np.testing.assert_array_equal(mask(tmp_path, made((SIGNED & 0xFFF).astype(np.int16), bits=12)), SIGNED)
    data = made(GREY.astype(np.int16), bits=12)  # unsigned numbers that are called signed
    np.testing.assert_array_equal(mask(tmp_path, data), GREY)
    assert shown(tmp_path, data)[1].notes == ("BitsStored is 12, its values have 13 bits",)


def test_padding_is_no_measurement_unless_it_is_the_picture(tmp_path: Path) -> None:
    padded = GREY.copy()
    padded[:10], padded[10:15] = 3, 9
    expected = "percentiles 0.5 to 99.5 (227 to 3769)"
    for ends in (
        {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 10},
        {"PixelPaddingValue": 10, "PixelPaddingRangeLimit": 3},
    ):
        assert expected in shown(tmp_path, made(padded, bits=12, **ends))[1].transform
    assert "(3 to" in shown(tmp_path, made(padded, bits=12))[1].transform
    whole = shown(tmp_path, made(GREY, bits=12))
    lying = shown(tmp_path, made(GREY, bits=12, PixelPaddingValue=0, PixelPaddingRangeLimit=4095))
    np.testing.assert_array_equal(lying[0], whole[0])
    beyond = SIGNED.copy()
    beyond[:20] = -32768  # fits none of the twelve bits
    assert "(-1774 to 1773)" in shown(tmp_path, made(beyond, bits=12, PixelPaddingValue=-32768))[1].transform


@pytest.mark.parametrize(
    ("data", "expected", "note"),
    [
        (made(COLOR, bits=8), COLOR, "MONOCHROME2 of three samples read as RGB"),
        (made(COLOR, bits=8, photometric="PALETTE COLOR"), COLOR, "PALETTE COLOR of three samples read as RGB"),
        (
            made(np.dstack([BYTES] * 3), bits=8, photometric="MONOCHROME1"),
            255 - BYTES,
            "MONOCHROME1 of three samples that are equal",
        ),
        (made(BYTES, bits=8, photometric="RGB"), BYTES, "RGB of one sample read as MONOCHROME2"),
        (
            made(COLOR, bits=8, photometric="YBR_FULL"),
            COLOR,
            "its photometric interpretation is YBR_FULL, its colours are RGB",
        ),
    ],
)
def test_a_photometric_interpretation_that_is_wrong(
    tmp_path: Path, data: bytes, expected: np.ndarray, note: str
) -> None:
    picture, stored = shown(tmp_path, data)
    np.testing.assert_array_equal(picture, expected)
    assert stored.notes == (note,)
    assert note in stored.transform


def test_colours_that_are_ybr_whatever_they_are_called(tmp_path: Path) -> None:
    rgb = np.dstack([BYTES, BYTES // 2 + 60, BYTES // 3 + 50])
    right = made(convert_color_space(rgb, "RGB", "YBR_FULL"), bits=8, photometric="YBR_FULL")
    picture, stored = shown(tmp_path, right)
    assert np.abs(picture.astype(int) - rgb).max() <= 2
    assert stored.notes == ()
    grey = np.dstack([BYTES] * 3)
    picture, stored = shown(tmp_path, made(convert_color_space(grey, "RGB", "YBR_FULL"), bits=8, photometric="RGB"))
    assert np.abs(picture.astype(int) - BYTES[..., None]).max() <= 2
    assert stored.notes == ("its photometric interpretation is RGB, its colours are YBR_FULL",)


def test_colours_of_more_than_8_bit_share_one_window(tmp_path: Path) -> None:
    picture, stored = shown(tmp_path, made(COLOR.astype(np.uint16) << 4, bits=16, photometric="RGB"))
    assert "percentiles 0.5 to 99.5" in stored.transform
    assert picture.max() == 255
    assert np.corrcoef(picture[..., 1].ravel(), COLOR[..., 1].ravel())[0, 1] > 0.999


def test_frames_that_the_header_counts_wrong(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="NumberOfFrames is 3, its pixels hold 1"):
        shown(tmp_path, made(GREY, bits=12, NumberOfFrames=3))
    for data in (
        made(GREY, bits=12, PixelData=GREY.tobytes() * 3),
        compressed(COLOR, "YBR_FULL_422", frames=3),
    ):
        assert shown(tmp_path, data)[1].notes == ("NumberOfFrames is 1, its pixels hold 3",)
    data = compressed(COLOR, "YBR_FULL_422", frames=2, NumberOfFrames=3)
    assert shown(tmp_path, data, 0)[1].notes == ("NumberOfFrames is 3, its pixels hold 2",)
    assert shown(tmp_path, data, 1)[1].notes == ()
    with pytest.raises(ReadError, match="frame 2 cannot be decoded"):
        shown(tmp_path, data, 2)


def test_sizes_that_the_header_gives_wrong(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="Rows or Columns may be wrong"):
        shown(tmp_path, made(GREY, bits=12, Columns=79))
    with pytest.raises(ReadError, match="declares 9600 bytes of pixels, it holds 4800"):
        shown(tmp_path, made(GREY, bits=12, PixelData=GREY.tobytes()[:4800]))
    with pytest.raises(ReadError, match="header declares 60 x 80 pixels, its compressed frame 0 has 80 x 60"):
        shown(tmp_path, compressed(COLOR, "YBR_FULL_422", Rows=80, Columns=60))
    padded = made(GREY, bits=12, PixelData=GREY.tobytes() + bytes(512))
    np.testing.assert_array_equal(mask(tmp_path, padded), GREY)
    assert shown(tmp_path, padded)[1].notes == (
        "its pixels end with 512 bytes of zeros that its header does not count",
    )


def test_a_jpeg_frame_that_ends_early_is_refused(tmp_path: Path) -> None:
    for pixels, photometric in ((COLOR, "YBR_FULL_422"), (BYTES, "MONOCHROME2")):
        assert shown(tmp_path, compressed(pixels, photometric))[1].notes == ()
        with pytest.raises(ReadError, match="the JPEG of its frame 0 is damaged: its data end before its last pixel"):
            shown(tmp_path, compressed(pixels, photometric, cut=True))


def measures(*numbers: float) -> Dataset:
    inner, outer = Dataset(), Dataset()
    inner.PixelSpacing = list(numbers)
    outer.PixelMeasuresSequence = [inner]
    return outer


@pytest.mark.parametrize(
    ("elements", "spacing"),
    [
        ({}, None),
        ({"PixelSpacing": [0.5, 0.25]}, (0.25, 0.5)),  # the distance of rows stands first
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.1, 0.2)),
        ({"PixelSpacing": [0.5, 0.25], "ImagerPixelSpacing": [0.2, 0.1]}, (0.25, 0.5)),
        ({"ImagerPixelSpacing": [0.2, 0.1], "EstimatedRadiographicMagnificationFactor": 2}, (0.05, 0.1)),
        ({"NominalScannedPixelSpacing": [0.2, 0.1]}, (0.1, 0.2)),
        ({"PixelSpacing": [0, 0.25]}, None),
        ({"PixelSpacing": [-0.5, 0.25]}, None),
        ({"PixelSpacing": [0.5]}, None),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.1]}, (0.1, 0.2)),
        ({"SharedFunctionalGroupsSequence": [measures(0.5, 0.25)]}, (0.25, 0.5)),
        (
            {
                "SharedFunctionalGroupsSequence": [measures(0.5, 0.25)],
                "PerFrameFunctionalGroupsSequence": [measures(4, 3)],
            },
            (3.0, 4.0),
        ),
    ],
)
def test_spacing(tmp_path: Path, elements: dict[str, Any], spacing: tuple[float, float] | None) -> None:
    assert shown(tmp_path, made(GREY, bits=12, **elements))[1].spacing == spacing
