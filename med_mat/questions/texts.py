"""The wording of questions: instructions by subset and row, and the phrases for options and boxes."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from importlib import resources
from typing import Any

from med_mat.catalog import Row
from med_mat.strict import yaml_load

LETTERS = "ABCD"
SUFFIX = "Answer with the option's letter from the given choices directly."
#: Follows every question for boxes. It always allows "None" as an answer, so that it reveals nothing.
BOX_SUFFIX = (
    "Answer with bounding boxes [xmin, ymin, xmax, ymax] in pixel coordinates, separated by semicolons: the origin is "
    "the top left corner, x runs to the right and y down, xmax and ymax lie just past the last pixel, and the image is "
    "{width} pixels wide and {height} pixels high. Answer None if there is none."
)
NONE = "None"

#: First words that keep their capital letter inside a sentence.
_NAMES = frozenset({"Barrett's", "Bietti", "Bowen's", "Gleason", "Golgi", "Vogt-Koyanagi-Harada"})
#: An instruction's remarks on the form of an open answer are in brackets; the wording above options follows a bar.
_OPEN_FORM = re.compile(r"\[([^\]|]*)(?:\|([^\]]*))?\]")


def read_instructions() -> dict[int, tuple[str, ...]]:
    """The six instructions of each subset, the paper's own first (``data/instructions.yaml``), with brackets."""
    return {
        number: (*(entry.get("paper") or ()), *(entry.get("ours") or ()))
        for number, entry in read_data("instructions.yaml").items()
    }


def instructions(row: Row) -> tuple[str, ...]:
    """The instructions of a row: its card's, else those that its subset has for it, else its subset's."""
    if row.instructions or row.subset is None:
        return row.instructions
    exceptions = read_data("instructions.yaml")[row.subset].get("rows") or {}
    return tuple(exceptions.get(row.number) or read_instructions()[row.subset])


def paper_instructions(row: Row) -> tuple[str, ...]:
    """The paper's instructions for a row: those of its subset, whatever the row."""
    return row.instructions if row.subset is None else read_instructions()[row.subset]


@functools.lru_cache(maxsize=1024)
def for_choice(instruction: str) -> str:
    """An instruction as used above options: without remarks on the form of an open answer."""
    return _OPEN_FORM.sub(lambda found: found[2] or "", instruction)


@functools.lru_cache(maxsize=1024)
def for_open(instruction: str) -> str:
    """An instruction as used for an open answer: the whole text."""
    return _OPEN_FORM.sub(lambda found: found[1], instruction)


def joined(names: Iterable[str]) -> str:
    """Several labels as one text, in the paper's form: one capital letter, as in ``Media haze, optic disc pallor``."""
    text = ", ".join(name if number == 0 else inside(name) for number, name in enumerate(names))
    return text[:1].upper() + text[1:]


def inside(name: str) -> str:
    """The label as it reads inside a sentence: ``left lung`` for ``Left lung``, but ``Gleason grade 3`` unchanged."""
    if name[1:2].islower() and name.split(" ", 1)[0] not in _NAMES:
        return name[:1].lower() + name[1:]
    return name


@functools.cache
def read_data(name: str) -> Any:
    """A file of ``med_mat/data``."""
    return yaml_load((resources.files("med_mat") / "data" / name).read_text("utf-8"))
