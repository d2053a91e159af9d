"""Divides a loader's examples into chunks, before any pixel is decoded.

A loader runs twice: the first run (:func:`survey`) keeps a few bytes per example, the second (:func:`chunks`) streams
the examples into chunks, so that memory stays bounded for a source of any size. Both runs must yield the same examples
in the same order. For a small source the examples are kept in memory instead, and the loader runs once.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med_mat import formats, limits
from med_mat.building import sides
from med_mat.building.record import Placed, stratum
from med_mat.catalog import Source
from med_mat.errors import LoaderError
from med_mat.example import Example
from med_mat.leakage.components import components
from med_mat.mounts.remote import answered
from med_mat.raw.folder import RawFolder

#: A chunk is closed when its raw files reach this size, or at this many examples.
CHUNK_BYTES = 64 * 2**20
CHUNK_EXAMPLES = 2048
#: The maximum number of examples kept in memory between survey and chunks: about 1 kB each.
KEPT_EXAMPLES = 50_000
_BLOCK = 4096  # bytes of each file that are compared first if two files have the same size
_READ = 1 << 20
_SAID = attrgetter(*(field.name for field in fields(Example) if field.name != "pixels"))
#: If two examples of one name differ in one of these, the published labels of the image contradict each other.
_LABELS = attrgetter("label", "labels", "boxes", "masks")

Array = NDArray[Any]
Examples = Callable[[RawFolder], Iterator[Example]]


@dataclass(frozen=True, slots=True)
class Survey:
    """The results of the first run over a loader's examples."""

    names: array[int]  # Python's hash of every example's name, in order: it never leaves the process
    kept: tuple[Example, ...] | None  # the examples themselves, if they are few
    seeded: bool  # no held-out split is published: Med-MAT makes a seeded one
    renamed_validation: bool  # the only published held-out split is called validation: it becomes the test split
    test: frozenset[int]  # examples of the seeded test split, with groups from patients and equal files only
    repeated: frozenset[int]  # hashes of names that occur more than once
    contradicted: Mapping[int, tuple[str, str]]  # those of them that give one image two labels -> both labels
    patients: Mapping[str, int]  # patient -> number, in order of first appearance

    @property
    def examples(self) -> int:
        """Number of examples that the loader yields."""
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The unit of a build: a run of a source's examples in the loader's order, whatever their split."""

    source: str
    number: int
    examples: tuple[tuple[Example, Placed], ...]
    pixels: str  # digest of the references to pixels, with size and modification time of the files
    said: str  # digest of everything else that the loader yields for them

    @property
    def name(self) -> str:
        """Its number as in file names."""
        return f"{self.number:05d}"


@dataclass(slots=True)
class Refused:
    """Examples that the plan refuses, with the reason."""

    entries: list[tuple[Example, str]] = field(default_factory=list)


@answered()
def survey(source: Source, raw: RawFolder, examples: Examples, seed: int) -> Survey:
    """Run the loader once, keeping only the data that the split needs."""
    names, pictures, said, keys, strata = array("q"), array("q"), array("q"), array("q"), array("L")
    stratum_numbers: dict[str, int] = {}
    splits: Counter[str | None] = Counter()
    kept: list[Example] | None = []
    paths_by_size: defaultdict[int, dict[str, int]] = defaultdict(dict)
    joins: list[tuple[int, int]] = []
    patients: dict[str, int] = {}
    first_of: dict[int, int] = {}  # patient -> an example of it
    files = raw.files
    for place, example in enumerate(examples(raw)):
        if kept is not None:
            kept.append(example)
            if len(kept) > KEPT_EXAMPLES:
                kept = None
        if example.patient is not None:
            patient = patients.setdefault(example.patient, len(patients))
            joins.append((first_of.setdefault(patient, place), place))
        path, name = str(example.path), example.name
        names.append(hash(name))
        pictures.append(hash(example.pixels))
        said.append(hash(repr(_LABELS(example))))
        keys.append(sides.key(f"{source.name}/{name}"))
        strata.append(stratum_numbers.setdefault(stratum(example), len(stratum_numbers)))
        splits[example.split] += 1
        first = paths_by_size[files[path].size].setdefault(path, place)
        if first != place:
            joins.append((first, place))
    seeded = not (splits["test"] or splits["validation"])
    test: frozenset[int] = frozenset()
    if seeded:
        joins += _identical_files(raw, paths_by_size)
        first, second = np.array(joins, np.int64).reshape(-1, 2).T
        groups = components(len(names), first, second)
        test = frozenset(sides.held_out(f"{seed}/{source.name}", groups, strata, keys).nonzero()[0].tolist())
    distinct, counts = np.unique(np.array(names, np.int64), return_counts=True)
    repeated, texts = distinct[counts > 1], list(stratum_numbers)
    told = [texts[one] for one in strata] if len(repeated) else []
    return Survey(
        names=names,
        kept=None if kept is None else tuple(kept),
        seeded=seeded,
        renamed_validation=bool(splits["validation"] and not splits["test"]),
        test=test,
        repeated=frozenset(repeated.tolist()),
        contradicted=_contradicted(repeated, names, pictures, said, told),
        patients=patients,
    )


def chunks(source: Source, raw: RawFolder, examples: Examples, found: Survey, refused: Refused) -> Iterator[Chunk]:
    """Divide the examples into chunks, in order.

    Args:
        source: the source.
        raw: its raw folder.
        examples: its loader.
        found: the results of the first run.
        refused: receives the examples whose id is taken, or whose published labels contradict each other.

    Raises:
        LoaderError: the second run differs from the first.
    """
    open_: list[tuple[Example, Placed]] = []
    size, number, count = 0, 0, 0
    pixels, said = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
    taken: dict[int, Example] = {}
    files = raw.files
    for example in examples(raw) if found.kept is None else found.kept:
        if found.kept is None and (count >= found.examples or found.names[count] != hash(example.name)):
            raise _differs(source, raw)
        name, place = found.names[count], count
        count += 1
        if name in found.repeated:
            if name in found.contradicted:
                refused.entries.append((example, _contradiction(example, *found.contradicted[name])))
                continue
            first = taken.setdefault(name, example)
            if first is not example:
                refused.entries.append((example, f"its id {example.name!r} is already that of {first.path}"))
                continue
        placed = _place(example, place, found)
        of_file = files[str(example.path)]
        pixels.update(f"{example.pixels} {of_file}{_beside(raw, example.path)}\n".encode("utf-8", "surrogateescape"))
        said.update(_facts(raw, example, placed))
        open_.append((example, placed))
        size += of_file.size
        if size >= CHUNK_BYTES or len(open_) >= CHUNK_EXAMPLES:
            yield Chunk(source.name, number, tuple(open_), pixels.hexdigest(), said.hexdigest())
            open_, size, number = [], 0, number + 1
            pixels, said = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
    if open_:
        yield Chunk(source.name, number, tuple(open_), pixels.hexdigest(), said.hexdigest())
    if count != found.examples:
        raise _differs(source, raw)


def _differs(source: Source, raw: RawFolder) -> LoaderError:
    return LoaderError(
        f"Two runs of the loader of {source.name!r} over {raw.root} differ: either the folder changed during the build "
        "(run it again), or the loader does not yield the same examples in the same order each time."
    )


def _contradicted(
    repeated: Array, names: array[int], pictures: array[int], said: array[int], told: Sequence[str]
) -> dict[int, tuple[str, str]]:
    """Names that give one image different labels -> two of these labels."""
    first: dict[tuple[int, int], int] = {}
    found: dict[int, tuple[str, str]] = {}
    for place in np.flatnonzero(np.isin(np.array(names, np.int64), repeated)).tolist():
        before = first.setdefault((names[place], pictures[place]), place)
        if said[before] != said[place]:
            found.setdefault(names[place], (told[before], told[place]))
    return found


def _contradiction(example: Example, one: str, other: str) -> str:
    """Why none of the examples of one name can be used."""
    if one == other:
        return f"what is published of {example.name!r} contradicts itself: two entries name it and differ"
    return f"two entries contradict each other: they give {example.name!r} the labels {_short(one)} and {_short(other)}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")


def _place(example: Example, place: int, found: Survey) -> Placed:
    published = example.split
    patient = None if example.patient is None else found.patients[example.patient]
    if found.seeded:
        return Placed("test" if place in found.test else "train", published, patient)
    if found.renamed_validation and published == "validation":
        return Placed("test", published, patient)
    return Placed(published or "train", published, patient)


def _facts(raw: RawFolder, example: Example, placed: Placed) -> bytes:
    """Everything that the record depends on besides its pixels: the example, and size and time of the mask files.

    Its side is not included: a record that changes sides is copied in any case.
    """
    said = list(_SAID(example))  # equivalent to its repr, but four times as fast
    files = "".join([f" {raw.files[str(path)]}{_beside(raw, path)}" for path in example.files[1:]])
    return f"{example.pixels}{said!r}{placed.published}{placed.patient}{files}\n".encode("utf-8", "surrogateescape")


def _beside(raw: RawFolder, path: PurePosixPath) -> str:
    """Size and time of the separate pixel file of a header file such as .mhd; "" for all other files."""
    if not path.name.lower().endswith(formats.headers()):
        return ""
    found = formats.companion(raw.mount, path, raw.files[str(path)])
    return "" if found is None else f" {raw.files.get(str(found))}"


def _identical_files(raw: RawFolder, paths_by_size: Mapping[int, Mapping[str, int]]) -> Iterator[tuple[int, int]]:
    """Pairs of examples whose files are identical byte for byte.

    Files of the same size are compared by a block from their middle; they are read whole only if it is equal.
    """
    for size, candidates in paths_by_size.items():
        if len(candidates) < 2 or size > limits.allowance().most:  # larger files are refused when they are read
            continue
        by_block: defaultdict[bytes, list[str]] = defaultdict(list)
        for path in candidates:
            by_block[_content(raw, path, start=size // 2, count=_BLOCK)].append(path)
        first: dict[bytes, int] = {}
        for path in (path for paths in by_block.values() if len(paths) > 1 for path in paths):
            digest = _digest(raw, path)
            yield first.setdefault(digest, candidates[path]), candidates[path]


def _content(raw: RawFolder, path: str, *, start: int, count: int) -> bytes:
    """A part of a file; its own path if it cannot be read: building the chunk then reports the error."""
    try:
        with raw.mount.open(path) as file:
            file.seek(start)
            return file.read(count)
    except OSError:
        return path.encode()


def _digest(raw: RawFolder, path: str) -> bytes:
    """The sha256 of a file; of its own path if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with raw.mount.open(path) as file:
            while block := file.read(_READ):
                digest.update(block)
    except OSError:
        return hashlib.sha256(path.encode()).digest()
    return digest.digest()
