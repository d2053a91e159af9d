"""The index of a source's raw files: path, size, sha256 and role of each, so that two copies can be compared.

A build writes ``files/<source>.parquet`` for each source. It holds no times and nothing of the machine: the same files
give the same bytes. Hidden files are not in it, for no layout looks at them.

The sha256 of images is what the chunks computed. Label tables and masks are hashed here, once: their hashes are kept
beside the chunks with size and time, so that a resumed build reads only what changed. Files that the build did not read
have none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import formats
from med_mat.building.chunk import Result
from med_mat.building.store import Store
from med_mat.building.writer import index_part, parquet_bytes
from med_mat.errors import ReadError
from med_mat.example import FRAME
from med_mat.files import sha256, write_atomically
from med_mat.raw.folder import FileFacts, RawFolder, is_hidden

#: Raised whenever the meaning of a column changes.
VERSION = 2
FOLDER = "files"
#: What a file is to the build: pixels, a mask, a table or other annotation that the loader read, or nothing.
ROLES = ("image", "mask", "table", "skipped")
SCHEMA = pa.schema([("path", pa.string()), ("bytes", pa.int64()), ("sha256", pa.string()), ("role", pa.string())])

_THREADS = 4
_SEAL = hashlib.sha256().digest_size  # the bytes at the start of the file of hashes, which prove the others


class FileIndex(NamedTuple):
    """The files of one source, by path."""

    source: str
    variant: str
    files: pa.Table  # of SCHEMA
    named: bool = True  # False: digits of the sha256 stand for paths (see med_mat.nameless)


def record_files(
    store: Store,
    source: str,
    raw: RawFolder,
    results: Iterable[Result],
    images: Collection[str],
    masks: Collection[str],
    skipped: Collection[str],
) -> None:
    """Write ``files/<source>.parquet`` of a build.

    Args:
        store: of the build.
        source: its name.
        raw: its folder.
        results: of all chunks of the source; their parts of the index know the sha256 of images.
        images: the files that examples take their pixels from.
        masks: the files that examples take their masks from.
        skipped: the files that gave no record and no annotation.
    """
    known = {path: facts for path, facts in raw.files.items() if not is_hidden(path)}
    roles = [
        "skipped" if path in skipped else "image" if path in images else "mask" if path in masks else "table"
        for path in known
    ]
    headers = formats.headers()  # a record has the digest of such a file and of that which holds its pixels together
    read = [
        path
        for path, role in zip(known, roles, strict=True)
        if role in ("mask", "table") or path.lower().endswith(headers)
    ]
    paths = pa.array(known, pa.string())
    tables = [store.table(index_part(name), ["path", "sha256"]) for one in results for name in one.data]
    chunks = _sha256_of_images(paths, tables)
    own = _hashed(store, f".build/{source}/hashed", raw, read)
    digests = pc.coalesce(pa.array([own.get(path) for path in known], pa.string()), chunks)
    sizes = pa.array([facts.size for facts in known.values()], pa.int64())
    write_index(store.next / FOLDER, FileIndex(source, raw.variant, _table(paths, sizes, digests, pa.array(roles))))


def index_of(source: str, raw: RawFolder, digests: Mapping[str, str], roles: Mapping[str, str]) -> FileIndex:
    """The index of a folder as it lies there, with what is known of its files."""
    known = [path for path in raw.files if not is_hidden(path)]
    every = raw.files
    unknown = pa.nulls(len(known), pa.string())
    table = _table(
        pa.array(known, pa.string()),
        pa.array([every[path].size for path in known], pa.int64()),
        pa.array([digests.get(path) for path in known], pa.string()) if digests else unknown,
        pa.array([roles.get(path) for path in known], pa.string()) if roles else unknown,
    )
    return FileIndex(source, raw.variant, table)


def write_index(folder: Path, index: FileIndex) -> Path:
    """Write an index into a folder, as ``<source>.parquet``, and return where."""
    about = {"version": VERSION, "source": index.source, "variant": index.variant, "named": index.named}
    path = folder / f"{index.source}.parquet"
    table = index.files.replace_schema_metadata({"med_mat.files": json.dumps(about)})
    write_atomically(path, parquet_bytes(table, use_dictionary=["role"]))
    return path


def read_index(path: Path) -> FileIndex:
    """One index file.

    Raises:
        ReadError: it is none.
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
            f"{path} is no index of raw files: 'med-mat build' writes those as files/SOURCE.parquet."
        ) from (error)
    if version != VERSION or not sound:
        raise ReadError(f"{path} is an index of raw files of another version ({version}): build it again.")
    return FileIndex(source, variant, files, named)


