"""The experiments by name: one decorated function each, from which all ways to make an experiment follow.

A method of :class:`med_mat.MedMAT`, a name in ``med-mat split`` and in YAML files with its options and their help, and
an entry on the web page all come from the function's signature and docstring::

    from med_mat.splits import Experiment, ExperimentOptions, Index, experiment

    @experiment()
    def nearest(index: Index, target: str, k: int = 5, **options: Unpack[ExperimentOptions]) -> Experiment:
        \"\"\"Train on the k nearest triplets.

        Args:
            index: an opened Med-MAT.
            target: Triplet to test on.
            k: Number of triplets.
        \"\"\"

Experiments of this package are the modules of ``med_mat/splits/kinds``. Those of other packages are entry points
of the group ``med_mat.experiments``, whose value is the function (``nearest = my_package.splits:nearest``).
"""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import pkgutil
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from importlib import metadata
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from med_mat.errors import SplitError
from med_mat.splits.options import Options
from med_mat.splits.result import Experiment
from med_mat.taxonomy import did_you_mean

log = logging.getLogger(__name__)

#: Entry points through which other packages add experiments.
PLUGINS = "med_mat.experiments"
#: The experiments of this package. They import this module, so they are found by name, like those of plug-ins.
_KINDS_PACKAGE = "med_mat.splits.kinds"
#: The default of a parameter that has none.
REQUIRED: Any = inspect.Parameter.empty
#: What a user passes as text: selections, lists of records, paths.
TEXT = "text"

