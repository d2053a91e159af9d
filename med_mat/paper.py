"""The results of arXiv 2412.20070 as data: every table with its numbers, and the experiments behind them as splits.

``data/paper.yaml`` contains the tables, each with its source. Numbers are as printed, including contradictions, which
are named in the ``notes`` of a row. :meth:`PaperCombination.experiment` and similar methods make a published row over a
built Med-MAT, with the paper's own triplets, so that a result can be compared with the published one::

    from med_mat import paper

    row = paper.combinations("two")[0]
    trained, base = (row.experiment(mat, arm) for arm in ("trained", "baseline_plus"))
    row.figures["LLaVA-v1.5-7B"].trained  # 27.0

Accuracies are in percent.
"""

from __future__ import annotations

import functools
import textwrap
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, get_args

from med_mat import catalog, strict
from med_mat.errors import CardError, SplitError, VocabularyError
from med_mat.score.published import Beside
from med_mat.score.published import beside as published_beside
from med_mat.selection import MAT
from med_mat.splits.combinations import Direction
from med_mat.splits.kinds.tasks import PAPER_MAX_PER_SUBSET
from med_mat.strict import yaml_load
from med_mat.taxonomy import did_you_mean
from med_mat.vocabulary import STANDARD

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT
    from med_mat.score import Comparison
    from med_mat.splits import Experiment

CombinationKind = Literal["two", "three", "detection"]
#: The paper's settings: its own triplets and questions, a maximum number of records per subset, a test set balanced
#: over labels, and "unrelated" by the words of a triplet.
SETTINGS: Mapping[str, Any] = types.MappingProxyType(
    {
        "triplet_source": "paper",
        "pool_tasks": True,
        "avoid": "literal",
        "questions": "paper",
        "balanced_test": True,
        "max_per_subset": PAPER_MAX_PER_SUBSET,
    }
)


