"""What decides bytes beside Med-MAT's own code: libraries, by their versions or by what they do.

A new version of Pillow seldom decodes a JPEG otherwise than the old one. So of what nearly every image goes through
(decoding JPEG, encoding PNG, hashing pictures) not the version counts but a digest of what comes out for pictures that
cover its ways; it also tells builds of one version apart that stand on other codecs. All else goes by its version.
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

#: What else in a record than its pixels depends on, by step.
_OF_RECORDS: Mapping[str, tuple[str, ...]] = {"mask": ("PNG encoding",)}
#: What writes the Parquet files.
_WRITER = "pyarrow"


def of_pixels(decoders: Collection[str]) -> dict[str, str]:
    """What the pixels depend on that came through these decoders: library -> version, or what it does."""
    every = formats.needs()
    return {name: version(name) for name in sorted({one for decoder in decoders for one in every[decoder].libraries})}


def of_records(decoders: Collection[str]) -> dict[str, str]:
    """What the files of records depend on besides."""
    names = {_WRITER, *(one for kind in decoders for one in _OF_RECORDS.get(kind, ()))}
    return {name: version(name) for name in sorted(names)}


def writer() -> dict[str, str]:
    """What a file depends on that is written from stored records."""
    return of_records(())


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs between two sets of libraries, each as ``pillow 12.3.0 -> 13.0.0``; by name."""
    return [
        f"{name} {before[name]} -> {now[name]}"
        for name in sorted(before.keys() & now.keys())
        if before[name] != now[name]
    ]


@functools.cache
def version(name: str) -> str:
    """The version of a library, "absent" where it is not installed; or a digest of what it does."""
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
    """Whole-numbered shades: steep, smooth, or flat with edges, as a mask is."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    shades = ((x * x * 7 + y * 13) ^ (x * y * 3), 96 + (x * 5 + y * 3) // 7, 40 * ((x // 19 + y // 11) % 5))[kind]
    return np.asarray(shades % 256, np.uint8)


def _colours(height: int, width: int) -> NDArray[Any]:
    """(rows, columns, 4): each texture in a channel, and one as alpha."""
    return np.dstack([_texture(height, width, kind) for kind in (0, 1, 2, 1)])


def _jpeg_decoding() -> Iterator[bytes]:
    """Baseline and progressive, in grey and colour, in every subsampling that occurs, of whole and of cut blocks."""
    for size in ((64, 64), (61, 47)):
        colours = Image.fromarray(_colours(*size)[..., :3])
        for picture in (Image.fromarray(_texture(*size, 0)), colours):
            for subsampling in ("4:4:4", "4:2:2", "4:2:0") if picture is colours else ("4:4:4",):
                for progressive in (False, True):
                    buffer = io.BytesIO()
                    picture.save(buffer, "JPEG", quality=80, subsampling=subsampling, progressive=progressive)
                    yield from _decoded(buffer.getvalue())
    for written, read in ((0x21, 0x12), (0x22, 0x41)):  # 4:4:0 and 4:1:1: as many blocks of a square, otherwise laid
        buffer = io.BytesIO()
        Image.fromarray(_colours(64, 64)[..., :3]).save(buffer, "JPEG", subsampling=1 if written == 0x21 else 2)
        yield from _decoded(buffer.getvalue().replace(bytes((1, written, 0)), bytes((1, read, 0)), 1))


def _decoded(data: bytes) -> Iterator[bytes]:
    yield data
    yield Image.open(io.BytesIO(data)).tobytes()


def _png_encoding() -> Iterator[bytes]:
    """Every mode that is written, and textures for which other filters and other packing are chosen."""
    colours = _colours(211, 307)
    for kind in range(3):
        shades = _texture(211, 307, kind)
        yield png_bytes(Image.fromarray(shades))
        yield png_bytes(Image.fromarray(shades > 127))
        yield png_bytes(Image.fromarray(shades.astype(np.uint16) * 257))
    picture = Image.fromarray(colours)
    for mode in ("LA", "RGB", "RGBA"):
        yield png_bytes(picture.convert(mode))
    indexed = Image.fromarray(colours[..., 2])
    indexed.putpalette(colours[0, :256, :3].tobytes())
    yield png_bytes(indexed)


def _picture_hashes() -> Iterator[bytes]:
    """Portrait and landscape, smaller and larger than what they are reduced to, in every mode that is hashed."""
    for size in ((80, 60), (60, 83), (301, 517)):
        picture = Image.fromarray(_colours(*size))
        for mode in ("L", "RGB", "RGBA", "LA", "1") if max(size) < 100 else ("RGB",):
            yield repr(look(picture.convert(mode, dither=Image.Dither.NONE))).encode()


_PROBES: Mapping[str, Callable[[], Iterator[bytes]]] = {
    "JPEG decoding": _jpeg_decoding,
    "PNG encoding": _png_encoding,
    "picture hashes": _picture_hashes,
}
