"""Atomic writing of files, names that stay inside a folder, and the sha256 of files.

A file is written under a temporary name that only Med-MAT uses and that no glob of data files matches, flushed to disk,
and renamed when it is complete. Temporary files of killed processes are recognized by their names, and removed when
something is written to the same folder. Nothing else is ever removed.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO

from med_mat.errors import WriteError

#: The name of a temporary file: machine and process that created it, and a hash of the thread and the final name.
_OURS = re.compile(r"\.med-mat-([0-9a-f]{8})-(\d+)-[0-9a-z_]{8,24}\.tmp")
#: Seconds after which a temporary file of another machine is considered abandoned.
_FORGOTTEN = 24 * 3600
_BLOCK = 1 << 20


def temporary_path(path: Path) -> Path:
    """A path next to ``path`` that no other thread, process or machine uses."""
    of = hashlib.blake2b(b"%d " % threading.get_ident() + os.fsencode(path.name), digest_size=12).hexdigest()
    return path.with_name(f"{_prefix()}{of}.tmp")


def is_temporary(name: str) -> bool:
    """Whether a name is that of a temporary file of Med-MAT."""
    return _OURS.fullmatch(name) is not None


def write_atomically(path: Path, content: bytes, *, tidy: bool = True) -> None:
    """Write a file completely or not at all; devices and pipes such as ``/dev/stdout`` are written to directly.

    Args:
        path: as for :func:`replacing`.
        content: the bytes to write.
        tidy: as for :func:`replacing`.

    Raises:
        WriteError: the file cannot be written.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        with writing(path):
            path.write_bytes(content)
        return
    with replacing(path, tidy=tidy) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing(path: Path, *, tidy: bool = True, lasting: bool = True, follow: bool = True) -> Iterator[Path]:
    """Provide a temporary path to write a file to; on success, the file is flushed to disk and renamed at the end.

    Args:
        path: the final path; its folder is created if missing.
        tidy: whether to remove temporary files of killed processes from the same folder.
        lasting: whether to flush the file to disk, so that it survives a power failure; not needed for caches.
        follow: whether the file that a link at ``path`` leads to is written; else the link is replaced, and the folder
            must exist.

    Raises:
        WriteError: the file cannot be written.
    """
    with writing(path):
        target = path
        if follow:
            target = Path(os.path.realpath(path))
            target.parent.mkdir(parents=True, exist_ok=True)
        if tidy:
            sweep(target.parent)
        temporary = temporary_path(target)
        try:
            yield temporary
            if lasting:
                flush(temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of the system while writing a file, or below a folder, into a message that names it.

    Raises:
        WriteError: the system reports an error.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(error.errno, error.strerror or str(error), str(path)) from error


def flush(path: Path) -> None:
    """Flush a file to disk."""
    with path.open("r+b") as file:  # Windows flushes only files that are open for writing
        os.fsync(file.fileno())


def sweep(folder: Path) -> None:
    """Remove temporary files of processes that no longer run from a folder."""
    try:
        with os.scandir(folder) as entries:
            begun = [Path(entry) for entry in entries if is_temporary(entry.name)]
    except OSError:
        return
    for path in begun:
        with suppress(OSError):
            if not left_behind(path):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


@contextmanager
def scratch() -> Iterator[Path]:
    """A private folder among the system's temporary files, removed afterwards."""
    top = Path(tempfile.gettempdir())
    sweep(top)
    with tempfile.TemporaryDirectory(prefix=_prefix(), suffix=".tmp", dir=top) as folder:
        yield Path(folder)


def temporary_folder(below: Path | None = None) -> Path:
    """A new private folder, by default among those of the system; :func:`sweep` removes abandoned ones."""
    return Path(tempfile.mkdtemp(prefix=_prefix(), suffix=".tmp", dir=below))


def sha256(path: Path) -> str:
    """The sha256 of a file as hexadecimal digits, read in blocks."""
    with path.open("rb", buffering=0) as file:
        return sha256_of(file)


def sha256_of(file: IO[bytes]) -> str:
    """The sha256 of the rest of an open file as hexadecimal digits, read in blocks."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK))
    while count := file.readinto(buffer):  # type: ignore[attr-defined]  # all binary files have it
        digest.update(buffer[:count])
    return digest.hexdigest()


def suspect(path: Path) -> None:
    """Give a file a new change time, so that the next build hashes it; content and modification time stay the same."""
    with suppress(OSError):
        facts = path.stat()
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def relative(name: str, *, backslashes: bool = False) -> PurePosixPath:
    """A name from outside, as a relative path that stays inside its folder.

    Args:
        name: from an archive, a server or a list.
        backslashes: whether to treat backslashes as separators, as in archives created on Windows.

    Raises:
        ValueError: the name is absolute, leads out of the folder, is empty or contains NUL; the message says which.
    """
    plain = name.replace("\\", "/") if backslashes else name
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    if "\0" in name:
        raise ValueError("has a NUL character in its name")
    if plain.startswith("/") or re.match(r"[A-Za-z]:", plain):
        raise ValueError("has an absolute path")
    if ".." in parts:
        raise ValueError("leads out of the folder by '..'")
    if not parts:
        raise ValueError("has no name")
    return PurePosixPath(*parts)


def outside(path: PurePosixPath) -> bool:
    """Whether a relative path leads out of its folder, judged by its text alone: links are not followed."""
    return path.is_absolute() or ".." in path.parts


def holds(folder: Path, path: Path) -> bool:
    """Whether a path is a folder or inside it, after resolving links and other names of the same folder."""
    there, here = Path(os.path.realpath(folder)), Path(os.path.realpath(path))
    around = (here, *here.parents)
    return there in around or (there.exists() and any(one.exists() and one.samefile(there) for one in around))


def left_behind(path: Path) -> bool:
    """Whether a file or folder is a temporary one of a process of Med-MAT that no longer runs.

    Raises:
        OSError: it no longer exists.
    """
    made = _OURS.fullmatch(path.name)
    facts = path.lstat()
    if made is None or (hasattr(os, "getuid") and facts.st_uid != os.getuid()):
        return False
    if time.time() - facts.st_mtime > _FORGOTTEN:
        return True
    return made[1] == _machine() and not _lives(int(made[2]))


def _lives(process: int) -> bool:
    if os.name == "nt":  # os.kill would end the process there
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _prefix() -> str:
    return f".med-mat-{_machine()}-{os.getpid()}-"


@functools.cache
def _machine() -> str:
    """A hash that identifies the machine or container in which process ids are unique."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return hashlib.blake2b(f"{platform.node()} {space}".encode(), digest_size=4).hexdigest()
