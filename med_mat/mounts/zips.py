"""Zip archives, read by the standard library: it seeks to each member."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, cast

from med_mat.errors import ArchiveError
from med_mat.mounts.members import MOST, SMALL, Content, Guarded, Member, damaged

#: Compression methods that Python unpacks: stored, deflated, bzip2, LZMA.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_DEFLATE = 1032  # the highest compression ratio of deflate, the method of nearly all zips
_LINK = 4096  # bytes of the longest target of a link
_ENCRYPTED = 0x41
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, MemoryError)


class ZipReader:
    """An opened zip archive."""

    copy = 0

    def __init__(self, opened: Callable[[], IO[bytes]], size: int, name: str) -> None:
        try:
            self._archive = zipfile.ZipFile(opened())
            self._entries = self._archive.infolist()
        except (*_DAMAGE, OSError) as error:
            text = " ".join(str(error).split()).rstrip(".")
            raise ArchiveError(
                f"{name} cannot be read as a zip archive ({text}): it is cut short, damaged, or one part of a split "
                "archive. Download it again, or join the parts: 'zip -s 0 ARCHIVE.zip --out JOINED.zip'."
            ) from error
        total = sum(entry.file_size for entry in self._entries)
        if total > _DEFLATE * max(size, 1) or len(self._entries) > MOST:
            raise ArchiveError(f"{name} is refused: it claims to hold {total:,} bytes, which {size:,} bytes cannot.")
        self.content = Content(name)
        links: dict[str, str] = {}
        for number, entry in enumerate(self._entries):
            self._enter(number, entry, links)
        self.content.link(links)

    def _enter(self, number: int, entry: zipfile.ZipInfo, links: dict[str, str]) -> None:
        name = entry.orig_filename  # zipfile itself would cut it at a NUL
        mode = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == 3 else 0
        if name.endswith(("/", "\\")):
            return
        if mode == stat.S_IFLNK and entry.file_size <= _LINK:
            links[name] = self._read(entry).decode("utf-8", "surrogateescape")
        elif mode not in (0, stat.S_IFREG, stat.S_IFDIR):
            self.content.skipped[name] = "not a regular file"
        elif entry.flag_bits & _ENCRYPTED:
            self.content.skipped[name] = "is encrypted: unpack the archive with the publisher's password"
        elif entry.compress_type not in _METHODS:
            self.content.skipped[name] = (
                f"is compressed by method {entry.compress_type}, which Python cannot unpack: unpack the archive with 7z"
            )
        else:
            self.content.add(name, Member(entry.file_size, number), backslashes=True)

    def open(self, path: str) -> IO[bytes]:
        """Opens a member."""
        entry = self._entries[self.content.members[path].at]
        if entry.file_size <= SMALL:
            return io.BytesIO(self._read(entry))
        try:
            return cast("IO[bytes]", Guarded(self._archive.open(entry), _DAMAGE))
        except _DAMAGE as error:
            raise damaged(error) from error

    def _read(self, entry: zipfile.ZipInfo) -> bytes:
        try:
            return self._archive.read(entry)
        except _DAMAGE as error:
            raise damaged(error) from error
