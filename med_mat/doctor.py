"""What lies in a folder: which sources, where, what of them is missing, and the step that helps. Nothing is changed."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from med_mat.build.files import FOLDER, FileIndex, read_indexes
from med_mat.build.ledger import is_miniature
from med_mat.build.run import has_loader, loader_of
from med_mat.catalog import Catalog, Download, Layout, Source
from med_mat.errors import LayoutError, MedMATError, ReadError
from med_mat.example import Frame, Slice
from med_mat.location import MANIFEST
from med_mat.raw import layout as known
from med_mat.raw.folder import IMAGE_SUFFIXES, RawFolder, is_hidden, matcher
from med_mat.raw.members import Members, is_archive, members
from med_mat.shell import printable, quote
from med_mat.validate import differences, scanned

State = Literal["found", "nearly", "archive", "unclear", "build", "link", "unreadable", "unknown"]
_Parts = tuple[str, ...]

DEPTH = 8  # how far below the folder to look
LOADED_FILES = 300_000  # a loader reads the tables of a source of at most so many files
_FOLDERS = 20_000  # of so many folders is it asked what they nearly are
_SHOWN = 3
#: Words that many datasets use, which therefore tell nothing.
_COMMON = re.compile(
    r"(train|test|val|valid|validation|images?|masks?|labels?|data|files|annotations?|normal|original|groundtruth"
    r"|csv|json|txt|xml|xlsx|png|jpe?g|tiff?|bmp|dcm|dicom|[^a-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: a source, or what is none."""

    state: State
    where: str
    source: str = ""  # "" where it is none, or may be several
    title: str = ""
    variant: str = ""  # of the layout of the card
    complete: bool = False
    files: int = 0
    images: int | None = None
    expected: int | None = None  # images, by the card
    missing: tuple[str, ...] = ()  # files, or patterns of the layout
    extra: tuple[str, ...] = ()  # against the index of an earlier build
    altered: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()  # commands, or what to do


def diagnose(
    folder: Path | str, catalog: Catalog, *, against: Path | None = None, tables: bool = True
) -> tuple[Finding, ...]:
    """Name the sources that lie below a folder, and what keeps each from being built. One scan; links are not followed.

    Args:
        folder: any folder.
        catalog: the sources to look for.
        against: a Med-MAT, or index files of one, to compare with; else those that lie in the folder itself.
        tables: read label tables to count images and find those that are missing; else only names are looked at.

    Raises:
        LayoutError: there is no such folder.
        ReadError: ``against`` is no index.
    """
    top = Path(folder).absolute()
    if is_archive(top.name) and top.is_file():
        found = _Visit(top.parent, catalog, {}, tables).archives([()], only=top.name)
        return tuple(found)
    if not top.is_dir():
        raise LayoutError(f"{top} is not a folder. Name the folder in which the raw data lie.")
    return tuple(_Visit(top, catalog, read_indexes(against) if against else {}, tables).findings())


def healthy(findings: Sequence[Finding]) -> bool:
    """Whether something was found, and nothing of what was found is missing."""
    sources = [one for one in findings if one.state not in ("unknown", "build")]
    return bool(sources) and all(one.complete for one in sources)


def to_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """As plain data."""
    return [asdict(one) for one in findings]


def to_text(findings: Sequence[Finding]) -> str:
    """As lines for people."""
    lines: list[str] = []
    for one in findings:
        lines += [*_section(one), ""]
    sources = {one.source for one in findings if one.state == "found"}
    whole = {one.source for one in findings if one.state == "found" and one.complete}
    if not sources:
        lines.append("No source of Med-MAT lies here ready to be built.")
    else:
        lines.append(f"{_count(len(sources), 'source')} found, {len(whole)} of them complete.")
    return "\n".join(lines)


# ---- text


