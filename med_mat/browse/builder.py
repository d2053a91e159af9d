"""The split builder: a form whose fields are those of the experiments and their options, and what it makes."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from med_mat.browse.records import Bar, heat
from med_mat.browse.thumbnails import Recent
from med_mat.errors import AuditError, BrowseError, MedMATError
from med_mat.parameters import Parameter
from med_mat.selection import MAT
from med_mat.shell import quote
from med_mat.splits import registry
from med_mat.taxonomy import AXES, DRAWN, SPLITS
from med_mat.vocabulary import in_order

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT
    from med_mat.splits import Audit, Experiment

Kind = Literal["text", "number", "check", "choice"]
#: Experiments whose arguments are lists of records, which no form holds.
_BY_LIST = ("split",)
#: Fields that are in sight; the others are folded away.
_FIRST = ("size", "seed", "among")
#: Name of a field -> what the page calls it, and a hint.
_WORDS: Mapping[str, tuple[str, str]] = {
    "parts": ("Parts", "triplets, separated by commas"),
    "axis": ("Leave out", "the element of the target that nothing in train shares"),
    "n": ("Target records in train", "0 or more"),
    "base": ("Added to", "the arm that the target records join"),
    "source": ("Source to test on", ""),
    "train": ("Also train on", "a selection"),
    "k": ("Number of folds", "2 or more"),
    "fold": ("Fold", "from 0"),
    "over": ("Divide", "all records of the target, or its training part alone"),
    "size": ("Training records", "empty for all"),
    "seed": ("Random seed", ""),
    "among": ("Records that may be used", "e.g. redistributable=yes"),
    "among_train": ("Records that may be trained on", "a selection"),
    "among_test": ("Records that may be tested on", "a selection"),
    "even": ("Balance the sample over", ""),
    "max_per_subset": ("Most records per subset", ""),
    "triplet_source": ("Triplets", "our own, or the paper's"),
    "shots": ("Shots", "training records per label"),
    "kinds": ("Kinds of annotation in train", ""),
    "avoid": ("What counts as sharing an element", ""),
    "questions": ("Form of the questions", ""),
    "balanced_test": ("Balance the labels of the test part", ""),
    "contradictory": ("Records with contradictory labels", ""),
    "withheld": ("Train on withheld records too", ""),
    "test_on": ("Test on", "the test part of the target, or all of it"),
    "pool_tasks": ("COVID and Cancer count as State", ""),
    "cross_tasks": ("Detection counts as classification", ""),
    "validation": ("Share set apart for validation", "0 to 0.5"),
}
#: Files that a split can be downloaded as, with their media types.
FILES: Mapping[str, str] = {
    "split.parquet": "application/vnd.apache.parquet",
    "split.csv": "text/csv",
    "audit.json": "application/json",
}
Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form.

    Attributes:
        name: of the argument or option.
        label, hint: in words.
        kind: how it is asked for.
        choices: of a choice.
        value: as the address has it; "" where it is left at its default.
        experiments: the experiments that take it; all where it is empty.
        first: whether it is in sight at once.
    """

    name: str
    label: str
    hint: str
    kind: Kind
    choices: tuple[str, ...]
    value: str
    experiments: tuple[str, ...]
    first: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A triplet that can be tested.

    Attributes:
        mat: the triplet.
        train, test: its records in these parts.
        composable: whether each of its elements is held by another triplet.
    """

    mat: str
    train: int
    test: int
    composable: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One triplet in the grid of a split."""

    task: str
    train: int
    test: int
    heat: int
    target: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """A label, with its bar of each side: the share of the records of that side."""

    name: str
    train: Bar
    test: Bar


@dataclass(frozen=True, slots=True)
class Made:
    """What the form makes; where it makes nothing, ``said`` tells why and everything else is empty."""

    said: str
    holds: bool
    audit: str = ""
    modalities: tuple[str, ...] = ()
    grid: tuple[tuple[str, tuple[tuple[Part, ...], ...]], ...] = ()  # area -> cells
    labels: tuple[Pair, ...] = ()
    more_labels: int = 0
    python: str = ""
    command: str = ""


