"""A question with its answer, and the columns that it fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from med_mat.questions.sampling import Sampler
from med_mat.questions.texts import LETTERS, SUFFIX, for_choice, for_open


@dataclass(frozen=True, slots=True)
class Question:
    """A question. ``options`` and ``answer`` are empty if no fair choice can be offered."""

    question: str  # in upstream's form: instruction, options, suffix
    options: tuple[str, ...]
    answer: str  # a letter
    open_question: str
    open_answer: str  # "" if the labels do not determine it

    def columns(self) -> dict[str, Any]:
        """The columns :data:`med_mat.schema.QUESTION_COLUMNS`; null where empty."""
        return {
            "question": self.question,
            "options": list(self.options),
            "answer": self.answer or None,
            "open_question": self.open_question,
            "open_answer": self.open_answer or None,
            "target": self.answer or self.open_answer or None,
        }


def single_choice(
    sampler: Sampler, instruction: str, answer: str, distractors: Sequence[str], *, verbatim: bool = False
) -> Question:
    """A question whose options are the answer, at a random position, and the distractors; open if there are none.

    Args:
        sampler: The record's sampler.
        instruction: The instruction, with its remarks on the form of an open answer in brackets.
        answer: The answer as text.
        distractors: At most three, in order.
        verbatim: Whether the instruction keeps its remarks on the form of an open answer.
    """
    whole = for_open(instruction)
    if not distractors:
        return Question(whole, (), "", whole, answer)
    place = sampler.below(len(distractors) + 1)
    options = (*distractors[:place], answer, *distractors[place:])
    lines = "\n".join([f"{letter}: {option}" for letter, option in zip(LETTERS, options, strict=False)])
    asked = whole if verbatim else for_choice(instruction)
    return Question(f"{asked}\n{lines}\n{SUFFIX}", options, LETTERS[place], whole, answer)
