"""Writes synthetic images, masks and label maps with Pillow, in every mode and format that publishers use."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from med_mat.errors import ReadError
from med_mat.raw.miniature import drawn
from med_mat.raw.miniature.drawn import SIZE, Color, Place, Shape, Size
from med_mat.raw.miniature.folder import AnyPath, Folder

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

Mode = Literal["L", "RGB", "RGBA", "I;16", "P", "CMYK", "1", "LA"]


class Pictures(Folder):
    """Writes image files, and gives the boxes of their shapes."""

    def image(
        self,
        path: AnyPath,
        *,
        size: Size = SIZE,
        mode: Mode = "L",
        format: str | None = None,  # noqa: A002 - Pillow's word
        orientation: int = 1,
        seed: str | None = None,
        photometric: int | None = None,
    ) -> None:
        """Write an image of what is known to be in it (:mod:`med_mat.raw.miniature.look`), different for each path.

        Args:
            path: Path of the file.
            size: Width and height.
            mode: Pillow mode: "L", "RGB", "RGBA", "I;16", "P", "CMYK", "1" or "LA".
            format: Pillow's name for the format; None: by the suffix. A .jpg may contain a PNG.
            orientation: EXIF orientation, 1 to 8; 1 writes none.
            seed: Seed text instead of the path: paths with the same seed have the same image, in other sources too if
                the first of them there has the same labels.
            photometric: Photometric interpretation stated by a TIFF, if it differs from that of its pixels.
        """
        color = mode in ("RGB", "RGBA", "CMYK", "P")
        for name in self._with_copies(path, seed):
            values = self._drawn(name, size, seed or name, color=color, shared=seed is not None)
            picture = _picture(values, mode)
            if photometric is None:
                self._save(name, picture, format, orientation)
            else:
                self.write(name, _restated(encoded(picture, "TIFF", orientation), photometric))

    def mask(
        self,
        path: AnyPath,
        *,
        size: Size = SIZE,
        shape: Shape = "ellipse",
        value: int = 255,
        background: int = 0,
        empty: bool = False,
        mode: Mode = "L",
        format: str | None = None,  # noqa: A002
        seed: str | None = None,
        speck: bool = False,
        line: bool = False,
    ) -> None:
        """Write an image of ``background`` with a shape of ``value`` in the :meth:`box` of the path (or ``seed``).

        Args:
            path: Path of the file.
            size: Width and height.
            shape: "ellipse", "rectangle" or "ring".
            value: Value of the shape.
            background: Value of all other pixels.
            empty: Whether to omit the shape.
            mode: Pillow mode; in modes such as "RGB" all channels have the value.
            format: Pillow's name for the format; None: by the suffix.
            seed: Seed text for the box instead of the path.
            speck: Whether four stray pixels have the value too, at the top left or, if the shape is there, bottom
                right.
            line: Whether the bottom row has the value too, with or without a shape.
        """
        for name in self._with_copies(path, seed):
            place = drawn.place(size, seed or name)
            values = drawn.filled(size, seed or name, shape=shape, value=value, background=background, empty=empty)
            self._shaped(name, size, () if empty else (place,))
            if speck and not empty:
                corner = slice(0, 2) if place[0] > 2 or place[1] > 2 else slice(-2, None)
                values[corner, corner] = value
            if line:
                values[-1] = value
            self._save(name, in_mode(values, mode), format)

    def label_map(
        self,
        path: AnyPath,
        *,
        size: Size = SIZE,
        values: Sequence[int],
        mode: Mode = "L",
        format: str | None = None,  # noqa: A002
    ) -> None:
        """Write an image with an ellipse for each of ``values``, side by side, on a background of 0."""
        self._shaped(str(path), size, drawn.columns(size, len(values), str(path)))
        labels = drawn.side_by_side(size, str(path), values, dtype="uint16" if mode == "I;16" else "uint8")
        self._save(path, in_mode(labels, mode), format)

    def color_map(
        self,
        path: AnyPath,
        *,
        size: Size = SIZE,
        colors: Sequence[Color],
        background: Color = (0, 0, 0),
        format: str | None = None,  # noqa: A002
    ) -> None:
        """Write a color image with an ellipse for each of ``colors``, side by side."""
        self._shaped(str(path), size, drawn.columns(size, len(colors), str(path)))
        self._save(path, in_mode(drawn.side_by_side(size, str(path), colors, background=background), "RGB"), format)

    def pages(
        self,
        path: AnyPath,
        n: int,
        *,
        size: Size = SIZE,
        empty: Sequence[bool] = (),
        value: int = 255,
    ) -> None:
        """Write a TIFF of ``n`` pages, each a mask. ``empty`` flags the empty pages; missing flags mean not empty."""
        flags = [*empty[:n], *[False] * (n - len(empty))]
        for page, flag in enumerate(flags):
            self._shaped(f"{path}#frame={page}", size, () if flag else (drawn.place(size, f"{path}#{page}"),))
        first, *others = (
            in_mode(drawn.filled(size, f"{path}#{page}", value=value, empty=flag), "L")
            for page, flag in enumerate(flags)
        )
        buffer = io.BytesIO()
        first.save(buffer, "TIFF", save_all=True, append_images=others)
        self.write(path, buffer.getvalue())

    @staticmethod
    def box(size: Size, seed: str) -> Place:
        """Left, top, right and bottom, in pixels, of the box derived from a seed text (for a mask, its path)."""
        return drawn.place(size, seed)

    def rle(
        self,
        size: Size,
        *,
        seed: str,
        order: Literal["rows", "columns"] = "rows",
        relative: bool = False,
        first: int = 1,
    ) -> str:
        """The RLE of an ellipse in the :meth:`box` of the seed, in the form of :class:`med_mat.example.RLE`."""
        import numpy as np

        place = drawn.place(size, seed)
        inside = drawn.inside(size, place, "ellipse")
        flat = np.concatenate(([False], inside.ravel("F" if order == "columns" else "C"), [False]))
        starts, ends = np.flatnonzero(flat[1:] != flat[:-1]).reshape(-1, 2).T
        gaps = starts - np.concatenate(([0], ends[:-1])) if relative else starts + first
        text = " ".join(f"{start} {length}" for start, length in zip(gaps, ends - starts, strict=True))
        self._shaped(text, size, [place])
        return text

    def _save(self, path: AnyPath, image: Image.Image, format: str | None, orientation: int = 1) -> None:  # noqa: A002
        from PIL import Image

        if format is None:
            suffix = PurePosixPath(path).suffix.lower()
            format = Image.registered_extensions().get(suffix)  # noqa: A001
            if format is None:
                raise ReadError(f"{str(path)!r}: {suffix!r} is the suffix of no image format. Name it with format=….")
        self.write(path, encoded(image, format, orientation))


def in_mode(values: NDArray[Any], mode: Mode) -> Image.Image:
    """An array (rows, columns) or (rows, columns, 3) as an image in a mode."""
    from PIL import Image

    if mode == "1":
        return Image.fromarray(values).point(lambda value: 255 * (value > 0), "1")
    image = Image.fromarray(values)
    if mode == "P":
        image = image.convert("L")
        paletted = Image.frombytes("P", image.size, image.tobytes())  # keeps the values as palette indices
        paletted.putpalette(
            [channel for value in range(256) for channel in (value, 97 * value % 256, 193 * value % 256)]
        )
        return paletted
    return image if image.mode == mode else image.convert(mode)


def encoded(image: Image.Image, format: str, orientation: int = 1) -> bytes:  # noqa: A002
    """An image encoded in a Pillow format. An EXIF orientation of 1 is omitted."""
    from PIL import Image

    options: dict[str, Any] = {}
    if format == "JPEG":
        options["quality"] = 90
    if format == "WEBP":
        options["lossless"] = True
    if orientation != 1:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif.tobytes()
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def _restated(data: bytes, photometric: int) -> bytes:
    """A little-endian TIFF of Pillow with another photometric interpretation."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    changed = bytearray(data)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        if data[at : at + 2] == struct.pack("<H", 262):
            struct.pack_into("<H", changed, at + 8, photometric)
    return bytes(changed)


def _picture(values: NDArray[Any], mode: Mode) -> Image.Image:
    """Values from 0 to 1, (rows, columns) or (rows, columns, 3), as an image in a mode."""
    from PIL import Image

    if mode == "I;16":
        return in_mode((values * 65535).astype("uint16"), mode)
    image = in_mode((values * 255).astype("uint8"), "RGB" if values.ndim == 3 else "L")
    if mode == "P":
        return image.quantize(64, dither=Image.Dither.NONE)
    return image.convert(mode)
