"""TIFF pages against what was written: every depth, byte order, layout and photometric interpretation."""

from __future__ import annotations

import io
import struct
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from med_mat.errors import ReadError
from med_mat.example import Frame
from med_mat.imaging import pictures, tiff_tags
from med_mat.imaging.decoding import FileCache, Stored, read, values
from med_mat.raw import Miniature

tifffile = pytest.importorskip("tifffile")

RNG = np.random.default_rng(11)
ORDERS = ("<", ">")
LAYOUTS = [
    {},
    {"rowsperstrip": 7},
    {"tile": (16, 32)},
    {"compression": "deflate"},
    {"compression": "deflate", "predictor": True},
    {"compression": "deflate", "predictor": True, "tile": (16, 32)},
]


def shown(root: Path, data: bytes, index: int | None = None) -> tuple[np.ndarray, Stored]:
    (root / "a.tif").write_bytes(data)
    path = PurePosixPath("a.tif")
    stored = read(root, path if index is None else Frame(path, index), mat=None, cache=FileCache())
    return np.asarray(Image.open(io.BytesIO(stored.data))), stored


def mask(root: Path, data: bytes, want: str) -> np.ndarray:
    (root / "a.tif").write_bytes(data)
    return values(root, PurePosixPath("a.tif"), FileCache(), want=want)  # type: ignore[arg-type]


def written(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def plain(rows: bytes, *, width: int, height: int, order: str, **tags: tuple[int, ...]) -> bytes:
    """A file of one uncompressed strip; tags by number: ``t258=(1,)``."""
    entries = {256: (width,), 257: (height,), 259: (1,), 273: (8,), 278: (height,), 279: (len(rows),)}
    entries |= {int(name[1:]): numbers for name, numbers in tags.items()}
    start = 8 + len(rows) + len(rows) % 2
    directory, beyond = struct.pack(order + "H", len(entries)), b""
    for tag, numbers in sorted(entries.items()):
        held = struct.pack(f"{order}{len(numbers)}H", *numbers)
        if len(held) > 4:
            place = start + 2 + 12 * len(entries) + 4 + len(beyond)
            beyond += held
            held = struct.pack(order + "I", place)
        directory += struct.pack(order + "HHI", tag, 3, len(numbers)) + held.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return head + rows + b"\0" * (len(rows) % 2) + directory + b"\0" * 4 + beyond


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("photometric", [0, 1])
def test_three_samples_that_are_called_grey_are_rgb(tmp_path: Path, order: str, photometric: int) -> None:
    color = RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)
    for rows, planar in ((color, 1), (np.moveaxis(color, -1, 0), 2)):
        if planar == 2:
            places = tuple(8 + n * 9 * 13 for n in range(3))
            layout = {"t273": places, "t279": (9 * 13,) * 3, "t284": (2,)}
        else:
            layout = {}
        data = plain(
            rows.tobytes(), width=13, height=9, order=order, t258=(8, 8, 8), t262=(photometric,), t277=(3,), **layout
        )
        picture, stored = shown(tmp_path, data)
        np.testing.assert_array_equal(picture, color)
        note = f"3 samples of photometric interpretation {photometric} read as RGB"
        assert stored.transform == f"TIFF to PNG; {note}"
        np.testing.assert_array_equal(mask(tmp_path, data, "color"), color)


