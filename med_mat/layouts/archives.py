"""Lists the names inside an archive without unpacking it, bounded in time and memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from med_mat import formats

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".7z", ".rar")
#: Limits: names, bytes of a zip's directory, and bytes that are unpacked of a compressed tar.
MAX_NAMES = 300_000
MAX_LIST_BYTES = 32 << 20
MAX_STREAM_BYTES = 64 << 20

#: The highest compression ratio of a zip.
_DEFLATE = 1032
_OPENERS: tuple[tuple[bytes, Callable[..., Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\0", lzma.open),
)


@dataclass(frozen=True, slots=True)
class Members:
    """The content that an archive states."""

    names: tuple[str, ...] = ()  # of files, with "/" as separator
    whole: bool = False  # whether the list is complete
    size: int = 0  # unpacked bytes of the files that are listed
    fault: str = ""  # why it must not or cannot be unpacked
    note: str = ""


class _TooMuchError(Exception):
    """A limit is reached."""


def is_archive(name: str) -> bool:
    """Whether a file name has the suffix of an archive."""
    return name.lower().endswith(ARCHIVES) and not name.lower().endswith(".nii.gz")


def members(path: Path) -> Members:
    """Lists a zip or tar file; other archives are only checked for their signature."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
            file.seek(0)
            if path.name.lower().endswith((".7z", ".rar")):
                return Members(fault=_not_what_it_is_called(head, (b"7z\xbc\xaf\x27\x1c", b"Rar!")))
            if path.name.lower().endswith(".zip"):
                return _zip(file, path.stat().st_size, head)
            return _tar(file, head)
    except OSError as error:
        return Members(fault=f"it cannot be read: {error.strerror or error}")


def _zip(file: IO[bytes], size: int, head: bytes) -> Members:
    try:
        with zipfile.ZipFile(cast(IO[bytes], _Bounded(file, MAX_LIST_BYTES))) as archive:
            entries = archive.infolist()
    except _TooMuchError:
        return Members(note="its list of names is too long to be read")
    except Exception:  # zipfile may raise any exception on malicious or broken files
        return Members(fault=_not_what_it_is_called(head, (b"PK",)) or "it is cut short or broken: download it again")
    names = [entry.filename for entry in entries if not entry.is_dir()]
    total = sum(entry.file_size for entry in entries)
    fault = (
        "" if total <= _DEFLATE * size else f"it claims to hold {total:,} bytes, which {size:,} bytes cannot: a bomb"
    )
    return _sorted_out(names, True, total, fault)


def _tar(file: IO[bytes], head: bytes) -> Members:
    opener = next((opener for magic, opener in _OPENERS if head.startswith(magic)), None)
    bounded = _Bounded(opener(file) if opener else file, MAX_STREAM_BYTES, in_all=opener is not None)
    names: list[str] = []
    total, whole, fault = 0, False, ""
    try:
        with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r|" if opener else "r:") as archive:
            while len(names) < MAX_NAMES:
                member = archive.next()
                archive.members.clear()  # type: ignore[attr-defined]  # tarfile would keep all members
                if member is None:
                    whole = True
                    break
                if member.isfile():
                    names.append(member.name)
                    total += member.size
                elif (member.issym() or member.islnk()) and _leads_out(member.linkname):
                    names.append(f"../{member.name}")
    except _TooMuchError:
        pass
    except Exception:  # as above
        fault = "it is cut short or broken: download it again"
        if not names:
            fault = _not_what_it_is_called(head, tuple(magic for magic, _ in _OPENERS)) or fault
    found = _sorted_out(names, whole, total, fault)
    if whole or found.fault:
        return found
    return Members(found.names, False, total, "", f"only its first {len(names):,} names were read")


def _sorted_out(names: list[str], whole: bool, size: int, fault: str) -> Members:
    """The list without names that would leave the target folder, which are reported as a fault."""
    out = [name for name in names if _leads_out(name)]
    if out:
        fault = f"{len(out):,} of its names lead out of the folder that it is unpacked in: do not unpack it"
        names = [name for name in names if not _leads_out(name)]
    clean = (name.replace("\\", "/").removeprefix("./") for name in names[:MAX_NAMES])
    note = f"only the first {MAX_NAMES:,} of its names were looked at" if len(names) > MAX_NAMES else ""
    return Members(tuple(clean), whole and not note, size, fault, note)


def _leads_out(name: str) -> bool:
    name = name.replace("\\", "/")
    return name.startswith("/") or name[1:2] == ":" or ".." in name.split("/")


def _not_what_it_is_called(head: bytes, magics: tuple[bytes, ...]) -> str:
    if head.startswith(magics):
        return ""
    if not head:
        return "it is empty: download it again"
    return f"it is no archive{' but a web page' if formats.is_web_page(head) else ''}: download it again"


class _Bounded:
    """A file that raises when more than a limit is read, at once or in total."""

    def __init__(self, file: IO[bytes], limit: int, *, in_all: bool = False) -> None:
        self._file = file
        self._limit = limit
        self._in_all = in_all
        self._read = 0

    def read(self, size: int | None = -1) -> bytes:
        """Reads; raises where the limit is exceeded."""
        left = self._limit - (self._read if self._in_all else 0)
        data = self._file.read(left + 1 if size is None or size < 0 else min(size, left + 1))
        if len(data) > left:
            raise _TooMuchError
        self._read += len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
