"""Why an existing file cannot be read, and what to do about it."""

from __future__ import annotations

import errno
from pathlib import Path

from med_mat.shell import quote


def cannot_read(full: Path, error: Exception, otherwise: str = "cannot be read") -> str:
    """Two sentences: what is wrong with a file, and what to do.

    Args:
        full: the file.
        error: what reading it raised.
        otherwise: what to say of it where the system does not refuse to open it.
    """
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
        return f"{full} may not be read: {error.strerror}. Allow it: {let_in(full)}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{full} cannot be read: {error.strerror}. See to the disk, or download it again."
    return f"{full} {otherwise}: {error}. Download it again."


def let_in(path: Path) -> str:
    """The command by which its owner may read a file, or look into a folder."""
    return f"chmod u+r{'x' if path.is_dir() else ''} {quote(str(path))}"
