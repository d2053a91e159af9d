"""What a loader yields: one :class:`Example` per image, with references instead of pixels.

Paths are relative to the root of the raw folder and use ``/``, so an example is the same on every machine.
Image coordinates: origin at the top left corner of the top left pixel, x to the right, y down, in pixels; a pixel in
column ``c`` covers ``c`` to ``c + 1``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

#: Pattern of the end of a reference to a part of a file (:attr:`Example.frame`); for ``re`` and RE2.
FRAME = r"#(?:frame=\d+|slice=\d+(?:,axis=\d)?(?:,volume=\d+)?|region=\d+,\d+,\d+,\d+(?:,level=\d+)?)$"

Split = Literal["train", "validation", "test"]
_SPLITS = get_args(Split)
_AGE = re.compile(r"0*(\d{1,3})(?:\.\d*)?\+?[\s-]*(?:y|yrs?|years?|(m|mos?|months?|w|wks?|weeks?|d|days?))?")
_OLDEST = 120  # years; greater values are errors in the table


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a multi-frame DICOM file, or one page of a multi-page TIFF. ``index`` counts from 0."""

    path: PurePosixPath
    index: int


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of a volume (NIfTI, Analyze, NRRD, MetaImage, or a format of a plug-in).

    The volume is first reoriented to the closest RAS+ orientation; ``axis`` and ``index`` count there (axis 2: axial).
    The slice is shown in radiological convention: patient right on the left of the image, anterior or superior on top.
    """

    path: PurePosixPath
    index: int
    axis: int = 2
    volume: int = 0  # index along the fourth axis, if there is one


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a large image with a pyramid of resolutions, such as a tile of a whole-slide image.

    Med-MAT itself reads no such format: a decoder of a plug-in does (see :mod:`med_mat.formats`).

    ``x``, ``y``, ``width`` and ``height`` are pixels of ``level``, in which 0 is the full resolution.
    """

    path: PurePosixPath
    x: int
    y: int
    width: int
    height: int
    level: int = 0


#: A bare path stands for a whole single-frame file; its content, not its name, decides the format.
Pixels = PurePosixPath | Frame | Slice | Region


@dataclass(frozen=True, slots=True)
class Box:
    """A box as published: corners in pixels, or in fractions of the image's size if ``relative``.

    ``drawn_on``: width and height in pixels of the image that was annotated, if the annotation states them. The box is
    scaled to an image of another size and the same aspect ratio; on an image of another aspect ratio it is an error.
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
        """From the center and a size (YOLO: in fractions of the image's size)."""
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2, label, relative)


@dataclass(frozen=True, slots=True)
class BinaryMask:
    """A mask image with a single class: pixels whose value is greater than ``threshold`` (if ``inverted``: the others).

    If all values lie on one side of the threshold, the mask is still read if its foreground is unambiguous: two
    values, one color on black, or transparency. Otherwise it is an error; it is never read as an empty mask.

    ``min_component_size``: if given, the mask marks several objects that do not touch: each connected component of at
    least this many pixels is an object with its own box.
    ``min_side``: components with fewer pixels than this in width or height are not objects.
    Components that these two exclude are specks: they get no box, and if a mask contains only specks, it is unknown
    whether the label is present.
    """

    pixels: Pixels
    label: str  # raw
    threshold: float = 0
    inverted: bool = False
    min_component_size: int | None = None
    min_side: int = 1


@dataclass(frozen=True, slots=True)
class LabelMap:
    """A mask image whose pixel values are class numbers; values that are not in ``values`` are background.

    ``others``: all further values that may occur, if the publisher states them; any other value is then an error. A
    mask with nonzero values, none of which is in ``values``, is an error too.
    """

    pixels: Pixels
    values: Mapping[int, str]  # pixel value -> raw label
    others: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class ColorMap:
    """A mask image whose colors are classes; a pixel has a color if every channel is within ``tolerance`` of it.

    ``others``: colors that the publisher uses for anything else; black is always background. A mask that contains only
    other colors is an error.
    """

    pixels: Pixels
    colors: Mapping[tuple[int, int, int], str]  # (red, green, blue) -> raw label
    tolerance: int = 0
    others: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RLE:
    """A run-length encoded mask: pairs of start and length, as text.

    ``relative``: each start counts from the end of the previous run (SIIM-ACR), otherwise from the first pixel.
    ``first``: the number of the first pixel, 0 or 1. ``order``: "rows" runs along rows, "columns" along columns.
    ``size``: width and height of the encoded mask, if it is not that of the image.
    """

    text: str
    label: str  # raw
    relative: bool = False
    order: Literal["rows", "columns"] = "rows"
    first: int = 1
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Polygon:
    """A filled polygon: ``((x, y), …)`` in pixels, closed automatically. ``drawn_on``: as for a :class:`Box`."""

    points: tuple[tuple[float, float], ...]
    label: str  # raw
    drawn_on: tuple[int, int] | None = None


