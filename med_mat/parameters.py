"""The parameters of functions and the fields of settings, as forms and command lines present them.

Names, types, defaults and documentation come from the signature and the docstring (Google style) alone.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

#: What a user passes as text: selections, lists of records, paths.
TEXT = "text"

_ENTRY = re.compile(r"^ {4}(\w+(?:, \w+)*): (.*(?:\n {5,}.*)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of an experiment, as a form or a command line presents it."""

    name: str
    type: Any  # its annotation, e.g. int | None or Literal["test", "all"]
    default: Any  # inspect.Parameter.empty where it is required
    doc: str  # several sentences

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty

    @property
    def summary(self) -> str:
        """The first sentence of its documentation, as plain text."""
        return plain(self.doc.partition(". ")[0].rstrip(".") + ".") if self.doc else ""

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it takes; empty where it is not one of a closed list."""
        return tuple(word for kind in kinds(self.type) if get_origin(kind) is Literal for word in get_args(kind))

    @property
    def several(self) -> bool:
        """Whether it is a list of texts."""
        return get_origin(self.type) is not None and issubclass(_class(get_origin(self.type)), Iterable)

    @property
    def scalar(self) -> type | str:
        """``bool``, ``int`` or ``float``, or else :data:`TEXT`."""
        members = kinds(self.type)
        return next((one for one in (bool, int, float) if one in members), TEXT)

    @property
    def or_text(self) -> bool:
        """Whether it may also be text, such as a list of records in place of a share of them."""
        return str in kinds(self.type)


def of_function(function: Callable[..., Any]) -> list[Parameter]:
    """The parameters of a function after its first, with their documentation; those with ``*`` are left out."""
    _, *given = inspect.signature(function).parameters.values()
    docs = documented(function)
    named = [one for one in given if one.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)]
    return [Parameter(one.name, resolved(function, one), one.default, docs.get(one.name, "")) for one in named]


def resolved(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
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


def plain(text: str) -> str:
    """A text without the markup of docstrings: the last part of a reference, and what backquotes enclose."""
    return re.sub(r"(?::\w+:`~?(?:[\w.]*\.)?(\w+)`)|``(.*?)``", lambda found: found[1] or found[2], text)


def kinds(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; else the annotation alone."""
    union = get_origin(annotation) in (Union, types.UnionType)
    return tuple(inner for one in get_args(annotation) for inner in kinds(one)) if union else (annotation,)


def _class(origin: Any) -> type:
    return origin if isinstance(origin, type) else object
