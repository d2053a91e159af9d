"""Sources whose layout fits: where they are, and how complete each is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from med_mat.building.ledger import is_miniature
from med_mat.catalog import Layout, Source
from med_mat.differences import Differences, differences, scanned
from med_mat.doctor import remedies
from med_mat.doctor.contents import wrong
from med_mat.doctor.count import Count, counted
from med_mat.doctor.finding import Finding
from med_mat.doctor.scan import Scan, images_in, images_of
from med_mat.layouts.listing import Parts
from med_mat.layouts.locating import LEVELS
from med_mat.layouts.matching import fits, lacking
from med_mat.raw.folder import RawFolder
from med_mat.raw.patterns import is_hidden
from med_mat.storage.raw_files import FileIndex

#: The share of images that may be missing, by how certain the card is of its count.
_LEEWAY = {"high": 0.0, "medium": 0.02, "low": 0.5}


def claim_recognized(scan: Scan) -> None:
    """Claims the folders that fit a layout, ``top/<source>`` first, then the shallowest."""
    named = {name.lower(): name for name in reversed(scan.tree[()].folders)}
    for name, source in scan.catalog.items():
        if name.lower() in named:
            _own(scan, source, (named[name.lower()],))
    for parts in scan.folders():
        chosen = scan.candidates.best(scan.tree, parts)
        if len(chosen) == 1:
            ((name, layout),) = chosen.items()
            scan.claim(parts, examined(scan, scan.catalog[name], parts, layout))
        elif chosen:
            scan.claim(parts, _unclear(scan, parts, sorted(chosen)))


def merge_copies(scan: Scan, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Merges several copies of a source into one finding: the copy that a build with --raw reads."""
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
            build = " or ".join(remedies.build(scan.catalog[first.source], Path(other.where)))
            notes.append(f"another copy: {other.where} ({size}); to read that: {build}")
        yield replace(first, notes=(*first.notes, *notes))


def _own(scan: Scan, source: Source, parts: Parts) -> None:
    """The folder named like a source."""
    for at in scan.folders(parts, LEVELS):
        for one in source.layouts:
            if fits(scan.tree, at, one):
                scan.claim(at, examined(scan, source, at, one))
                scan.closed.add(parts)
                return


def _unclear(scan: Scan, parts: Parts, names: list[str]) -> Finding:
    where = scan.place(parts)
    note = f"it fits the layouts of {' and '.join(names)}: which one is it?"
    moves = tuple(remedies.move(where, scan.top / name) for name in names) if parts else ()
    return Finding("unclear", str(where), notes=(note,), steps=moves)


def examined(scan: Scan, source: Source, parts: Parts, layout: Layout) -> Finding:
    """The finding on a source whose layout fits: its images, what is missing, and the next step."""
    where = scan.place(parts)
    raw = scan.raw.below("/".join(parts), layout.variant)
    visible = [path for path in raw.files if not is_hidden(path)]
    count = counted(scan, source, raw, images_in(visible))
    expected = images_of(source, layout)
    missing = dict.fromkeys(lacking(scan.tree, parts, layout))
    notes, short = list(count.notes), False
    if is_miniature(raw.mount):
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
    if source.name in scan.indexes and scan.indexes[source.name].named:
        differ, unused = _compared(raw, scan.indexes[source.name])
        missing |= dict.fromkeys(differ.missing)
        notes += [f"{unused:,} files that no record needs are no longer there"] if unused else []
        notes.append("compared with the index of an earlier build, by names and sizes")
    complete = not (missing or differ.altered or count.unread or short or bad)
    advice = [*([] if complete else [remedies.show(source)]), *remedies.build(source, where)]
    if count.read is not None and count.unread:
        advice = [remedies.show(source)]  # a build would say the same
    if len(parts) > LEVELS + 1 and not scan.found(source.name):
        notes.append("it lies too deep for --raw to find it")
        advice.insert(0, remedies.move(where, scan.top / source.name))
    return Finding(
        "found", str(where), source.name, source.title, layout.variant, complete, len(visible), count.images, expected,
        tuple(missing), differ.extra, differ.altered, tuple(notes), tuple(advice),
    )  # fmt: skip


def _against_card(source: Source, layout: Layout, count: Count) -> Iterator[str]:
    """How the number of images compares with the card."""
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
    """Part of the published split -> expected images, where the card states totals and the loader counted."""
    totals = source.counts.get("splits") or {}
    known = count.read and layout.images is None and totals.keys() <= {"train", "validation", "test"}
    return totals if known else {}


def _compared(raw: RawFolder, index: FileIndex) -> tuple[Differences, int]:
    """Differences from an earlier build. Only files that a record needs are missing; the others are counted."""
    import pyarrow.compute as pc

    needed = index.files.filter(pc.not_equal(pc.fill_null(index.files["role"], ""), "skipped"))
    used = set(needed["path"].to_pylist())
    found = differences(index.files, scanned(raw))
    missing = tuple(path for path in found.missing if path in used)
    return replace(found, missing=missing), len(found.missing) - len(missing)
