"""Images that Pillow reads: those that browsers display keep their compressed data, all others become 8-bit PNG."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from med_mat import formats, limits
from med_mat.errors import ReadError
from med_mat.example import Frame, Pixels
from med_mat.imaging import opened
from med_mat.imaging.containers import jpeg, png
from med_mat.imaging.hashing import Look, look
from med_mat.imaging.open_file import Check, OpenFile, RawFile, Want
from med_mat.imaging.opened import sentence
from med_mat.imaging.stored import Stored, encoded, passed

if TYPE_CHECKING:
    from med_mat.imaging.containers import Format
    from med_mat.imaging.windowing import Array
    from med_mat.selection import MAT


def open_file(raw: RawFile) -> OpenFile:
    """Opens a file in any format of Pillow; a large file is read to its end only if its first bytes match one."""
    name = str(raw.path)
    if raw.whole:
        return PictureFile(name, hashlib.sha256(raw.head).hexdigest(), raw.size, raw.head, raw.used)
    if formats.sniff(raw.head, name) == "other" and not opened.known(raw.head):
        raise opened.unknown(raw.head, name)
    data = raw.file.read_bytes()
    return PictureFile(name, hashlib.sha256(data).hexdigest(), len(data), data, raw.used)


@dataclass(frozen=True, slots=True)
class PictureFile(OpenFile):
    """An image file in memory, not yet decoded."""

    name: str
    sha256: str
    size: int
    data: bytes
    used: set[str]

    def references(self) -> Iterator[Pixels]:
        """The file as a whole: a build uses its first image unless a loader requests another."""
        yield PurePosixPath(self.name)

    def stored(self, reference: Pixels, mat: MAT | None, check: Check) -> Stored:
        """One image: JPEG, PNG, WEBP and still GIF are passed through, all others become PNG."""
        index = reference.index if isinstance(reference, Frame) else None
        kind = formats.sniff(self.data, self.name)
        if kind != "JPEG" and kind != "PNG":
            return self._decoded(index, mat)
        if index:
            raise opened.no_frame(self.name, index, 1)
        parts = _parts(self.data, kind, self.name)
        if not parts.header.showable:
            return self._decoded(None, mat, parts.header.note)
        return self._through(kind, parts, mat, check)

    def values(self, reference: Pixels, want: Want) -> Array:
        """The values of a mask; EXIF orientation is ignored."""
        content = self._content(reference.index if isinstance(reference, Frame) else None)
        return _matrix(content, want) if isinstance(content, Image.Image) else content

    def _through(
        self, kind: Literal["JPEG", "PNG"], parts: jpeg.Parts | png.Parts, mat: MAT | None, check: Check
    ) -> Stored:
        """Passes through the compressed image data of a JPEG or PNG that browsers display."""
        try:
            clean = jpeg.clean(self.data, parts) if isinstance(parts, jpeg.Parts) else png.clean(self.data, parts)
        except ValueError as error:
            return self._decoded(None, mat, fault=sentence(error))
        header = parts.header
        known = Look()
        if check == "decode" or not clean.complete:
            picture, odd = self._web(clean.data, kind)
            if odd:  # its image data contain bytes that are never displayed
                return self._decoded(None, mat, fault=odd[0])
            known = look(opened.upright(picture, header.orientation))
        return passed(
            clean, kind, self.sha256, known, raw_size=(header.width, header.height), orientation=header.orientation
        )

    def _web(self, data: bytes, kind: Literal["JPEG", "PNG"]) -> tuple[Image.Image, tuple[str, ...]]:
        """An 8-bit JPEG or PNG, decoded, and its possible defects."""
        odd: tuple[str, ...] = ()
        try:
            if kind == "PNG":
                return opened.loaded(opened.picture(data, self.name), self.name), odd
            from med_mat.imaging import jpegs

            self.used.add("JPEG")
            picture, odd = jpegs.decoded(data, self.name)
        except ReadError:
            self.used.add("picture")  # another version of Pillow may decode it
            raise
        if odd:
            self.used.add("picture")
        return picture, odd

    def _decoded(self, index: int | None, mat: MAT | None, why: str = "", fault: str = "") -> Stored:
        """Any format of Pillow: the image data of WEBP and still GIF are passed through, all others become PNG.

        Args:
            index: The frame; None: the main one.
            mat: The record's triplet.
            why: Why browsers do not display the file.
            fault: Why its container must not be passed through.
        """
        from med_mat.imaging import pictures
        from med_mat.imaging.containers import gif, webp

        self.used.add("picture")
        found = pictures.picture(self.data, index, self.name)
        orientation = found.orientation
        if found.frames == 1 and found.kind in ("WEBP", "GIF") and isinstance(found.content, Image.Image):
            try:
                kind: Format = "WEBP" if found.kind == "WEBP" else "GIF"
                clean = webp.clean(self.data, orientation) if kind == "WEBP" else gif.clean(self.data)
                shown = found.content
                if clean.data is not self.data:
                    shown = opened.loaded(opened.picture(clean.data, self.name), self.name)
                known = look(opened.upright(shown, orientation))
                return passed(clean, kind, self.sha256, known, raw_size=found.size, orientation=orientation)
            except ValueError as error:
                fault = sentence(error)
        if pictures.deep(found):
            self.used.add("window")
        picture, change = pictures.shown(found, mat, self.name, why)
        notes = [
            *([f"{found.kind} to PNG"] if found.kind != "PNG" else []),
            *([f"encoded as PNG, not passed on as published: {fault}"] if fault else []),
            *found.notes,
            *([f"frame {found.frame} of {found.frames}"] if index is not None or found.frames > 1 else []),
            *([f"exif orientation {orientation} applied"] if orientation != 1 else []),
            *change,
        ]
        return encoded(picture, notes, self.sha256, raw_size=found.size, orientation=orientation, odd=found.odd)

    def _content(self, index: int | None) -> Image.Image | Array:
        """A mask as Pillow reads it, or as an array if Pillow has no mode for it."""
        kind = formats.sniff(self.data, self.name)
        if (kind == "JPEG" or kind == "PNG") and not index and _parts(self.data, kind, self.name).header.showable:
            return self._web(self.data, kind)[0]
        from med_mat.imaging import pictures

        self.used.add("picture")
        return pictures.numbers(pictures.picture(self.data, index, self.name))


def _parts(data: bytes, kind: Literal["JPEG", "PNG"], name: str) -> jpeg.Parts | png.Parts:
    """The container of a JPEG or PNG, with the facts of its header."""
    try:
        found = jpeg.parts(data) if kind == "JPEG" else png.parts(data)
    except (ValueError, IndexError) as error:
        raise ReadError(f"{name}: {sentence(error)}.") from error
    limits.pixels(name, found.header.width, found.header.height)
    return found


def _matrix(picture: Image.Image, want: Want) -> Array:
    """A decoded mask as numbers or as RGB; alpha is ignored unless all channels are requested."""
    if want == "channels" and (picture.mode in ("LA", "RGBA", "PA") or "transparency" in picture.info):
        return np.asarray(picture if picture.mode == "LA" else picture.convert("RGBA"))
    if want == "channels" and picture.mode == "P":
        shown = np.asarray(picture.convert("RGB"))
        # a palette of one color does not show what its indices mark
        return np.asarray(picture) if (shown == shown[0, 0]).all() else shown
    if picture.mode == "P" and want == "index":
        colors = np.asarray(picture.convert("RGB"))
        gray = bool((colors == colors[..., :1]).all())
        return colors[..., 0] if gray else np.asarray(picture)
    if picture.mode in ("1", "LA"):
        return np.asarray(picture.convert("L"))
    if picture.mode == "L" or picture.mode in ("F", "I") or picture.mode.startswith("I;16"):
        return opened.native(picture)
    return np.asarray(picture.convert("RGB"))
