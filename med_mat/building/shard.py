"""One shard: decode, check and write its examples, one Parquet file per row of the source.

A worker process writes under temporary names (:func:`write_shard`); the process that runs the build flushes the files
to the disk, renames them and writes the marker of the shard (:func:`commit`), while the workers go on.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from med_mat import image
from med_mat.building.outcomes import Notes, Setting, Skip, outcomes
from med_mat.building.plan import Shard
from med_mat.building.writer import RecordFile, write_atomically
from med_mat.errors import BuildError, ReadError


@dataclass(slots=True)
class Result:
    """What became of a shard; stored as its marker, so that a later run knows that it is done."""

    name: str
    inputs: str
    examples: int = 0
    found: int = 0  # records
    written: int = 0
    skipped: list[Skip] = field(default_factory=list)
    notes: Notes = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)  # image file -> how many of its examples gave no record
    files: dict[str, int] = field(default_factory=dict)  # Parquet file below the output folder -> bytes
    temporary: dict[str, str] = field(default_factory=dict)  # the same files -> what they are called until committed

    def to_json(self) -> str:
        """As the text of a marker."""
        skipped = [[skip.id, skip.path, skip.reason] for skip in self.skipped]
        facts = {
            name: getattr(self, name)
            for name in ("name", "inputs", "examples", "found", "written", "notes", "lost", "files")
        }
        return json.dumps({**facts, "skipped": skipped}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """From the text of a marker."""
        facts = json.loads(text)
        return cls(**{**facts, "skipped": [Skip(*entry) for entry in facts["skipped"]]})


def marker_path(out: Path, shard: Shard) -> Path:
    """Where the marker of a shard lies."""
    return out / ".build" / shard.source / f"{shard.name}.json"


def finished(out: Path, shard: Shard) -> Result | None:
    """The result of an earlier run, if that run had the same inputs and its files are still whole."""
    try:
        result = Result.from_json(marker_path(out, shard).read_text("utf-8"))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if result.inputs != shard.inputs:
        return None
    for name, size in result.files.items():
        path = out / name
        if not path.is_file() or path.stat().st_size != size:
            return None
    return result


def write_shard(shard: Shard, setting: Setting) -> Result:
    """Write the shard's Parquet files, under temporary names.

    Raises:
        ReadError: a bad example, where ``on_error`` is "raise".
        BuildError: the output cannot be written.
    """
    result = Result(shard.name, shard.inputs)
    cache = image.FileCache()
    files = {
        row.number: RecordFile(setting.out, f"data/{shard.source}/{row.number:03d}/{shard.name}.parquet")
        for row in setting.source.rows
    }
    try:
        # while its files change the shard is not done, whatever its inputs were or will be
        marker_path(setting.out, shard).unlink(missing_ok=True)
        for example, placed in shard.examples:
            result.examples += 1
            before = result.written
            for outcome in outcomes(example, placed, setting, cache, result.notes):
                result.found += 1
                if isinstance(outcome, Skip):
                    if setting.on_error == "raise":
                        raise ReadError(f"{outcome.reason} ('skip' for on_error notes it in the ledger and goes on)")
                    result.skipped.append(outcome)
                else:
                    files[outcome["row"]].add(outcome)
                    result.written += 1
            if result.written == before:
                path = str(example.path)
                result.lost[path] = result.lost.get(path, 0) + 1
        for file in files.values():
            for name, temporary in file.close().items():
                result.files[name] = temporary.stat().st_size
                result.temporary[name] = str(temporary)
    except OSError as error:
        raise _unwritable(shard, setting.out, error) from error
    finally:
        for file in files.values():
            file.abandon()
    return result


def commit(shard: Shard, result: Result, out: Path) -> Result:
    """Make a written shard last: flush and rename its files, then write its marker.

    Raises:
        BuildError: the disk does not take it.
    """
    try:
        for name, temporary in result.temporary.items():
            with Path(temporary).open("rb") as file:
                os.fsync(file.fileno())
            Path(temporary).replace(out / name)
        write_atomically(marker_path(out, shard), result.to_json().encode())
    except OSError as error:
        raise _unwritable(shard, out, error) from error
    return result


def _unwritable(shard: Shard, out: Path, error: OSError) -> BuildError:
    return BuildError(
        f"Cannot write shard {shard.name} of {shard.source!r} below {out}: {error.strerror or error}. "
        "Free some space or mend the disk, then run the same command: finished shards are kept."
    )
