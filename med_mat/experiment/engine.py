"""Engines, which train and answer: one small interface, and the engines by name.

An engine is given a :class:`Task`, one arm with one seed, and returns an :class:`Outcome`, the answers to the test and
validation records. It does not score them, and does not know tables, intervals or other arms::

    from dataclasses import dataclass
    from med_mat.experiment.engine import Outcome, Task

    @dataclass(frozen=True)
    class Settings:
        \"\"\"Settings of the engine.

        Args:
            rate: Learning rate.
        \"\"\"

        rate: float = 1e-3

    class Mine:
        name, summary, Settings, untrained, random = "mine", "My own trainer.", Settings, False, True

        def check(self, settings): ...
        def run(self, task: Task) -> Outcome: ...
        def controls(self, settings): return {}

    ENGINE = Mine()

Engines of this package are the modules of ``med_mat/experiment/engines``. Those of other packages are entry points of
the group ``med_mat.engines``, whose value is the object (``mine = my_package.engine:ENGINE``). What an engine needs
beyond the core dependencies is imported inside its functions: all engines are loaded to be listed.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Protocol, TypeAlias, get_type_hints, runtime_checkable

from med_mat import plugins, strict
from med_mat.errors import EngineError, MedMATError
from med_mat.parameters import Parameter, documented
from med_mat.splits import Experiment

#: Entry points through which other packages add engines.
PLUGINS = "med_mat.engines"
#: The engines of this package. They import this module, so they are found by name, like those of plug-ins.
_ENGINES_PACKAGE = "med_mat.experiment.engines"

#: Record id -> what a model said: text, or a score for each option letter (the highest wins).
Answers: TypeAlias = Mapping[str, "str | Mapping[str, float]"]


@dataclass(frozen=True, eq=False)
class Task:
    """One arm with one seed: what an engine trains and answers in one run.

    ``seed`` is that of the model (initial weights, dropout) and ``order`` that of the order of the training records;
    the split has its own, in ``experiment.options.seed``. ``folder`` is kept if the task is interrupted, so that an
    engine can leave checkpoints there. ``cache`` is shared by all tasks, which may run at the same time.
    """

    name: str  # such as "related-seed0", safe as a file name
    arm: str  # "related", "unrelated", "untrained", ...
    seed: int
    experiment: Experiment  # for "untrained", its train_positions and validation_positions are empty
    settings: Mapping[str, Any]  # of the engine, all of them, checked
    folder: Path
    cache: Path
    order: int = 0
    progress: bool = False  # whether to show a progress bar


@dataclass(frozen=True)
class Outcome:
    """The answers of a task, and facts about how they were made, as plain data for JSON.

    ``facts`` should name the selection rule (``"selection": "validation accuracy within the arm"``), what it chose,
    and the versions of what computed them.
    """

    test: Answers
    validation: Answers = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Engine(Protocol):
    """What trains on an arm and answers the questions of its records."""

    @property
    def name(self) -> str:
        """Its name, as in ``--engine``."""

    @property
    def summary(self) -> str:
        """One sentence."""

    @property
    def Settings(self) -> type:  # noqa: N802 - a class
        """A frozen dataclass of its settings, with a docstring that documents each."""

    @property
    def untrained(self) -> bool:
        """Whether it can answer without training."""

    @property
    def random(self) -> bool:
        """Whether its answers depend on the seed of the model, so that repetitions over one split differ."""

    def check(self, settings: Mapping[str, Any], /) -> None:
        """Check that what it needs is installed and that the settings go together.

        Raises:
            EngineError: The settings do not go together, or a model is not there.
            MissingExtraError: A package is missing; the message says what to install.
        """

    def run(self, task: Task, /) -> Outcome:
        """Train, and answer the test and validation records.

        Raises:
            EngineError: It fails; the message is one sentence.
        """

    def controls(self, settings: Mapping[str, Any], /) -> Mapping[str, Mapping[str, Any]]:
        """The controls that are run on the same arms: name -> settings that replace others."""


def training_engines() -> Mapping[str, Engine]:
    """All engines by name, those of installed plug-ins included."""
    return types.MappingProxyType(_loaded())


def engine(name: object, where: str = "The definition") -> Engine:
    """An engine by its name.

    Raises:
        EngineError: There is none; the message suggests the nearest.
    """
    return strict.named(name, training_engines(), "engine", error=EngineError, where=where)


def settings(one: Engine, given: Mapping[str, Any], where: str = "The definition") -> dict[str, Any]:
    """All settings of an engine, checked: those given, and the defaults of the others.

    Raises:
        EngineError: An unknown setting, a value of another type, or a setting without default is missing.
    """
    made = strict.read(one.Settings, dict(given), f"{where}: engine {one.name}", error=EngineError)
    return {each.name: getattr(made, each.name) for each in fields(one.Settings)}


def read_settings(one: Engine, texts: Iterable[str]) -> dict[str, Any]:
    """Settings from a command line, each ``NAME=VALUE``; a value is read as YAML, or as text where text is expected.

    Raises:
        EngineError: A text without ``=``, an unknown setting, or a value of another type.
    """
    where, hints, found = f"--set for the engine {one.name}", get_type_hints(one.Settings, include_extras=True), {}
    for text in texts:
        name, given, value = text.partition("=")
        if not given:
            raise EngineError(f"{where}: {text!r} must be NAME=VALUE.")
        strict.refuse_unknown([name], hints, where, error=EngineError)
        try:
            found[name] = strict.read(hints[name], strict.yaml_load(value, where), where, name, error=EngineError)
        except MedMATError as error:
            try:
                found[name] = strict.read(hints[name], value, where, name, error=EngineError)
            except EngineError:
                raise EngineError(str(error)) from error
    return found


def parameters(one: Engine) -> tuple[Parameter, ...]:
    """The settings of an engine, with type, default and documentation."""
    hints, docs = get_type_hints(one.Settings), documented(one.Settings)
    return tuple(
        Parameter(each.name, hints[each.name], _default(each), docs.get(each.name, "")) for each in fields(one.Settings)
    )


def _default(one: Any) -> Any:
    if one.default is not MISSING:
        return one.default
    return one.default_factory() if one.default_factory is not MISSING else inspect.Parameter.empty


@functools.cache
def _loaded() -> dict[str, Engine]:
    """Every engine, imported once: first those of this package."""
    made = (getattr(module, "ENGINE", None) for module in plugins.modules(_ENGINES_PACKAGE))
    found: dict[str, Engine] = {one.name: one for one in made if one is not None}  # other modules there help an engine

    def problem(point: EntryPoint, one: object) -> str:
        if not isinstance(one, Engine) or one.name != point.name:
            return f"{point.value} is not an engine with the name {point.name!r}."
        return f"There is an engine {point.name!r} already." if one.name in found else ""

    for point, one in plugins.named(PLUGINS, "engine", problem):
        found[point.name] = one
    return found
