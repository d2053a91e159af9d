"""Pictures of a Med-MAT: the MAT grid, the balance of its labels, thumbnails of its records with boxes and masks.

Figures are drawn by matplotlib's object interface (the extra ``plot``) in a style of their own, whatever the user's
settings are; contact sheets by Pillow alone. The same data give the same bytes. Colours are told apart by the
colour-blind: one hue, whose lightness alone says how many, for counts; Okabe & Ito's palette for labels and sides.
Nothing that a label says is parsed: no mathtext, no control character, no text without end.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter, ImageFont, ImageOps

from med_mat.build.writer import write_atomically
from med_mat.errors import MissingExtraError, PlotError
from med_mat.raw.planes import Plane, to_8_bit
from med_mat.tags import Positions
from med_mat.taxonomy import AREAS, MAT, MODALITIES, TASKS

if TYPE_CHECKING:
    import datasets
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from med_mat.dataset import MedMAT
    from med_mat.selection import Selector

Kind = Literal["grid", "labels", "sheet"]

#: Okabe & Ito's colours, in the order in which they are given to labels; their black is left out.
PALETTE = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2")
_DPI = 150
#: Ends a figure's texts before they grow without end; a contact sheet trims to the width of a thumbnail.
_LONGEST = 44


@dataclass(frozen=True, slots=True)
class _Theme:
    """The colours of a background and of what is written on it."""

    paper: str
    ink: str
    quiet: str  # less important text
    line: str
    accent: str  # the target, and what is shared with it
    tint: str  # the same, behind text
    counts: tuple[float, float]  # places in the colour map of few and of many records, the latter unlike the paper
    sides: tuple[str, str]


_THEMES: Mapping[str, _Theme] = MappingProxyType(
    {
        "light": _Theme(
            "#FFFFFF", "#1F2328", "#59636E", "#D8DEE4", "#B54A00", "#FBE9DD", (0.1, 1.0), ("#0072B2", "#E69F00")
        ),
        "dark": _Theme(
            "#0D1117", "#E6EDF3", "#9198A1", "#30363D", "#FF9A55", "#3A2413", (1.0, 0.15), ("#56B4E9", "#E69F00")
        ),
    }
)


def mat_grid(
    cells: Mapping[MAT, int],
    *,
    against: Mapping[MAT, int] | None = None,
    target: MAT | None = None,
    title: str = "Records per triplet",
    sides: tuple[str, str] = ("train", "test"),
    theme: str = "light",
) -> Figure:
    """The MAT grid: a line per area, a column per modality, in each cell a strip per task with its number of records.

    Args:
        cells: complete triplet -> number of records.
        against: the same of another side, whose numbers are framed, beside the filled ones of ``cells``.
        target: a triplet to outline; the modality, area and task that it names are marked wherever they stand.
        title: a line above.
        sides: what ``cells`` and ``against`` are.
        theme: "light" or "dark".

    Raises:
        PlotError: nothing to draw, or no such theme.
        MissingExtraError: matplotlib is not installed.
    """
    look = _look(theme)
    given = [cells] if against is None else [cells, against]
    goal = target if target is not None and target.complete else None
    mats = {mat for counts in given for mat, count in counts.items() if count} | ({goal} if goal else set())
    if not any(counts.get(mat) for counts in given for mat in mats):
        raise PlotError("There is no record to draw a grid of: choose more, or build more sources.")
    with _style():
        return _Grid.of(mats, given, target, look).draw(title, sides)


def label_balance(
    counts: Mapping[str, int],
    *,
    against: Mapping[str, int] | None = None,
    limit: int = 30,
    title: str = "Records per label",
    sides: tuple[str, str] = ("train", "test"),
    theme: str = "light",
) -> Figure:
    """A bar per label, the commonest first; with ``against``, two, each the label's share of its side.

    Args:
        counts: label -> number of records.
        against: the same of another side.
        limit: how many labels to draw; the others are counted in a line below.
        title: a line above.
        sides: what ``counts`` and ``against`` are.
        theme: "light" or "dark".

    Raises:
        PlotError: nothing to draw, a limit below 1, or no such theme.
        MissingExtraError: matplotlib is not installed.
    """
    look = _look(theme)
    given = [counts] if against is None else [counts, against]
    if limit < 1:
        raise PlotError("A picture of labels needs a limit of at least 1.")
    sums = {label: sum(side.get(label, 0) for side in given) for label in itertools.chain(*given)}
    ranked = sorted((label for label in sums if sums[label]), key=lambda label: (-sums[label], label))
    if not ranked:
        raise PlotError("There is no label to draw: choose records that have labels.")
    shown, rest = ranked[:limit], ranked[limit:]
    two = against is not None
    totals = [sum(side.values()) for side in given]
    scales = [max(total, 1) for total in totals] if two else [1]
    longest = max(side.get(label, 0) / scale for side, scale in zip(given, scales, strict=True) for label in shown)
    texts = [_text(label, _LONGEST) for label in shown]
    step, bar = (0.37, 0.14) if two else (0.27, 0.18)
    left, width, top = 0.3 + 0.072 * max(map(len, texts), default=0), 4.4, 1.0 if two else 0.75
    summary = f"{_count(len(ranked), 'label')}, given " + (
        " and ".join(f"{_count(total, 'time')} in {_text(name, 12)}" for total, name in zip(totals, sides, strict=True))
        if two
        else _count(totals[0], "time")
    )
    bottom = top + step * len(shown)
    with _style():
        figure, axes = _canvas(max(left + width + 0.7, 6.6), bottom + (0.4 if rest else 0.15), title, summary, look)
        if two:
            for x, name, color in zip((0.15, 1.3), sides, look.sides, strict=True):
                _box(axes, x, 0.7, 0.2, 0.14, color)
                _write(axes, x + 0.27, 0.77, _text(name, 12), look.ink, 8.5)
            _write(axes, 2.5, 0.77, "bars: share of all labels given on that side; numbers: records", look.quiet, 8.5)
        axes.plot([left, left], [top - 0.03, bottom], color=look.line, linewidth=1)
        for line, (label, text) in enumerate(zip(shown, texts, strict=True)):
            y = top + step * (line + 0.5)
            _write(axes, left - 0.1, y, text, look.ink, 8.5, ha="right")
            for number, (side, scale) in enumerate(zip(given, scales, strict=True)):
                middle = y + (number - (len(given) - 1) / 2) * (bar + 0.02)
                length = width * side.get(label, 0) / scale / longest
                _box(axes, left, middle - bar / 2, length, bar, look.sides[number])
                _write(axes, left + length + 0.07, middle, f"{side.get(label, 0):,}", look.ink, 7.5)
        if rest:
            more = f"… and {_count(len(rest), 'more label')}, given {_count(sum(sums[one] for one in rest), 'time')}"
            _write(axes, left, bottom + 0.2, more, look.quiet, 8.5)
    return figure


def contact_sheet(
    dataset: datasets.Dataset | datasets.IterableDataset,
    *,
    columns: int = 6,
    limit: int = 24,
    boxes: bool = True,
    masks: bool = True,
    side: int = 192,
    theme: str = "light",
) -> Image.Image:
    """Thumbnails of records with their boxes and masks, and below each its label and its id.

    Only the records shown are read and decoded. One whose pixels cannot be read, or are not there, gets an empty place
    that says so.

    Args:
        dataset: records of :mod:`med_mat.schema`; of these columns, those that are there: image, mask, mask_legend,
            boxes (corners in pixels of the image as shown, EXIF orientation applied), label, labels, id.
        columns: thumbnails in a line.
        limit: at most so many records: spread evenly over a ``Dataset``, the first ones of an ``IterableDataset``.
        boxes: whether to draw boxes.
        masks: whether to draw masks: a translucent colour for each label, with an outline. After seven labels colours
            return; each caption names the labels of its record.
        side: pixels of the square into which a thumbnail is fitted; small images are enlarged.
        theme: "light" or "dark".

    Raises:
        PlotError: there is no record, a size is below 1, or no such theme.
    """
    import datasets

    look = _look(theme)
    if min(columns, limit, side) < 1:
        raise PlotError("A contact sheet needs columns, limit and side of at least 1.")
    for name in {"image", "mask"} & set(dataset.column_names or ()):
        dataset = dataset.cast_column(name, datasets.Image(decode=False))  # decoded below, one by one
    wanted = {"image", "mask", "mask_legend", "boxes", "label", "labels", "id"}
    dataset = dataset.select_columns([name for name in dataset.column_names or () if name in wanted])
    if isinstance(dataset, datasets.IterableDataset):
        records = list(dataset.take(limit))
    else:
        records = [dataset[int(position)] for position in spread(np.arange(len(dataset)), limit)]
    if not records:
        raise PlotError("There is no record to draw a contact sheet of: choose more.")
    colors: dict[str, str] = {}
    cells = [_thumbnail(record, side, look, boxes=boxes, masks=masks, colors=colors) for record in records]
    return _sheet(cells, min(columns, len(cells)), colors, look)


def thumbnail(record: Mapping[str, Any], *, side: int = 192, theme: str = "light") -> Image.Image:
    """One record with its boxes and masks, fitted into a square.

    Args:
        record: as :meth:`med_mat.dataset.MedMAT.read` gives it, its pictures as bytes.
        side: pixels of the square.
        theme: "light" or "dark".
    """
    return _thumbnail(record, side, _look(theme), boxes=True, masks=True, colors={}).square


def picture(
    mat: MedMAT,
    selector: Selector = None,
    *,
    kind: Kind = "grid",
    split: str | None = None,
    against: str | None = None,
    limit: int | None = None,
    theme: str = "light",
) -> Figure | Image.Image:
    """A picture of some records of a Med-MAT. Of a contact sheet, only the row groups that are needed are read.

    Args:
        mat: a built Med-MAT.
        selector: which records: see :meth:`med_mat.dataset.MedMAT.where`.
        kind: "grid" (:func:`mat_grid`), "labels" (:func:`label_balance`) or "sheet" (:func:`contact_sheet`).
        split: of that split alone.
        against: compare with this split, in a grid or of labels.
        limit: of labels or records.
        theme: "light" or "dark".

    Raises:
        PlotError: nothing to draw.
        VocabularyError: a word of the selector or split that this build does not know.
        MissingExtraError: matplotlib is not installed.
    """
    positions = mat.where(selector, split=split)
    if kind == "sheet":
        if against is not None:
            raise PlotError("A contact sheet compares nothing: leave against out.")
        number = 24 if limit is None else limit
        return contact_sheet(mat.stream(spread(positions, number)), limit=number, theme=theme)
    others = None if against is None else mat.where(selector, split=against)
    title = f"Records per {'triplet' if kind == 'grid' else 'label'}"
    title += f" of {selector}" if selector is not None else ""
    title += f", {split}" if split is not None and against is None else ""
    sides = split or "all", against or ""
    if kind == "grid":
        cells = None if others is None else cell_counts(mat, others)
        return mat_grid(cell_counts(mat, positions), against=cells, title=title, sides=sides, theme=theme)
    labels = None if others is None else label_counts(mat, others)
    number = 30 if limit is None else limit
    return label_balance(
        label_counts(mat, positions), against=labels, limit=number, title=title, sides=sides, theme=theme
    )


def cell_counts(mat: MedMAT, positions: Positions) -> dict[MAT, int]:
    """Records per triplet, of those at some positions of the index."""
    counts: dict[MAT, int] = {}
    for row, count in mat.tags.counts(positions).items():
        triplet = mat.tags.facts[row].mat
        counts[triplet] = counts.get(triplet, 0) + count
    return counts


def label_counts(mat: MedMAT, positions: Positions) -> dict[str, int]:
    """Records per label, of those at some positions of the index; a record counts for each label that it has."""
    counts: dict[str, int] = {}
    numbers = np.bincount(mat.tags.label[positions], minlength=len(mat.tags.labels))
    for code in np.flatnonzero(numbers):
        for label in mat.tags.labels[code]:
            counts[label] = counts.get(label, 0) + int(numbers[code])
    return counts


def spread(positions: Positions, limit: int) -> Positions:
    """At most ``limit`` of some positions, evenly spread over them, the first and the last among them."""
    if len(positions) <= limit:
        return positions
    return positions[np.linspace(0, len(positions) - 1, limit).astype(np.int64)]


def save(drawn: Figure | Image.Image, path: Path) -> None:
    """Write a picture: a figure as ``.svg`` (its text stays text) or ``.png``, a contact sheet as ``.png``.

    The same picture gives the same bytes; the file is whole or not there.

    Raises:
        PlotError: another suffix.
        MissingExtraError: matplotlib is not installed.
    """
    write_atomically(path, encoded(drawn, check_suffix(path, sheet=isinstance(drawn, Image.Image))))


def encoded(drawn: Figure | Image.Image, suffix: str) -> bytes:
    """What :func:`save` writes, by a suffix of :func:`check_suffix`."""
    buffer = io.BytesIO()
    if isinstance(drawn, Image.Image):
        drawn.save(buffer, "PNG", optimize=True)
    else:
        # what names the program, its version or the hour would make bytes differ
        nothing = {"Creator": None, "Date": None} if suffix == ".svg" else {"Software": None}
        metadata = {"Title": str(drawn.get_label()), **nothing}
        with _style():
            drawn.savefig(buffer, format=suffix[1:], dpi=_DPI, metadata=metadata)
    return buffer.getvalue()


def check_suffix(path: Path, *, sheet: bool) -> str:
    """The suffix of a picture's file, in lower case.

    Raises:
        PlotError: a figure is to be something else than SVG or PNG, or a contact sheet than PNG.
    """
    suffix = path.suffix.lower()
    if sheet and suffix != ".png":
        raise PlotError(f"{path}: a contact sheet is made of pixels, and written as .png.")
    if suffix not in (".svg", ".png"):
        raise PlotError(f"{path}: a figure is written as .svg or .png.")
    return suffix


# The grid. All lengths are inches from the top left corner, so that text of a fixed size fits what is drawn around it.

_STRIP = 0.21
_GAP = 0.05
_PAD = 0.07
_TASK_WIDTH = 0.38
_COUNT_WIDTH = 0.43
_LEFT = 0.95
_TOP = 1.2


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where everything lies."""

    given: Sequence[Mapping[MAT, int]]
    target: MAT | None
    look: _Theme
    modalities: Sequence[str]
    areas: Sequence[str]
    strips: Mapping[tuple[str, str], Sequence[MAT]]  # modality, area -> triplets, in the order of the tasks
    tops: Mapping[str, float]  # area -> upper end of its line
    bottom: float
    range: tuple[int, int]  # of the filled numbers: from a power of ten to the highest

    @classmethod
    def of(cls, mats: set[MAT], given: Sequence[Mapping[MAT, int]], target: MAT | None, look: _Theme) -> _Grid:
        """Lay out the triplets; modalities and areas without any are left out."""
        if not all(mat.complete for mat in mats):
            raise PlotError("The cells of a grid are complete triplets, such as CT/Lung/Cancer.")
        tasks = list(TASKS)
        strips: dict[tuple[str, str], list[MAT]] = {}
        for mat in sorted(mats, key=lambda mat: (tasks.index(mat.task), mat)):
            strips.setdefault((mat.modality, mat.area), []).append(mat)
        modalities = [one for one in MODALITIES if any(one == modality for modality, _ in strips)]
        areas = [one for one in AREAS if any(one == area for _, area in strips)]
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

    def draw(self, title: str, sides: tuple[str, str]) -> Figure:
        """The figure."""
        look, two = self.look, len(self.given) == 2
        width = max(self.right + (1.15 if two else 0.75), 6.6)
        tasks = [task for task in TASKS if any(task == mat.task for mats in self.strips.values() for mat in mats)]
        per_line = max(int((width - 0.3) / 1.85), 1)
        lines = -(-len(tasks) // per_line)
        height = self.bottom + 0.45 + 0.24 * lines + 0.3 + (0.24 if self.target else 0)
        triplets = _count(sum(map(len, self.strips.values())), "triplet")
        totals = [_count(sum(side.values()), "record") for side in self.given]
        sums = [f"{_text(name, 12)} {total}" for name, total in zip(sides, totals, strict=True)] if two else totals
        figure, axes = _canvas(width, height, title, f"{triplets}; {', '.join(sums)}", look)
        self._frame(axes)
        for (modality, area), mats in self.strips.items():
            x = _LEFT + self.cell * self.modalities.index(modality) + _PAD
            for number, mat in enumerate(mats):
                self._strip(axes, x, self.tops[area] + _PAD + number * (_STRIP + _GAP), mat)
        y = self.bottom + 0.35
        for number, task in enumerate(tasks):
            x, line = 0.15 + 1.85 * (number % per_line), y + 0.24 * (number // per_line)
            self._task(axes, x, line - _STRIP / 2, task)
            _write(axes, x + _TASK_WIDTH + 0.07, line, task, look.ink, 8)
        self._key(axes, y + 0.24 * lines + 0.06, sides)
        return figure

    def _frame(self, axes: Axes) -> None:
        """Lines, names and sums of modalities and areas; bands where they are the target's."""
        look, target = self.look, self.target
        head = _TOP - 0.42
        columns = [(one, _LEFT + self.cell * number) for number, one in enumerate(self.modalities)]
        ends = [*self.tops.values(), self.bottom]
        for modality, x in columns:
            if target and target.modality == modality:
                _box(axes, x, head, self.cell, self.bottom - head, look.tint)
        for number, area in enumerate(self.areas):
            if target and target.area == area:
                _box(axes, 0.1, ends[number], self.right - 0.1, ends[number + 1] - ends[number], look.tint)
        for y in ends:
            axes.plot([0.1, self.right], [y, y], color=look.line, linewidth=0.8)
        for x in [x for _, x in columns] + [self.right]:
            axes.plot([x, x], [head, self.bottom], color=look.line, linewidth=0.8)
        for modality, x in columns:
            color = look.accent if target and target.modality == modality else look.ink
            _write(axes, x + self.cell / 2, head + 0.13, modality, color, 9, ha="center", weight="bold")
            _write(axes, x + self.cell / 2, head + 0.31, self._sum("modality", modality), look.quiet, 7.5, ha="center")
        for number, area in enumerate(self.areas):
            y = (ends[number] + ends[number + 1]) / 2
            color = look.accent if target and target.area == area else look.ink
            _write(axes, _LEFT - 0.1, y, area, color, 9, ha="right", weight="bold")
            _write(axes, self.right + 0.1, y, self._sum("area", area), look.quiet, 7.5)

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
                _box(axes, left + 0.02, y, _COUNT_WIDTH - 0.02, _STRIP, fill, edge=edge, linewidth=1 if number else 0.6)
            color = _on(fill) if fill else look.ink if count else look.quiet
            _write(axes, left + _COUNT_WIDTH / 2 + 0.01, y + _STRIP / 2, _short(count), color, 7.5, ha="center")
        if mat == self.target:
            width = _TASK_WIDTH + _COUNT_WIDTH * len(self.given)
            _box(axes, x - 0.025, y - 0.025, width + 0.05, _STRIP + 0.05, None, edge=look.accent, linewidth=1.8)

    def _task(self, axes: Axes, x: float, y: float, task: str) -> None:
        """A task's mark, filled where it is the target's."""
        look = self.look
        fill = look.accent if self.target and self.target.task == task else look.paper
        color = _on(fill) if fill == look.accent else look.ink
        _box(axes, x, y, _TASK_WIDTH, _STRIP, fill, edge=look.line, linewidth=0.6)
        _write(axes, x + _TASK_WIDTH / 2, y + _STRIP / 2, mark(task), color, 7, ha="center")

    def _color(self, count: int) -> str:
        """Of a number of records, on a logarithmic scale."""
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        low, high = np.log(self.range)
        share = (np.log(count) - low) / (high - low) if high > low else 1.0
        return to_hex(colormaps["Blues"](float(np.interp(share, (0, 1), self.look.counts))))

    def _key(self, axes: Axes, y: float, sides: tuple[str, str]) -> None:
        """What colours and frames mean."""
        look, (low, high) = self.look, self.range
        _write(axes, 0.15, y, "records", look.quiet, 8)
        x = 0.75
        for count in sorted({low, high, *(10**power for power in range(len(str(high))) if 10**power > low)}):
            fill = self._color(count)
            _box(axes, x, y - _STRIP / 2, _COUNT_WIDTH, _STRIP, fill)
            _write(axes, x + _COUNT_WIDTH / 2, y, _short(count), _on(fill), 7.5, ha="center")
            x += _COUNT_WIDTH
        if len(self.given) == 2:
            _write(axes, x + 0.2, y, f"filled: {_text(sides[0], 12)}, framed: {_text(sides[1], 12)}", look.quiet, 8)
        if self.target:
            text = f"marked: the target {self.target}, and its modality, area and task elsewhere"
            _write(axes, 0.15, y + 0.26, text, look.accent, 8)


def mark(task: str) -> str:
    """Three letters for a task, in brackets where it comes with boxes or masks."""
    return f"[{task[:3]}]" if task.endswith("Detection") else task[:3]


# What figures share.


@contextlib.contextmanager
def _style() -> Iterator[None]:
    """Matplotlib's own settings and a few of ours for the time of a drawing, whatever the user has set."""
    try:
        from matplotlib import style
    except ImportError as error:
        raise MissingExtraError("Drawing figures needs the package matplotlib: pip install 'med-mat[plot]'.") from error
    ours = {
        "font.family": ["sans-serif"],
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],  # the first comes with matplotlib
        "svg.fonttype": "none",
        "svg.hashsalt": "med-mat",
        "text.parse_math": False,
        "savefig.facecolor": "auto",
    }
    with style.context(["default", ours]), warnings.catch_warnings():
        # an SVG is shown in fonts that have the character, a PNG shows a frame in its place
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def _canvas(width: float, height: float, title: str, summary: str, look: _Theme) -> tuple[Figure, Axes]:
    """A figure of so many inches, drawn on in inches from its top left corner, with two lines of text at its top."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor=look.paper)
    text = _text(title, int(width * 9.5))
    figure.set_label(f"{text}: {summary}")  # becomes the title in the file, for screen readers
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    _write(axes, 0.15, 0.26, text, look.ink, 12, weight="bold")
    _write(axes, 0.15, 0.5, summary, look.quiet, 8.5)
    return figure, axes


def _write(axes: Axes, x: float, y: float, text: str, color: str, size: float, **options: Any) -> None:
    axes.text(x, y, text, color=color, fontsize=size, va="center_baseline", **options)


def _box(
    axes: Axes,
    x: float,
    y: float,
    width: float,
    height: float,
    fill: str | None,
    edge: str = "none",
    linewidth: float = 1,
) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), width, height, facecolor=fill or "none", edgecolor=edge, linewidth=linewidth))


def _look(theme: str) -> _Theme:
    if theme not in _THEMES:
        raise PlotError(f"There is no theme {theme!r}: it is {' or '.join(_THEMES)}.")
    return _THEMES[theme]


def _on(fill: str) -> str:
    """Black or white, whichever is more legible on a colour (relative luminance of WCAG 2.1)."""
    channels = np.array(ImageColor.getrgb(fill)[:3]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "#000000" if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else "#FFFFFF"


def _text(text: str, longest: int) -> str:
    """On one line, without characters that act on their surroundings, and no longer than that."""
    kept = "".join(char if char.isprintable() else " " for char in text[: 8 * longest])
    line = " ".join(kept.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def _short(count: int) -> str:
    """A number in five characters."""
    if count < 10_000:
        return f"{count:,}"
    return f"{count / 1000:.3g}k" if count < 999_500 else f"{count / 1e6:.3g}M"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


# The contact sheet.

_MARGIN = 10
_FONT_SIZE = 12
_LINE = 16


@dataclass(frozen=True, slots=True)
class _Cell:
    """A thumbnail on its square, and the two lines below it."""

    square: Image.Image
    label: str
    name: str


def _thumbnail(
    record: Mapping[str, Any], side: int, look: _Theme, *, boxes: bool, masks: bool, colors: dict[str, str]
) -> _Cell:
    """One record; labels that have no colour yet are given one."""
    square = Image.new("RGB", (side, side), look.line)
    labels = record.get("labels") or []
    cell = _Cell(square, record.get("label") or ", ".join(labels) or "(no label)", record.get("id") or "")
    try:
        shown = _decoded(record.get("image"))
        mask = _decoded(record.get("mask")) if masks else None
    except Exception as error:  # a decoder may raise anything on damaged bytes
        ImageDraw.Draw(square).text((8, 8), f"cannot be read:\n{type(error).__name__}", look.ink, _font())
        return cell
    if shown is None:
        ImageDraw.Draw(square).text((8, 8), "no pixels", look.ink, _font())
        return cell
    scale = min(side / shown.width, side / shown.height)
    size = (max(round(shown.width * scale), 1), max(round(shown.height * scale), 1))
    small = _flat(shown, look).resize(size, Image.Resampling.LANCZOS)
    if mask is not None:
        for label, region in _regions(mask, record.get("mask_legend") or [], size):
            _paint(small, region, _colored(label, colors))
    if boxes:
        factors = size[0] / shown.width, size[1] / shown.height
        for box in record.get("boxes") or []:
            _frame(small, box, factors, _colored(box["label"] or "", colors))
    square.paste(small, ((side - size[0]) // 2, (side - size[1]) // 2))
    return cell


def _decoded(value: Mapping[str, Any] | None) -> Image.Image | None:
    """The picture of a column, upright; None where it has no bytes (a path alone is not followed)."""
    if value is None or value["bytes"] is None:
        return None
    opened = Image.open(io.BytesIO(value["bytes"]))
    opened.load()
    return ImageOps.exif_transpose(opened)


def _flat(shown: Image.Image, look: _Theme) -> Image.Image:
    """As RGB: more than 8 bit are scaled, what is transparent lets the paper through."""
    if shown.mode in ("F", "I") or shown.mode.startswith("I;16"):
        values = np.asarray(shown)
        return Image.fromarray(to_8_bit(Plane(values.astype(values.dtype.newbyteorder("="))), None)[0]).convert("RGB")
    if shown.mode in ("LA", "PA", "RGBA") or "transparency" in shown.info:
        clear = shown.convert("RGBA")
        paper = Image.new("RGBA", clear.size, look.paper)
        return Image.alpha_composite(paper, clear).convert("RGB")
    return shown.convert("RGB")


def _regions(
    mask: Image.Image, legend: Iterable[Mapping[str, Any]], size: tuple[int, int]
) -> Iterator[tuple[str, Image.Image]]:
    """Each label of a mask and where it holds, as greys of that size: 255 where it covers a pixel entirely."""
    values = np.asarray(mask)
    of_label: dict[str, list[int]] = {}
    for entry in legend:
        for label in entry["labels"]:
            of_label.setdefault(label, []).append(entry["value"])
    for label, numbers in of_label.items():
        covered = Image.fromarray(np.isin(values, numbers).astype(np.uint8) * 255)
        if covered.getbbox():
            yield label, covered.resize(size, Image.Resampling.BOX)


def _paint(small: Image.Image, region: Image.Image, color: str) -> None:
    """A region in a translucent colour with an opaque outline, in place."""
    small.paste(color, mask=region.point(lambda grey: grey * 3 // 10))
    solid = region.point(lambda grey: 255 if grey >= 64 else 0)  # thin vessels stay
    small.paste(color, mask=ImageChops.subtract(solid, solid.filter(ImageFilter.MinFilter(3))))


def _frame(small: Image.Image, box: Mapping[str, Any], factors: tuple[float, float], color: str) -> None:
    """The edges of a box in a colour, with a dark edge around that is seen on any picture, in place."""
    draw = ImageDraw.Draw(small)
    left, right = sorted(float(np.clip(box[x] * factors[0], 0, small.width)) for x in ("xmin", "xmax"))
    top, bottom = sorted(float(np.clip(box[y] * factors[1], 0, small.height)) for y in ("ymin", "ymax"))
    corners = round(left), round(top), max(round(right) - 1, round(left)), max(round(bottom) - 1, round(top))
    draw.rectangle((corners[0] - 1, corners[1] - 1, corners[2] + 1, corners[3] + 1), outline="#000000")
    draw.rectangle(corners, outline=color, width=2)


def _colored(label: str, colors: dict[str, str]) -> str:
    return colors.setdefault(label, PALETTE[len(colors) % len(PALETTE)])


def _sheet(cells: Sequence[_Cell], columns: int, colors: Mapping[str, str], look: _Theme) -> Image.Image:
    """Thumbnails in lines, and below them which colour is which label."""
    side = cells[0].square.width
    step = side + _MARGIN, side + 2 * _LINE + _MARGIN + 6
    width = columns * step[0] + _MARGIN
    font = _font()
    entries, x, y = [], _MARGIN, -(-len(cells) // columns) * step[1] + _MARGIN
    for label, color in colors.items():
        text = _fitted(label or "(no label)", min(width - 2 * _MARGIN, 300) - 18, font)
        if x > _MARGIN and x + 18 + font.getlength(text) > width - _MARGIN:
            x, y = _MARGIN, y + _LINE + 2
        entries.append((x, y, color, text))
        x += int(18 + font.getlength(text) + 16)
    sheet = Image.new("RGB", (width, y + (_LINE + _MARGIN if entries else 0)), look.paper)
    draw = ImageDraw.Draw(sheet)
    for number, cell in enumerate(cells):
        left, top = _MARGIN + number % columns * step[0], _MARGIN + number // columns * step[1]
        sheet.paste(cell.square, (left, top))
        draw.text((left, top + side + 4), _fitted(cell.label, side, font), look.ink, font)
        name = _fitted(cell.name, side, font, cell.name.find("/") + 1)  # the source and the end of the path stay
        draw.text((left, top + side + 4 + _LINE), name, look.quiet, font)
    for x, y, color, text in entries:
        draw.rectangle((x, y + 2, x + 11, y + 13), fill=color, outline=look.quiet)
        draw.text((x + 18, y), text, look.ink, font)
    return sheet


def _font() -> ImageFont.FreeTypeFont:
    """Pillow's own, so that no machine's fonts matter."""
    font = ImageFont.load_default(_FONT_SIZE)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise PlotError(
            "This Pillow was built without FreeType, and cannot write text: pip install --force-reinstall pillow."
        )
    return font


def _fitted(text: str, width: float, font: ImageFont.FreeTypeFont, head: int = -1) -> str:
    """A text no wider than so many pixels: what is too long is cut off, or out after ``head`` characters."""
    line = _text(text, 300)
    start, rest = line[: max(head, 0)], line[max(head, 0) :]
    fitted = line
    while rest and font.getlength(fitted) > width:
        rest = rest[:-1] if head < 0 else rest[1:]
        fitted = f"{rest.rstrip()}…" if head < 0 else f"{start}…{rest}"
    return fitted
