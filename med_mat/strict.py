"""Strict validation of hand-written documents and arguments: cards, the tables of the paper, manifests.

YAML becomes plain data (:func:`yaml_load`), and plain data become typed objects according to the annotations of a
dataclass (:func:`read`). Unknown, duplicate and missing keys and values of the wrong type are errors that name the
document and the key. Nothing is converted: ``"48"`` is not a number, ``0`` is not ``false``, ``no`` is not a string.
"""

from __future__ import annotations

import datetime
import errno
import functools
import json
import stat
import types
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from med_mat.errors import CardError, MedMATError, VocabularyError
from med_mat.taxonomy import did_you_mean

T = TypeVar("T")

_LONGEST_QUOTE = 80
_WORDS: Mapping[Any, str] = types.MappingProxyType(
    {
        str: "a string",
        int: "an integer",
        float: "a number",
        bool: "true or false",
        datetime.date: "a date such as 2026-11-30",
        None: "null",
    }
)


@runtime_checkable
class Parsed(Protocol):
    """A class whose instances are written as strings in documents."""

    described: ClassVar[str]  # what such a string is, as in "a triplet"

    @classmethod
    def parse(cls, text: str, context: Any = None, /) -> Any:
        """Parse an instance.

        Raises:
            VocabularyError: the text is not valid; the message says why.
        """


# ---------------------------------------------------------------------------------------------------------------- YAML


def yaml_load(text: str, where: str = "A document of Med-MAT") -> Any:
    """Parse YAML safely, and quickly where libyaml is available.

    Raises:
        CardError: the text is not YAML, has a duplicate key, or uses aliases, which can make a small text fill the
            memory; the message names ``where``.
    """
    import yaml

    try:
        data = yaml.load(text, Loader=_loader())
        _refuse_aliases(data, set(), where)
    except yaml.YAMLError as error:
        raise CardError(f"{where} is not YAML: {' '.join(str(error).split())}") from error
    except _TwiceError as error:
        raise CardError(f"{where} has the key {error.key!r} twice in one mapping: see line {error.line}.") from error
    except RecursionError as error:
        raise CardError(f"{where} is nested too deeply.") from error
    return data


def only_a_file(path: Path) -> None:
    """Refuse a pipe, a device or a folder in place of a document: reading it might never end.

    Raises:
        OSError: the path is not a regular file, or does not exist.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise OSError(errno.EINVAL, f"it is {what}, where a file is expected", str(path))


class _TwiceError(Exception):
    def __init__(self, key: object, line: int) -> None:
        super().__init__(key, line)
        self.key, self.line = key, line


@functools.cache
def _loader() -> Any:
    """A loader class of PyYAML that refuses duplicate keys, of which PyYAML itself keeps the last."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            mapping = super().construct_mapping(node, deep=deep)
            if len(mapping) < len(node.value):
                seen = set()
                for key_node, _ in node.value:
                    key = self.construct_object(key_node, deep=True)
                    if key in seen:
                        raise _TwiceError(key, key_node.start_mark.line + 1)
                    seen.add(key)
            return mapping

    return Loader


def _refuse_aliases(data: Any, seen: set[int], where: str) -> None:
    """Raise if the same list or mapping occurs in two places."""
    if not isinstance(data, dict | list):
        return
    if id(data) in seen:
        raise CardError(f"{where} uses a YAML alias (*name): write out what it stands for.")
    seen.add(id(data))
    for value in data.values() if isinstance(data, dict) else data:
        _refuse_aliases(value, seen, where)


# ------------------------------------------------------------------------------------------------- data of a known type


def read(
    kind: Any,
    data: Any,
    where: str,
    key: str = "",
    *,
    error: type[MedMATError] = CardError,
    newer: bool = False,
    context: Any = None,
) -> Any:
    """Validate plain data against a type annotation, and convert them to it.

    Args:
        kind: a dataclass, ``str``, ``int``, ``float`` (accepts integers too), ``bool``, ``date``, a class that is
            parsed from a string (:class:`Parsed`, such as ``MAT``), ``Any``; of these ``tuple[X, ...]`` (a list),
            ``tuple[X, Y]`` (a list of two), ``Mapping[str, X]`` and unions such as ``X | None``; ``Literal``.
        data: parsed YAML or JSON.
        where: the document, as the subject of the message.
        key: the position in the document, e.g. ``rows[0].number``.
        error: the exception to raise.
        newer: ignore unknown keys of dataclasses: a later version may have added them.
        context: passed to :meth:`Parsed.parse` with the string, such as the vocabulary of triplets.

    Raises:
        CardError: or ``error``: the data do not match; the message names document and key, and the closest word.
    """
    return _Reader(where, error, newer, context).read(kind, data, key)


