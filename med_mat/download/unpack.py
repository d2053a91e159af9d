"""Unpack untrusted archives: every member is checked, and either all of them are extracted or none.

Supported are zip and tar (plain, gz, bz2, xz); for 7z and RAR an error names the command that extracts them.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import posixpath
import re
import shlex
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from med_mat.errors import ArchiveError
from med_mat.files import relative
from med_mat.mounts.tars import Wary
from med_mat.raw.names import folded

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
FOREIGN = (".7z", ".rar")
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
#: Suffix -> what a file of that kind begins with, at which byte.
MAGIC: Mapping[str, tuple[int, tuple[bytes, ...]]] = {
    ".zip": (0, (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")),
    ".gz": (0, (_GZIP,)),
    ".tgz": (0, (_GZIP,)),
    ".bz2": (0, (_BZIP2,)),
    ".tbz2": (0, (_BZIP2,)),
    ".xz": (0, (_XZ,)),
    ".txz": (0, (_XZ,)),
    ".tar": (257, (b"ustar",)),
    ".7z": (0, (b"7z\xbc\xaf\x27\x1c",)),
    ".rar": (0, (b"Rar!\x1a\x07",)),
}
_CHUNK = 1 << 20
#: What zipfile and tarfile let through where an archive is damaged.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may extract to. Medical masks and tables compress well, but not a thousandfold."""

    size: int = 2 << 40  # bytes, of all members
    ratio: int = 250  # bytes out per byte in, once more than `floor` bytes are out
    floor: int = 256 << 20
    members: int = 5_000_000


def is_archive(name: str) -> bool:
    """Whether a file of this name is extracted here."""
    return name.lower().endswith(ARCHIVES)


def is_foreign(name: str) -> bool:
    """Whether a file of this name is an archive that needs another program."""
    return name.lower().endswith(FOREIGN) or bool(re.search(r"\.(7z|zip)\.\d{3}$|\.[zr]\d\d$", name.lower()))


def foreign(archive: Path, target: Path) -> str:
    """The error message for an archive that is not supported, with the command that extracts it."""
    file, folder = shlex.quote(str(archive)), shlex.quote(str(target))
    if archive.name.lower().endswith(".rar"):
        command = f"unrar x {file} {folder}/' or 'bsdtar -xf {file} -C {folder}"
    else:
        command = f"7z x -o{folder} {file}"
    return f"{archive} is not unpacked here (Python has no reader for its kind): run '{command}'."


def safe_path(name: str, where: object, *, backslashes: bool = False) -> PurePosixPath:
    """A member's name as a path that stays inside the target folder.

    Args:
        name: as given by the archive or the server.
        where: the archive or URL, for the message.
        backslashes: treat them as separators, as in archives made on Windows.

    Raises:
        ArchiveError: it is absolute, leads out, is empty or contains NUL.
    """
    try:
        return relative(name, backslashes=backslashes)
    except ValueError as error:
        raise ArchiveError(
            f"{where} is refused: {name!r} {error}. No honest archive needs that: get it from elsewhere."
        ) from None


def unpack(archive: Path, target: Path, limits: Limits | None = None, *, progress: bool = False) -> None:
    """Extract an archive into a folder that does not exist yet.

    It is extracted beside the target and renamed at the end, so the target is complete or absent. Leftovers of an
    interrupted run are deleted.

    Raises:
        ArchiveError: it is damaged, encrypted, of an unsupported format, or contains what no dataset needs. Names the
            member.
    """
    if is_foreign(archive.name):
        raise ArchiveError(foreign(archive, target))
    beside = target.with_name(f".{target.name}.unpacking")
    if beside.exists():
        shutil.rmtree(beside)
    beside.mkdir(parents=True)
    try:
        writer = _Writer(archive, beside, limits or Limits(), progress)
        try:
            (_zip if _is_zip(archive) else _tar)(archive, writer)
            writer.link()
        finally:
            writer.close()
        if target.is_dir():
            target.rmdir()  # an empty one is in nobody's way
        beside.rename(target)
    except ArchiveError:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    except NotImplementedError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise ArchiveError(
            f"{archive} is packed in a way that Python cannot read ({_flat(error)}): "
            f"run '7z x -o{shlex.quote(str(target))} {shlex.quote(str(archive))}'."
        ) from error
    except _DAMAGE as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise ArchiveError(f"{archive} is damaged: {_flat(error)}. Remove it and fetch it again.") from error
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise ArchiveError(
            f"{archive} cannot be unpacked into {target}: {error.strerror or _flat(error)}. "
            "The archive is kept: see to it, and run the same command again."
        ) from error


