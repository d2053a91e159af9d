"""Incomplete or misplaced sources: part of the layout, one folder off, or a folder that only has the name."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from med_mat.building.loader import has_loader, loader_of
from med_mat.catalog import Catalog, Layout, Source
from med_mat.doctor import remedies
from med_mat.doctor.count import counted
from med_mat.doctor.finding import Finding
from med_mat.doctor.scan import DEPTH, Scan, images_in, images_of
from med_mat.errors import LayoutError
from med_mat.layouts.archives import is_archive
from med_mat.layouts.listing import Parts
from med_mat.layouts.locating import LEVELS
from med_mat.layouts.matching import branches, descends, literal, weight
from med_mat.raw.patterns import matcher

_FOLDERS = 20_000  # the most folders that are examined
_SHARE = 0.3  # least share of the letters of a layout that must be present
_TELLING = 4  # least number of letters that few datasets share
_DIGITS = 12
_NAME = 4  # shortest source name that is looked for inside a folder's name
_FEW = 20_000  # the most files among which a loader looks for the images of a table
_MANY = 100  # above this the exact number of images identifies a source
_TABLES = (".csv", ".xlsx", ".txt", ".json", ".tsv")
_TELLING_HEAD = 3  # of a pattern's first part, to be tried in every folder
#: Words that many datasets use, so that they identify none.
_COMMON = re.compile(
    r"(train|test|val|valid|validation|images?|masks?|labels?|data|files|annotations?|normal|original|groundtruth"
    r"|metadata|meta|info|sample|submission|list|table|class|new|all"
    r"|csv|json|txt|xml|xlsx|png|jpe?g|tiff?|bmp|dcm|dicom|[^a-z])",
    re.IGNORECASE,
)

_Pairs = list[tuple[Source, Layout]]
_Rank = tuple[
    bool, bool, bool, float, int
]  # its own folder, its name, its number of images; share and letters of files


def claim_partial(scan: Scan) -> None:
    """Claims the folders that hold part of a layout."""
    heads, wild = _by_head(scan.catalog)
    any_wild = matcher(tuple(wild))
    for parts in islice(scan.folders(depth=DEPTH - 2), _FOLDERS):
        called = scan.catalog[parts[-1].lower()] if parts and parts[-1].lower() in scan.catalog else None
        if () in scan.claimed and not called:
            continue  # the top folder is a source, and this is a part of it
        listing = scan.tree[parts]
        tried = [pair for name in sorted(listing.lowered & heads.keys()) for pair in heads[name]]
        if any(any_wild(name) for name in (*listing.files, *listing.folders)):
            tried += [pair for pairs in wild.values() for pair in pairs]
        for known in filter(None, (called, _named(scan, parts))):
            tried += [(known, one) for one in known.layouts]
        place = _place(scan, parts, called) if called else parts
        best = _best(scan, place, tried, called)
        if best:
            scan.claim(parts, best)


def _place(scan: Scan, parts: Parts, called: Source) -> Parts:
    """The folder named like a source, or the one inside it that holds most of the source."""

    def share(at: Parts) -> float:
        return max(
            (weight(one for one in layout.patterns if _matched(scan, at, one) is not None) / weight(layout.patterns))
            for layout in called.layouts
        )

    return max(scan.folders(parts, LEVELS), key=share)


def empty_folders(scan: Scan) -> Iterator[Finding]:
    """Empty folders directly below the top one, named like a source."""
    there = {path.partition("/")[0] for path in scan.raw.files} | scan.raw.skipped.keys()
    with os.scandir(scan.top) as entries:
        names = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name not in there)
    for name in names:
        if name.lower() in scan.catalog:
            source = scan.catalog[name.lower()]
            yield Finding(
                "partial", str(scan.top / name), source.name, source.title,
                missing=(*source.layouts[0].files, *source.layouts[0].parts),
                notes=("the folder is empty",), steps=tuple(remedies.obtain(source, scan.top)),
            )  # fmt: skip


def tells(pattern: str) -> bool:
    """Whether a pattern alone is evidence for a source."""
    return _telling(pattern) >= _TELLING


def _telling(pattern: str) -> int:
    """The number of letters in a pattern that few datasets share; a long number, such as a DICOM UID, counts too."""
    return len(_COMMON.sub("", pattern)) + (_TELLING if sum(map(str.isdigit, pattern)) >= _DIGITS else 0)


def _by_head(catalog: Catalog) -> tuple[dict[str, _Pairs], dict[str, _Pairs]]:
    """The layouts by the first part of their patterns: literal names in lower case, and those with wildcards."""
    heads: defaultdict[str, _Pairs] = defaultdict(list)
    wild: defaultdict[str, _Pairs] = defaultdict(list)
    for source in catalog.values():
        for one in source.layouts:
            patterns = (*one.files, *one.parts, *filter(_is_table, one.also))
            for head in dict.fromkeys(branch[0] for pattern in patterns for branch in branches(pattern) if branch):
                (heads[head.lower()] if literal(head) else wild[head]).append((source, one))
    return heads, {head: pairs for head, pairs in wild.items() if _telling(head) >= _TELLING_HEAD}


def _best(scan: Scan, parts: Parts, tried: Iterable[tuple[Source, Layout]], called: Source | None) -> Finding | None:
    """The source and layout with the most evidence: the folder's name, its number of images, its content."""
    images = images_in(scan.inside(parts))
    named = called or _named(scan, parts)
    ranked: dict[_Rank, dict[str, tuple[Layout, list[str]]]] = {}
    for source, one in {(s.name, one.variant): (s, one) for s, one in tried}.values():
        if any(found.source == source.name for found in _below(scan, parts)):
            continue  # what lies here besides is another copy of its tables
        needed = (*one.files, *one.parts)
        have = {pattern: told for pattern in one.patterns if (told := _matched(scan, parts, pattern)) is not None}
        lacks = [pattern for pattern in needed if pattern not in have]
        letters = sum(have.values())
        whole = weight([*one.files, max(one.parts, key=lambda part: weight([part]), default="")])
        share = min(1.0, weight(pattern for pattern in have if pattern in needed) / max(whole, 1))
        tables = bool(have) and all(map(_is_table, have))
        counts = bool(have) and images > _MANY and images == images_of(source, one)
        speaks = letters >= _TELLING and (share >= _SHARE or tables)
        if source is called or (lacks and have and (counts or source is named or speaks or tables)):
            # many datasets have a table of that name, few have its columns
            if tables and source is not called and not _reads(scan, source, parts, proof=not (counts or speaks)):
                continue
            key = (source is called, source is named, counts, share, letters)
            ranked.setdefault(key, {}).setdefault(source.name, (one, lacks))
    if not ranked:
        return None
    chosen = ranked[max(ranked)]
    name, *others = sorted(chosen)
    one, lacks = chosen[name]
    return _finding(scan, parts, scan.catalog[name], one, lacks, others)


