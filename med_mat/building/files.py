"""Writes the index of a source's raw files (see :mod:`med_mat.storage.raw_files`).

The sha256 of images comes from the chunks. Label tables and masks are hashed here, once: their hashes are stored next
to the chunks with size and modification time, so that a resumed build reads only changed files. Files that the build
did not read have no hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import formats
from med_mat.building.chunk import Result
from med_mat.building.store import Store
from med_mat.building.writer import index_part
from med_mat.example import FRAME
from med_mat.files import write_atomically
from med_mat.mounts.base import FileFacts, RawPath
from med_mat.raw.folder import RawFolder
from med_mat.raw.patterns import is_hidden
from med_mat.storage.parquet import parquet_bytes
from med_mat.storage.raw_files import FOLDER, FileIndex, table_of, write_index

_THREADS = 4
_SEAL = hashlib.sha256().digest_size  # bytes at the start of the file of hashes: the sha256 of the rest


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
        store: the files of the build.
        source: the name of the source.
        raw: its raw folder.
        results: all chunks of the source; their parts of the index contain the sha256 of images.
        images: the files that contain pixels of examples.
        masks: the files that contain masks of examples.
        skipped: the files that gave no record and no annotation.
    """
    known = {path: facts for path, facts in raw.files.items() if not is_hidden(path)}
    roles = [
        "skipped" if path in skipped else "image" if path in images else "mask" if path in masks else "table"
        for path in known
    ]
    headers = formats.headers()  # a record has one digest for such a header and its pixel file
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
    write_index(store.next / FOLDER, FileIndex(source, raw.variant, table_of(paths, sizes, digests, pa.array(roles))))


def _sha256_of_images(paths: pa.Array, tables: Sequence[pa.Table]) -> pa.Array:
    """The digest that the chunks computed for each path; null for files that they did not read."""
    if not tables:
        return pa.nulls(len(paths), pa.string())
    records = pa.concat_tables([one.replace_schema_metadata(None) for one in tables]).combine_chunks()
    references = records["path"]
    whole = pc.replace_substring_regex(references, pattern=FRAME, replacement="")
    at = pc.coalesce(pc.index_in(paths, value_set=references), pc.index_in(paths, value_set=whole))
    digests: pa.ChunkedArray = records["sha256"].take(at)
    return digests.combine_chunks()


def _hashed(store: Store, state: str, raw: RawFolder, paths: Sequence[str]) -> dict[str, str]:
    """The sha256 of files, computed only if size or modification time changed since the last run."""
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
            digests = pool.map(lambda path: _sha256_or_none(raw.file(path)), new)
            known |= {path: (raw.files[path], one) for path, one in zip(new, digests, strict=True) if one is not None}
    if known != before:
        _write_state(store.next / state, {path: known[path] for path in paths if path in known})
    return {path: digest for path, (_, digest) in known.items()}


def _sha256_or_none(file: RawPath) -> str | None:
    try:
        return file.sha256()
    except OSError:
        return None  # the ledger contains the reason


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
