"""Containers keep what shows the picture and nothing else; compressed image data are not touched."""

from __future__ import annotations

import io
import struct
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from tainted import (
    COLOR,
    CONVERTED,
    GREY,
    NAME,
    PROFILE,
    SHOWN,
    XMP,
    chunk,
    encoded,
    exif,
    segment,
    tainted_png,
    traces,
)

from med_mat.errors import ReadError
from med_mat.imaging.containers import Clean, gif, jpeg, png, webp
from med_mat.imaging.containers import exif as exif_blocks
from med_mat.imaging.decoding import Check, FileCache, Stored, read


def stored(folder: Path, data: bytes, name: str = "a.jpg", check: Check = "decode") -> Stored:
    (folder / name).write_bytes(data)
    return read(folder, PurePosixPath(name), mat=None, check=check, cache=FileCache())


def clean(data: bytes) -> Clean:
    if data.startswith(b"\xff\xd8"):
        return jpeg.clean(data, jpeg.parts(data))
    if data.startswith(b"\x89PNG"):
        return png.clean(data, png.parts(data))
    orientation = Image.open(io.BytesIO(data)).getexif().get(0x0112, 1)
    return gif.clean(data) if data.startswith(b"GIF") else webp.clean(data, orientation)


def shown(data: bytes) -> np.ndarray:
    """The pixels upright, as ``datasets`` shows them."""
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))


def orientation(data: bytes) -> int:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return int(picture.getexif().get(0x0112, 1))


@pytest.mark.parametrize("name", SHOWN)
def test_nothing_is_left_but_the_picture(name: str) -> None:
    raw = SHOWN[name]()
    assert NAME in raw
    found = clean(raw)
    assert found.complete
    assert traces(found.data) == []
    np.testing.assert_array_equal(shown(found.data), shown(raw))
    assert orientation(found.data) == orientation(raw)
    picture = Image.open(io.BytesIO(found.data))
    picture.load()
    assert set(picture.getexif()) <= {0x0112}
    assert getattr(picture, "n_frames", 1) == 1
    assert not getattr(picture, "text", {})
    if name not in ("several.jpg", "text.png", "still.gif"):
        assert picture.info["icc_profile"] == PROFILE
    assert clean(found.data).data is found.data  # once is enough
    assert clean(raw) == found


EXIF = "EXIF, GPS position, XMP"
REMOVED = {
    "baseline.jpg": f"{EXIF}, IPTC, comment, thumbnail, further images, other data",
    "color.png": f"{EXIF}, comment, text, date, thumbnail, other data, data after the image",
    "animated.png": f"{EXIF}, comment, text, date, thumbnail, further images, other data, data after the image",
    "lossy.webp": f"{EXIF}, thumbnail, other data, data after the image",
    "still.gif": "XMP, comment, text, data after the image",
}


@pytest.mark.parametrize("name", REMOVED)
def test_what_was_removed_is_told(tmp_path: Path, name: str) -> None:
    assert stored(tmp_path, SHOWN[name](), name).transform == f"metadata removed ({REMOVED[name]})"


@pytest.mark.parametrize("check", ["header", "decode"])
@pytest.mark.parametrize("name", [*SHOWN, *CONVERTED])
def test_nothing_of_it_is_stored(tmp_path: Path, name: str, check: Check) -> None:
    raw = (SHOWN | CONVERTED)[name]()
    result = stored(tmp_path, raw, name, check)
    assert result.encoded is (name in CONVERTED)
    assert traces(result.data) == []
    if name in SHOWN:
        np.testing.assert_array_equal(shown(result.data), shown(raw))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif"])
def test_a_file_without_metadata_is_the_same_object(name: str) -> None:
    kind = {"a.jpg": "JPEG", "a.png": "PNG", "a.webp": "WEBP", "a.gif": "GIF"}[name]
    turned = {} if kind == "GIF" else {"exif": exif_blocks.PREFIX + exif_blocks.minimal(6)}
    for data in (
        encoded(GREY if kind == "GIF" else COLOR, kind),
        encoded(GREY if kind == "GIF" else COLOR, kind, **turned),
    ):
        assert clean(data) == Clean(data, (), complete=True)
        assert clean(data).data is data


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("number", range(1, 9))
def test_the_orientation_stays_wherever_it_stood(kind: str, number: int) -> None:
    xmp = XMP.replace(b"dc:creator", b'tiff:Orientation="%d" dc:creator' % number)
    data = encoded(COLOR, kind, exif=exif(number))
    for raw in (data, *([encoded(COLOR, kind, xmp=xmp)] if kind != "PNG" else [])):
        found = clean(raw)
        assert orientation(found.data) == orientation(raw) == number
        assert traces(found.data) == []
    if kind == "PNG":
        plain = encoded(COLOR, "PNG")
        block = exif(number).hex().encode()
        for more in (
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
            chunk(b"tEXt", b"Raw profile type exif\0\nexif\n  9\n" + block),
        ):
            for raw in (plain[:33] + more + plain[33:], plain[:-12] + more + plain[-12:]):
                found = clean(raw)
                assert orientation(found.data) == orientation(raw) == png.parts(raw).header.orientation == number
                assert traces(found.data) == []
                np.testing.assert_array_equal(shown(found.data), shown(raw))


