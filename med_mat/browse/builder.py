"""The split builder: a form whose fields are those of the experiments and their options, and what it makes."""

from __future__ import annotations

import functools
import inspect
import json
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from med_mat.browse.records import Bar, heat, ordered
from med_mat.browse.thumbnails import Recent
from med_mat.errors import AuditError, BrowseError, MedMATError
from med_mat.shell import quote
from med_mat.splits.arms import Base
from med_mat.splits.file import EXPERIMENTS
from med_mat.splits.options import AMONG, Options
from med_mat.taxonomy import AREAS, AXES, DRAWN, MAT, MODALITIES, SPLITS

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
    "cap": ("Most records per subset", ""),
    "reading": ("Triplets", "our own, or the paper's"),
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
_KINDS: Mapping[str, tuple[Kind, tuple[str, ...]]] = {
    "axis": ("choice", AXES),
    "base": ("choice", get_args(Base)),
    "over": ("choice", ("all", "train")),
    "n": ("number", ()),
    "k": ("number", ()),
    "fold": ("number", ()),
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
    takers: dict[str, list[str]] = {}
    for name in experiments():
        for argument in _arguments(name):
            takers.setdefault(argument, []).append(name)
    found = [
        Field(name, *_words(name), *_asked(mat, name), query.get(name, "").strip(), tuple(of), first=True)
        for name, of in takers.items()
    ]
    for option in _options():
        kind, choices = _kind(option)
        found.append(Field(option, *_words(option), kind, choices, query.get(option, "").strip(), (), option in _FIRST))
    return tuple(found)


def experiments() -> tuple[str, ...]:
    """The experiments that the form can make."""
    return tuple(name for name in EXPERIMENTS if name not in _BY_LIST)


def chosen(query: Query) -> str:
    """The experiment of an address."""
    name = query.get("experiment", "")
    return name if name in experiments() else "related"


def definition(query: Query) -> dict[str, Any]:
    """What the form says, as :meth:`med_mat.dataset.MedMAT.experiment` takes it; empty fields are left out.

    Raises:
        BrowseError: a field that is to be a number is none.
    """
    name = chosen(query)
    given: dict[str, Any] = {"experiment": name, "target": query.get("target", "").strip()}
    for key in (*_arguments(name), *_options()):
        text = query.get(key, "").strip()
        if text:
            given[key] = _value(key, text)
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
        holders = {other for other in (counts if one in drawn else labeled) if counts.get(other, sides)["train"]}
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


@functools.cache
def _arguments(name: str) -> tuple[str, ...]:
    """The arguments of an experiment that a form can hold, options aside."""
    own = inspect.signature(EXPERIMENTS[name]).parameters
    return tuple(one for one in own if one in _WORDS and one not in _options())


@functools.cache
def _options() -> tuple[str, ...]:
    return tuple(one.name for one in fields(Options))


@functools.cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Options)


def _asked(mat: MedMAT, argument: str) -> tuple[Kind, tuple[str, ...]]:
    return ("choice", mat.tags.sources) if argument == "source" else _KINDS.get(argument, ("text", ()))


def _kind(option: str) -> tuple[Kind, tuple[str, ...]]:
    hint = _hints()[option]
    if hint is bool:
        return "check", ()
    if get_origin(hint) is Literal:
        return "choice", get_args(hint)
    numeric = hint is float or int in (hint, *get_args(hint))
    return ("number" if numeric and option not in AMONG else "text"), ()


def _words(name: str) -> tuple[str, str]:
    return _WORDS.get(name, (name.replace("_", " ").capitalize(), ""))


def _value(name: str, text: str) -> Any:
    kind = _KINDS[name][0] if name in _KINDS else _kind(name)[0] if name in _options() else "text"
    if kind == "check":
        return True
    if kind == "number":
        number: type[int] | type[float] = float if name in _options() and _hints()[name] is float else int
        try:
            return number(text)
        except ValueError:
            raise BrowseError(f"{_words(name)[0]!r} is to be a number, and is {text!r:.80}.") from None
    return [one.strip() for one in text.split(",")] if name == "parts" else text


def _held(target: MAT, axis: str, mats: Iterable[MAT]) -> bool:
    """Whether another triplet holds this element of the target."""
    return any(getattr(target, axis) == getattr(one, axis) for one in mats if one != target)


def _grid(audit: Audit) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[tuple[Part, ...], ...]], ...]]:
    """Train against test, triplet by triplet, by area and modality."""
    mats = {MAT.parse(text): text for text in (*audit.train, *audit.test)}
    modalities = ordered({mat.modality for mat in mats}, MODALITIES)

    def part(mat: MAT) -> Part:
        train, test = (side.get(mats[mat], 0) for side in (audit.train, audit.test))
        return Part(mat.task, train, test, heat(train, audit.train.values()), mats[mat] in audit.target)

    def cell(area: str, modality: str) -> tuple[Part, ...]:
        return tuple(part(mat) for mat in sorted(mats) if (mat.area, mat.modality) == (area, modality))

    areas = ordered({mat.area for mat in mats}, AREAS)
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
