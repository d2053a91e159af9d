"""Pixel references to stored bytes: what passes through untouched, what becomes PNG, and what is refused."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import skimage.data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from med_mat import formats
from med_mat.errors import ReadError
from med_mat.example import Frame, Slice
from med_mat.imaging.containers import jpeg, png
from med_mat.imaging.decoding import FileCache, Stored, read, values
from med_mat.raw import Miniature
from med_mat.selection import MAT

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (9, 13), dtype=np.uint8)
COLOR = RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)


def encoded(picture: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(buffer, kind, **options)
    return buffer.getvalue()


def stored(
    tmp_path: Path, data: bytes, name: str = "a.png", check: str = "header", mat: str | None = None, **frame: int
) -> Stored:
    (tmp_path / name).write_bytes(data)
    path = PurePosixPath(name)
    pixels = Frame(path, **frame) if frame else path
    return read(tmp_path, pixels, mat=MAT.parse(mat) if mat else None, check=check, cache=FileCache())  # type: ignore[arg-type]


def pixels(result: Stored) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(result.data)))


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[0x010F] = "a camera"
    block[0x0112] = orientation
    return block


PASSED = {
    "jpeg grey": (encoded(GREY, "JPEG"), "JPEG"),
    "jpeg colour": (encoded(COLOR, "JPEG"), "JPEG"),
    "jpeg progressive": (encoded(COLOR, "JPEG", progressive=True), "JPEG"),
    "png grey": (encoded(GREY, "PNG"), "PNG"),
    "png 1 bit": (encoded(Image.fromarray(GREY).convert("1"), "PNG"), "PNG"),
    "png colour": (encoded(COLOR, "PNG"), "PNG"),
    "png palette": (encoded(Image.fromarray(COLOR).quantize(16), "PNG"), "PNG"),
    "png alpha": (encoded(np.dstack([COLOR, GREY]), "PNG"), "PNG"),
    "webp": (encoded(COLOR, "WEBP", lossless=True), "WEBP"),
    "gif": (encoded(GREY, "GIF"), "GIF"),
}


@pytest.mark.parametrize("check", ["header", "decode"])
@pytest.mark.parametrize("case", PASSED)
def test_passes_through_byte_for_byte_whatever_the_name_says(tmp_path: Path, case: str, check: str) -> None:
    data, kind = PASSED[case]
    result = stored(tmp_path, data, "misnamed.bmp", check)
    assert result.data == data
    assert (result.format, result.width, result.height, result.transform) == (kind, 13, 9, "none")
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    if check == "decode":
        assert result.pixel_hash is not None


def test_bytes_after_the_end_marker_do_no_harm(tmp_path: Path) -> None:
    for data in (PASSED["png grey"][0], PASSED["jpeg grey"][0]):
        for extra in (b"\0" * 40, b"\0" * 5000):
            result = stored(tmp_path, data + extra)
            assert result.data == data
            assert result.transform == "metadata removed (data after the image)"
            assert result.pixel_hash is None  # the container was followed to its end: nothing needs to be decoded


BECOMES_PNG = {
    "bmp": (encoded(COLOR, "BMP"), "BMP to PNG", COLOR),
    "tiff": (encoded(COLOR, "TIFF", compression="tiff_lzw"), "TIFF to PNG", COLOR),
    "pgm": (encoded(GREY, "PPM"), "PPM to PNG", GREY),
    "big tiff grey": (encoded(GREY, "TIFF", big_tiff=True), "TIFF to PNG", GREY),
}


@pytest.mark.parametrize("case", BECOMES_PNG)
def test_becomes_png_without_loss(tmp_path: Path, case: str) -> None:
    data, transform, expected = BECOMES_PNG[case]
    result = stored(tmp_path, data)
    assert (result.format, result.transform) == ("PNG", transform)
    np.testing.assert_array_equal(pixels(result), expected)
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    assert stored(tmp_path, data).data == result.data


def test_16_bit_png_is_stretched_between_percentiles(tmp_path: Path) -> None:
    ramp = np.arange(120, 120 + 40 * 50, dtype=np.uint16).reshape(40, 50)
    result = stored(tmp_path, encoded(ramp, "PNG"))
    assert result.transform == "16 bit, percentiles 0.5 to 99.5 (129 to 2109) to 8 bit"
    shown = pixels(result)
    assert shown.dtype == np.uint8
    assert (shown.min(), shown.max()) == (0, 255)
    assert (np.diff(shown.ravel().astype(int)) >= 0).all()


def deep_png(samples: np.ndarray, kind: int) -> bytes:
    """A PNG of 16 bit and colour type 2 (RGB), 4 (grey and alpha) or 6 (RGBA), which Pillow does not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_16_bit_colours_are_stretched_by_one_window(tmp_path: Path) -> None:
    """As grey of 16 bit is: twelve bits in sixteen are no black picture."""
    ramp = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (48, 1))
    color = np.dstack([ramp, ramp // 2, ramp // 4])
    result = stored(tmp_path, deep_png(color, 2))
    assert result.transform == "16 bit colour, percentiles 0.5 to 99.5 (0 to 4095) to 8 bit"
    np.testing.assert_array_equal(pixels(result), np.rint(color / 4095 * 255).astype(np.uint8))
    alpha = RNG.integers(0, 65536, ramp.shape).astype(np.uint16)
    result = stored(tmp_path, deep_png(np.dstack([color, alpha]), 6))
    np.testing.assert_array_equal(pixels(result)[..., :3], np.rint(color / 4095 * 255).astype(np.uint8))
    np.testing.assert_array_equal(pixels(result)[..., 3], alpha >> 8)
    result = stored(tmp_path, deep_png(np.dstack([ramp, alpha]), 4))
    assert result.transform == "16 bit, percentiles 0.5 to 99.5 (0 to 4095) to 8 bit"
    assert pixels(result).shape == (48, 64, 2)
    np.testing.assert_array_equal(pixels(result)[..., 0], np.rint(ramp / 4095 * 255).astype(np.uint8))


def test_ppm_of_16_bit_is_stretched_as_png_is(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (48, 1))
    color = np.dstack([ramp, ramp // 2, ramp // 4])
    data = b"P6\n# 12 bit in 16\n64 48\n65535\n" + color.astype(">u2").tobytes()
    result = stored(tmp_path, data)
    assert result.transform == "PPM to PNG; 16 bit colour, percentiles 0.5 to 99.5 (0 to 4095) to 8 bit"
    np.testing.assert_array_equal(pixels(result), np.rint(color / 4095 * 255).astype(np.uint8))
    with pytest.raises(ReadError, match="cannot be decoded"):
        stored(tmp_path, data[:-10])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from([(2, 3), (4, 2), (6, 4)]),
    width=st.integers(1, 30),
    height=st.integers(1, 30),
    seed=st.integers(0, 99),
)
def test_every_number_of_a_deep_mask_is_kept(
    tmp_path: Path, kind: tuple[int, int], width: int, height: int, seed: int
) -> None:
    labels = np.random.default_rng(seed).integers(0, 65536, (height, width)).astype(np.uint16)
    samples = np.dstack([labels] * kind[1])
    (tmp_path / "m.png").write_bytes(deep_png(samples, kind[0]))
    found = values(tmp_path, PurePosixPath("m.png"), FileCache(), want="index")
    np.testing.assert_array_equal(found, labels)


def test_float_tiff_with_nan(tmp_path: Path) -> None:
    grid = np.linspace(-1, 1, 400, dtype=np.float32).reshape(20, 20)
    grid[3, 3] = np.nan
    result = stored(tmp_path, encoded(grid, "TIFF"))
    assert result.transform.startswith("TIFF to PNG; float, percentiles")
    assert pixels(result)[3, 3] == 0


def test_constant_and_empty_range(tmp_path: Path) -> None:
    result = stored(tmp_path, encoded(np.full((5, 5), 4000, np.uint16), "PNG"))
    assert set(pixels(result).ravel()) == {0}
    assert stored(tmp_path, encoded(np.full((5, 5), 40, np.uint8), "PNG")).transform == "none"


def test_hounsfield_tiff_of_a_ct_row_gets_the_window_of_its_area(tmp_path: Path) -> None:
    grid = np.linspace(-1000, 1000, 900).astype(np.int32).reshape(30, 30)
    result = stored(tmp_path, encoded(grid, "TIFF"), mat="CT/Lung/Cancer")
    assert "window -600/1500" in result.transform
    assert pixels(result)[-1, -1] == 255
    assert "window" not in stored(tmp_path, encoded(grid, "TIFF"), mat="MRI/Brain/Cancer").transform


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    red = Image.new("RGB", (13, 9), (200, 10, 10)).convert("CMYK")
    result = stored(tmp_path, encoded(red, "JPEG"))
    assert result.format == "PNG"
    assert result.transform == "JPEG to PNG; CMYK to RGB"
    assert np.abs(pixels(result).astype(int)[4, 4] - [200, 10, 10]).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_told_and_the_size_is_that_displayed(tmp_path: Path, orientation: int, kind: str) -> None:
    data = encoded(COLOR, kind, exif=exif(orientation))
    result = stored(tmp_path, data)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(result.data)))), upright)
    assert b"a camera" in data
    assert b"a camera" not in result.data
    assert result.orientation == orientation
    assert (result.width, result.height) == upright.size
    assert (result.raw_width, result.raw_height) == (13, 9)
    turned = "" if orientation == 1 else f"exif orientation {orientation}, shown upright; "
    assert result.transform == f"{turned}metadata removed (EXIF)"


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_orientation_of_what_becomes_png_is_applied(tmp_path: Path, orientation: int) -> None:
    for data in (
        encoded(COLOR, "TIFF", exif=exif(orientation)),
        encoded(Image.fromarray(COLOR).convert("CMYK"), "JPEG", exif=exif(orientation)),
    ):
        result = stored(tmp_path, data)
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        picture = Image.open(io.BytesIO(result.data))
        assert picture.getexif().get(0x0112) is None
        assert picture.size == (result.width, result.height) == expected.size
        assert (result.raw_width, result.raw_height, result.orientation) == (13, 9, orientation)
        np.testing.assert_array_equal(np.asarray(picture), np.asarray(expected))


