"""Arrow copies of data files in the cache of ``datasets``, which selections are memory-mapped from.

Each copy is made when it is first needed, row group by row group, and renamed when it is complete. Its metadata names
the build and the file that it copies, so that stale copies can be found later (:func:`copies`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from med_mat import schema
from med_mat.errors import BuildError, WriteError
from med_mat.files import is_temporary, left_behind, replacing
from med_mat.storage.location import Address, Folder, Location, need, reading

if TYPE_CHECKING:
    import datasets

_BATCH_ROWS = 64
#: The key in the schema metadata under which a copy names its build and file.
_OF = b"med_mat.copy"
_WHOLE = re.compile(r"[0-9a-f]{32}\.arrow")

State = Literal["in use", "on the Hub", "stale", "unfinished", "unreadable"]


@dataclass(frozen=True, slots=True)
class Copy:
    """One Arrow file in the cache."""

    path: Path
    build: str  # a folder, or a dataset and commit on the Hub; "" if unknown
    file: str  # path of the data file in the build
    size: int  # bytes
    state: State

    @property
    def stale(self) -> bool:
        """Whether nothing will read it again."""
        return self.state in ("stale", "unfinished", "unreadable")


def folder() -> Path:
    """The folder of the copies."""
    import datasets

    return Path(datasets.config.HF_DATASETS_CACHE) / "med_mat"


def opened(location: Location, name: str) -> datasets.Dataset:
    """A data file of a build, memory-mapped from its copy. A damaged copy is made again.

    Raises:
        BuildError, HubError: as for :func:`arrow_file`.
    """
    import datasets

    try:
        return datasets.Dataset.from_file(str(arrow_file(location, name)))
    except (pa.ArrowException, OSError):
        clear([_unreadable(arrow_file(location, name))])
        return datasets.Dataset.from_file(str(arrow_file(location, name)))


def arrow_file(location: Location, name: str) -> Path:
    """The Arrow copy of a data file of a build; created if missing.

    Raises:
        BuildError: the cache cannot be written, or its disk is full; the message names its folder and the workarounds.
        BuildError, HubError: the data file is missing or damaged, or cannot be downloaded.
    """
    of = location.key(name)
    path = folder() / f"{hashlib.blake2b(of.encode('utf-8', 'surrogateescape'), digest_size=16).hexdigest()}.arrow"
    if path.is_file():
        return path
    about = {_OF: json.dumps({"build": location.identity, "file": name, "of": of}).encode()}
    batches = _batches(location, name)
    kind = next(batches).schema
    kind = kind.with_metadata({**(kind.metadata or {}), **about})
    try:
        with (
            replacing(path, lasting=False) as temporary,
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_stream(sink, kind) as writer,
        ):
            for batch in batches:
                writer.write_batch(batch.replace_schema_metadata(kind.metadata))
    except WriteError as error:
        raise BuildError(
            f"Pixels cannot be copied to {path.parent}: {_reason(error)}. Set the environment variable "
            "HF_DATASETS_CACHE to a folder of your own that has room, before Python starts; or pass streaming=True, "
            "which needs no copy. 'med-mat cache --clear' removes stale copies."
        ) from error
    return path


def _batches(location: Location, name: str) -> Iterator[pa.RecordBatch]:
    """An empty batch with the schema, then the records of a data file.

    Raises:
        BuildError, HubError: the file is damaged.
    """
    with (
        reading(location, name),
        nullcontext(location.local(name)) if not isinstance(location, Address) else location.open(name) as source,
        pq.ParquetFile(source) as parquet,
    ):
        need(location, name, parquet.schema_arrow, (column for column, _ in schema.FIELDS))
        yield pa.RecordBatch.from_pylist([], schema=parquet.schema_arrow)
        yield from parquet.iter_batches(batch_size=_BATCH_ROWS)


def _reason(error: Exception) -> str:
    """The plain message of the system or of Arrow, without the paths and numbers that pyarrow adds."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).strip().rstrip(".")


def copies() -> list[Copy]:
    """The copies in the cache, sorted by build and file. Other files in the folder are ignored.

    Raises:
        BuildError: the folder cannot be opened.
    """
    place = folder()
    try:
        with os.scandir(place) as entries:
            files = [Path(one) for one in entries if one.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BuildError(f"{place} cannot be opened: {_reason(error)}.") from error
    ours = [path for path in files if _WHOLE.fullmatch(path.name) or is_temporary(path.name)]
    return sorted(filter(None, map(_examined, ours)), key=lambda one: (one.build, one.file, one.path))


def clear(found: Iterable[Copy]) -> None:
    """Remove copies. Processes that have one open can still read it.

    Raises:
        BuildError: a copy cannot be removed.
    """
    for one in found:
        try:
            one.path.unlink(missing_ok=True)
        except OSError as error:
            raise BuildError(f"{one.path} cannot be removed: {_reason(error)}.") from error


def _unreadable(path: Path) -> Copy:
    return Copy(path, "", "", path.stat().st_size, "unreadable")


def _examined(path: Path) -> Copy | None:
    """The state of a file; None if it is being written or no longer exists."""
    try:
        facts = path.stat()
        if is_temporary(path.name):
            return Copy(path, "", "", facts.st_size, "unfinished") if left_behind(path) else None
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            about = json.loads((reader.schema.metadata or {})[_OF])
            build, name, of = str(about["build"]), str(about["file"]), str(about["of"])
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException, LookupError, ValueError, TypeError):
        return _unreadable(path)
    if not Path(build).is_absolute():
        return Copy(path, build, name, facts.st_size, "on the Hub")
    try:
        current = Folder(Path(build)).key(name) == of
    except (BuildError, OSError):
        current = False
    return Copy(path, build, name, facts.st_size, "in use" if current else "stale")