def test_the_miniature_of_a_publisher_writes_them(tmp_path: Path) -> None:
    Miniature(tmp_path).image("a.tif", mode="RGB", photometric=1)
    Miniature(tmp_path).image("b.tif", mode="RGB", seed="a.tif")
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(tmp_path / "a.tif")
    assert shown(tmp_path, (tmp_path / "a.tif").read_bytes())[1].pixel_hash == (
        shown(tmp_path, (tmp_path / "b.tif").read_bytes())[1].pixel_hash
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_white_is_zero_at_every_depth(tmp_path: Path, order: str, bits: int) -> None:
    numbers = RNG.integers(0, 2**bits, (6, 16))
    numbers[0, :2] = 0, 2**bits - 1
    if bits == 16:
        rows = numbers.astype(f"{order}u2").tobytes()
    else:
        digits = np.unpackbits(numbers.astype(np.uint8)[..., None], axis=2)[..., 8 - bits :]
        rows = np.packbits(digits.reshape(6, -1), axis=1).tobytes()
    white, black = (
        plain(rows, width=16, height=6, order=order, t258=(bits,), t262=(photometric,), t277=(1,))
        for photometric in (0, 1)
    )
    picture, stored = shown(tmp_path, white)
    assert stored.transform.startswith("TIFF to PNG; WhiteIsZero inverted")
    lightest = picture[numbers == 0]
    assert (lightest > 0).all()
    assert not picture[numbers == 2**bits - 1].any()
    assert "inverted" not in shown(tmp_path, black)[1].transform
    top = 2**16 - 1 if bits == 16 else 255
    np.testing.assert_array_equal(
        mask(tmp_path, white, "index").astype(int), top - mask(tmp_path, black, "index").astype(int)
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_every_kind_of_sample_is_read_as_it_was_written(order: str, big: bool, layout: dict[str, Any]) -> None:
    for kind, samples, meaning, extra in (
        ("u2", 3, "rgb", None), ("u2", 4, "rgb", "unassalpha"), ("u1", 4, "rgb", "unassalpha"),
        ("u1", 2, "minisblack", "unassalpha"), ("u2", 2, "minisblack", "unassalpha"), ("f4", 3, "rgb", None),
        ("u1", 1, "minisblack", None), ("i1", 1, "minisblack", None), ("u2", 1, "minisblack", None),
        ("i2", 1, "minisblack", None), ("u4", 1, "minisblack", None), ("f4", 1, "minisblack", None),
        ("f8", 1, "minisblack", None), ("u2", 1, "miniswhite", None), ("i2", 3, "rgb", None),
    ):  # fmt: skip
        array = (
            RNG.random((37, 41, samples) if samples > 1 else (37, 41)) * (2**7 if kind[1] == "1" else 30000)
        ).astype(kind)
        options = {name: value for name, value in layout.items() if name != "predictor" or kind[0] != "f"}
        for planar in ("contig", "separate") if samples > 1 else (None,):
            laid = np.moveaxis(array, -1, 0) if planar == "separate" else array
            data = written(laid, byteorder=order, bigtiff=big, photometric=meaning, planarconfig=planar,
                           extrasamples=None if extra is None else [extra], **options)  # fmt: skip
            found = pictures.picture(data, 0, "a.tif")
            content = np.asarray(found.content)
            expected = array.max(initial=0) * 0 + 65535 - array if meaning == "miniswhite" else array
            np.testing.assert_array_equal(content.astype(np.float64), expected.astype(np.float64), str((kind, planar)))


def test_colours_of_16_bit_share_one_window(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 4095, 256).astype(np.uint16), (40, 1))
    color = np.dstack([ramp, ramp // 2, ramp // 4])
    picture, stored = shown(tmp_path, written(color, photometric="rgb"))
    assert stored.transform == "TIFF to PNG; 16 bit colour, percentiles 0.5 to 99.5 (4 to 4046) to 8 bit"
    assert picture.max() == 255
    middle = picture[0, 200].astype(float)
    np.testing.assert_allclose(middle / middle[0], [1, 0.5, 0.25], atol=0.01)
    alpha = np.dstack([color, np.full_like(ramp, 65535)])
    alpha[:, :128, 3] = 0
    picture, _ = shown(tmp_path, written(alpha, photometric="rgb", extrasamples=["unassalpha"]))
    assert picture.shape == (40, 256, 4)
    assert (set(picture[:, :128, 3].ravel()), set(picture[:, 128:, 3].ravel())) == ({0}, {255})


def test_palettes_and_cmyk(tmp_path: Path) -> None:
    numbers = np.arange(64, dtype=np.uint8).reshape(8, 8)
    colors = RNG.integers(0, 256, (3, 256))
    for order, scale in (("<", 257), (">", 257), ("<", 1), (">", 1)):
        data = plain(numbers.tobytes(), width=8, height=8, order=order, t258=(8,), t262=(3,), t277=(1,),
                     t320=tuple(int(x) for x in (colors * scale).ravel()))  # fmt: skip
        picture, stored = shown(tmp_path, data)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(stored.data)).convert("RGB")), colors.T[numbers])
        assert ("palette of 8 bit" in stored.transform) == (scale == 1)
        np.testing.assert_array_equal(mask(tmp_path, data, "index"), numbers)
    inks = Image.new("RGB", (13, 9), (200, 10, 10)).convert("CMYK")
    buffer = io.BytesIO()
    inks.save(buffer, "TIFF")
    picture, stored = shown(tmp_path, buffer.getvalue())
    assert stored.transform == "TIFF to PNG; CMYK to RGB"
    assert tuple(picture[0, 0]) == (200, 10, 10)


def test_a_missing_photometric_interpretation_is_the_usual_one(tmp_path: Path) -> None:
    grey = RNG.integers(0, 256, (6, 8), dtype=np.uint8)
    picture, stored = shown(tmp_path, plain(grey.tobytes(), width=8, height=6, order="<", t258=(8,)))
    np.testing.assert_array_equal(picture, grey)
    assert stored.transform == "TIFF to PNG; no photometric interpretation, read as BlackIsZero"
    color = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    data = plain(color.tobytes(), width=8, height=6, order=">", t258=(8, 8, 8), t277=(3,))
    picture, stored = shown(tmp_path, data)
    np.testing.assert_array_equal(picture, color)
    assert stored.transform == "TIFF to PNG; no photometric interpretation, read as RGB"


