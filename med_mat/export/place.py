"""The folder of an export: every file is complete or absent, and a killed run continues. No other file is touched."""

from __future__ import annotations

import json
import os
import stat
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from med_mat.errors import ExportError
from med_mat.files import holds, is_temporary, relative, replacing, sweep, write_atomically, writing

#: Written last: the account of a finished export.
ACCOUNT = "export.json"
#: What an unfinished export is, for the run that continues it.
MARKER = ".med-mat-export.json"
_SPOOL = 64 << 20
#: Threads that write images, and how many images may wait for them.
_THREADS, _WAITING = 2, 32


def _spool() -> IO[str]:
    return SpooledTemporaryFile(_SPOOL, "w+", encoding="utf-8")


@dataclass
class Place:
    """Where an export is written. Paths are relative to its folder, with ``/``.

    Nothing is written outside the folder: a folder is checked when the first file is written to it, and a link where a
    file belongs is replaced by the file. Files of :meth:`write` are written by threads, and are complete after
    :meth:`wait`.
    """

    root: Path
    size: int = 0  # bytes that were written
    _folders: dict[str, Path] = field(default_factory=dict)  # that exist and are inside the root, by relative path
    _sizes: IO[str] = field(default_factory=_spool)  # a member of a JSON object per file
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS))
    _waiting: deque[Future[None]] = field(default_factory=deque)

    def write(self, path: str, content: bytes) -> None:
        """Write a file; one that is already there with this content is left as it is.

        Raises:
            WriteError: It, or a file before it, cannot be written.
        """
        target = self._target(path)
        self._waiting.append(self._threads.submit(_put, target, content))
        if len(self._waiting) > _WAITING:
            self._waiting.popleft().result()
        self._written(path, len(content))

    def wait(self) -> None:
        """Wait until all files are written.

        Raises:
            WriteError: One cannot be written.
        """
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        """Let go of the threads; what waits for them is not written."""
        self._threads.shutdown(cancel_futures=True)

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """A file to write bytes to; it has its name once the block is left without an error and the files of
        :meth:`write` before it, which it may name, are complete.

        Raises:
            WriteError: It, or a file before it, cannot be written.
        """
        with self._complete(path) as temporary, temporary.open("wb") as file:
            yield file

    @contextmanager
    def lines(self, path: str) -> Iterator[IO[str]]:
        """The same for text: UTF-8, lines end with a line feed on every system."""
        with (
            self._complete(path) as temporary,
            temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file,
        ):
            yield file

    @contextmanager
    def _complete(self, path: str) -> Iterator[Path]:
        """A temporary path that becomes the file at the end, after all files of :meth:`write` before it."""
        with replacing(self._target(path), tidy=False, follow=False) as temporary:
            yield temporary
            self.wait()
            self._written(path, temporary.stat().st_size)

    def sizes(self) -> Iterator[str]:
        """For each file that was written, the member ``"path": bytes`` of a JSON object."""
        self._sizes.seek(0)
        yield from (line.rstrip("\n") for line in self._sizes)

    def _written(self, path: str, size: int) -> None:
        self.size += size
        self._sizes.write(f"{json.dumps(path)}: {size}\n")

    def _target(self, path: str) -> Path:
        """The path of a file whose folder exists and is inside that of the export."""
        try:
            plain = relative(path)
        except ValueError as error:
            raise ExportError(f"An export format names a file {path!r}, which {error}.") from None
        parent = str(plain.parent)
        if parent not in self._folders:
            self._folders[parent] = self._folder(parent)
        return self._folders[parent] / plain.name

    def _folder(self, parent: str) -> Path:
        folder = self.root / parent
        if not holds(self.root, folder):
            raise ExportError(
                f"{folder} is, or is below, a link that leads out of {self.root.absolute()}: remove the link, and "
                "export again."
            )
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        return folder


def _put(target: Path, content: bytes) -> None:
    if not _has(target, content):
        with replacing(target, tidy=False, lasting=False, follow=False) as temporary:
            temporary.write_bytes(content)


def begin(root: Path, key: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Prepare a folder for an export.

    Args:
        root: The folder.
        key: What the files depend on, as plain data.

    Returns:
        The account of this very export if the folder has all of it; else None.

    Raises:
        ExportError: The folder has other files, or those of another export.
        WriteError: It cannot be written to.
    """
    if root.exists() and not root.is_dir():
        raise ExportError(f"{root.absolute()} is a file: name a new folder to export to.")
    with writing(root):
        found = {one.name for one in root.iterdir()} if root.is_dir() else set()
    account, marker = _read(root / ACCOUNT), _read(root / MARKER)
    for what, state in ((account, "the export"), (marker, "an unfinished export")):
        if what is not None and what.get("key") != key:
            other = what.get("key")
            other = other if isinstance(other, dict) else {}
            said = ", ".join(f"{name} {other.get(name)!r}" for name in key if other.get(name) != key[name])
            raise ExportError(
                f"{root.absolute()} contains {state} of something else ({said or 'nothing that it names'}). Export to "
                "another folder, or delete that one."
            )
    if account is not None and _complete(root, account):
        return account
    foreign = sorted(name for name in found if not is_temporary(name))
    if foreign and account is None and marker is None:
        raise ExportError(
            f"{root.absolute()} has files that no export wrote, such as {foreign[0]}. Name a new or an empty folder."
        )
    write_atomically(root / MARKER, json.dumps({"key": key}, sort_keys=True).encode() + b"\n")
    return None


def end(root: Path) -> None:
    """Mark an export as finished, after its account was written."""
    with writing(root / MARKER):
        (root / MARKER).unlink(missing_ok=True)


def _read(path: Path) -> Mapping[str, Any] | None:
    """A JSON object of an earlier run; None if there is none. A damaged one is that of something else."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _complete(root: Path, account: Mapping[str, Any]) -> bool:
    """Whether all files that an account names are there, each as large as it was written."""
    try:
        sizes = account["sizes"]
        named = {path for files in account["files"].values() for path in files.values()}
        return named <= sizes.keys() and all(_size(root / relative(path)) == size for path, size in sizes.items())
    except (LookupError, TypeError, ValueError, AttributeError):
        return False


def _has(path: Path, content: bytes) -> bool:
    """Whether there is a file with this content."""
    try:
        return _size(path) == len(content) and path.read_bytes() == content
    except OSError:
        return False


def _size(path: Path) -> int | None:
    """The bytes of a file; None if there is none, or something else in its place, such as a link."""
    try:
        facts = os.lstat(path)
    except OSError:
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None
