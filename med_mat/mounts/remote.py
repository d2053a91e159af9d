"""Raw files behind an address: listed once, and read in blocks that are kept on this machine."""

from __future__ import annotations

import errno
import functools
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from med_mat.errors import FolderNotFoundError, RemoteError
from med_mat.files import outside, relative, replacing
from med_mat.limits import Status
from med_mat.mounts import cache, stores
from med_mat.mounts.base import FileFacts, Mount, Names, Regular, Scanned
from med_mat.mounts.blocks import block
from med_mat.mounts.copies import copied
from med_mat.mounts.stores import Entry, Listed
from med_mat.mounts.urls import URLPath

#: Bytes of a block: a request takes as long as the transfer of about as many.
BLOCK = 4 << 20

_unanswered: ContextVar[list[RemoteError] | None] = ContextVar("unanswered", default=None)


@contextmanager
def answered() -> Iterator[None]:
    """Checks that every read within had an answer: libraries that decode take any error for a damaged file.

    Raises:
        RemoteError: One had none.
    """
    failed: list[RemoteError] = []
    token = _unanswered.set(failed)
    try:
        yield
    finally:
        _unanswered.reset(token)
    if failed:
        raise failed[0]


@dataclass(frozen=True, slots=True)
class RemoteMount:
    """A folder behind an address.

    It is listed once; workers read the same list from the cache. A file that is not as it was listed is an error.
    """

    url: str  # of the place that was listed
    stamp: str  # what the list is called in the cache; it stands for its content
    prefix: str = ""  # the folder that is the root of this mount, below that place

    @property
    def root(self) -> URLPath:
        """The address."""
        return URLPath(self.url) / self.prefix

    @property
    def identity(self) -> str:
        """The address."""
        return str(self.root)

    @property
    def places(self) -> tuple[Path, ...]:
        """Nothing of this machine is read."""
        return ()

    def scan(self) -> Scanned:
        """Every file below the root."""
        found = Scanned()
        for path, entry in _listing(self.url, self.stamp).files.items():
            name = _below(path, self.prefix)
            if name is None:
                continue
            if fault := _fault(name):
                found.skipped[name] = fault
            else:
                found.files[name] = FileFacts(entry.size, entry.version)
        if not found.files:
            raise FolderNotFoundError(f"{self.root} holds no file. Name the folder that holds the source.")
        return found

    def names(self, folder: str) -> Names:
        """The files and folders in one folder."""
        return _tree(self.url, self.stamp).get(_joined(self.prefix, folder), Names())

    def is_folder(self, path: str) -> bool:
        """Whether files lie below a path."""
        return _joined(self.prefix, path) in _tree(self.url, self.stamp)

    def is_file(self, path: str) -> bool:
        """Whether there is a file at a path."""
        return _joined(self.prefix, path) in _listing(self.url, self.stamp).files

    def stat(self, path: PurePosixPath | str) -> Status:
        """The status of a file, as it was listed."""
        entry = self._entry(path)
        return Regular(entry.size, entry.version)

    def open(self, path: PurePosixPath | str) -> IO[bytes]:
        """Opens a file; one of a block at most is read at once."""
        entry, full = self._entry(path), _joined(self.prefix, str(path))
        file = _File(URLPath(self.url) / full, f"{_listing(self.url, self.stamp).at}/{full}", entry)
        return io.BytesIO(file.read()) if entry.size <= BLOCK else cast("IO[bytes]", file)

    def local(self, path: PurePosixPath | str, scratch: Callable[[], Path]) -> Path:
        """A copy of the file."""
        return copied(self, path, scratch())

    def below(self, folder: str) -> RemoteMount:
        """A subfolder."""
        return replace(self, prefix=_joined(self.prefix, folder))

    def above(self) -> Mount | None:
        """The folder that contains this one, if it was listed."""
        return replace(self, prefix=self.prefix.rpartition("/")[0]) if self.prefix else None

    def refused(self, path: str) -> str:
        """There are no links."""
        del path
        return ""

    def release(self) -> None:
        """Removes the list; blocks stay, below their bound."""
        with suppress(OSError):
            _kept(self.stamp).unlink(missing_ok=True)

    def inside(self, path: PurePosixPath | str) -> bool:
        """Whether a path stays inside."""
        return not outside(PurePosixPath(path))

    def _entry(self, path: PurePosixPath | str) -> Entry:
        full = _joined(self.prefix, str(path))
        entry = _listing(self.url, self.stamp).files.get(full)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(URLPath(self.url) / full))
        return entry


