"""Upstream's questions beside our records: a ``datasets.Dataset``, or Parquet files, one per file of upstream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from med_mat import schema
from med_mat.building.writer import ROW_GROUP_RECORDS
from med_mat.catalog import Row
from med_mat.errors import BuildError
from med_mat.files import replacing
from med_mat.official.holdings import Built
from med_mat.official.labels import known_labels, split_labels
from med_mat.official.matching import Match, match
from med_mat.official.reading import File, find_files
from med_mat.storage.location import MANIFEST
from med_mat.storage.parquet import open_writer

if TYPE_CHECKING:
    import datasets
    import numpy.typing as npt

    from med_mat.dataset import MedMAT

_STRINGS = pa.list_(pa.string())
#: Upstream's columns, beside those of :mod:`med_mat.schema` and never mixed with them.
FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("upstream_file", pa.string()),  # below the folder that was named
    ("upstream_id", pa.string()),  # within that file
    ("upstream_subset", pa.int16()),  # as the file is named; null for files of a row
    ("upstream_row", pa.int16()),  # as the entry says, else as the file is named
    ("upstream_split", pa.string()),  # as the file is named
    ("upstream_image", pa.string()),  # the path as printed
    ("upstream_match", pa.string()),  # how it was found: path, renamed folder, or converted
    ("upstream_caption", pa.string()),
    ("upstream_labels", _STRINGS),  # the caption, taken apart where the row may have several labels
    ("upstream_question", pa.string()),  # with options and suffix
    ("upstream_options", _STRINGS),
    ("upstream_answer", pa.string()),  # as printed, usually a letter
    ("upstream_open_question", pa.string()),
    ("upstream_open_answer", pa.string()),
)


def attach(place: Path | str, mat: MedMAT) -> datasets.Dataset:
    """Upstream's entries that have a record in a build, with the columns of both.

    Args:
        place: a folder of the authors' JSON, or one file of it. A folder with both of their folders gives each
            question twice: filter by ``upstream_file``, or name one folder.
        mat: the build.

    Returns:
        A row per attached entry, in upstream's order: the columns of :mod:`med_mat.schema`, then :data:`FIELDS`.

    Raises:
        LayoutError, ReadError: the JSON is not what the authors published; names file and entry.
    """
    import datasets

    holdings = Built(mat)
    pieces = [_beside(file, found, holdings) for file, found in matched(find_files(Path(place)), holdings)]
    positions = np.concatenate([np.asarray(where, dtype=np.int64) for where, _ in pieces])
    theirs = pa.concat_tables([table for _, table in pieces])
    if not len(positions):
        empty = datasets.Dataset(theirs)
        return datasets.concatenate_datasets([mat.take(positions), empty], axis=1)
    # `datasets` would copy all pixels to put columns beside a selection. Beside whole files it need not: so upstream's
    # columns are spread over these, and the selection is made last. A record that is attached again needs them again.
    shards = _whole_files(mat, positions)
    order = np.argsort(shards)
    slots = order[np.searchsorted(shards, positions, sorter=order)]
    layer = _occurrence(slots)
    layers = []
    for number in range(int(layer.max()) + 1):
        chosen = np.flatnonzero(layer == number)
        spread = np.full(len(shards), -1)
        spread[slots[chosen]] = chosen
        columns = theirs.take(pa.array(spread, mask=spread < 0))
        layers.append(datasets.concatenate_datasets([mat.take(shards), datasets.Dataset(columns)], axis=1))
    return datasets.concatenate_datasets(layers).select(layer * len(shards) + slots)


def _whole_files(mat: MedMAT, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """All positions of the files in which some positions lie, file by file in their order."""
    file, place, _ = mat.places
    inside = np.flatnonzero(np.isin(file, np.unique(file[positions])))
    return inside[np.lexsort((place[inside], file[inside]))]


def _occurrence(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each value how often it came before."""
    order = np.argsort(values, kind="stable")
    numbers = np.arange(len(values))
    new = np.diff(values[order], prepend=-1) != 0
    before = np.empty_like(numbers)
    before[order] = numbers - np.maximum.accumulate(np.where(new, numbers, 0))
    return before


