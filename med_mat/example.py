"""What a loader yields: one :class:`Example` per image, made of references. No pixel is read for it.

Paths are relative to the root of the raw folder, with ``/`` between parts: an example is the same on every machine.
Image coordinates: origin at the top left corner of the top left pixel, x to the right, y down, in pixels; a pixel in
column ``c`` covers ``c`` to ``c + 1``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

Split = Literal["train", "validation", "test"]
_AGE = re.compile(r"0*(\d{1,3})(?:\.\d*)?\+?[\s-]*(?:y|yrs?|years?|(m|mos?|months?|w|wks?|weeks?|d|days?))?")
_OLDEST = 120  # years: what is beyond is a mistake of the table


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
    """A box as its publisher gives it: corners in pixels, or in fractions of the image's size where ``relative``.

    ``drawn_on``: width and height in pixels of the image that it was drawn on, where the annotation states them. It is
    scaled to an image of another size and the same shape; on an image of another shape it has no place.
    """

    xmin: float
    ymin: float
    xmax: float
    ymax: float
    label: str  # raw
    relative: bool = False
    drawn_on: tuple[int, int] | None = None

    @classmethod
    def xywh(
        cls,
        x: float,
        y: float,
        width: float,
        height: float,
        label: str,
        *,
        relative: bool = False,
        drawn_on: tuple[int, int] | None = None,
    ) -> Box:
        """From the top left corner and a size (COCO, RSNA, NIH)."""
        return cls(x, y, x + width, y + height, label, relative, drawn_on)

    @classmethod
    def centered(cls, x: float, y: float, width: float, height: float, label: str, *, relative: bool = True) -> Box:
        """From the centre and a size (YOLO: in fractions of the image's size)."""
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2, label, relative)


@dataclass(frozen=True, slots=True)
class BinaryMask:
    """A picture in which one thing is marked: the pixels over ``above`` (all but those, where ``inverted``).

    A picture whose marks lie all on one side of ``above`` is read by its marks where it has but two values, or one
    colour on black, or is marked by its transparency; else it cannot be read. It is never taken for an empty one.

    ``pieces``: what is marked are several things that do not touch, each of at least so many pixels; each gets a box.
    ``least_side``: what is marked and is less than so many pixels wide or high is no such thing. What these two leave
    out are specks: they get no box, and a mask of specks alone leaves it unknown whether its label is there.
    """

    pixels: Pixels
    label: str  # raw
    above: float = 0
    inverted: bool = False
    pieces: int | None = None
    least_side: int = 1


@dataclass(frozen=True, slots=True)
class LabelMap:
    """A picture whose pixel values name things; values that ``values`` does not hold are background.

    ``others``: all further values that occur, where the publisher says so; a picture that holds yet another is in
    another code, and cannot be read. Nor can one that holds values other than 0, and none of ``values``.
    """

    pixels: Pixels
    values: Mapping[int, str]  # pixel value -> raw label
    others: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class ColorMap:
    """A picture whose colours name things; a pixel belongs to a colour within ``tolerance`` of it in every channel.

    ``others``: the colours of which the publisher says that they are none of these things, black being so always. A
    picture of other colours alone cannot be read.
    """

    pixels: Pixels
    colors: Mapping[tuple[int, int, int], str]  # (red, green, blue) -> raw label
    tolerance: int = 0
    others: tuple[tuple[int, int, int], ...] = ()


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
    """A closed contour, filled: ``((x, y), …)`` in pixels. ``drawn_on``: as for a :class:`Box`."""

    points: tuple[tuple[float, float], ...]
    label: str  # raw
    drawn_on: tuple[int, int] | None = None


Mask = BinaryMask | LabelMap | ColorMap | RunLengths | Polygon


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the publisher states of the person and the device, in its own words but for the age, which is a decade.

    Use :meth:`of`, which makes the decade.
    """

    age_group: str | None = None  # "40-49"; "90+" from 90 on
    sex: str | None = None  # "female" or "male", else as published
    device: str | None = None
    view: str | None = None

    @classmethod
    def of(
        cls,
        *,
        age: str | float | None = None,
        sex: str | None = None,
        device: str | None = None,
        view: str | None = None,
    ) -> Attributes | None:
        """From what tables and headers say; None where they say nothing. What is no age of 0 to 120 years is unknown.

        Args:
            age: in years, also as ``"045Y"`` (DICOM) or ``"45.0"``; days, weeks and months count as years below one.
            sex: "F", "M", "female", "male" in any case; other words are kept, blanks and "unknown" are not.
            device: the camera or scanner.
            view: the projection, e.g. "PA".
        """
        found = cls(_decade(age), _sex(sex), _stated(device), _stated(view))
        return None if found == cls() else found


def _stated(text: str | None) -> str | None:
    text = " ".join((text or "").split())
    return None if text.lower() in ("", "nan", "none", "null", "n/a", "unknown", "?") else text


def _sex(text: str | None) -> str | None:
    stated = _stated(text)
    known = {"f": "female", "female": "female", "woman": "female", "m": "male", "male": "male", "man": "male"}
    return known.get(stated.lower(), stated) if stated else None


def _decade(age: str | float | None) -> str | None:
    matched = _AGE.fullmatch(str(age).strip().lower())
    if matched is None:
        return None
    years = 0 if matched[2] else int(matched[1])
    if years > _OLDEST:
        return None
    return "90+" if years >= 90 else f"{years // 10 * 10}-{years // 10 * 10 + 9}"


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
    patient: str | None = None  # as published; a number in the record
    split: Split | None = None  # as published; None where the publisher has none
    raw_label: str | None = None  # where the publisher's cell says more than the labels do
    key: str | None = None  # a stable name inside the source; None: the path and the frame
    rows: tuple[int, ...] | None = None  # the rows it serves; None: all that it can
    attributes: Attributes | None = None  # age group, sex, device, view, where the publisher states them

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
        return f"{self.path}{self.frame}"

    @property
    def frame(self) -> str:
        """Which frame or slice of its file it shows, such as ``#frame=3``; "" where it shows the file as a whole."""
        match self.pixels:
            case Frame(_, index):
                return f"#frame={index}"
            case Slice(_, index, axis, volume):
                return f"#slice={index}{f',axis={axis}' if axis != 2 else ''}{f',volume={volume}' if volume else ''}"
            case _:
                return ""

    @property
    def name(self) -> str:
        """Its stable name inside the source: the key, or the reference; in NFC, however the disk spells accents."""
        return unicodedata.normalize("NFC", self.reference if self.key is None else self.key)
