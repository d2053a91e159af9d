"""A folder of this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from med_mat.errors import FolderNotFoundError
from med_mat.mounts.base import FileFacts, Mount, Names, Scanned

LEADS_OUT = "a link that leads out of the folder, which --no-follow refuses"
#: Folders of the operating system (devices and system state), which contain no data.
_SYSTEM = ("/dev/", "/proc/", "/sys/", "/run/")


def mounted(place: Path | str | Mount, *, follow: bool = True) -> Mount:
    """A path as the folder that it names; a mount as it is."""
    return FolderMount(Path(place).absolute(), follow) if isinstance(place, Path | str) else place


@dataclass(frozen=True, slots=True)
class FolderMount:
    """A folder of this machine.

    Links to regular files are followed, wherever they lead: the Hub's ``snapshot_download``, git-annex and link farms
    lay out folders like this. Links to folders, links to system files, broken links and anything that is not a regular
    file are skipped.
    """

    root: Path  # absolute
    follow: bool = True  # whether links may lead out of the folder

    @property
    def identity(self) -> str:
        """Its path, links resolved."""
        return os.path.realpath(self.root)

    @property
    def places(self) -> tuple[Path, ...]:
        """The folder."""
        return (self.root,)

    def scan(self) -> Scanned:
        """Every file below the folder."""
        if not self.root.is_dir():
            raise FolderNotFoundError(f"{self.root} is not a folder. Name the folder that holds the source.")
        found = Scanned()
        found.files.update(self._scan(found))
        return found

    def _scan(self, found: Scanned) -> Iterator[tuple[str, FileFacts]]:
        pending, real = [""], self.identity
        while pending:
            folder = pending.pop()
            try:
                with os.scandir(self.root / folder) as entries:
                    for entry in entries:
                        path = folder + entry.name
                        try:
                            path.encode()
                        except UnicodeEncodeError:
                            shown = os.fsencode(path).decode(errors="backslashreplace")
                            found.skipped[shown] = "its name is not valid UTF-8: rename it"
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(path + "/")
                        elif (facts := self._facts(path, entry, real, found)) is not None:
                            yield path, facts
            except OSError as error:
                found.skipped[folder.rstrip("/") or "."] = f"the folder cannot be opened: {error.strerror or error}"

    def _facts(self, path: str, entry: os.DirEntry[str], real: str, found: Scanned) -> FileFacts | None:
        try:
            target = os.readlink(entry.path) if entry.is_symlink() else None  # noqa: PTH115 - the inner loop of a scan
            facts = entry.stat()
            if target is not None:
                to_folder = stat.S_ISDIR(facts.st_mode)
                reason = "a link to a folder" if to_folder else refused_link(entry.path, real, self.follow)
                if reason:
                    found.skipped[path] = reason
                    return None
                found.links[path] = target
        except OSError as error:
            found.skipped[path] = f"cannot be read: {error.strerror or error}"
            return None
        if not stat.S_ISREG(facts.st_mode):
            found.skipped[path] = "not a regular file"
            return None
        return FileFacts(facts.st_size, facts.st_mtime_ns)

    def names(self, folder: str) -> Names:
        """The files and folders in one folder."""
        files, folders, real = [], [], self.identity
        try:
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif self._is_read(entry, real):
                        files.append(entry.name)
        except OSError:
            return Names()
        return Names(tuple(sorted(files)), tuple(sorted(folders)))

    def _is_read(self, entry: os.DirEntry[str], real: str) -> bool:
        try:
            if not entry.is_symlink():
                return entry.is_file(follow_symlinks=False)
            return entry.is_file() and not refused_link(entry.path, real, self.follow)
        except OSError:  # a link to itself, or into a folder that cannot be entered
            return False

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder at a path."""
        return (self.root / path).is_dir()

    def is_file(self, path: str) -> bool:
        """Whether there is a file at a path."""
        return (self.root / path).is_file()

    def stat(self, path: PurePosixPath | str) -> os.stat_result:
        """The status of a file."""
        return os.stat(f"{self.root}/{path}")  # noqa: PTH116 - the inner loop of a build, as below

    def open(self, path: PurePosixPath | str) -> IO[bytes]:
        """Opens a file, without a buffer."""
        return open(f"{self.root}/{path}", "rb", buffering=0)  # noqa: PTH123

    def local(self, path: PurePosixPath | str, scratch: Callable[[], Path]) -> Path:
        """The file itself."""
        return self.root / path

    def below(self, folder: str) -> FolderMount:
        """A subfolder."""
        return FolderMount(self.root / folder, self.follow)

    def above(self) -> FolderMount | None:
        """The folder that contains this one."""
        return None if self.root.parent == self.root else FolderMount(self.root.parent, self.follow)

    def refused(self, path: str) -> str:
        """Why the link at a path is not followed, in words; "" if it is."""
        return refused_link(f"{self.root}/{path}", self.identity, self.follow)

    def release(self) -> None:
        """Nothing is left."""

    def inside(self, path: PurePosixPath | str) -> bool:
        """Whether a path stays inside, links resolved."""
        return _within(os.path.realpath(self.root / path), self.identity)


def refused_link(place: str, root: str, follow: bool) -> str:
    """Why a link to a file is not followed, in words; "" if it is.

    Args:
        place: Path of the link.
        root: The folder that is read, without links in its path.
        follow: Whether a link may lead out of it.
    """
    target = os.path.realpath(place)
    if _within(target, root):
        return ""
    if target.startswith(_SYSTEM):
        return "a link to a file of the system"
    return "" if follow else LEADS_OUT


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
