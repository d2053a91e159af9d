"""One record: its facts in words, its image as stored, and its boxes and masks label by label."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageColor, ImageFilter, ImageOps

from med_mat import terms
from med_mat.errors import BrowseError, ReadError
from med_mat.imaging.opened import loaded, picture
from med_mat.plot.style import PALETTE
from med_mat.schema import LABEL_SEPARATOR
from med_mat.taxonomy import AREAS

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

#: What browsers show as it is: how a file begins -> its media type.
_SHOWN: tuple[tuple[bytes, int, str], ...] = (
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"WEBP", 8, "image/webp"),
    (b"GIF8", 0, "image/gif"),
)
_PIXELS = ("image", "mask")
#: The facts of a record, by section; what is in none of them comes last.
_SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Labels", ("label", "labels", "labels_absent", "labels_unknown", "raw_label", "boxes", "mask_legend")),
    ("Question and answer", ("question", "options", "answer", "open_question", "open_answer", "target")),
    (
        "Origin",
        ("modality", "area", "task", "source", "row", "subset", "split", "published_split", "withheld", "path",
         "patient", "attributes", "group", "sha256"),
    ),
    ("Pixels", ("width", "height", "spacing", "transform", "pixel_hash", "perceptual_hash")),
    ("Terms", ("license", "license_certainty", "access", "redistributable", "labels_redistributable", "commercial",
               "terms", "homepage", "citation")),
)  # fmt: skip
_NAMES: Mapping[str, str] = {
    "id": "ID",
    "image_id": "Image ID",
    "mask_legend": "Masks",
    "labels_absent": "Labels stated to be absent",
    "labels_unknown": "Labels uncertain or not mentioned",
    "spacing": "Spacing (mm per pixel, x and y)",
    "width": "Width (pixels)",
    "height": "Height (pixels)",
    "transform": "Changes to the pixels",
    "sha256": "SHA-256 of the raw file",
    "patient": "Patient number",
    "redistributable": "Images may be redistributed",
    "labels_redistributable": "Labels may be redistributed",
    "commercial": "Commercial use",
    "license_certainty": "How the license is known",
    "row": "Row of the catalog",
    "withheld": "Withheld",
}
_LONG = ("citation", "terms")
_EDGES = 700  # the outline of a mask is a pixel wider for each so many pixels of the image


@dataclass(frozen=True, slots=True)
class Mark:
    """What a record marks with one label, and in which color.

    Attributes:
        label: the label; "" for a box without one.
        color: as ``#rrggbb``.
        boxes: x, y, width, height in pixels of the image as shown.
        share: percent of the image that the mask of the label covers; None without a mask.
        values: values of the label map that stand for the label.
    """

    label: str
    color: str
    boxes: tuple[tuple[float, float, float, float], ...]
    share: float | None
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the table of facts."""

    name: str
    value: str  # "" where it is null
    kind: str = "text"  # "text", "long" or "link"


@dataclass(frozen=True, slots=True)
class Option:
    """One answer that can be chosen."""

    letter: str
    text: str
    right: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """One record as a page shows it."""

    id: str
    position: int
    caption: str
    width: int
    height: int
    marks: tuple[Mark, ...]
    question: str
    options: tuple[Option, ...]
    answer: str
    sections: tuple[tuple[str, tuple[Fact, ...]], ...]
    synthetic: bool
    pixels: bool  # whether its image is in this build
    related: tuple[str, ...]  # ids of other records of its group
    note: str = ""  # what of it cannot be shown


def place_of(mat: MedMAT, name: str) -> int:
    """The position in the index of the record with an id.

    Raises:
        BrowseError: no record has it.
    """
    row = name.split("/", 2)[1] if name.count("/") > 1 else ""
    known = row.isascii() and row.isdecimal() and len(row) < 6 and int(row) in mat.tags.facts
    places = np.flatnonzero(mat.tags.row == int(row)) if known else np.zeros(0, dtype=np.int64)
    found = pc.index(mat.facts(places, ("id",))["id"], pa.scalar(name)).as_py() if len(places) else -1
    if found < 0:
        raise BrowseError(f"This Med-MAT has no record with the id {name!r:.300}.")
    return int(places[found])


