"""The result of scoring: figures with intervals, in total and per cell, as text, tables and JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from med_mat import markup, strict
from med_mat.errors import ScoreError
from med_mat.score import tables
from med_mat.score.intervals import Figure
from med_mat.shell import counted, printable

if TYPE_CHECKING:
    from med_mat.score.tables import Format

#: Version of the files.
VERSION = 1
#: Cells with fewer records are not considered for the worst cell, if there are others.
FEW = 10
_HEAD = ("axis", "value", "records", "groups", "score", "low", "high", "chance")
#: Pairs of right and chosen answer that are printed.
_CONFUSED = 8


@dataclass(frozen=True, slots=True)
class Cell:
    """The records of one value of an axis, such as one triplet."""

    axis: str
    value: str
    figure: Figure  # of the section's measure
    chance: float | None  # of answering right at random


@dataclass(frozen=True, slots=True)
class Section:
    """The questions of one kind."""

    kind: str  # choice, open, findings or boxes
    measure: str  # the first of the figures: what cells and comparisons are about
    figures: Mapping[str, Figure]
    chance: float | None  # the mean of 1 / number of options
    cells: tuple[Cell, ...]
    worst: Mapping[str, str]  # axis -> the value with the lowest figure
    confusion: tuple[tuple[str, str, int], ...]  # right answer, chosen option, records; the most frequent first

    @property
    def figure(self) -> Figure:
        """The figure of its measure."""
        return self.figures[self.measure]

    def of(self, axis: str) -> Mapping[str, Figure]:
        """The figures of an axis by value, such as ``section.of("triplet")``; empty if it has none."""
        return {cell.value: cell.figure for cell in self.cells if cell.axis == axis}


@dataclass(frozen=True, slots=True)
class Records:
    """The score of each question, for comparisons. All have one length."""

    id: tuple[str, ...]
    group: tuple[int, ...]
    kind: tuple[str, ...]
    score: tuple[float, ...]  # 0 to 1
    how: tuple[str, ...]  # how its answer was read


@dataclass(frozen=True)
class Result:
    """The score of one model, trained once, on one split."""

    version: int
    split: str  # fingerprint
    part: str
    style: str
    definition: Mapping[str, Any]
    train: int  # number of training records
    model: str | None
    seed: int | None
    sections: tuple[Section, ...]  # the largest first
    parsed: Mapping[str, int]  # how answers were read -> number
    left_out: int  # records that ask nothing which text answers
    blind: Mapping[str, float] | None  # way of guessing without the image -> accuracy
    notes: tuple[str, ...]
    versions: Mapping[str, str]
    records: Records

    @property
    def section(self) -> Section:
        """The kind with the most questions."""
        return self.sections[0]

    @property
    def figure(self) -> Figure:
        """The main figure of the largest section."""
        return self.section.figure

    @property
    def name(self) -> str:
        """The experiment and its target."""
        return f"{self.definition.get('experiment', 'split')} for {self.definition.get('target') or 'its test records'}"

    @property
    def unparsed(self) -> float:
        """The share of answers that could not be parsed, 0 to 1."""
        unread = sum(self.parsed.get(how, 0) for how in ("unparsed", "ambiguous", "refusal"))
        return unread / max(sum(self.parsed.values()), 1)

    def __repr__(self) -> str:
        return f"Result({self.name}: {self.section.measure} {self.figure}, {self.figure.records:,} questions)"

    def __str__(self) -> str:
        return "\n".join(map(printable, self._lines()))

    def _lines(self) -> Iterator[str]:
        told = [one for one in (self.model, None if self.seed is None else f"seed {self.seed}") if one]
        trained = f"trained on {counted(self.train, 'record')}" if self.train else "no training records"
        yield f"{self.name}, {self.part} part of split {self.split}: {', '.join([*told, trained])}"
        for section in self.sections:
            yield ""
            yield from self._section(section)
        yield ""
        ways = (f"{number:,} {how}" for how, number in self.parsed.items() if number)
        yield f"answers: {', '.join(ways)}; not parsed: {self.unparsed:.1%}"
        if self.left_out:
            yield f"{counted(self.left_out, 'record')} left out: no text answers its question"
        yield from (f"note: {note}" for note in self.notes)

    def _section(self, section: Section) -> Iterator[str]:
        one = section.figure
        yield f"{section.kind}: {counted(one.records, 'question')} in {counted(one.groups, 'group')}"
        for name, figure in section.figures.items():
            yield f"  {name:<20} {told_figure(figure)}"
        if section.chance is not None:
            yield f"  {'chance':<20} {section.chance:.3f}"
        if section.kind == "choice" and self.blind:
            best = max(self.blind, key=lambda way: self.blind[way] if self.blind else 0.0)
            yield f"  {'without the image':<20} {self.blind[best]:.3f} (best of {len(self.blind)} strategies: {best})"
        axes = dict.fromkeys(cell.axis for cell in section.cells)
        for axis in axes:
            cells = sorted((cell for cell in section.cells if cell.axis == axis), key=lambda cell: cell.figure.value)
            if len(cells) == 1:
                continue
            enough = any(cell.figure.records >= FEW for cell in cells) and cells[0].figure.records < FEW
            of = f" with {FEW} questions or more" if enough else ""
            yield f"  by {axis}" + (f" (worst{of}: {section.worst[axis]})" if axis in section.worst else "")
            shown: list[Cell | None] = [*cells]
            if len(cells) > 12:
                shown[8:-3] = [None]
            for cell in shown:
                if cell is None:
                    yield f"    … {len(cells) - 11} more"
                else:
                    yield f"    {cell.value[:34]:<34} {cell.figure!s:<24} n={cell.figure.records:,}"
        wrong = [pair for pair in section.confusion if pair[0] != pair[1]][:_CONFUSED]
        if wrong:
            yield "  most frequent confusions (right answer -> chosen)"
            yield from (f"    {truth[:34]} -> {said[:34]}: {number:,}" for truth, said, number in wrong)

    def _repr_html_(self) -> str:
        return markup.block(repr(self), markup.table(_HEAD, self._rows()), *map(markup.paragraph, self.notes))

    def _rows(self) -> list[tuple[str, ...]]:
        rows = []
        for section in self.sections:
            for name, one in section.figures.items():
                chance = section.chance if name == section.measure else None
                rows.append((section.kind, name, *_cells(one), _number(chance)))
            for cell in section.cells:
                rows.append((cell.axis, cell.value, *_cells(cell.figure), _number(cell.chance)))
        return rows

    def table(self, form: Format = "markdown") -> str:
        """All figures as a table: "markdown", "latex" or "csv"."""
        return tables.table(_HEAD, self._rows(), form)

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return asdict(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result: ``.json`` to be loaded again, or its table as ``.md``, ``.tex`` or ``.csv``.

        Raises:
            ScoreError: Another extension.
            WriteError: The file cannot be written.
        """
        tables.save(self, Path(path))


