"""Reads the entries of a JSON annotation file as dataclasses; a bad entry affects only its own image."""

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
    """The elements of a list in a JSON file, in order.

    An element that cannot be read as ``kind`` is left out and noted in ``faults``, and its image is skipped with that
    reason. Keys that ``kind`` does not have are ignored.

    Args:
        raw: The source's folder.
        path: The file.
        kind: A dataclass whose fields are the required keys, as for :func:`med_mat.strict.read`.
        below: Keys that lead to the list in the file; () if the file is the list.
        name: Key under which an element names its image; "" if elements name none.
        images: Name -> path of the images that may be skipped.

    Raises:
        LayoutError: The file does not exist.
        ReadError: The file is not JSON, has no such list, or none of its elements can be read. The message names the
            file.
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
    """Like :func:`entries`, for a file that contains an object: name -> element."""
    content = raw.json(path)
    if not isinstance(content, dict):
        raise _wrong(raw, path, (), "an object", content)
    read = zip(content, _read(raw, path, kind, content.items()), strict=True)
    return {name: found for name, (_, _, found) in read if found is not None}


def _read(
    raw: RawFolder, path: PurePosixPath | str, kind: type[T], content: Iterable[tuple[int | str, Any]]
) -> Iterator[tuple[str, Any, T | None]]:
    """The location of each element, the element, and what it was read as: None if it cannot be read as ``kind``."""
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
        f"{raw.root / path}{place and f', {place},'} must be {wanted}, not {repr(found)[:80]}. Download it again."
    )