def _section(one: Finding) -> list[str]:
    words = {
        "found": "complete" if one.complete else "incomplete",
        "nearly": "nearly there",
        "archive": "unpacked already, the archive is still there" if one.complete else "not unpacked",
        "unclear": "may be any of several sources",
        "build": "a built Med-MAT",
        "link": "a link that leads out, not followed",
        "unreadable": "cannot be opened",
        "unknown": "nothing that is known",
    }
    name = f"{one.title} ({one.source})" if one.source else printable(one.where)
    lines = [f"{name}: {words[one.state]}"]
    if one.source:
        lines.append(f"  where    {printable(one.where)}" + (f"   (layout: {one.variant})" if one.variant else ""))
    if one.files:
        images = "" if one.images is None else f", {one.images:,} images"
        of = f" of {one.expected:,}" if one.images is not None and one.expected else ""
        lines.append(f"  files    {one.files:,}{images}{of}")
    for word, paths in (("missing", one.missing), ("altered", one.altered), ("extra", one.extra)):
        if paths:
            more = f" and {len(paths) - _SHOWN:,} more" if len(paths) > _SHOWN else ""
            lines.append(f"  {word:<8} {len(paths):,}: {', '.join(map(printable, paths[:_SHOWN]))}{more}")
    lines += [f"  note     {printable(note)}" for note in one.notes]
    lines += [f"  do       {step}" for step in one.steps]
    return lines


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


# ---- looking


class _Listed(known._Tree):
    """A tree of names that are known already: of a scan, or of an archive."""

    def _list(self, parts: _Parts) -> known._Listing:
        return known._Listing((), ())


def _tree(top: Path, paths: Sequence[str], spelled: frozenset[str] = frozenset()) -> _Listed:
    """The listings of all folders over these files; of many images in one folder a sample.

    Args:
        spelled: names, in lower case, that a layout spells out: always kept.
    """
    files: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        where, _, name = path.rpartition("/")
        files[where].append(name)
    folders: defaultdict[str, set[str]] = defaultdict(set)
    for where in list(files):
        while where and (parts := where.rpartition("/")):
            if parts[2] in folders[parts[0]]:
                break
            folders[parts[0]].add(parts[2])
            where = parts[0]
    tree = _Listed(top)
    for where in files.keys() | folders.keys():
        names = files.get(where, [])
        kept = known._sampled(names)
        if len(kept) < len(names):
            kept = sorted({*kept, *(name for name in names if name.lower() in spelled)})
        tree.listings[_parts(where)] = known._Listing(tuple(kept), tuple(sorted(folders.get(where, ()))))
    return tree


def _parts(where: str) -> _Parts:
    return tuple(where.split("/")) if where else ()


