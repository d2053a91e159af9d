"""Parses numbers, boxes and sizes from table cells and annotation entries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from med_mat.errors import ReadError

_NOTHING = {"", "nan", "na", "n/a", "none", "null"}


@dataclass(frozen=True, slots=True)
class Place:
    """The top left corner and the size of a box, in pixels, as annotation files give them under these keys."""

    x: float
    y: float
    width: float
    height: float


def number(cell: str) -> float | None:
    """The number in a cell; None if it is blank or a word for a missing value (nan, NA, none, null).

    Raises:
        ReadError: The cell contains anything else.
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
    """The four numbers of a box in a table row; None if all four cells are blank.

    A single blank or malformed cell becomes NaN. Such a box cannot be placed, which affects only the record of its own
    image.
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


def stated_size(width: Any, height: Any) -> tuple[int, int] | None:
    """Width and height in pixels that an annotation states for its image; None if it states none, or zeros.

    Raises:
        ReadError: One of them is not a whole number.
    """
    found = [number("" if side is None else str(side)) for side in (width, height)]
    if any(side is not None and (side < 0 or side != int(side)) for side in found):
        raise ReadError(f"The image is said to be {width!r} pixels wide and {height!r} high, which is no size.")
    first, second = found
    return (int(first), int(second)) if first and second else None
