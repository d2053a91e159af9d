"""Parse DICOM files within limits on the number of elements and on the size of a deflated file."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from med_mat import limits
from med_mat.errors import ReadError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PIXEL_TAGS = frozenset({0x7FE00010, 0x7FE00009, 0x7FE00008})
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_PLAIN = b"1.2.840.10008.1.2.1".ljust(len(_DEFLATED), b"\0")
_LONG_LENGTHS = (b"OB", b"OW", b"UN", b"SQ", b"UT")  # of group 2; their lengths have 4 bytes
_MOST_ELEMENTS = 20_000  # of a file, not those of its sequences: real ones have some hundred
_BLOCK = 1 << 20


def parsed(file: IO[bytes], name: str, *, pixels: bool) -> Dataset:
    """A file as pydicom parses it, with or without its pixels; deflated ones are inflated within the limit.

    Raises:
        ReadError: it inflates to too much, or has too many elements.
        Exception: whatever pydicom raises.
    """
    from pydicom.filereader import read_partial

    count = 0

    def stop(tag: int, vr: str | None, length: int) -> bool:
        nonlocal count
        count += 1
        if count > _MOST_ELEMENTS:
            raise ReadError(f"{name}: has more than {_MOST_ELEMENTS} elements; it is damaged, or no DICOM.")
        return not pixels and tag in _PIXEL_TAGS

    whole = _inflated(file, name)
    try:
        dataset = read_partial(whole, stop, force=True)  # type: ignore[arg-type]
    finally:
        if whole is not file:
            whole.close()
    dataset.buffer = dataset.filename = None  # it would hold the file as long as it lives
    return dataset


def _inflated(file: IO[bytes], name: str) -> IO[bytes]:
    """The same file, or an inflated copy whose header says that it is not deflated."""
    head = file.read(1 << 16)
    end, syntax = _meta(head)
    file.seek(0)
    if head[end : end + 2] == b"\0\0":  # commands, which files do not have; pydicom would read zeros to their end
        raise ReadError(f"{name}: is not DICOM, whatever its name says, or it is damaged.")
    if syntax is None or head[syntax].rstrip(b"\0 ") != _DEFLATED:
        return file
    file.seek(end)
    plain = limits.scratch()
    plain.write(head[: syntax.start] + _PLAIN.ljust(syntax.stop - syntax.start, b"\0") + head[syntax.stop : end])
    return limits.spooled(name, _Inflating(file.read), plain)


def _meta(head: bytes) -> tuple[int, slice | None]:
    """Where the elements of group 2 end, and where among them the transfer syntax stands."""
    at = 132 if head[128:132] == b"DICM" else 0
    syntax = None
    while head[at : at + 2] == b"\x02\0" and at + 12 <= len(head):
        long = head[at + 4 : at + 6] in _LONG_LENGTHS
        start = at + (12 if long else 8)
        length = int.from_bytes(head[at + 8 : at + 12] if long else head[at + 6 : at + 8], "little")
        if head[at + 2 : at + 4] == b"\x10\0":
            syntax = slice(start, start + length)
        at = start + length
    return at, syntax


class _Inflating:
    """A stream of inflated bytes, never more at once than requested."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)

    def read(self, size: int) -> bytes:
        """The next bytes, none at the end."""
        found = b""
        while not found and not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._read(_BLOCK)
            found = self._inflate.decompress(packed, size)
            if not packed and not found:
                raise ValueError("its deflated data are cut short")
        return found