@dataclass
class _Visit:
    """One look at a folder."""

    top: Path
    catalog: Catalog
    indexes: dict[str, FileIndex]
    tables: bool
    claimed: dict[_Parts, list[Finding]] = field(default_factory=dict)
    closed: set[_Parts] = field(default_factory=set)  # below these nothing is looked for
    first: dict[str, _Parts] = field(default_factory=dict)  # source -> where it was found first

    def __post_init__(self) -> None:
        self.raw = RawFolder(self.top)
        heads = [
            branch
            for s in self.catalog.values()
            for one in s.layouts
            for p in one.files
            for branch in known._branches(p)
        ]
        self.spelled = frozenset(branch[-1].lower() for branch in heads if branch and known._literal(branch[-1]))
        self.candidates = known._Candidates.of(list(self.catalog.values()))

    def findings(self) -> Iterator[Finding]:
        """Everything, sources first."""
        self.paths = [path for path in self.raw.files if not is_hidden(path)]
        self.tree = _tree(self.top, self.paths, self.spelled)
        builds = list(self.builds())
        self.recognise()
        self.nearly()
        archives = list(self.archives(list(self.tree.listings)))
        yield from sorted(
            (one for found in self.claimed.values() for one in found if one.state != "build"),
            key=lambda one: (list(self.catalog).index(one.source) if one.source else len(self.catalog), one.where),
        )
        yield from archives
        yield from builds
        yield from self.turned_down()
        yield from self.unknown((), {*self.claimed, *map(self.holder, archives)})

    def holder(self, archive: Finding) -> _Parts:
        """The folder of an archive, or of several."""
        where = Path(archive.where).relative_to(self.top).parts
        return where[:-1] if where and where not in self.tree.listings else where

    def claim(self, parts: _Parts, finding: Finding) -> None:
        """Note what a folder is. What lies below it is its own, but for the top folder, which may hold others."""
        self.claimed.setdefault(parts, []).append(finding)
        if parts:
            self.closed.add(parts)

    # ---- built

    def builds(self) -> Iterator[Finding]:
        """What ``med-mat build`` wrote; its indexes say what the raw files were."""
        for parts in self.folders():
            listing = self.tree[parts]
            finished = MANIFEST in listing.files
            if not finished and "/".join((*parts, ".build", "lock")) not in self.raw.files:
                continue
            where = self.top.joinpath(*parts)
            notes = [] if finished else ["it is unfinished: run its build again"]
            if FOLDER in listing.folders:
                try:
                    self.indexes = read_indexes(where) | self.indexes
                except ReadError as error:
                    notes.append(str(error))
            finding = Finding("build", str(where), complete=not notes, notes=tuple(notes))
            self.claim(parts, finding)
            yield finding

    # ---- recognised by layout

    def recognise(self) -> None:
        """Claim the folders that fit a layout, the shallowest first; ``top/<source>`` before all."""
        named = {name.lower(): name for name in reversed(self.tree[()].folders)}
        for name, source in self.catalog.items():
            if name.lower() in named:
                self.own(source, (named[name.lower()],))
        for parts in self.folders():
            fitting = [
                (s, one) for s, one in self.candidates.at(self.tree, parts) if known._fits(self.tree, parts, one)
            ]
            best = max((known._weight(one) for _, one in fitting), default=0)
            chosen = {s.name: one for s, one in reversed(fitting) if known._weight(one) == best}
            if len(chosen) == 1:
                ((name, one),) = chosen.items()
                self.claim(parts, self.examine(self.catalog[name], parts, one.variant))
            elif chosen:
                where = str(self.top.joinpath(*parts))
                moves = [f"mv {quote(where)} {quote(str(self.top / name))}" for name in sorted(chosen)]
                note = f"it fits the layouts of {' and '.join(sorted(chosen))}: which one is it?"
                self.claim(parts, Finding("unclear", where, notes=(note,), steps=tuple(moves) if parts else ()))

    def own(self, source: Source, parts: _Parts) -> None:
        """The folder that is called as a source."""
        for at in self.folders(parts, known.LEVELS):
            for one in source.layouts:
                if known._fits(self.tree, at, one):
                    self.claim(at, self.examine(source, at, one.variant))
                    self.closed.add(parts)
                    return

    def folders(self, start: _Parts = (), depth: int = DEPTH) -> Iterator[_Parts]:
        """The folders from one down, level by level, without what lies below those that are closed by then."""
        level = [start]
        for _ in range(depth + 1):
            yield from (parts for parts in level if parts not in self.closed)
            level = [
                (*parts, name)
                for parts in level
                if parts not in self.closed
                for name in self.tree[parts].folders
                if (*parts, name) not in self.closed
            ]

    def examine(self, source: Source, parts: _Parts, variant: str) -> Finding:
        """A source whose layout fits: what of it is there."""
        where = self.top.joinpath(*parts)
        raw = self.raw.below("/".join(parts), variant)
        visible = [path for path in raw.files if not is_hidden(path)]
        images: int | None = sum(posixpath.splitext(path)[1].lower() in IMAGE_SUFFIXES for path in visible)
        expected = source.counts.get("images")
        expected = expected if isinstance(expected, int) else None
        synthetic = is_miniature(where)
        missing: dict[str, None] = {}
        notes: list[str] = []
        counted, stopped = False, False
        if not has_loader(source):
            notes.append("no loader reads it yet: images are counted by their names, masks among them")
        elif not self.tables or len(raw.files) > LOADED_FILES:
            notes.append("images are counted by their names, masks among them")
        else:
            images, counted, note = _loaded(source, raw, images)
            notes += [note] if note else []
            stopped = not counted
            missing |= dict.fromkeys(raw.missing)
        short = expected is not None and images is not None and images < expected
        # a count that is not certain is off by some, not by half
        sure = source.counts.get("certainty") == "high" or bool(expected and images and images < expected / 2)
        if synthetic:
            notes.append("a miniature: its images are synthetic, and far fewer")
            missing, short, expected = {}, False, None
        elif short:
            notes.append(f"the card counts {expected:,} images" + ("" if sure else ", which is not certain"))
        elif counted and expected is not None and images is not None and images > expected:
            notes.append(
                f"{images - expected:,} more images than the card counts: another edition, or files of your own?"
            )
        extra: tuple[str, ...] = ()
        altered: tuple[str, ...] = ()
        if source.name in self.indexes:
            index = self.indexes[source.name]
            found = differences(index.files, scanned(raw))
            used = set(index.files.filter(_not_skipped(index)).column("path").to_pylist())
            missing |= dict.fromkeys(path for path in found.missing if path in used)
            extra, altered = found.extra, found.altered
            unused = len(found.missing) - sum(path in used for path in found.missing)
            notes += [f"{unused:,} files that no record needs are no longer there"] if unused else []
            notes.append("compared with the index of an earlier build, by names and sizes")
        complete = not (missing or altered or stopped or (short and sure) or (counted and images == 0))
        other = self.first.setdefault(source.name, parts)
        if other != parts:
            notes.append(f"it also lies in {self.top.joinpath(*other)}: keep one of the two")
        steps = [] if complete else [f"med-mat show {source.name}"]
        if has_loader(source):
            steps.append(_build(source, where))
        if len(parts) > known.LEVELS + 1 and other == parts:
            notes.append("it lies too deep for --raw to find it")
            steps.insert(0, f"mv {quote(str(where))} {quote(str(self.top / source.name))}")
        return Finding(
            "found", str(where), source.name, source.title, variant, complete, len(visible), images, expected,
            tuple(missing), extra, altered, tuple(notes), tuple(steps),
        )  # fmt: skip

    # ---- nearly there

    def nearly(self) -> None:
        """Claim the folders that hold part of a layout."""
        heads: defaultdict[str, list[tuple[Source, Layout]]] = defaultdict(list)
        wild: defaultdict[str, list[tuple[Source, Layout]]] = defaultdict(list)
        for source in self.catalog.values():
            for one in source.layouts:
                for head in {branch[0] for pattern in one.files for branch in known._branches(pattern) if branch}:
                    (heads[head.lower()] if known._literal(head) else wild[head]).append((source, one))
        wild = defaultdict(list, {head: some for head, some in wild.items() if len(_told(head)) >= 3})
        any_wild = matcher(tuple(wild))
        own = {name.lower() for name in self.catalog}
        for parts in islice(self.folders(depth=DEPTH - 2), _FOLDERS):
            called = parts[-1].lower() if parts and parts[-1].lower() in own else ""
            if () in self.claimed and not called:
                continue  # the top folder is a source, and this is a part of it
            listing = self.tree[parts]
            tried = [pair for name in listing.lowered & heads.keys() for pair in heads[name]]
            if wild and any(any_wild(name) for name in (*listing.files, *listing.folders)):
                tried += [pair for some in wild.values() for pair in some]
            if called:
                tried += [(self.catalog[called], one) for one in self.catalog[called].layouts]
            best = self.best(parts, tried, called)
            if best:
                self.claim(parts, best)

    def best(self, parts: _Parts, tried: Sequence[tuple[Source, Layout]], called: str) -> Finding | None:
        """The layout of which most is there."""
        ranked: dict[tuple[bool, float, int], dict[str, tuple[Layout, list[str]]]] = {}
        for source, one in {(s.name, one.variant): (s, one) for s, one in tried}.values():
            lacks = [pattern for pattern in one.files if not known._matches(self.tree, parts, pattern)]
            have = [pattern for pattern in one.files if pattern not in lacks]
            told = sum(len(_told(pattern)) for pattern in have)
            share = known._weight(Layout("", tuple(have))) / max(known._weight(one), 1)
            own = source.name == called
            if own or (lacks and told >= 4 and share >= 0.3):
                ranked.setdefault((own, share, told), {}).setdefault(source.name, (one, lacks))
        if not ranked:
            return None
        chosen = ranked[max(ranked)]
        name = sorted(chosen)[0]
        one, lacks = chosen[name]
        source = self.catalog[name]
        where = self.top.joinpath(*parts)
        start = "".join(f"{part}/" for part in parts)
        at = bisect_left(self.paths, start)
        inside = self.paths[at : bisect_left(self.paths, start + chr(0x10FFFF))]
        notes = [f"it may be {' or '.join(sorted(chosen)[1:])} as well"] if len(chosen) > 1 else []
        steps = [step for pattern in lacks for step in self.misplaced(parts, pattern)]
        if steps:
            notes.append("what is missing lies one level off")
        elif len(lacks) == len(one.files):
            notes.append("the folder is called so, but nothing of the layout is in it")
        images = sum(posixpath.splitext(path)[1].lower() in IMAGE_SUFFIXES for path in inside)
        expected = source.counts.get("images")
        return Finding(
            "nearly", str(where), name, source.title, one.variant, False, len(inside), images,
            expected if isinstance(expected, int) else None, tuple(lacks), notes=tuple(notes),
            steps=(*dict.fromkeys(steps), f"med-mat show {name}"),
        )  # fmt: skip

    def misplaced(self, parts: _Parts, pattern: str) -> list[str]:
        """How to move what a pattern wants to where it wants it, where it lies one level too high or too low."""
        here = self.top.joinpath(*parts)
        for branch in known._branches(pattern):
            if len(branch) < 2 or not known._literal(branch[0]) or "**" in branch:
                continue
            head, rest = branch[0], branch[1:]
            if len(rest) == 1 and known._descends(self.tree, parts, rest):
                there = quote(str(here / head))
                return [
                    f"mkdir -p {there} && find {quote(str(here))} -maxdepth 1 -type f -iname {quote(rest[0])} "
                    f"-exec mv {{}} {there} \\;"
                ]
            for name in self.tree[parts].folders:
                below = (*parts, name)
                listing = self.tree[below]
                if name.lower() != head.lower() and known._descends(self.tree, below, branch):
                    inner = next(one for one in listing.folders if one.lower() == head.lower())
                    return [f"mv {quote(str(here / name / inner))} {quote(str(here))}"]
                deeper = [one for one in listing.folders if known._descends(self.tree, (*below, one), rest)]
                if name.lower() == head.lower() and deeper:
                    inside, place = quote(str(here / name / deeper[0])), quote(str(here / name))
                    return [f"find {inside} -mindepth 1 -maxdepth 1 -exec mv {{}} {place} \\;"]
        return []

    # ---- archives

    def archives(self, places: Sequence[_Parts], only: str = "") -> Iterator[Finding]:
        """The archives in these folders, together where they are parts of one source."""
        together: dict[tuple[str, _Parts], list[tuple[str, Members, str]]] = {}
        for parts in places:
            names = [only] if only else [name for name in self.tree[parts].files if is_archive(name)]
            for name in names if not any(self.built(parts[:n]) for n in range(len(parts) + 1)) else ():
                found = members(self.top.joinpath(*parts, name))
                sources, variant = self.of_archive(name, found)
                if len(sources) == 1:
                    together.setdefault((sources[0], parts), []).append((name, found, variant))
                else:
                    yield self.loose_archive(parts, name, found, sources)
        for (source_name, parts), some in together.items():
            yield self.archive(self.catalog[source_name], parts, some)

    def built(self, parts: _Parts) -> bool:
        return any(one.state == "build" for one in self.claimed.get(parts, ()))

    def of_archive(self, name: str, found: Members) -> tuple[list[str], str]:
        """The sources that an archive may be, by what it holds, else by its name."""
        inner = _tree(Path("/"), [one for one in found.names if not is_hidden(one)], self.spelled)
        for level in known._levels(inner, known.LEVELS):
            for parts in level:
                fitting = [(s, one) for s, one in self.candidates.at(inner, parts) if known._fits(inner, parts, one)]
                if fitting:
                    best = max(known._weight(one) for _, one in fitting)
                    chosen = {s.name: one.variant for s, one in reversed(fitting) if known._weight(one) == best}
                    return sorted(chosen), next(iter(chosen.values()))
        wanted = _plain(name)
        named = [
            s.name for s in self.catalog.values() if wanted in {_plain(one) for d in s.downloads for one in _arrive(d)}
        ]
        holds = _told_apart(found)
        if len(named) > 1 and holds:  # it was listed, and is none of those that are called archive.zip
            named = [name for name in named if self.partly(self.catalog[name], inner)]
        return named, ""

    def partly(self, source: Source, inner: _Listed) -> bool:
        return any(
            known._matches(inner, parts, pattern)
            for level in known._levels(inner, known.LEVELS)
            for parts in level[:200]
            for one in source.layouts
            for pattern in one.files
            if len(_told(pattern)) >= 4
        )

    def loose_archive(self, parts: _Parts, name: str, found: Members, sources: Sequence[str]) -> Finding:
        notes = [text for text in (found.fault, found.note) if text]
        if sources:
            notes.append(f"by its name it may be {_some(sources)}")
        elif found.names:
            notes.append(f"it holds {_count(len(found.names), 'file')}, no layout that is known: {_some(found.names)}")
        return Finding("unknown", str(self.top.joinpath(*parts, name)), notes=tuple(notes), files=len(found.names))

    def archive(self, source: Source, parts: _Parts, some: Sequence[tuple[str, Members, str]]) -> Finding:
        """The archives of one source in one folder."""
        here = self.top.joinpath(*parts)
        # the folder that a user made for the source is where it belongs; else ours
        target = here if parts and not self.claimed.get(parts) else self.top / source.name
        if parts and any(one.source == source.name and one.state == "nearly" for one in self.claimed.get(parts, ())):
            target = here
        notes, steps = [], []
        for name, found, _ in some:
            notes += [f"{name}: {text}" for text in (found.fault, found.note) if text]
            if not found.fault:
                steps.append(_unpack(here / name, target))
        size = sum(found.size for _, found, _ in some)
        free = shutil.disk_usage(self.top).free
        if size > free:
            notes.append(f"unpacked it takes {size:,} bytes, and {free:,} are free")
        variant = next((variant for _, _, variant in some if variant), "")
        missing: list[str] = []
        if not variant:
            way = max(
                source.downloads, key=lambda way: sum(_plain(name) in map(_plain, _arrive(way)) for name, _, _ in some)
            )
            there = {_plain(name) for name in self.tree[parts].files} if hasattr(self, "tree") else set()
            missing = [
                name
                for name in way.files
                if _plain(name) not in there and _plain(posixpath.splitext(name)[0]) not in there
            ]
        done = [
            one
            for found in self.claimed.values()
            for one in found
            if one.source == source.name and one.state == "found"
        ]
        if done:
            notes.append(f"{done[0].where} holds the source already")
            missing, steps = [], []
        elif steps:
            steps.append(_build(source, target) if has_loader(source) else f"med-mat show {source.name}")
        where = str(here / some[0][0]) if len(some) == 1 else str(here)
        if len(some) > 1:
            notes.insert(0, f"{len(some)} archives: {_some([name for name, _, _ in some])}")
        return Finding(
            "archive", where, source.name, source.title, variant, bool(done),
            sum(len(found.names) for _, found, _ in some),
            missing=tuple(missing), notes=tuple(notes), steps=tuple(steps),
        )  # fmt: skip

    # ---- the rest

    def turned_down(self) -> Iterator[Finding]:
        """Links to folders and folders that cannot be opened."""
        for path, reason in self.raw.skipped.items():
            full = str(self.top if path == "." else self.top / path)
            if reason.startswith("the folder cannot be opened"):
                step = f"chmod u+rx {quote(full)}"
                yield Finding("unreadable", full, notes=(reason,), steps=(step,))
            elif "link" in reason and os.path.isdir(full):  # noqa: PTH112 - a Path would follow it just as well
                target = os.path.realpath(full)
                yield Finding("link", full, complete=True, steps=(f"med-mat doctor {quote(target)}",))

    def unknown(self, parts: _Parts, marked: set[_Parts]) -> Iterator[Finding]:
        """The folders in which nothing was found, each as high up as it goes."""
        if self.claimed.get(parts) or parts in self.closed:
            yield from self.empty() if not parts else ()
            return
        listing = self.tree[parts]
        if parts and not any(place[: len(parts)] == parts for place in marked):
            yield self.nothing(parts)
            return
        for name in listing.folders:
            yield from self.unknown((*parts, name), marked)
        if not parts:
            yield from self.empty()
            if any(not is_archive(name) for name in listing.files):
                yield self.nothing(())

    def nothing(self, parts: _Parts) -> Finding:
        """What lies in a folder that is nothing known."""
        start = "".join(f"{part}/" for part in parts)
        at = bisect_left(self.paths, start)
        inside = self.paths[at : bisect_left(self.paths, start + chr(0x10FFFF))]
        if not parts:
            inside = [path for path in inside if "/" not in path]
        suffixes = Counter(posixpath.splitext(path)[1].lower() or "without suffix" for path in inside)
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common(4))
        notes = [f"{kinds}; it begins with {_some([path[len(start) :] for path in inside[:_SHOWN]])}"]
        higher = self.higher() if not self.claimed else None
        if higher:
            notes.append("this looks like the inside of a source")
        steps = (f"med-mat doctor {quote(str(higher))}",) if higher else ()
        return Finding("unknown", str(self.top.joinpath(*parts)), files=len(inside), notes=tuple(notes), steps=steps)

    def higher(self) -> Path | None:
        """A folder around the top one that fits a layout."""
        for parent in list(self.top.parents)[:3]:
            tree = known._Tree(parent, sample=True)
            if parent != Path(parent.anchor) and any(
                known._fits(tree, (), one)
                for _, one in self.candidates.at(tree, ())
                if not any("**" in pattern for pattern in one.files)
            ):
                return parent
        return None

    def empty(self) -> Iterator[Finding]:
        """Folders right below the top one without any file, where a source may be meant to go."""
        there = {path.partition("/")[0] for path in self.raw.files} | self.raw.skipped.keys()
        with os.scandir(self.top) as entries:
            names = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name not in there)
        for name in names:
            if name.lower() in self.catalog:
                source = self.catalog[name.lower()]
                yield Finding(
                    "nearly", str(self.top / name), source.name, source.title, missing=source.layouts[0].files,
                    notes=("the folder is empty",), steps=(f"med-mat show {source.name}",),
                )  # fmt: skip