def read_indexes(place: Path) -> dict[str, FileIndex]:
    """Source -> index, from a Med-MAT, a folder of index files, or one such file.

    Raises:
        ReadError: there is none.
    """
    if place.is_file():
        index = read_index(place)
        return {index.source: index}
    folder = place / FOLDER if (place / FOLDER).is_dir() else place
    found = [read_index(path) for path in sorted(folder.glob("*.parquet"))] if folder.is_dir() else []
    if not found:
        raise ReadError(
            f"{place.absolute()} holds no index of raw files. Name a Med-MAT that 'med-mat build' wrote (its folder "
            f"{FOLDER}/ has them), or one file of it."
        )
    return {index.source: index for index in found}


def _table(paths: pa.Array, sizes: pa.Array, digests: pa.Array, roles: pa.Array) -> pa.Table:
    return pa.Table.from_arrays([paths, sizes, digests.cast(pa.string()), roles.cast(pa.string())], schema=SCHEMA)


def _sha256_of_images(paths: pa.Array, tables: Sequence[pa.Table]) -> pa.Array:
    """What the chunks found for each path; null where they read no such file."""
    if not tables:
        return pa.nulls(len(paths), pa.string())
    records = pa.concat_tables([one.replace_schema_metadata(None) for one in tables]).combine_chunks()
    references = records["path"]
    whole = pc.replace_substring_regex(references, pattern=FRAME, replacement="")
    at = pc.coalesce(pc.index_in(paths, value_set=references), pc.index_in(paths, value_set=whole))
    digests: pa.ChunkedArray = records["sha256"].take(at)
    return digests.combine_chunks()


def _hashed(store: Store, state: str, raw: RawFolder, paths: Sequence[str]) -> dict[str, str]:
    """The sha256 of files, computed only where size or time differ from those of the last time."""
    before = _read_state(store.path(state))
    known: dict[str, tuple[FileFacts, str]] = {}
    new = []
    for path in paths:
        facts, digest = before.get(path, (None, ""))
        if facts == raw.files[path]:
            known[path] = (raw.files[path], digest)
        else:
            new.append(path)
    if new:
        with ThreadPoolExecutor(_THREADS) as pool:
            digests = pool.map(lambda path: _sha256_or_none(raw.root / path), new)
            known |= {path: (raw.files[path], one) for path, one in zip(new, digests, strict=True) if one is not None}
    if known != before:
        _write_state(store.next / state, {path: known[path] for path in paths if path in known})
    return {path: digest for path, (_, digest) in known.items()}


def _sha256_or_none(path: Path) -> str | None:
    try:
        return sha256(path)
    except OSError:
        return None  # the ledger says why it cannot be read


def _read_state(state: Path) -> dict[str, tuple[FileFacts, str]]:
    try:
        content = state.read_bytes()
        if hashlib.sha256(content[_SEAL:]).digest() != content[:_SEAL]:
            return {}
        columns = pq.read_table(pa.BufferReader(content[_SEAL:])).to_pydict()
        rows = zip(columns["path"], columns["bytes"], columns["time"], columns["sha256"], strict=True)
    except (OSError, pa.ArrowException, KeyError):
        return {}
    return {path: (FileFacts(size, time), digest) for path, size, time, digest in rows}


def _write_state(state: Path, known: Mapping[str, tuple[FileFacts, str]]) -> None:
    facts = [facts for facts, _ in known.values()]
    columns = {
        "path": pa.array(known, pa.string()),
        "bytes": pa.array([one.size for one in facts], pa.int64()),
        "time": pa.array([one.mtime_ns for one in facts], pa.int64()),
        "sha256": pa.array([digest for _, digest in known.values()], pa.string()),
    }
    data = bytes(parquet_bytes(pa.table(columns)))
    write_atomically(state, hashlib.sha256(data).digest() + data)
