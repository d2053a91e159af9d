"""The evidence of an audit: the identities, images and own columns of a split's records, read again.

The column ``group`` is not used: shared patients, files, images, near-duplicates, published ids and links are found
from the other columns of the index, the cards and ``duplicates.parquet``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from med_mat import catalog
from med_mat.catalog import SharedId
from med_mat.selection import MAT
from med_mat.splits.looks import COMPARED, SetAside, set_aside, shared_looks
from med_mat.splits.split import Split
from med_mat.tags import Positions
from med_mat.taxonomy import AXES

#: What must not be on both sides, in addition to groups.
IDENTITIES = ("patients", "files", "images", "published ids")
#: Number of records read together.
_CHUNK = 65_536
_COLUMNS = ("source", "row", "subset", *AXES, "path", "patient", "sha256", "pixel_hash", "perceptual_hash")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found; all numbers are counts."""

    shared: Mapping[str, int]  # patients, files, images, near-duplicates, published ids, links: on both sides
    torn: int  # links of the build between records of different groups
    strange: Mapping[
        str, tuple[int, str]
    ]  # side -> records whose own columns differ from their row's facts, and the first
    target: int  # training records with the target's triplet that belong to another row
    patients: int  # test records whose patient is known
    blank: int  # test records of images without structure, whose matches are not copies
    common: int  # perceptual hashes on both sides that the build does not link by
    apart: bool  # perceptual hashes were compared bit by bit, not for equality alone


@dataclass(frozen=True, slots=True)
class _Side:
    """The identifying values of the records of one side."""

    values: Mapping[str, pa.Array]  # kind of value -> different values
    looks: pa.Array  # different perceptual hashes
    said: Mapping[tuple[object, ...], int]  # row, source, subset and triplet, as the records state them -> records
    patients: int
    blank: int


def gather(experiment: Split) -> Evidence:
    """Reads the records of train and test again, in chunks of the index."""
    tags, links = experiment.mat.tags, experiment.mat.linked
    trained, tested, shared, common = _compared(experiment, experiment.train_positions, experiment.test_positions)
    strange = {name: _strange(experiment, side) for name, side in (("train", trained), ("test", tested))}
    return Evidence(
        shared=shared,
        torn=int(np.count_nonzero(tags.group[links.first] != tags.group[links.second])),
        strange={name: found for name, found in strange.items() if found[0]},
        target=_misplaced(experiment, trained),
        patients=tested.patients,
        blank=tested.blank,
        common=common,
        apart=len(experiment.train_positions) + len(experiment.test_positions) <= COMPARED,
    )


def shared(experiment: Split, first: Positions, second: Positions) -> dict[str, int]:
    """The numbers of groups, and of what :class:`Evidence` counts, that two parts of a split have in common."""
    group, count = experiment.mat.tags.group, len(experiment.mat)
    both = marked(group[first], count) & marked(group[second], count)
    return {"groups": int(np.count_nonzero(both)), **_compared(experiment, first, second)[2]}


def _compared(experiment: Split, train: Positions, test: Positions) -> tuple[_Side, _Side, dict[str, int], int]:
    """Both sides as read again, what they share, and the shared hashes that the build does not link by."""
    index, links = experiment.mat, experiment.mat.linked
    train, test = np.sort(train), np.sort(test)
    apart = len(train) + len(test) <= COMPARED
    counted = SetAside.of(index.manifest)
    tested = _read(experiment, test)
    trained = _read(experiment, train, None if apart else tested)
    if apart:
        pairs = shared_looks(trained.looks, tested.looks, counted.threshold)
    else:
        equal = np.asarray(pc.fill_null(pc.index_in(trained.looks, tested.looks), -1), dtype=np.int64)
        pairs = np.flatnonzero(equal >= 0), equal[equal >= 0]
    alike = np.unique(pairs[1])
    both_sides = len(alike)
    if both_sides:
        looks = [*tested.looks.to_pylist(), *trained.looks.to_pylist()]
        used = np.unique(np.concatenate([pairs[1], pairs[0] + len(tested.looks)]))
        chosen = [looks[place] for place in used.tolist()]
        placed = np.searchsorted(used, pairs[1]), np.searchsorted(used, pairs[0] + len(tested.looks))
        alike = alike[~set_aside(index.location, chosen, placed, counted)[np.searchsorted(used, alike)]]
    both = {name: len(_common(trained.values[name], tested.values[name])) for name in IDENTITIES}
    sides = [marked(positions, len(index)) for positions in (train, test)]
    crossing = (sides[0][links.first] & sides[1][links.second]) | (sides[1][links.first] & sides[0][links.second])
    found = {
        **{name: both[name] for name in ("patients", "files", "images")},
        "near-duplicates": len(alike),
        "published ids": both["published ids"],
        "links": int(np.count_nonzero(crossing)),
    }
    return trained, tested, found, both_sides - len(alike)


def marked(positions: npt.NDArray[np.integer], count: int) -> npt.NDArray[np.bool_]:
    """(count,) Whether each position is among these."""
    marks = np.zeros(count, dtype=bool)
    marks[positions] = True
    return marks


