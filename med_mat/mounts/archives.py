"""Archives read in place: their members are files of the folder, as if they had been unpacked there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, NamedTuple

from med_mat.errors import ArchiveError, FolderNotFoundError
from med_mat.files import outside
from med_mat.limits import Status
from med_mat.mounts.base import FileFacts, Mount, Names, Regular, Scanned
from med_mat.mounts.copies import copied
from med_mat.mounts.members import Reader, kind
from med_mat.mounts.solid import RarReader, SevenZipReader
from med_mat.mounts.spool import Spool
from med_mat.mounts.tars import TarReader
from med_mat.mounts.zips import ZipReader

_HIDDEN_BY = "a file of this path lies in the folder, or in an earlier archive"


class Placed(NamedTuple):
    """An archive, and the folder in which its members are placed; both below the root of the mount under it."""

    path: str
    at: str  # "" is the root itself
    size: int  # of the archive, as it was when it was found
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class ArchiveMount:
    """A folder, with the members of archives placed in it.

    Files of the folder take precedence over members, and earlier archives over later ones; what is not read because of
    that is noted. The archives themselves are no files of the mount.
    """

    base: Mount
    archives: tuple[Placed, ...]
    prefix: str = ""  # the folder that is the root of this mount, below that of ``base``

    @property
    def root(self) -> PurePath:
        """The folder; below an archive that is read as a folder, the archive's own path."""
        return self.base.root / self.prefix

    @property
    def identity(self) -> str:
        """The folder and the archives, as they were when they were found."""
        return repr((self.base.identity, self.archives, self.prefix))

    @property
    def places(self) -> tuple[Path, ...]:
        """The folder if files of it are read, and the archives."""
        own = self.base.below(self.prefix).places if self.base.is_folder(self.prefix) else ()
        packed = (Path(self.base.root / one.path) for one in self.archives if self.base.places)
        return (*own, *packed)

    @property
    def copies(self) -> int:
        """Bytes of the temporary copies that reading takes, of archives that cannot be sought in."""
        return sum(_opened(self.base, one).copy for one in self.archives)

    def scan(self) -> Scanned:
        """Every file below the root.

        Raises:
            FolderNotFoundError: There is no such folder.
            ArchiveError: An archive cannot be read.
        """
        self._check_whole()
        found = Scanned()
        if self.base.is_folder(self.prefix):
            found = self.base.below(self.prefix).scan()
            for one in self.archives:
                if (name := _below(one.path, self.prefix)) is not None:
                    found.files.pop(name, None)
        for archive in self.archives:
            content = _opened(self.base, archive).content
            for name, member in content.members.items():
                path = _below(_joined(archive.at, name), self.prefix)
                if path is None:
                    continue
                if path in found.files:
                    found.skipped[f"{archive.path}/{name}"] = _HIDDEN_BY
                else:
                    found.files[path] = FileFacts(member.size, archive.mtime_ns)
                    if name in content.links:
                        found.links[path] = content.links[name]
            for name, why in content.skipped.items():
                path = _below(_joined(archive.at, name), self.prefix)
                if path is not None:
                    found.skipped[path] = why
        if not found.files and not self.base.is_folder(self.prefix) and not self.is_folder(""):
            raise FolderNotFoundError(f"{self.root} is not a folder.")
        return found

    def names(self, folder: str) -> Names:
        """The files and folders in one folder."""
        full = _joined(self.prefix, folder)
        files, folders = _tree(self).get(full, (frozenset(), frozenset()))
        own = self.base.names(full)
        packed = {_below(one.path, full) for one in self.archives}
        return Names(tuple(sorted({*own.files} - packed | files)), tuple(sorted({*own.folders, *folders})))

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder at a path."""
        full = _joined(self.prefix, path)
        return full in _tree(self) or self.base.is_folder(full)

    def is_file(self, path: str) -> bool:
        """Whether there is a file at a path."""
        full = _joined(self.prefix, path)
        return full in _members(self) or (
            self.base.is_file(full) and not any(full == one.path for one in self.archives)
        )

    def stat(self, path: PurePosixPath | str) -> Status:
        """The status of a file."""
        full = _joined(self.prefix, str(path))
        found = _members(self).get(full)
        if found is None or self._lies_beside(full):
            return self.base.stat(full)
        archive, name = found
        return Regular(_opened(self.base, archive).content.members[name].size, archive.mtime_ns)

    def open(self, path: PurePosixPath | str) -> IO[bytes]:
        """Opens a file."""
        full = _joined(self.prefix, str(path))
        found = _members(self).get(full)
        if found is None or self._lies_beside(full):
            return self.base.open(full)
        archive, name = found
        return _opened(self.base, archive).open(name)

    def local(self, path: PurePosixPath | str, scratch: Callable[[], Path]) -> Path:
        """The file beside the archives, or a copy of a member."""
        full = _joined(self.prefix, str(path))
        if full in _members(self) and not self._lies_beside(full):
            return copied(self, path, scratch())
        return self.base.local(full, scratch)

    def below(self, folder: str) -> ArchiveMount:
        """A subfolder."""
        return replace(self, prefix=_joined(self.prefix, folder))

    def above(self) -> Mount | None:
        """The folder that contains this one."""
        return replace(self, prefix=_folder(self.prefix)) if self.prefix else self.base.above()

    def refused(self, path: str) -> str:
        """Links to members stay inside; those of the folder are judged by it."""
        full = _joined(self.prefix, path)
        return "" if full in _members(self) else self.base.refused(full)

    def inside(self, path: PurePosixPath | str) -> bool:
        """Whether a path stays inside."""
        full = _joined(self.prefix, str(path))
        return full in _members(self) or (not outside(PurePosixPath(path)) and self.base.inside(full))

    def release(self) -> None:
        """Removes the temporary copies of archives that cannot be sought in."""
        for one in self.archives:
            with suppress(OSError):
                _spool(self.base, one._replace(at="")).release()
        self.base.release()
        _reader.cache_clear()

    def _lies_beside(self, full: str) -> bool:
        return _mixed(self) and self.base.is_file(full)

    def _check_whole(self) -> None:
        for one in self.archives:
            facts = self.base.stat(one.path)
            if (facts.st_size, facts.st_mtime_ns) != (one.size, one.mtime_ns):
                raise ArchiveError(
                    f"{self.base.root / one.path} has changed since it was found: run the command again."
                )


def placed(base: Mount, path: str, at: str) -> Placed:
    """An archive of a mount, to be placed in a folder.

    Raises:
        OSError: There is none.
    """
    facts = base.stat(path)
    return Placed(path, at, facts.st_size, facts.st_mtime_ns)


def alone(base: Mount, path: str) -> ArchiveMount:
    """An archive as a folder of its own, at its own path.

    Raises:
        OSError: There is none.
    """
    return ArchiveMount(base, (placed(base, path, path),), path)


def check(base: Mount, archive: Placed) -> None:
    """Opens an archive and lists its members.

    Raises:
        ArchiveError: It cannot be read.
        MissingExtraError: It needs a package that is not installed.
    """
    _opened(base, archive)


def _opened(base: Mount, archive: Placed) -> Reader:
    return _reader(base, archive._replace(at=""))  # wherever it is placed, it is opened once


@functools.lru_cache(maxsize=256)
def _reader(base: Mount, archive: Placed) -> Reader:
    """An opened archive; each process opens it once.

    Raises:
        ArchiveError: It cannot be read.
        MissingExtraError: It needs a package that is not installed.
    """
    name, what = str(base.root / archive.path), kind(archive.path)

    opened = functools.partial(base.open, archive.path)
    try:
        if what == "zip":
            return ZipReader(opened, archive.size, name)
        if what == "tar":
            return TarReader(opened, archive.size, name, _spool(base, archive))
        if what == "7z":
            return SevenZipReader(opened, archive.size, name, _spool(base, archive))
        return RarReader(opened, archive.size, name)
    except OSError as error:
        raise ArchiveError(f"{name} cannot be read: {error.strerror or error}.") from error


def _spool(base: Mount, archive: Placed) -> Spool:
    return Spool(str(base.root / archive.path), base.identity, *archive)


@functools.lru_cache(maxsize=64)
def _placed_members(base: Mount, archives: tuple[Placed, ...]) -> dict[str, tuple[Placed, str]]:
    found: dict[str, tuple[Placed, str]] = {}
    for archive in archives:
        for name in _opened(base, archive).content.members:
            found.setdefault(_joined(archive.at, name), (archive, name))
    return found


def _members(mount: ArchiveMount) -> dict[str, tuple[Placed, str]]:
    """Path below the base -> the archive that contains the file, and its name in it."""
    return _placed_members(mount.base, mount.archives)


@functools.lru_cache(maxsize=64)
def _folders(base: Mount, archives: tuple[Placed, ...]) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    files: dict[str, set[str]] = {}
    for path in _placed_members(base, archives):
        folder, _, name = path.rpartition("/")
        files.setdefault(folder, set()).add(name)
    folders: dict[str, set[str]] = {folder: set() for folder in files}
    for folder in list(files):
        while folder:
            above, _, name = folder.rpartition("/")
            known = above in folders
            folders.setdefault(above, set()).add(name)
            if known and above in files:
                break
            folder = above
    return {one: (frozenset(files.get(one, ())), frozenset(inside)) for one, inside in folders.items()}


def _tree(mount: ArchiveMount) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Folder below the base -> the names of the files and folders in it that come from archives."""
    return _folders(mount.base, mount.archives)


@functools.lru_cache(maxsize=64)
def _overlaps(base: Mount, archives: tuple[Placed, ...]) -> bool:
    """Whether any member has the path of a file beside the archives."""
    return any(
        base.is_folder(folder) and not files.isdisjoint(base.names(folder).files)
        for folder, (files, _) in _folders(base, archives).items()
    )


def _mixed(mount: ArchiveMount) -> bool:
    return _overlaps(mount.base, mount.archives)


def _joined(folder: str, path: str) -> str:
    if path in ("", "."):
        return folder
    return f"{folder}/{path}" if folder else path


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _below(path: str, folder: str) -> str | None:
    """A path relative to a folder; None if it is not in it."""
    if not folder:
        return path
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else None
