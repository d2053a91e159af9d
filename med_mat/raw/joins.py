"""Joins images with their annotations: table rows, annotations by name, masks by name.

Nothing is dropped silently: an image without a row is noted as skipped, a row without an image as missing.
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
    """Yields the rows of a table, each with the image that it names.

    Names match across case and normal form if the match is unambiguous. A row whose image is not in the folder is
    noted as missing; an image that no row names is skipped with that reason.

    Args:
        raw: The source's folder.
        table: The table file.
        images: Name -> path, as returned by :meth:`RawFolder.by_stem` and :meth:`RawFolder.by_name`.
        name: The column that names the image, or a function that returns the name for a row.
        columns: Further required columns.
        delimiter: Cell separator; None: detected.
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
    """Like :func:`listed`, if all images are in one place and each part of the split has its own table.

    Args:
        raw: The source's folder.
        tables: Pattern of a table file -> the part that it lists; a pattern without a match is ignored.
        images: As for :func:`listed`.
        name: As for :func:`listed`.
        columns: As for :func:`listed`.
        delimiter: As for :func:`listed`.
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
    """A note that an unmatched image may be named in a row that could not be read."""
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
    """The rows of a table whose image exists, each with the image's name."""
    needed = [name, *columns] if isinstance(name, str) else list(columns)

    def named() -> Iterator[tuple[str, Row]]:
        for row in raw.table(table, columns=needed, delimiter=delimiter):
            yield row[name] if isinstance(name, str) else name(row), row

    meant: dict[str, str] | None = None
    for key, row in named():
        if key not in images:
            if meant is None:  # rare: a table is read twice only if the folder lacks a name in its exact spelling
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
    """Like :func:`listed`, for the table of one part of a source that need not have been downloaded.

    If there are no images, nothing is noted as missing. Without the table, the images are skipped with that reason.

    Args:
        raw: The source's folder.
        table: Pattern of the table file; the first match is used.
        images: Name -> path.
        name: The column that names the image, or a function that returns the name for a row.
        columns: Further required columns.
    """
    found = raw.first(table)
    if found is not None and images:
        yield from listed(raw, found, images, name, columns=columns)
    elif found is None:
        wanted = PurePosixPath(table if isinstance(table, str) else table[0]).name
        for image in images.values():
            raw.skip(image, f"{wanted}, which holds its label, is not in the folder")


def lookup(raw: RawFolder, table: _Patterns, key: str, value: str) -> dict[str, str]:
    """Maps cells of column ``key`` to those of column ``value``, without blank cells; empty if there is no table."""
    found = raw.first(table)
    if found is None:
        return {}
    return {row[key]: row[value] for row in raw.table(found, columns=[key, value]) if row[value]}


def matched(
    raw: RawFolder, where: PurePosixPath | str, facts: Iterable[tuple[str, T]], images: Mapping[str, PurePosixPath]
) -> Iterator[tuple[T, PurePosixPath]]:
    """Pairs each annotation of a file with the image that it names, in the file's order.

    Names match across case and normal form if the match is unambiguous. A name without an image is noted as missing; an
    image without an annotation is skipped with that reason. An image that was already skipped while its annotations
    were read is left out.

    Args:
        raw: The source's folder.
        where: The annotation file.
        facts: Pairs of an image's name and its annotation.
        images: Name -> path, as returned by :meth:`RawFolder.by_stem` and :meth:`RawFolder.by_name`.
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
    """Skips images without an annotation; the reason says if a name differs only in case."""
    missed = {folded(name) for name in raw.missing} if images else set()
    for name, image in images.items():
        unsure = "; a name that differs in case is listed, and of several which are alike none is guessed"
        raw.skip(image, reason + unsure if folded(name) in missed else reason)


def paired(
    raw: RawFolder, images: Mapping[str, PurePosixPath], masks: Mapping[str, PurePosixPath]
) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Pairs each image with the mask of the same name, in natural sort order.

    Names match across case and normal form if the match is unambiguous. Images without a mask and masks without an
    image are skipped with that reason.

    Args:
        raw: The source's folder.
        images: Name -> path, as returned by :meth:`RawFolder.by_stem` and :meth:`RawFolder.by_name`.
        masks: The same for the masks, under the names of their images.
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