@dataclass(frozen=True)
class Part:
    """A part of a combination, or its target."""

    paper: str  # its words
    triplet: MAT  # by the paper
    subsets: tuple[int, ...] = ()  # several: the paper does not say which; none: any of the triplet
    sure: Literal["stated", "inferred"] = "inferred"  # how the subsets were determined

    def __str__(self) -> str:
        numbers = " or ".join(f"{number:02d}" for number in self.subsets) or "?"
        return f"{self.triplet} ({numbers}{', stated' if self.sure == 'stated' else ''})"

    @property
    def selection(self) -> str:
        """As the target of an experiment, such as ``CT/Lung/State & subset=3``."""
        return f"{self.triplet} & {self._subset(self.subsets)}" if self.subsets else str(self.triplet)

    def within(self, mat: MedMAT) -> str:
        """As a part of an experiment: those of its subsets that the build has; without subsets, the triplet.

        Raises:
            SplitError: The build has none of them; the message names the sources that have them.
        """
        here = {row.subset for row in mat.tags.facts.values()}
        present = [number for number in self.subsets if number in here]
        if self.subsets and not present:
            holding = (source.name for source in catalog.sources(self._subset(self.subsets)))
            raise SplitError(
                f"This Med-MAT has no record of the part {self}. Sources that hold it: {', '.join(holding)}."
            )
        return self._subset(present) if present else str(self.triplet)

    @staticmethod
    def _subset(numbers: Iterable[int]) -> str:
        return "subset=" + "|".join(map(str, numbers))


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Accuracies of one model on one target: untrained, trained on unrelated data, trained on the parts."""

    baseline: float
    baseline_plus: float | None = None
    trained: float

    @property
    def helps(self) -> bool:
        """Whether training on the parts beats both others: the unstated rule that reproduces all marks of Table 3."""
        return self.trained > max(self.baseline, self.baseline_plus or 0)


@dataclass(frozen=True)
class PaperCombination:
    """A published combination: parts to train on, which together have all elements of the target."""

    kind: CombinationKind
    number: int  # of the row in its table, from 1
    direction: Direction
    parts: tuple[Part, ...]
    target: Part
    figures: Mapping[str, Figures]  # by model
    helps: bool | None = None  # the paper's mark
    test_on: Literal["test", "all"] = "test"  # of the target's records: see med_mat.splits.Options
    notes: tuple[str, ...] = ()

    def experiment(
        self, mat: MedMAT, arm: Literal["trained", "baseline_plus"] = "trained", **options: Any
    ) -> Experiment:
        """The split behind a number: the attribute of :class:`Figures` with the same name.

        If the paper does not say which subset it used, all candidates are included; ``among="!subset=35"`` leaves one
        out. A part without subsets is the rows whose first triplet it is, or else those that also count as it.

        Args:
            mat: An opened Med-MAT.
            arm: "trained", or "baseline_plus": as many records that share no element with the target.
            options: Options that replace those of :data:`SETTINGS`.

        Raises:
            SplitError: The build lacks records of the target or of a part, or unrelated ones; or there is no such arm.
        """
        if arm not in ("trained", "baseline_plus"):
            raise SplitError(f"arm={arm!r} is neither 'trained' nor 'baseline_plus'.")
        given = {**SETTINGS, "cross_tasks": self.kind == "detection", "test_on": self.test_on, **options}
        target = self.target.selection
        trained = mat.combination(target, [part.within(mat) for part in self.parts], **given)
        return trained if arm == "trained" else mat.unrelated(target, like=trained, **given)


@dataclass(frozen=True)
class SubsetFigures:
    """Accuracies of LLaVA-v1.5-7B on a subset, and the tasks that the experiments count it as."""

    number: int
    baseline: float | None = None
    single_task: float | None = None
    multi_task: float | None = None
    stated: tuple[str, ...] = ()
    inferred: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def experiment(self, mat: MedMAT, arm: Literal["single_task", "multi_task"], **options: Any) -> Experiment:
        """The split behind a number: trained on the subset itself, or on all 25 in-distribution subsets together.

        Raises:
            SplitError: The build has no test or no training record of the subset, or there is no such arm.
        """
        if arm not in ("single_task", "multi_task"):
            raise SplitError(f"arm={arm!r} is neither 'single_task' nor 'multi_task'.")
        make = mat.single_task if arm == "single_task" else mat.multi_task
        return make(f"subset={self.number}", **{**SETTINGS, **options})


@dataclass(frozen=True)
class Disruption:
    """The effect of related data without one of the target's elements (Figure 4)."""

    target: Part
    size: int  # training records of every arm
    related: int  # in-distribution subsets that the paper counts as related
    unrelated: int
    figures: Mapping[str, float]  # by arm; "baseline" is untrained

    def experiments(self, mat: MedMAT, **options: Any) -> dict[str, Experiment]:
        """The splits behind the numbers, by arm, at the published size, trained on in-distribution subsets alone.

        Args:
            mat: An opened Med-MAT.
            options: Options that replace those of :data:`SETTINGS`; ``size=None`` is the size of the smallest arm.

        Raises:
            SplitError: An arm has fewer records.
        """
        subsets = catalog.load().subsets.values()
        counted = "subset=" + "|".join(str(one.number) for one in subsets if one.role == "id")
        given = {**SETTINGS, "size": self.size, "among_train": counted, **options}
        return mat.disruption(self.target.selection, **given)


@dataclass(frozen=True)
class DetectionTarget:
    """Gain in cIoU, in points, on a target with boxes or masks: D- detects, C- classifies, S- segments."""

    table: int
    target: str
    gains: Mapping[str, float]  # by model
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Backbone:
    """A combination of two elements with another model, or in several runs."""

    combination: int  # the row of Table 3
    model: str
    baseline: float | None = None
    trained: float | None = None  # the mean, where there are runs
    gain: float | None = None  # in points, where nothing else is published
    runs: tuple[float, ...] = ()
    sd: float | None = None  # of the runs, as of a sample
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FewShot:
    """Accuracy with examples in the prompt."""

    model: str
    shots: int  # images of each label
    mean: float
    sd: float | None = None