def arguments(
    kinds: Mapping[str, Any], given: Mapping[str, Any], where: str, *, error: type[MedMATError] = CardError
) -> dict[str, Any]:
    """Check arguments against type annotations; numpy scalars become plain values, nothing else is converted.

    Args:
        kinds: the type annotation of each argument.
        given: the arguments by name.
        where: the receiver of the arguments, as the subject of the message.
        error: the exception to raise.

    Returns:
        The arguments with their checked values.

    Raises:
        CardError: or ``error``: an argument has the wrong type; the message names it.
    """
    import numpy as np

    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in given.items()}
    return {name: read(kinds[name], value, where, name, error=error) for name, value in plain.items()}


def spelt(one: Field[Any]) -> str:
    """The key of a dataclass field: its name, or the ``key`` of its metadata."""
    return str(one.metadata.get("key", one.name))


def refuse_unknown(
    data: Iterable[Any], known: Iterable[str], where: str, key: str = "", *, error: type[MedMATError] = CardError
) -> None:
    """Raise if a mapping has an unknown key; suggest the closest known one.

    Raises:
        CardError: or ``error``.
    """
    known = tuple(known)
    for name in data:
        if name not in known:
            hint = did_you_mean(name, known) if isinstance(name, str) else ""
            place = f"{where}: {key}" if key else where
            raise error(f"{place} has an unknown key {_quoted(name)}.{hint} Known: {', '.join(known)}.")


def named(name: object, known: Mapping[str, T], what: str, *, error: type[MedMATError], where: str = "") -> T:
    """The one of a few known things that has a name.

    Args:
        name: The name asked for.
        known: The things, by name.
        what: What they are, such as "export format".
        error: The class of the error.
        where: What names it, to begin the message with.

    Raises:
        MedMATError: ``error``: none has this name; the message suggests the nearest and lists all.
    """
    if isinstance(name, str) and name in known:
        return known[name]
    there = f"{where}: there" if where else "There"
    hint = did_you_mean(str(name), known)
    raise error(f"{there} is no {what} {_quoted(name)}.{hint} Known: {', '.join(known) or 'none'}.")


