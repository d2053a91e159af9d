"""Made-up builds: an index and a manifest, and the same records in plain Python to check against."""

from __future__ import annotations

import functools
import hashlib
import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from med_mat import catalog, schema
from med_mat.building.sides import key
from med_mat.catalog import RowFacts
from med_mat.dataset import MedMAT
from med_mat.errors import AuditError, SplitError
from med_mat.leakage import contradictions
from med_mat.leakage.near import THRESHOLD
from med_mat.selection import MAT
from med_mat.storage.location import Folder
from med_mat.taxonomy import DRAWN

WORDS = (("CT", "MRI", "US"), ("Lung", "Brain", "Skin"), ("Cancer", "COVID", "State", "Level", "Cancer Detection"))
MATS = [MAT(m, a, t) for m in WORDS[0] for a in WORDS[1] for t in WORDS[2]]
LUNG = MAT("CT", "Lung", "Cancer")
#: The target and the parts of its first combination, with something that shares nothing.
MADE = [LUNG, MAT("CT", "Brain", "Cancer"), MAT("CT", "Lung", "COVID"), MAT("US", "Skin", "Level")]


_numbers = itertools.count()


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes when the tests end."""
    return tempfile.TemporaryDirectory(prefix="worlds-")


@dataclass(frozen=True)
class Row:
    """A row of a made-up build."""

    number: int
    mat: MAT
    subset: int | None = None
    annotation: str = "classes"
    source: str = ""
    access: str = "open"

    @property
    def where(self) -> str:
        return self.source or f"source_{self.number}"


@dataclass(frozen=True)
class Record:
    """A record of a made-up build. What is None is unknown."""

    row: int
    split: str = "train"
    label: str = "a"
    patient: str | None = None
    sha256: str | None = None
    pixel_hash: str | None = None
    look: str | None = None  # perceptual hash; None: one of its own where there are pixels
    withheld: str | None = None
    path: str = "x.png"
    silent: bool = False  # there is nothing to ask


@dataclass(frozen=True)
class World:
    """A build and what it was made of."""

    mat: MedMAT
    records: tuple[Record, ...]
    rows: dict[int, Row]

    def of(self, position: int) -> Row:
        """The row of a record."""
        return self.rows[self.records[position].row]


def look(record: Record) -> str | None:
    """The perceptual hash of a record: pictures of different pixels look different, unless it is said."""
    if record.look is not None or record.pixel_hash is None:
        return record.look
    return hashlib.blake2b(record.pixel_hash.encode(), digest_size=32).hexdigest()


def groups(records: Sequence[Record]) -> list[int]:
    """The first record of each one's connected component, by a plain search."""
    found = list(range(len(records)))
    changed = True
    while changed:
        changed = False
        for kind in ("patient", "sha256", "pixel_hash", "look"):
            values = [look(record) if kind == "look" else getattr(record, kind) for record in records]
            lowest: dict[str, int] = {}
            for i, value in enumerate(values):
                if value is not None:
                    lowest[value] = min(lowest.get(value, i), found[i])
            for i, value in enumerate(values):
                if value is not None and lowest[value] < found[i]:
                    found[i], changed = lowest[value], True
    return found


def made_up(records: Sequence[Record], rows: Sequence[Row], folder: Path | None = None, *,
            links: Sequence[tuple[int, int, str, bool]] = (), near_duplicates: Mapping[str, int] | None = None,
            sources: Mapping[str, Any] | None = None) -> World:  # fmt: skip
    """A build of these records; they are put in the order of an index, row by row and split by split.

    Links are of two positions in that order, with their reason and whether the two contradict each other.
    """
    ordered = tuple(sorted(records, key=lambda one: (one.row, one.split)))
    by_number = {row.number: row for row in rows}
    place = {"id": [], "position": []}  # type: dict[str, list[Any]]
    count: dict[int, int] = {}
    for one in ordered:
        count[one.row] = count.get(one.row, 0) + 1
        place["id"].append(f"{by_number[one.row].where}/{one.row}/{count[one.row]}")
        place["position"].append(count[one.row] - 1)
    n = len(ordered)
    columns: dict[str, Any] = {
        **place,
        "source": [by_number[one.row].where for one in ordered],
        "key": [key(one) for one in place["id"]],
        "row": [one.row for one in ordered],
        "subset": [by_number[one.row].subset for one in ordered],
        **{axis: [getattr(by_number[one.row].mat, axis) for one in ordered] for axis in ("modality", "area", "task")},
        "split": [one.split for one in ordered],
        "label": [one.label for one in ordered],
        "labels": [one.label.split("; ") if one.label else [] for one in ordered],
        "label_set": [one.label for one in ordered],
        "patient": _numbered(ordered),
        "sha256": [one.sha256 for one in ordered],
        "pixel_hash": [one.pixel_hash for one in ordered],
        "perceptual_hash": [look(one) for one in ordered],
        "path": [one.path for one in ordered],
        "image_id": [identity.replace(f"/{one.row}/", "/") for identity, one in zip(place["id"], ordered, strict=True)],
        "withheld": [one.withheld for one in ordered],
        "question": ["which?"] * n,
        "open_question": ["which?"] * n,
        "options": [[] if by_number[one.row].annotation in DRAWN else ["a", "b"] for one in ordered],
        "answer": ["A"] * n,
        "target": [None if one.silent else "A" for one in ordered],
        "transform": ["none"] * n,
        "width": [64 + i for i in range(n)],
        "height": [64] * n,
        "group": groups(ordered),
        "file": [f"data/{by_number[one.row].where}/{one.row:03d}/{one.split}-00000.parquet" for one in ordered],
    }
    target = schema.index_schema()
    arrays = [pa.array(columns[one.name], one.type) if one.name in columns else pa.nulls(n, one.type) for one in target]
    root = folder or Path(_scratch().name) / str(next(_numbers))
    root.mkdir(parents=True, exist_ok=True)
    index = pa.Table.from_arrays(arrays, schema=target)
    pq.write_table(index, root / "index.parquet")
    pq.write_table(_links(index, [*_people(ordered), *links]), root / "duplicates.parquet")
    facts = {
        str(row.number): RowFacts(
            number=row.number,
            source=row.where,
            subset=row.subset,
            mat=row.mat,
            annotation=row.annotation,
            license="mit",
            license_certainty="confirmed",
            access=row.access,
            redistributable=True,
            labels_redistributable=True,
            commercial=None,
            augmented=False,
        ).to_data()
        for row in rows
    }
    manifest = {
        "schema": schema.VERSION,
        "rows": facts,
        "sources": sources or {},
        "near_duplicates": {"threshold": THRESHOLD, **(near_duplicates or {})},
    }
    mat = MedMAT(Folder(root), manifest)
    return World(mat, ordered, by_number)