def caption(record: Mapping[str, Any]) -> str:
    """The labels of a record in one line."""
    if record["label"]:
        return str(record["label"])
    if record["labels"]:
        return ", ".join(record["labels"])
    return "no finding" if record["labels"] is not None else "not labeled"


def shown(mat: MedMAT, position: int) -> Shown:
    """A record as its page shows it. Its image is read to learn what its masks cover."""
    (record,) = mat.read(np.array([position]))
    facts = mat.tags.facts[int(mat.tags.row[position])]
    note = ""
    try:
        found = marks(record)
    except ReadError as error:
        found, note = (), str(error)
    members = np.flatnonzero(mat.tags.group == mat.tags.group[position])
    others = members[members != position]
    options = tuple(
        Option(letter, text, letter == record["answer"])
        for letter, text in zip(_letters(), record["options"] or (), strict=False)
    )
    return Shown(
        id=record["id"],
        position=position,
        caption=caption(record),
        width=max(int(record["width"] or 1), 1),
        height=max(int(record["height"] or 1), 1),
        marks=found,
        question=record["question"] or record["open_question"] or "",
        options=options,
        answer=record["target"] or "",
        sections=_sections(mat, position, record, len(others)),
        synthetic=bool(mat.manifest["sources"].get(facts.source, {}).get("synthetic")),
        pixels=bool(record["image"] and record["image"]["bytes"]),
        related=tuple(mat.facts(others[:50], ("id",))["id"].to_pylist()),
        note=note,
    )


def image(mat: MedMAT, position: int) -> tuple[bytes, str]:
    """The image of a record at full resolution and its media type: as stored, or as PNG where no browser shows that.

    Raises:
        BrowseError: this build is without its pixels.
        ReadError: it cannot be decoded.
    """
    data = _bytes(mat.read(np.array([position]), columns=("image",))[0]["image"])
    for start, place, kind in _SHOWN:
        if data[place : place + len(start)] == start:
            return data, kind
    return _png(decoded(data).convert("RGB")), "image/png"


