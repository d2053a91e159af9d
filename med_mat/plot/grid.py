"""The MAT grid."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from med_mat.errors import PlotError
from med_mat.plot.canvas import blank, box, settings, write
from med_mat.plot.style import Theme, counted, ink_on, one_line, theme_of
from med_mat.selection import MAT
from med_mat.vocabulary import in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# inches
_STRIP = 0.21
_GAP = 0.05
_PAD = 0.07
_TASK_WIDTH = 0.38
_COUNT_WIDTH = 0.43
_LEFT = 0.95
_TOP = 1.2


def mat_grid(
    cells: Mapping[MAT, int],
    *,
    against: Mapping[MAT, int] | None = None,
    target: MAT | None = None,
    title: str = "Records per triplet",
    sides: tuple[str, str] = ("train", "test"),
    theme: str = "light",
) -> Figure:
    """The MAT grid: a row per area, a column per modality, in each cell a strip per task with its record count.

    Args:
        cells: Complete triplet -> number of records.
        against: The same for another side, whose numbers are framed, next to the filled ones of ``cells``.
        target: Triplet to outline; its modality, area and task are marked wherever they occur.
        title: Title of the figure.
        sides: Names of ``cells`` and ``against``.
        theme: "light" or "dark".

    Raises:
        PlotError: Nothing to plot, or an unknown theme.
        MissingExtraError: matplotlib is not installed.
    """
    look = theme_of(theme)
    given = [cells] if against is None else [cells, against]
    mats = {mat for side in given for mat, count in side.items() if count}
    if not mats:
        raise PlotError("There is no record to draw a grid of: choose more, or build more sources.")
    if target is not None and target.complete:
        mats.add(target)
    with settings():
        return _Grid.of(mats, given, target, look).draw(title, [one_line(name, 12) for name in sides])


def mark(task: str) -> str:
    """Three letters for a task, in brackets if it has boxes or masks."""
    return f"[{task[:3]}]" if task.endswith("Detection") else task[:3]


@dataclass(frozen=True, slots=True)
class _Grid:
    """The layout of a figure."""

    given: Sequence[Mapping[MAT, int]]
    target: MAT | None
    look: Theme
    modalities: Sequence[str]
    areas: Sequence[str]
    strips: Mapping[tuple[str, str], Sequence[MAT]]  # modality, area -> triplets, in the order of the tasks
    tops: Mapping[str, float]  # area -> upper end of its line
    bottom: float
    range: tuple[int, int]  # color range of the filled numbers: from a power of ten to the maximum

    @classmethod
    def of(cls, mats: set[MAT], given: Sequence[Mapping[MAT, int]], target: MAT | None, look: Theme) -> _Grid:
        """Lay out the triplets; modalities and areas without triplets are left out."""
        if not all(mat.complete for mat in mats):
            raise PlotError("The cells of a grid are complete triplets, such as CT/Lung/Cancer.")
        tasks = in_order("task", (mat.task for mat in mats))
        strips: dict[tuple[str, str], list[MAT]] = {}
        for mat in sorted(mats, key=lambda mat: (tasks.index(mat.task), mat)):
            strips.setdefault((mat.modality, mat.area), []).append(mat)
        modalities = in_order("modality", (mat.modality for mat in mats))
        areas = in_order("area", (mat.area for mat in mats))
        tops, y = {}, _TOP
        for area in areas:
            tops[area] = y
            highest = max(len(strips.get((modality, area), ())) for modality in modalities)
            y += highest * (_STRIP + _GAP) - _GAP + 2 * _PAD
        numbers = [count for count in given[0].values() if count] or [1]
        span = 10 ** (len(str(min(numbers))) - 1), max(numbers)
        return cls(given, target, look, modalities, areas, strips, tops, y, span)

    @property
    def cell(self) -> float:
        """The width of a column."""
        return 2 * _PAD + _TASK_WIDTH + _COUNT_WIDTH * len(self.given)

    @property
    def right(self) -> float:
        """The right end of the columns."""
        return _LEFT + self.cell * len(self.modalities)

    def draw(self, title: str, sides: Sequence[str]) -> Figure:
        """The figure."""
        look, two = self.look, len(self.given) == 2
        width = max(self.right + (1.15 if two else 0.75), 6.6)
        used = {mat.task for mats in self.strips.values() for mat in mats}
        tasks = in_order("task", used)
        per_line = max(int((width - 0.3) / 1.85), 1)
        lines = -(-len(tasks) // per_line)
        height = self.bottom + 0.45 + 0.24 * lines + 0.3 + (0.24 if self.target else 0)
        triplets = counted(sum(map(len, self.strips.values())), "triplet")
        totals = [counted(sum(side.values()), "record") for side in self.given]
        sums = [f"{name} {total}" for name, total in zip(sides, totals, strict=True)] if two else totals
        figure, axes = blank(width, height, title, f"{triplets}; {', '.join(sums)}", look)
        self._frame(axes)
        for (modality, area), mats in self.strips.items():
            x = _LEFT + self.cell * self.modalities.index(modality) + _PAD
            for number, mat in enumerate(mats):
                self._strip(axes, x, self.tops[area] + _PAD + number * (_STRIP + _GAP), mat)
        y = self.bottom + 0.35
        for number, task in enumerate(tasks):
            x, line = 0.15 + 1.85 * (number % per_line), y + 0.24 * (number // per_line)
            self._task(axes, x, line - _STRIP / 2, task)
            write(axes, x + _TASK_WIDTH + 0.07, line, task, look.ink, 8)
        self._key(axes, y + 0.24 * lines + 0.06, sides)
        return figure

    def _frame(self, axes: Axes) -> None:
        """Lines, names and totals of modalities and areas, with bands for the target's."""
        look, head = self.look, _TOP - 0.42
        lefts = [_LEFT + self.cell * number for number in range(len(self.modalities))]
        ends = [*self.tops.values(), self.bottom]
        for y in ends:
            axes.plot([0.1, self.right], [y, y], color=look.line, linewidth=0.8)
        for x in [*lefts, self.right]:
            axes.plot([x, x], [head, self.bottom], color=look.line, linewidth=0.8)
        for modality, x in zip(self.modalities, lefts, strict=True):
            if marked := self._marked("modality", modality):
                box(axes, x, head, self.cell, self.bottom - head, look.tint)
            color, middle = look.accent if marked else look.ink, x + self.cell / 2
            write(axes, middle, head + 0.13, modality, color, 9, ha="center", weight="bold")
            write(axes, middle, head + 0.31, self._sum("modality", modality), look.quiet, 7.5, ha="center")
        for area, (top, bottom) in zip(self.areas, itertools.pairwise(ends), strict=True):
            if marked := self._marked("area", area):
                box(axes, 0.1, top, self.right - 0.1, bottom - top, look.tint)
            color, middle = look.accent if marked else look.ink, (top + bottom) / 2
            write(axes, _LEFT - 0.1, middle, area, color, 9, ha="right", weight="bold")
            write(axes, self.right + 0.1, middle, self._sum("area", area), look.quiet, 7.5)

    def _marked(self, axis: str, word: str) -> bool:
        """Whether the target names this modality, area or task."""
        return self.target is not None and getattr(self.target, axis) == word

    def _sum(self, axis: str, word: str) -> str:
        sums = (sum(count for mat, count in side.items() if getattr(mat, axis) == word) for side in self.given)
        return " | ".join(map(_short, sums))

    def _strip(self, axes: Axes, x: float, y: float, mat: MAT) -> None:
        """One triplet: its task, and the number of records on each side."""
        look = self.look
        self._task(axes, x, y, mat.task)
        for number, side in enumerate(self.given):
            count, left = side.get(mat, 0), x + _TASK_WIDTH + number * _COUNT_WIDTH
            fill = self._color(count) if count and not number else None
            if count:
                edge = look.quiet if number else look.line
                box(axes, left + 0.02, y, _COUNT_WIDTH - 0.02, _STRIP, fill, edge=edge, linewidth=1 if number else 0.6)
            color = ink_on(fill) if fill else look.ink if count else look.quiet
            write(axes, left + _COUNT_WIDTH / 2 + 0.01, y + _STRIP / 2, _short(count), color, 7.5, ha="center")
        if mat == self.target:
            width = _TASK_WIDTH + _COUNT_WIDTH * len(self.given)
            box(axes, x - 0.025, y - 0.025, width + 0.05, _STRIP + 0.05, None, edge=look.accent, linewidth=1.8)

    def _task(self, axes: Axes, x: float, y: float, task: str) -> None:
        """A task's mark, filled if it is the target's."""
        look, marked = self.look, self._marked("task", task)
        fill, color = (look.accent, ink_on(look.accent)) if marked else (look.paper, look.ink)
        box(axes, x, y, _TASK_WIDTH, _STRIP, fill, edge=look.line, linewidth=0.6)
        write(axes, x + _TASK_WIDTH / 2, y + _STRIP / 2, mark(task), color, 7, ha="center")

    def _color(self, count: int) -> str:
        """The color for a number of records, on a logarithmic scale."""
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        low, high = np.log(self.range)
        share = (np.log(count) - low) / (high - low) if high > low else 1.0
        return to_hex(colormaps["Blues"](float(np.interp(share, (0, 1), self.look.counts))))

    def _key(self, axes: Axes, y: float, sides: Sequence[str]) -> None:
        """The legend of colors and frames."""
        look, (low, high) = self.look, self.range
        write(axes, 0.15, y, "records", look.quiet, 8)
        x = 0.75
        for count in sorted({low, high, *(10**power for power in range(len(str(high))) if 10**power > low)}):
            fill = self._color(count)
            box(axes, x, y - _STRIP / 2, _COUNT_WIDTH, _STRIP, fill)
            write(axes, x + _COUNT_WIDTH / 2, y, _short(count), ink_on(fill), 7.5, ha="center")
            x += _COUNT_WIDTH
        if len(self.given) == 2:
            write(axes, x + 0.2, y, f"filled: {sides[0]}, framed: {sides[1]}", look.quiet, 8)
        if self.target:
            text = f"marked: the target {self.target}, and its modality, area and task elsewhere"
            write(axes, 0.15, y + 0.26, text, look.accent, 8)


def _short(count: int) -> str:
    """A number in at most five characters."""
    if count < 10_000:
        return f"{count:,}"
    return f"{count / 1000:.3g}k" if count < 999_500 else f"{count / 1e6:.3g}M"
