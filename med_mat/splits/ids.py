"""Records by their ids: where they are in the index, and lists of them in files."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat.errors import SplitError
from med_mat.nameless import COLUMNS as PUBLIC
from med_mat.nameless import public_ids
from med_mat.storage.location import Location, read_index
from med_mat.strict import only_a_file
from med_mat.tags import Positions
from med_mat.taxonomy import did_you_mean

#: What a file of ids can end in.
SUFFIXES = (".txt", ".csv", ".json", ".parquet")
#: Known ids that a message looks through for the nearest.
_COMPARED = 300


def known_ids(location: Location) -> pa.ChunkedArray:
    """The ids of a build, in the order of its index; all are different."""
    return read_index(location, ["id"])["id"]


def ids_of(location: Location, positions: Positions) -> tuple[pa.Array, pa.Array]:
    """The ids of records in the index, and those that they have without names.

    Args:
        location: of a build.
        positions: (n,) in the index.

    Returns:
        (n,) strings, twice.
    """
    table = read_index(location, PUBLIC).combine_chunks()
    taken = table.take(pa.array(positions))
    # equal files are told apart by all that there are of them; of others nothing need be known
    alike = table.filter(pc.is_in(table["sha256"], taken["sha256"].combine_chunks()))
    public, _ = public_ids(alike)
    ids = taken["id"].combine_chunks()
    return ids, public.take(pc.index_in(ids, alike["id"].combine_chunks()))


def places_of(location: Location, ids: pa.Array, public: pa.Array | None = None) -> pa.Array:
    """Where records are in the index, by their ids in it or by those that they have without names.

    Args:
        location: of a build, which may itself hold records without names.
        ids: (n,) as some build of the same records has them.
        public: (n,) as :func:`med_mat.nameless.public_ids` gives them, where they are known; else ``ids`` may be such.

    Returns:
        (n,) positions; null for those that the build lacks.
    """
    places = pc.index_in(ids, known_ids(location).combine_chunks())
    if not places.null_count:
        return places
    known, _ = public_ids(read_index(location, PUBLIC))
    return pc.coalesce(places, pc.index_in(ids if public is None else public, known, skip_nulls=True))


def nearest_id(known: pa.ChunkedArray, wanted: str) -> str:
    """What a message says of an unknown id: the nearest of those with its file name, or with its beginning."""
    named = known.filter(pc.ends_with(known, "/" + wanted.rpartition("/")[2]))
    low, high = 0, len(wanted)  # the longest beginning that some id has
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if pc.any(pc.starts_with(known, wanted[:middle])).as_py() else (low, middle - 1)
    begun = known.filter(pc.starts_with(known, wanted[:low])) if low else known[:0]
    return did_you_mean(wanted, [*named[:_COMPARED].to_pylist(), *begun[:_COMPARED].to_pylist()])


def read_ids(path: Path, part: str | None) -> list[str]:
    """The ids that a file lists for a part of a split.

    ``.txt`` has an id a line. ``.csv`` and ``.parquet`` have a column ``id``, and may have a column ``part``, of which
    only the rows of this part are taken. ``.json`` is a list, or a mapping of parts to lists; a saved split is read in
    each of the forms that it is saved in.

    Args:
        path: of the file; its suffix says what it is.
        part: "train", "test" or "validation"; None: all of them.

    Raises:
        SplitError: a file that cannot be read, is of another kind, or lists nothing for the part.
    """
    suffix, of = path.suffix.lower(), f" for {part}" if part else ""
    if suffix not in SUFFIXES:
        raise SplitError(f"{path}: a list of ids is a file that ends in {', '.join(SUFFIXES)}.")
    try:
        only_a_file(path)
        if suffix == ".txt":
            found: Any = [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
        elif suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.DictReader(file)
                found = _of_part(path, rows.fieldnames or (), list(rows), part)
        elif suffix == ".parquet":
            names = pq.read_schema(path).names
            wanted = [name for name in ("id", "part") if name in names]
            found = _of_part(path, names, pq.read_table(path, columns=wanted).to_pylist(), part)
        else:
            found = _of_json(path, json.loads(path.read_text("utf-8-sig")), part)
    except (OSError, ValueError, RecursionError, csv.Error, pa.ArrowException) as error:
        raise SplitError(f"{path}: the list of ids{of} cannot be read ({error}).") from error
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise SplitError(f"{path}: expected ids as texts{of}, such as busi/48/benign/benign (1).png.")
    if not found:
        raise SplitError(f"{path} lists no id{of}.")
    return found


def _of_part(path: Path, names: Sequence[str], rows: Sequence[Any], part: str | None) -> list[Any]:
    if "id" not in names:
        raise SplitError(f"{path} has no column 'id': it has {', '.join(names) or 'none'}.")
    return [row["id"] for row in rows if part is None or "part" not in names or row["part"] == part]


def _of_json(path: Path, data: Any, part: str | None) -> Any:
    if not isinstance(data, dict):
        return data
    lists = data.get("records", data)
    having = lists if isinstance(lists, dict) else {}
    if part is None:
        return [one for some in having.values() for one in some]
    if part not in having:
        raise SplitError(f"{path} has no list of ids for {part}: it has {', '.join(having) or 'none'}.")
    return [*lists[part]] if isinstance(lists[part], dict | list) else lists[part]
