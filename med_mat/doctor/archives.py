"""Archives: the sources that are read in place; of all others what they hold, by content or name, and what to do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from posixpath import basename, splitext
from typing import NamedTuple

from med_mat import limits
from med_mat.catalog import Download, Source
from med_mat.doctor import remedies
from med_mat.doctor.finding import Finding
from med_mat.doctor.partial import tells
from med_mat.doctor.recognized import examined
from med_mat.doctor.report import some
from med_mat.doctor.scan import Scan
from med_mat.hosts import hosts
from med_mat.layouts import packed
from med_mat.layouts.archives import Members, is_archive, members
from med_mat.layouts.listing import Parts, Tree, levels
from med_mat.layouts.locating import LEVELS
from med_mat.layouts.matching import matches
from med_mat.mounts.folder import mounted
from med_mat.raw.patterns import is_hidden
from med_mat.shell import counted


class _Archive(NamedTuple):
    name: str
    holds: Members
    variant: str  # the layout that its content fits; "" where it is identified by its name


def claim_packed(scan: Scan) -> None:
    """Claims the sources that a build reads in archives."""
    known = {one.source for one in scan.findings()}
    for group in packed.sources(scan.tree, scan.catalog, scan.closed, known, quiet=True):
        raw = group.raw
        inner = replace(scan, raw=raw, paths=sorted(path for path in raw.files if not is_hidden(path)), claimed={})
        finding = examined(inner, group.source, (), group.layout)
        names = [basename(name) for name in group.archives]
        notes = [f"read in place from {some(names)}", *finding.notes]
        if group.mount.copies:
            notes.append(
                f"a build makes a temporary copy of {limits.told(group.mount.copies)} of what cannot be sought in"
            )
        parts = tuple(group.archives[0].split("/"))
        scan.claim(parts, replace(finding, notes=tuple(notes)))
        scan.packed.add(parts[:-1])
        scan.read.update(group.archives)


def find_archives(scan: Scan) -> Iterator[Finding]:
    """The archives below a folder; several parts of one source are one finding."""
    together: dict[tuple[str, Parts], list[_Archive]] = {}
    for parts in list(scan.tree.listings):
        if any(one.state == "build" for n in range(len(parts) + 1) for one in scan.claimed.get(parts[:n], ())):
            continue
        for name in filter(is_archive, scan.tree[parts].files):
            scan.packed.add(parts)
            if "/".join((*parts, name)) in scan.read:
                continue
            holds = members(scan.place(parts) / name)
            sources, variant = _sources(scan, name, holds)
            if len(sources) == 1:
                together.setdefault((sources[0], parts), []).append(_Archive(name, holds, variant))
            else:
                yield _loose(scan, parts, name, holds, sources)
    for (source_name, parts), archives in together.items():
        yield _of_source(scan, scan.catalog[source_name], parts, archives)


def _sources(scan: Scan, name: str, holds: Members) -> tuple[list[str], str]:
    """The sources that an archive may hold, by its content, else by its name; and the layout that fits."""
    inner = scan.listed(mounted("/"), [one for one in holds.names if not is_hidden(one)])
    for level in levels(inner, LEVELS):
        for parts in level:
            chosen = scan.candidates.best(inner, parts)
            if chosen:
                return sorted(chosen), next(iter(chosen.values())).variant
    wanted = _plain(name)
    named = [source for source in scan.catalog.values() if wanted in map(_plain, _arriving(*source.downloads))]
    if len(named) > 1 and holds.names and holds.whole:  # tells apart the many files called archive.zip
        named = [source for source in named if _partly(source, inner)]
    return [source.name for source in named], ""


def _partly(source: Source, inner: Tree) -> bool:
    """Whether an archive holds something that identifies a source."""
    patterns = {pattern for one in source.layouts for pattern in (*one.files, *one.parts) if tells(pattern)}
    return any(
        matches(inner, parts, pattern)
        for level in levels(inner, LEVELS)
        for parts in level[:200]
        for pattern in patterns
    )


def _loose(scan: Scan, parts: Parts, name: str, holds: Members, sources: Sequence[str]) -> Finding:
    """The finding on an archive that is unknown or ambiguous."""
    notes = [text for text in (holds.fault, holds.note) if text]
    if sources:
        notes.append(f"by its name it may be {some(sources)}")
    elif holds.names:
        notes.append(f"it holds {counted(len(holds.names), 'file')}, no layout that is known: {some(holds.names)}")
    return Finding("unknown", str(scan.place(parts) / name), notes=tuple(notes), files=len(holds.names))


def _of_source(scan: Scan, source: Source, parts: Parts, archives: Sequence[_Archive]) -> Finding:
    """The finding on the archives of one source in one folder."""
    here = scan.place(parts)
    notes, advice = [], []
    target = _target(scan, source, parts)
    if len(archives) > 1:
        notes.append(f"{len(archives)} archives: {some([one.name for one in archives])}")
    for one in archives:
        notes += [f"{one.name}: {text}" for text in (one.holds.fault, one.holds.note) if text]
        advice += [] if one.holds.fault else [remedies.unpack(here / one.name, target)]
    size, free = sum(one.holds.size for one in archives), shutil.disk_usage(scan.top).free
    if size > free:
        notes.append(f"unpacked it takes {size:,} bytes, and {free:,} are free")
    variant = next((one.variant for one in archives if one.variant), "")
    missing = [] if variant else _missing(source, scan.tree[parts].files, archives)
    done = scan.found(source.name)
    if done:
        notes.append(f"{done.where} holds the source already")
        missing, advice = [], []
    elif advice:
        advice += remedies.build(source, target) or [remedies.show(source)]
    return Finding(
        "archive", str(here / archives[0].name if len(archives) == 1 else here), source.name, source.title, variant,
        done is not None, sum(len(one.holds.names) for one in archives),
        missing=tuple(missing), notes=tuple(notes), steps=tuple(advice),
    )  # fmt: skip


def _target(scan: Scan, source: Source, parts: Parts) -> Path:
    """Where to unpack: the folder itself if it was made for the source, else ``top/<source>``."""
    claimed = scan.claimed.get(parts)
    meant = not claimed or any(one.source == source.name and one.state == "partial" for one in claimed)
    return scan.place(parts) if parts and meant else scan.top / source.name


def _missing(source: Source, files: Sequence[str], archives: Sequence[_Archive]) -> list[str]:
    """Files that the best matching download has besides, neither packed nor unpacked in the folder."""
    names = [_plain(one.name) for one in archives]
    way = max(source.downloads, key=lambda way: len(set(names) & set(map(_plain, _arriving(way)))))
    there = {_plain(name) for name in files}
    return [name for name in way.files if _plain(name) not in there and _plain(splitext(name)[0]) not in there]


def _arriving(*ways: Download) -> Iterator[str]:
    """The archives among the files of downloads, also under the names that a site's client gives them."""
    for way in ways:
        yield from filter(is_archive, way.files)
        yield from hosts()[way.kind].archives(way.at)


def _plain(name: str) -> str:
    """A file name in lower case, without the number that a browser adds to the second download."""
    return re.sub(r" ?\(\d+\)(?=\.[a-z0-9.]+$)", "", basename(name).lower())