def form(mat: MedMAT, query: Query) -> tuple[Field, ...]:
    """The fields of the form beside experiment and target, with the values of an address."""
    takers: dict[str, tuple[Parameter, list[str]]] = {}
    for name in experiments():
        for parameter in _arguments(name):
            takers.setdefault(parameter.name, (parameter, []))[1].append(name)
    return (
        *(_field(mat, one, query, tuple(of), first=True) for one, of in takers.values()),
        *(_field(mat, one, query, (), first=one.name in _FIRST) for one in registry.options()),
    )


def experiments() -> tuple[str, ...]:
    """The experiments that the form can make, those of plug-ins included."""
    return tuple(name for name in registry.experiments() if name not in _BY_LIST)


def chosen(query: Query) -> str:
    """The experiment of an address."""
    name = query.get("experiment", "")
    return name if name in experiments() else "related"


def needs_target(name: str) -> bool:
    """Whether an experiment cannot be made without a target."""
    return any(one.name == "target" and one.required for one in registry.kind(name).parameters)


def definition(query: Query) -> dict[str, Any]:
    """What the form says, as :meth:`med_mat.dataset.MedMAT.experiment` takes it; empty fields are left out.

    Raises:
        BrowseError: a field that must be a number is none.
    """
    name = chosen(query)
    given: dict[str, Any] = {"experiment": name}
    if target := query.get("target", "").strip():
        given["target"] = target
    for parameter in (*_arguments(name), *registry.options()):
        if text := query.get(parameter.name, "").strip():
            given[parameter.name] = _value(parameter, text)
    return given


def targets(mat: MedMAT) -> tuple[Target, ...]:
    """The triplets with test records; those that other triplets can compose come first."""
    counts: dict[MAT, dict[str, int]] = {}
    runs = mat.tags.runs
    seen = (~runs.withheld).nonzero()[0].tolist()
    for row, split, length in zip(*(one[seen].tolist() for one in (runs.row, runs.split, runs.length)), strict=True):
        sides = counts.setdefault(mat.tags.facts[row].mat, dict.fromkeys(SPLITS, 0))
        sides[SPLITS[split]] += length
    rows = mat.tags.facts.values()
    labeled = {one.mat for one in rows if one.annotation not in DRAWN}
    drawn = {one.mat for one in rows if one.annotation in DRAWN}
    found = []
    for one, sides in counts.items():
        # where a target has labels alone, rows of boxes and masks do not train for it
        holders = {other for other, its in counts.items() if its["train"] and (one in drawn or other in labeled)}
        composable = all(_held(one, axis, holders) for axis in AXES)
        if sides["test"]:
            found.append(Target(str(one), sides["train"], sides["test"], composable))
    return tuple(sorted(found, key=lambda one: (not one.composable, one.mat)))


class Builder:
    """Makes the experiments of addresses, one at a time; what was made last is kept."""

    def __init__(self, mat: MedMAT, where: str, scratch: Path) -> None:
        self._mat, self._where, self._scratch = mat, where, scratch
        self._lock = threading.Lock()
        self._kept: Recent[str, tuple[Experiment, Audit, bool]] = Recent(4)

    def make(self, query: Query) -> Made:
        """What an address makes, or why it makes nothing."""
        try:
            made, audit, holds = self._made(query)
        except MedMATError as error:
            return Made(str(error), holds=False)
        if holds:
            said = f"{made.name} for {made.target}: {len(made.train_positions):,} records to train, "
            said += f"{len(made.validation_positions):,} to validate, " if len(made.validation_positions) else ""
            said += f"{len(made.test_positions):,} to test. The audit holds."
        else:
            said = f"The audit finds a violation: {'; '.join(audit.violations)}."
        modalities, grid = _grid(audit)
        labels, more = _labels(audit)
        python, command = code(self._where, made) if holds else ("", "")
        return Made(said, holds, str(audit), modalities, grid, labels, more, python, command)

    def file(self, query: Query, name: str) -> bytes:
        """One of :data:`FILES` of what an address makes.

        Raises:
            MedMATError: it makes nothing, or its audit finds a violation.
        """
        made, audit, holds = self._made(query)
        if not holds:
            raise AuditError(audit)
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            path = Path(folder) / name
            (audit if name.startswith("audit") else made).save(path)
            return path.read_bytes()

    def _made(self, query: Query) -> tuple[Experiment, Audit, bool]:
        wanted = definition(query)
        key = json.dumps(wanted, sort_keys=True)
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                return kept
            made = self._mat.experiment(wanted)
            try:
                found = made, made.audit(), True
            except AuditError as error:
                found = made, error.audit, False
            self._kept.put(key, found)
            return found


