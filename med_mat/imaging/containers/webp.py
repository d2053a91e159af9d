"""Strips WebP files: parses the chunks up to the end stated in the header and keeps those needed for display."""

from __future__ import annotations

from med_mat.imaging.containers import KINDS, Clean, exif, icc

_BITSTREAMS = (b"VP8 ", b"VP8L")
_EXTENDED = (b"ICCP", b"ALPH", b"EXIF")  # chunks that are allowed only if a VP8X chunk announces them
_FLAGS = {b"ICCP": 0x20, b"ALPH": 0x10, b"EXIF": 0x08}
_ALPHA = 0x10


def clean(data: bytes, orientation: int) -> Clean:
    """A file with a still image, reduced to what is needed for display.

    Args:
        data: The file.
        orientation: Orientation as Pillow reads it.

    Raises:
        ValueError: Its chunks cannot be parsed; the message says why.
    """
    size = 8 + int.from_bytes(data[4:8], "little")
    removed = {"data after the image"} if len(data) > size else set()
    chunks = _chunks(data, size)
    head = chunks.pop(0)[1] if chunks and chunks[0][0] == b"VP8X" else None
    names = [name for name, _ in chunks]
    if (
        b"VP8X" in names
        or sum(names.count(name) for name in _BITSTREAMS) != 1
        or (head is not None and len(head) != 10)
    ):
        raise ValueError("its chunks are not those of one still picture")
    if head is None and orientation != 1:
        raise ValueError("its orientation stands where none belongs")
    kept: dict[bytes, bytes] = {}
    for name, body in chunks:
        if name == b"EXIF" and head is not None and exif.is_minimal(body, orientation) and name not in kept:
            kept[name] = body
        elif name == b"EXIF":
            removed.update(exif.told(body))
        elif name == b"XMP ":
            removed.update(exif.told_by_xmp(body))
        elif name not in kept and _shows(name, body, extended=head is not None):
            kept[name] = body
        else:
            removed.add("other data")
    if orientation != 1:
        kept.setdefault(b"EXIF", exif.minimal(orientation))
    made = b"".join(_packed(name, body) for name, body in kept.items())
    if head is not None:
        flags = sum(flag for name, flag in _FLAGS.items() if name in kept and name != b"ALPH") | head[0] & _ALPHA
        made = _packed(b"VP8X", bytes([flags, 0, 0, 0]) + head[4:]) + made
    made = b"RIFF" + (len(made) + 4).to_bytes(4, "little") + b"WEBP" + made
    if made == data:
        return Clean(data, (), complete=True)
    # only reserved bits and padding may have changed
    return Clean(made, tuple(kind for kind in KINDS if kind in (removed or {"other data"})), complete=True)


def _shows(name: bytes, body: bytes, *, extended: bool) -> bool:
    return name in _BITSTREAMS or (extended and (name == b"ALPH" or (name == b"ICCP" and icc.is_profile(body))))


def _chunks(data: bytes, size: int) -> list[tuple[bytes, bytes]]:
    """Name and body of each chunk."""
    found, at = [], 12
    while at < size:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + length]
        if at + 8 > size or len(body) < length or at + 8 + length > size:
            raise ValueError("it is cut short")
        found.append((data[at : at + 4], body))
        at += 8 + length + length % 2
    return found


def _packed(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)
