"""Sources that come in several downloads, of which a folder may lack some: a part's table, a table of further facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from med_mat.raw.folder import RawFolder
from med_mat.raw.shapes import listed
from med_mat.raw.tables import Row

_Patterns = str | Sequence[str]


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
