"""A loader's examples -> shards: which example goes where, decided from facts alone, before any pixel is decoded.

Splits need to know all examples before the first shard is cut. So a loader is run twice: the first run (:func:`survey`)
keeps a few bytes per example, the second (:func:`shards`) streams the examples into shards, and memory stays bounded
whatever the size of the source. Both runs must yield the same examples in the same order. Of a small source the
examples are kept instead, and the loader is run once.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields

from med_mat.building.record import Placed
from med_mat.catalog import Source
from med_mat.errors import BuildError
from med_mat.example import Example
from med_mat.raw.folder import RawFolder

#: A shard is closed when its raw files reach this size, or at this many examples.
SHARD_BYTES = 64 * 2**20
SHARD_EXAMPLES = 2048
#: Up to this many examples are kept between survey and shards: about 1 kB each.
KEPT_EXAMPLES = 50_000
TEST_SHARE = 0.1
_BLOCK = 4096
_SAID = tuple(field.name for field in fields(Example) if field.name != "pixels")

Examples = Callable[[RawFolder], Iterator[Example]]


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first run over a loader's examples found."""

    names: array[int]  # a hash of every example's name, in order
    kept: tuple[Example, ...] | None  # the examples themselves, where they are few
    seeded: bool  # the publisher holds nothing out, so the split is ours
    renamed_validation: bool  # the publisher's only held-out part is called validation: it is our test
    test_groups: frozenset[int]
    repeated_names: frozenset[int]
    patients: Mapping[str, int]  # in order of first appearance -> number

    @property
    def examples(self) -> int:
        """How many the loader yields."""
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Shard:
    """A run of examples of one split, small enough for one worker to write in one go."""

    source: str
    split: str
    number: int
    examples: tuple[tuple[Example, Placed], ...]
    inputs: str  # digest of everything that its content depends on

    @property
    def name(self) -> str:
        """Its file name without folder and suffix."""
        return f"{self.split}-{self.number:05d}"


@dataclass(slots=True)
class Refused:
    """Examples that the plan already turns down, with the reason."""

    entries: list[tuple[Example, str]] = field(default_factory=list)


def survey(source: Source, raw: RawFolder, examples: Examples, seed: int) -> Survey:
    """Run the loader once, keeping only what splits need."""
    names, groups, strata = array("Q"), array("Q"), array("L")
    stratum_numbers: dict[str, int] = {}
    splits: Counter[str | None] = Counter()
    kept: list[Example] | None = []
    paths_by_size: defaultdict[int, dict[str, int]] = defaultdict(dict)
    same: dict[int, int] = {}  # group -> another that holds the same file
    patients: dict[str, int] = {}
    for example in examples(raw):
        if kept is not None:
            kept.append(example)
            if len(kept) > KEPT_EXAMPLES:
                kept = None
        if example.patient is not None:
            patients.setdefault(example.patient, len(patients))
        path = str(example.path)
        names.append(_number(example.name))
        group = _group(source, example)
        groups.append(group)
        strata.append(stratum_numbers.setdefault(_stratum(example), len(stratum_numbers)))
        splits[example.split] += 1
        if example.split is None or example.split == "train":
            first = paths_by_size[raw.files[path].size].setdefault(path, group)
            _join(same, first, group)
    seeded = not (splits["test"] or splits["validation"])
    if seeded:
        _join_identical_files(raw, paths_by_size, same)
    counts = Counter(names)
    return Survey(
        names=names,
        kept=None if kept is None else tuple(kept),
        seeded=seeded,
        renamed_validation=bool(splits["validation"] and not splits["test"]),
        test_groups=_held_out(f"{seed}/{source.name}", groups, strata, same) if seeded else frozenset(),
        repeated_names=frozenset(name for name, count in counts.items() if count > 1),
        patients=patients,
    )


def shards(
    source: Source, raw: RawFolder, examples: Examples, found: Survey, inputs: str, refused: Refused
) -> Iterator[Shard]:
    """Cut the examples into shards, in order.

    Args:
        inputs: digest of what all shards of the source depend on (loader, card, options, versions).
        refused: receives the examples whose id is taken.

    Raises:
        BuildError: the second run differs from the first.
    """
    open_shards: dict[str, list[tuple[Example, Placed]]] = defaultdict(list)
    sizes: Counter[str] = Counter()
    digests: dict[str, hashlib.blake2b] = {}
    numbers: Counter[str] = Counter()
    taken: dict[int, Example] = {}
    count = 0

    def close(split: str) -> Shard:
        shard = Shard(source.name, split, numbers[split], tuple(open_shards.pop(split)), digests.pop(split).hexdigest())
        numbers[split] += 1
        del sizes[split]
        return shard

    for example in examples(raw) if found.kept is None else found.kept:
        if found.kept is None and (count >= found.examples or found.names[count] != _number(example.name)):
            raise _differs(source, raw)
        name = found.names[count]
        count += 1
        if name in found.repeated_names and (first := taken.setdefault(name, example)) is not example:
            refused.entries.append((example, f"its id {example.name!r} is already that of {first.path}"))
            continue
        placed = _place(source, example, found)
        split = placed.split
        if split not in digests:
            digests[split] = hashlib.blake2b(inputs.encode(), digest_size=16)
        digests[split].update(_facts(raw, example))
        open_shards[split].append((example, placed))
        sizes[split] += raw.files[str(example.path)].size
        if sizes[split] >= SHARD_BYTES or len(open_shards[split]) >= SHARD_EXAMPLES:
            yield close(split)
    for split in sorted(open_shards):
        yield close(split)
    if count != found.examples:
        raise _differs(source, raw)


