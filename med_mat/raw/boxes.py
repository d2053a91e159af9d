"""Boxes and contours from Pascal VOC and COCO, and numbers from cells."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from med_mat.errors import ReadError
from med_mat.example import Box, Polygon

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NOTHING = {"", "nan", "na", "n/a", "none", "null"}


@dataclass(frozen=True, slots=True)
class Place:
    """The top left corner of a box, and its size, in pixels: what files of annotations hold under these keys."""

    x: float
    y: float
    width: float
    height: float


def number(cell: str) -> float | None:
    """The number in a cell; None where it is blank or says that there is none (nan, NA, none, null).

    Raises:
        ReadError: it holds something else.
    """
    text = str(cell).strip()
    if text.lower() in _NOTHING:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:
        raise ReadError(f"{cell!r} is not a number.")
    return value


def corners(row: Mapping[str, str], columns: Sequence[str]) -> tuple[float, float, float, float] | None:
    """The four numbers of a box in a row of a table; None where all four cells are blank.

    A cell of a box that is blank, or holds something else, gives NaN: the box then has no place, which costs or marks
    the record of its own image alone.
    """
    found = []
    for column in columns:
        try:
            found.append(number(row[column]))
        except ReadError:
            found.append(math.nan)
    if all(value is None for value in found):
        return None
    first, second, third, fourth = (math.nan if value is None else value for value in found)
    return first, second, third, fourth


def voc_boxes(annotation: Element) -> tuple[Box, ...]:
    """The boxes of a Pascal VOC file, given its root element, as published: corners in pixels of the size it states.

    Raises:
        ReadError: an object has no name, or no complete box, or the size is none.
    """
    drawn_on = stated_size(annotation.findtext("size/width"), annotation.findtext("size/height"))
    return tuple(_voc_box(thing, drawn_on) for thing in annotation.iter("object"))


def stated_size(width: Any, height: Any) -> tuple[int, int] | None:
    """Width and height in pixels, as an annotation states those of its image; None where it does not, or has zeros.

    Raises:
        ReadError: one of them is no whole number.
    """
    found = [number("" if side is None else str(side)) for side in (width, height)]
    if any(side is not None and (side < 0 or side != int(side)) for side in found):
        raise ReadError(f"The image is said to be {width!r} pixels wide and {height!r} high, which is no size.")
    first, second = found
    return (int(first), int(second)) if first and second else None


def coco(content: Any) -> Iterator[tuple[str, tuple[Box, ...], tuple[dict[str, Any], ...]]]:
    """Image by image, in the file's order, what a COCO file says: file name, boxes, annotations.

    Each annotation gets two further keys: "label", the name of its category, and "drawn_on", the size of its image
    where the file states it. Images without annotations come too.

    Args:
        content: what :meth:`RawFolder.json` read.

    Raises:
        ReadError: it is not COCO, or it names an image or a category that it does not hold.
    """
    try:
        categories = {entry["id"]: str(entry["name"]).strip() for entry in content["categories"]}
        images = {entry["id"]: str(entry["file_name"]) for entry in content["images"]}
        sizes = {entry["id"]: stated_size(entry.get("width"), entry.get("height")) for entry in content["images"]}
        annotations: defaultdict[Any, list[dict[str, Any]]] = defaultdict(list)
        for entry in content["annotations"]:
            if entry["image_id"] not in images or entry["category_id"] not in categories:
                raise ReadError(
                    f"COCO annotation {entry.get('id')!r} is of image {entry['image_id']!r} and category "
                    f"{entry['category_id']!r}, which the file does not both hold. Download it again."
                )
            further = {"label": categories[entry["category_id"]], "drawn_on": sizes[entry["image_id"]]}
            annotations[entry["image_id"]].append(entry | further)
        for identifier, name in images.items():
            mine = annotations.get(identifier, [])
            yield name, tuple(_coco_box(entry) for entry in mine if entry.get("bbox")), tuple(mine)
    except (KeyError, TypeError, AttributeError) as error:
        raise ReadError(
            f"The file is not COCO ({type(error).__name__}: {error}). Expected lists 'images', 'categories' and "
            "'annotations', whose entries have 'id', 'file_name', 'name', 'image_id' and 'category_id'."
        ) from error


def polygons(annotation: Mapping[str, Any]) -> tuple[Polygon, ...]:
    """The contours of one annotation that :func:`coco` gave; none where it has none, or has run lengths.

    Raises:
        ReadError: a contour is not an even list of at least six numbers.
    """
    contours = annotation.get("segmentation")
    if not isinstance(contours, list):
        return ()
    found = []
    for contour in contours:
        if not isinstance(contour, list) or len(contour) < 6 or len(contour) % 2:
            raise ReadError(
                f"COCO annotation {annotation.get('id')!r}: a contour is not a list x, y, x, y, … of 3 points."
            )
        points = [_coordinate(value, annotation) for value in contour]
        corners = tuple(zip(points[::2], points[1::2], strict=True))
        found.append(Polygon(corners, str(annotation["label"]), annotation.get("drawn_on")))
    return tuple(found)


def _voc_box(thing: Element, drawn_on: tuple[int, int] | None) -> Box:
    label = (thing.findtext("name") or "").strip()
    corners = [number(thing.findtext(f"bndbox/{corner}") or "") for corner in ("xmin", "ymin", "xmax", "ymax")]
    xmin, ymin, xmax, ymax = corners
    if not label or xmin is None or ymin is None or xmax is None or ymax is None:
        raise ReadError(
            f"An object of the Pascal VOC file has no name or no complete box: name {label!r}, box {corners}."
        )
    return Box(xmin, ymin, xmax, ymax, label, drawn_on=drawn_on)


def _coco_box(annotation: Mapping[str, Any]) -> Box:
    corners = annotation["bbox"]
    if not isinstance(corners, list) or len(corners) != 4:
        raise ReadError(f"COCO annotation {annotation.get('id')!r}: 'bbox' is {corners!r}, not [x, y, width, height].")
    x, y, width, height = (_coordinate(value, annotation) for value in corners)
    return Box.xywh(x, y, width, height, annotation["label"], drawn_on=annotation["drawn_on"])


def _coordinate(value: Any, annotation: Mapping[str, Any]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ReadError(f"COCO annotation {annotation.get('id')!r} holds {value!r}, where a number is expected.")
    return float(value)
