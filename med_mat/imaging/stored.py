"""The image of a record: its bytes and what is known of them; and how planes and pictures become one."""

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

#: How zlib compresses new PNGs. After PNG's filters a radiograph, a photograph of tissue or a mask has runs and hardly
#: any repetition: looking for runs alone (Z_RLE) gives files as small as level 6 (0.86 to 1.01 of them over six real
#: sources) in a quarter of its time, and smaller ones than level 4 in half of its time.
PNG_PACKING: Mapping[str, int] = {"compress_level": 6, "compress_type": zlib.Z_RLE}


@dataclass(frozen=True, slots=True)
class Stored:
    """An image as a record holds it. ``width`` and ``height`` are those displayed, with EXIF orientation applied."""

    data: bytes
    format: Literal["PNG", "JPEG", "WEBP", "GIF"]
    width: int
    height: int
    transform: str  # "none", or what was done, joined by "; "
    sha256: str  # of the raw file
    pixel_hash: str | None  # of the decoded pixels; None where the bytes were passed through undecoded
    perceptual_hash: str | None  # of what it looks like; None as pixel_hash is, and where it has no structure
    descriptor: bytes | None  # finds copies that are rotated, shifted or scaled; None as perceptual_hash is
    thumbnail: bytes | None  # against which such copies are checked; None as perceptual_hash is
    raw_width: int  # before EXIF orientation: boxes and masks are given there
    raw_height: int
    orientation: int = 1  # EXIF, 1 to 8
    spacing: tuple[float, float] | None = None  # millimeters per pixel along x and y of the displayed image
    notes: tuple[str, ...] = ()  # what may be wrong with its pixels, for the ledger
    encoded: bool = True  # by this library, as PNG; else its compressed image data are the publisher's
    removed: tuple[str, ...] = ()  # of containers.KINDS: what the publisher's file held beside its picture
    volume: Any = None  # the OpenFile of the volume that it is a slice of: its masks must lie on the same grid


def png_bytes(picture: Image.Image) -> bytes:
    """A picture as PNG, the same bytes each time."""
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
    """A decoded picture of 8 bit, upright, as PNG.

    Args:
        picture: in a mode that PNG has.
        notes: what was done to the pixels.
        sha256: of the raw file.
        raw_size: width and height before the EXIF orientation was applied; None: those of the picture.
        orientation: EXIF, 1 to 8.
        spacing: millimeters per pixel along x and y.
        odd: what may be wrong with the pixels.
        volume: the volume that the picture is a slice of.
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
    """A file whose compressed image data are stored as published.

    Args:
        clean: the file without metadata.
        kind: its format.
        sha256: of the raw file.
        known: the hashes of its decoded pixels.
        raw_size: width and height before the EXIF orientation is applied.
        orientation: EXIF, 1 to 8.
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
    """A plane, brought to 8 bit by its own window or that of the triplet, as PNG.

    Args:
        plane: one image.
        mat: the triplet of the record; it chooses the window of a CT.
        sha256: of the raw file.
        name: of the file, for errors.
        notes: what is noted before the notes of the plane.
        volume: the volume that the plane is a slice of.

    Raises:
        ReadError: the values cannot be shown as the header says.
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
