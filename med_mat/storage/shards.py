"""The data files of a build for ``datasets``: streamed, or with different questions than those stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from med_mat import schema
from med_mat.questions.view import FACTS, View
from med_mat.storage.location import Location, need, reading

if TYPE_CHECKING:
    import datasets

#: A file, the positions of records in it, and the key of each.
Piece = tuple[str, npt.NDArray[np.int32], npt.NDArray[np.int64]]


def stream(
    location: Location, pieces: list[Piece], columns: tuple[str, ...], view: View | None
) -> Iterator[dict[str, Any]]:
    """The records at the given positions, with the questions of a view if there is one."""
    wanted = columns or tuple(name for name, _ in schema.FIELDS)
    if view is None or not set(wanted).intersection(schema.QUESTION_COLUMNS):
        view, needed = None, columns
    else:
        needed = tuple(dict.fromkeys((*wanted, "row", *FACTS)))
    for name, places, keys in pieces:
        with reading(location, name), location.open(name) as file, pq.ParquetFile(file) as parquet:
            need(location, name, parquet.schema_arrow, needed or wanted)
            start = 0
            for group in range(parquet.num_row_groups):
                count = parquet.metadata.row_group(group).num_rows
                inside = np.flatnonzero((start <= places) & (places < start + count))
                if len(inside):
                    with reading(location, name):
                        part = location.read_row_group(file, parquet, group, needed).take(places[inside] - start)
                    if view is not None:
                        asked = view.ask(part["row"].to_pylist(), keys[inside].tolist(), part)
                        part = pa.table(
                            {name: (asked if name in asked.column_names else part)[name] for name in wanted}
                        )
                    yield from part.to_pylist()
                start += count


def beside(
    parts: Sequence[datasets.Dataset], asked: pa.Table, codes: npt.NDArray[Any], places: npt.NDArray[Any], name: str
) -> datasets.Dataset:
    """Concatenated shards with different questions at some positions and none elsewhere. Pixels are not copied.

    ``datasets`` would copy all pixels to add columns to a selection, but not to add them to whole files. Each file gets
    separate columns, so that they are sent to a worker only once.

    Args:
        parts: the shards.
        asked: (n,) the new questions.
        codes: (n,) int: the position in ``parts`` of the shard that each question belongs to.
        places: (n,) int: its position in that shard.
        name: form and seed, which make the fingerprint for the cache of ``datasets`` reproducible.
    """
    import datasets
    from datasets.table import InMemoryTable, concat_tables

    names = parts[0].column_names
    start = names.index(schema.QUESTION_COLUMNS[0])
    before, after = names[:start], names[start + len(schema.QUESTION_COLUMNS) :]
    order = np.argsort(codes, kind="stable")
    digest = hashlib.blake2b(name.encode(), digest_size=8)
    tables = []
    for part, mine in zip(parts, np.split(order, np.cumsum(np.bincount(codes))[:-1]), strict=True):
        spread = np.full(len(part), -1)
        spread[places[mine]] = mine
        digest.update(part._fingerprint.encode() + spread.tobytes())
        new = InMemoryTable(asked.take(pa.array(spread, mask=spread < 0)))
        tables.append(concat_tables([part.data.select(before), new, part.data.select(after)], axis=1))
    return datasets.Dataset(concat_tables(tables), info=parts[0].info.copy(), fingerprint=digest.hexdigest())
