"""What a loader yields: one :class:`Example` per image, made of references. No pixel is read for it.

Paths are relative to the root of the raw folder, with ``/`` between parts: an example is the same on every machine.
Image coordinates: origin at the top left corner of the top left pixel, x to the right, y down, in pixels; a pixel in
column ``c`` covers ``c`` to ``c + 1``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a multi-frame DICOM, or one page of a multi-page TIFF. ``index`` counts from 0."""

    path: PurePosixPath
    index: int


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of a NIfTI or Analyze volume.

    The volume is first turned to the closest RAS+ orientation; ``axis`` and ``index`` count there (axis 2: axial). The
    slice is shown in radiological convention: patient right on the left of the image, anterior or superior on top.
    """

    path: PurePosixPath
    index: int
    axis: int = 2
    volume: int = 0  # index along the fourth axis, where there is one


#: A bare path is the whole of a single-frame file, of whatever format its content says.
Pixels = PurePosixPath | Frame | Slice


@dataclass(frozen=True, slots=True)
class Box:
    """A box as its publisher gives it: corners in pixels, or in fractions of the image's size where ``relative``."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float
    label: str  # raw
    relative: bool = False

    @classmethod
    def xywh(cls, x: float, y: float, width: float, height: float, label: str, *, relative: bool = False) -> Box:
        """From the top left corner and a size (COCO, RSNA, NIH)."""
        return cls(x, y, x + width, y + height, label, relative)

    @classmethod
    def centered(cls, x: float, y: float, width: float, height: float, label: str, *, relative: bool = True) -> Box:
        """From the centre and a size (YOLO: in fractions of the image's size)."""
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2, label, relative)


@dataclass(frozen=True, slots=True)
class BinaryMask:
    """A picture in which one thing is marked: the pixels over ``above`` (all but those, where ``inverted``).

    ``pieces``: what is marked are several things that do not touch, each of at least so many pixels; each gets a box.
    """

    pixels: Pixels
    label: str  # raw
    above: float = 0
    inverted: bool = False
    pieces: int | None = None


@dataclass(frozen=True, slots=True)
class LabelMap:
    """A picture whose pixel values name things; values that ``values`` does not hold are background."""

    pixels: Pixels
    values: Mapping[int, str]  # pixel value -> raw label


@dataclass(frozen=True, slots=True)
class ColorMap:
    """A picture whose colours name things; a pixel belongs to a colour within ``tolerance`` of it in every channel."""

    pixels: Pixels
    colors: Mapping[tuple[int, int, int], str]  # (red, green, blue) -> raw label
    tolerance: int = 0


@dataclass(frozen=True, slots=True)
class RunLengths:
    """Run-length encoding in text: pairs of numbers.

    ``relative``: each first number is the gap since the end of the previous run (SIIM-ACR), else the absolute start.
    ``first``: the number of the first pixel, 0 or 1. ``order``: "rows" runs along rows, "columns" along columns.
    ``size``: width and height of the encoded picture, where it is not that of the image.
    """

    text: str
    label: str  # raw
    relative: bool = False
    order: Literal["rows", "columns"] = "rows"
    first: int = 1
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed contour, filled: ``((x, y), …)`` in pixels."""

    points: tuple[tuple[float, float], ...]
    label: str  # raw


Mask = BinaryMask | LabelMap | ColorMap | RunLengths | Polygon


@dataclass(frozen=True, slots=True)
class Example:
    """One image of a source with all that its publisher says of it. Every label is the raw one, as the card lists it.

    A source that serves several rows yields each image once: the build makes one record per row that the example can
    serve. A row of classes or grades needs ``label``; a row of findings needs ``labels``; a row of boxes or masks needs
    ``boxes`` or ``masks``, where ``()`` says "looked for, nothing there" and None says "not annotated".
    """

    pixels: Pixels
    label: str | None = None
    labels: Mapping[str, bool | None] = field(default_factory=dict)  # present, absent, or None: unknown
    boxes: tuple[Box, ...] | None = None
    masks: tuple[Mask, ...] | None = None
    patient: str | None = None  # as published; hashed in the record
    split: Split | None = None  # as published; None where the publisher has none
    raw_label: str | None = None  # where the publisher's cell says more than the labels do
    key: str | None = None  # a stable name inside the source; None: the path and the frame
    rows: tuple[int, ...] | None = None  # the rows it serves; None: all that it can

    @property
    def path(self) -> PurePosixPath:
        """The file that holds its pixels."""
        return self.pixels if isinstance(self.pixels, PurePosixPath) else self.pixels.path

    @property
    def files(self) -> tuple[PurePosixPath, ...]:
        """All the files that it refers to: that of its pixels, then those of its masks, each once."""
        if not self.masks:
            return (self.path,)
        drawn = (mask.pixels for mask in self.masks if not isinstance(mask, RunLengths | Polygon))
        paths = (pixels if isinstance(pixels, PurePosixPath) else pixels.path for pixels in drawn)
        return tuple(dict.fromkeys((self.path, *paths)))

    @property
    def reference(self) -> str:
        """Where its pixels are, in words: the path, with the frame or slice."""
        match self.pixels:
            case Frame(path, index):
                return f"{path}#frame={index}"
            case Slice(path, index, axis, volume):
                where = f"{path}#slice={index}"
                where += f",axis={axis}" if axis != 2 else ""
                return where + (f",volume={volume}" if volume else "")
            case path:
                return str(path)

    @property
    def name(self) -> str:
        """Its stable name inside the source: the key, or the reference."""
        return self.reference if self.key is None else self.key