def code(where: str, made: Experiment) -> tuple[str, str]:
    """The Python and the command line that make an experiment again."""
    usual = type(made.options)().to_data()
    given = {k: v for k, v in made.definition.items() if k in ("experiment", "target") or usual.get(k) != v}
    python = f"import med_mat\n\nmat = med_mat.open({where!r})\nexp = mat.experiment({given!r})\nprint(exp.audit())"
    words = ["med-mat", "split", where, given.pop("experiment"), given.pop("target")]
    for key, value in given.items():
        flag = "--part" if key == "parts" else "--" + key.replace("_", "-")
        for one in value if isinstance(value, list) else [value]:
            words += [flag] if one is True else [flag, str(one)]
    return python, " ".join(map(quote, words))


def _arguments(name: str) -> tuple[Parameter, ...]:
    """The arguments of an experiment, without its target and the options that all experiments take."""
    shared = {one.name for one in registry.options()}
    return tuple(one for one in registry.kind(name).parameters if one.name != "target" and one.name not in shared)


def _field(mat: MedMAT, parameter: Parameter, query: Query, takers: tuple[str, ...], *, first: bool) -> Field:
    name = parameter.name
    label, hint = _WORDS.get(name, (name.replace("_", " ").capitalize(), parameter.summary))
    choices = mat.tags.sources if name == "source" else parameter.choices
    return Field(name, label, hint, _kind(parameter, choices), choices, query.get(name, "").strip(), takers, first)


def _kind(parameter: Parameter, choices: Sequence[str]) -> Kind:
    if choices:
        return "choice"
    if parameter.scalar is bool:
        return "check"
    return "number" if parameter.scalar in (int, float) and not parameter.or_text else "text"


def _value(parameter: Parameter, text: str) -> Any:
    """The text of a field, as the experiment takes it.

    Raises:
        BrowseError: it must be a number, but is not.
    """
    kind, number = _kind(parameter, parameter.choices), parameter.scalar
    if kind == "check":
        return True
    if kind == "number" and isinstance(number, type):
        try:
            return number(text)
        except ValueError:
            label = _WORDS.get(parameter.name, (parameter.name,))[0]
            raise BrowseError(f"{label!r} must be a number, and is {text!r:.80}.") from None
    return [one.strip() for one in text.split(",")] if parameter.several else text


def _held(target: MAT, axis: str, mats: Iterable[MAT]) -> bool:
    """Whether another triplet holds this element of the target."""
    return any(getattr(target, axis) == getattr(one, axis) for one in mats if one != target)


def _grid(audit: Audit) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[tuple[Part, ...], ...]], ...]]:
    """Train against test, triplet by triplet, by area and modality."""
    mats = {MAT.parse(text): text for text in (*audit.train, *audit.test)}
    modalities = in_order("modality", (mat.modality for mat in mats))

    def part(mat: MAT) -> Part:
        train, test = (side.get(mats[mat], 0) for side in (audit.train, audit.test))
        return Part(mat.task, train, test, heat(train, audit.train.values()), mats[mat] in audit.target)

    def cell(area: str, modality: str) -> tuple[Part, ...]:
        return tuple(part(mat) for mat in sorted(mats) if (mat.area, mat.modality) == (area, modality))

    areas = in_order("area", (mat.area for mat in mats))
    return tuple(modalities), tuple((area, tuple(cell(area, one) for one in modalities)) for area in areas)


def _labels(audit: Audit, most: int = 20) -> tuple[tuple[Pair, ...], int]:
    """The balance of labels, the commonest first, and how many more there are."""
    sides: Sequence[Mapping[str, int]] = (audit.train_labels, audit.test_labels)
    sums = [sum(side.values()) or 1 for side in sides]
    names = sorted({*sides[0], *sides[1]}, key=lambda one: (-sum(side.get(one, 0) for side in sides), one))
    scale = max((side.get(one, 0) / total for side, total in zip(sides, sums, strict=True) for one in names), default=1)

    def bar(name: str, side: int) -> Bar:
        count = sides[side].get(name, 0)
        return Bar(name, count, round(100 * count / sums[side] / (scale or 1), 2))

    return tuple(Pair(one or "no label", bar(one, 0), bar(one, 1)) for one in names[:most]), max(len(names) - most, 0)