def _loaded(source: Source, raw: RawFolder, images: int | None) -> tuple[int | None, bool, str]:
    """How many images the loader finds; whether it does; what keeps it from it."""
    paths: set[str] = set()
    count, parts = 0, False
    try:
        for example in loader_of(source).examples(raw):
            count += 1
            paths.add(str(example.path))
            parts = parts or isinstance(example.pixels, Frame | Slice)
    except MedMATError as error:
        return images, False, f"its loader stops: {error}"
    except Exception as error:  # a loader that stumbles over odd data must not end the diagnosis of all others
        return images, False, f"its loader fails ({type(error).__name__}: {error}): please report this"
    return (count if parts else len(paths)), True, ""


def _not_skipped(index: FileIndex) -> Any:
    import pyarrow.compute as pc

    return pc.not_equal(pc.fill_null(index.files["role"], ""), "skipped")


def _build(source: Source, where: Path) -> str:
    return f"med-mat build {quote(f'{source.name}={where}')} --out Med-MAT"


def _unpack(archive: Path, target: Path) -> str:
    name, there = archive.name.lower(), quote(str(target))
    if name.endswith(".zip"):
        return f"unzip -d {there} {quote(str(archive))}"
    if name.endswith(".7z"):
        return f"7z x {quote(f'-o{target}')} {quote(str(archive))}"
    if name.endswith(".rar"):
        return f"unar -o {there} {quote(str(archive))}"
    return f"mkdir -p {there} && tar -xf {quote(str(archive))} -C {there}"


def _arrive(way: Download) -> Iterator[str]:
    """The files of a download that are archives, also as the site's own client names them."""
    yield from filter(is_archive, way.files)
    last = way.at.rstrip("/").rpartition("/")[2]
    if way.kind in ("kaggle", "kaggle-competition"):
        yield f"{last}.zip"
    elif way.kind == "github":
        yield from (f"{last}-{branch}.zip" for branch in ("main", "master"))


def _plain(name: str) -> str:
    """A file name in lower case, without the number that a browser adds to the second download."""
    return re.sub(r" ?\(\d+\)(?=\.[a-z0-9.]+$)", "", posixpath.basename(name).lower())


def _told(pattern: str) -> str:
    """The letters of a pattern that few datasets share."""
    return _COMMON.sub("", pattern)


def _told_apart(found: Members) -> bool:
    return bool(found.names) and found.whole


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
