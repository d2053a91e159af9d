"""Sources that fit a layout: where they lie, and what of each is there."""

from __future__ import annotations

from dataclasses import replace

from med_mat.building.files import FileIndex
from med_mat.building.ledger import is_miniature
from med_mat.building.run import has_loader, loader_of
from med_mat.catalog import Source
from med_mat.doctor import steps
from med_mat.doctor.finding import Finding
from med_mat.doctor.visit import Visit, images_in, images_of
from med_mat.errors import MedMATError
from med_mat.example import Frame, Slice
from med_mat.raw.fit import fits
from med_mat.raw.folder import RawFolder, is_hidden
from med_mat.raw.layout import LEVELS
from med_mat.raw.tree import Parts
from med_mat.validate import Differences, differences, scanned

_LOADED_FILES = 300_000  # a loader reads the tables of a source of at most so many files


def recognise(visit: Visit) -> None:
    """Claim the folders that fit a layout, the shallowest first; ``top/<source>`` before all."""
    named = {name.lower(): name for name in reversed(visit.tree[()].folders)}
    for name, source in visit.catalog.items():
        if name.lower() in named:
            _own(visit, source, (named[name.lower()],))
    for parts in visit.folders():
        chosen = visit.candidates.best(visit.tree, parts)
        if len(chosen) == 1:
            ((name, layout),) = chosen.items()
            visit.claim(parts, _examined(visit, visit.catalog[name], parts, layout.variant))
        elif chosen:
            visit.claim(parts, _unclear(visit, parts, sorted(chosen)))


def _own(visit: Visit, source: Source, parts: Parts) -> None:
    """The folder that is called as a source."""
    for at in visit.folders(parts, LEVELS):
        for one in source.layouts:
            if fits(visit.tree, at, one):
                visit.claim(at, _examined(visit, source, at, one.variant))
                visit.closed.add(parts)
                return


def _unclear(visit: Visit, parts: Parts, names: list[str]) -> Finding:
    where = visit.place(parts)
    note = f"it fits the layouts of {' and '.join(names)}: which one is it?"
    moves = tuple(steps.move(where, visit.top / name) for name in names) if parts else ()
    return Finding("unclear", str(where), notes=(note,), steps=moves)


def _examined(visit: Visit, source: Source, parts: Parts, variant: str) -> Finding:
    """A source whose layout fits: what of it is there."""
    where = visit.place(parts)
    raw = visit.raw.below("/".join(parts), variant)
    visible = [path for path in raw.files if not is_hidden(path)]
    images, counted, notes = _counted(visit, source, raw, images_in(visible))
    expected = images_of(source)
    missing = dict.fromkeys(raw.missing)
    short = expected is not None and images < expected
    # a count that is not certain is off by some, not by half
    sure = source.counts.get("certainty") == "high" or bool(expected and images and images < expected / 2)
    if is_miniature(where):
        notes.append("a miniature: its images are synthetic, and far fewer")
        missing, short, expected = {}, False, None
    elif short:
        notes.append(f"the card counts {expected:,} images" + ("" if sure else ", which is not certain"))
    elif counted and expected is not None and images > expected:
        notes.append(f"{images - expected:,} more images than the card counts: another edition, or files of your own?")
    differ = Differences()
    if source.name in visit.indexes:
        differ, unused = _compared(raw, visit.indexes[source.name])
        missing |= dict.fromkeys(differ.missing)
        notes += [f"{unused:,} files that no record needs are no longer there"] if unused else []
        notes.append("compared with the index of an earlier build, by names and sizes")
    unread = counted is False or (counted and images == 0)
    complete = not (missing or differ.altered or unread or (short and sure))
    earlier = visit.found(source.name)
    if earlier:
        notes.append(f"it also lies in {earlier.where}: keep one of the two")
    advice = [*([] if complete else [steps.show(source)]), *steps.build(source, where)]
    if len(parts) > LEVELS + 1 and not earlier:
        notes.append("it lies too deep for --raw to find it")
        advice.insert(0, steps.move(where, visit.top / source.name))
    return Finding(
        "found", str(where), source.name, source.title, variant, complete, len(visible), images, expected,
        tuple(missing), differ.extra, differ.altered, tuple(notes), tuple(advice),
    )  # fmt: skip


def _counted(visit: Visit, source: Source, raw: RawFolder, named: int) -> tuple[int, bool | None, list[str]]:
    """How many images there are; whether the loader counts them, None where it is not asked; what is to be said."""
    if not has_loader(source):
        return named, None, ["no loader reads it yet: images are counted by their names, masks among them"]
    if not visit.tables or len(raw.files) > _LOADED_FILES:
        return named, None, ["images are counted by their names, masks among them"]
    paths: set[str] = set()
    examples, parts = 0, False
    try:
        for example in loader_of(source).examples(raw):
            examples += 1
            paths.add(str(example.path))
            parts = parts or isinstance(example.pixels, Frame | Slice)
    except MedMATError as error:
        return named, False, [f"its loader stops: {error}"]
    except Exception as error:  # a loader that stumbles over odd data must not end the diagnosis of all others
        return named, False, [f"its loader fails ({type(error).__name__}: {error}): please report this"]
    return examples if parts else len(paths), True, []


def _compared(raw: RawFolder, index: FileIndex) -> tuple[Differences, int]:
    """What differs from an earlier build: missing are only files that a record needs; and how many others are gone."""
    import pyarrow.compute as pc

    needed = index.files.filter(pc.not_equal(pc.fill_null(index.files["role"], ""), "skipped"))
    used = set(needed["path"].to_pylist())
    found = differences(index.files, scanned(raw))
    missing = tuple(path for path in found.missing if path in used)
    return replace(found, missing=missing), len(found.missing) - len(missing)