def _finding(
    scan: Scan, parts: Parts, source: Source, one: Layout, lacks: Sequence[str], others: Sequence[str]
) -> Finding:
    where, inside = scan.place(parts), scan.inside(parts)
    notes = [f"it may be {' or '.join(others)} as well"] if others else []
    images = images_in(inside)
    advice = [step for pattern in lacks for step in _misplaced(scan, parts, pattern)]
    nothing = not advice and len(lacks) == len((*one.files, *one.parts))
    count = None if advice or others else counted(scan, source, scan.raw.below("/".join(parts), one.variant), images)
    if advice:
        notes.append("what is missing lies one level off")
    elif count and count.read and count.images:
        images = count.images
        notes += [f"what is there can be built: {images:,} images", *count.notes]
        advice += remedies.build(source, where)
    elif nothing:
        notes.append("the folder is called so, but nothing of the layout is in it")
    if one.edition:
        notes.append(f"the edition that is read: {one.edition}")
    absent = nothing and not images and not any(map(is_archive, inside))
    advice += remedies.obtain(source, where.parent) if absent else [remedies.show(source)]
    return Finding(
        "partial", str(where), source.name, source.title, one.variant, False, len(inside), images,
        images_of(source, one), tuple(lacks), notes=tuple(notes), steps=tuple(dict.fromkeys(advice)),
    )  # fmt: skip


def _below(scan: Scan, parts: Parts) -> Iterator[Finding]:
    """The findings in a folder or below it."""
    for place, findings in scan.claimed.items():
        if place[: len(parts)] == parts:
            yield from (one for one in findings if one.state == "found")


def _named(scan: Scan, parts: Parts) -> Source | None:
    """The source whose name is part of a folder's name: ``HEp2 (1)`` is hep2."""
    plain = re.sub(r"[^a-z0-9]", "", parts[-1].lower()) if parts else ""
    fitting = [name for name in scan.catalog if (short := name.replace("_", "")) in plain and len(short) >= _NAME]
    return scan.catalog[max(fitting, key=len)] if fitting else None


def _is_table(pattern: str) -> bool:
    """Whether a pattern names a table or a list."""
    return pattern.lower().endswith(_TABLES)


def _reads(scan: Scan, source: Source, parts: Parts, *, proof: bool) -> bool:
    """Whether the loader reads the tables in a folder; with ``proof`` it must find their columns."""
    if not scan.tables or not has_loader(source) or len(scan.inside(parts)) > _FEW:
        return not proof
    raw = scan.raw.below("/".join(parts))
    try:
        for _ in loader_of(source).examples(raw):
            return True
    except LayoutError:  # a further file is missing
        return not proof
    except Exception:  # a table of another dataset
        return False
    return bool(raw.missing) or not proof


def _matched(scan: Scan, parts: Parts, pattern: str) -> int | None:
    """The letters of evidence in the alternative of a pattern that matches; None where none matches."""
    there = [branch for branch in branches(pattern) if descends(scan.tree, parts, branch)]
    return max((_telling("/".join(branch)) for branch in there), default=None)


def _misplaced(scan: Scan, parts: Parts, pattern: str) -> Sequence[str]:
    """The command that moves files to where a pattern expects them, from one folder too high or too low."""
    tree, here = scan.tree, scan.place(parts)
    for branch in branches(pattern):
        if len(branch) < 2 or not literal(branch[0]) or "**" in branch:
            continue
        head, rest = branch[0], branch[1:]
        if len(rest) == 1 and descends(tree, parts, rest):
            return [remedies.move_files(here, rest[0], here / head)]
        for name in tree[parts].folders:
            below = (*parts, name)
            folders = tree[below].folders
            if name.lower() == head.lower():
                deeper = next((one for one in folders if descends(tree, (*below, one), rest)), None)
                if deeper:
                    return [remedies.move_inside(here / name / deeper, here / name)]
            elif descends(tree, below, branch):
                inner = next(one for one in folders if one.lower() == head.lower())
                return [remedies.move(here / name / inner, here)]
    return []
