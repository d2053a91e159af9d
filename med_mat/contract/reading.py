"""What a loader promises of its miniature, of being recognized, and of the examples that it yields."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from med_mat.building.ledger import MINIATURE_BYTES
from med_mat.building.loader import examples_of, write_miniature
from med_mat.contract.promise import Subject, promise
from med_mat.errors import LayoutError
from med_mat.layouts.listing import Tree
from med_mat.layouts.locating import locate, recognize
from med_mat.layouts.matching import lacking

_FILES = range(8, 200)


def _digests(folder: Path) -> dict[str, str]:
    """Each file below a folder -> a digest of its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@promise("The miniature is the same at each call, byte for byte.", "miniature")
def the_same_again(subject: Subject) -> Iterator[str]:
    """Nothing random, no date."""
    with TemporaryDirectory() as folder:
        write_miniature(subject.source, Path(folder))
        first, again = _digests(subject.folder), _digests(Path(folder))
    for path in sorted(name for name in first.keys() | again.keys() if first.get(name) != again.get(name)):
        yield f"{path} differs between two calls: let its content follow from its path, as Miniature does."
        return


@promise(
    f"The miniature has {_FILES[0]} to {_FILES[-1]} files, less than {MINIATURE_BYTES:,} bytes in all.", "miniature"
)
def small(subject: Subject) -> Iterator[str]:
    """Enough to show each case, and no more."""
    files = [path for path in subject.folder.rglob("*") if path.is_file()]
    if len(files) not in _FILES:
        yield f"It has {len(files)} files: write {_FILES[0]} to {_FILES[-1]}."
    size = sum(path.stat().st_size for path in files)
    if size >= MINIATURE_BYTES:
        yield f"It has {size:,} bytes: write fewer or smaller images."


@promise("The source is recognized, and taken for no other, whatever its folder is called.", "miniature")
def recognized(subject: Subject) -> Iterator[str]:
    """In a folder of any name, one level too high, and beside nothing that tells its name."""
    below = subject.place.root.relative_to(subject.folder)
    inside = locate(subject.source, subject.place.mount)
    if inside.root != subject.place.root:
        yield f"In its own root {subject.place.root} it is located at {inside.root}: a layout fits a folder inside too."
    with TemporaryDirectory() as folder:
        top = Path(folder).resolve()
        moved = top / "downloads (1)" / "été" / "my copy"
        shutil.copytree(subject.folder, moved)
        for start in (moved, moved.parent):
            found = locate(subject.source, start).root
            if found != moved / below:
                yield f"From {start.relative_to(top)} it is located at {found.relative_to(top)}, not {moved / below}."
        sources = {**subject.catalog, subject.name: subject.source}
        seen = {name: raw.root for name, raw in recognize(top, sources).items()}
        if seen != {subject.name: moved / below}:
            others = ", ".join(sorted(seen.keys() - {subject.name}))
            yield (
                f"In a folder of another name it is recognized as {others or 'no source'}: name files in 'layout' that "
                "this source alone has."
            )


@promise("The layout recognizes no miniature of another source.", "miniature")
def nobody_else(subject: Subject) -> Iterator[str]:
    """As far as other miniatures lie beside this one."""
    for folder in sorted(path for path in subject.raw.iterdir() if path.name != subject.name):
        try:
            locate(subject.source, folder)
        except LayoutError:
            continue
        yield f"The folder of {folder.name} fits a layout of {subject.name}: name files that this source alone has."


@promise("The miniature shows at least half of what a whole copy holds.", "miniature")
def nearly_whole(subject: Subject) -> Iterator[str]:
    """Patterns of the layout that nothing matches."""
    (layout,) = (one for one in subject.source.layouts if one.variant == subject.place.variant)
    lacks = lacking(Tree(subject.place.mount), (), layout)
    if lacks and len(lacks) >= max(1, len(layout.patterns)) / 2:
        yield f"No file of it matches {', '.join(lacks)} of the layout {layout.variant}: write some."


@promise("An empty folder is refused with what was expected in it.", "miniature")
def empty(subject: Subject) -> Iterator[str]:
    """A layout without files to look for fits anything."""
    with TemporaryDirectory() as folder:
        try:
            locate(subject.source, folder)
        except LayoutError as error:
            if subject.source.layouts[0].words not in str(error):
                yield f"The refusal does not tell the layout: {error}"
        else:
            yield "An empty folder is taken for the source: name files in 'layout'."


@promise("Examples come in one order at each run, wherever the folder lies and however it was copied.", "miniature")
def one_order(subject: Subject) -> Iterator[str]:
    """Also in a second run over the same RawFolder."""
    if subject.read(subject.place) != subject.examples:
        yield "A second run over one RawFolder yields other examples: keep no state between runs."
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        for path in sorted(subject.folder.rglob("*"), reverse=True):
            if path.is_file():
                (copy / path.relative_to(subject.folder)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy / path.relative_to(subject.folder))
        if subject.read(locate(subject.source, copy)) != subject.examples:
            yield "A copy elsewhere yields other examples: let nothing follow from where the folder lies."


@promise("Examples are yielded one at a time, each with a unique name that is the same on every machine.", "miniature")
def lazy(subject: Subject) -> Iterator[str]:
    """examples_of checks that their files are files of the folder."""
    yielded = subject.module.examples(subject.place)
    if iter(yielded) is not yielded:
        yield f"examples(raw) returns a {type(yielded).__name__}: yield each Example instead."
    names: set[str] = set()
    for example in examples_of(subject.source)(subject.place):
        if example.name in names:
            yield f"Two examples are called {example.name!r}: give them keys that differ."
        if str(subject.raw) in repr(example):
            yield f"{example.name!r} holds the path of the raw folder, which differs between machines."
        names.add(example.name)


@promise("Every raw label of an example is on the card.", "miniature")
def labels_known(subject: Subject) -> Iterator[str]:
    """Of classes, findings and boxes."""
    known = {raw for row in subject.source.rows for raw in row.labels}
    said = {
        label
        for example in subject.examples
        for label in (example.label, *example.labels, *(box.label for box in example.boxes or ()))
        if label is not None
    }
    for label in sorted(said - known):
        yield f"{label!r} is not among 'labels' of the card: add it there, exactly as it is spelled here."


@promise("The card says which of its files may identify a person.", "miniature")
def identifying(subject: Subject) -> Iterator[str]:
    """Where patients are known something tells them."""
    source = subject.source
    known = [example for example in subject.examples if example.patient is not None]
    if known and not source.identifying:
        yield "Patients are known, so something tells who they are: say what under 'identifying'."
    named = known and all(_words(str(one.patient)) <= _words(str(one.path)) for one in known)
    if named and not source.identifies("file names"):
        yield "File names hold the patient: add {where: file names, what: ...} to 'identifying'."
    stated = r"(?i)\b(fe)?male\b|\b\d+ ?(y|yrs?|years?)\b"
    if any(re.search(stated, one.raw_label or "") for one in subject.examples) and not source.identifies("raw labels"):
        yield "Raw labels hold sex or age: add {where: raw labels, what: ...} to 'identifying'."


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+|[0-9]+", text.casefold()))


PROMISES = (
    *(the_same_again, small, recognized, nobody_else, nearly_whole, empty, one_order, lazy, labels_known, identifying),
)
