"""Builds one chunk: decodes, checks and writes its examples, one Parquet file per row and split.

A worker writes under temporary names (:func:`write_chunk`, or :func:`move_chunk` if records only change sides). The
main process flushes the files to disk, renames them and writes the marker of the chunk (:func:`commit`) while the
workers continue. Everything stays in ``.build/next`` until the whole build is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from med_mat import limits
from med_mat.building import faults, libraries
from med_mat.building.kept import Kept, kept_records
from med_mat.building.outcomes import Notes, Setting, Skip, outcomes
from med_mat.building.plan import Chunk
from med_mat.building.record import Placed, rows_served
from med_mat.building.store import Store
from med_mat.building.writer import RecordFile
from med_mat.errors import BuildError, MedMATError, ReadError
from med_mat.example import Example
from med_mat.files import flush, suspect, temporary_path, write_atomically
from med_mat.imaging import decoding, opened
from med_mat.leakage import thumbnails
from med_mat.mounts.remote import answered

#: Ordinal of a record -> its side, and the split of the files that contain it: its side, or "withheld".
Places = Mapping[int, tuple[str, str]]


class Whole(NamedTuple):
    """Size and hash of a file as it was written."""

    bytes: int
    sha256: str


@dataclass(slots=True)
class Result:
    """The result of building a chunk; stored as its marker, so that a later run knows that it is complete."""

    source: str
    name: str
    pixels: str = ""  # digest of everything that the stored pixels depend on
    records: str = ""  # digest of everything that the rest of the records depends on
    decoders: list[str] = field(default_factory=list)  # the decoders that its images and masks needed
    read: int = 0  # largest file size accepted, in bytes: see limits.Allowance
    refused: int | None = None  # smallest file size refused, in bytes
    code: dict[str, str] = field(default_factory=dict)  # module -> digest, of the code that it depends on
    libraries: dict[str, str] = field(default_factory=dict)  # library -> version, of those that it depends on
    examples: int = 0
    found: int = 0  # records
    written: int = 0
    decoded: int = 0  # images decoded by the run that wrote it
    starved: bool = False  # a file needed more memory than was available: the next run retries
    skipped: list[Skip] = field(default_factory=list)
    notes: Notes = field(default_factory=dict)
    cleaned: int = 0  # images that are stored without the metadata of their files
    removed: dict[str, int] = field(default_factory=dict)  # kind of metadata -> number of images that contained it
    lost: dict[str, int] = field(default_factory=dict)  # image file -> number of its examples without a record
    files: dict[str, Whole] = field(default_factory=dict)  # relative to the output folder
    temporary: dict[str, str] = field(default_factory=dict)  # the same files -> their paths until committed

    def within(self, max_file: int) -> bool:
        """Whether the result is the same under another limit for the size of a file, in bytes."""
        return self.read <= max_file and (self.refused is None or max_file < self.refused)

    @property
    def data(self) -> list[str]:
        """Its data files."""
        return [name for name in self.files if name.startswith("data/")]

    @property
    def thumbnails(self) -> str:
        """The file of thumbnails of its images."""
        return f".build/{self.source}/{self.name}.thumbnails"

    @property
    def marker(self) -> str:
        """Its marker file."""
        return marker(self.source, self.name)

    def to_json(self) -> str:
        """The text of its marker, which begins with the sha256 of the remaining content."""
        facts = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("temporary", "decoded")}
        skipped = [[skip.id, skip.path, skip.reason] for skip in self.skipped]
        content = {**facts, "files": dict(sorted(self.files.items())), "skipped": skipped}
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        return json.dumps({"sha256": digest, **content}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read a result from the text of a marker.

        Raises:
            ValueError: the marker is damaged.
        """
        try:
            facts = json.loads(text)
            del facts["sha256"]
            files = {name: Whole(*file) for name, file in facts["files"].items()}
            made = cls(**{**facts, "files": files, "skipped": [Skip(*entry) for entry in facts["skipped"]]})
            sound = made.to_json() == text
        except (LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a marker: {error}") from error
        if not sound:
            raise ValueError("the marker was changed after it was written")
        return made


def marker(source: str, chunk: str) -> str:
    """The marker file of a chunk, relative to the folder of the build."""
    return f".build/{source}/{chunk}.json"


def earlier(store: Store, source: str, chunk: str, *, dry: bool = False) -> Result | None:
    """The result of an earlier run for a chunk, or None if its files are missing or damaged.

    Only files that changed on disk after the marker was written are read and hashed again; the others are trusted.

    Args:
        store: the files of the build.
        source: the name of the source.
        chunk: the name of the chunk.
        dry: do not update the time of the marker, so nothing on disk changes.
    """
    for folder in (store.next, store.out):
        path = folder / marker(source, chunk)
        try:
            result, since = Result.from_json(path.read_text("utf-8")), path.stat().st_ctime_ns
        except (OSError, ValueError):
            continue
        touched = {name: store.touched(name, since) for name in result.files}
        if all(store.is_whole(name, *file, read=touched[name] is True) for name, file in result.files.items()):
            if any(touched.values()) and not dry:
                with suppress(OSError):
                    os.utime(path)
            return result
    return None


def write_chunk(chunk: Chunk, setting: Setting, store: Store, kept: Result | None) -> Result:
    """Write the chunk's files under temporary names. The main process fills in the digests of the result.

    Args:
        chunk: the examples.
        setting: the settings that all chunks of the source share.
        store: the files of the build.
        kept: an earlier result whose pixels are still valid: they are copied instead of decoded if the hashes of all
            its files match.

    Raises:
        ReadError: an example cannot be read and ``on_error`` is "raise".
        BuildError: the output cannot be written.
        FaultError: any other error.
    """
    try:
        return _write_chunk(chunk, setting, store, kept)
    except (MedMATError, OSError):
        raise
    except Exception as error:  # described here: between processes an error loses its traceback
        raise faults.of_source(setting.source, setting.mount.root, error) from error


@answered()
def _write_chunk(chunk: Chunk, setting: Setting, store: Store, kept: Result | None) -> Result:
    if kept is not None and not all(store.is_whole(name, *file, read=True) for name, file in kept.files.items()):
        kept = None
    result = Result(chunk.source, chunk.name)
    cache = decoding.FileCache()
    small: list[bytes] = []
    at: int | None = None  # position of the example's thumbnail
    with ExitStack() as stack:
        asked = stack.enter_context(limits.allowing(setting.max_file, store.out / ".build"))
        stack.enter_context(opened.pillow())  # once for all its images: each sets it up again otherwise
        old = None if kept is None else stack.enter_context(Kept(store, kept))
        files = stack.enter_context(_Files(store, chunk.source, chunk.name))
        for example, placed in chunk.examples:
            result.examples += 1
            before = result.written
            for outcome in _made(example, placed, setting, cache, result, old):
                result.found += 1
                if isinstance(outcome, Skip):
                    if setting.on_error == "raise":
                        raise ReadError(f"{outcome.reason} ('skip' for on_error notes it in the ledger and goes on)")
                    result.skipped.append(outcome)
                    continue
                if result.written == before:
                    result.cleaned += bool(outcome["removed"])
                    for kind in outcome["removed"]:
                        result.removed[kind] = result.removed.get(kind, 0) + 1
                    at = None if outcome["thumbnail"] is None else len(small)
                    small += [outcome["thumbnail"]] if outcome["thumbnail"] is not None else []
                outcome["thumbnail"] = at
                outcome["ordinal"] = result.written
                files.add(outcome, placed.split)
                result.written += 1
            if result.written == before:
                path = str(example.path)
                result.lost[path] = result.lost.get(path, 0) + 1
        files.close(result)
        files.add_thumbnails(result, small)
        result.decoded = result.examples - (0 if old is None else old.used)
    result.decoders = sorted({*cache.used, *(kept.decoders if kept is not None else ())})
    result.read, result.refused = max(asked.read, 0 if kept is None else kept.read), asked.refused
    return result


def _made(
    example: Example, placed: Placed, setting: Setting, cache: decoding.FileCache, result: Result, old: Kept | None
) -> list[dict[str, Any] | Skip]:
    """The outcomes of one example; an unexpected error while reading its files turns them into skips."""
    try:
        return list(outcomes(example, placed, setting, cache, result.notes, old))
    except MedMATError:
        raise
    except Exception as error:
        result.starved |= isinstance(error, MemoryError)
        reason, source = faults.of_file(example, error), setting.source
        rows = rows_served(example, source.rows)
        return [Skip(f"{source.name}/{row.number}/{example.name}", str(example.path), reason) for row in rows]


def move_chunk(made: Result, places: Places, store: Store) -> Result:
    """Write a chunk again with its records on other sides, without decoding anything.

    Args:
        made: the current result of the chunk.
        places: ordinal of each record -> its side, and the split of the files that contain it.
        store: the files of the build.

    Raises:
        BuildError: the output cannot be written, or a file of an earlier run is damaged.
    """
    for name, file in made.files.items():
        if not store.is_whole(name, *file, read=not (store.next / name).is_file()):
            suspect(store.path(name))
            raise BuildError(f"{store.path(name)} is damaged. Run the same command again: it is rebuilt.")
    result = Result.from_json(made.to_json())
    result.libraries |= libraries.writer()
    result.files = {name: file for name, file in made.files.items() if name == made.thumbnails}
    with _Files(store, made.source, made.name) as files:
        for values in kept_records(store, made.data):
            values["split"], split = places[values["ordinal"]]
            files.add(values, split)
        files.close(result)
    return result


def commit(result: Result, store: Store) -> Result:
    """Commit a written chunk: flush and rename its files, then write its marker.

    Raises:
        BuildError: the files cannot be written.
    """
    try:
        for name, temporary in result.temporary.items():
            flush(Path(temporary))
            Path(temporary).replace(store.next / name)
        result.temporary = {}
        write_atomically(store.next / result.marker, result.to_json().encode(), tidy=False)
    except OSError as error:
        for temporary in result.temporary.values():
            Path(temporary).unlink(missing_ok=True)
        raise _unwritable(result.source, result.name, store, error) from error
    return result


def committed(written: Iterator[Result], store: Store) -> Iterator[Result]:
    """Commit each chunk while the next one is being written."""
    with ThreadPoolExecutor(max_workers=1) as committer:
        waiting: list[Future[Result]] = []
        for result in written:
            waiting.append(committer.submit(commit, result, store))
            while len(waiting) > 1:
                yield waiting.pop(0).result()
        yield from (future.result() for future in waiting)


class _Files:
    """The Parquet files of a chunk, each opened when its first record is added."""

    def __init__(self, store: Store, source: str, chunk: str) -> None:
        self._store, self._source, self._chunk = store, source, chunk
        self._open: dict[tuple[int, str], RecordFile] = {}
        self._closed: list[Path] = []

    def __enter__(self) -> _Files:
        return self

    def add(self, values: dict[str, Any], split: str) -> None:
        """Add a record to the file of its row and split."""
        place = (values["row"], split)
        if place not in self._open:
            self._open[place] = RecordFile(self._store.next, self._source, values["row"], split, self._chunk)
        try:
            self._open[place].add(values)
        except OSError as error:
            raise _unwritable(self._source, self._chunk, self._store, error) from error

    def close(self, result: Result) -> None:
        """Close all files and enter them in the result."""
        try:
            for place in sorted(self._open):
                for name, (temporary, digest) in self._open[place].close().items():
                    self._note(result, name, temporary, digest)
        except OSError as error:
            raise _unwritable(self._source, self._chunk, self._store, error) from error

    def add_thumbnails(self, result: Result, small: Sequence[bytes]) -> None:
        """Write the thumbnails of the images, and enter their file in the result."""
        temporary = temporary_path(self._store.next / result.thumbnails)
        self._closed.append(temporary)
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            digest = thumbnails.write(temporary, small)
            self._note(result, result.thumbnails, temporary, digest)
        except OSError as error:
            raise _unwritable(self._source, self._chunk, self._store, error) from error

    def _note(self, result: Result, name: str, temporary: Path, digest: str) -> None:
        self._closed.append(temporary)
        result.files[name] = Whole(temporary.stat().st_size, digest)
        result.temporary[name] = str(temporary)

    def __exit__(self, failed: object, *_: object) -> None:
        for file in self._open.values():
            file.abandon()
        for temporary in self._closed if failed else ():
            temporary.unlink(missing_ok=True)


def _unwritable(source: str, chunk: str, store: Store, error: OSError) -> BuildError:
    return BuildError(
        f"Cannot write chunk {chunk} of {source!r} below {store.out}: {error.strerror or error}. "
        "Free some space or repair the disk, then run the same command: finished chunks are kept."
    )