def _common(first: pa.Array, second: pa.Array) -> pa.Array:
    return first.filter(pc.is_in(first, second))


def said(experiment: Split, positions: Positions) -> tuple[tuple[int, str], int]:
    """How many records have columns that differ from their row's facts, and the first of them; and how many of these
    have the target's triplet."""
    side = _read(experiment, np.sort(positions))
    return _strange(experiment, side), _misplaced(experiment, side)


def _misplaced(experiment: Split, side: _Side) -> int:
    """The number of records with the target's triplet that belong to another row."""
    of_target = frozenset(experiment.target.mats)
    return sum(
        count
        for said, count in side.said.items()
        if not _fits(experiment, said) and MAT(*map(str, said[3:])) in of_target
    )


def _fits(experiment: Split, said: tuple[object, ...]) -> bool:
    """Whether a record's own columns agree with the facts of its row."""
    facts = experiment.mat.tags.facts.get(int(str(said[0])))
    return facts is not None and said[1:] == (facts.source, facts.subset, *(getattr(facts.mat, axis) for axis in AXES))


def _strange(experiment: Split, side: _Side) -> tuple[int, str]:
    """The number of records whose own columns differ from their row's facts, and the first of them in words."""
    found = {said: count for said, count in side.said.items() if not _fits(experiment, said)}
    if not found:
        return 0, ""
    row, source, subset, *triplet = min(found, key=str)
    facts = experiment.mat.tags.facts[int(str(row))]
    here, right = (f"{triplet} of {name}, subset {number}" for triplet, name, number in (
        ("/".join(map(str, triplet)), source, subset), (facts.mat, facts.source, facts.subset)))  # fmt: skip
    return sum(found.values()), f"row {row} as {here}, where it is {right}"


def _read(experiment: Split, positions: Positions, only: _Side | None = None) -> _Side:
    """The identifying values of the records at these positions.

    Args:
        experiment: The split whose index is read.
        positions: Positions in it, ascending.
        only: Keep only values that this side has too (default: all).
    """
    shared = _shared_ids(experiment)
    values: dict[str, list[pa.Array]] = {name: [] for name in (*IDENTITIES, "near-duplicates")}
    said: Counter[tuple[object, ...]] = Counter()
    patients, blank, nothing = 0, 0, pa.scalar(None, pa.string())
    for chunk in _chunks(experiment, positions):
        hidden = pc.and_(pc.is_valid(chunk["pixel_hash"]), pc.is_null(chunk["perceptual_hash"]))
        blank += int(pc.sum(hidden).as_py() or 0)
        patients += len(chunk) - chunk["patient"].null_count
        found = {
            # a patient's number is unique within its source
            "patients": pc.binary_join_element_wise(chunk["source"], pc.cast(chunk["patient"], pa.string()), " "),
            "files": pc.if_else(hidden, nothing, chunk["sha256"]),
            "images": pc.if_else(hidden, nothing, chunk["pixel_hash"]),
            "near-duplicates": chunk["perceptual_hash"],
            "published ids": _published(chunk, shared),
        }
        for name, column in found.items():
            known = pc.unique(pc.drop_null(column))
            kept = values[name]
            other = None if only is None else only.looks if name == "near-duplicates" else only.values[name]
            kept.append(known if other is None else _common(known, other))
        each = chunk.group_by(["row", "source", "subset", *AXES]).aggregate([([], "count_all")])
        for one in each.to_pylist():
            said[tuple(one[name] for name in ("row", "source", "subset", *AXES))] += one["count_all"]
    merged = {name: pc.unique(pa.concat_arrays([*kept, pa.array([], pa.string())])) for name, kept in values.items()}
    return _Side(merged, merged.pop("near-duplicates"), said, patients, blank)


def _chunks(experiment: Split, positions: Positions) -> Iterator[pa.Table]:
    """The columns of these records, in batches."""
    for start in range(0, len(positions), _CHUNK):
        yield experiment.mat.facts(positions[start : start + _CHUNK], _COLUMNS).combine_chunks()


def _shared_ids(experiment: Split) -> dict[str, Sequence[SharedId]]:
    """The sources of the build whose paths contain ids that other sources use too."""
    known = catalog.load()
    sources = [known[name] for name in experiment.mat.tags.sources if name in known]
    return {source.name: source.shared_ids for source in sources if source.shared_ids}


def _published(chunk: pa.Table, shared: Mapping[str, Sequence[SharedId]]) -> pa.Array:
    """The published ids in the paths of some records, with their namespace."""
    found = [pa.array([], pa.string())]
    for source in pc.unique(chunk["source"]).to_pylist():
        paths = chunk["path"].filter(pc.equal(chunk["source"], source))
        for one in shared.get(source, ()):
            # RE2: linear in the length of the path, whatever the pattern
            names = pc.struct_field(pc.extract_regex(paths, one.pattern), "id")
            found.extend(pc.binary_join_element_wise(one.namespace, names, " ").chunks)
    return pa.concat_arrays(found)
