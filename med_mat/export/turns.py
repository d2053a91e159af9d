"""The question and the answer of a record, neutral of any trainer: formats write them, scores compare with them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from med_mat import conventions
from med_mat.conventions import Box, Convention
from med_mat.questions import BOX_SUFFIX

#: "choice": records with options, answered by a letter; "open": the open question and its answer; "auto": the question
#: of the record, with options where there are some.
Style = Literal["auto", "choice", "open"]
#: What a chat template or a trainer may take for a special token: <image>, <|im_end|>, <loc0001>, </s>.
_MARK = re.compile(r"<(?=[|/]?[A-Za-z_][\w -]*\|?>)")


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked about a record, and the right answer."""

    id: str
    question: str
    target: str  # the answer; never empty
    options: tuple[str, ...] = ()  # that the question offers
    answer: str | None = None  # letter of the right option; None without options
    asked: str = ""  # if boxes answer it: the question without the sentence on their form
    boxes: tuple[Box, ...] | None = None  # that answer it, in pixels of the displayed image; None: other text does
    label: str = ""  # what these boxes show; "" without boxes


def turn(facts: Mapping[str, Any], style: Style = "auto", boxes: Convention = "pixels") -> Turn | None:
    """The turn of a record; None if it has none in this style: no question, or none that text answers.

    Args:
        facts: The columns of the record: see :mod:`med_mat.schema`.
        style: Which of its questions.
        boxes: How boxes are written in the answer, and described in the question.

    Raises:
        UsageError: The image cannot be written in this convention: see :func:`med_mat.conventions.write`.
    """
    options = tuple(facts["options"] or ())
    if style == "open":
        question, target, options, answer = facts["open_question"], facts["open_answer"], (), None
    else:
        question, target, answer = facts["question"], facts["target"], facts["answer"]
    if not question or not target or (style == "choice" and not options):
        return None
    size = (facts["width"], facts["height"])
    form = "\n" + BOX_SUFFIX.format(width=size[0], height=size[1])
    asked = question.removesuffix(form)
    found = None if facts["boxes"] is None or asked == question else conventions.read(target, size, "pixels")
    if found is None:
        return Turn(facts["id"], harmless(question), harmless(target), tuple(map(harmless, options)), answer)
    label, asked = harmless(_label(facts["boxes"], found)), harmless(asked)
    if boxes != "pixels":
        form = "\n" + conventions.instruction(boxes, size)
        target = conventions.write(found, size, boxes, label)
    return Turn(facts["id"], asked + form, target, (), None, asked, tuple(found), label)


def harmless(text: str) -> str:
    """A text without special tokens of trainers, such as ``<image>``: a space is inserted after the bracket."""
    return _MARK.sub("< ", text)


def _label(boxes: list[dict[str, Any]], found: list[Box]) -> str:
    """The label whose boxes these are, rounded to pixels; "" for none."""
    wanted = set(found)
    for label in dict.fromkeys(box["label"] for box in boxes):
        own = [box for box in boxes if box["label"] == label]
        corners = ("xmin", "ymin", "xmax", "ymax")
        if {tuple(float(math.floor(box[name] + 0.5)) for name in corners) for box in own} == wanted:
            return str(label)
    return ""