def _flat(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _is_zip(archive: Path) -> bool:
    with archive.open("rb") as file:
        return file.read(2) == b"PK"


@dataclass
class _Writer:
    """Writes members below a folder, and refuses those that are not allowed."""

    archive: Path
    folder: Path
    limits: Limits
    progress: bool
    seen: dict[str, bool] = field(default_factory=dict)  # folded path -> whether it is a file
    files: set[PurePosixPath] = field(default_factory=set)
    links: list[tuple[PurePosixPath, str]] = field(default_factory=list)
    folders: set[PurePosixPath] = field(default_factory=set)
    total: int = 0
    bar: Any = None

    def __post_init__(self) -> None:
        from med_mat.progress import Bar

        self.packed = max(self.archive.stat().st_size, 1)
        self.room = shutil.disk_usage(self.folder).free
        self.bar = Bar(desc=f"unpack {self.archive.name}", unit="B", shown=self.progress)

    def close(self) -> None:
        self.bar.close()

    def refuse(self, name: str, why: str) -> ArchiveError:
        return ArchiveError(f"{self.archive} is refused: {name!r} {why}. Get the source from elsewhere.")

    def declare(self, size: int) -> None:
        """Refuse a size beyond the limits before anything is written."""
        limits = self.limits
        if size > limits.size:
            raise ArchiveError(f"{self.archive} is refused: it unpacks to more than {limits.size:,} bytes.")
        if size > limits.floor and size > limits.ratio * self.packed:
            raise ArchiveError(
                f"{self.archive} is refused: {self.packed:,} bytes unpack to {size:,} or more, as those of a bomb do."
            )
        if size > self.room:
            raise ArchiveError(
                f"{self.archive} does not fit: it unpacks to {size:,} bytes or more and {self.folder.parent} has "
                f"{self.room:,} left. Make room, and run the same command again."
            )

    def enter(self, path: PurePosixPath, is_file: bool) -> None:
        """Register a member; refuse a name that is taken, also if it differs in case only."""
        if len(self.seen) >= self.limits.members:
            raise ArchiveError(f"{self.archive} is refused: it has more than {self.limits.members:,} members.")
        for parent in path.parents[:-1]:
            if parent in self.folders:
                break
            if self.seen.setdefault(folded(str(parent)), False):
                raise self.refuse(str(path), "lies below a file")
            self.folders.add(parent)
        key = folded(str(path))
        if key in self.seen and (is_file or self.seen[key]):
            raise self.refuse(str(path), "has the name of another member (case aside)")
        self.seen[key] = is_file
        (self.files if is_file else self.folders).add(path)

    def mkdir(self, path: PurePosixPath) -> None:
        self.enter(path, False)
        (self.folder / path).mkdir(parents=True, exist_ok=True)

    def write(self, path: PurePosixPath, stream: IO[bytes], size: int) -> None:
        """Write one file, and no more bytes than declared."""
        self.enter(path, True)
        self.declare(self.total + size)
        full = self.folder / path
        full.parent.mkdir(parents=True, exist_ok=True)
        written = 0
        with full.open("xb") as file:
            while chunk := stream.read(_CHUNK):
                written += len(chunk)
                if written > size:
                    raise self.refuse(str(path), f"is longer than the {size:,} bytes that the archive declares")
                file.write(chunk)
                self.bar.update(len(chunk))
        if written != size:
            raise ArchiveError(
                f"{self.archive} is damaged: {str(path)!r} has {written:,} bytes of {size:,}. Fetch it again."
            )
        self.total += written

    def link(self) -> None:
        """Create the links, last, so that nothing is written through one; targets must be extracted members."""
        for path, goal in self.links:
            target = posixpath.normpath(posixpath.join(path.parent, goal))
            winding = ".." in PurePosixPath(re.sub(r"^(\.\./|\./)*", "", goal)).parts
            known = PurePosixPath(target) in self.files - {one for one, _ in self.links} or (
                PurePosixPath(target) in self.folders
            )
            if goal.startswith("/") or winding or not known:
                raise self.refuse(str(path), f"is a link to {goal!r}, which is no member of the archive")
            full = self.folder / path
            full.parent.mkdir(parents=True, exist_ok=True)
            full.symlink_to(goal)


def _zip(archive: Path, writer: _Writer) -> None:
    with zipfile.ZipFile(archive) as file:
        members = file.infolist()
        for info in members:  # before anything is written
            safe_path(_named(info), archive, backslashes=True)
            if info.flag_bits & 0x41:
                raise ArchiveError(
                    f"{archive} is encrypted. Ask its publisher for the password, and unpack it with "
                    f"'7z x {shlex.quote(str(archive))}'."
                )
        writer.declare(sum(info.file_size for info in members))
        writer.bar.total = sum(info.file_size for info in members)
        for info in members:
            name = _named(info)
            path = safe_path(name, archive, backslashes=True)
            mode = info.external_attr >> 16
            kind = stat.S_IFMT(mode) if info.create_system == 3 else 0
            if kind == stat.S_IFLNK:
                if info.file_size > 4096:
                    raise writer.refuse(name, "is a link with too long a target")
                writer.enter(path, True)
                writer.links.append((path, file.read(info).decode("utf-8", "surrogateescape")))
            elif name.endswith(("/", "\\")):
                writer.mkdir(path)
            elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise writer.refuse(name, "is a device, a socket or a pipe")
            else:
                with file.open(info) as stream:
                    writer.write(path, stream, info.file_size)


def _named(info: zipfile.ZipInfo) -> str:
    """The name as stored in the archive: zipfile itself would cut it at a NUL."""
    return info.orig_filename


def _tar(archive: Path, writer: _Writer) -> None:
    with _plain(archive) as stream, _tarfile(stream, archive) as file:
        while (member := file.next()) is not None:
            if member.name in (".", "./", ""):
                continue
            path = safe_path(member.name, archive)
            if member.isdir():
                writer.mkdir(path)
            elif member.issym():
                writer.enter(path, True)
                writer.links.append((path, member.linkname))
            elif member.islnk():
                goal = safe_path(member.linkname, archive)
                if goal not in writer.files or any(goal == one for one, _ in writer.links):
                    raise writer.refuse(member.name, f"is a link to {member.linkname!r}, which did not come before it")
                with (writer.folder / goal).open("rb") as copied:
                    writer.write(path, copied, (writer.folder / goal).stat().st_size)
            elif member.isfile():
                inside = file.extractfile(member)
                if inside is None:  # cannot be: it is a file
                    raise writer.refuse(member.name, "has no content")
                writer.write(path, inside, member.size)
            else:
                raise writer.refuse(member.name, "is a device, a socket or a pipe")


def _tarfile(stream: IO[bytes], archive: Path) -> tarfile.TarFile:
    wary: Any = Wary(stream, archive)
    return tarfile.open(fileobj=wary, mode="r:")


def _plain(archive: Path) -> IO[bytes]:
    """The tar stream, decompressed."""
    with archive.open("rb") as file:
        start = file.read(6)
    openers: Mapping[bytes, Any] = {_GZIP: gzip.open, _BZIP2: bz2.open, _XZ: lzma.open}
    opener = next((one for magic, one in openers.items() if start.startswith(magic)), open)
    stream: IO[bytes] = opener(archive, "rb")
    return stream