def load(path: str | os.PathLike[str]) -> Result:
    """Load a result that was saved as ``.json``.

    Raises:
        ScoreError: The file cannot be read, or is no result of this version.
    """
    place = Path(path)
    try:
        strict.only_a_file(place)
        data = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ScoreError(f"{place} is not a result that Med-MAT saved ({error!s:.120}).") from error
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ScoreError(f"{place} is not a result of this version of Med-MAT.")
    found: Result = strict.read(Result, data, str(place), error=ScoreError)
    lengths = {len(column) for column in asdict(found.records).values()}
    if len(lengths) != 1 or not found.sections:
        raise ScoreError(f"{place} is damaged: its records have columns of different lengths, or it has no section.")
    return found


def told_figure(one: Figure) -> str:
    """A figure with its interval and how that was computed."""
    if one.method == "none":
        return f"{one.value:.3f}"
    how = "bootstrap over groups" if one.method == "bootstrap" else "Wilson, all groups agree"
    beside = f"; Wilson {one.wilson[0]:.3f} to {one.wilson[1]:.3f}" if one.wilson and one.method == "bootstrap" else ""
    return f"{one} ({how}{beside})"


def _cells(one: Figure) -> tuple[str, ...]:
    return str(one.records), str(one.groups), f"{one.value:.4f}", _number(one.low), _number(one.high)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