def test_a_mask_lies_as_its_matrix_whatever_its_orientation(tmp_path: Path) -> None:
    numbers = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for orientation in range(1, 9):
        data = plain(numbers.tobytes(), width=4, height=3, order="<", t258=(8,), t262=(1,), t274=(orientation,))
        np.testing.assert_array_equal(mask(tmp_path, data, "index"), numbers)
        stored = shown(tmp_path, data)[1]
        assert (stored.raw_width, stored.raw_height, stored.orientation) == (4, 3, orientation)


def test_orientation_in_xmp_alone_turns_nothing(tmp_path: Path) -> None:
    """Pillow would turn the picture; the tag of TIFF, which is missing, means upright."""
    grey = RNG.integers(0, 256, (9, 13), dtype=np.uint8)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = written(grey, photometric="minisblack", extratags=[(700, 1, len(xmp), xmp, True)])
    assert Image.open(io.BytesIO(data)).getexif().get(0x0112) == 6
    picture, stored = shown(tmp_path, data)
    np.testing.assert_array_equal(picture, grey)
    assert (stored.orientation, stored.transform) == (1, "TIFF to PNG")


def test_pages_of_different_kinds(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    color = RNG.integers(0, 65536, (9, 13, 3)).astype(np.uint16)
    grey = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
    with tifffile.TiffWriter(buffer) as file:
        file.write(color, photometric="rgb")
        file.write(grey, photometric="minisblack")
        file.write(grey, photometric="miniswhite")
    assert shown(tmp_path, buffer.getvalue(), 0)[0].shape == (9, 13, 3)
    np.testing.assert_array_equal(shown(tmp_path, buffer.getvalue(), 1)[0], grey)
    picture, stored = shown(tmp_path, buffer.getvalue(), 2)
    np.testing.assert_array_equal(picture, 255 - grey)
    assert stored.transform == "TIFF to PNG; WhiteIsZero inverted; frame 2 of 3"
    with pytest.raises(ReadError, match=r"a\.tif: there is no frame 3; it has 3"):
        shown(tmp_path, buffer.getvalue(), 3)


def test_what_nobody_can_read_is_described(tmp_path: Path) -> None:
    data = plain(bytes(54 * 5), width=9, height=6, order="<", t258=(8,) * 5, t262=(1,), t277=(5,))
    with pytest.raises(ReadError, match="is a TIFF of 5 samples of 8 bit, photometric interpretation 1, compression 1"):
        shown(tmp_path, data)
    with pytest.raises(ReadError, match="has no page that can be found"):
        shown(tmp_path, data[:8])


@settings(max_examples=200)
@given(
    flips=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    keep=st.floats(0.1, 1),
    order=st.sampled_from(ORDERS),
    big=st.booleans(),
)
def test_damage_gives_a_page_or_one_sentence(flips: list[tuple[int, int]], keep: float, order: str, big: bool) -> None:
    data = bytearray(written(RNG.integers(0, 999, (5, 6, 3)).astype(np.uint16), byteorder=order, bigtiff=big))
    for at, value in flips:
        data[at % len(data)] = value
    message = "a.tif: "
    try:
        pictures.picture(bytes(data[: round(len(data) * keep)]), 0, "a.tif")
    except ReadError as error:
        message = str(error)
    assert message.startswith("a.tif: ")
    assert "\n" not in message


def test_a_directory_that_leads_in_a_circle_ends(tmp_path: Path) -> None:
    data = bytearray(plain(bytes(54), width=9, height=6, order="<", t258=(8,), t262=(1,)))
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    assert len(tiff_tags.directories(bytes(data))) == 1


@pytest.mark.parametrize(("subfile", "first"), [(0, 0), (1, 1), (4, 1), (2, 0)])
def test_a_page_that_is_a_thumbnail_of_another_is_not_the_picture(tmp_path: Path, subfile: int, first: int) -> None:
    """Its tags say so: a smaller copy (1), a transparency mask (4); a page of several (2) stands for itself."""
    small, large = (RNG.integers(0, 256, size, np.uint8) for size in ((6, 9), (24, 36)))
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(small, subfiletype=1)
        file.write(large)
    entry = struct.Struct("<HHII")
    data = buffer.getvalue().replace(entry.pack(254, 4, 1, 1), entry.pack(254, 4, 1, subfile))
    pages = (small, large)
    picture, stored = shown(tmp_path, data)
    assert np.array_equal(picture, pages[first])
    assert f"frame {first} of 2" in stored.transform
    assert np.array_equal(mask(tmp_path, data, "gray"), pages[first])
    for index, page in enumerate(pages):
        assert np.array_equal(shown(tmp_path, data, index)[0], page), "who names a page gets it"


def test_thumbnails_alone_are_better_than_nothing(tmp_path: Path) -> None:
    page = RNG.integers(0, 256, (6, 9), np.uint8)
    assert np.array_equal(shown(tmp_path, written(page, subfiletype=1))[0], page)
