"""What an archive contains, and the streams that its members are read by; common to all kinds of archives."""

from __future__ import annotations

import io
import posixpath
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple, Protocol, cast

from med_mat.errors import ArchiveError
from med_mat.files import relative

#: Bytes up to which a member is unpacked at once.
SMALL = 4 << 20
#: The most members that an archive may have.
MOST = 5_000_000
#: Suffix -> the kind of archive.
KINDS = {
    ".zip": "zip",
    **dict.fromkeys((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"), "tar"),
    ".7z": "7z",
    ".rar": "rar",
}
_SPANNED = re.compile(
    r"\.(z\d\d|zip\.\d{3}|7z\.\d{3}|r\d\d|part\d+\.rar|tar\.(?:gz|bz2|xz)\.(?:\d{2,3}|[a-z]{2})|(?:tgz|tar)\.\d{2,3})$"
)


class Member(NamedTuple):
    """One file in an archive."""

    size: int  # bytes, unpacked
    at: int  # its number in the archive, or where it begins in the unpacked stream


@dataclass
class Content:
    """What an archive contains."""

    archive: str  # its name, for messages
    members: dict[str, Member] = field(default_factory=dict)  # path -> where it is
    links: dict[str, str] = field(default_factory=dict)  # link to a member -> its target, as written
    skipped: dict[str, str] = field(default_factory=dict)  # name -> why it is not read

    def add(self, name: str, member: Member, *, backslashes: bool = False) -> str:
        """Enters a file, and returns its path; "" if it is not read, for a reason that is noted.

        Raises:
            ArchiveError: The name leads out of the folder in which the archive would be unpacked.
        """
        try:
            path = str(relative(name, backslashes=backslashes))
            path.encode()
        except UnicodeEncodeError:
            shown = name.encode("utf-8", "surrogateescape").decode(errors="backslashreplace")
            self.skipped[shown] = "its name is not valid UTF-8: rename it"
        except ValueError as error:
            raise ArchiveError(
                f"{self.archive} is refused: {name!r} {error}. No honest archive needs that: get it from elsewhere."
            ) from None
        else:
            if path in self.members:
                self.skipped[f"{path} (earlier)"] = "the archive has a later file of this name"
            self.members[path] = member
            return path
        return ""

    def link(self, links: Mapping[str, str]) -> None:
        """Enters symbolic links: one to a member is that member, any other is skipped."""
        for path, target in links.items():
            goal, seen = path, set[str]()
            while goal in links and goal not in seen and not links[goal].startswith("/"):
                seen.add(goal)
                goal = posixpath.normpath(posixpath.join(posixpath.dirname(goal), links[goal]))
            if goal in self.members and goal not in links:
                self.members[path], self.links[path] = self.members[goal], target
            else:
                folder = any(one.startswith(f"{goal}/") for one in self.members)
                self.skipped[path] = "a link to a folder" if folder else "a link to nothing in the archive"


class Reader(Protocol):
    """An opened archive. It may be used by several threads."""

    content: Content
    copy: int  # bytes of the temporary copy that reading its members takes; 0 if it is sought in

    def open(self, path: str) -> IO[bytes]:
        """Opens a member.

        Raises:
            OSError: It cannot be read.
        """


def kind(name: str) -> str:
    """The kind of archive by its file name; "" if it is none that is read."""
    lowered = name.lower()
    return "" if spanned(name) else next((kind for suffix, kind in KINDS.items() if lowered.endswith(suffix)), "")


def stem(name: str) -> str:
    """The path of an archive without its suffix."""
    return name[: -max(len(suffix) for suffix in KINDS if name.lower().endswith(suffix))]


def spanned(name: str) -> bool:
    """Whether a file is one part of an archive that was split."""
    return _SPANNED.search(name.lower()) is not None


class Guarded(io.RawIOBase):
    """A stream whose errors are all OSErrors, whatever a library raises on damaged data."""

    def __init__(self, stream: IO[bytes], damage: tuple[type[Exception], ...]) -> None:
        super().__init__()
        self._stream, self._damage = stream, damage

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads into a buffer."""
        try:
            data = self._stream.read(len(buffer))
        except self._damage as error:
            raise damaged(error) from error
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves to a position."""
        try:
            return self._stream.seek(offset, whence)
        except self._damage as error:
            raise damaged(error) from error

    def tell(self) -> int:
        """The position."""
        return self._stream.tell()

    def close(self) -> None:
        """Closes the stream."""
        self._stream.close()
        super().close()


def damaged(error: Exception) -> OSError:
    """The error for a member that cannot be unpacked."""
    text = " ".join(str(error).split()) or type(error).__name__
    return OSError(f"its archive is damaged there: {text}")


class Window(io.RawIOBase):
    """A part of a stream as a file of its own."""

    def __init__(self, stream: Positioned, start: int, size: int) -> None:
        super().__init__()
        self._stream, self._start, self._size, self._at = stream, start, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads into a buffer."""
        count = max(min(len(buffer), self._size - self._at), 0)
        data = self._stream.read_at(self._start + self._at, count) if count else b""
        if len(data) < count:
            raise OSError("its archive is cut short there")
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves to a position."""
        self._at = max(offset + (0, self._at, self._size)[whence], 0)
        return self._at

    def tell(self) -> int:
        """The position."""
        return self._at

    def whole(self) -> IO[bytes]:
        """A small part is read at once."""
        if self._size > SMALL:
            return cast("IO[bytes]", self)
        return io.BytesIO(self.read(self._size) or b"")


_KEPT = 8  # blocks


class Positioned:
    """A seekable stream read at positions by several threads.

    Compressed streams are sought in by unpacking from the last known point, which costs the same for one byte and for a
    block. Members that follow each other must not each pay for it, so the blocks read last are kept.

    Args:
        stream: The stream.
        block: Bytes of a block; 0: nothing is kept.
    """

    def __init__(self, stream: IO[bytes], *, block: int = 0) -> None:
        self._stream, self._block = stream, block
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def read_at(self, position: int, count: int) -> bytes:
        """Up to ``count`` bytes from a position on; fewer only at the end.

        Raises:
            OSError: They cannot be read.
        """
        found = bytearray()
        with self._lock:
            if not self._block:
                self._stream.seek(position)
                return self._read(count)
            while len(found) < count:
                number, offset = divmod(position + len(found), self._block)
                part = self._numbered(number)[offset : offset + count - len(found)]
                if not part:
                    break
                found += part
        return bytes(found)

    def _numbered(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        self._stream.seek(number * self._block)
        data = self._blocks[number] = self._read(self._block)
        while len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)
        return data

    def _read(self, count: int) -> bytes:
        data = self._stream.read(count)
        while len(data) < count and (more := self._stream.read(count - len(data))):
            data += more
        return data
