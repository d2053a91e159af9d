"""The diagnosis of a folder, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from med_mat.catalog import Catalog
from med_mat.doctor import not_sources
from med_mat.doctor.archives import claim_packed, find_archives
from med_mat.doctor.finding import Finding
from med_mat.doctor.partial import claim_partial, empty_folders
from med_mat.doctor.recognized import claim_recognized, merge_copies
from med_mat.doctor.scan import Scan
from med_mat.errors import FolderNotFoundError
from med_mat.layouts.archives import is_archive
from med_mat.mounts.choice import Place, mount_of
from med_mat.mounts.urls import URLPath, is_url
from med_mat.raw.folder import RawFolder
from med_mat.raw.patterns import is_hidden
from med_mat.storage.raw_files import read_indexes


def diagnose(
    folder: Place | str, catalog: Catalog, *, against: Path | None = None, tables: bool = True, follow: bool = True
) -> tuple[Finding, ...]:
    """Lists the sources below a folder, and what keeps each from being built. Scans the folder once.

    Args:
        folder: any folder, or an archive, or its address.
        catalog: the sources to look for.
        against: a Med-MAT, or its index files, to compare with; else those in the folder itself.
        tables: read label tables to count images and to find missing ones; else use file names alone.
        follow: whether links to files may lead out of the folder. Links to folders are reported, not followed.

    Raises:
        LayoutError: there is no such folder.
        RemoteError: the address cannot be read.
        ReadError: ``against`` is no index.
    """
    if isinstance(folder, URLPath) or is_url(folder):
        raw = RawFolder(mount_of(folder))
        paths = sorted(path for path in raw.files if not is_hidden(path))
        scan = Scan(raw, paths, catalog, read_indexes(against) if against else {}, tables)
        return tuple(_findings_there(scan))
    top = Path(folder).absolute()
    if is_archive(top.name) and top.is_file():
        scan = Scan(RawFolder(top.parent), [top.name], catalog, read_indexes(against) if against else {}, tables)
        claim_packed(scan)
        return (*scan.findings(), *find_archives(scan))
    if not top.is_dir():
        raise FolderNotFoundError(f"{top} is not a folder. Name the folder in which the raw data lie.")
    raw = RawFolder(top, follow=follow)
    paths = sorted(path for path in raw.files if not is_hidden(path))
    return tuple(_findings(Scan(raw, paths, catalog, read_indexes(against) if against else {}, tables)))


def _findings(scan: Scan) -> Iterator[Finding]:
    """All findings, sources first."""
    builds = list(not_sources.builds(scan))
    claim_recognized(scan)
    claim_packed(scan)
    claim_partial(scan)
    archives = list(find_archives(scan))
    order = {name: number for number, name in enumerate(scan.catalog)}
    yield from sorted(
        merge_copies(scan, (one for one in scan.findings() if one.state != "build")),
        key=lambda one: (order.get(one.source, len(order)), one.where),
    )
    yield from empty_folders(scan)
    yield from archives
    yield from builds
    yield from not_sources.turned_down(scan)
    yield from not_sources.unknown(scan)


def _findings_there(scan: Scan) -> Iterator[Finding]:
    """All findings behind an address: nothing is moved or unpacked there, so only commands of Med-MAT are suggested."""
    claim_recognized(scan)
    claim_packed(scan)
    claim_partial(scan)
    for one in (*merge_copies(scan, scan.findings()), *not_sources.unknown(scan)):
        yield replace(
            one, steps=tuple(step for step in one.steps if step.startswith(("med-mat build", "med-mat show")))
        )
