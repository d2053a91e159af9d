"""Image hashes: of the exact pixels and of the appearance, and descriptors that find and verify rotated copies.

``perceptual_hash`` consists of the signs of 256 low frequencies of the discrete cosine transform, as in pHash and PDQ
(Zauner 2010, "Implementation and benchmarking of perceptual image hash functions"), but thresholded at zero instead of
the median: flipping an image inverts only the bits of odd frequencies, and transposing it transposes them, so flipped
and rotated copies are found without further hashes. From the decoded pixels on, all sums are of integers, hence
identical on every machine and with every library version.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray
from PIL import Image

from med_mat.imaging.descriptor import SIDE, descriptor
from med_mat.imaging.shades import averaged, blocks, framed

Array = NDArray[Any]

#: Frequencies used along either axis. Frequency 0 is left out: it encodes brightness and broad gradients, which depend
#: on exposure, vignetting and windowing, and which all images of one kind share.
FREQUENCIES = range(1, 17)
BITS = len(FREQUENCIES) ** 2
#: Standard deviation of the small image, in shades of 255, below which it has too little structure to be identified.
LEAST_STRUCTURE = 4.0
_WINDOW = 1 << 15  # pixels that are looked at together, in the cache of a processor


class Look(NamedTuple):
    """The hashes of an image; all None if it was not decoded."""

    pixel_hash: str | None = None  # see pixel_hash()
    perceptual_hash: str | None = None  # see perceptual_hash(); None if the image has no structure
    descriptor: bytes | None = None  # None as perceptual_hash is
    thumbnail: bytes | None = None  # None as perceptual_hash is


def look(picture: Image.Image) -> Look:
    """The hashes of a decoded, upright image."""
    picture = canonical(picture)
    pixels, shades = pixel_hash(picture), blocks(picture)
    hashed = _hashed(shades)
    if hashed is None:
        return Look(pixels)
    square = framed(shades, SIDE)
    return Look(pixels, hashed, descriptor(square).tobytes(), square.astype(np.uint8).tobytes())


def canonical(picture: Image.Image) -> Image.Image:
    """A decoded image in its canonical mode, whatever its lossless encoding: gray as L, opaque as RGB, else RGBA."""
    if picture.mode in ("1", "LA", "P", "PA", "RGBA") or "transparency" in picture.info:
        alpha = picture.mode not in ("1", "L", "P", "RGB") or "transparency" in picture.info
        picture = picture.convert("RGBA" if alpha else "L" if picture.mode == "1" else "RGB")
        if alpha and picture.getchannel("A").getextrema() == (255, 255):
            picture = picture.convert("RGB")
    elif picture.mode not in ("L", "RGB"):
        picture = picture.convert("RGB")
    if picture.mode == "RGB" and _gray(picture.resize((16, 16), Image.Resampling.NEAREST)) and _gray(picture):
        return picture.getchannel("R")
    return picture


def pixel_hash(picture: Image.Image) -> str:
    """The 128-bit XXH3 hash of size, mode and pixels of an image in :func:`canonical` form, in hexadecimal.

    It finds copies and is not cryptographic; SHA-256 would take as long as decoding.
    """
    digest = xxhash.xxh3_128(f"{picture.width} {picture.height} {picture.mode}".encode())
    samples = _samples(picture)
    if picture.mode == "RGB":
        packed = np.empty((min(_WINDOW, len(samples)), 3), np.uint8)
        for start in range(0, len(samples), _WINDOW):
            window = samples[start : start + _WINDOW]
            for channel in range(3):
                packed[: len(window), channel] = window[:, channel]
            digest.update(packed[: len(window)].data)
    else:
        digest.update(samples.data)
    return digest.hexdigest()


def perceptual_hash(picture: Image.Image) -> str | None:
    """The perceptual hash, 64 hexadecimal digits; similar images differ in few of its 256 bits. None without structure.

    Args:
        picture: Image of mode L, RGB or RGBA and any size; color and transparency are ignored.
    """
    return _hashed(blocks(picture))


def _hashed(shades: Array) -> str | None:
    """The perceptual hash of gray shades."""
    small = averaged(shades, SIDE, SIDE)
    if (small**2).sum() * small.size - small.sum() ** 2 < (LEAST_STRUCTURE * small.size) ** 2:
        return None
    waves = _waves()
    # integers below 2 ** 53: exact, in whatever order a machine adds them
    return np.packbits(waves @ small @ waves.T > 0).tobytes().hex()


def _gray(picture: Image.Image) -> bool:
    """Whether all three channels of an RGB image are the same."""
    pixels = _samples(picture).view("<u4")
    for start in range(0, len(pixels), _WINDOW):
        window = pixels[start : start + _WINDOW]
        unlike = window >> 8
        unlike ^= window
        unlike <<= 16  # whether red is green, and green blue
        if unlike.any():
            return False
    return True


def _samples(picture: Image.Image) -> Array:
    """The samples of an image, as Pillow holds them: (pixels,) for L, (pixels, 4) for RGB and RGBA, of uint8.

    Pillow pads RGB to four bytes. Images of more than 16 MB are in several blocks of memory, hence copied.
    """
    try:
        array: Any = pa.array(picture)
    except ValueError:
        data = picture.tobytes("raw", "RGBX") if picture.mode == "RGB" else picture.tobytes()
        flat = np.frombuffer(data, np.uint8)
    else:
        flat = (array if picture.mode == "L" else array.values).to_numpy()
    return flat if picture.mode == "L" else flat.reshape(-1, 4)


@functools.cache
def _waves() -> Array:
    """The cosines of the frequencies over the columns of the small image, in 4096ths: (frequency, column)."""
    angles = np.pi * np.outer(FREQUENCIES, 2 * np.arange(SIDE) + 1) / (2 * SIDE)
    return np.asarray(np.rint(4096 * np.cos(angles)))


def orientations(hashes: Array) -> Iterator[Array]:
    """The hashes of the same images in all eight orientations, starting with the original.

    Then flipped left to right, top to bottom, and both (rotated by 180 degrees); then the same four of the transposed
    image, its quarter turns among them.

    Args:
        hashes: (n, 32) of uint8, and so is each result.
    """
    side = len(FREQUENCIES)
    transposed = np.unpackbits(hashes, axis=1).reshape(-1, side, side).transpose(0, 2, 1).reshape(-1, BITS)
    rows, columns = np.meshgrid(FREQUENCIES, FREQUENCIES, indexing="ij")
    flips = [np.packbits(odd % 2 == 1) for odd in (0 * rows, columns, rows, rows + columns)]
    for one in (hashes, np.packbits(transposed, axis=1)):
        yield from (one ^ flip for flip in flips)
