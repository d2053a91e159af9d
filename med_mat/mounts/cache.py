"""The folder of what reading raw files leaves on this machine: indexes of archives, and temporary copies."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

#: The environment variable that names the folder.
VARIABLE = "MED_MAT_CACHE"


def folder(name: str) -> Path:
    """A folder of the cache, created if missing; only its owner can read it.

    Raises:
        OSError: It cannot be created.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    top = Path(os.environ.get(VARIABLE) or Path(base, "med-mat"), name).absolute()
    top.mkdir(parents=True, exist_ok=True, mode=0o700)
    return top


def key(*parts: object) -> str:
    """A file name that stands for some facts."""
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
