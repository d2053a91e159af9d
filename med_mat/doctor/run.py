"""The look at a folder, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from med_mat.catalog import Catalog
from med_mat.doctor import others
from med_mat.doctor.finding import Finding
from med_mat.doctor.nearly import empty, nearly
from med_mat.doctor.packed import packed
from med_mat.doctor.visit import Visit
from med_mat.doctor.whole import recognize, together
from med_mat.errors import FolderNotFoundError
from med_mat.layouts.archives import is_archive
from med_mat.raw.folder import RawFolder, is_hidden
from med_mat.storage.raw_files import read_indexes


def diagnose(
    folder: Path | str, catalog: Catalog, *, against: Path | None = None, tables: bool = True, follow: bool = True
) -> tuple[Finding, ...]:
    """Name the sources that lie below a folder, and what keeps each from being built. One scan.

    Args:
        folder: any folder, or an archive.
        catalog: the sources to look for.
        against: a Med-MAT, or index files of one, to compare with; else those that lie in the folder itself.
        tables: read label tables to count images and find those that are missing; else only names are looked at.
        follow: whether links to files may lead out of the folder. Links to folders are named, not followed.

    Raises:
        LayoutError: there is no such folder.
        ReadError: ``against`` is no index.
    """
    top = Path(folder).absolute()
    if is_archive(top.name) and top.is_file():
        return tuple(packed(Visit(RawFolder(top.parent), [top.name], catalog, {}, tables)))
    if not top.is_dir():
        raise FolderNotFoundError(f"{top} is not a folder. Name the folder in which the raw data lie.")
    raw = RawFolder(top, follow=follow)
    paths = sorted(path for path in raw.files if not is_hidden(path))
    return tuple(_findings(Visit(raw, paths, catalog, read_indexes(against) if against else {}, tables)))


def _findings(visit: Visit) -> Iterator[Finding]:
    """Everything, sources first."""
    builds = list(others.builds(visit))
    recognize(visit)
    nearly(visit)
    archives = list(packed(visit))
    order = {name: number for number, name in enumerate(visit.catalog)}
    yield from sorted(
        together(visit, (one for one in visit.findings() if one.state != "build")),
        key=lambda one: (order.get(one.source, len(order)), one.where),
    )
    yield from empty(visit)
    yield from archives
    yield from builds
    yield from others.turned_down(visit)
    yield from others.unknown(visit)
