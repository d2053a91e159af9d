"""Names of files that every system and every program can hold, made from the ids of records."""

from __future__ import annotations

import hashlib
import re
import unicodedata

import xxhash

#: Characters of the readable part of a name: with digits and suffix it stays below what any file system allows.
_READABLE = 60
_DIGITS = 6  # bytes of the digest
#: What Windows takes for a device, with any suffix.
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{name}{digit}" for name in ("COM", "LPT") for digit in range(10))}


def stem(name: str, content: bytes = b"", shown: str = "") -> str:
    """A file name without suffix, unique to a name and a content, and the same on every machine.

    It has ASCII letters, digits, ``_`` and ``-`` alone, begins with a letter or a digit, differs from others by more
    than case, and is no device of Windows.

    Args:
        name: E.g. the id of a record.
        content: E.g. the bytes of its image.
        shown: What the readable part is made of (default: the name).
    """
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_DIGITS)
    digest.update(xxhash.xxh3_128_digest(content))
    return f"{readable(shown or name)}-{digest.hexdigest()}"


def readable(name: str) -> str:
    """A name in ASCII letters, digits, ``_`` and ``-``, at most 60 characters; not unique. Empty becomes "record"."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    found = re.sub(r"[^A-Za-z0-9_]+", "-", plain)[-_READABLE:].strip("-_") or "record"
    return f"{found}_" if found.upper() in _DEVICES else found


def image_path(folder: str, image_id: str, content: bytes, suffix: str, *, flat: bool = False) -> str:
    """The path of an image in an export: ``folder/source/name-digits.jpg``.

    Args:
        folder: A folder of the export.
        image_id: ``source/path inside the source``, as in the column ``image_id``.
        content: The bytes of the image.
        suffix: With the dot.
        flat: Whether it is ``folder/source-name-digits.jpg``.
    """
    source, _, rest = image_id.partition("/")
    shown = re.sub(r"\.\w{1,5}$", "", rest)
    return f"{folder}/{readable(source)}{'-' if flat else '/'}{stem(image_id, content, shown)}{suffix}"
