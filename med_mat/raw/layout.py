"""Finding a source on disk by the layouts of its card, and saying what is wrong where it is not found."""

from __future__ import annotations

import difflib
import functools
import logging
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from med_mat.catalog import Layout, Source
from med_mat.errors import LayoutError
from med_mat.raw.folder import IMAGE_SUFFIXES, RawFolder, is_hidden, matcher

log = logging.getLogger(__name__)

LEVELS = 4  # how far below the folder that was named a source's root may lie
_FAR = 8  # how far to look for what to suggest
_SAMPLE = 60
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_OTHER_IMAGES = (".gz", ".nii", ".img", ".hdr", ".mha", ".raw", ".npy", ".svs")

_Parts = tuple[str, ...]


def locate(source: Source, folder: Path | str) -> RawFolder:
    """The root of a source in a folder, or up to four levels below it: the shallowest, by the first layout that fits.

    Raises:
        LayoutError: none fits; the message says what was expected, what is there, and what to do.
    """
    top = Path(folder).absolute()
    if not top.is_dir():
        raise LayoutError(_no_folder(source, top))
    tree = _Tree(top)
    for level in _levels(tree, LEVELS):
        for layout in source.layouts:
            for parts in level:
                if _fits(tree, parts, layout):
                    return RawFolder(top.joinpath(*parts), layout.variant)
    raise LayoutError(_misfit(source, top, tree))


def recognise(folder: Path | str, catalog: Mapping[str, Source]) -> dict[str, RawFolder]:
    """The sources that lie below a folder, each where it is shallowest, in the catalog's order.

    ``folder/<source>`` counts first (that folder may be a link); then whatever a layout identifies. A folder that fits
    several sources is that of the one whose layout says most; where several say as much it is none's, and a warning
    says so. Images are sampled by the pattern of their names, so that a million of them are quick.

    Raises:
        LayoutError: there is no such folder.
    """
    top = Path(folder).absolute()
    if not top.is_dir():
        raise LayoutError(
            f"{top} is not a folder. Name the folder in which the sources lie, each in a folder of its own."
        )
    tree = _Tree(top, sample=True)
    found: dict[str, RawFolder] = {}
    claimed: set[_Parts] = set()
    entries = {name.lower(): name for name in sorted((one.name for one in top.iterdir()), reverse=True)}
    for name, source in catalog.items():
        own = top / name if (top / name).is_dir() else top / entries.get(name.lower(), name)
        if own.is_dir():
            try:
                found[name] = locate(source, own)
                claimed.add((own.name,))
            except LayoutError as error:
                log.warning("%s", error)
    candidates = _Candidates.of([source for name, source in catalog.items() if name not in found])
    for level in _levels(tree, LEVELS + 1, claimed):
        for parts in level:
            fitting = [
                (source, layout)
                for source, layout in candidates.at(tree, parts)
                if source.name not in found and _fits(tree, parts, layout)
            ]
            best = max((_weight(layout) for _, layout in fitting), default=0)
            chosen = {source.name: layout for source, layout in reversed(fitting) if _weight(layout) == best}
            if len(chosen) == 1:
                ((name, layout),) = chosen.items()
                found[name] = RawFolder(top.joinpath(*parts), layout.variant)
                if parts:
                    claimed.add(parts)
            elif chosen:
                log.warning(
                    "%s may be any of %s: it fits the layouts of all. Call it %s, or name source and folder.",
                    top.joinpath(*parts),
                    ", ".join(sorted(chosen)),
                    " or ".join(str(top / name) for name in sorted(chosen)),
                )
    return {name: found[name] for name in catalog if name in found}


class _Listing(NamedTuple):
    files: tuple[str, ...]
    folders: tuple[str, ...]

    @property
    def lowered(self) -> frozenset[str]:
        return frozenset(name.lower() for name in (*self.files, *self.folders))


@dataclass
class _Tree:
    """What a folder holds, listed where and when somebody looks. Hidden files and links to folders are left out."""

    top: Path
    sample: bool = False  # keep a sample of the images of each folder
    listings: dict[_Parts, _Listing] = field(default_factory=dict)

    def __getitem__(self, parts: _Parts) -> _Listing:
        known = self.listings.get(parts)
        if known is None:
            known = self.listings[parts] = self._list(parts)
        return known

    def _list(self, parts: _Parts) -> _Listing:
        files, folders = [], []
        try:
            with os.scandir(self.top.joinpath(*parts)) as entries:
                for entry in entries:
                    if is_hidden(entry.name + "/"):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif entry.is_file(follow_symlinks=False) or self._inner_link(entry):
                        files.append(entry.name)
        except OSError:
            return _Listing((), ())
        return _Listing(tuple(_sampled(sorted(files)) if self.sample else sorted(files)), tuple(sorted(folders)))

    def _inner_link(self, entry: os.DirEntry[str]) -> bool:
        top = os.path.realpath(self.top)
        return entry.is_symlink() and entry.is_file() and os.path.realpath(entry.path).startswith(top + os.sep)


