"""Tar archives, plain or compressed.

A plain tar is sought in. ``indexed_gzip`` (extra ``archives``) seeks in one that is compressed by gzip: the one pass
that lists the members also notes points from which unpacking can begin. Without it, and for bzip2 and xz, the archive
is unpacked once to a single file in the cache, which is removed at the end of the build.
"""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import json
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

from med_mat.errors import ArchiveError
from med_mat.files import replacing
from med_mat.mounts.members import MOST, Content, Member, Positioned, Window, damaged
from med_mat.mounts.spool import Spool

_PACKINGS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
_HEADER = 16 << 20  # bytes; tarfile holds headers in memory, and no honest one is longer
_BLOCK = 1 << 20
_RATIO, _FLOOR = 250, 256 << 20  # bytes out per byte in that no honest archive exceeds, once more than these are out
_DAMAGE = (tarfile.TarError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError, ValueError, OverflowError)


class TarReader:
    """An opened tar archive."""

    def __init__(self, opened: Callable[[], IO[bytes]], size: int, name: str, spool: Spool) -> None:
        self._opened, self._size, self._name, self._spool = opened, size, name, spool
        self._stream: Positioned | None = None
        with opened() as file:
            self._packing = _packing(file.read(6))
        self.content = self._listed()
        end = max((one.at + one.size for one in self.content.members.values()), default=0)
        self.copy = end if self._packing and not self._indexed else 0

    def open(self, path: str) -> IO[bytes]:
        """Opens a member."""
        member = self.content.members[path]
        if self._stream is None:
            self._stream = self._positioned()
        return Window(self._stream, member.at, member.size).whole()

    def _positioned(self) -> Positioned:
        if not self._packing:
            return Positioned(self._opened())
        if self._indexed:
            return Positioned(self._gzip(), block=self._spacing)
        with self._unpacked() as stream:
            return Positioned(self._spool.file(stream, self.copy).open("rb"))

    def _listed(self) -> Content:
        kept = self._spool.beside("json")
        if self._packing and (not self._indexed or self._spool.beside("points").is_file()):
            with suppress(OSError, ValueError, LookupError, TypeError):
                return _from_json(self._name, json.loads(kept.read_text("utf-8")))
        try:
            with self._unpacked() as stream:
                content = _list(stream, self._name, self._size if self._packing else None)
                if self._indexed:
                    with replacing(self._spool.beside("points"), lasting=False) as temporary:
                        cast(Any, stream).export_index(str(temporary))
        except (*_DAMAGE, OSError) as error:
            text = " ".join(str(error).split()).rstrip(".")
            raise ArchiveError(
                f"{self._name} cannot be read as a tar archive ({text}): it is cut short or damaged. Download it again."
            ) from error
        if self._packing:
            with replacing(kept, lasting=False) as temporary:
                temporary.write_text(json.dumps(_to_json(content)), "utf-8")
        return content

    @property
    def _indexed(self) -> bool:
        return self._packing == "gzip" and importlib.util.find_spec("indexed_gzip") is not None

    @property
    def _spacing(self) -> int:
        """Bytes between points from which unpacking can begin; each point takes 32 kB of memory."""
        return max(_BLOCK, self._size // 1024)

    @contextmanager
    def _unpacked(self) -> Iterator[IO[bytes]]:
        """The tar stream from its beginning."""
        if self._indexed:
            yield self._gzip(fresh=True)
            return
        openers: dict[str, Callable[[IO[bytes]], Any]] = {
            "gzip": lambda file: gzip.GzipFile(fileobj=file),
            "bzip2": bz2.BZ2File,
            "xz": lzma.LZMAFile,
        }
        with self._opened() as file:
            yield openers[self._packing](file) if self._packing else file

    def _gzip(self, *, fresh: bool = False) -> IO[bytes]:
        import indexed_gzip

        options = {"fileobj": self._opened(), "spacing": self._spacing, "drop_handles": False}
        if not fresh:
            options["index_file"] = str(self._spool.beside("points"))
        return cast("IO[bytes]", _Sought(indexed_gzip.IndexedGzipFile(**options)))


class _Sought:
    """A stream of ``indexed_gzip``, whose errors are those of the system."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.tell, self.export_index = stream.tell, stream.export_index

    def read(self, size: int = -1) -> bytes:
        try:
            return cast(bytes, self._stream.read(size))
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise damaged(error) from error

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return cast(int, self._stream.seek(offset, whence))
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise damaged(error) from error


def _packing(head: bytes) -> str:
    return next((name for magic, name in _PACKINGS.items() if head.startswith(magic)), "")


def _list(stream: IO[bytes], name: str, packed: int | None) -> Content:
    """The members of a tar stream.

    Raises:
        ArchiveError: It claims what no honest archive does.
    """
    content, links = Content(name), dict[str, str]()
    wary: Any = Wary(stream, name)
    with tarfile.open(fileobj=wary, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # tarfile would keep all members
            if len(content.members) >= MOST:
                raise ArchiveError(f"{name} is refused: it has more than {MOST:,} members.")
            if packed is not None and member.offset_data + member.size > max(_FLOOR, _RATIO * packed):
                raise ArchiveError(f"{name} is refused: {packed:,} bytes unpack to more than {_RATIO} times as many.")
            if member.isdir():
                continue
            if member.issym():
                links[member.name.removeprefix("./")] = member.linkname
            elif member.islnk():
                goal = content.members.get(member.linkname.removeprefix("./"))
                if goal is None:
                    content.skipped[member.name] = "a link to nothing before it in the archive"
                else:
                    content.add(member.name, goal)
            elif member.issparse():
                content.skipped[member.name] = "is stored as a sparse file: unpack the archive"
            elif member.isfile():
                content.add(member.name, Member(member.size, member.offset_data))
            else:
                content.skipped[member.name] = "not a regular file"
        end = archive.offset
    if packed is not None:  # a file cut off in its last member is noticed here
        wary.seek(end)
        while wary.read(_BLOCK):
            pass
    content.link(links)
    return content


class Wary:
    """A stream for tarfile that refuses huge headers, which would fill the memory."""

    def __init__(self, stream: IO[bytes], name: object) -> None:
        self._stream, self._name = stream, name
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """Reads.

        Raises:
            ArchiveError: A header is larger than any honest one.
        """
        if not 0 <= size <= _HEADER:
            raise ArchiveError(f"{self._name} is refused: it has a header of {size:,} bytes, as a bomb has.")
        return self._stream.read(size)


def _to_json(content: Content) -> dict[str, Any]:
    return {"members": content.members, "links": content.links, "skipped": content.skipped}


def _from_json(name: str, found: Any) -> Content:
    members = {str(path): Member(int(size), int(at)) for path, (size, at) in found["members"].items()}
    return Content(name, members, dict(found["links"]), dict(found["skipped"]))
