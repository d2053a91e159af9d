"""What a picture is, in two hashes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageEnhance, ImageOps

from med_mat.leakage.fingerprint import BITS, canonical, perceptual_hash, pixel_hash, turns

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


@settings(deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_lossless_forms_of_a_colour_picture_are_one(values: np.ndarray) -> None:
    picture = Image.fromarray(values)
    forms = [encoded(picture, "PNG"), encoded(picture, "BMP"), encoded(picture, "WEBP", lossless=True)]
    forms += [encoded(picture, "TIFF", compression="tiff_lzw"), picture.convert("RGBA")]
    assert {pixel_hash(canonical(form)) for form in forms} == {pixel_hash(canonical(picture))}


@settings(deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_grey_is_grey_in_one_channel_or_in_three(values: np.ndarray) -> None:
    grey = Image.fromarray(values)
    forms = [grey.convert(mode) for mode in ("RGB", "RGBA", "LA")] + [encoded(grey, "GIF"), encoded(grey, "TIFF")]
    forms += [encoded(grey, "JPEG2000", irreversible=False)] if min(grey.size) > 1 else []
    assert {pixel_hash(canonical(form)) for form in forms} == {pixel_hash(canonical(grey))}


@settings(deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3))), st.data())
def test_one_pixel_that_differs_makes_another_hash(values: np.ndarray, data: st.DataObject) -> None:
    other = values.copy()
    place = tuple(data.draw(st.integers(0, size - 1)) for size in values.shape)
    other[place] ^= 1
    assert pixel_hash(canonical(Image.fromarray(values))) != pixel_hash(canonical(Image.fromarray(other)))


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
    for copy, known in zip(copies, turns(look(picture)[None]), strict=True):
        assert copy is picture or distance(picture, copy) > 60
        assert np.unpackbits(look(copy) ^ known).sum() <= 4


def test_different_pictures_look_different() -> None:
    names = list(PHOTOGRAPHS)
    pairs = [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]]
    assert all(distance(PHOTOGRAPHS[a], PHOTOGRAPHS[b]) > 80 for a, b in pairs)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_picture_without_structure_has_no_look(mode: str) -> None:
    assert perceptual_hash(Image.new(mode, (300, 200), "black")) is None
    noise = np.random.RandomState(0).randint(100, 104, (64, 64), np.uint8)
    assert perceptual_hash(Image.fromarray(noise)) is None


@settings(deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 90), st.integers(1, 90))))
def test_the_hash_is_64_hexadecimal_digits_or_none(values: np.ndarray) -> None:
    found = perceptual_hash(Image.fromarray(values))
    assert found is None or (len(found) == BITS // 4 and found == found.lower() and int(found, 16) >= 0)


def test_the_hash_stays_what_it_is() -> None:
    """Builds of two machines are compared by it; a change needs a new schema version."""
    rows, columns = np.mgrid[:48, :80]
    drawn = Image.fromarray(((rows * 7 + columns * columns) % 251).astype(np.uint8))
    assert perceptual_hash(drawn) == "0003003f0ff8ff00095bfff5848c4cd5bfb30424f7bdea38861975cb95846ccb"
