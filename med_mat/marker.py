"""Records the files that an interrupted check has already hashed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO

from med_mat.mounts.base import FileFacts
from med_mat.raw.folder import RawFolder


def marker_path(source: str, raw: RawFolder) -> Path:
    """The path of the marker of a source and its folder, in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.blake2b(os.fsencode(raw.mount.identity), digest_size=8).hexdigest()
    return cache / "med_mat" / "validate" / f"{source}-{name}.jsonl"


class Marker:
    """The files that a run has hashed, one per line, so that a run that was killed can be resumed.

    An entry is valid only while size and modification time of the file are unchanged. A run that completes removes the
    marker, so that the next one reads every file again: content on disk can change without a new modification time.

    Args:
        path: the file of the marker.
        raw: the raw folder that is checked.
    """

    def __init__(self, path: Path, raw: RawFolder) -> None:
        self._path = path
        self._raw = raw
        self._file: IO[str] | None = None
        self.done: dict[str, str] = {}

    def __enter__(self) -> Marker:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+", encoding="utf-8", errors="replace", buffering=1)
        except OSError:
            return self  # without a marker, a run that is killed starts over
        self._file.seek(0)
        for line in self._file:
            try:
                path, size, time, digest = json.loads(line)
                if self._raw.files.get(path) == FileFacts(size, time):
                    self.done[path] = str(digest)
            except (ValueError, TypeError, RecursionError):
                continue  # cut short when the run was killed, or damaged since
        return self

    def add(self, path: str, facts: FileFacts, digest: str) -> None:
        """Record the hash of a file."""
        if self._file is not None:
            try:
                self._file.write(json.dumps([path, facts.size, facts.mtime_ns, digest]) + "\n")
            except OSError:  # a full disk must not end a check that needs no space
                self._file = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            if kind is None:
                self._path.unlink(missing_ok=True)
