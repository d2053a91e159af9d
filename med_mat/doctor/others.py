"""What is no source: what a build wrote, links, folders that cannot be opened, and what nobody knows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from posixpath import splitext

from med_mat.doctor import steps
from med_mat.doctor.finding import Finding
from med_mat.doctor.visit import Visit
from med_mat.errors import ReadError
from med_mat.layouts.archives import is_archive
from med_mat.layouts.listing import Parts, Tree
from med_mat.layouts.matching import branches, fits
from med_mat.storage.location import MANIFEST
from med_mat.storage.raw_files import FOLDER, read_indexes


def builds(visit: Visit) -> Iterator[Finding]:
    """What ``med-mat build`` wrote; its indexes say what the raw files were."""
    for parts in visit.folders():
        listing = visit.tree[parts]
        finished = MANIFEST in listing.files
        if not finished and "/".join((*parts, ".build", "lock")) not in visit.raw.files:
            continue
        where = visit.place(parts)
        notes = [] if finished else ["it is unfinished: run its build again"]
        if FOLDER in listing.folders:
            try:
                visit.indexes = read_indexes(where) | visit.indexes
            except ReadError as error:
                notes.append(str(error))
        finding = Finding("build", str(where), complete=not notes, notes=tuple(notes))
        visit.claim(parts, finding)
        yield finding


def turned_down(visit: Visit) -> Iterator[Finding]:
    """Links to folders and folders that cannot be opened."""
    for path, reason in visit.raw.skipped.items():
        full = str(visit.top if path == "." else visit.top / path)
        if reason.startswith("the folder cannot be opened"):
            reachable = os.path.isdir(full)  # noqa: PTH112 - a Path raises where the name is too long
            yield Finding("unreadable", full, notes=(reason,), steps=(steps.let_in(Path(full)),) if reachable else ())
        elif "link" in reason and os.path.isdir(full):  # noqa: PTH112 - a Path would follow it just as well
            yield Finding("link", full, complete=True, steps=(steps.doctor(os.path.realpath(full)),))


def unknown(visit: Visit, parts: Parts = ()) -> Iterator[Finding]:
    """The folders in which nothing was found, each as high up as it goes."""
    if visit.claimed.get(parts) or parts in visit.closed:
        return
    told = visit.claimed.keys() | visit.packed
    if parts and not any(place[: len(parts)] == parts for place in told):
        yield _nothing(visit, parts)
        return
    listing = visit.tree[parts]
    for name in listing.folders:
        yield from unknown(visit, (*parts, name))
    if not parts and not all(is_archive(name) or visit.spells(name) for name in listing.files):
        yield _nothing(visit, ())


def _nothing(visit: Visit, parts: Parts) -> Finding:
    """What lies in a folder that is nothing known; of the top one only what lies loose."""
    start = len("".join(f"{part}/" for part in parts))
    inside = [path[start:] for path in visit.inside(parts) if parts or "/" not in path]
    suffixes = Counter(splitext(path)[1].lower() or "without suffix" for path in inside)
    kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common(4))
    notes = [f"{kinds}; it begins with {', '.join(inside[:3])}"]
    notes += [
        f"a part of {source.title} ({source.name}) that no row reads"
        for source in visit.catalog.values()
        if {branch[0] for one in source.layouts for pattern in one.beside for branch in branches(pattern)} & {*parts}
    ]
    higher = None if visit.claimed else _higher(visit)
    if higher:
        notes.append("this looks like the inside of a source")
    advice = (steps.doctor(higher),) if higher else ()
    return Finding("unknown", str(visit.place(parts)), files=len(inside), notes=tuple(notes), steps=advice)


def _higher(visit: Visit) -> Path | None:
    """A folder around the top one that fits a layout."""
    for parent in list(visit.top.parents)[:3]:
        tree = Tree(parent, sample=True)
        if parent != Path(parent.anchor) and any(
            fits(tree, (), one)
            for _, one in visit.candidates.at(tree, ())
            if not any("**" in pattern for pattern in (*one.files, *one.parts))
        ):
            return parent
    return None
