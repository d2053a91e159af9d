"""Files that are whole or not there, names that stay inside a folder, and the sha256 of files.

What is being written has a name of a form that only Med-MAT makes, and that no glob of data files finds. It is flushed
to the disk and renamed when it is whole. A process that is killed leaves such files behind: they are known by their
names, and removed where something is written next. Nothing else is ever removed.
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

from med_mat.errors import WriteError

#: Machine and process that made it, and what it is to be.
_OURS = re.compile(r"\.med-mat-([0-9a-f]{8})-(\d+)-[0-9a-z_]{8,24}\.tmp")
#: Seconds after which a temporary file that another machine made is nobody's any more.
_FORGOTTEN = 24 * 3600
_BLOCK = 1 << 20


def temporary_path(path: Path) -> Path:
    """A name beside ``path`` that no other thread, process or machine uses."""
    of = hashlib.blake2b(b"%d " % threading.get_ident() + os.fsencode(path.name), digest_size=12).hexdigest()
    return path.with_name(f"{_prefix()}{of}.tmp")


def is_temporary(name: str) -> bool:
    """Whether a file of that name is one that Med-MAT had begun."""
    return _OURS.fullmatch(name) is not None


def write_atomically(path: Path, content: bytes, *, tidy: bool = True) -> None:
    """Write a file, whole or not at all; what is no file on a disk (``/dev/stdout``) is written to as it is.

    Args:
        path: as for :func:`replacing`.
        content: its bytes.
        tidy: as for :func:`replacing`.

    Raises:
        WriteError: it cannot be written.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        with writing(path):
            path.write_bytes(content)
        return
    with replacing(path, tidy=tidy) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing(path: Path, *, tidy: bool = True, lasting: bool = True) -> Iterator[Path]:
    """A name under which to write a file, which is flushed to the disk and renamed at the end, if nothing is raised.

    Args:
        path: of the file. A link is followed; the folder is made where it is missing.
        tidy: whether to remove, from the same folder, what processes that were killed have left there.
        lasting: whether to flush it, so that a power cut leaves it whole; what is made again at need can do without.

    Raises:
        WriteError: it cannot be written.
    """
    with writing(path):
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
    """The system's refusals to write a file, or below a folder, as a sentence that names it.

    Raises:
        WriteError: there is one.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(error.errno, error.strerror or str(error), str(path)) from error


def flush(path: Path) -> None:
    """Have the system write out what it holds of a file."""
    with path.open("r+b") as file:  # Windows flushes only what it may write to
        os.fsync(file.fileno())


def sweep(folder: Path) -> None:
    """Remove from a folder what processes that are gone had begun to write there."""
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
    """A folder among the system's temporary ones that nobody else may read, gone afterwards."""
    top = Path(tempfile.gettempdir())
    sweep(top)
    with tempfile.TemporaryDirectory(prefix=_prefix(), suffix=".tmp", dir=top) as folder:
        yield Path(folder)


def sha256(path: Path) -> str:
    """Of a file's bytes, without having them all in memory."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()


def suspect(path: Path) -> None:
    """Give a file a new change time, so that the next build reads it; its bytes and its time stay."""
    with suppress(OSError):
        facts = path.stat()
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def relative(name: str, *, backslashes: bool = False) -> PurePosixPath:
    """A name that somebody else gave, as a path that stays inside the folder it is put in.

    Args:
        name: as an archive, a server or a list gives it.
        backslashes: take them as separators, as archives made on Windows mean them.

    Raises:
        ValueError: it is absolute, leads out, is empty or holds NUL; says which.
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
    """Whether a path that is to stay inside a folder leads out of it, by its text alone: links are not followed."""
    return path.is_absolute() or ".." in path.parts


def holds(folder: Path, path: Path) -> bool:
    """Whether a path is a folder or lies in it, by whatever links and names the two are called."""
    there, here = Path(os.path.realpath(folder)), Path(os.path.realpath(path))
    around = (here, *here.parents)
    return there in around or (there.exists() and any(one.exists() and one.samefile(there) for one in around))


def left_behind(path: Path) -> bool:
    """Whether a file or folder is one that Med-MAT had begun, in a process that is gone.

    Raises:
        OSError: it is not there any more.
    """
    made = _OURS.fullmatch(path.name)
    facts = path.lstat()
    if made is None or (hasattr(os, "getuid") and facts.st_uid != os.getuid()):
        return False
    if time.time() - facts.st_mtime > _FORGOTTEN:
        return True
    return made[1] == _machine() and not _lives(int(made[2]))


def _lives(process: int) -> bool:
    if os.name == "nt":  # there, to ask is to kill
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
    """What tells apart the machines, and the containers, in which numbers of processes mean the same."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return hashlib.blake2b(f"{platform.node()} {space}".encode(), digest_size=4).hexdigest()
