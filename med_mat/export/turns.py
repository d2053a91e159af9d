"""The question and the answer of a record, neutral of any trainer: formats write them, scores compare with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from med_mat import conventions
from med_mat.conventions import Convention
from med_mat.questions import BOX_SUFFIX

#: "choice": records with options, answered by a letter; "open": the open question and its answer; "auto": the question
#: of the record, with options where there are some.
Style = Literal["auto", "choice", "open"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked about a record, and the right answer."""

    id: str
    question: str
    target: str  # the answer; never empty
    options: tuple[str, ...] = ()  # that the question offers
    answer: str | None = None  # letter of the right option; None without options


def turn(facts: Mapping[str, Any], style: Style = "auto", boxes: Convention = "pixels") -> Turn | None:
    """The turn of a record; None if it has none in this style: nothing is asked, or no text answers it.

    Args:
        facts: The columns of the record: see :mod:`med_mat.schema`.
        style: Which of its questions.
        boxes: How boxes are written, in the answer and in what the question says of them.
    """
    options = tuple(facts["options"] or ())
    if style == "open":
        question, target, options, answer = facts["open_question"], facts["open_answer"], (), None
    else:
        question, target, answer = facts["question"], facts["target"], facts["answer"]
    if not question or not target or (style == "choice" and not options):
        return None
    if boxes != "pixels" and (asked := _asked_for_boxes(facts, question)) is not None:
        size = (facts["width"], facts["height"])
        found = conventions.read(target, size, "pixels") or []
        return Turn(
            facts["id"], f"{asked}\n{conventions.instruction(boxes, size)}", conventions.write(found, size, boxes)
        )
    return Turn(facts["id"], question, target, options, answer)


def asks_for_boxes(facts: Mapping[str, Any]) -> bool:
    """Whether boxes answer the question of a record."""
    return bool(facts["question"] and facts["target"]) and _asked_for_boxes(facts, facts["question"]) is not None


def _asked_for_boxes(facts: Mapping[str, Any], question: str) -> str | None:
    """The question without the sentence on the form of the boxes; None if it does not ask for boxes."""
    if facts["boxes"] is None:
        return None
    asked = question.removesuffix(BOX_SUFFIX.format(width=facts["width"], height=facts["height"]))
    return None if asked == question else asked.rstrip("\n")
