"""The records that a state selects: how many there are of each kind, in which order, and as a table.

Everything here reads the index; pixels are read by :mod:`med_mat.browse.thumbnails` and
:mod:`med_mat.browse.record`.
"""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from med_mat.browse.state import State
from med_mat.catalog import RowFacts
from med_mat.plot import label_counts
from med_mat.selection import Selection, field
from med_mat.tags import Positions
from med_mat.taxonomy import SPLITS, WITHHELD
from med_mat.vocabulary import in_order

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

#: Records on one page of the gallery.
PAGE = 24
#: Columns of the table of a selection, in this order; no pixels.
TABLE = ("id", "source", "row", "subset", "modality", "area", "task", "split", "label_set", "width", "height")
#: Steps of the heat map, from few records to many.
HEAT = 6
#: Labels and sources in a chart; the others are counted in one line.
BARS = 30
#: Upper ends of the bins of image sizes (pixels of the longer side).
_SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
_CHUNK = 50_000  # records of the table that are in memory at once


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of the grid: a modality and an area, or the sum of a row or column."""

    modality: str
    area: str
    count: int
    heat: int  # 0 (no record) to HEAT
    chosen: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """Records per area (rows) and modality (columns), without rows and columns of zeros."""

    modalities: tuple[Cell, ...]  # sums of the columns
    rows: tuple[tuple[Cell, tuple[Cell, ...]], ...]  # the sum of each row, and its cells


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several words that can be chosen, and how many records are in view then."""

    word: str
    count: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart.

    Attributes:
        name: what is counted.
        count: number of records.
        share: length of the bar, 0 to 100.
        state: what a click on it leads to; None where nothing more can be chosen.
    """

    name: str
    count: int
    share: float
    state: State | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Counts of one kind."""

    title: str
    bars: tuple[Bar, ...]
    rest: str = ""  # what is not drawn


@dataclass(frozen=True)
class Found:
    """The records of a state.

    Attributes:
        positions: in the index, in the order of the state.
        by_row: row number -> records that fulfil everything but modality, area and task.
    """

    positions: Positions
    by_row: Mapping[int, int]

    @property
    def pages(self) -> int:
        """Pages of the gallery; at least one."""
        return pages(len(self.positions))