JPEGS = [encoded(COLOR, "JPEG", **more) for more in ({}, {"progressive": True}, {"restart_marker_blocks": 3})]
XMP_SEGMENT, ICC_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0" + XMP, b"ICC_PROFILE\0\1\1"
KNOWN = (
    *(NAME, exif(), exif(6), exif_blocks.PREFIX + exif_blocks.minimal(3), b"JFIF\0" + NAME, b"Adobe" + NAME),
    *(XMP_SEGMENT, ICC_SEGMENT + PROFILE, ICC_SEGMENT + NAME, b"MPF\0" + NAME, b"Photoshop 3.0\0" + NAME),
)
BODIES = st.one_of(st.binary(max_size=40), st.sampled_from(KNOWN))
SEGMENTS = st.lists(st.tuples(st.sampled_from([0xFE, *range(0xE0, 0xEE), 0xEF]), BODIES), max_size=6)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 2), before=SEGMENTS, late=SEGMENTS, after=st.binary(max_size=60), fill=st.integers(0, 3))
def test_any_segments_of_a_jpeg(
    number: int, before: list[tuple[int, bytes]], late: list[tuple[int, bytes]], after: bytes, fill: int
) -> None:
    plain = JPEGS[number]
    first, last = (b"".join(b"\xff" * fill + segment(*one) for one in some) for some in (before, late))
    raw = plain[:20] + first + plain[20:-2] + last + plain[-2:] + after
    found = clean(raw)
    assert found.complete
    assert NAME not in found.data
    assert clean(found.data).data is found.data
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(found.data))), np.asarray(Image.open(io.BytesIO(raw)))
    )
    scan = plain[plain.find(b"\xff\xda") : -2]
    assert scan in found.data
    try:
        expected = Image.open(io.BytesIO(raw)).getexif().get(0x0112, 1)
    except Exception:  # several blocks in a row that make up none
        return
    assert orientation(found.data) == expected


EARLY = st.sampled_from([b"tEXt", b"eXIf", b"prVt", b"tIME", b"gAMA", b"pHYs", b"sRGB", b"iCCP"])
LATE = st.sampled_from([b"tEXt", b"zTXt", b"prVt", b"gAMA"])


@settings(max_examples=150)
@given(
    before=st.lists(st.tuples(EARLY, st.one_of(st.binary(max_size=40), st.just(NAME))), max_size=5),
    late=st.lists(st.tuples(LATE, st.just(b"k\0\0" + NAME)), max_size=3),
    after=st.binary(max_size=60),
)
def test_any_chunks_of_a_png(before: list[tuple[bytes, bytes]], late: list[tuple[bytes, bytes]], after: bytes) -> None:
    plain = encoded(COLOR, "PNG")
    first, last = (b"".join(chunk(*one) for one in some) for some in (before, late))
    found = clean(plain[:33] + first + plain[33:-12] + last + plain[-12:] + after)
    assert found.complete
    assert NAME not in found.data
    assert clean(found.data).data is found.data
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(found.data))), COLOR)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    made = b"".join(name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for name, body in chunks)
    return b"RIFF" + struct.pack("<I", len(made) + 4) + b"WEBP" + made


JPEG, PNG = encoded(COLOR, "JPEG"), encoded(COLOR, "PNG")
UNCLEAR = {
    "bytes between segments": JPEG[:-2] + segment(0xFE, b"x") + NAME + JPEG[-2:],
    "bytes behind the last pixel": JPEG[:-2] + NAME + JPEG[-2:],
    "a chunk without a name": PNG[:-12] + bytes([0, 0, 0, 7, 1, 2, 3, 4]) + NAME,
    "two palettes": encoded(Image.fromarray(GREY).quantize(9), "PNG").replace(b"IDAT", b"IDAT")[:33]
    + chunk(b"PLTE", bytes(27))
    + encoded(Image.fromarray(GREY).quantize(9), "PNG")[33:],
    "a gif with unknown blocks": encoded(GREY, "GIF")[:-1] + b"\x77" + NAME + b"\x3b",
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_cannot_be_followed_is_encoded_anew(tmp_path: Path, case: str) -> None:
    raw = UNCLEAR[case]
    expected = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))
    result = stored(tmp_path, raw, "a.x")
    assert (result.format, result.encoded) == ("PNG", True)
    assert "encoded as PNG, not passed on as published: " in result.transform
    assert traces(result.data) == []
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(result.data)).convert("RGB")), expected)


def test_a_webp_whose_chunks_are_not_those_of_one_picture_is_refused() -> None:
    (name, body) = b"VP8L", encoded(COLOR, "WEBP", lossless=True)[20:]
    with pytest.raises(ValueError, match="not those of one still picture"):
        webp.clean(riff((name, body), (name, body)), 1)
    with pytest.raises(ValueError, match="cut short"):
        webp.clean(riff((name, body))[:-4], 1)
    assert webp.clean(riff((name, body), (b"EXIF", NAME)), 1).data == riff((name, body))


def test_damage_ends_as_it_did(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="the JPEG is damaged"):
        stored(tmp_path, JPEG[: len(JPEG) // 2] + b"\xff\xd9")
    with pytest.raises(ReadError, match=r"cannot be (opened|decoded)"):
        stored(tmp_path, tainted_png(PNG)[:900])
    spoilt = PNG[:33] + chunk(b"tEXt", b"k\0v")[:-4] + bytes(4) + PNG[33:]
    with pytest.raises(ReadError, match="is no image of a known format"):
        stored(tmp_path, spoilt)
    for odd in (JPEG[:-2], JPEG[:-2] + b"\xff\x05" + NAME + JPEG[-2:]):
        with pytest.raises(ReadError, match="the JPEG cannot be decoded"):
            stored(tmp_path, odd)


def test_without_an_end_marker_the_pixels_decide(tmp_path: Path) -> None:
    result = stored(tmp_path, PNG[:-12], check="header")
    assert result.data == PNG[:-12]
    assert result.pixel_hash is not None
