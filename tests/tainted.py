"""Image files that hold a made name, a place, a thumbnail and more in every corner that their formats have for it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

NAME = b"Erika Mustermann"
PLACE = b"Musterstadt"
#: What must not be found in what is built: the name in three spellings, the place, and a thumbnail's last pixel rows.
TRACES = (NAME, NAME.decode().encode("utf-16-le"), NAME.decode().encode("utf-16-be"), NAME.hex().encode(), PLACE)

RNG = np.random.default_rng(11)
COLOR = (RNG.normal(size=(48, 64, 3)) * 20 + np.linspace(30, 220, 64)[None, :, None]).clip(0, 255).astype(np.uint8)
GREY = COLOR[..., 0]
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<x:xmpmeta><rdf:Description dc:creator="' + NAME + b'" exif:GPSLatitude="52,31N" photoshop:City="' + PLACE
    + b'"/></x:xmpmeta>'
)  # fmt: skip


def encoded(picture: Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int = 1, *, small: bool = True) -> bytes:
    """An EXIF block with prefix: a name, a position, and a thumbnail that holds the name too."""
    block = Image.Exif()
    block[0x010E] = block[0x013B] = NAME.decode()
    block[0x0112] = orientation
    block[0x9C9D] = NAME.decode().encode("utf-16-le")
    place = block.get_ifd(0x8825)
    place[1], place[2], place[3], place[4], place[0x1C] = "N", (52.0, 31.0, 0.0), "E", (13.0, 24.0, 0.0), PLACE
    block[0x8825] = place
    data = block.tobytes()
    if not small:
        return data
    thumbnail = jpeg_comment(encoded(GREY[:8, :8], "JPEG"), NAME)
    body, order = bytearray(data[6:]), ">" if data[6:8] == b"MM" else "<"
    (first,) = struct.unpack_from(order + "I", body, 4)
    (count,) = struct.unpack_from(order + "H", body, first)
    struct.pack_into(order + "I", body, first + 2 + 12 * count, len(body))
    entries = [(0x0201, 4, 1, len(body) + 30), (0x0202, 4, 1, len(thumbnail))]
    body += struct.pack(order + "H", 2) + b"".join(struct.pack(order + "HHII", *one) for one in entries) + bytes(4)
    return data[:6] + bytes(body) + thumbnail


def segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG file."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg_comment(data: bytes, words: bytes) -> bytes:
    """The JPEG with a comment after its start."""
    return data[:2] + segment(0xFE, words) + data[2:]


def told_by_segments(orientation: int = 1) -> bytes:
    """All that may be told before the pixels of a JPEG."""
    iptc = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(NAME)) + NAME
    return b"".join(
        [
            segment(0xE0, b"JFXX\0\x13" + bytes([3, 2]) + NAME + b"  "),
            segment(0xE1, exif(orientation)),
            segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
            segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + NAME),
            segment(0xE2, b"MPF\0" + NAME),
            segment(0xE2, b"ICC_PROFILE\0\x01\x01" + PROFILE),
            segment(0xED, b"Photoshop 3.0\0" + iptc),
            segment(0xEB, NAME),
            segment(0xFE, PLACE),
        ]
    )


def tainted_jpeg(data: bytes, orientation: int = 1) -> bytes:
    """A JPEG with all of it: before the frame, between the scans, before the end and after it."""
    head = data[:2] + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\3\2" + NAME + b"  ") + told_by_segments(orientation)
    body = data[20:] if data[2:4] == b"\xff\xe0" else data[2:]
    later = [at for at in range(len(body) - 1) if body[at] == 0xFF and body[at + 1] == 0xDA][1:]
    for at in reversed(later):  # between two scans, before the tables of the second
        tables = body.rfind(b"\xff\xc4", 0, at)
        where = tables if tables > 0 and body.find(b"\xff\xda", tables) == at else at
        body = body[:where] + segment(0xFE, NAME) + segment(0xE1, exif()) + body[where:]
    second = jpeg_comment(encoded(GREY, "JPEG"), NAME)
    return head + body[:-2] + segment(0xFE, NAME) + segment(0xE7, PLACE) + body[-2:] + second + NAME


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def tainted_png(data: bytes, orientation: int = 1) -> bytes:
    """A PNG with all of it, before and after the pixels."""
    block = exif(orientation)
    lines = b"\nexif\n    %d\n" % len(block) + block.hex().encode()
    before = [
        *(chunk(b"tEXt", b"Comment\0" + NAME), chunk(b"zTXt", b"Title\0\0" + zlib.compress(NAME))),
        *(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP), chunk(b"tIME", bytes(7))),
        *(chunk(b"eXIf", block[6:]), chunk(b"prVt", NAME)),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(lines)),
        *(chunk(b"iCCP", NAME + b"\0\0" + zlib.compress(PROFILE)), chunk(b"pHYs", bytes([0, 0, 1, 0, 0, 0, 1, 0, 1]))),
        chunk(b"gAMA", struct.pack(">I", 45455) + NAME),
    ]  # fmt: skip
    after = chunk(b"tEXt", b"Author\0" + NAME) + chunk(b"prVt", PLACE)
    return data[:33] + b"".join(before) + data[33:-12] + after + data[-12:] + NAME


def tainted_apng() -> bytes:
    """An animation whose second frame nobody is to see."""
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    return tainted_png(encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]))


def tainted_webp(orientation: int = 1, **options: Any) -> bytes:
    """A WebP with all of it."""
    picture = Image.fromarray(np.dstack([COLOR, GREY]) if options.pop("alpha", False) else COLOR)
    data = encoded(picture, "WEBP", exif=exif(orientation), xmp=XMP, icc_profile=PROFILE, **options)
    more = b"prVt" + struct.pack("<I", len(NAME)) + NAME
    return b"RIFF" + struct.pack("<I", len(data) + len(more) - 8) + data[8:] + more + NAME


def tainted_gif() -> bytes:
    """A GIF with all of it."""
    data = encoded(GREY, "GIF", comment=NAME)
    table = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    xmp = b"\x21\xff\x0bXMP DataXMP" + bytes([len(NAME)]) + NAME + b"\0"
    text = b"\x21\x01\x0c" + bytes(12) + bytes([len(NAME)]) + NAME + b"\0"
    comment = b"\x21\xfe" + bytes([len(PLACE)]) + PLACE + b"\0"
    return data[:table] + xmp + text + data[table:-1] + comment + data[-1:] + NAME


def tainted_tiff() -> bytes:
    """A TIFF with a name, XMP and more bytes than it needs."""
    tags = {270: NAME.decode(), 315: NAME.decode(), 700: XMP}
    return encoded(COLOR, "TIFF", tiffinfo=tags, icc_profile=PROFILE) + NAME


def tainted_text() -> PngImagePlugin.PngInfo:
    """PNG texts as Pillow writes them."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", NAME.decode())
    info.add_itxt("Author", NAME.decode(), zip=True)
    return info