def remote(where: URLPath) -> RemoteMount:
    """The folder at an address.

    Raises:
        FolderNotFoundError: There is none.
        RemoteError: It cannot be listed.
        MissingExtraError: The package for such addresses is not installed.
    """
    found = stores.listed(where)
    if "" in found.files:
        raise FolderNotFoundError(f"{where} is a file. Name the folder, or the archive, that holds the sources.")
    return _mount(where, found)


def remote_file(where: URLPath) -> RemoteMount | None:
    """The folder that contains the file at an address, and seems to contain nothing else; None if it is no file.

    Raises:
        FolderNotFoundError, RemoteError, MissingExtraError: As for :func:`remote`.
    """
    found = stores.listed(where)
    if "" not in found.files:
        return None
    return _mount(URLPath(where.parent), Listed(found.at.rpartition("/")[0], {where.name: found.files[""]}))


def _mount(where: URLPath, found: Listed) -> RemoteMount:
    stamp = _stamp(where, found)
    with replacing(_kept(stamp), lasting=False) as temporary:
        temporary.write_text(json.dumps([found.at, found.files]), "utf-8")
    return RemoteMount(str(where), stamp)


def _stamp(where: URLPath, found: Listed) -> str:
    return cache.key(str(where), found.at, sorted(found.files.items()))


def _kept(stamp: str) -> Path:
    return cache.folder("lists") / f"{stamp}.json"


@functools.lru_cache(maxsize=8)
def _listing(url: str, stamp: str) -> Listed:
    """The list that a mount was made with; on another machine than that, the place is listed again.

    Raises:
        RemoteError: The place has changed.
    """
    with suppress(OSError, ValueError):
        at, files = json.loads(_kept(stamp).read_text("utf-8"))
        return Listed(at, {path: Entry(*entry) for path, entry in files.items()})
    where = URLPath(url)
    found = stores.listed(where)
    if _stamp(where, found) != stamp:
        raise RemoteError(f"{url} has changed since it was listed: run the command again once nobody writes there.")
    return found


@functools.lru_cache(maxsize=8)
def _tree(url: str, stamp: str) -> dict[str, Names]:
    """Folder -> what is in it."""
    files: dict[str, list[str]] = {}
    folders: dict[str, set[str]] = {}
    for path in _listing(url, stamp).files:
        if _fault(path):
            continue
        folder, _, name = path.rpartition("/")
        files.setdefault(folder, []).append(name)
    for folder in list(files):
        inner = folder
        while inner:
            inner, _, name = inner.rpartition("/")
            folders.setdefault(inner, set()).add(name)
    return {
        one: Names(tuple(sorted(files.get(one, ()))), tuple(sorted(folders.get(one, ()))))
        for one in files.keys() | folders.keys()
    }


class _File(io.RawIOBase):
    """A file, read in blocks."""

    def __init__(self, where: URLPath, at: str, entry: Entry) -> None:
        super().__init__()
        self._where, self._of, self._entry = where, at, entry
        self._position, self._number, self._data = 0, -1, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads into a buffer, to the end of a block at most.

        Raises:
            RemoteError: The bytes cannot be had.
        """
        if self._position >= self._entry.size:
            return 0
        number, offset = divmod(self._position, BLOCK)
        if number != self._number:
            self._data, self._number = self._block(number), number
        part = self._data[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves to a position."""
        self._position = max(offset + (0, self._position, self._entry.size)[whence], 0)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def _block(self, number: int) -> bytes:
        start, end = number * BLOCK, min((number + 1) * BLOCK, self._entry.size)
        try:
            return block(
                end - start,
                lambda: stores.fetched(self._where, self._of, self._entry, start, end),
                str(self._where),
                *self._entry,
                BLOCK,
                number,
            )
        except RemoteError as error:
            if (failed := _unanswered.get()) is not None:
                failed.append(error)
            raise


def _fault(path: str) -> str:
    """Why a path is not read, in words; "" if it is."""
    try:
        relative(path).as_posix().encode()
    except UnicodeEncodeError:
        return "its name is not valid UTF-8: rename it"
    except ValueError as error:
        return f"its name {error}: rename it"
    return "" if relative(path).as_posix() == path else "its name is no plain path: rename it"


def _joined(folder: str, path: str) -> str:
    if path in ("", "."):
        return folder
    return f"{folder}/{path}" if folder else path


def _below(path: str, folder: str) -> str | None:
    """A path relative to a folder; None if it is not in it."""
    if not folder:
        return path
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None
