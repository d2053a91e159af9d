"""What a picture is, in two hashes."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageEnhance, ImageOps

from med_mat.imaging.hashing import BITS, Look, canonical, orientations, perceptual_hash, pixel_hash
from med_mat.imaging.hashing import look as known_by
from med_mat.imaging.shades import averaged, framed

skimage_data = pytest.importorskip("skimage.data")
RETINA = Image.fromarray(skimage_data.retina())
PHOTOGRAPHS = {
    "fundus": RETINA,
    "cells": Image.fromarray(skimage_data.cell()),
    "stain": Image.fromarray(skimage_data.immunohistochemistry()),
}


def encoded(picture: Image.Image, kind: str, **options: object) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return Image.open(buffer)


def look(picture: Image.Image) -> np.ndarray:
    """The perceptual hash as 32 bytes."""
    return np.frombuffer(bytes.fromhex(perceptual_hash(canonical(picture)) or ""), np.uint8)


def distance(one: Image.Image, other: Image.Image) -> int:
    """In how many bits the hashes differ."""
    return int(np.unpackbits(look(one) ^ look(other)).sum())


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_lossless_forms_of_a_colour_picture_are_one(values: np.ndarray) -> None:
    picture = Image.fromarray(values)
    forms = [encoded(picture, "PNG"), encoded(picture, "BMP"), encoded(picture, "WEBP", lossless=True)]
    forms += [encoded(picture, "TIFF", compression="tiff_lzw"), picture.convert("RGBA")]
    assert {pixel_hash(canonical(form)) for form in forms} == {pixel_hash(canonical(picture))}


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_grey_is_grey_in_one_channel_or_in_three(values: np.ndarray) -> None:
    grey = Image.fromarray(values)
    forms = [grey.convert(mode) for mode in ("RGB", "RGBA", "LA")] + [encoded(grey, "GIF"), encoded(grey, "TIFF")]
    forms += [encoded(grey, "JPEG2000", irreversible=False)] if min(grey.size) > 1 else []
    assert {pixel_hash(canonical(form)) for form in forms} == {pixel_hash(canonical(grey))}


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3))), st.data())
def test_one_pixel_that_differs_makes_another_hash(values: np.ndarray, data: st.DataObject) -> None:
    other = values.copy()
    place = tuple(data.draw(st.integers(0, size - 1)) for size in values.shape)
    other[place] ^= 1
    assert pixel_hash(canonical(Image.fromarray(values))) != pixel_hash(canonical(Image.fromarray(other)))


@pytest.mark.parametrize("side", [3, 181, 182, 5_000])  # the largest is in several blocks of memory
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_the_pixel_hash_is_of_the_size_the_mode_and_the_bytes(mode: str, side: int) -> None:
    shape = (side, side) if mode == "L" else (side, side, len(mode))
    picture = Image.fromarray(np.random.default_rng(side).integers(0, 256, shape, dtype=np.uint8))
    expected = xxhash.xxh3_128_hexdigest(f"{side} {side} {mode}".encode() + picture.tobytes())
    assert pixel_hash(picture) == expected


@pytest.mark.parametrize("side", [20, 182, 2_500])
@pytest.mark.parametrize("channel", range(3))
def test_a_picture_with_one_colored_pixel_is_no_gray_one(side: int, channel: int) -> None:
    values = np.repeat(np.random.default_rng(0).integers(0, 255, (side, side, 1), dtype=np.uint8), 3, axis=2)
    assert canonical(Image.fromarray(values)).mode == "L"
    values[-1, -1, channel] += 1
    assert canonical(Image.fromarray(values)).mode == "RGB"


def test_size_counts_where_the_bytes_are_the_same() -> None:
    assert pixel_hash(Image.new("L", (4, 6))) != pixel_hash(Image.new("L", (6, 4)))


def test_transparency_counts_for_pixels_but_not_for_the_look() -> None:
    clear = RETINA.convert("RGBA")
    clear.putalpha(100)
    assert pixel_hash(canonical(clear)) != pixel_hash(canonical(RETINA))
    assert perceptual_hash(canonical(clear)) == perceptual_hash(canonical(RETINA))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_copy_looks_the_same(name: str) -> None:
    picture = PHOTOGRAPHS[name]
    half = picture.resize((picture.width // 2, picture.height // 2))
    copies = {
        "JPEG": encoded(picture, "JPEG", quality=50),
        "half": half,
        "half, JPEG": encoded(half, "JPEG", quality=75),
        "square": picture.resize((224, 224), Image.Resampling.BICUBIC),
        "grey": picture.convert("L"),
        "brighter": ImageEnhance.Brightness(picture).enhance(1.15),
        "contrast": ImageEnhance.Contrast(picture).enhance(1.2),
    }
    assert {change: far for change, copy in copies.items() if (far := distance(picture, copy)) > 20} == {}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_flipped_or_turned_copy_is_known_from_the_hash_of_the_original(name: str) -> None:
    picture = PHOTOGRAPHS[name]
    copies = [
        turned(one)
        for one in (picture, picture.transpose(Image.Transpose.TRANSPOSE))
        for turned in (lambda same: same, ImageOps.mirror, ImageOps.flip, lambda one: one.rotate(180))
    ]
    for copy, known in zip(copies, orientations(look(picture)[None]), strict=True):
        assert copy is picture or distance(picture, copy) > 60
        assert np.unpackbits(look(copy) ^ known).sum() <= 8


def test_different_pictures_look_different() -> None:
    names = list(PHOTOGRAPHS)
    pairs = [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]]
    assert all(distance(PHOTOGRAPHS[a], PHOTOGRAPHS[b]) > 80 for a, b in pairs)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_picture_without_structure_has_no_look(mode: str) -> None:
    assert perceptual_hash(Image.new(mode, (300, 200), "black")) is None
    noise = np.random.RandomState(0).randint(100, 104, (64, 64), np.uint8)
    assert perceptual_hash(Image.fromarray(noise)) is None


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 90), st.integers(1, 90))))
def test_the_hash_is_64_hexadecimal_digits_or_none(values: np.ndarray) -> None:
    found = perceptual_hash(Image.fromarray(values))
    assert found is None or (len(found) == BITS // 4 and found == found.lower() and int(found, 16) >= 0)


def test_the_hash_stays_what_it_is() -> None:
    """Builds of two machines are compared by it; a change needs a new schema version."""
    rows, columns = np.mgrid[:48, :80]
    drawn = Image.fromarray(((rows * 7 + columns * columns) % 251).astype(np.uint8))
    assert perceptual_hash(drawn) == "0803003f0ffcff00095bfff5048c4cd5bfb30004f7bdea38861975cb95846ecb"
    known = known_by(drawn)
    digests = [hashlib.sha256(one or b"").hexdigest()[:16] for one in (known.descriptor, known.thumbnail)]
    assert digests == ["17900c4b6375fc60", "9657b4af90d4da6b"]


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30))), st.integers(1, 20), st.integers(1, 20)
)
def test_a_small_picture_is_the_mean_of_what_lies_below_each_cell(values: np.ndarray, rows: int, columns: int) -> None:
    height, width = values.shape
    fine = np.repeat(np.repeat(values.astype(np.int64), rows, axis=0), columns, axis=1)
    sums = fine.reshape(rows, height, columns, width).sum(axis=(1, 3))
    expected = (2 * sums + height * width) // (2 * height * width)
    assert averaged(values.astype(np.float64), rows, columns).tolist() == expected.tolist()


def apart(one: Image.Image, other: Image.Image) -> float:
    """How far the descriptors of two pictures lie apart."""
    first, second = (
        np.frombuffer(known_by(picture).descriptor or b"", np.int8).astype(int) for picture in (one, other)
    )
    return float(np.linalg.norm(first - second))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_descriptor_stays_near_where_a_picture_is_turned_shifted_zoomed_mirrored_or_inverted(name: str) -> None:
    picture = PHOTOGRAPHS[name].convert("L").resize((300, 300), Image.Resampling.BOX)
    cut = picture.crop((8, 8, 292, 292))
    copies = {
        "turned by 10 degrees": picture.rotate(10, Image.Resampling.BILINEAR),
        "mirrored": ImageOps.mirror(picture),
        "inverted": ImageOps.invert(picture),
        "bordered": ImageOps.expand(picture, 15, int(np.median(np.asarray(picture)[0]))),
        "zoomed": cut.resize((300, 300), Image.Resampling.BICUBIC),
    }
    others = [PHOTOGRAPHS[other].convert("L") for other in PHOTOGRAPHS if other != name]
    nearest = min(apart(picture, other) for other in others)
    assert {change: far for change, copy in copies.items() if (far := apart(picture, copy)) > 0.8 * nearest} == {}


def test_an_even_border_is_no_part_of_the_frame() -> None:
    picture = np.asarray(RETINA.convert("L").resize((96, 80)), np.float64)
    bordered = np.pad(picture, ((20, 20), (9, 9)), constant_values=float(np.median(picture[0])))
    assert abs(framed(bordered, 64) - framed(picture, 64)).mean() < 6


def test_what_has_no_structure_has_neither_descriptor_nor_thumbnail() -> None:
    known = known_by(Image.new("RGB", (30, 20)))
    assert known == Look(known.pixel_hash)
    assert known.pixel_hash
