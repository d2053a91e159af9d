"""The index of a source's raw files: path, size, sha256 and role of each, so that two copies can be compared.

A build writes ``files/<source>.parquet`` for each source. It contains no times and nothing specific to the machine: the
same files give the same bytes. Hidden files are not included, since layouts ignore them. Files that the build did not
read have no sha256.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from med_mat.errors import ReadError
from med_mat.files import write_atomically
from med_mat.raw.folder import RawFolder
from med_mat.raw.patterns import is_hidden
from med_mat.storage.parquet import parquet_bytes

#: Incremented whenever the meaning of a column changes.
VERSION = 2
FOLDER = "files"
#: The role of a file in the build: pixels, a mask, a table or other annotation that the loader read, or not used.
ROLES = ("image", "mask", "table", "skipped")
SCHEMA = pa.schema([("path", pa.string()), ("bytes", pa.int64()), ("sha256", pa.string()), ("role", pa.string())])


class FileIndex(NamedTuple):
    """The index of the files of one source, by path."""

    source: str
    variant: str
    files: pa.Table  # with the columns of SCHEMA
    named: bool = True  # False: digits of the sha256 replace paths (see med_mat.nameless)


def index_of(source: str, raw: RawFolder, digests: Mapping[str, str], roles: Mapping[str, str]) -> FileIndex:
    """The index of a raw folder, with known hashes and roles of its files."""
    known = [path for path in raw.files if not is_hidden(path)]
    every = raw.files
    unknown = pa.nulls(len(known), pa.string())
    table = table_of(
        pa.array(known, pa.string()),
        pa.array([every[path].size for path in known], pa.int64()),
        pa.array([digests.get(path) for path in known], pa.string()) if digests else unknown,
        pa.array([roles.get(path) for path in known], pa.string()) if roles else unknown,
    )
    return FileIndex(source, raw.variant, table)


def write_index(folder: Path, index: FileIndex) -> Path:
    """Write an index into a folder, as ``<source>.parquet``, and return its path."""
    about = {"version": VERSION, "source": index.source, "variant": index.variant, "named": index.named}
    path = folder / f"{index.source}.parquet"
    table = index.files.replace_schema_metadata({"med_mat.files": json.dumps(about)})
    write_atomically(path, parquet_bytes(table, use_dictionary=["role"]))
    return path


def read_index(path: Path) -> FileIndex:
    """Read one index file.

    Raises:
        ReadError: the file is missing, or not an index.
    """
    try:
        table = pq.read_table(path)
        about = json.loads((table.schema.metadata or {})[b"med_mat.files"])
        version, source, variant = about["version"], str(about["source"]), str(about["variant"])
        named = about.get("named") is not False
        files = table.replace_schema_metadata(None).select(SCHEMA.names).cast(SCHEMA).combine_chunks()
        sound = files["path"].null_count == 0 and files["bytes"].null_count == 0
    except OSError as error:
        raise ReadError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise ReadError(
            f"{path} is not an index of raw files: 'med-mat build' writes those as files/SOURCE.parquet."
        ) from error
    if version != VERSION or not sound:
        raise ReadError(f"{path} is an index of raw files of another version ({version}): build it again.")
    return FileIndex(source, variant, files, named)


def read_indexes(place: Path) -> dict[str, FileIndex]:
    """Source -> index, from a Med-MAT, a folder of index files, or one such file.

    Raises:
        ReadError: there is no index.
    """
    if place.is_file():
        index = read_index(place)
        return {index.source: index}
    folder = place / FOLDER if (place / FOLDER).is_dir() else place
    found = [read_index(path) for path in sorted(folder.glob("*.parquet"))] if folder.is_dir() else []
    if not found:
        raise ReadError(
            f"{place.absolute()} contains no index of raw files. Name a Med-MAT that 'med-mat build' wrote (its folder "
            f"{FOLDER}/ has them), or one file of it."
        )
    return {index.source: index for index in found}


def table_of(paths: pa.Array, sizes: pa.Array, digests: pa.Array, roles: pa.Array) -> pa.Table:
    """A table with the columns of :data:`SCHEMA`."""
    return pa.Table.from_arrays([paths, sizes, digests.cast(pa.string()), roles.cast(pa.string())], schema=SCHEMA)