def _sampled(names: list[str]) -> list[str]:
    """All names but those of images, and of these some of every suffix, so that each way of naming is among them."""
    if len(names) <= _SAMPLE:
        return names
    kept = []
    images: dict[str, list[str]] = {}
    for name in names:
        suffix = posixpath.splitext(name)[1].lower()
        if suffix in IMAGE_SUFFIXES or suffix in _OTHER_IMAGES or not suffix:
            images.setdefault(suffix, []).append(name)
        else:
            kept.append(name)
    for alike in images.values():
        step = max(1, len(alike) // (_SAMPLE // 2))
        some = dict.fromkeys(alike[::step])
        shapes: dict[str, str] = {}
        for name in alike:
            shapes.setdefault(re.sub(r"\d+", "0", name), name)
            if len(shapes) >= _SAMPLE:
                break
        kept += dict.fromkeys([*some, *shapes.values()])
    return sorted(kept)


def _levels(tree: _Tree, depth: int, claimed: set[_Parts] | frozenset[_Parts] = frozenset()) -> Iterator[list[_Parts]]:
    """The folders of the tree level by level, without those that are claimed by the time that their level comes."""
    level: list[_Parts] = [()]
    for _ in range(depth + 1):
        yield level
        level = [
            (*parts, name)
            for parts in level
            if parts not in claimed
            for name in tree[parts].folders
            if (*parts, name) not in claimed
        ]
        if not level:
            return


@functools.lru_cache(maxsize=4096)
def _branches(pattern: str) -> tuple[_Parts, ...]:
    """A pattern as parts, once for each alternative in braces."""
    import bracex

    try:
        expanded = bracex.expand(pattern, limit=1000)
    except bracex.ExpansionLimitException:
        expanded = [pattern]
    return tuple(tuple(part for part in one.split("/") if part not in ("", ".")) for one in expanded)


def _fits(tree: _Tree, parts: _Parts, layout: Layout) -> bool:
    return bool(layout.files) and all(_matches(tree, parts, pattern) for pattern in layout.files)


def _matches(tree: _Tree, parts: _Parts, pattern: str) -> bool:
    return any(_descends(tree, parts, branch) for branch in _branches(pattern))


def _descends(tree: _Tree, parts: _Parts, branch: _Parts) -> bool:
    if not branch:
        return False
    head, *rest = branch
    if head == "**":
        if not rest:
            return bool(tree[parts].files) or any(_descends(tree, (*parts, one), branch) for one in tree[parts].folders)
        return _descends(tree, parts, tuple(rest)) or any(
            _descends(tree, (*parts, one), branch) for one in tree[parts].folders
        )
    names = tree[parts].folders if rest else tree[parts].files
    if tree.sample and not rest and _literal(head) and tree.top.joinpath(*parts, head).is_file():
        return True  # it may not be in the sample
    fits = matcher((head,))
    return any(fits(name) and (not rest or _descends(tree, (*parts, name), tuple(rest))) for name in names)


def _weight(layout: Layout) -> int:
    """How much a layout says: the letters that its patterns spell out."""
    return sum(len(re.sub(r"[*?{},]", "", pattern)) for pattern in layout.files)


def _literal(part: str) -> bool:
    return not set(part) & set("*?\\")


@dataclass
class _Candidates:
    """Layouts by the first name that they spell out, so that a folder is tried against few of them."""

    named: dict[str, list[tuple[Source, Layout]]]
    others: list[tuple[Source, Layout]]

    @classmethod
    def of(cls, sources: list[Source]) -> _Candidates:
        named: dict[str, list[tuple[Source, Layout]]] = {}
        others = []
        for source in sources:
            for layout in source.layouts:
                heads = [{branch[0].lower() for branch in _branches(pattern) if branch} for pattern in layout.files]
                literal = [one for one in heads if one and all(map(_literal, one))]
                for name in min(literal, key=len) if literal else ():
                    named.setdefault(name, []).append((source, layout))
                if not literal:
                    others.append((source, layout))
        return cls(named, others)

    def at(self, tree: _Tree, parts: _Parts) -> Iterator[tuple[Source, Layout]]:
        """Those that may fit a folder, as far as its own names tell."""
        for name in sorted(tree[parts].lowered & self.named.keys()):
            yield from self.named[name]
        yield from self.others


# ---- what is wrong


def _no_folder(source: Source, top: Path) -> str:
    if top.is_file():
        what = "is an archive: unpack it" if _is_archive(top.name) else "is a file: name the folder that holds it"
        return f"{top} {what}, and name the folder in which {source.title} ({source.name}) then lies."
    if top.parent.is_dir():
        near = difflib.get_close_matches(top.name, sorted(one.name for one in top.parent.iterdir()), n=3)
        hint = f" In {top.parent} lies {', '.join(map(repr, near))}: is it meant?" if near else ""
    else:
        hint = f" Nor does {top.parent} exist."
    return f"{top} does not exist, and so {source.title} ({source.name}) cannot be read from it.{hint}"


def _misfit(source: Source, top: Path, tree: _Tree) -> str:
    expected = "; or ".join(f"{', '.join(layout.files)} ({layout.variant})" for layout in source.layouts)
    return " ".join(
        (
            f"{top} is not laid out as {source.title} ({source.name}) is published.",
            f"Expected there, or up to {LEVELS} levels below: {expected or 'nothing yet: its card names no layout'}.",
            _hint(source, top, tree),
            f"'med-mat show {source.name}' prints the whole layout.",
        )
    )


def _hint(source: Source, top: Path, tree: _Tree) -> str:
    listing = tree[()]
    archives = _archives(tree)
    if not listing.files and not listing.folders:
        return "The folder is empty (hidden files aside): download the source and unpack it there."
    # "**" would search whatever else lies there
    shallow = [layout for layout in source.layouts if not any("**" in pattern for pattern in layout.files)]
    for parent in list(top.parents)[: LEVELS - 1]:
        above = _Tree(parent)
        if parent != Path(parent.anchor) and any(_fits(above, (), layout) for layout in shallow):
            levels = len(top.relative_to(parent).parts)
            return f"This looks like {_count(levels)} too deep: pass {parent}."
    deeper = list(_levels(tree, _FAR))[LEVELS + 1 :]
    for level in deeper:
        for parts in level:
            if any(_fits(tree, parts, layout) for layout in source.layouts):
                return f"This looks like {_count(len(parts))} too high: pass {top.joinpath(*parts)}."
    if archives:
        are = "lie" if len(archives) > 1 else "lies"
        return f"{', '.join(map(str, archives[:3]))} {are} here: unpack {'them' if len(archives) > 1 else 'it'} first."
    near = _nearest(source, tree)
    if near is not None:
        parts, layout, missing = near
        return (
            f"{top.joinpath(*parts)} nearly fits (layout {layout.variant}): it lacks {', '.join(missing)}. "
            "Is the download complete?"
        )
    names = [*(f"{name}/" for name in listing.folders), *listing.files]
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"There lies: {', '.join(map(repr, names[:8]))}{more}. Is it another source, or another edition of it?"


def _count(levels: int) -> str:
    return "one level" if levels == 1 else f"{levels} levels"


def _nearest(source: Source, tree: _Tree) -> tuple[_Parts, Layout, list[str]] | None:
    """The folder and layout of which most is there, where anything is."""
    best: tuple[float, _Parts, Layout, list[str]] | None = None
    for level in _levels(tree, LEVELS):
        for parts in level[:2000]:
            for layout in source.layouts:
                missing = [pattern for pattern in layout.files if not _matches(tree, parts, pattern)]
                share = 1 - len(missing) / max(len(layout.files), 1)
                if share > (best[0] if best else 0):
                    best = (share, parts, layout, missing)
    return best[1:] if best else None


def _archives(tree: _Tree) -> list[Path]:
    """The archives in the folder, and in the folders right below."""
    places: list[_Parts] = [(), *((name,) for name in tree[()].folders[:100])]
    return [tree.top.joinpath(*parts, name) for parts in places for name in tree[parts].files if _is_archive(name)]


def _is_archive(name: str) -> bool:
    return name.lower().endswith(_ARCHIVES) and not name.lower().endswith(".nii.gz")
