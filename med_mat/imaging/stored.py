"""The stored image of a record (bytes and metadata), and how planes and decoded images become one."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from med_mat.errors import ReadError
from med_mat.imaging import containers
from med_mat.imaging.hashing import Look, look
from med_mat.imaging.opened import sentence

if TYPE_CHECKING:
    from med_mat.imaging.containers import Clean, Format
    from med_mat.imaging.windowing import Plane
    from med_mat.selection import MAT

#: How zlib compresses new PNGs. After PNG's filters, a radiograph, a tissue photograph or a mask has runs but hardly
#: any repetition: searching for runs alone (Z_RLE) gives files as small as level 6 (0.86 to 1.01 of their size over six
#: real sources) in a quarter of the time, and smaller files than level 4 in half of the time.
PNG_PACKING: Mapping[str, int] = {"compress_level": 6, "compress_type": zlib.Z_RLE}


@dataclass(frozen=True, slots=True)
class Stored:
    """An image as stored in a record. ``width`` and ``height`` are as displayed, with EXIF orientation applied."""

    data: bytes
    format: Literal["PNG", "JPEG", "WEBP", "GIF"]
    width: int
    height: int
    transform: str  # "none", or what was done, joined by "; "
    sha256: str  # of the raw file
    pixel_hash: str | None  # of the decoded pixels; None if the bytes were passed through undecoded
    perceptual_hash: str | None  # of the appearance; None if pixel_hash is, or if the image has no structure
    descriptor: bytes | None  # finds copies that are rotated, shifted or scaled; None if perceptual_hash is
    thumbnail: bytes | None  # verifies such copies; None if perceptual_hash is
    raw_width: int  # before EXIF orientation: boxes and masks are given there
    raw_height: int
    orientation: int = 1  # EXIF, 1 to 8
    spacing: tuple[float, float] | None = None  # millimeters per pixel along x and y of the displayed image
    notes: tuple[str, ...] = ()  # possible defects of its pixels, for the ledger
    encoded: bool = True  # by this library, as PNG; otherwise the compressed image data are the publisher's
    removed: tuple[str, ...] = ()  # of containers.KINDS: what the publisher's file contained besides its image
    volume: Any = None  # the OpenFile of the volume that it is a slice of, whose grid its masks must match


def png_bytes(picture: Image.Image) -> bytes:
    """An image as PNG; the same image always gives the same bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **PNG_PACKING)
    return buffer.getvalue()


def encoded(
    picture: Image.Image,
    notes: Sequence[str],
    sha256: str,
    *,
    raw_size: tuple[int, int] | None = None,
    orientation: int = 1,
    spacing: tuple[float, float] | None = None,
    odd: tuple[str, ...] = (),
    volume: Any = None,
) -> Stored:
    """Encodes a decoded, upright 8-bit image as PNG.

    Args:
        picture: The image, in a mode of PNG.
        notes: What was done to the pixels.
        sha256: SHA-256 of the raw file.
        raw_size: Width and height before EXIF orientation was applied; None: those of the image.
        orientation: EXIF orientation, 1 to 8.
        spacing: Millimeters per pixel along x and y.
        odd: Possible defects of the pixels.
        volume: The volume that the image is a slice of.
    """
    known = look(picture)
    raw_width, raw_height = raw_size or picture.size
    return Stored(
        data=png_bytes(picture),
        format="PNG",
        width=picture.width,
        height=picture.height,
        transform="; ".join(notes),
        sha256=sha256,
        **known._asdict(),
        raw_width=raw_width,
        raw_height=raw_height,
        orientation=orientation,
        spacing=spacing,
        notes=odd,
        volume=volume,
    )


def passed(
    clean: Clean, kind: Format, sha256: str, known: Look, *, raw_size: tuple[int, int], orientation: int
) -> Stored:
    """Stores a file whose compressed image data are kept as published.

    Args:
        clean: The file without metadata.
        kind: Its format.
        sha256: SHA-256 of the raw file.
        known: The hashes of its decoded pixels.
        raw_size: Width and height before EXIF orientation is applied.
        orientation: EXIF orientation, 1 to 8.
    """
    width, height = raw_size if orientation < 5 else raw_size[::-1]
    upright = "" if orientation == 1 else f"exif orientation {orientation}, shown upright"
    return Stored(
        data=clean.data,
        format=kind,
        width=width,
        height=height,
        transform="; ".join(filter(None, (upright, containers.told(clean.removed)))) or "none",
        sha256=sha256,
        **known._asdict(),
        raw_width=raw_size[0],
        raw_height=raw_size[1],
        orientation=orientation,
        encoded=False,
        removed=clean.removed,
    )


def from_plane(
    plane: Plane, mat: MAT | None, sha256: str, name: str, notes: Sequence[str] = (), volume: Any = None
) -> Stored:
    """Encodes a plane as PNG, windowed to 8 bits by its own window or that of the triplet.

    Args:
        plane: One image.
        mat: The record's triplet, which determines the window of a CT.
        sha256: SHA-256 of the raw file.
        name: File name for errors.
        notes: Notes that precede those of the plane.
        volume: The volume that the plane is a slice of.

    Raises:
        ReadError: The values cannot be displayed as the header says.
    """
    from med_mat.imaging.windowing import to_8_bit

    try:
        with np.errstate(all="ignore"):
            shades, more = to_8_bit(plane, mat)
    except Exception as error:  # the file's own tables are applied here
        raise ReadError(f"{name}: its values cannot be shown as its header says ({sentence(error)}).") from error
    return encoded(
        Image.fromarray(shades), [*notes, *more], sha256, spacing=plane.spacing, odd=plane.odd, volume=volume
    )
