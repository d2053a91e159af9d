"""The libraries that the bytes of a build depend on, identified by version or by a digest of their behavior.

A new version of Pillow rarely decodes a JPEG differently. So for the operations that nearly every image needs (JPEG
decoding, PNG encoding, image hashes), a digest of their output on test images takes the place of the version. It also
distinguishes builds of one version that use different codecs. All other libraries are identified by version.
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from med_mat import formats
from med_mat.imaging.hashing import look
from med_mat.imaging.stored import png_bytes

#: Decoder -> the libraries that the rest of a record, apart from its pixels, depends on.
_OF_RECORDS: Mapping[str, tuple[str, ...]] = {"mask": ("PNG encoding",)}
#: The library that writes Parquet files.
_WRITER = "pyarrow"


def of_pixels(decoders: Collection[str]) -> dict[str, str]:
    """The libraries that pixels from these decoders depend on: library -> version, or digest of its behavior."""
    every = formats.needs()
    return {name: version(name) for name in sorted({one for decoder in decoders for one in every[decoder].libraries})}


def of_records(decoders: Collection[str]) -> dict[str, str]:
    """The libraries that the rest of the records depends on: library -> version, or digest of its behavior."""
    names = {_WRITER, *(one for kind in decoders for one in _OF_RECORDS.get(kind, ()))}
    return {name: version(name) for name in sorted(names)}


def writer() -> dict[str, str]:
    """The libraries that a file written from stored records depends on."""
    return of_records(())


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The differences between two sets of libraries, each as ``pillow 12.3.0 -> 13.0.0``, sorted by name."""
    return [
        f"{name} {before[name]} -> {now[name]}"
        for name in sorted(before.keys() & now.keys())
        if before[name] != now[name]
    ]


@functools.cache
def version(name: str) -> str:
    """The version of a library, "absent" if it is not installed; or a digest of its behavior."""
    if name in _PROBES:
        digest = hashlib.blake2b(digest_size=6)
        for piece in _PROBES[name]():
            digest.update(piece)
        return digest.hexdigest()
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


# -------------------------------------------------------------------------------------------------------------- probes


def _texture(height: int, width: int, kind: int) -> NDArray[Any]:
    """A uint8 test image of shape (rows, columns): 0 steep gradients, 1 smooth, 2 flat regions like a mask."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    shades = ((x * x * 7 + y * 13) ^ (x * y * 3), 96 + (x * 5 + y * 3) // 7, 40 * ((x // 19 + y // 11) % 5))[kind]
    return np.asarray(shades % 256, np.uint8)


def _colors(height: int, width: int) -> NDArray[Any]:
    """A uint8 test image of shape (rows, columns, 4): one texture per channel, with alpha."""
    return np.dstack([_texture(height, width, kind) for kind in (0, 1, 2, 1)])


def _jpeg_decoding() -> Iterator[bytes]:
    """Baseline and progressive, in gray and color, with every common subsampling, with complete and partial blocks."""
    for size in ((64, 64), (61, 47)):
        colors = Image.fromarray(_colors(*size)[..., :3])
        for picture in (Image.fromarray(_texture(*size, 0)), colors):
            for subsampling in ("4:4:4", "4:2:2", "4:2:0") if picture is colors else ("4:4:4",):
                for progressive in (False, True):
                    buffer = io.BytesIO()
                    picture.save(buffer, "JPEG", quality=80, subsampling=subsampling, progressive=progressive)
                    yield from _decoded(buffer.getvalue())
    for written, read in ((0x21, 0x12), (0x22, 0x41)):  # 4:4:0 and 4:1:1: as many blocks in another arrangement
        buffer = io.BytesIO()
        Image.fromarray(_colors(64, 64)[..., :3]).save(buffer, "JPEG", subsampling=1 if written == 0x21 else 2)
        yield from _decoded(buffer.getvalue().replace(bytes((1, written, 0)), bytes((1, read, 0)), 1))


def _decoded(data: bytes) -> Iterator[bytes]:
    yield data
    yield Image.open(io.BytesIO(data)).tobytes()


def _png_encoding() -> Iterator[bytes]:
    """Every mode that is written, with textures for which the encoder chooses different filters and packing."""
    colors = _colors(211, 307)
    for kind in range(3):
        shades = _texture(211, 307, kind)
        yield png_bytes(Image.fromarray(shades))
        yield png_bytes(Image.fromarray(shades > 127))
        yield png_bytes(Image.fromarray(shades.astype(np.uint16) * 257))
    picture = Image.fromarray(colors)
    for mode in ("LA", "RGB", "RGBA"):
        yield png_bytes(picture.convert(mode))
    indexed = Image.fromarray(colors[..., 2])
    indexed.putpalette(colors[0, :256, :3].tobytes())
    yield png_bytes(indexed)


def _picture_hashes() -> Iterator[bytes]:
    """Portrait and landscape, smaller and larger than the reduced size, in every mode that is hashed."""
    for size in ((80, 60), (60, 83), (301, 517)):
        picture = Image.fromarray(_colors(*size))
        for mode in ("L", "RGB", "RGBA", "LA", "1") if max(size) < 100 else ("RGB",):
            yield repr(look(picture.convert(mode, dither=Image.Dither.NONE))).encode()


_PROBES: Mapping[str, Callable[[], Iterator[bytes]]] = {
    "JPEG decoding": _jpeg_decoding,
    "PNG encoding": _png_encoding,
    "picture hashes": _picture_hashes,
}
