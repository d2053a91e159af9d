"""Records by their ids: their positions in the index, and lists of ids in files."""

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

#: Extensions of a file of ids.
SUFFIXES = (".txt", ".csv", ".json", ".parquet")
#: Number of known ids that are searched for the nearest.
_COMPARED = 300


def known_ids(location: Location) -> pa.ChunkedArray:
    """The ids of a build, in the order of its index; all different."""
    return read_index(location, ["id"])["id"]


def ids_of(location: Location, positions: Positions) -> tuple[pa.Array, pa.Array]:
    """The ids of records in the index, and their public ids, which contain no file names.

    Args:
        location: Location of a build.
        positions: (n,) Positions in the index.

    Returns:
        (n,) ids, and (n,) public ids.
    """
    table = read_index(location, PUBLIC).combine_chunks()
    taken = table.take(pa.array(positions))
    # identical files are distinguished by counting all of them; no other records are needed
    alike = table.filter(pc.is_in(table["sha256"], taken["sha256"].combine_chunks()))
    public, _ = public_ids(alike)
    ids = taken["id"].combine_chunks()
    return ids, public.take(pc.index_in(ids, alike["id"].combine_chunks()))


def places_of(location: Location, ids: pa.Array, public: pa.Array | None = None) -> pa.Array:
    """The positions of records in the index, by their ids or by their public ids.

    Args:
        location: Location of a build, which may itself have only public ids.
        ids: (n,) Ids as in some build of the same records; public ids if ``public`` is None.
        public: (n,) Public ids of :func:`med_mat.nameless.public_ids`, if known.

    Returns:
        (n,) Positions; null for records that the build lacks.
    """
    places = pc.index_in(ids, known_ids(location).combine_chunks())
    if not places.null_count:
        return places
    known, _ = public_ids(read_index(location, PUBLIC))
    return pc.coalesce(places, pc.index_in(ids if public is None else public, known, skip_nulls=True))


def nearest_id(known: pa.ChunkedArray, wanted: str) -> str:
    """A hint for an unknown id: the nearest of the ids with the same file name or the same beginning."""
    named = known.filter(pc.ends_with(known, "/" + wanted.rpartition("/")[2]))
    low, high = 0, len(wanted)  # the longest beginning that some id has
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if pc.any(pc.starts_with(known, wanted[:middle])).as_py() else (low, middle - 1)
    begun = known.filter(pc.starts_with(known, wanted[:low])) if low else known[:0]
    return did_you_mean(wanted, [*named[:_COMPARED].to_pylist(), *begun[:_COMPARED].to_pylist()])


def read_ids(path: Path, part: str | None) -> list[str]:
    """The ids that a file lists for a part of a split.

    ``.txt`` has one id per line. ``.csv`` and ``.parquet`` have a column ``id``; if there is a column ``part``, only
    the rows of this part are read. ``.json`` is a list, or a mapping of parts to lists. A saved split is read in each
    of its formats.

    Args:
        path: The file; its extension is the format.
        part: "train", "test" or "validation"; None: all of them.

    Raises:
        SplitError: The file cannot be read, is of another format, or lists nothing for the part.
    """
    suffix, of = path.suffix.lower(), f" for {part}" if part else ""
    if suffix not in SUFFIXES:
        raise SplitError(f"{path}: a list of ids must be a file ending in {', '.join(SUFFIXES)}.")
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
    except SplitError:
        raise
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