Mask = BinaryMask | LabelMap | ColorMap | RLE | Polygon


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes of the person and the device: the age as a decade, all others as published.

    Use :meth:`of`, which computes the decade.
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
        """From the values of tables and headers; None if all of them are unknown.

        Args:
            age: Age in years, also as ``"045Y"`` (DICOM) or ``"45.0"``; an age in days, weeks or months counts as 0
                years. Anything that is not an age from 0 to 120 years is unknown.
            sex: "F", "M", "female", "male" in any case; other words are kept, except for blanks and "unknown".
            device: Camera or scanner.
            view: Projection, e.g. "PA".
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
    """One image of a source with its annotations. Labels are the raw ones, as listed in the card.

    A source with several rows yields each image once: the build makes one record for every row that the example fits.
    A row of classes or grades needs ``label``; a row of findings needs ``labels``; a row of boxes or masks needs
    ``boxes`` or ``masks``, where ``()`` means "annotated, nothing found" and None means "not annotated".
    """

    pixels: Pixels
    label: str | None = None
    labels: Mapping[str, bool | None] = field(default_factory=dict)  # present, absent or, if None, unknown
    boxes: tuple[Box, ...] | None = None
    masks: tuple[Mask, ...] | None = None
    patient: str | None = None  # as published; the record has a number instead
    split: Split | None = None  # as published; None if the publisher defines none
    raw_label: str | None = None  # if the publisher's cell is more specific than the labels
    key: str | None = None  # a stable name inside the source; None: the path and the frame
    rows: tuple[int, ...] | None = None  # row numbers; None: every row that it fits
    attributes: Attributes | None = None  # age group, sex, device and view, as far as published

    @property
    def path(self) -> PurePosixPath:
        """The file that contains its pixels."""
        return self.pixels if isinstance(self.pixels, PurePosixPath) else self.pixels.path

    @property
    def files(self) -> tuple[PurePosixPath, ...]:
        """The unique files that it refers to: that of its pixels, then those of its masks."""
        if not self.masks:
            return (self.path,)
        drawn = (mask.pixels for mask in self.masks if not isinstance(mask, RLE | Polygon))
        paths = (pixels if isinstance(pixels, PurePosixPath) else pixels.path for pixels in drawn)
        return tuple(dict.fromkeys((self.path, *paths)))

    @property
    def reference(self) -> str:
        """The path of its pixels, with the frame, slice or region."""
        return f"{self.path}{self.frame}"

    @property
    def frame(self) -> str:
        """The frame, slice or region of its file, such as ``#frame=3``; "" if it is the whole file."""
        match self.pixels:
            case Frame(_, index):
                return f"#frame={index}"
            case Slice(_, index, axis, volume):
                return f"#slice={index}{f',axis={axis}' if axis != 2 else ''}{f',volume={volume}' if volume else ''}"
            case Region(_, x, y, width, height, level):
                return f"#region={x},{y},{width},{height}{f',level={level}' if level else ''}"
            case _:
                return ""

    @property
    def name(self) -> str:
        """Its stable name within the source: the key, or the reference; in NFC, whatever form the disk uses."""
        return unicodedata.normalize("NFC", self.reference if self.key is None else self.key)

    def check(self) -> None:
        """Check the types of all fields, since loaders may be third-party code.

        Raises:
            TypeError: A field has a wrong type; the message names it.
        """
        for name in ("label", "patient", "raw_label", "key"):
            value = getattr(self, name)
            if not (value is None or (isinstance(value, str) and _is_text(value))):
                raise TypeError(f"{name} must be a text or None, not {value!r:.80}")
        if not isinstance(self.pixels, Pixels):
            raise TypeError(f"pixels must be a path, a Frame, a Slice or a Region, not {self.pixels!r:.80}")
        if self.split is not None and self.split not in _SPLITS:
            raise TypeError(f"split must be one of {', '.join(_SPLITS)} or None, not {self.split!r:.80}")
        if not isinstance(self.labels, Mapping):
            raise TypeError(f"labels must be a mapping, not {self.labels!r:.80}")
        for label, state in self.labels.items():
            if not (isinstance(label, str) and _is_text(label)) or not (state is None or isinstance(state, bool)):
                raise TypeError(
                    f"labels must contain texts, each True, False or None, not {label!r:.80}: {state!r:.80}"
                )
        for box in _all_of("boxes", self.boxes, Box):
            corners = (box.xmin, box.ymin, box.xmax, box.ymax)
            if not all(isinstance(one, Real) for one in corners) or not isinstance(box.label, str):
                raise TypeError(f"a box must have four numbers and a text, not {box!r:.200}")
        _all_of("masks", self.masks, Mask)
        _all_of("rows", self.rows, int)
        if not isinstance(self.attributes, Attributes | None):
            raise TypeError(f"attributes must be made by Attributes.of, not {self.attributes!r:.80}")


def _all_of(name: str, values: Any, kind: Any) -> Sequence[Any]:
    if values is None:
        return ()
    if not isinstance(values, tuple | list):
        raise TypeError(f"{name} must be a tuple, a list or None, not {values!r:.80}")
    for one in values:
        if not isinstance(one, kind):
            raise TypeError(f"{name} holds {one!r:.80}, which does not belong there")
    return values


def _is_text(text: str) -> bool:
    """Whether a text can be encoded: lone surrogates, which JSON escapes can produce, cannot."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
