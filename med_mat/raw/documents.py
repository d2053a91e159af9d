"""The entries of a JSON annotation file, each read as a dataclass; a bad entry costs only its own image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, TypeVar

from med_mat import strict
from med_mat.errors import ReadError
from med_mat.raw.folder import RawFolder

T = TypeVar("T")


def entries(
    raw: RawFolder,
    path: PurePosixPath | str,
    kind: type[T],
    *below: str | int,
    name: str = "",
    images: Mapping[str, PurePosixPath] = MappingProxyType({}),
) -> Iterator[T]:
    """The elements of the list that a JSON file holds, in its order.

    An element that is not of the kind is left out and noted in ``faults``, and its image is skipped for it; keys that
    the kind does not have are passed over.

    Args:
        raw: the folder of the source.
        path: the file.
        kind: a dataclass whose fields are the keys that are needed, as for :func:`med_mat.strict.read`.
        below: where in the file the list stands, key by key; () where the file is the list.
        name: the key under which an element names its image; "" where none does.
        images: name -> path, of those that may be skipped.

    Raises:
        LayoutError: there is no such file.
        ReadError: it is no JSON, has no such list, or none of its elements can be read. Names the file.
    """
    content = _below(raw, path, below)
    if not isinstance(content, list):
        raise _wrong(raw, path, below, "a list", content)
    for where, one, found in _read(raw, path, kind, enumerate(content, 1)):
        if found is not None:
            yield found
        elif isinstance(one, dict) and isinstance(named := one.get(name), str) and named in images:
            raw.skip(images[named], f"{where}: {raw.faults[where]}")


def named_entries(raw: RawFolder, path: PurePosixPath | str, kind: type[T]) -> dict[str, T]:
    """As :func:`entries`, of a file that holds an object: name -> element."""
    content = raw.json(path)
    if not isinstance(content, dict):
        raise _wrong(raw, path, (), "an object", content)
    read = zip(content, _read(raw, path, kind, content.items()), strict=True)
    return {name: found for name, (_, _, found) in read if found is not None}


def _read(
    raw: RawFolder, path: PurePosixPath | str, kind: type[T], content: Iterable[tuple[int | str, Any]]
) -> Iterator[tuple[str, Any, T | None]]:
    """Where each element stands, the element, and what it is read as: None where it is not of the kind."""
    sound, fault = False, ""
    for name, one in content:
        where = f"{PurePosixPath(path).name}, entry {name if isinstance(name, int) else repr(name)[:80]}"
        found: T | None = None
        try:
            found = strict.read(kind, one, where, error=ReadError, newer=True)
        except ReadError as error:
            fault = str(error)
            raw.faults.setdefault(where, fault.removeprefix(where).lstrip(": "))
        sound = sound or found is not None
        yield where, one, found
    if fault and not sound:
        raise ReadError(f"{raw.root / path}: none of its entries can be read. {fault} Download it again.")


def _below(raw: RawFolder, path: PurePosixPath | str, below: tuple[str | int, ...]) -> Any:
    content = raw.json(path)
    for depth, key in enumerate(below):
        try:
            content = content[key]
        except (LookupError, TypeError):
            wanted = f"an object with the key {key!r}" if isinstance(key, str) else "a list"
            raise _wrong(raw, path, below[:depth], wanted, content) from None
    return content


def _wrong(raw: RawFolder, path: PurePosixPath | str, at: tuple[str | int, ...], wanted: str, found: Any) -> ReadError:
    place = "".join(f"[{key!r}]" for key in at)
    return ReadError(
        f"{raw.root / path}{place and f', {place},'} is to be {wanted}, and is {repr(found)[:80]}. Download it again."
    )
