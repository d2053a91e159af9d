"""Computes groups, sides and withheld records, once all chunks are written.

Nothing is decoded: groups follow from hashes and descriptors of the records, and chunks whose records change sides are
copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from med_mat import schema
from med_mat.building import sides
from med_mat.building.chunk import Places, Result
from med_mat.building.store import Store
from med_mat.building.writer import index_part
from med_mat.catalog import Source
from med_mat.leakage.groups import COLUMNS, LOOKED_AT, find_groups
from med_mat.leakage.thumbnails import Thumbnails
from med_mat.taxonomy import SPLITS, WITHHELD

Array = NDArray[Any]

_OWN = ("id", "source", "row", "split", "image_key", "stratum", "ordinal", "thumbnail")
#: The splits of files, in the order of their names.
_FILES = tuple(sorted((*SPLITS, WITHHELD)))


@dataclass(frozen=True)
class Settled:
    """Groups, withheld records and links of a build, in the order of its index."""

    order: Array  # (n,) int64: positions of the records as read, in the order of the index
    groups: pa.Array  # (n,) int32, in the order of the index
    withheld: pa.Array  # (n,) string, in the order of the index: the reason, null if not withheld
    links: pa.Table  # between duplicate records, in the order of ids
    counts: Mapping[str, int]  # statistics on near-duplicates, for the manifest
    moves: Mapping[tuple[str, str], Places]  # source and chunk -> places of its records, for chunks that change


def settle(
    store: Store,
    sources: Sequence[Source],
    results: Mapping[str, Sequence[Result]],
    seeds: Mapping[str, int | None],
    *,
    progress: bool = False,
) -> Settled:
    """Compute groups, sides and withheld records over all records of a build.

    Args:
        store: the files of the build.
        sources: the sources, in the order of the index.
        results: source -> its chunks.
        seeds: source -> the seed of its split; None if its split is published.
        progress: whether to show a progress bar.
    """
    chunks = [result for source in sources for result in results[source.name]]
    records = _read(store, chunks)
    found = find_groups(
        records.table,
        {source.name: source.shared_ids for source in sources},
        Thumbnails([store.path(result.thumbnails) for result in chunks]),
        progress=progress,
    )
    image, row = records.number("image_key"), records.number("row")
    numbers, within = np.asarray(found.numbers), np.asarray(found.within)
    names = [source.name for source in sources]
    of = np.asarray(pc.index_in(records.table["source"], pa.array(names)))
    current = np.asarray(pc.index_in(records.table["split"], pa.array(SPLITS)))
    side = current.copy()
    for place, name in enumerate(names):
        if (seed := seeds[name]) is not None:
            mine = np.flatnonzero(of == place)
            side[mine] = _seeded(f"{seed}/{name}", within[mine], image[mine], records.table["stratum"].take(mine))
    reasons = pa.array(sides.withheld(numbers, side, of, names), pa.string())
    file = np.array([_FILES.index(name) for name in SPLITS])[side]
    file[reasons.is_valid().to_numpy(zero_copy_only=False)] = _FILES.index(WITHHELD)
    order = np.lexsort((records.number("ordinal"), records.chunk, file, row, of))
    positions = np.empty(len(order), np.int64)
    positions[order] = np.arange(len(order))
    first = np.full(len(order), len(order))
    np.minimum.at(first, numbers, positions)
    undecoded = records.table["pixel_hash"].null_count
    return Settled(
        order=order,
        groups=pa.array(first[numbers][order].astype(np.int32)),
        withheld=reasons.take(pa.array(order)),
        links=found.links,
        counts={
            "records without hash": undecoded,
            "records without structure": records.table["perceptual_hash"].null_count - undecoded,
            **found.counts,
        },
        moves=dict(_moves(chunks, records, current != side, side, file)),
    )


@dataclass(frozen=True)
class _Records:
    """Columns of all records, in the order of chunks and of their files."""

    table: pa.Table
    chunk: Array  # the number of the chunk of each
    file: Array  # position in _FILES of the split of the file that contains it

    def number(self, name: str) -> Array:
        """A column of integers."""
        found: Array = self.table[name].to_numpy()
        return found


def _read(store: Store, chunks: Sequence[Result]) -> _Records:
    kinds = dict((*schema.FIELDS, *schema.PRIVATE_FIELDS))
    columns = list(dict.fromkeys((*COLUMNS, *LOOKED_AT, *_OWN)))
    read = [name for name in columns if name != "image"]
    tables, chunk, file, start = [], [], [], 0
    images = []
    for number, result in enumerate(chunks):
        most = -1
        for name in result.data:
            table = store.table(index_part(name), read).replace_schema_metadata(None)
            places = table["thumbnail"].combine_chunks()
            most = max(most, -1 if places.null_count == len(places) else pc.max(places).as_py())
            images.append(pc.add(places.cast(pa.int64()), start))
            tables.append(table)
            chunk.append(np.full(len(table), number))
            file.append(np.full(len(table), _FILES.index(name.rpartition("/")[2].partition("-")[0])))
        start += most + 1
    empty = pa.schema([(name, kinds[name]) for name in read]).empty_table()
    whole = pa.concat_tables([empty, *tables]).append_column("image", pa.chunked_array([*images], pa.int64()))
    none = np.zeros(0, np.int64)
    return _Records(whole, np.concatenate([none, *chunk]), np.concatenate([none, *file]))


def _seeded(salt: str, groups: Array, images: Array, strata: pa.ChunkedArray) -> Array:
    """The sides of a source's records: an image counts once, however many rows it serves."""
    _, one, which = np.unique(images, return_index=True, return_inverse=True)
    codes = np.asarray(pc.dictionary_encode(strata).combine_chunks().indices)
    tested = sides.held_out(salt, groups[one], codes[one], images[one])
    return np.where(tested, SPLITS.index("test"), SPLITS.index("train"))[which]


def _moves(
    chunks: Sequence[Result], records: _Records, changed: Array, side: Array, file: Array
) -> Iterator[tuple[tuple[str, str], Places]]:
    """The places of all records of each chunk in which at least one record changes its side or its file."""
    stale = np.unique(records.chunk[changed | (file != records.file)])
    ordinal = records.number("ordinal")
    for number in stale.tolist():
        mine = np.flatnonzero(records.chunk == number)
        yield (
            (chunks[number].source, chunks[number].name),
            {int(ordinal[at]): (SPLITS[side[at]], _FILES[file[at]]) for at in mine.tolist()},
        )


def why(withheld: pa.Array) -> Counter[str]:
    """The number of withheld records for each reason."""
    return Counter(withheld.drop_null().to_pylist())
