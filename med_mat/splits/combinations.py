"""The ways to compose a target triplet from others (arXiv 2412.20070, section 3.1 and Tables 3, 10 and 13).

For a target (m, a, t), two parts together have its three elements while one, or the pair (m, a), is constant:

==================  ==================================
direction           parts
==================  ==================================
fixed modality      (m, a, t') and (m, a', t)
fixed area          (m, a, t') and (m', a, t)
fixed task          (m, a', t) and (m', a, t)
fixed pair          (m, a, t') and (m', a', t)
==================  ==================================

Of three parts, each has one element and neither of the others: (m, a', t'), (m', a, t''), (m'', a'', t).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from med_mat.errors import SplitError
from med_mat.selection import MAT
from med_mat.splits.interpretation import Interpretation
from med_mat.vocabulary import STANDARD, Vocabulary

Direction = Literal["fixed modality", "fixed area", "fixed task", "fixed pair", "three elements"]
DIRECTIONS: tuple[str, ...] = get_args(Direction)


@dataclass(frozen=True, slots=True, order=True)
class Combination:
    """Parts that together have every element of the target, without the target itself."""

    direction: str  # one of DIRECTIONS
    parts: tuple[MAT, ...]
    target: MAT

    def __str__(self) -> str:
        return f"{' + '.join(map(str, self.parts))} -> {self.target} ({self.direction})"


def enumerate_combinations(
    triplets: Iterable[MAT],
    target: MAT,
    interpretation: Interpretation | None = None,
    vocabulary: Vocabulary = STANDARD,
) -> Iterator[Combination]:
    """Every combination of the given triplets for a target, two parts first, in alphabetical order.

    A part is named by its own triplet. Whether its task provides the target's depends on the interpretation: with
    ``pool_tasks`` a part CT/Lung/COVID provides State.
    """
    read = interpretation or Interpretation()
    parts = sorted(set(triplets) - {target})
    m, a, t = target.modality, target.area, target.task
    provides = {part: any(wide.task == t for wide in read.expanded(part, vocabulary)) for part in parts}
    # by which elements a part shares with the target: modality, area, task
    same_pair = [p for p in parts if p.modality == m and p.area == a and p.task != t]
    same_modality_task = [p for p in parts if p.modality == m and p.area != a and provides[p]]
    same_area_task = [p for p in parts if p.modality != m and p.area == a and provides[p]]
    only_task = [p for p in parts if p.modality != m and p.area != a and provides[p]]
    only_modality = [p for p in parts if p.modality == m and p.area != a and p.task != t]
    only_area = [p for p in parts if p.modality != m and p.area == a and p.task != t]
    for direction, *choices in (
        ("fixed modality", same_pair, same_modality_task),
        ("fixed area", same_pair, same_area_task),
        ("fixed task", same_modality_task, same_area_task),
        ("fixed pair", same_pair, only_task),
        ("three elements", only_modality, only_area, only_task),
    ):
        for chosen in product(*choices):
            yield Combination(direction, chosen, target)


def check_direction(direction: str | None) -> None:
    """Raises if there is no such direction."""
    if direction is not None and direction not in DIRECTIONS:
        raise SplitError(f"direction={direction!r} is not one of {', '.join(DIRECTIONS)}.")