#: File name -> its bytes: what a browser shows, and so is passed through.
SHOWN: dict[str, Callable[[], bytes]] = {
    "baseline.jpg": lambda: tainted_jpeg(encoded(COLOR, "JPEG", quality=90)),
    "turned.jpg": lambda: tainted_jpeg(encoded(COLOR, "JPEG", quality=90), 6),
    "grey.jpg": lambda: tainted_jpeg(encoded(GREY, "JPEG")),
    "progressive.jpg": lambda: tainted_jpeg(encoded(COLOR, "JPEG", progressive=True)),
    "restarts.jpg": lambda: tainted_jpeg(encoded(COLOR, "JPEG", restart_marker_blocks=2)),
    "several.jpg": lambda: (
        encoded(COLOR, "MPO", save_all=True, append_images=[Image.fromarray(255 - COLOR)], exif=exif(small=False))
        + NAME
    ),
    "color.png": lambda: tainted_png(encoded(COLOR, "PNG")),
    "turned.png": lambda: tainted_png(encoded(COLOR, "PNG"), 8),
    "grey.png": lambda: tainted_png(encoded(GREY, "PNG")),
    "palette.png": lambda: tainted_png(encoded(Image.fromarray(COLOR).quantize(32), "PNG", transparency=3)),
    "alpha.png": lambda: tainted_png(encoded(np.dstack([COLOR, GREY]), "PNG")),
    "text.png": lambda: encoded(COLOR, "PNG", pnginfo=tainted_text(), exif=exif(3)),
    "animated.png": tainted_apng,
    "lossy.webp": lambda: tainted_webp(quality=80),
    "lossless.webp": lambda: tainted_webp(lossless=True),
    "alpha.webp": lambda: tainted_webp(alpha=True, quality=80),
    "turned.webp": lambda: tainted_webp(6, quality=80),
    "still.gif": tainted_gif,
}
#: The same of what becomes PNG.
CONVERTED: dict[str, Callable[[], bytes]] = {
    "cmyk.jpg": lambda: tainted_jpeg(encoded(Image.fromarray(COLOR).convert("CMYK"), "JPEG")),
    "deep.png": lambda: tainted_png(encoded(GREY.astype(np.uint16) * 200, "PNG")),
    "color.tiff": tainted_tiff,
    "color.bmp": lambda: encoded(COLOR, "BMP") + NAME,
    "color.ppm": lambda: b"P6\n# " + NAME + b"\n64 48\n255\n" + COLOR.tobytes() + NAME,
    "color.jp2": lambda: encoded(COLOR, "JPEG2000", comment=NAME) + NAME,
    "moving.gif": lambda: encoded(
        GREY, "GIF", save_all=True, append_images=[Image.fromarray(255 - GREY)], comment=NAME
    ),
}


def traces(data: bytes, of: Iterable[bytes] = TRACES) -> list[bytes]:
    """What of it is found in some bytes."""
    return [one for one in of if one in data]