def _links(index: pa.Table, links: Sequence[tuple[int, int, str, bool]]) -> pa.Table:
    ids, sources = index["id"].to_pylist(), index["source"].to_pylist()
    return pa.Table.from_pylist(
        [
            {
                "first": ids[first], "second": ids[second], "first_source": sources[first],
                "second_source": sources[second], "reason": reason, "kind": "same picture", "contradictory": contrary,
            }
            for first, second, reason, contrary in links
        ],
        contradictions.SCHEMA,
    )  # fmt: skip


def _people(records: Sequence[Record]) -> list[tuple[int, int, str, bool]]:
    """The links between records of one patient in several rows, each of which is a source with numbers of its own."""
    first: dict[str | None, dict[int, int]] = {}
    for place, one in enumerate(records):
        first.setdefault(one.patient, {}).setdefault(one.row, place)
    return [
        (min(places.values()), place, "same patient", False)
        for name, places in first.items()
        for place in sorted(places.values())[1:]
        if name is not None
    ]


def _numbered(records: Sequence[Record]) -> list[int | None]:
    """The patients as numbers."""
    names = sorted({one.patient for one in records} - {None}, key=str)
    return [None if one.patient is None else names.index(one.patient) for one in records]


def many(counts: dict[tuple[int, str], int], tested: int = 1) -> list[Record]:
    """Training records, so many of each (row, label), and one test record of a row."""
    records = [Record(tested, "test")]
    for (row, label), count in counts.items():
        records += [Record(row, "train", label)] * count
    return records


def made_rows(mats: Sequence[MAT] = MADE) -> list[Row]:
    """Rows 1, 2, 3..., one for each triplet."""
    return [Row(number, mat) for number, mat in enumerate(mats, 1)]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[tuple[Record, ...], tuple[Row, ...]]:
    """Some rows of any triplets, or those of MADE and further ones; people and pictures in any number of places."""
    mats = draw(st.lists(st.sampled_from(MATS), min_size=1, max_size=7))  # rows may share a triplet
    rich = draw(st.booleans())
    mats = MADE + mats if rich else mats
    subsets = catalog.load().subsets
    rows = tuple(
        Row(
            number,
            mat,
            draw(st.none() | st.sampled_from(sorted(subsets))),
            draw(st.sampled_from(["classes", "classes", "findings", "boxes"])),
        )
        for number, mat in enumerate(mats, 1)
    )
    people = draw(st.sampled_from([2, 30, 1000]))
    identity = st.none() | st.integers(0, people).map(str)
    record = st.builds(
        Record,
        row=st.integers(1, len(mats)),
        split=st.sampled_from(["train", "train", "train", "validation", "test", "test"]),
        label=st.sampled_from(["a", "b", "c", "a; b", ""]),
        patient=identity,
        sha256=identity,
        pixel_hash=st.none() | identity,
    )
    records = draw(st.lists(record, min_size=30 if rich else 1, max_size=60))
    if rich:
        records.append(Record(1, "test"))
    return tuple(records), rows


def with_more(world: World, rows: Sequence[Row], records: Sequence[Record]) -> World:
    """The same build with further rows."""
    return made_up([*world.records, *records], [*world.rows.values(), *rows])


def tried(make: Callable[[], Any]) -> tuple[Any, str]:
    """What was made, or None and why it cannot be, which is one sentence."""
    try:
        return make(), ""
    except SplitError as error:
        refused = str(error)
    assert "\n" not in refused
    return None, refused


def audited(experiment: Any) -> tuple[Any, str]:
    """The audit, or None and its violations in one line."""
    try:
        return experiment.audit(), ""
    except AuditError as error:
        return None, "; ".join(error.audit.violations)


__all__ = [
    "LUNG", "MADE", "MATS", "Record", "Row", "World", "audited", "look", "made_rows", "made_up", "many", "replace",
    "tried", "with_more", "worlds",
]  # fmt: skip
