"""Sources that fit a layout: where they lie, and what of each is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from med_mat.building.ledger import is_miniature
from med_mat.catalog import Layout, Source
from med_mat.differences import Differences, differences, scanned
from med_mat.doctor import steps
from med_mat.doctor.contents import wrong
from med_mat.doctor.count import Count, counted
from med_mat.doctor.finding import Finding
from med_mat.doctor.visit import Visit, images_in, images_of
from med_mat.layouts.listing import Parts
from med_mat.layouts.locating import LEVELS
from med_mat.layouts.matching import fits, lacking
from med_mat.raw.folder import RawFolder, is_hidden
from med_mat.storage.raw_files import FileIndex

#: The share of the images that may lack, by how sure the card is of its count.
_LEEWAY = {"high": 0.0, "medium": 0.02, "low": 0.5}


def recognize(visit: Visit) -> None:
    """Claim the folders that fit a layout, the shallowest first; ``top/<source>`` before all."""
    named = {name.lower(): name for name in reversed(visit.tree[()].folders)}
    for name, source in visit.catalog.items():
        if name.lower() in named:
            _own(visit, source, (named[name.lower()],))
    for parts in visit.folders():
        chosen = visit.candidates.best(visit.tree, parts)
        if len(chosen) == 1:
            ((name, layout),) = chosen.items()
            visit.claim(parts, _examined(visit, visit.catalog[name], parts, layout))
        elif chosen:
            visit.claim(parts, _unclear(visit, parts, sorted(chosen)))


def together(visit: Visit, findings: Iterable[Finding]) -> Iterator[Finding]:
    """One finding for a source that lies there several times: the one that a build with --raw reads."""
    copies: dict[str, list[Finding]] = {}
    for one in findings:
        if one.state == "found":
            copies.setdefault(one.source, []).append(one)
        else:
            yield one
    for first, *others in copies.values():
        notes = [f"it lies here {len(others) + 1} times: --raw reads this one"] if others else []
        for other in others:
            size = f"{other.images:,} images" + ("" if other.complete else ", incomplete")
            build = " or ".join(steps.build(visit.catalog[first.source], Path(other.where)))
            notes.append(f"another copy: {other.where} ({size}); to read that: {build}")
        yield replace(first, notes=(*first.notes, *notes))


def _own(visit: Visit, source: Source, parts: Parts) -> None:
    """The folder that is called as a source."""
    for at in visit.folders(parts, LEVELS):
        for one in source.layouts:
            if fits(visit.tree, at, one):
                visit.claim(at, _examined(visit, source, at, one))
                visit.closed.add(parts)
                return


def _unclear(visit: Visit, parts: Parts, names: list[str]) -> Finding:
    where = visit.place(parts)
    note = f"it fits the layouts of {' and '.join(names)}: which one is it?"
    moves = tuple(steps.move(where, visit.top / name) for name in names) if parts else ()
    return Finding("unclear", str(where), notes=(note,), steps=moves)


def _examined(visit: Visit, source: Source, parts: Parts, layout: Layout) -> Finding:
    """A source whose layout fits: what of it is there."""
    where = visit.place(parts)
    raw = visit.raw.below("/".join(parts), layout.variant)
    visible = [path for path in raw.files if not is_hidden(path)]
    count = counted(visit, source, raw, images_in(visible))
    expected = images_of(source, layout)
    missing = dict.fromkeys(lacking(visit.tree, parts, layout))
    notes, short = list(count.notes), False
    if is_miniature(where):
        notes.append("a miniature: its images are synthetic, and far fewer")
        missing, expected = {}, None
    else:
        certainty = source.counts.get("certainty", "low")
        notes += _against_card(source, layout, count)
        if layout.edition and count.unread:
            notes.append(f"the edition that is read: {layout.edition}")
        short = bool(expected and count.images < expected * (1 - _LEEWAY[certainty]))
        short = short or any(count.parts[part] < number for part, number in _parts(source, layout, count).items())
        if raw.missing and expected and count.images >= expected and certainty == "high":
            notes.append(f"the tables name {len(raw.missing):,} further images, which the publisher does not ship")
        else:
            missing |= dict.fromkeys(raw.missing)
    bad = list(wrong(raw, visible))
    notes += bad
    differ = Differences()
    if source.name in visit.indexes and visit.indexes[source.name].named:
        differ, unused = _compared(raw, visit.indexes[source.name])
        missing |= dict.fromkeys(differ.missing)
        notes += [f"{unused:,} files that no record needs are no longer there"] if unused else []
        notes.append("compared with the index of an earlier build, by names and sizes")
    complete = not (missing or differ.altered or count.unread or short or bad)
    advice = [*([] if complete else [steps.show(source)]), *steps.build(source, where)]
    if count.read is not None and count.unread:
        advice = [steps.show(source)]  # its build would say no more
    if len(parts) > LEVELS + 1 and not visit.found(source.name):
        notes.append("it lies too deep for --raw to find it")
        advice.insert(0, steps.move(where, visit.top / source.name))
    return Finding(
        "found", str(where), source.name, source.title, layout.variant, complete, len(visible), count.images, expected,
        tuple(missing), differ.extra, differ.altered, tuple(notes), tuple(advice),
    )  # fmt: skip


def _against_card(source: Source, layout: Layout, count: Count) -> Iterator[str]:
    """What the card says of the number of images."""
    expected = images_of(source, layout)
    unread = source.counts.get("unread", 0)
    sure = "" if source.counts.get("certainty") == "high" else ", which is not certain"
    if expected is not None and count.images < expected:
        yield f"the card counts {expected:,} images" + sure
    elif count.read and expected is not None and count.images > expected:
        yield f"{count.images - expected:,} more images than the card counts: another edition, or files of your own?"
    if unread and count.read:
        yield f"{unread:,} further images of a whole copy give no record, by design"
    for part, number in _parts(source, layout, count).items():
        if count.parts[part] < number:
            yield f"{part}: {count.parts[part]:,} of {number:,} images"


def _parts(source: Source, layout: Layout, count: Count) -> Mapping[str, int]:
    """Part of the published split -> its images, where the card has firm totals and the loader counted."""
    totals = source.counts.get("splits") or {}
    known = count.read and layout.images is None and totals.keys() <= {"train", "validation", "test"}
    return totals if known else {}


def _compared(raw: RawFolder, index: FileIndex) -> tuple[Differences, int]:
    """What differs from an earlier build: missing are only files that a record needs; and how many others are gone."""
    import pyarrow.compute as pc

    needed = index.files.filter(pc.not_equal(pc.fill_null(index.files["role"], ""), "skipped"))
    used = set(needed["path"].to_pylist())
    found = differences(index.files, scanned(raw))
    missing = tuple(path for path in found.missing if path in used)
    return replace(found, missing=missing), len(found.missing) - len(missing)