@dataclass(frozen=True)
class OtherElement:
    """Gain in accuracy, in points, for an element other than modality, area and task."""

    table: int
    element: str
    target: str
    trained: str
    gain: float


@dataclass(frozen=True)
class Training:
    """How a model was trained."""

    model: str
    epochs: int
    learning_rate: float
    last_learning_rate: float | None = None
    batch: int | None = None
    hardware: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CrossMedSource:
    """A source of CrossMed."""

    source: str
    modality: str
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of the paper."""

    title: str
    source: str  # its place in the paper
    rows: tuple[Any, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Table({self.title!r}: {len(self.rows)} rows)"

    def beside(self, results: Mapping[int, Comparison]) -> Beside:
        """The table with our figures beside the published ones, in the same columns and order, and more columns.

        Args:
            results: Number of a row, as published or else its place from 1 -> the comparison of ours, with arms named
                "related", "unrelated" and "untrained" (:func:`med_mat.score.compare`). Other rows are left blank.

        Raises:
            VocabularyError: There is no row of such a number.
        """
        numbers = [getattr(row, "number", place) for place, row in enumerate(self.rows, 1)]
        if unknown := [number for number in results if number not in numbers]:
            raise VocabularyError(
                f"{self.title} has no row {unknown[0]!r}: its rows are {numbers[0]} to {numbers[-1]}."
            )
        published = [dict(_cells(row)) for row in self.rows]
        return published_beside(self.title, published, [results.get(number) for number in numbers])


#: Key of ``paper.yaml`` -> the type of its rows.
ROWS: Mapping[str, type] = types.MappingProxyType(
    {
        "subsets": SubsetFigures,
        "two": PaperCombination,
        "three": PaperCombination,
        "detection": PaperCombination,
        "detection_targets": DetectionTarget,
        "disruption": Disruption,
        "backbones": Backbone,
        "few_shot": FewShot,
        "other_elements": OtherElement,
        "training": Training,
        "crossmed": CrossMedSource,
    }
)


@functools.cache
def tables() -> Mapping[str, Table]:
    """Every table by its key in :data:`ROWS`, read once."""
    path = resources.files("med_mat") / "data" / "paper.yaml"
    return read(path.read_text("utf-8"), "med_mat/data/paper.yaml")


def table(name: str) -> Table:
    """One table by its name, such as ``table("two")``: the combinations of two elements.

    Raises:
        VocabularyError: There is no such table; the message suggests the nearest.
    """
    return chosen([name])[name]


def combinations(kind: CombinationKind | None = None) -> tuple[PaperCombination, ...]:
    """The combinations of two elements (Table 3), of three (Table 10), and with detection (Tables 13 and 14)."""
    kinds = get_args(CombinationKind) if kind is None else (kind,)
    return tuple(row for one in kinds for row in tables()[one].rows)


def subsets() -> tuple[SubsetFigures, ...]:
    """The 53 subsets (Tables 1, 2 and 17)."""
    return tables()["subsets"].rows


def detection_targets() -> tuple[DetectionTarget, ...]:
    """Targets of boxes and masks (Tables 5 and 6)."""
    return tables()["detection_targets"].rows


def disruption() -> tuple[Disruption, ...]:
    """Scaling and disrupting CG (Figure 4)."""
    return tables()["disruption"].rows


def backbones() -> tuple[Backbone, ...]:
    """Other models, and three runs (Tables 9, 11, 12 and 15)."""
    return tables()["backbones"].rows


def few_shot() -> tuple[FewShot, ...]:
    """Examples in the prompt (Table 16)."""
    return tables()["few_shot"].rows


def other_elements() -> tuple[OtherElement, ...]:
    """Elements beyond the triplet: population and finer disease (Tables 7 and 8)."""
    return tables()["other_elements"].rows


def training() -> tuple[Training, ...]:
    """How the models were trained."""
    return tables()["training"].rows


def crossmed() -> tuple[CrossMedSource, ...]:
    """The sources of CrossMed (arXiv 2511.11034, abstract)."""
    return tables()["crossmed"].rows


def read(text: str, where: str) -> Mapping[str, Table]:
    """Read tables from YAML.

    Raises:
        CardError: A key is missing, unknown, or has a wrong value; the message names it.
    """
    data = yaml_load(text, where)
    if not isinstance(data, dict) or set(data) != set(ROWS):
        raise CardError(f"{where}: expected the keys {', '.join(ROWS)}.")
    found = {}
    for name, kind in ROWS.items():
        table = strict.read(Table, data[name], where, name)
        more = {"kind": name} if kind is PaperCombination else {}
        rows = [
            strict.read(
                kind,
                {**more, **row} if isinstance(row, dict) else row,
                where,
                f"{name}.rows[{number}]",
                context=STANDARD,
            )
            for number, row in enumerate(table.rows)
        ]
        found[name] = Table(table.title, table.source, tuple(rows), table.notes)
    return types.MappingProxyType(found)


def chosen(names: Iterable[str]) -> Mapping[str, Table]:
    """The tables of these names, or all tables if there are none.

    Raises:
        VocabularyError: There is no such table; the message suggests the nearest.
    """
    wanted = tuple(names) or tuple(ROWS)
    for name in wanted:
        if name not in ROWS:
            hint = did_you_mean(name, ROWS)
            raise VocabularyError(f"The paper has no table {name!r} here.{hint} Known: {', '.join(ROWS)}.")
    return {name: tables()[name] for name in wanted}


def to_json(found: Mapping[str, Table]) -> dict[str, Any]:
    """Tables as plain data, with triplets as text."""
    return {name: _plain(asdict(table)) for name, table in found.items()}


def to_text(found: Mapping[str, Table], *, markdown: bool = False) -> str:
    """Tables as text: in aligned columns, or as Markdown."""
    return "\n".join(_page(table, markdown) for table in found.values())


def _page(table: Table, markdown: bool) -> str:
    cells = [dict(_cells(row)) for row in table.rows]
    names = [name for name in dict.fromkeys(name for row in cells for name in row) if any(r.get(name) for r in cells)]
    lines = [names, *([row.get(name, "") for name in names] for row in cells)]
    notes = [*table.notes, *(f"{_name(row)}: {note}" for row in table.rows for note in getattr(row, "notes", ()))]
    if markdown:
        lines.insert(1, ["---"] * len(names))
        body = [f"| {' | '.join(line)} |" for line in lines]
        return "\n".join([f"## {table.title}", "", f"{table.source}.", "", *body, "", *(f"- {n}" for n in notes), ""])
    width = [max(map(len, column)) for column in zip(*lines, strict=True)]
    body = ["  ".join(map(str.ljust, line, width)).rstrip() for line in lines]
    told = [textwrap.fill(note, 110, initial_indent="- ", subsequent_indent="  ") for note in notes]
    return "\n".join([f"{table.title}: {table.source}", "", *body, "", *told, ""])


def _name(row: Any) -> str:
    """The first field that identifies the rows of a table."""
    return next(f"{name} {getattr(row, name)}" for name in ("number", "combination", "model") if hasattr(row, name))


def _cells(row: Any) -> Iterator[tuple[str, str]]:
    """Column and text of all fields of a row except its notes; numbers have a column each."""
    for name in (one.name for one in fields(row) if one.name not in ("notes", "kind", "test_on")):
        value = getattr(row, name)
        if not isinstance(value, Mapping):
            yield name, _text(value)
            continue
        for key, inner in value.items():
            for more, figure in _cells(inner) if isinstance(inner, Figures) else [("", _text(inner))]:
                yield f"{key} {more}".rstrip(), figure


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return (" + " if any(isinstance(one, Part) for one in value) else ", ").join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        triplet = set(data) == {"modality", "area", "task"}
        return "/".join(data.values()) if triplet else {key: _plain(value) for key, value in data.items()}
    return [_plain(one) for one in data] if isinstance(data, list | tuple) else data
