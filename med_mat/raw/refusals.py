"""Explains why an existing file cannot be read, and how to fix it."""

from __future__ import annotations

import errno
from pathlib import Path

from med_mat.shell import quote


def cannot_read(full: object, error: Exception, otherwise: str = "cannot be read") -> str:
    """Two sentences: what is wrong with a file, and how to fix it.

    Args:
        full: The file.
        error: The exception raised by reading it.
        otherwise: What to say if the operating system did not refuse to open it.
    """
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
        return f"{full} may not be read: {error.strerror}. Allow it: {let_in(Path(str(full)))}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{full} cannot be read: {error.strerror}. See to the disk, or download it again."
    return f"{full} {otherwise}: {error}. Download it again."


def let_in(path: Path) -> str:
    """The command that lets the owner read a file or list a folder."""
    return f"chmod u+r{'x' if path.is_dir() else ''} {quote(str(path))}"
