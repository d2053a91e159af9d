"""The columns of an index for selecting and splitting, as arrays over all records: a dozen bytes per record.

A build lists its records file by file, so that the records of one row and one split are contiguous. Such a sequence is
a run; conditions on rows and splits are evaluated once per run, not once per record. ``split`` is the side of a record,
even if the record is withheld.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat.catalog import RowFacts
from med_mat.schema import LABEL_SEPARATOR
from med_mat.taxonomy import SPLITS

COLUMNS = ("row", "split", "label_set", "group", "withheld", "key")
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of contiguous records with the same row, split and withheld flag, in the order of the index.

    All arrays have shape (number of runs,).
    """

    start: Positions
    length: Positions
    row: npt.NDArray[np.int64]
    split: npt.NDArray[np.int64]  # position in SPLITS
    withheld: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, row: npt.NDArray[np.int16], split: npt.NDArray[np.uint8], withheld: npt.NDArray[np.bool_]) -> Runs:
        """The runs of the arrays over all records."""
        if not len(row):
            nothing = np.zeros(0, dtype=np.int64)
            return cls(nothing, nothing, nothing, nothing, nothing.astype(bool))
        differ = (row[1:] != row[:-1]) | (split[1:] != split[:-1]) | (withheld[1:] != withheld[:-1])
        changes = np.flatnonzero(differ) + 1
        start = np.concatenate(([0], changes))
        length = np.diff(np.concatenate((start, [len(row)])))
        return cls(start, length, row[start].astype(np.int64), split[start].astype(np.int64), withheld[start])

    def positions(self, kept: npt.NDArray[np.bool_]) -> Positions:
        """The positions of all records of the chosen runs, ascending."""
        start, length = self.start[kept], self.length[kept]
        before = np.cumsum(length) - length
        found: Positions = np.arange(int(length.sum())) + np.repeat(start - before, length)
        return found


@dataclass(frozen=True)
class Tags:
    """The tags of all records. Arrays have shape (number of records,)."""

    row: npt.NDArray[np.int16]
    split: npt.NDArray[np.uint8]  # position in SPLITS
    label: npt.NDArray[np.int32]  # position in label_sets
    label_sets: tuple[str, ...]  # a label, or several as one string; "" for none
    group: npt.NDArray[np.int32]  # position in the index of the group's first record
    withheld: npt.NDArray[np.bool_]  # in train or validation, and its group is in a held-out split
    key: npt.NDArray[np.uint64]  # for seeded sampling
    facts: Mapping[int, RowFacts]  # by row number, for rows that have records

    @functools.cached_property
    def runs(self) -> Runs:
        """The runs of the index."""
        return Runs.of(self.row, self.split, self.withheld)

    @functools.cached_property
    def labels(self) -> tuple[frozenset[str], ...]:
        """The labels of each label set."""
        return tuple(frozenset(text.split(LABEL_SEPARATOR)) if text else frozenset() for text in self.label_sets)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that have records."""
        return tuple(dict.fromkeys(fact.source for fact in self.facts.values()))

    def counts(self, positions: Positions) -> dict[int, int]:
        """The number of these positions in each row, by row number."""
        numbers = np.bincount(self.row[positions])
        return {int(row): int(numbers[row]) for row in np.flatnonzero(numbers)}

    @classmethod
    def read(cls, path: Path, manifest: Mapping[str, Any]) -> Tags:
        """Read the tags from ``index.parquet`` and the manifest of a build."""
        table = pq.read_table(path, columns=list(COLUMNS), read_dictionary=["split", "label_set"])
        row = table["row"].to_numpy().astype(np.int16, copy=False)
        split, names = encode(table["split"])
        order = np.array([SPLITS.index(name) for name in names], dtype=np.uint8)
        label, texts = encode(table["label_set"])
        alphabetic = sorted(range(len(texts)), key=texts.__getitem__)
        used = set(np.flatnonzero(np.bincount(row)).tolist()) if len(row) else set()
        facts = RowFacts.of_manifest(manifest)
        return cls(
            row=row,
            split=order[split] if len(order) else split.astype(np.uint8),
            label=np.argsort(alphabetic).astype(np.int32)[label] if len(texts) else label,
            label_sets=tuple(texts[code] for code in alphabetic),
            group=table["group"].to_numpy(),
            withheld=table["withheld"].is_valid().to_numpy(),
            key=table["key"].to_numpy().view(np.uint64),
            facts={number: facts[number] for number in sorted(used)},
        )


@dataclass(frozen=True, slots=True)
class Narrow:
    """A column of the index as numbers, which conditions on single records are evaluated on."""

    values: npt.NDArray[Any]  # (records,): int32 numbers, bool answers, or int32 positions in ``names``, -1 for null
    names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Narrow:
        """Numbers as they are; texts as positions in their dictionary."""
        if pa.types.is_integer(column.type):
            return cls(pc.fill_null(column, -1).to_numpy().astype(np.int32, copy=False))
        return cls(*encode(column if pa.types.is_dictionary(column.type) else column.dictionary_encode()))

    @classmethod
    def stated(cls, column: pa.ChunkedArray) -> Narrow:
        """Whether there is a value."""
        return cls(np.asarray(column.is_valid()))

    def present(self) -> set[Any]:
        """The values that records have; those of texts without null."""
        found = np.unique(self.values).tolist()
        return set(found) if self.names is None else {self.names[code] for code in found if code >= 0}


def encode(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """A dictionary column as codes (-1 for null) and their values."""
    array = column.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # no chunk at all
        return np.zeros(0, dtype=np.int32), ()
    return np.asarray(pc.fill_null(array.indices, -1)).astype(np.int32, copy=False), tuple(array.dictionary.to_pylist())
