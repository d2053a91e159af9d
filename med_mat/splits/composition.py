"""What the records of an experiment ask: arms that are compared must match in it, or their difference is not CG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow.compute as pc

from med_mat.errors import SplitError
from med_mat.splits.asked import drawn
from med_mat.splits.split import Split

Side = Literal["train", "validation", "test"]
#: Two arms differ if a share of their records differs by more than this.
TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Composition:
    """What some records ask; all numbers except ``chance`` are counts of records."""

    records: int
    questions: Mapping[str, int]  # single choice, open, boxes or masks, nothing to ask
    options: Mapping[int, int]  # options of a choice question -> records
    without_choice: int
    chance: float | None  # accuracy of a random choice, from 0 to 1; None: no record has a choice
    tasks: Mapping[str, int]
    sources: Mapping[str, int]

    def share(self, count: int) -> float:
        """A number of its records as a fraction of all, from 0 to 1."""
        return count / max(self.records, 1)

    def __str__(self) -> str:
        parts = [f"{count:,} {kind}" for kind, count in self.questions.items() if count]
        text = f"{', '.join(parts) or 'nothing'}; {self.share(self.without_choice):.1%} without a choice"
        if self.chance is None:
            return text
        offered = ", ".join(f"{number} ({count:,})" for number, count in self.options.items())
        return f"{text}; options: {offered}; chance {self.chance:.1%}"


def compose(experiment: Split, side: Side) -> Composition:
    """What the records of a part of an experiment ask, in its own form of questions."""
    positions = {
        "train": experiment.train_positions,
        "validation": experiment.validation_positions,
        "test": experiment.test_positions,
    }[side]
    index, tags = experiment.mat, experiment.mat.tags
    asked = index.questions(positions, experiment.options.questions)
    number = np.asarray(pc.fill_null(pc.list_value_length(asked["options"]), 0))
    places, silent = drawn(index, positions), np.asarray(asked["target"].is_null())
    choice = ~silent & (number > 0)
    kinds = {
        "single choice": choice,
        "open": ~silent & ~choice & ~places,
        "boxes or masks": ~silent & ~choice & places,
        "nothing to ask": silent,
    }
    numbers, counts = np.unique(number[choice], return_counts=True)
    tasks: dict[str, int] = {}
    sources: dict[str, int] = {}
    for row, count in tags.counts(positions).items():
        facts = tags.facts[row]
        tasks[facts.mat.task] = tasks.get(facts.mat.task, 0) + count
        sources[facts.source] = sources.get(facts.source, 0) + count
    return Composition(
        records=len(positions),
        questions={kind: int(np.count_nonzero(mask)) for kind, mask in kinds.items()},
        without_choice=int(np.count_nonzero(~choice)),
        options={int(one): int(count) for one, count in zip(numbers, counts, strict=True)},
        chance=float(np.mean(1 / number[choice])) if choice.any() else None,
        tasks=_falling(tasks),
        sources=_falling(sources),
    )


def differences(one: Composition, other: Composition) -> Iterator[str]:
    """How two arms that are compared differ, each as ``40 single choice against 60``."""
    if one.records != other.records:
        yield f"{one.records:,} records against {other.records:,}"
    for kind in one.questions:
        shares = [side.share(side.questions[kind]) for side in (one, other)]
        if abs(shares[0] - shares[1]) > TOLERANCE:
            yield f"{shares[0]:.1%} {kind} against {shares[1]:.1%}"
    if one.chance is not None and other.chance is not None and abs(one.chance - other.chance) > TOLERANCE:
        yield f"a random choice is right in {one.chance:.1%} against {other.chance:.1%}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several arms side by side."""

    arms: Mapping[str, Composition]  # what the training records of each ask
    differences: Mapping[str, Sequence[str]]  # arm -> how it differs from the first

    def __str__(self) -> str:
        columns = [("", *self.arms)]
        columns += [(title, *cells) for title, cells in self._lines()]
        widths = [max(len(row[place]) for row in columns) for place in range(len(self.arms) + 1)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in columns]
        first = next(iter(self.arms))
        lines += [f"{name} differs from {first}: {text}" for name, found in self.differences.items() for text in found]
        return "\n".join(lines if any(self.differences.values()) else [*lines, "the arms match"])

    def _lines(self) -> Iterator[tuple[str, list[str]]]:
        arms = self.arms.values()
        yield "records", [f"{arm.records:,}" for arm in arms]
        for kind in next(iter(arms)).questions:
            yield kind, [f"{arm.questions[kind]:,} ({arm.share(arm.questions[kind]):.1%})" for arm in arms]
        for number in sorted({number for arm in arms for number in arm.options}):
            yield f"{number} options", [f"{arm.options.get(number, 0):,}" for arm in arms]
        yield "chance", ["" if arm.chance is None else f"{arm.chance:.1%}" for arm in arms]
        yield "tasks", [f"{len(arm.tasks)}" for arm in arms]
        yield "sources", [f"{len(arm.sources)}" for arm in arms]


def compare(arms: Mapping[str, Split]) -> Comparison:
    """Put arms side by side, and say how the others differ from the first.

    Args:
        arms: By name, such as those of :func:`med_mat.splits.kinds.arms.disruption`.

    Raises:
        SplitError: No arm, or arms that are not tested on the same records.
    """
    if not arms:
        raise SplitError("No arm to compare: give a mapping of names and experiments.")
    first, *others = arms
    for name in others:
        if not np.array_equal(arms[name].test_positions, arms[first].test_positions):
            raise SplitError(f"The arms {first} and {name} are not tested on the same records.")
    made = {name: compose(arm, "train") for name, arm in arms.items()}
    return Comparison(made, {name: tuple(differences(made[name], made[first])) for name in others})


def _falling(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
