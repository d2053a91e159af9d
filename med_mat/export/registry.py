"""The export formats by name: each is a decorated function of a job, from which options, help and command line follow.

::

    from med_mat.export import Job, export_format

    @export_format("lines", summary="one JSON object per record", needs=("turn",))
    def lines(job: Job, *, indent: int = 0) -> None:
        \"\"\"Write them.

        Args:
            indent: Spaces.
        \"\"\"

Formats of this package are the modules of ``med_mat/export/formats``. Those of other packages are entry points of the
group ``med_mat.exports``, whose value is the function.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, Literal, TypeVar

from med_mat import parameters, plugins, strict
from med_mat.conventions import Convention
from med_mat.errors import ExportError
from med_mat.parameters import Parameter

#: Entry points through which other packages add formats.
PLUGINS = "med_mat.exports"
_FORMATS_PACKAGE = "med_mat.export.formats"
#: What a record must have to be in an export. "turn": a question with an answer in the requested style; "boxes": it was
#: annotated with boxes, of which there may be none; "mask"; "label": exactly one label; "options".
Need = Literal["turn", "boxes", "mask", "label", "options"]

F = TypeVar("F", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format that records can be exported in."""

    name: str
    make: Callable[..., None]  # (job, **options)
    summary: str  # a phrase
    needs: tuple[Need, ...]
    boxes: Convention  # in text, unless another is requested
    options: tuple[Parameter, ...]

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options with their defaults, checked.

        Raises:
            ExportError: An option is unknown, or has the wrong type.
        """
        where, known = f"The export format {self.name}", {one.name: one for one in self.options}
        strict.refuse_unknown(given, known, where, "options", error=ExportError)
        read = strict.arguments({name: one.type for name, one in known.items()}, {**given}, where, error=ExportError)
        return {name: read.get(name, one.default) for name, one in known.items()}


def export_format(
    name: str, *, summary: str, needs: tuple[Need, ...] = (), boxes: Convention = "pixels"
) -> Callable[[F], F]:
    """Register a function ``(job, *, option=default, ...)`` as a format.

    Args:
        name: As in ``exp.export(out, format=name)``.
        summary: What it is, as a phrase.
        needs: What a record must have; others are left out and counted.
        boxes: How boxes are written in text by default.

    Raises:
        ExportError: Another function has the name already.
    """

    def register(function: F) -> F:
        known = _FORMATS.get(name)
        if known is not None and known.make.__module__ != function.__module__:
            raise ExportError(
                f"The export format {name!r} of {function.__module__} has the name of one of {known.make.__module__}: "
                "give it another name."
            )
        _FORMATS[name] = ExportFormat(name, function, summary, needs, boxes, tuple(parameters.of_function(function)))
        return function

    return register


def export_formats() -> Mapping[str, ExportFormat]:
    """All formats by name, those of installed plug-ins included."""
    _load()
    return types.MappingProxyType(dict(sorted(_FORMATS.items())))


def format_named(name: object) -> ExportFormat:
    """A format by its name.

    Raises:
        ExportError: There is none; the message suggests the nearest.
    """
    return strict.named(name, export_formats(), "export format", error=ExportError)


_FORMATS: dict[str, ExportFormat] = {}


@functools.cache
def _load() -> None:
    """Import every format, once."""
    for _ in plugins.modules(_FORMATS_PACKAGE):
        pass
    for _ in plugins.named(PLUGINS, "export format", _problem):
        pass


def _problem(point: EntryPoint, function: object) -> str:
    if point.name in _FORMATS and _FORMATS[point.name].make is function:
        return ""
    return f"{point.value} is not a function decorated with @med_mat.export.export_format({point.name!r})."
