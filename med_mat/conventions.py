"""Boxes as text, in the form that each family of models was trained on.

Boxes here are ``(xmin, ymin, xmax, ymax)`` in float pixels of the displayed image: origin at its top left corner, x to
the right, y down, ``xmax`` and ``ymax`` exclusive. :func:`write` writes them as text and :func:`read` parses them from
a model's answer. Conventions lose precision by rounding only: :func:`error_bound` says how many pixels.

============  =====================================================================  ==================================
convention    text of one box                                                        numbers
============  =====================================================================  ==================================
pixels        ``[38, 31, 71, 56]``                                                   whole pixels; Med-MAT's own form
unit          ``[0.4578, 0.3735, 0.8554, 0.6747]``                                   shares of width and height
qwen2-vl      ``<|box_start|>(457,373),(855,674)<|box_end|>``                        0 to 1000
qwen2.5-vl    ``{"bbox_2d": [38, 31, 72, 57]}`` in a JSON list                       pixels of the resized image
qwen3-vl      ``{"bbox_2d": [458, 373, 855, 675]}`` in a JSON list                   0 to 1000
paligemma     ``<loc0382><loc0468><loc0690><loc0875>``: y before x                   1024 bins, 0 to 1023
florence-2    ``<loc_457><loc_373><loc_855><loc_674>``                               1000 bins, 0 to 999
internvl      ``<box>[[458, 373, 855, 675]]</box>``                                  0 to 1000
llava         ``[0.458, 0.373, 0.855, 0.675]``                                       shares of the padded square
============  =====================================================================  ==================================

Sources: the model cards and processors of each family; for Qwen2.5-VL the resizing rule of its processor
(:func:`resized`), for Florence-2 the quantizer of its processor, for PaliGemma the tokens ``<loc0000>`` to
``<loc1023>`` of its tokenizer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from med_mat import strict
from med_mat.errors import UsageError

Convention = Literal[
    "pixels", "unit", "qwen2-vl", "qwen2.5-vl", "qwen3-vl", "paligemma", "florence-2", "internvl", "llava"
]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
#: xmin, ymin, xmax, ymax in pixels.
Box = tuple[float, float, float, float]
#: Width and height in pixels.
Size = tuple[int, int]

#: The answer where there is no box, in every convention.
NONE = "None"
#: Sides of the resized image of Qwen2.5-VL are multiples of this, and its area is between these bounds.
_FACTOR = 28
_LEAST, _MOST = 56 * 56, 14 * 14 * 4 * 1280
_LONGEST = 200  # the ratio of the sides above which Qwen's processors refuse an image
_NUMBER = r"\s*(-?\d{1,9}(?:\.\d{1,12})?)\s*"
_LIST = re.compile(rf"\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]")
_PAIRS = re.compile(rf"\({_NUMBER},{_NUMBER}\)\s*,\s*\({_NUMBER},{_NUMBER}\)")
#: Answers that there is no box, without the marks around them.
_NOTHING = ("none", "no box", "no boxes", "[]", "[ ]", "")
_AROUND = " \t\r\n\"'`*(){}.!"


@dataclass(frozen=True, slots=True)
class _Form:
    """A convention as data: from pixels to its numbers, and to its text."""

    scale: Callable[[Size], tuple[float, float, float, float]]  # offset and factor of x and y: (x + ox) * fx
    digits: int | None  # decimals; None: whole numbers, rounded down (bins)
    most: Callable[[Size], tuple[float, float]]  # the largest number of x and y
    text: Callable[[list[list[str]], str], str]  # numbers of each box, and its label
    found: re.Pattern[str]
    order: tuple[int, int, int, int]  # where xmin, ymin, xmax, ymax are in the text
    half: float  # added to a number before it is scaled back: the middle of a bin
    instruction: str  # what a question says of the form


def write(boxes: Iterable[Box], size: Size, convention: Convention, label: str = "") -> str:
    """Boxes as the text that a model of a family answers with; "None" where there is no box.

    Args:
        boxes: (xmin, ymin, xmax, ymax) in pixels of the displayed image; clipped to the image.
        size: Width and height of the displayed image in pixels.
        convention: One of :data:`CONVENTIONS`.
        label: What the boxes show, for the conventions that name it (Qwen2.5-VL, Qwen3-VL, PaliGemma, Florence-2,
            InternVL).

    Raises:
        UsageError: The convention is unknown, or the image cannot be written in it (Qwen2.5-VL refuses images more than
            200 times as wide as high).
    """
    form = _form(convention)
    numbers = [_numbers(form, box, size) for box in boxes]
    return (
        form.text([[one[place] for place in form.order] for one in dict.fromkeys(numbers)], label) if numbers else NONE
    )


def read(text: str, size: Size, convention: Convention) -> list[Box] | None:
    """The boxes in an answer.

    Args:
        text: What a model answered.
        size: Width and height of the displayed image in pixels.
        convention: The convention in which it answers.

    Returns:
        The boxes in pixels of the displayed image, in the order of the text; empty where the answer says that there is
        none; None where it is neither: such an answer cannot be parsed.

    Raises:
        UsageError: As for :func:`write`.
    """
    form = _form(convention)
    ox, fx, oy, fy = _unscaled(form, size)
    boxes = []
    for match in form.found.finditer(text):
        numbers = [float(match[1 + form.order.index(place)]) + form.half for place in range(4)]
        xmin, ymin, xmax, ymax = numbers
        boxes.append((xmin / fx - ox, ymin / fy - oy, xmax / fx - ox, ymax / fy - oy))
    if boxes:
        return boxes
    return [] if text.strip(_AROUND).lower() in _NOTHING else None


def error_bound(size: Size, convention: Convention) -> tuple[float, float]:
    """The largest change of x and of y, in pixels, when a box inside the image is written and read again."""
    form = _form(convention)
    _, fx, _, fy = _unscaled(form, size)
    step = 1.0 if form.digits is None else 0.5 * 10.0**-form.digits
    if form.half:  # the last bin takes the border of the image too
        step = 0.5
    return step / fx, step / fy


def instruction(convention: Convention, size: Size) -> str:
    """The sentence of a question that says how boxes are to be written, and that "None" is an answer.

    Args:
        convention: One of :data:`CONVENTIONS`.
        size: Width and height of the displayed image in pixels.
    """
    return f"{_form(convention).instruction.format(width=size[0], height=size[1])} Answer {NONE} if there is none."


def resized(size: Size, least: int = _LEAST, most: int = _MOST) -> Size:
    """The size at which Qwen2.5-VL sees an image: sides are multiples of 28, and the area is within bounds.

    Args:
        size: Width and height of the image in pixels.
        least: ``min_pixels`` of the processor.
        most: ``max_pixels`` of the processor.

    Raises:
        UsageError: One side is more than 200 times the other; the processor refuses such an image too.
    """
    width, height = size
    if min(size) < 1 or max(size) > _LONGEST * min(size):
        raise UsageError(f"An image of {width} x {height} pixels has no form for Qwen2.5-VL: one side is too long.")
    wide, high = (round(side / _FACTOR) * _FACTOR for side in size)
    if wide * high > most:
        ratio = math.sqrt(width * height / most)
        wide, high = (max(_FACTOR, math.floor(side / ratio / _FACTOR) * _FACTOR) for side in size)
    elif wide * high < least:
        ratio = math.sqrt(least / (width * height))
        wide, high = (math.ceil(side * ratio / _FACTOR) * _FACTOR for side in size)
    return wide, high


def _form(convention: str) -> _Form:
    return strict.named(convention, _FORMS, "box convention", error=UsageError)


def _unscaled(form: _Form, size: Size) -> tuple[float, float, float, float]:
    if min(size) < 1:
        raise UsageError(f"An image has no size of {size[0]} x {size[1]} pixels.")
    return form.scale(size)


def _numbers(form: _Form, box: Box, size: Size) -> tuple[str, ...]:
    """xmin, ymin, xmax, ymax as the numbers of a convention."""
    ox, fx, oy, fy = _unscaled(form, size)
    most = form.most(size)
    found = []
    for place, value in enumerate(box):
        side = place % 2
        inside = min(max(float(value), 0.0), float(size[side]))
        number = (inside + (ox, oy)[side]) * (fx, fy)[side]
        if form.digits is not None:
            found.append(
                f"{min(math.floor(number * 10**form.digits + 0.5) / 10**form.digits, most[side]):.{form.digits}f}"
            )
        else:
            found.append(str(min(math.floor(number), int(most[side]))))
    return tuple(found)


def _shares(of: float) -> Callable[[Size], tuple[float, float, float, float]]:
    return lambda size: (0.0, of / size[0], 0.0, of / size[1])


def _pixels_of_resized(size: Size) -> tuple[float, float, float, float]:
    wide, high = resized(size)
    return 0.0, wide / size[0], 0.0, high / size[1]


def _padded(size: Size) -> tuple[float, float, float, float]:
    """Of an image in the middle of a square, as LLaVA pads it: rounded down to whole pixels on the left and the top."""
    side = max(size)
    return (side - size[0]) // 2, 1 / side, (side - size[1]) // 2, 1 / side


def _same(most: float) -> Callable[[Size], tuple[float, float]]:
    return lambda size: (most, most)


def _lists(boxes: list[list[str]], label: str) -> str:
    del label
    return "; ".join(f"[{', '.join(box)}]" for box in boxes)


def _json(boxes: list[list[str]], label: str) -> str:
    named = f', "label": {_quoted(label)}' if label else ""
    return "[" + ", ".join(f'{{"bbox_2d": [{", ".join(box)}]{named}}}' for box in boxes) + "]"


def _quoted(label: str) -> str:
    import json

    return json.dumps(label, ensure_ascii=False)


def _paligemma(boxes: list[list[str]], label: str) -> str:
    return " ; ".join("".join(f"<loc{int(one):04d}>" for one in box) + (f" {label}" if label else "") for box in boxes)


def _florence(boxes: list[list[str]], label: str) -> str:
    return label + "".join(f"<loc_{one}>" for box in boxes for one in box)


def _internvl(boxes: list[list[str]], label: str) -> str:
    named = f"<ref>{label}</ref>" if label else ""
    return f"{named}<box>[{', '.join('[' + ', '.join(box) + ']' for box in boxes)}]</box>"


def _qwen2(boxes: list[list[str]], label: str) -> str:
    del label
    return "".join(f"<|box_start|>({x},{y}),({right},{low})<|box_end|>" for x, y, right, low in boxes)


_IN_ORDER = (0, 1, 2, 3)
_FORMS: Mapping[str, _Form] = {
    "pixels": _Form(
        lambda size: (0.0, 1.0, 0.0, 1.0), 0, lambda size: size, _lists, _LIST, _IN_ORDER, 0.0,
        "Answer with bounding boxes [xmin, ymin, xmax, ymax] in pixel coordinates, separated by semicolons: the origin "
        "is the top left corner, x runs to the right and y down, xmax and ymax lie just past the last pixel, and the "
        "image is {width} pixels wide and {height} pixels high.",
    ),
    "unit": _Form(
        _shares(1.0), 4, _same(1.0), _lists, _LIST, _IN_ORDER, 0.0,
        "Answer with bounding boxes [xmin, ymin, xmax, ymax], separated by semicolons, as shares of the image's width "
        "and height from 0 to 1.",
    ),
    "qwen2-vl": _Form(
        _shares(1000.0), 0, _same(1000.0), _qwen2, _PAIRS, _IN_ORDER, 0.0,
        "Answer with bounding boxes, with coordinates from 0 to 1000.",
    ),
    "qwen2.5-vl": _Form(
        _pixels_of_resized, 0, resized, _json, _LIST, _IN_ORDER, 0.0,
        'Answer with a JSON list of bounding boxes, each {{"bbox_2d": [x1, y1, x2, y2]}}.',
    ),
    "qwen3-vl": _Form(
        _shares(1000.0), 0, _same(1000.0), _json, _LIST, _IN_ORDER, 0.0,
        'Answer with a JSON list of bounding boxes, each {{"bbox_2d": [x1, y1, x2, y2]}}, with coordinates from 0 to '
        "1000.",
    ),
    "paligemma": _Form(
        _shares(1024.0), None, _same(1023.0), _paligemma,
        re.compile(r"<loc(\d{4})>\s*<loc(\d{4})>\s*<loc(\d{4})>\s*<loc(\d{4})>"), (1, 0, 3, 2), 0.5,
        "Answer with bounding boxes as location tokens.",
    ),
    "florence-2": _Form(
        _shares(1000.0), None, _same(999.0), _florence,
        re.compile(r"<loc_(\d{1,3})>\s*<loc_(\d{1,3})>\s*<loc_(\d{1,3})>\s*<loc_(\d{1,3})>"), _IN_ORDER, 0.5,
        "Answer with bounding boxes as location tokens.",
    ),
    "internvl": _Form(
        _shares(1000.0), 0, _same(1000.0), _internvl, _LIST, _IN_ORDER, 0.0,
        "Answer with bounding boxes [[x1, y1, x2, y2], ...], with coordinates from 0 to 1000.",
    ),
    "llava": _Form(
        _padded, 3, _same(1.0), _lists, _LIST, _IN_ORDER, 0.0,
        "Answer with bounding boxes [x1, y1, x2, y2], separated by semicolons, as shares of the image after it is "
        "padded to a square.",
    ),
}  # fmt: skip
