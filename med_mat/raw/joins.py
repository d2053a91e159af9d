"""Joins images with their annotations: rows of tables, facts by name, masks by name.

Nothing without a partner is lost: an image that no row names is skipped, an image that is not there is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TypeVar

from med_mat.example import Split
from med_mat.raw.folder import RawFolder
from med_mat.raw.names import aligned, folded, natural, respelled
from med_mat.raw.tables import Row

T = TypeVar("T")
_Patterns = str | Sequence[str]


def listed(
    raw: RawFolder,
    table: PurePosixPath | str,
    images: Mapping[str, PurePosixPath],
    name: str | Callable[[Mapping[str, str]], str],
    *,
    columns: Sequence[str] = (),
    delimiter: str | None = None,
) -> Iterator[tuple[Row, PurePosixPath]]:
    """The rows of a table, each with the image that it names.

    Names that differ in case or normal form alone are one, where no other is like them. A row whose image is not in
    the folder is noted as missing, an image that no row names is skipped with that reason.

    Args:
        raw: the folder of the source.
        table: the file of the table.
        images: name -> path, as :meth:`RawFolder.by_stem` and :meth:`RawFolder.by_name` give them.
        name: the column that names the image, or what makes the name from a row.
        columns: further columns that must be there.
        delimiter: what separates cells; found out where None.
    """
    left = dict(images)
    for key, row in _keyed(raw, table, images, name, columns, delimiter):
        left.pop(key, None)
        yield row, images[key]
    skip_unlisted(raw, left, f"{PurePosixPath(table).name} does not list it{_in_bad_rows(raw, table)}")


def listed_parts(
    raw: RawFolder,
    tables: Mapping[str, Split],
    images: Mapping[str, PurePosixPath],
    name: str | Callable[[Mapping[str, str]], str],
    *,
    columns: Sequence[str] = (),
    delimiter: str | None = None,
) -> Iterator[tuple[Row, PurePosixPath, Split]]:
    """As :func:`listed`, where all images lie in one place and each part of the split has a table of its own.

    Args:
        raw: the folder of the source.
        tables: pattern of a table -> the part that it lists; a pattern that matches nothing is passed over.
        images: as for :func:`listed`.
        name: as for :func:`listed`.
        columns: as for :func:`listed`.
        delimiter: as for :func:`listed`.
    """
    left = dict(images)
    found = [(table, split) for pattern, split in tables.items() for table in raw.glob(pattern)]
    for table, split in found:
        for key, row in _keyed(raw, table, images, name, columns, delimiter):
            left.pop(key, None)
            yield row, images[key], split
    bad = "".join(_in_bad_rows(raw, table) for table, _ in found)
    skip_unlisted(raw, left, f"none of {', '.join(table.name for table, _ in found) or 'the tables'} lists it{bad}")


def _in_bad_rows(raw: RawFolder, table: PurePosixPath | str) -> str:
    """A note for the case that an image is named in a row that could not be read."""
    bad = [where for where in raw.faults if where.startswith(f"{PurePosixPath(table).name}, ")]
    return f", but in a row that cannot be read, if at all ({bad[0]})" if bad else ""


def _keyed(
    raw: RawFolder,
    table: PurePosixPath | str,
    images: Mapping[str, PurePosixPath],
    name: str | Callable[[Mapping[str, str]], str],
    columns: Sequence[str],
    delimiter: str | None,
) -> Iterator[tuple[str, Row]]:
    """The rows of a table whose image is there, each with the name of the image."""
    needed = [name, *columns] if isinstance(name, str) else list(columns)

    def named() -> Iterator[tuple[str, Row]]:
        for row in raw.table(table, columns=needed, delimiter=delimiter):
            yield row[name] if isinstance(name, str) else name(row), row

    meant: dict[str, str] | None = None
    for key, row in named():
        if key not in images:
            if meant is None:  # seldom: a table is read twice only where the folder lacks a name as it is spelled
                meant = respelled((one for one, _ in named()), images)
            key = meant.get(key, key)
        if key in images:
            yield key, row
        else:
            raw.miss(key, str(table))


def listed_or_skipped(
    raw: RawFolder,
    table: _Patterns,
    images: Mapping[str, PurePosixPath],
    name: str | Callable[[Mapping[str, str]], str],
    *,
    columns: Sequence[str] = (),
) -> Iterator[tuple[Row, PurePosixPath]]:
    """The rows of the table of one part, each with its image, as :func:`listed`; a part need not have been downloaded.

    Without images nothing is missing. Without the table the images are skipped with that reason.

    Args:
        raw: the folder of the source.
        table: pattern of the file of the table; the first that matches counts.
        images: name -> path.
        name: the column that names the image, or what makes the name from a row.
        columns: further columns that must be there.
    """
    found = raw.first(table)
    if found is not None and images:
        yield from listed(raw, found, images, name, columns=columns)
    elif found is None:
        wanted = PurePosixPath(table if isinstance(table, str) else table[0]).name
        for image in images.values():
            raw.skip(image, f"{wanted}, which holds its label, is not in the folder")


def lookup(raw: RawFolder, table: _Patterns, key: str, value: str) -> dict[str, str]:
    """The cells of column ``value`` by those of column ``key``, blank ones left out; empty where there is no table."""
    found = raw.first(table)
    if found is None:
        return {}
    return {row[key]: row[value] for row in raw.table(found, columns=[key, value]) if row[value]}


def matched(
    raw: RawFolder, where: PurePosixPath | str, facts: Iterable[tuple[str, T]], images: Mapping[str, PurePosixPath]
) -> Iterator[tuple[T, PurePosixPath]]:
    """Pairs each fact of an annotation file with the image that it names, in the file's order.

    Names that differ in case or normal form alone are one, where no other is like them. A name without an image is
    noted as missing, an image that no fact names is skipped with that reason. An image that was skipped while its facts
    were read, for one of them, is left out.

    Args:
        raw: the folder of the source.
        where: the annotation file.
        facts: pairs of an image's name and its annotation.
        images: name -> path, as :meth:`RawFolder.by_stem` and :meth:`RawFolder.by_name` give them.
    """
    left, stated = dict(images), list(facts)
    meant = respelled((name for name, _ in stated), images)
    for name, fact in stated:
        key = meant.get(name)
        if key is None:
            raw.miss(name, str(where))
            continue
        left.pop(key, None)
        if not raw.is_skipped(images[key]):
            yield fact, images[key]
    skip_unlisted(raw, left, f"{PurePosixPath(where).name} does not list it")


def skip_unlisted(raw: RawFolder, images: Mapping[str, PurePosixPath], reason: str) -> None:
    """Skips images that no annotation names, and says so where a name differs in case alone."""
    missed = {folded(name) for name in raw.missing} if images else set()
    for name, image in images.items():
        unsure = "; a name that differs in case is listed, and of several which are alike none is guessed"
        raw.skip(image, reason + unsure if folded(name) in missed else reason)


def paired(
    raw: RawFolder, images: Mapping[str, PurePosixPath], masks: Mapping[str, PurePosixPath]
) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Each image with the mask of its name, by names in which numbers count as such.

    Names that differ in case or normal form alone are one, where no other is like them. An image without a mask and a
    mask without an image are skipped with that reason.

    Args:
        raw: the folder of the source.
        images: name -> path, as :meth:`RawFolder.by_stem` and :meth:`RawFolder.by_name` give them.
        masks: the same for the masks, whose names must be made those of the images.
    """
    masks = aligned(masks, images)
    for name in sorted(images, key=natural):
        if name in masks:
            yield images[name], masks[name]
        else:
            raw.skip(images[name], "there is no mask of its name")
    for name, mask in masks.items():
        if name not in images:
            raw.skip(mask, "a mask of which there is no image")