class Records:
    """Finds the records of states; what was found last is kept."""

    def __init__(self, mat: MedMAT) -> None:
        self.mat = mat
        self._kept = functools.lru_cache(maxsize=8)(self._find)

    def find(self, state: State) -> Found:
        """The records of a state.

        Raises:
            VocabularyError: its selection or its split is none.
        """
        return self._kept(state.but())

    def _find(self, state: State) -> Found:
        mat = self.mat
        base = mat.where(mat.selection(state.q or None, split=state.split or None))
        if state.label:
            text = state.label.casefold()
            having = np.array([text in one.casefold() for one in mat.tags.label_sets], dtype=bool)
            base = base[having[mat.tags.label[base]]] if len(having) else base[:0]
        if state.name:
            ids = mat.facts(base, ("id",))["id"]
            base = base[np.asarray(pc.match_substring(ids, state.name, ignore_case=True), dtype=bool)]
        by_row = mat.tags.counts(base)
        rows = [row for row in by_row if _fits(mat.tags.facts[row], state)]
        positions = base if len(rows) == len(by_row) else base[np.isin(mat.tags.row[base], rows)]
        return Found(self._sorted(positions, state.sort), by_row)

    def _sorted(self, positions: Positions, sort: str) -> Positions:
        if sort == "shuffled":
            return np.random.default_rng(0).permutation(positions)
        if sort == "label":
            return positions[np.argsort(self.mat.tags.label[positions], kind="stable")]
        if sort == "id":
            ids = self.mat.facts(positions, ("id",))["id"]
            return positions[np.asarray(pc.sort_indices(ids), dtype=np.int64)]
        if sort in ("largest", "smallest"):
            sizes = self.mat.facts(positions, ("width", "height"))
            pixels = np.asarray(pc.multiply(pc.cast(sizes["width"], pa.int64()), sizes["height"]).fill_null(0))
            return positions[np.argsort(-pixels if sort == "largest" else pixels, kind="stable")]
        return positions

    def grid(self, state: State) -> Grid:
        """The grid: each number is what a click on it brings into view."""
        counts: dict[tuple[str, str], int] = {}
        for row, count in self.find(state).by_row.items():
            mat = self.mat.tags.facts[row].mat
            if state.task in ("", mat.task):
                counts[mat.modality, mat.area] = counts.get((mat.modality, mat.area), 0) + count
        modalities = in_order("modality", (modality for modality, _ in counts))
        areas = in_order("area", (area for _, area in counts))

        def cell(modality: str, area: str) -> Cell:
            own = (one for key, one in counts.items() if modality in ("", key[0]) and area in ("", key[1]))
            count = sum(own)
            chosen = (modality, area) == (state.modality, state.area)
            return Cell(modality, area, count, heat(count, counts.values()) if modality and area else 0, chosen)

        rows = tuple((cell("", area), tuple(cell(one, area) for one in modalities)) for area in areas)
        return Grid(tuple(cell(one, "") for one in modalities), rows)

    def tasks(self, state: State) -> tuple[Choice, ...]:
        """The tasks that can be chosen."""
        counts: dict[str, int] = {}
        for row, count in self.find(state).by_row.items():
            mat = self.mat.tags.facts[row].mat
            if state.modality in ("", mat.modality) and state.area in ("", mat.area):
                counts[mat.task] = counts.get(mat.task, 0) + count
        return tuple(Choice(one, counts[one], one == state.task) for one in in_order("task", counts))

    def statistics(self, state: State) -> tuple[Chart, ...]:
        """Charts of the records of a state."""
        mat, positions = self.mat, self.find(state).positions
        rows = {mat.tags.facts[row]: count for row, count in mat.tags.counts(positions).items()}

        def of(title: str, words: Mapping[str, str]) -> Chart:
            counts: dict[str, int] = {}
            for facts, count in rows.items():
                word = getattr(facts.mat, title.lower())
                counts[word] = counts.get(word, 0) + count
            named = {words.get(word, word): count for word, count in counts.items()}
            back = {words.get(word, word): word for word in counts}
            return chart(title, named, lambda one: state.but(**{title.lower(): back[one]}))

        sources: dict[str, int] = {}
        licenses: dict[str, int] = {}
        for facts, count in rows.items():
            sources[facts.source] = sources.get(facts.source, 0) + count
            licenses[facts.license] = licenses.get(facts.license, 0) + count
        withheld = mat.tags.withheld[positions]
        sides = np.bincount(mat.tags.split[positions][~withheld], minlength=len(SPLITS)).tolist()
        splits = {**dict(zip(SPLITS, sides, strict=True)), WITHHELD: int(withheld.sum())}
        return (
            chart("Label", label_counts(mat, positions), lambda one: narrowed(state, "label", one)),
            Chart("Split", tuple(bars(splits, lambda one: state.but(split=one)))),
            of("Modality", mat.vocabulary.modality),
            of("Area", {}),
            of("Task", {}),
            chart("Source", sources, lambda one: narrowed(state, "source", one)),
            Chart("Longer side in pixels", tuple(bars(self._sizes(positions)))),
            chart("License", licenses, lambda one: narrowed(state, "license", one)),
        )

    def _sizes(self, positions: Positions) -> dict[str, int]:
        sizes = self.mat.facts(np.sort(positions), ("width", "height"))
        longer = np.asarray(pc.max_element_wise(sizes["width"], sizes["height"]).fill_null(0))
        counts = np.bincount(np.searchsorted(_SIZES, longer), minlength=len(_SIZES) + 1).tolist()
        names = [f"up to {end:,}" for end in _SIZES] + [f"over {_SIZES[-1]:,}"]
        used = np.flatnonzero(counts)
        kept = range(used[0], used[-1] + 1) if len(used) else range(0)
        return {names[one]: counts[one] for one in kept}

    def table(self, state: State) -> Iterator[str]:
        """The records of a state as CSV, in the order of the index, in pieces: :data:`TABLE`, no pixels."""
        positions = np.sort(self.find(state).positions)
        yield _lines([TABLE])
        for start in range(0, len(positions), _CHUNK):
            facts = self.mat.facts(positions[start : start + _CHUNK], TABLE)
            yield _lines(zip(*(facts[name].to_pylist() for name in TABLE), strict=True))


def pages(count: int, size: int = PAGE) -> int:
    """How many pages there are; at least one."""
    return max(1, -(-count // size))


def heat(count: int, counts: Iterable[int]) -> int:
    """The step of the heat map for one of some counts, on a logarithmic scale: 0 for none, else 1 to :data:`HEAT`."""
    if not count:
        return 0
    every = [one for one in counts if one]
    low, high = np.log(min(every)), np.log(max(every))
    return 1 + round((HEAT - 1) * (np.log(count) - low) / (high - low)) if high > low else HEAT


def narrowed(state: State, name: str, value: str) -> State:
    """A state whose selection has one more condition."""
    return state.but(q=str(Selection.of(state.q or None) & field(name, value)))


def chart(title: str, counts: Mapping[str, int], leads: Any) -> Chart:
    """A chart of the commonest names; the others are counted in words."""
    ranked = sorted((one for one in counts if counts[one]), key=lambda one: (-counts[one], one))
    rest = ranked[BARS:]
    said = f"{len(rest):,} more, {sum(counts[one] for one in rest):,} records" if rest else ""
    return Chart(title, tuple(bars({one: counts[one] for one in ranked[:BARS]}, leads)), said)


def bars(counts: Mapping[str, int], leads: Any = lambda _: None) -> Iterator[Bar]:
    """Bars whose lengths are relative to the longest."""
    most = max(counts.values(), default=0) or 1
    for name, count in counts.items():
        yield Bar(name, count, round(100 * count / most, 2), leads(name) if count else None)


def _fits(facts: RowFacts, state: State) -> bool:
    return all(getattr(state, axis) in ("", getattr(facts.mat, axis)) for axis in ("modality", "area", "task"))


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
