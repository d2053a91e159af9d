"""Reports everything that is not a source: build outputs, symlinks, unreadable folders, unknown content."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from posixpath import splitext

from med_mat.doctor import remedies
from med_mat.doctor.finding import Finding
from med_mat.doctor.scan import Scan
from med_mat.errors import ReadError
from med_mat.layouts.archives import is_archive
from med_mat.layouts.listing import Parts, Tree
from med_mat.layouts.matching import branches, fits
from med_mat.mounts.folder import mounted
from med_mat.storage.location import MANIFEST
from med_mat.storage.raw_files import FOLDER, read_indexes


def builds(scan: Scan) -> Iterator[Finding]:
    """Outputs of ``med-mat build``. Their indexes state which raw files they were built from."""
    for parts in scan.folders():
        listing = scan.tree[parts]
        finished = MANIFEST in listing.files
        if not finished and "/".join((*parts, ".build", "lock")) not in scan.raw.files:
            continue
        where = scan.place(parts)
        notes = [] if finished else ["it is unfinished: run its build again"]
        if FOLDER in listing.folders:
            try:
                scan.indexes = read_indexes(where) | scan.indexes
            except ReadError as error:
                notes.append(str(error))
        finding = Finding("build", str(where), complete=not notes, notes=tuple(notes))
        scan.claim(parts, finding)
        yield finding


def turned_down(scan: Scan) -> Iterator[Finding]:
    """Links to folders, and folders that cannot be opened."""
    for path, reason in scan.raw.skipped.items():
        full = str(scan.top if path == "." else scan.top / path)
        if reason.startswith("the folder cannot be opened"):
            reachable = os.path.isdir(full)  # noqa: PTH112 - a Path raises where the name is too long
            yield Finding(
                "unreadable", full, notes=(reason,), steps=(remedies.let_in(Path(full)),) if reachable else ()
            )
        elif "link" in reason and os.path.isdir(full):  # noqa: PTH112 - a Path would follow it just as well
            yield Finding("link", full, complete=True, steps=(remedies.doctor(os.path.realpath(full)),))


def unknown(scan: Scan, parts: Parts = ()) -> Iterator[Finding]:
    """The topmost folders in which nothing was found."""
    if scan.claimed.get(parts) or parts in scan.closed:
        return
    told = scan.claimed.keys() | scan.packed
    if parts and not any(place[: len(parts)] == parts for place in told):
        yield _nothing(scan, parts)
        return
    listing = scan.tree[parts]
    for name in listing.folders:
        yield from unknown(scan, (*parts, name))
    if not parts and not all(is_archive(name) or scan.spells(name) for name in listing.files):
        yield _nothing(scan, ())


def _nothing(scan: Scan, parts: Parts) -> Finding:
    """The content of an unknown folder; for the top folder, only its own files."""
    start = len("".join(f"{part}/" for part in parts))
    inside = [path[start:] for path in scan.inside(parts) if parts or "/" not in path]
    suffixes = Counter(splitext(path)[1].lower() or "without suffix" for path in inside)
    kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common(4))
    notes = [f"{kinds}; it begins with {', '.join(inside[:3])}"]
    notes += [
        f"a part of {source.title} ({source.name}) that no row reads"
        for source in scan.catalog.values()
        if {branch[0] for one in source.layouts for pattern in one.beside for branch in branches(pattern)} & {*parts}
    ]
    higher = None if scan.claimed else _higher(scan)
    if higher:
        notes.append("this looks like the inside of a source")
    advice = (remedies.doctor(higher),) if higher else ()
    return Finding("unknown", str(scan.place(parts)), files=len(inside), notes=tuple(notes), steps=advice)


def _higher(scan: Scan) -> Path | None:
    """A parent of the top folder that fits a layout."""
    for parent in list(scan.top.parents)[:3]:
        tree = Tree(mounted(parent), sample=True)
        if parent != Path(parent.anchor) and any(
            fits(tree, (), one)
            for _, one in scan.candidates.at(tree, ())
            if not any("**" in pattern for pattern in (*one.files, *one.parts))
        ):
            return parent
    return None