def _differs(source: Source, raw: RawFolder) -> BuildError:
    return BuildError(
        f"Two runs of the loader of {source.name!r} over {raw.root} differ: either the folder changed during the build "
        "(run it again), or the loader does not yield the same examples in the same order each time."
    )


def _place(source: Source, example: Example, found: Survey) -> Placed:
    published = example.split
    patient = None if example.patient is None else found.patients[example.patient]
    if found.seeded:
        return Placed("test" if _group(source, example) in found.test_groups else "train", published, patient)
    if found.renamed_validation and published == "validation":
        return Placed("test", published, patient)
    return Placed(published or "train", published, patient)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big")


def _group(source: Source, example: Example) -> int:
    """What must stay together as far as one example can tell: its patient, else its file."""
    return _number(f"patient {example.patient}" if example.patient is not None else f"file {example.path}")


def _stratum(example: Example) -> str:
    if example.label is not None:
        return example.label
    return next((raw for raw, state in example.labels.items() if state), "masks" if example.masks else "")


def _facts(raw: RawFolder, example: Example) -> bytes:
    """All that the record depends on: what the loader says, and the size and time of every file it refers to."""
    said = [getattr(example, name) for name in _SAID]  # its repr would say the same, and take four times as long
    known = raw.files
    files = "".join([f" {known[str(path)]}" for path in example.files])
    return f"{example.pixels}{said!r}{files}\n".encode("utf-8", "surrogateescape")


def _join_identical_files(raw: RawFolder, paths_by_size: Mapping[int, Mapping[str, int]], same: dict[int, int]) -> None:
    """Join the groups that hold the same file byte for byte.

    Files of one size are told apart by a block from their middle; only where that too is equal are they read whole.
    """
    for size, candidates in paths_by_size.items():
        if len(candidates) < 2:
            continue
        by_block: defaultdict[bytes, list[str]] = defaultdict(list)
        for path in candidates:
            by_block[_content(raw, path, start=size // 2, count=_BLOCK)].append(path)
        first: dict[bytes, int] = {}
        for path in (path for paths in by_block.values() if len(paths) > 1 for path in paths):
            digest = hashlib.sha256(_content(raw, path)).digest()
            _join(same, first.setdefault(digest, candidates[path]), candidates[path])


def _content(raw: RawFolder, path: str, *, start: int = 0, count: int = -1) -> bytes:
    """What a file holds; its own path where it cannot be read: the shard meets it again and says why."""
    try:
        with open(f"{raw.root}/{path}", "rb", buffering=0) as file:  # noqa: PTH123 - three times as fast as pathlib
            if start:
                file.seek(start)
            return file.read(count)
    except OSError:
        return path.encode()


def _join(parents: dict[int, int], first: int, second: int) -> None:
    a, b = _root(parents, first), _root(parents, second)
    if a != b:
        parents[b] = a


def _root(parents: Mapping[int, int], group: int) -> int:
    while group in parents:
        group = parents[group]
    return group


def _held_out(salt: str, groups: array[int], strata: array[int], same: Mapping[int, int]) -> frozenset[int]:
    """The groups of the test part: of every stratum, groups in a seeded order until a tenth of its examples is reached.

    A group too large for the tenth is passed over; a stratum of one group stays in train.
    """
    sizes: Counter[int] = Counter()
    stratum_of: dict[int, int] = {}
    members: defaultdict[int, set[int]] = defaultdict(set)
    for group, stratum in zip(groups, strata, strict=True):
        root = _root(same, group)
        sizes[root] += 1
        stratum_of.setdefault(root, stratum)
        if same:
            members[root].add(group)
    by_stratum: defaultdict[int, list[int]] = defaultdict(list)
    for root, stratum in stratum_of.items():
        by_stratum[stratum].append(root)
    held: set[int] = set()
    for roots in by_stratum.values():
        if len(roots) < 2:
            continue
        total = sum(sizes[root] for root in roots)
        wanted = max(1, round(TEST_SHARE * total))
        roots.sort(key=lambda root: _number(f"{salt}/{root}"))
        taken = 0
        chosen = []
        for root in roots:
            if taken + sizes[root] <= wanted:
                chosen.append(root)
                taken += sizes[root]
                if taken == wanted:
                    break
        if not chosen:
            smallest = min(roots, key=lambda root: sizes[root])
            chosen = [smallest] if sizes[smallest] <= total / 2 else []
        held.update(chosen)
    return frozenset(group for root in held for group in (members.get(root) or {root}))
