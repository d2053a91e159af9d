"""7z archives, read by ``py7zr``, and RAR archives, read by ``rarfile`` (extra ``archives``).

The members of a 7z are compressed one after another, so it is unpacked once to a single file in the cache. ``rarfile``
unpacks compressed members by a program (``unrar``, ``unar`` or ``bsdtar``), which must be installed.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any, cast

from med_mat.errors import ArchiveError, MissingExtraError
from med_mat.mounts.members import MOST, SMALL, Content, Guarded, Member, Positioned, Window
from med_mat.mounts.spool import Spool

_RATIO = 20_000  # 7z and RAR compress constant data further than deflate; what claims more is a bomb


class SevenZipReader:
    """An opened 7z archive."""

    def __init__(self, opened: Callable[[], IO[bytes]], size: int, name: str, spool: Spool) -> None:
        try:
            import py7zr
        except ImportError as error:
            raise _missing(name, "py7zr") from error
        self._opened, self._name, self._spool = opened, name, spool
        self._stream: Positioned | None = None
        self._offsets: dict[str, int] = {}
        self._paths: dict[str, str] = {}  # name in the archive -> path of the member
        self.content, self.copy = Content(name), 0
        try:
            with opened() as file, py7zr.SevenZipFile(file) as archive:
                if archive.needs_password():
                    raise ArchiveError(f"{name} is encrypted: unpack it with the publisher's password, '7z x {name}'.")
                for number, entry in enumerate(archive.files):
                    self._enter(number, entry)
        except ArchiveError:
            raise
        except Exception as error:  # py7zr may raise any exception on damaged data
            raise _damaged(name, "7z", error) from error
        _check(name, size, self.copy, self.content)

    def _enter(self, number: int, entry: Any) -> None:
        if entry.is_directory:
            return
        if entry.is_symlink or entry.is_junction or entry.is_socket:
            self.content.skipped[entry.filename] = "not a regular file"
            return
        self.copy += int(entry.uncompressed)
        path = self.content.add(entry.filename, Member(int(entry.uncompressed), number), backslashes=True)
        if path:
            self._paths[entry.filename] = path

    def open(self, path: str) -> IO[bytes]:
        """Opens a member."""
        if self._stream is None:
            copy = self._spool.made(self._write, self.copy, self._offsets)
            self._stream = Positioned(copy.open("rb"))
        member = self.content.members[path]
        return Window(self._stream, self._offsets.get(path, 0), member.size).whole()

    def _write(self, target: IO[bytes]) -> None:
        import py7zr
        from py7zr.io import Py7zIO, WriterFactory

        reader = self

        class Sink(Py7zIO):
            """Appends one member to the copy."""

            def __init__(self, name: str) -> None:
                self._path = reader._paths.get(name, "")
                self._left = reader.content.members[self._path].size if self._path else 0
                self._size = 0
                if self._path:
                    reader._offsets[self._path] = target.tell()

            def write(self, s: bytes | bytearray) -> int:
                self._size += len(s)
                if self._path:
                    if self._size > self._left:
                        raise OSError(f"{self._path!r} is longer than its archive says")
                    target.write(s)
                return len(s)

            def read(self, size: int | None = None) -> bytes:
                return b""

            def seek(self, offset: int, whence: int = 0) -> int:
                return 0

            def flush(self) -> None:
                pass

            def size(self) -> int:
                return self._size

        class Sinks(WriterFactory):
            """Makes them."""

            def create(self, filename: str) -> Py7zIO:
                return Sink(filename)

        try:
            with self._opened() as file, py7zr.SevenZipFile(file) as archive:
                archive.extractall(factory=Sinks())
        except Exception as error:
            raise _damaged(self._name, "7z", error) from error


class RarReader:
    """An opened RAR archive."""

    copy = 0

    def __init__(self, opened: Callable[[], IO[bytes]], size: int, name: str) -> None:
        try:
            import rarfile
        except ImportError as error:
            raise _missing(name, "rarfile") from error
        self._name = name
        self.content, total = Content(name), 0
        try:
            self._archive = rarfile.RarFile(io.BufferedReader(cast(Any, opened())))
            if self._archive.needs_password():
                raise ArchiveError(f"{name} is encrypted: unpack it with the publisher's password, 'unrar x {name}'.")
            self._entries = self._archive.infolist()
        except ArchiveError:
            raise
        except Exception as error:  # as above
            raise _damaged(name, "RAR", error) from error
        for number, entry in enumerate(self._entries):
            if entry.is_file():
                total += entry.file_size
                self.content.add(entry.filename, Member(entry.file_size, number), backslashes=True)
            elif not entry.is_dir():
                self.content.skipped[entry.filename] = "not a regular file"
        _check(name, size, total, self.content)

    def open(self, path: str) -> IO[bytes]:
        """Opens a member."""
        import rarfile

        entry = self._entries[self.content.members[path].at]
        try:
            if entry.file_size <= SMALL:
                return io.BytesIO(self._archive.read(entry))
            return cast("IO[bytes]", Guarded(self._archive.open(entry), (rarfile.Error,)))
        except rarfile.RarCannotExec as error:
            raise ArchiveError(
                f"{self._name} needs a program that unpacks RAR: install unrar, unar or bsdtar, or unpack the archive."
            ) from error
        except rarfile.Error as error:
            raise OSError(f"its archive is damaged there: {error}") from error


def _missing(name: str, package: str) -> MissingExtraError:
    return MissingExtraError(f"Reading {name} in place needs the package {package}: pip install 'med-mat[archives]'.")


def _check(name: str, size: int, total: int, content: Content) -> None:
    if total > _RATIO * max(size, 1) or len(content.members) > MOST:
        raise ArchiveError(f"{name} is refused: it claims to hold {total:,} bytes, which {size:,} bytes hardly can.")


def _damaged(name: str, kind: str, error: Exception) -> ArchiveError:
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return ArchiveError(f"{name} cannot be read as a {kind} archive ({text}): download it again.")