def write(place: Path | str, mat: MedMAT, out: Path) -> dict[str, tuple[int, int]]:
    """Write what :func:`attach` gives as Parquet, a file for each of upstream's that has any attached entry.

    Args:
        place: a folder of the authors' JSON, or one file of it.
        mat: the build.
        out: the folder for ``data/<name of upstream's file>.parquet``; ``load_dataset`` opens it.

    Returns:
        Upstream's file -> entries, and those of them that are attached.

    Raises:
        LayoutError, ReadError: the JSON is not what the authors published; names file and entry.
        BuildError: nothing could be attached, or ``out`` is a build.
    """
    if (out / MANIFEST).exists():
        raise BuildError(f"{out.absolute()} is a Med-MAT. Name another folder for upstream's questions.")
    holdings = Built(mat)
    counts: dict[str, tuple[int, int]] = {}
    for file, found in matched(find_files(Path(place)), holdings):
        positions, theirs = _beside(file, found, holdings)
        counts[file.name] = len(found), len(positions)
        if positions:
            _write(out / "data" / Path(file.name).with_suffix(".parquet"), mat, positions, theirs)
    if not any(attached for _, attached in counts.values()):
        raise BuildError(
            f"No entry of {place} has a record in {mat!r}. Run 'med-mat official check {place}' with the same build: "
            "it says why."
        )
    return counts


def matched(files: Iterable[File], holdings: Built) -> Iterator[tuple[File, list[Match]]]:
    """Each file with the matches of its entries, one file in memory at a time."""
    for file in files:
        yield file, match(file, file.entries(), holdings)


def _beside(file: File, found: Sequence[Match], holdings: Built) -> tuple[list[int], pa.Table]:
    """The positions of the attached entries in the index, and upstream's columns for them."""
    attached = [one for one in found if one.record is not None]
    known: dict[int, tuple[Row, frozenset[str]]] = {
        number: (row, known_labels([row])) for number, row in holdings.rows.items()
    }

    def labels(one: Match) -> list[str]:
        row, names = known[one.row or 0]
        return split_labels(one.entry.caption, names, several=row.kind not in ("classes", "grades"))

    entries = [one.entry for one in attached]
    columns: dict[str, Sequence[Any]] = {
        "upstream_file": [file.name] * len(attached),
        "upstream_id": [one.id for one in entries],
        "upstream_subset": [file.subset] * len(attached),
        "upstream_row": [one.row for one in attached],
        "upstream_split": [file.split] * len(attached),
        "upstream_image": [one.image for one in entries],
        "upstream_match": [one.outcome for one in attached],
        "upstream_caption": [one.caption for one in entries],
        "upstream_labels": [labels(one) for one in attached],
        "upstream_question": [one.question for one in entries],
        "upstream_options": [one.options for one in entries],
        "upstream_answer": [one.answer for one in entries],
        "upstream_open_question": [one.open_question for one in entries],
        "upstream_open_answer": [one.open_answer for one in entries],
    }
    table = pa.table([pa.array(columns[name], kind) for name, kind in FIELDS], schema=_schema(FIELDS))
    return [one.record for one in attached if one.record is not None], table


def _write(path: Path, mat: MedMAT, positions: Sequence[int], theirs: pa.Table) -> None:
    arrow_schema = _schema((*schema.FIELDS, *FIELDS))
    ours = mat.take(np.asarray(positions, dtype=np.int64)).with_format("arrow")
    with replacing(path) as temporary, open_writer(temporary, arrow_schema) as writer:
        for start in range(0, len(positions), ROW_GROUP_RECORDS):
            records = ours[start : start + ROW_GROUP_RECORDS]
            beside = theirs.slice(start, records.num_rows)
            columns = [*(records[name] for name, _ in schema.FIELDS), *beside.columns]
            writer.write_table(pa.table(columns, schema=arrow_schema), row_group_size=ROW_GROUP_RECORDS)


def _schema(fields: tuple[tuple[str, pa.DataType], ...]) -> pa.Schema:
    """With the ``datasets`` features in its metadata, as the shards have them."""
    metadata = {"huggingface": json.dumps({"info": {"features": schema.features(fields)}})}
    return pa.schema([pa.field(name, kind) for name, kind in fields], metadata=metadata)
