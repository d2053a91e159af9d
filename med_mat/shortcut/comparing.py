"""The answers of a model to the easy and the hard question of the same images, together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from med_mat import markdown
from med_mat.errors import ScoreError
from med_mat.score import Answers, Figure, read
from med_mat.score.answers import Given
from med_mat.score.intervals import mean
from med_mat.score.judging import judge
from med_mat.shortcut.asking import Easy

#: Cells with fewer images than this are not in the correlation: their accuracy is too noisy.
LEAST = 5
#: Fewest cells for a correlation.
_CELLS = 4


@dataclass(frozen=True, slots=True)
class Cell:
    """The images of one triplet."""

    triplet: str
    images: int
    hard: float  # accuracy of the hard question
    easy: float  # accuracy of the easy question
    shortcut: float  # share of images that are right without the easy question being right


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Answers to the easy and to the hard question of the same images.

    If a model answers correctly about an image whose modality or area it does not recognize, the answer is unlikely to
    come from the image: it is guessed, or follows from the question.
    """

    axis: str
    model: str | None
    images: int
    both: int  # number of images with both questions right
    hard_only: int  # the hard one right, the easy one wrong
    easy_only: int
    neither: int
    rate: Figure  # share of all images with the hard question right and the easy one wrong
    unseen: Figure | None  # the same, among those with the hard question right; None: there are none
    when_seen: Figure | None  # accuracy of the hard question where the easy one is right; None: nowhere
    when_not: Figure | None  # accuracy of the hard question where the easy one is wrong; None: nowhere
    correlation: float | None  # over cells: Pearson's r of the hard question's accuracy and the rate; None: too few
    cells: tuple[Cell, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON data."""
        return asdict(self)

    def __str__(self) -> str:
        """A summary, and a table of cells, as Markdown."""
        lines = [
            f"{self.images:,} images, asked for their {self.axis} too{f' ({self.model})' if self.model else ''}: "
            f"{self.both:,} both right, {self.hard_only:,} right without the {self.axis}, {self.easy_only:,} the "
            f"{self.axis} alone, {self.neither:,} neither.",
            "",
            f"- Right without the {self.axis}: {self.rate} of all images, {_told(self.unseen)} of the right answers.",
            f"- Accuracy where the {self.axis} is right: {_told(self.when_seen)}; where it is wrong: "
            f"{_told(self.when_not)}.",
        ]
        if self.correlation is not None:
            lines.append(f"- Correlation of accuracy and that rate over cells: r = {self.correlation:.2f}.")
        cells = [
            (markdown.escape(one.triplet), one.images, f"{one.hard:.3f}", f"{one.easy:.3f}", f"{one.shortcut:.3f}")
            for one in self.cells
        ]
        head = ("triplet", "images", "hard", "easy", f"right without the {self.axis}")
        return "\n".join([*lines, "", markdown.table(head, cells, right=head[1:])])


def _told(one: Figure | None) -> str:
    return "(none)" if one is None else str(one)


def compare(asked: Easy, hard: Given | Answers, easy: Given | Answers, *, resamples: int = 2000) -> Shortcut:
    """Compare the answers of a model to the hard and to the easy question of the same images.

    Records without options in the hard question are left out.

    Args:
        asked: The easy questions.
        hard: The answers to the experiment: see :mod:`med_mat.score.answers`.
        easy: The answers to the easy questions.
        resamples: Number of resamples of the intervals.

    Raises:
        ScoreError: The answers do not fit, or no record has options in the hard question.
    """
    given = [one if isinstance(one, Answers) else read(one) for one in (hard, easy)]
    first = judge(asked.experiment, given[0], style="choice")
    second = judge(asked, given[1], style="choice")
    places = {one: number for number, one in enumerate(second.ids)}
    if not first.ids:
        raise ScoreError("No test record has a question with options, so there is nothing to compare.")
    order = np.array([places[one] for one in first.ids])
    right, seen = first.score > 0, second.score[order] > 0
    group = asked.mat.tags.group[first.positions]
    facts = asked.mat.tags.facts
    triplets = np.array([str(facts[row].mat) for row in asked.mat.tags.row[first.positions].tolist()])
    cells = tuple(sorted(_cells(triplets, right, seen), key=lambda one: (-one.shortcut, one.triplet)))

    def share(above: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> Figure | None:
        return mean(above[among], group[among], resamples=resamples) if among.any() else None

    both, hard_only, easy_only, neither = (
        int(np.count_nonzero(one)) for one in (right & seen, right & ~seen, ~right & seen, ~right & ~seen)
    )
    return Shortcut(
        axis=asked.axis,
        model=given[0].model,
        images=len(right),
        both=both,
        hard_only=hard_only,
        easy_only=easy_only,
        neither=neither,
        rate=mean(right & ~seen, group, resamples=resamples),
        unseen=share(right & ~seen, right),
        when_seen=share(right, seen),
        when_not=share(right, ~seen),
        correlation=_correlation(cells),
        cells=cells,
    )


def _cells(triplets: npt.NDArray[np.str_], right: npt.NDArray[np.bool_], seen: npt.NDArray[np.bool_]) -> list[Cell]:
    found: Mapping[str, npt.NDArray[np.bool_]] = {one: triplets == one for one in np.unique(triplets).tolist()}
    return [
        Cell(
            name, int(here.sum()), float(right[here].mean()), float(seen[here].mean()),
            float((right & ~seen)[here].mean()),
        )
        for name, here in found.items()
    ]  # fmt: skip


def _correlation(cells: tuple[Cell, ...]) -> float | None:
    """Pearson's r over the cells with enough images; None if there are too few, or one of the two does not vary."""
    from scipy.stats import pearsonr

    large = [one for one in cells if one.images >= LEAST]
    hard, rate = ([getattr(one, name) for one in large] for name in ("hard", "shortcut"))
    if len(large) < _CELLS or len(set(hard)) < 2 or len(set(rate)) < 2:
        return None
    return float(pearsonr(hard, rate).statistic)
