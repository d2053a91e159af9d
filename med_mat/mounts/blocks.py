"""Blocks of remote files, kept on this machine below a bound; all processes of a user share them.

A block is one file, named by what identifies it and ending with a checksum, so that neither a killed process nor a
damaged disk can bend data. The bound (``MED_MAT_CACHE_SIZE``) holds for all processes together: a counter of the bytes
on disk is updated under a lock before a block is written, and those not used for longest are removed first.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import filelock
import xxhash

from med_mat import limits
from med_mat.errors import UsageError
from med_mat.files import replacing
from med_mat.mounts import cache

#: The environment variable with the bound.
VARIABLE = "MED_MAT_CACHE_SIZE"
DEFAULT = "10GB"
_DIGEST = 16  # bytes at the end of a file
_LEFT = 0.9  # of the bound, after blocks were removed


def bound() -> int:
    """The most bytes that blocks may take.

    Raises:
        UsageError: ``MED_MAT_CACHE_SIZE`` is no size.
    """
    try:
        return limits.parsed(os.environ.get(VARIABLE) or DEFAULT)
    except ValueError as error:
        raise UsageError(f"The environment variable {VARIABLE} cannot be read: {error}.") from None


def block(size: int, fetch: Callable[[], bytes], *key: object) -> bytes:
    """A block from the cache, or else fetched and kept.

    Args:
        size: Its size in bytes.
        fetch: Returns it.
        key: What tells it from all other blocks.
    """
    folder, name = cache.folder("blocks"), cache.key(*key)
    path = folder / name[:2] / name
    with suppress(OSError):
        whole = path.read_bytes()
        data, digest = whole[:-_DIGEST], whole[-_DIGEST:]
        if len(data) == size and xxhash.xxh3_128_digest(data) == digest:
            os.utime(path)
            return data
        path.unlink()
    data = fetch()
    with suppress(OSError):  # a full disk costs the copy only
        _keep(folder, path, data)
    return data


def _keep(folder: Path, path: Path, data: bytes) -> None:
    size, most = len(data) + _DIGEST, bound()
    if size > most:
        return
    with filelock.FileLock(folder / "lock"):
        used = _used(folder) + size
        if used > most:
            used = _shrink(folder, int(most * _LEFT) - size) + size
        (folder / "used").write_text(str(used), "ascii")
        path.parent.mkdir(exist_ok=True)
        with replacing(path, tidy=False, lasting=False) as temporary:
            temporary.write_bytes(data + xxhash.xxh3_128_digest(data))


def _used(folder: Path) -> int:
    try:
        return int((folder / "used").read_text("ascii"))
    except (OSError, ValueError):  # the first block, or the file was cut off: count anew
        return sum(size for _, size, _ in _blocks(folder))


def _shrink(folder: Path, most: int) -> int:
    """Removes the blocks not used for longest, and returns the bytes that are left."""
    found = sorted(_blocks(folder), reverse=True)
    used = sum(size for _, size, _ in found)
    while found and used > most:
        _, size, path = found.pop()
        with suppress(OSError):
            Path(path).unlink()
        used -= size
    return used


def _blocks(folder: Path) -> list[tuple[int, int, str]]:
    """Time of use, size, and path of each block."""
    found = []
    for below in os.scandir(folder):
        for entry in os.scandir(below) if below.is_dir() else ():
            with suppress(OSError):
                facts = entry.stat()
                found.append((facts.st_mtime_ns, facts.st_size, entry.path))
    return found