def mask(mat: MedMAT, position: int, number: int) -> bytes:
    """The mask of one of the marks of a record, as a transparent PNG in its color, with an outline.

    Raises:
        BrowseError: there is no such mask.
        ReadError: it cannot be decoded.
    """
    (record,) = mat.read(np.array([position]), columns=("mask", "mask_legend", "boxes"))
    found = marks(record)
    if not 0 <= number < len(found) or found[number].share is None:
        raise BrowseError("The record has no such mask.")
    values = np.asarray(decoded(_bytes(record["mask"])))
    inside = Image.fromarray(np.isin(values, found[number].values).astype(np.uint8) * 255)
    width = 3 + 2 * (max(inside.size) // _EDGES)
    alpha = np.asarray(inside) // 255 * 77
    alpha[np.asarray(inside) > np.asarray(inside.filter(ImageFilter.MinFilter(width)))] = 255
    painted = Image.new("RGBA", inside.size, (*ImageColor.getrgb(found[number].color)[:3], 0))
    painted.putalpha(Image.fromarray(alpha))
    return _png(painted)


def marks(record: Mapping[str, Any]) -> tuple[Mark, ...]:
    """What a record marks, label by label; labels whose mask covers nothing and that have no box are left out.

    Raises:
        ReadError: its mask cannot be decoded.
    """
    of_label: dict[str, list[int]] = {}
    counts: Mapping[int, int] = {}
    size = 1
    if record.get("mask") and record["mask"]["bytes"]:
        values = np.asarray(decoded(record["mask"]["bytes"]))
        numbers, each = np.unique(values, return_counts=True)
        counts, size = dict(zip(numbers.tolist(), each.tolist(), strict=True)), values.size
        for entry in record["mask_legend"] or ():
            for label in entry["labels"]:
                of_label.setdefault(label, []).append(entry["value"])
    boxes: dict[str, list[tuple[float, float, float, float]]] = {}
    for box in record["boxes"] or ():
        left, right = sorted((float(box["xmin"]), float(box["xmax"])))
        top, bottom = sorted((float(box["ymin"]), float(box["ymax"])))
        boxes.setdefault(box["label"] or "", []).append((left, top, right - left, bottom - top))
    colors = colors_of(record)
    found = []
    for label in dict.fromkeys([*of_label, *boxes]):
        covered = sum(counts.get(value, 0) for value in of_label.get(label, ()))
        if covered or label in boxes:
            share = round(100 * covered / size, 2) if covered else None
            found.append(Mark(label, colors[label], tuple(boxes.get(label, ())), share, tuple(of_label.get(label, ()))))
    return tuple(found)


def colors_of(record: Mapping[str, Any]) -> dict[str, str]:
    """The color of each label of the boxes and masks of a record: the palette of plots, then further hues."""
    legend = [label for entry in record["mask_legend"] or () for label in entry["labels"]]
    labels = dict.fromkeys([*legend, *(box["label"] or "" for box in record["boxes"] or ())])
    return {label: PALETTE[place] if place < len(PALETTE) else _hue(place) for place, label in enumerate(labels)}


def decoded(data: bytes) -> Image.Image:
    """An image, upright.

    Raises:
        ReadError: it cannot be decoded, or is too large.
    """
    upright = ImageOps.exif_transpose(loaded(picture(data, "The image"), "The image"))
    assert upright is not None  # it is None where the image is turned in place
    return upright


def _bytes(column: Mapping[str, Any] | None) -> bytes:
    if column is None or not column["bytes"]:
        raise BrowseError("This Med-MAT is without the pixels of the record.")
    return bytes(column["bytes"])


def _png(made: Image.Image) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _hue(place: int) -> str:
    """A color far from those of the places before: the golden angle between hues."""
    channels = colorsys.hls_to_rgb(place * 0.618034 % 1, 0.62, 0.75)
    return "#" + "".join(f"{round(one * 255):02X}" for one in channels)


def _letters() -> Iterable[str]:
    return (chr(code) for code in range(ord("A"), ord("Z") + 1))


def _sections(
    mat: MedMAT, position: int, record: Mapping[str, Any], others: int
) -> tuple[tuple[str, tuple[Fact, ...]], ...]:
    facts = mat.tags.facts[int(mat.tags.row[position])]
    (terms_of,) = terms.of(mat.tags, np.array([position]))
    withheld = mat.facts(np.array([position]), ("withheld",))["withheld"][0].as_py()
    known: dict[str, Any] = {
        **{name: value for name, value in record.items() if name not in _PIXELS},
        "withheld": withheld or "not withheld",
        "group": f"{others:,} other record{'s'[: others != 1]} in its group" if others else "no other record",
        "access": facts.access,
        "redistributable": facts.redistributable,
        "labels_redistributable": facts.labels_redistributable,
        "commercial": facts.commercial,
        "terms": terms_of.words,
        "homepage": terms_of.homepage,
        "citation": terms_of.citation,
        "modality": _in_words(record["modality"], mat.vocabulary.modality),
        "area": record["area"] if record["area"] in AREAS else _in_words(record["area"], mat.vocabulary.area),
        "task": _in_words(record["task"], mat.vocabulary.task),
        "source": record["source"] if terms_of.title == record["source"] else f"{record['source']} ({terms_of.title})",
    }
    ternary = {True: "yes", False: "no", None: "unknown"}
    for name in ("redistributable", "labels_redistributable", "commercial"):
        known[name] = ternary[known[name]]
    used = {name for _, names in _SECTIONS for name in names}
    sections = (*_SECTIONS, ("More", tuple(name for name in known if name not in used)))
    return tuple(
        (title, tuple(_fact(name, known[name]) for name in names if name in known)) for title, names in sections
    )


def _in_words(word: str, vocabulary: Mapping[str, str]) -> str:
    meaning = vocabulary.get(word)
    return f"{word} ({meaning})" if meaning else word


def _fact(name: str, value: Any) -> Fact:
    title = _NAMES.get(name, name.replace("_", " ").capitalize())
    if name == "homepage" and str(value).startswith(("https://", "http://")):
        return Fact(title, str(value), "link")
    return Fact(title, _text(value), "long" if name in _LONG and value else "text")


def _text(value: Any) -> str:
    """A value in words; "" where it is null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items() if one is not None)
    if isinstance(value, list | tuple):
        return LABEL_SEPARATOR.join(map(_text, value)) if len(value) else "none"
    return str(value)
