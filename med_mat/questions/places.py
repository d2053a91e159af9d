"""Questions for boxes and masks: where one of the labels is visible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from med_mat.questions.question import Question
from med_mat.questions.sampling import Sampler
from med_mat.questions.texts import BOX_SUFFIX, NONE, inside

Box = tuple[float, float, float, float, str]  # xmin, ymin, xmax, ymax, human label


def ask_for_boxes(
    sampler: Sampler,
    instruction: str,
    names: Sequence[str],
    hidden: Iterable[str | None],
    boxes: Sequence[Box],
    size: tuple[int, int],
) -> Question:
    """Ask where one of the row's labels is visible.

    Args:
        sampler: The record's sampler.
        instruction: The wording, with a placeholder for the label.
        names: The row's labels that can have boxes.
        hidden: Labels that may be visible without a box: unknown, or present but not drawn. "None" is never the answer
            to a question about these.
        boxes: The image's boxes.
        size: Width and height of the image in pixels.
    """
    boxed = {box[4] for box in boxes}
    unsure = set(hidden)
    known = [name for name in names if name in boxed] or [name for name in names if name not in unsure]
    name = sampler.one(known or names)
    places = dict.fromkeys("[" + ", ".join(map(_rounded, box[:4])) + "]" for box in boxes if box[4] == name)
    template = instruction + "\n" + BOX_SUFFIX
    question = template.format(label=inside(name), width=size[0], height=size[1])
    return Question(question, (), "", question, ("; ".join(places) or NONE) if known else "")


def outermost(boxes: Sequence[Box]) -> list[Box]:
    """One box per label, around all of its regions, as the paper converts masks to boxes."""
    around: dict[str, Box] = {}
    for left, top, right, bottom, name in boxes:
        west, north, east, south, _ = around.get(name, (left, top, right, bottom, name))
        around[name] = (min(left, west), min(top, north), max(right, east), max(bottom, south), name)
    return list(around.values())


def ask_for_mask(sampler: Sampler, instruction: str, names: Sequence[str]) -> Question:
    """Ask to outline one of the row's labels. The answer is the mask; there is no textual answer."""
    question = instruction.format(label=inside(sampler.one(names)))
    return Question(question, (), "", question, "")


def _rounded(value: float) -> str:
    return str(math.floor(value + 0.5))
