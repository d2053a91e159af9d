"""Strips PNG files: parses the chunks up to the end chunk and keeps those needed for display."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from med_mat.imaging.containers import Clean, Edits, Header, exif, icc

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
#: Chunk that defines the meaning of colors -> its length in bytes, by color type if it depends on that.
_COLOUR: dict[bytes, dict[int, int] | int] = {
    b"gAMA": 4,
    b"cHRM": 32,
    b"sRGB": 1,
    b"cICP": 4,
    b"mDCV": 24,
    b"cLLI": 8,
    b"pHYs": 9,
    b"sBIT": {0: 1, 2: 3, 3: 3, 4: 2, 6: 4},
    b"bKGD": {0: 2, 2: 6, 3: 1, 4: 2, 6: 6},
}
#: Generic profile names of PNG writers. Other names may be a person's.
_PROFILE_NAMES = (b"ICC Profile", b"ICC profile", b"icc", b"Photoshop ICC profile", b"sRGB IEC61966-2.1")
_MOST = 1 << 24  # bytes of a profile or a text, unpacked
_MOST_TEXTS = 64  # chunks that state or may state the orientation: each is unpacked
_XMP_KEY, _EXIF_KEYS = b"XML:com.adobe.xmp", (b"Raw profile type exif", b"Raw profile type APP1")


class Chunk(NamedTuple):
    """A chunk: its name, its start and the length of its body."""

    name: bytes
    start: int
    length: int

    @property
    def body(self) -> slice:
        """The range of its body."""
        return slice(self.start + 8, self.start + 8 + self.length)

    @property
    def end(self) -> int:
        """The start of the next chunk."""
        return self.start + 12 + self.length


class Parts(NamedTuple):
    """A file as its chunks."""

    header: Header
    color: int  # its color type
    chunks: list[Chunk]  # all up to the end chunk
    fault: str  # why they cannot be parsed further, or ''


def parts(data: bytes) -> Parts:
    """Parse the chunks.

    Raises:
        ValueError: The first chunk is not a valid header.
    """
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ValueError("its PNG header is cut short")
    width, height, depth, color = struct.unpack_from(">IIBB", data, 16)
    chunks: list[Chunk] = []
    fault, at, size = "", 8, len(data)
    tells: list[Chunk] = []
    while at < size:
        name = data[at + 4 : at + 8]
        chunk = Chunk(name, at, int.from_bytes(data[at : at + 4], "big"))
        at = chunk.end
        if at > size or not name.isalpha():
            fault = f"its chunk {name.decode('latin-1')!r} is cut short" if name.isalpha() else "its chunks are damaged"
            break
        chunks.append(chunk)
        if name == b"IEND":
            break
        if name == b"eXIf" or name in _TEXT:
            tells.append(chunk)
            if len(tells) > _MOST_TEXTS:
                fault = f"it has more than {_MOST_TEXTS} texts"
                break
    deep = "" if depth <= 8 else f"{depth} bit"
    return Parts(Header(width, height, _orientation(data, tells), not deep, deep), color, chunks, fault)


def clean(data: bytes, found: Parts) -> Clean:
    """A file reduced to what is needed for display.

    Raises:
        ValueError: Its chunks cannot be parsed; the message says why.
    """
    if found.fault:
        raise ValueError(found.fault)
    edits = Edits()
    turned = _placed(data, found)
    seen: dict[bytes, int] = {}  # chunk that is kept -> its number
    for number, chunk in enumerate(found.chunks):
        name, start, length = chunk
        if name == b"IDAT":
            if seen.setdefault(name, number) != number and found.chunks[number - 1].name != name:
                raise ValueError("another chunk lies between its pixels")
            continue
        if name == b"IEND":
            if length:
                edits.drop(start, chunk.end, ("other data",), packed(name, b""))
            if chunk.end < len(data):
                edits.drop(chunk.end, len(data), ("data after the image",))
            return edits.result(data, complete=True)
        if b"IDAT" not in seen and zlib.crc32(data[start + 4 : chunk.end - 4]) != int.from_bytes(
            data[chunk.end - 4 : chunk.end], "big"
        ):
            raise ValueError(f"the checksum of its chunk {name.decode()!r} is wrong")
        if name in seen and name in (b"IHDR", b"PLTE", b"tRNS"):
            raise ValueError(f"it has two chunks {name.decode()!r}")
        if number == turned:
            block = data[chunk.body]
            if not (name == b"eXIf" and exif.is_minimal(block, found.header.orientation)):
                instead = packed(b"eXIf", exif.minimal(found.header.orientation))
                edits.drop(start, chunk.end, _kinds(name, block), instead)
        elif name == b"iCCP" and not seen.keys() & {b"IDAT", name} and (key := _profile_name(data[chunk.body])):
            if key not in _PROFILE_NAMES:
                instead = packed(name, _PROFILE_NAMES[0] + data[chunk.body][len(key) :])
                edits.drop(start, chunk.end, ("text",), instead)
        elif not _shows(chunk, found.color, seen):
            edits.drop(start, chunk.end, _kinds(name, data[chunk.body]))
            continue
        seen[name] = number
    return edits.result(data, complete=False)


def packed(name: bytes, body: bytes) -> bytes:
    """A chunk."""
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def _shows(chunk: Chunk, color: int, seen: dict[bytes, int]) -> bool:
    """Whether a chunk is needed for display.

    Raises:
        ValueError: The chunk is needed, but malformed.
    """
    name, _, length = chunk
    late = b"IDAT" in seen
    if name == b"IHDR":
        if length != 13 or seen:
            raise ValueError("its header is not what it should be")
        return True
    if name == b"PLTE" and color == 3:
        if late or length % 3 or length > 768:
            raise ValueError("its palette is not what it should be")
        return True
    if name == b"tRNS" and color in (0, 2, 3):
        if late or not 0 < length <= {0: 2, 2: 6, 3: 256}[color] or (color != 3 and length % 2):
            raise ValueError("its transparency is not what it should be")
        return True
    expected = _COLOUR.get(name)
    if isinstance(expected, dict):
        expected = expected.get(color)
    return expected == length and not late and name not in seen


def _kinds(name: bytes, body: bytes) -> tuple[str, ...]:
    """The kinds of content of a chunk that does not affect the display.

    Raises:
        ValueError: The chunk must not simply be removed.
    """
    if name == b"eXIf":
        return exif.told(body)
    if name in _TEXT:
        key = body.split(b"\0", 1)[0]
        if key == _XMP_KEY:
            return exif.told_by_xmp(_text(name, body))
        if key in _EXIF_KEYS:
            return exif.told(_raw_profile(_text(name, body)))
        return (
            ("IPTC",) if key == b"Raw profile type iptc" else ("comment",) if key.lower() == b"comment" else ("text",)
        )
    if name == b"tIME":
        return ("date",)
    if name in _ANIMATION:
        return ("further images",)
    if name[0] & 32 or name == b"PLTE":  # ancillary, or a palette that is only a suggestion
        return ("other data",)
    raise ValueError(f"its chunk {name.decode()!r} belongs elsewhere, or nowhere")


def _orientation(data: bytes, tells: list[Chunk]) -> int:
    """The orientation as Pillow reads it, from the last block of each kind: EXIF chunk, else EXIF text, else XMP."""
    block, profile, xmp = b"", b"", b""
    for chunk in tells:
        name, body = chunk.name, data[chunk.body]
        key = b"" if name == b"eXIf" else body.split(b"\0", 1)[0]
        if name == b"eXIf":
            block = body
        elif key == _EXIF_KEYS[0]:
            profile = _raw_profile(_text(name, body))
        elif key == _XMP_KEY:
            xmp = _text(name, body)
    return exif.orientation(block or profile, xmp)


def _placed(data: bytes, found: Parts) -> int:
    """The index of the chunk that the orientation replaces; -1 if the image is upright."""
    tells = [
        number
        for number, chunk in enumerate(found.chunks)
        if chunk.name == b"eXIf"
        or (chunk.name in _TEXT and data[chunk.body].split(b"\0", 1)[0] in (_XMP_KEY, *_EXIF_KEYS))
    ]
    for number in tells:
        chunk = found.chunks[number]
        if chunk.name == b"eXIf" and exif.is_minimal(data[chunk.body], found.header.orientation):
            return number
    return tells[0] if tells and found.header.orientation != 1 else -1


def _text(name: bytes, body: bytes) -> bytes:
    """The text of a text chunk; empty if it cannot be unpacked."""
    _, _, rest = body.partition(b"\0")
    if name == b"tEXt":
        return rest
    if name == b"zTXt":
        return _unpacked(rest[1:])
    compressed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return _unpacked(text) if compressed else text


def _unpacked(body: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(body, _MOST)
    except zlib.error:
        return b""


def _raw_profile(text: bytes) -> bytes:
    """The EXIF block that ImageMagick writes as hexadecimal text, after three lines of its own."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""


def _profile_name(body: bytes) -> bytes:
    """The name of a color profile; empty if there is none."""
    name, _, packed_profile = body.partition(b"\0")
    try:
        inflating = zlib.decompressobj()
        profile = inflating.decompress(packed_profile[1:], _MOST)
    except zlib.error:
        return b""
    whole = inflating.eof and not inflating.unused_data and packed_profile[:1] == b"\0"
    return name if whole and icc.is_profile(profile) else b""