class _Reader:
    def __init__(self, where: str, error: type[MedMATError], newer: bool, context: Any) -> None:
        self.where, self.error, self.newer, self.context = where, error, newer, context

    def read(self, kind: Any, data: Any, key: str) -> Any:
        origin, arguments = get_origin(kind), get_args(kind)
        if kind is Any:
            return data
        if origin in (Union, types.UnionType):
            return self.one_of(arguments, data, key)
        if origin is Literal:
            return self.word(arguments, data, key)
        if origin is Annotated:  # a string, and a function that returns the known ones
            return self.word(arguments[1](), data, key)
        if _is_parsed(kind) and isinstance(data, str):
            return self.parsed(kind, data, key)
        if origin is tuple and isinstance(data, list):
            return self.list(kind, data, key)
        if origin is Mapping and isinstance(data, dict):
            return {self.name(name, key): self.read(arguments[1], one, _below(key, name)) for name, one in data.items()}
        if isinstance(data, dict) and not _is_parsed(kind) and is_dataclass(kind):
            return self.record(kind, data, key)
        if kind is float and type(data) is int:
            return self.float(data, key)
        if type(data) is kind and not (kind is str and _is_broken(data)):
            return data
        raise self.wrong(kind, data, key)

    def list(self, kind: Any, data: list[Any], key: str) -> tuple[Any, ...]:
        """A list as a tuple: of any length if its annotation ends with an ellipsis, otherwise of fixed length."""
        kinds = get_args(kind)
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(data)
        elif len(kinds) != len(data):
            raise self.wrong(kind, data, key)
        pairs = enumerate(zip(kinds, data, strict=True))
        return tuple(self.read(one, value, f"{key}[{number}]") for number, (one, value) in pairs)

    def float(self, data: int, key: str) -> float:
        """An integer as a float."""
        try:
            return float(data)
        except OverflowError:
            raise self.fault(key, f" is {_quoted(data)}, which is larger than any number can be.") from None

    def one_of(self, kinds: tuple[Any, ...], data: Any, key: str) -> Any:
        """A union: the first type that may fit."""
        if data is None and type(None) in kinds:
            return None
        for kind in kinds:
            plain = kind in (str, int, float, bool, type(None))
            if not plain or type(data) is kind or (kind is float and type(data) is int):
                return self.read(kind, data, key)
        raise self.wrong(Union[kinds], data, key)  # noqa: UP007 - built from a tuple

    def word(self, known: tuple[Any, ...], data: Any, key: str) -> Any:
        if any(type(data) is type(word) and data == word for word in known):
            return data
        hint = did_you_mean(data, map(str, known)) if isinstance(data, str) else ""
        raise self.fault(key, f": {_quoted(data)} is not one of {', '.join(map(str, known))}.{hint}")

    def parsed(self, kind: type[Parsed], text: str, key: str) -> Any:
        try:
            return kind.parse(text, self.context)
        except VocabularyError as error:
            raise self.fault(key, f": {error}") from error

    def name(self, name: Any, key: str) -> str:
        """A key of a mapping."""
        if isinstance(name, str) and not _is_broken(name):
            return name
        if isinstance(name, str):
            raise self.fault(key, f" has the key {_quoted(name)}, which contains a lone surrogate.")
        raise self.fault(key, f" has the key {_quoted(name)}, which is not a string in YAML: write it in quotes.")

    def record(self, kind: Any, data: Mapping[Any, Any], key: str) -> Any:
        """A mapping as a dataclass."""
        known = {spelt(one): one for one in fields(kind) if one.init}
        if not self.newer:
            refuse_unknown(data, known, self.where, key, error=self.error)
        for name, one in known.items():
            if name not in data and one.default is MISSING and one.default_factory is MISSING:
                raise self.fault(key, f" lacks the key {name!r}.")
        hints = _hints(kind)
        return kind(
            **{
                one.name: self.read(hints[one.name], data[name], _below(key, name))
                for name, one in known.items()
                if name in data
            }
        )

    def wrong(self, kind: Any, data: Any, key: str) -> MedMATError:
        wants, text = _described(kind), isinstance(data, str)
        hint = ""
        if text and _is_broken(data):
            hint = " It contains a lone surrogate."
        elif data is not None and not isinstance(data, str | dict | list | tuple) and "a string" in wants:
            hint = " Write it in quotes."
        elif text and any(word in wants for word in ("integer", "number", "true")):
            hint = " Write it without quotes." if _reads_as(kind, data) else ""
        return self.fault(key, f" must be {wants}, not {_quoted(data)}.{hint}")

    def fault(self, key: str, what: str) -> MedMATError:
        """The error to raise; ``what`` is the part of the message after the name of the key."""
        return self.error(f"{self.where}: {key}{what}" if key else f"{self.where}{what}")


@functools.cache  # a check against a protocol looks at all of its members
def _is_parsed(kind: Hashable) -> bool:
    return isinstance(kind, type) and isinstance(kind, Parsed)


def _below(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


@functools.cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _reads_as(kind: Any, text: str) -> bool:
    """Whether a string would have the right type without quotes."""
    try:
        plain = json.loads(text)
    except ValueError:
        return False
    return type(plain) in (get_args(kind) or (kind,))


def _described(kind: Any) -> str:
    """A type in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        parts = [_described(None if one is type(None) else one) for one in arguments]
        words = [word for part in parts for word in part.split(" or ")]
        return f"{', '.join(words[:-1])} or {words[-1]}"
    if origin is tuple:
        return "a list" if arguments[-1] is Ellipsis else f"a list of {len(arguments)}"
    if origin is Mapping:
        return "a mapping"
    if _is_parsed(kind):
        return str(kind.described)
    if is_dataclass(kind):
        return f"a mapping with the keys {', '.join(spelt(one) for one in fields(kind) if one.init)}"
    return _WORDS.get(kind, str(kind))


def _is_broken(text: str) -> bool:
    """Whether a string contains a lone surrogate, from an escape in JSON or YAML, which cannot be encoded."""
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


def _quoted(data: Any) -> str:
    try:
        text = repr(data)
    except ValueError:  # Python does not print integers of more than 4,300 digits
        text = f"a {type(data).__name__} that is too long to print"
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"