def test_the_same_picture_has_the_same_pixel_hash(tmp_path: Path) -> None:
    grey = Image.fromarray(GREY)
    opaque = grey.convert("RGBA")
    rgb = grey.convert("RGB")
    forms = [encoded(picture, "PNG") for picture in (grey, rgb, opaque, grey.convert("LA"))]
    forms += [encoded(grey, kind) for kind in ("BMP", "GIF", "TIFF")] + [encoded(rgb, "WEBP", lossless=True)]
    hashes = {stored(tmp_path, data, check="decode").pixel_hash for data in forms}
    assert len(hashes) == 1
    assert stored(tmp_path, encoded(255 - GREY, "PNG"), check="decode").pixel_hash not in hashes
    turned = encoded(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(GREY, "PNG", exif=exif(6))))), "PNG")
    assert (
        stored(tmp_path, turned, check="decode").pixel_hash
        == stored(tmp_path, encoded(GREY, "PNG", exif=exif(6)), check="decode").pixel_hash
    )


def test_a_picture_has_the_same_hashes_in_a_dicom_file_and_in_a_picture_file(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:72, :96]
    shades = ((rows * 5 + columns * columns // 3) % 256).astype(np.uint8)
    Miniature(tmp_path).dicom("a.dcm", bits=8, pixels=shades)
    found = [
        read(tmp_path, PurePosixPath("a.dcm"), mat=None, cache=FileCache()),
        *(stored(tmp_path, encoded(shades, kind), check="decode") for kind in ("PNG", "BMP", "TIFF")),
        stored(tmp_path, encoded(Image.fromarray(shades).convert("RGB"), "PNG"), check="decode"),
    ]
    assert len({one.pixel_hash for one in found}) == 1
    assert len({one.perceptual_hash for one in found}) == 1
    assert len({one.sha256 for one in found}) == len(found)


def test_pixels_are_hashed_unless_only_the_header_is_read(tmp_path: Path) -> None:
    data = encoded(skimage.data.retina()[:400, :400], "JPEG")
    (tmp_path / "a.jpg").write_bytes(data)
    found = read(tmp_path, PurePosixPath("a.jpg"), mat=None, cache=FileCache())
    assert found.pixel_hash
    assert found.perceptual_hash
    found = read(tmp_path, PurePosixPath("a.jpg"), mat=None, check="header", cache=FileCache())
    assert (found.pixel_hash, found.perceptual_hash) == (None, None)


def test_frames_of_tiff_and_gif(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((9, 13), 40 * n, np.uint8)) for n in range(4)]
    tiff = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    for index in (2, 0, 3):
        result = stored(tmp_path, tiff, "a.tif", index=index)
        assert set(pixels(result).ravel()) == {40 * index}
        assert result.transform == f"TIFF to PNG; frame {index} of 4"
    assert stored(tmp_path, tiff, "a.tif").transform == "TIFF to PNG; frame 0 of 4"
    with pytest.raises(ReadError, match=r"a\.tif: there is no frame 4; it has 4"):
        stored(tmp_path, tiff, "a.tif", index=4)
    gif = encoded(pages[0], "GIF", save_all=True, append_images=pages[1:])
    assert stored(tmp_path, gif, "a.gif").transform == "GIF to PNG; frame 0 of 4"
    assert stored(tmp_path, PASSED["png grey"][0], index=0).data == PASSED["png grey"][0]
    with pytest.raises(ReadError, match="no frame 1"):
        stored(tmp_path, PASSED["png grey"][0], index=1)


REFUSED = {
    "empty": (b"", "the file is empty"),
    "html": (b"\n<!DOCTYPE html><html>Sign in</html>", "a web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    "zip": (b"PK\x03\x04" + b"\0" * 40, "a ZIP archive"),
    "text": (b"hello world, this is no picture", "no image of a known format"),
    "gzip": (b"\x1f\x8b" + b"\0" * 40, "name a Slice"),
    "png cut in the header": (PASSED["png grey"][0][:20], "cut short"),
    "png cut": (PASSED["png grey"][0][:-30], "cannot be decoded"),
    "jpeg cut in the header": (PASSED["jpeg colour"][0][:60], "cut short"),
    "jpeg cut": (PASSED["jpeg colour"][0][:-20], "cannot be decoded"),
    "jpeg of zeros": (PASSED["jpeg colour"][0][:20] + b"\0" * 400, "damaged"),
    "webp cut": (PASSED["webp"][0][:-20], "WEBP|webp|image"),
    "gif cut": (encoded(RNG.integers(0, 256, (90, 90), dtype=np.uint8), "GIF")[:3000], "GIF"),
    "bmp cut": (encoded(COLOR, "BMP")[:-50], "cannot be decoded"),
    "png of no width": (PASSED["png grey"][0][:16] + b"\0" * 4 + PASSED["png grey"][0][20:], "0 x 9"),
    "png bomb": (PASSED["png grey"][0][:16] + b"\0\1\0\0" * 2 + PASSED["png grey"][0][24:], "65536 x 65536"),
    "bmp bomb": (
        encoded(COLOR, "BMP")[:18] + b"\0\0\1\0" * 2 + encoded(COLOR, "BMP")[26:],
        "more than the 250 megapixels",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_one_sentence_that_names_the_path(tmp_path: Path, case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(ReadError, match=reason) as caught:
        stored(tmp_path, data, "some image.jpg")
    message = str(caught.value)
    assert message.startswith("some image.jpg: ")
    assert message.endswith(".")
    assert "\n" not in message
    assert str(tmp_path) not in message


def test_missing_files_folders_and_ways_out(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path, reason in (("no.png", "No such file"), ("folder", "a folder"), ("../a.png", "out of the raw folder"),
                         ("/etc/hostname", "out of the raw folder")):  # fmt: skip
        for reference in (PurePosixPath(path), Frame(PurePosixPath(path), 0), Slice(PurePosixPath(path), 0)):
            with pytest.raises(ReadError):
                read(tmp_path, reference, mat=None, cache=FileCache())
        with pytest.raises(ReadError, match=reason):
            read(tmp_path, PurePosixPath(path), mat=None, cache=FileCache())


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    case=st.sampled_from([*PASSED, *BECOMES_PNG]),
    keep=st.floats(0, 1),
    flips=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=4),
    check=st.sampled_from(["header", "decode"]),
)
def test_damage_gives_an_image_or_one_sentence(
    tmp_path: Path, case: str, keep: float, flips: list[tuple[int, int]], check: str
) -> None:
    whole = (PASSED.get(case) or BECOMES_PNG[case])[0]
    damaged = bytearray(whole[: round(len(whole) * max(keep, 0.02))] if keep < 0.9 else whole)
    for at, value in flips:
        damaged[at % len(damaged)] = value
    message, size = "a.png: ", (1, 1)
    try:
        result = stored(tmp_path, bytes(damaged), check=check)
        size = (result.width, result.height)
    except ReadError as error:
        message = str(error)
    assert message.startswith("a.png: ")
    assert min(size) > 0


@settings(max_examples=60)
@given(
    orientation=st.integers(0, 12),
    maker=st.text("abc", max_size=30),
    kind=st.sampled_from(["JPEG", "PNG"]),
    tail=st.integers(0, 3),
)
def test_the_header_is_read_as_pillow_reads_it(orientation: int, maker: str, kind: str, tail: int) -> None:
    block = Image.Exif()
    block[0x010F] = maker
    block[0x0112] = orientation
    block[0x9286] = "c" * tail
    data = encoded(COLOR, kind, exif=block)
    header = (jpeg if kind == "JPEG" else png).parts(data).header
    given_by_pillow = Image.open(io.BytesIO(data)).getexif().get(0x0112, 1)
    assert header.orientation == (given_by_pillow if 1 <= given_by_pillow <= 8 else 1)
    assert (header.width, header.height, header.showable) == (13, 9, True)


def test_xmp_orientation_counts_as_it_does_for_pillow() -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = encoded(COLOR, "JPEG", xmp=xmp)
    assert jpeg.parts(data).header.orientation == Image.open(io.BytesIO(data)).getexif().get(0x0112) == 6


def test_values_of_masks(tmp_path: Path) -> None:
    cache = FileCache()

    def found(picture: Image.Image, want: str, kind: str = "PNG") -> np.ndarray:
        (tmp_path / "m").write_bytes(encoded(picture, kind))
        return values(tmp_path, PurePosixPath("m"), cache, want=want)  # type: ignore[arg-type]

    ids = RNG.integers(0, 4, (9, 13), dtype=np.uint8)
    palette = Image.fromarray(ids)
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert palette.mode == "P"
    np.testing.assert_array_equal(found(palette, "index"), ids)
    assert found(palette, "color").shape == (9, 13, 3)
    grey_palette = Image.fromarray(ids)
    grey_palette.putpalette([0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255])
    np.testing.assert_array_equal(found(grey_palette, "index"), ids * 85)
    np.testing.assert_array_equal(found(Image.fromarray(ids > 1), "gray"), (ids > 1) * 255)
    np.testing.assert_array_equal(
        found(Image.fromarray(ids.astype(np.uint16) * 300), "index"), ids.astype(np.uint16) * 300
    )
    np.testing.assert_array_equal(found(Image.fromarray(np.dstack([ids] * 3)), "index"), ids)
    clear = np.dstack([np.full((9, 13, 3), 255, np.uint8), ids])
    assert (found(Image.fromarray(clear), "gray") == 255).all()  # alpha is ignored
    with pytest.raises(ReadError, match="ColorMap"):
        found(Image.fromarray(COLOR), "index")


def package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package {name}, which holds real images, is not installed")
    return Path(spec.submodule_search_locations[0])


@pytest.mark.parametrize(
    ("name", "removed"),
    [("retina.jpg", ""), ("ihc.png", "XMP"), ("cell.png", ""), ("microaneurysms.png", "")],
)
def test_real_pictures_pass_byte_for_byte_but_for_their_metadata(name: str, removed: str) -> None:
    root = package("skimage") / "data"
    if not (root / name).exists():
        pytest.skip(f"this scikit-image does not hold {name}")
    result = read(root, PurePosixPath(name), mat=None, check="decode", cache=FileCache())
    assert (result.data == (root / name).read_bytes()) is not bool(removed)
    np.testing.assert_array_equal(pixels(result), np.asarray(Image.open(root / name)))
    assert (result.width, result.height) == Image.open(root / name).size
    assert result.transform == (f"metadata removed ({removed})" if removed else "none")


def decoders(root: Path, name: str, data: bytes) -> set[str]:
    (root / name).write_bytes(data)
    cache = FileCache()
    read(root, PurePosixPath(name), mat=None, cache=cache)
    return cache.used


def test_a_build_learns_which_decoders_it_used(tmp_path: Path) -> None:
    jpeg = encoded(GREY, "JPEG")
    assert decoders(tmp_path, "a.png", encoded(GREY, "PNG")) == {"look"}
    assert decoders(tmp_path, "a.jpg", jpeg) == {"JPEG", "look"}
    assert decoders(tmp_path, "a.tif", encoded(GREY, "TIFF")) == {"picture", "look"}
    assert decoders(tmp_path, "b.png", encoded(GREY.astype(np.uint16), "PNG")) == {"picture", "window", "look"}
    Miniature(tmp_path).dicom("a.dcm")
    assert decoders(tmp_path, "a.dcm", (tmp_path / "a.dcm").read_bytes()) == {"DICOM", "look"}
    Miniature(tmp_path).volume("a.nii", (4, 5, 6), labels=True)
    cache = FileCache()
    values(tmp_path, Slice(PurePosixPath("a.nii"), 0), cache, want="index")
    assert cache.used == {"NIfTI"}
    for name, data in (("d.jpg", jpeg[: len(jpeg) // 2]), ("d.png", encoded(GREY, "PNG")[:60])):
        cache = FileCache()
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ReadError):
            read(tmp_path, PurePosixPath(name), mat=None, cache=cache)
        assert "picture" in cache.used, "what one version of Pillow refuses another may decode"
    assert cache.used <= set(formats.needs())
    assert all(importlib.util.find_spec(name) for needs in formats.needs().values() for name in needs.modules)


def test_a_picture_that_is_passed_through_loads_no_decoder(tmp_path: Path) -> None:
    """So a change to one of them leaves builds without it as they are."""
    (tmp_path / "a.png").write_bytes(encoded(GREY, "PNG"))
    code = (
        "import sys; from pathlib import Path, PurePosixPath; from med_mat import formats\n"
        "from med_mat.imaging import annotations, decoding\n"
        "decoding.read(Path(sys.argv[1]), PurePosixPath('a.png'), mat=None, cache=decoding.FileCache())\n"
        "print({module for needs in formats.needs().values() for module in needs.modules} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout == "{'med_mat.imaging.web'}\n"


def test_nothing_that_pillow_warns_of_reaches_the_terminal(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    Image.new("1", (13_000, 7_000)).save(tmp_path / "large.png")  # Pillow warns from 89,478,485 pixels on
    Image.new("L", (13_000, 7_000)).save(tmp_path / "large.jpg")
    Image.new("L", (13_000, 7_000)).save(tmp_path / "large.gif")
    for name in ("large.png", "large.jpg", "large.gif"):
        assert read(tmp_path, PurePosixPath(name), mat=None, cache=FileCache()).width == 13_000
    data = encoded(GREY, "TIFF")
    (tmp_path / "cut.tif").write_bytes(data[: len(data) - 40])
    with contextlib.suppress(ReadError):
        read(tmp_path, PurePosixPath("cut.tif"), mat=None, cache=FileCache())
    assert [str(one.message) for one in recwarn.list] == []
