"""Split files: which records are in train, validation and test, with a hash of each record's content.

A split file (Parquet or JSON) opens over any build that has the same records, whatever else the build contains, with or
without file names: each record is listed with its public id too (:mod:`med_mat.nameless`). A CSV file is a plain list
for other programs.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import __version__
from med_mat.errors import SplitError
from med_mat.files import write_atomically
from med_mat.index import Index
from med_mat.splits.ids import ids_of
from med_mat.splits.options import Rule
from med_mat.splits.split import Split
from med_mat.tags import Positions

VERSION = 4
PARTS = ("train", "validation", "test")
#: Key of the facts in the metadata of a Parquet file.
KEY = b"med_mat.split"
COLUMNS = pa.schema([("id", pa.string()), ("part", pa.string()), ("content", pa.binary(8)), ("public_id", pa.string())])
#: The identity of a record: if one of these differs, it is another record under the same id.
_CONTENT = ("split", "modality", "area", "task", "label_set", "sha256", "transform", "question", "answer")


def save(made: Split, path: str | os.PathLike[str]) -> None:
    """Write a split file; an interrupted write leaves no partial file.

    Args:
        made: The split.
        path: Its extension is the format. ``.parquet`` and ``.json`` contain everything that
        :func:`med_mat.splits.loading.load` needs. ``.csv`` has the columns ``id`` and ``part``, for other programs
            and as a list for :func:`med_mat.splits.kinds.lists.split`.

    Raises:
        SplitError: Another extension.
        WriteError: The file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in _WRITERS:
        raise SplitError(f"{path}: a split is saved as .parquet or .json, to be loaded again, or as .csv.")
    sides = (made.train_positions, made.validation_positions, made.test_positions)
    positions = np.concatenate(sides)
    part = pa.array(np.repeat(PARTS, [len(one) for one in sides]), pa.string())
    facts = {
        "version": VERSION,
        "fingerprint": made.fingerprint,
        "definition": made.definition,
        "arguments": dict(made.arguments),
        "options": made.options.to_data(),
        "target": {
            "text": made.target.text,
            "mats": [str(triplet) for triplet in made.target.mats],
            "rows": sorted(made.target.rows),
        },
        "rule": {name: getattr(made.rule, name) for name in Rule.__dataclass_fields__},
        "dropped": dict(made.dropped),
        "med_mat": __version__,
    }
    ids, public = ids_of(made.mat.location, positions)
    table = pa.Table.from_arrays([ids, part, content(made.mat, positions), public], schema=COLUMNS)
    write_atomically(target, _WRITERS[target.suffix.lower()](table, facts))


def content(index: Index, positions: Positions) -> pa.Array:
    """A hash of the content of each of some records, 8 bytes."""
    table = index.facts(positions, _CONTENT)
    columns = [pc.cast(table[name], pa.binary()) for name in _CONTENT]
    facts = pc.binary_join_element_wise(*columns, b"\x1f", null_handling="replace", null_replacement=b"\x00")
    hashes = [hashlib.blake2b(one, digest_size=8).digest() for one in facts.to_pylist()]
    return pa.array(hashes, pa.binary(8))


def _parquet(table: pa.Table, facts: Mapping[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({KEY: json.dumps(facts)}), sink, compression="zstd")
    return bytes(sink.getvalue())


def _json(table: pa.Table, facts: Mapping[str, Any]) -> bytes:
    records: dict[str, dict[str, dict[str, str]]] = {name: {} for name in PARTS}
    for one in table.to_pylist():
        records[one["part"]][one["id"]] = {"content": one["content"].hex(), "public_id": one["public_id"]}
    return (json.dumps({**facts, "records": records}, indent=1, ensure_ascii=False) + "\n").encode()


def _csv(table: pa.Table, _facts: Mapping[str, Any]) -> bytes:
    text = io.StringIO()
    rows = zip(table["id"].to_pylist(), table["part"].to_pylist(), strict=True)
    csv.writer(text, lineterminator="\n").writerows([("id", "part"), *rows])
    return text.getvalue().encode()


_WRITERS: Mapping[str, Callable[[pa.Table, Mapping[str, Any]], bytes]] = {
    ".parquet": _parquet,
    ".json": _json,
    ".csv": _csv,
}
