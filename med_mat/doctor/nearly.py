"""Sources of which part is there, one level off, or nothing but a folder that is called so."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from med_mat.catalog import Catalog, Layout, Source
from med_mat.doctor import steps
from med_mat.doctor.finding import Finding
from med_mat.doctor.visit import DEPTH, Visit, images_in, images_of
from med_mat.raw.fit import branches, descends, literal, matches, weight
from med_mat.raw.folder import matcher
from med_mat.raw.members import is_archive
from med_mat.raw.tree import Parts

_FOLDERS = 20_000  # of so many folders is it asked what they nearly are
_SHARE = 0.3  # of the letters of a layout must be there
_TELLING = 4  # letters, at least, that few datasets share
_TELLING_HEAD = 3  # of a pattern's first part, to be tried in every folder
#: Words that many datasets use, which therefore tell nothing.
_COMMON = re.compile(
    r"(train|test|val|valid|validation|images?|masks?|labels?|data|files|annotations?|normal|original|groundtruth"
    r"|csv|json|txt|xml|xlsx|png|jpe?g|tiff?|bmp|dcm|dicom|[^a-z])",
    re.IGNORECASE,
)

_Pairs = list[tuple[Source, Layout]]


def nearly(visit: Visit) -> None:
    """Claim the folders that hold part of a layout."""
    heads, wild = _by_head(visit.catalog)
    any_wild = matcher(tuple(wild))
    for parts in islice(visit.folders(depth=DEPTH - 2), _FOLDERS):
        called = visit.catalog[parts[-1].lower()] if parts and parts[-1].lower() in visit.catalog else None
        if () in visit.claimed and not called:
            continue  # the top folder is a source, and this is a part of it
        listing = visit.tree[parts]
        tried = [pair for name in sorted(listing.lowered & heads.keys()) for pair in heads[name]]
        if any(any_wild(name) for name in (*listing.files, *listing.folders)):
            tried += [pair for pairs in wild.values() for pair in pairs]
        if called:
            tried += [(called, one) for one in called.layouts]
        best = _best(visit, parts, tried, called)
        if best:
            visit.claim(parts, best)


def empty(visit: Visit) -> Iterator[Finding]:
    """Folders right below the top one without any file, where a source may be meant to go."""
    there = {path.partition("/")[0] for path in visit.raw.files} | visit.raw.skipped.keys()
    with os.scandir(visit.top) as entries:
        names = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name not in there)
    for name in names:
        if name.lower() in visit.catalog:
            source = visit.catalog[name.lower()]
            yield Finding(
                "nearly", str(visit.top / name), source.name, source.title, missing=source.layouts[0].files,
                notes=("the folder is empty",), steps=tuple(steps.obtain(source, visit.top)),
            )  # fmt: skip


def tells(pattern: str) -> bool:
    """Whether a pattern alone hints at a source."""
    return _telling(pattern) >= _TELLING


def _telling(pattern: str) -> int:
    """How many letters of a pattern few datasets share."""
    return len(_COMMON.sub("", pattern))


def _by_head(catalog: Catalog) -> tuple[dict[str, _Pairs], dict[str, _Pairs]]:
    """The layouts by the first parts of their patterns: names, in lower case, and what has wildcards."""
    heads: defaultdict[str, _Pairs] = defaultdict(list)
    wild: defaultdict[str, _Pairs] = defaultdict(list)
    for source in catalog.values():
        for one in source.layouts:
            for head in dict.fromkeys(branch[0] for pattern in one.files for branch in branches(pattern) if branch):
                (heads[head.lower()] if literal(head) else wild[head]).append((source, one))
    return heads, {head: pairs for head, pairs in wild.items() if _telling(head) >= _TELLING_HEAD}


def _best(visit: Visit, parts: Parts, tried: Iterable[tuple[Source, Layout]], called: Source | None) -> Finding | None:
    """The layout of which most is there."""
    ranked: dict[tuple[bool, float, int], dict[str, tuple[Layout, list[str]]]] = {}
    for source, one in {(s.name, one.variant): (s, one) for s, one in tried}.values():
        lacks = [pattern for pattern in one.files if not matches(visit.tree, parts, pattern)]
        have = [pattern for pattern in one.files if pattern not in lacks]
        told = sum(map(_telling, have))
        share = weight(Layout("", tuple(have))) / max(weight(one), 1)
        own = source is called
        if own or (lacks and told >= _TELLING and share >= _SHARE):
            ranked.setdefault((own, share, told), {}).setdefault(source.name, (one, lacks))
    if not ranked:
        return None
    chosen = ranked[max(ranked)]
    name, *others = sorted(chosen)
    one, lacks = chosen[name]
    source = visit.catalog[name]
    where, inside = visit.place(parts), visit.inside(parts)
    notes = [f"it may be {' or '.join(others)} as well"] if others else []
    images = images_in(inside)
    advice = [step for pattern in lacks for step in _misplaced(visit, parts, pattern)]
    nothing = not advice and len(lacks) == len(one.files)
    if advice:
        notes.append("what is missing lies one level off")
    elif nothing:
        notes.append("the folder is called so, but nothing of the layout is in it")
    absent = nothing and not images and not any(map(is_archive, inside))
    advice += steps.obtain(source, where.parent) if absent else [steps.show(source)]
    return Finding(
        "nearly", str(where), name, source.title, one.variant, False, len(inside), images, images_of(source),
        tuple(lacks), notes=tuple(notes), steps=tuple(dict.fromkeys(advice)),
    )  # fmt: skip


def _misplaced(visit: Visit, parts: Parts, pattern: str) -> Sequence[str]:
    """How to move what a pattern wants to where it wants it, where it lies one level too high or too low."""
    tree, here = visit.tree, visit.place(parts)
    for branch in branches(pattern):
        if len(branch) < 2 or not literal(branch[0]) or "**" in branch:
            continue
        head, rest = branch[0], branch[1:]
        if len(rest) == 1 and descends(tree, parts, rest):
            return [steps.move_files(here, rest[0], here / head)]
        for name in tree[parts].folders:
            below = (*parts, name)
            folders = tree[below].folders
            if name.lower() == head.lower():
                deeper = next((one for one in folders if descends(tree, (*below, one), rest)), None)
                if deeper:
                    return [steps.move_inside(here / name / deeper, here / name)]
            elif descends(tree, below, branch):
                inner = next(one for one in folders if one.lower() == head.lower())
                return [steps.move(here / name / inner, here)]
    return []
