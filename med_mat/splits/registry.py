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
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import EntryPoint
from typing import Any, TypeVar, get_type_hints

from med_mat import parameters, plugins, strict
from med_mat.errors import SplitError
from med_mat.parameters import Parameter
from med_mat.splits.options import Options
from med_mat.splits.result import Experiment

#: Entry points through which other packages add experiments.
PLUGINS = "med_mat.experiments"
#: The experiments of this package. They import this module, so they are found by name, like those of plug-ins.
_KINDS_PACKAGE = "med_mat.splits.kinds"

F = TypeVar("F", bound=Callable[..., Any])


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
        summary = parameters.plain(" ".join(doc.partition("\n\n")[0].split()))
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
    return strict.named(name, experiments(), "experiment", error=SplitError, where=where)


@functools.cache
def options() -> tuple[Parameter, ...]:
    """The options that all experiments share."""
    docs, hints = parameters.documented(Options), get_type_hints(Options)
    return tuple(Parameter(one.name, hints[one.name], one.default, docs.get(one.name, "")) for one in fields(Options))


_KINDS: dict[str, ExperimentKind] = {}


@functools.cache
def _load() -> None:
    """Import every experiment, once."""
    for _ in plugins.modules(_KINDS_PACKAGE):
        pass
    for _ in plugins.named(PLUGINS, "experiment", _problem):
        pass


def _problem(point: EntryPoint, function: object) -> str:
    if point.name in _KINDS and _KINDS[point.name].make is function:
        return ""
    return f"{point.value} is not a function {point.name!r} decorated with @med_mat.splits.experiment()."


def _own_parameters(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of an experiment but the index, the options, and those that only Python code can pass."""
    return tuple(one for one in parameters.of_function(function) if Experiment not in parameters.kinds(one.type))
