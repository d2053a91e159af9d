"""The links of a built Med-MAT as positions in its index, and the images whose labels contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat.errors import BuildError
from med_mat.leakage.components import components
from med_mat.leakage.contradictions import EQUAL
from med_mat.leakage.groups import DUPLICATES
from med_mat.storage.location import INDEX, Location, need, reading
from med_mat.storage.parquet import parquet_file
from med_mat.tags import Positions


@dataclass(frozen=True, slots=True)
class Linked:
    """The links of ``duplicates.parquet``. The first four fields have the same length, in the order of that file."""

    first: Positions
    second: Positions
    reason: tuple[str, ...]
    contradictory: npt.NDArray[np.bool_]
    contested: Positions  # all records of the images with contradictory labels, ascending


def read(location: Location) -> Linked:
    """Read the links of a build.

    Raises:
        BuildError: the file is missing or damaged, or names records that are not in the index.
        HubError: the file cannot be downloaded.
    """
    with reading(location, DUPLICATES), pq.ParquetFile(location.local(DUPLICATES)) as parquet:
        columns = ["first", "second", "reason", "contradictory"]
        need(location, DUPLICATES, parquet.schema_arrow, columns)
        table = parquet.read(columns=columns)
    ids = pc.unique(pa.chunked_array([*table["first"].chunks, *table["second"].chunks], pa.string()))
    places, (named, images) = _holding(location, "id", ids, ["id", "image_id"])
    ends = [pc.index_in(table[side], named) for side in ("first", "second")]
    absent = table["first"].filter(pc.is_null(ends[0])), table["second"].filter(pc.is_null(ends[1]))
    for names in absent:
        if len(names):
            raise BuildError(
                f"{location}: {DUPLICATES} names {len(names):,} records that {INDEX} lacks, such as {names[0]}: the "
                "two are of different builds. Run 'med-mat build' again: what is finished is kept."
            )
    first, second = (np.asarray(end, dtype=np.int64) for end in ends)
    contradictory = table["contradictory"].to_numpy(zero_copy_only=False).astype(bool)
    image = np.asarray(pc.dictionary_encode(images).indices, dtype=np.int64)
    equal = np.asarray(pc.is_in(table["reason"], pa.array(EQUAL)))
    picture = components(int(image.max(initial=-1)) + 1, image[first[equal]], image[second[equal]])[image]
    disputed = picture[np.concatenate([first[contradictory], second[contradictory]])]
    mine = images.filter(pa.array(np.isin(picture, disputed)))
    contested = _holding(location, "image_id", pc.unique(mine), [])[0] if len(mine) else places[:0]
    return Linked(places[first], places[second], tuple(table["reason"].to_pylist()), contradictory, contested)


def _holding(
    location: Location, column: str, values: pa.Array, columns: Sequence[str]
) -> tuple[Positions, list[pa.Array]]:
    """The records whose column has one of the values: their positions, and the given columns."""
    positions = [np.zeros(0, dtype=np.int64)]
    found: list[list[pa.Array]] = [[pa.array([], pa.string())] for _ in columns]
    for start, chunk in _row_groups(location, [*columns] if column in columns else [column, *columns]):
        here = np.flatnonzero(pc.is_in(chunk[column], values))
        positions.append(here + start)
        for one, name in zip(found, columns, strict=True):
            one.extend(chunk[name].take(pa.array(here)).chunks)
    return np.concatenate(positions), [pa.concat_arrays(one) for one in found]


def _row_groups(location: Location, columns: list[str]) -> Iterator[tuple[int, pa.Table]]:
    """Columns of the index by row group, each with the position of its first record."""
    with reading(location, INDEX), parquet_file(location.local(INDEX)) as parquet:
        need(location, INDEX, parquet.schema_arrow, columns)
        start = 0
        for number in range(parquet.num_row_groups):
            chunk = parquet.read_row_group(number, columns=columns)
            yield start, chunk
            start += chunk.num_rows