F = TypeVar("F", bound=Callable[..., Any])
_ENTRY = re.compile(r"^ {4}(\w+(?:, \w+)*): (.*(?:\n {5,}.*)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of an experiment, as a form or a command line presents it."""

    name: str
    type: Any  # its annotation, e.g. int | None or Literal["test", "all"]
    default: Any  # REQUIRED where there is none
    doc: str  # several sentences

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is REQUIRED

    @property
    def summary(self) -> str:
        """The first sentence of its documentation, as plain text."""
        return _plain(self.doc.partition(". ")[0].rstrip(".") + ".") if self.doc else ""

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it takes; empty where it is not one of a closed list."""
        return tuple(word for kind in _kinds(self.type) if get_origin(kind) is Literal for word in get_args(kind))

    @property
    def several(self) -> bool:
        """Whether it is a list of texts."""
        return get_origin(self.type) is not None and issubclass(_class(get_origin(self.type)), Iterable)

    @property
    def scalar(self) -> type | str:
        """``bool``, ``int`` or ``float``, or else :data:`TEXT`."""
        kinds = _kinds(self.type)
        return next((one for one in (bool, int, float) if one in kinds), TEXT)

    @property
    def or_text(self) -> bool:
        """Whether it may also be text, such as a list of records in place of a share of them."""
        return str in _kinds(self.type)


@dataclass(frozen=True, slots=True)
class ExperimentKind:
    """An experiment that can be made by name."""

    name: str
    make: Callable[..., Experiment]  # (index, **arguments and options)
    summary: str  # one sentence
    parameters: tuple[Parameter, ...]  # its own, ``target`` included; options are :func:`options`
    series: Mapping[str, Callable[..., Iterable[Experiment]]]  # parameter -> makes one for each value of it


def experiment(*, series: Mapping[str, Callable[..., Iterable[Experiment]]] | None = None) -> Callable[[F], F]:
    """Register a function ``(index, target, ..., **options) -> Experiment`` under its name.

    Args:
        series: By parameter, a function with the other arguments that makes an experiment for each of its values: what
            ``med-mat split`` does where the parameter is not given.

    Raises:
        SplitError: Another function has the name already.
    """

    def register(function: F) -> F:
        name, known = function.__name__, _KINDS.get(function.__name__)
        if known is not None and known.make.__module__ != function.__module__:
            raise SplitError(
                f"The experiment {name!r} of {function.__module__} has the name of one of {known.make.__module__}: "
                "give the function another name."
            )
        own, doc = _own_parameters(function), inspect.getdoc(function) or ""
        summary = _plain(" ".join(doc.partition("\n\n")[0].split()))
        _KINDS[name] = ExperimentKind(name, function, summary, own, types.MappingProxyType(dict(series or {})))
        return with_options(function)

    return register


def with_options(function: F) -> F:
    """Show the options of every experiment in the signature and the documentation of a function that takes them."""
    signature = inspect.signature(function)
    given = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    named = {one.name for one in given}
    shown = [one for one in options() if one.name not in named]
    written = {one.name: one.type for one in fields(Options)}  # as in the source code: shorter than the resolved types
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]  # what inspect and IPython look at
        parameters=[
            *given,
            *(
                inspect.Parameter(
                    one.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=one.default,
                    annotation=one.type if one.choices else written[one.name],
                )
                for one in shown
            ),
        ]
    )
    doc = inspect.getdoc(function)
    if doc:
        listed = "\n".join(f"    {one.name}: {one.doc}" for one in shown)
        function.__doc__ = f"{doc}\n\nOptions:\n{listed}\n"
    return function


def experiments() -> Mapping[str, ExperimentKind]:
    """All experiments by name, those of installed plug-ins included."""
    _load()
    return types.MappingProxyType(_KINDS)


def kind(name: object, where: str = "The definition") -> ExperimentKind:
    """An experiment by its name.

    Raises:
        SplitError: There is none; the message suggests the nearest.
    """
    known = experiments()
    if not isinstance(name, str) or name not in known:
        hint = did_you_mean(str(name), known)
        raise SplitError(f"{where}: there is no experiment {name!r}.{hint} Known: {', '.join(known)}.")
    return known[name]


@functools.cache
def options() -> tuple[Parameter, ...]:
    """The options that all experiments share."""
    docs, hints = documented(Options), get_type_hints(Options)
    return tuple(Parameter(one.name, hints[one.name], one.default, docs.get(one.name, "")) for one in fields(Options))


_KINDS: dict[str, ExperimentKind] = {}


@functools.cache
def _load() -> None:
    """Import every experiment, once."""
    ours = importlib.import_module(_KINDS_PACKAGE)
    for module in pkgutil.iter_modules(ours.__path__):
        importlib.import_module(f"{_KINDS_PACKAGE}.{module.name}")
    for point in sorted(metadata.entry_points(group=PLUGINS), key=lambda point: (point.name, point.value)):
        try:
            function = point.load()
            if _KINDS.get(point.name) is None or _KINDS[point.name].make is not function:
                raise SplitError(
                    f"{point.value} is not a function {point.name!r} decorated with @med_mat.splits.experiment()."
                )
        except Exception as error:  # third-party code may raise any exception
            package = point.dist.name if point.dist else point.value
            log.warning("The experiment %r of the package %r is left out: %s", point.name, package, error)


def _own_parameters(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of an experiment but the index, the options, and those that only Python code can pass."""
    _, *given = inspect.signature(function).parameters.values()
    docs, found = documented(function), []
    for one in given:
        if one.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        annotation = _resolved(function, one)
        if Experiment not in _kinds(annotation):
            found.append(Parameter(one.name, annotation, one.default, docs.get(one.name, "")))
    return tuple(found)


def _resolved(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The annotation of a parameter; Any where it cannot be known at run time."""
    if parameter.annotation is inspect.Parameter.empty:
        return Any
    annotated = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        return get_type_hints(annotated, vars(inspect.getmodule(function)))[parameter.name]
    except (NameError, TypeError):
        return Any


def documented(documented: Any) -> dict[str, str]:
    """The entries of the section ``Args:`` of a docstring in Google's style, each in one line."""
    doc = inspect.getdoc(documented) or ""
    section = doc.partition("Args:\n")[2].partition("\n\n")[0]
    found = {}
    for names, text in _ENTRY.findall(section):
        for name in names.split(", "):
            found[name] = " ".join(text.split())
    return found


def _plain(text: str) -> str:
    """A text without the markup of docstrings: the last part of a reference, and what backquotes enclose."""
    return re.sub(r"(?::\w+:`~?(?:[\w.]*\.)?(\w+)`)|``(.*?)``", lambda found: found[1] or found[2], text)


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; else the annotation alone."""
    union = get_origin(annotation) in (Union, types.UnionType)
    return tuple(inner for one in get_args(annotation) for inner in _kinds(one)) if union else (annotation,)


def _class(origin: Any) -> type:
    return origin if isinstance(origin, type) else object
