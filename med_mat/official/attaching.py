"""The authors' questions next to our records: a ``datasets.Dataset``, or one Parquet file per file of theirs."""

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
from med_mat.official.files import File, find_files
from med_mat.official.images import BuiltImages
from med_mat.official.labels import known_labels, split_labels
from med_mat.official.matching import Match, match
from med_mat.storage.location import MANIFEST
from med_mat.storage.parquet import open_writer

if TYPE_CHECKING:
    import datasets
    import numpy.typing as npt

    from med_mat.dataset import MedMAT

_STRINGS = pa.list_(pa.string())
#: The authors' columns, separate from those of :mod:`med_mat.schema`.
FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("upstream_file", pa.string()),  # relative to the given folder
    ("upstream_id", pa.string()),  # within that file
    ("upstream_subset", pa.int16()),  # from the file's name; null for files of a row
    ("upstream_row", pa.int16()),  # from the entry, else from the file's name
    ("upstream_split", pa.string()),  # from the file's name
    ("upstream_image", pa.string()),  # the path as printed
    ("upstream_match", pa.string()),  # how it was found: path, renamed folder, or converted
    ("upstream_caption", pa.string()),
    ("upstream_labels", _STRINGS),  # the caption, split if the row may have several labels
    ("upstream_question", pa.string()),  # with options and suffix
    ("upstream_options", _STRINGS),
    ("upstream_answer", pa.string()),  # as printed, usually a letter
    ("upstream_open_question", pa.string()),
    ("upstream_open_answer", pa.string()),
)


def attach(place: Path | str, mat: MedMAT) -> datasets.Dataset:
    """The authors' entries that have a record in a build, with the columns of both.

    Args:
        place: A folder of the authors' JSON, or one of its files. If it contains both of their folders, each question
            occurs twice: filter by ``upstream_file``, or give one folder.
        mat: An opened Med-MAT.

    Returns:
        A row per attached entry, in the authors' order: the columns of :mod:`med_mat.schema`, then :data:`FIELDS`.

    Raises:
        LayoutError, ReadError: The JSON is not in a published layout; the message names file and entry.
    """
    import datasets

    images = BuiltImages(mat)
    pieces = [_beside(file, found, images) for file, found in matched(find_files(Path(place)), images)]
    positions = np.concatenate([np.asarray(where, dtype=np.int64) for where, _ in pieces])
    theirs = pa.concat_tables([table for _, table in pieces])
    if not len(positions):
        empty = datasets.Dataset(theirs)
        return datasets.concatenate_datasets([mat.take(positions), empty], axis=1)
    # `datasets` copies all pixels when columns are added to a selection, but not when they are added to whole files. So
    # the authors' columns are spread over whole files, and the selection comes last. A record that is attached several
    # times needs several layers.
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
    """All positions of the files that contain these positions, file by file."""
    file, place, _ = mat.places
    inside = np.flatnonzero(np.isin(file, np.unique(file[positions])))
    return inside[np.lexsort((place[inside], file[inside]))]


def _occurrence(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each value, how often it has occurred before."""
    order = np.argsort(values, kind="stable")
    numbers = np.arange(len(values))
    new = np.diff(values[order], prepend=-1) != 0
    before = np.empty_like(numbers)
    before[order] = numbers - np.maximum.accumulate(np.where(new, numbers, 0))
    return before


def write(place: Path | str, mat: MedMAT, out: Path) -> dict[str, tuple[int, int]]:
    """Write the result of :func:`attach` as Parquet, one file for each of the authors' that has an attached entry.

    Args:
        place: A folder of the authors' JSON, or one of its files.
        mat: An opened Med-MAT.
        out: The folder for ``data/<name of their file>.parquet``; ``load_dataset`` opens it.

    Returns:
        For each of their files, the number of entries and of attached entries.

    Raises:
        LayoutError, ReadError: The JSON is not in a published layout; the message names file and entry.
        BuildError: Nothing could be attached, or ``out`` is a build.
    """
    if (out / MANIFEST).exists():
        raise BuildError(f"{out.absolute()} is a Med-MAT. Choose another folder for the authors' questions.")
    images = BuiltImages(mat)
    counts: dict[str, tuple[int, int]] = {}
    for file, found in matched(find_files(Path(place)), images):
        positions, theirs = _beside(file, found, images)
        counts[file.name] = len(found), len(positions)
        if positions:
            _write(out / "data" / Path(file.name).with_suffix(".parquet"), mat, positions, theirs)
    if not any(attached for _, attached in counts.values()):
        raise BuildError(
            f"No entry of {place} has a record in {mat!r}. Run 'med-mat official check {place}' with the same build: "
            "it says why."
        )
    return counts


def matched(files: Iterable[File], images: BuiltImages) -> Iterator[tuple[File, list[Match]]]:
    """Each file with the matches of its entries, one file in memory at a time."""
    for file in files:
        yield file, match(file, file.entries(), images)


def _beside(file: File, found: Sequence[Match], images: BuiltImages) -> tuple[list[int], pa.Table]:
    """The positions of the attached entries in the index, and the authors' columns for them."""
    attached = [one for one in found if one.record is not None]
    known: dict[int, tuple[Row, frozenset[str]]] = {
        number: (row, known_labels([row])) for number, row in images.rows.items()
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
    """A schema with the ``datasets`` features in its metadata, like that of the shards."""
    metadata = {"huggingface": json.dumps({"info": {"features": schema.features(fields)}})}
    return pa.schema([pa.field(name, kind) for name, kind in fields], metadata=metadata)
