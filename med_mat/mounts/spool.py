"""Archives that cannot be sought in, unpacked once to a file in the cache, which all processes of a build share."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from med_mat import limits
from med_mat.errors import ArchiveError
from med_mat.files import replacing
from med_mat.mounts import cache

log = logging.getLogger(__name__)

_BLOCK = 1 << 20


class Spool:
    """The files of one archive in the cache.

    Args:
        name: The archive, for messages.
        facts: What tells the archive, as it is now, from all others.
    """

    def __init__(self, name: str, *facts: object) -> None:
        self._name, self._key = name, cache.key(*facts)

    def beside(self, suffix: str) -> Path:
        """A small file about the archive."""
        return cache.folder("archives") / f"{self._key}.{suffix}"

    def file(self, stream: IO[bytes], size: int) -> Path:
        """The copy of an unpacked stream of about ``size`` bytes.

        Raises:
            ArchiveError: There is no room for it.
            OSError: The stream cannot be read.
        """

        def write(target: IO[bytes]) -> None:
            stream.seek(0)
            shutil.copyfileobj(stream, target, _BLOCK)

        return self.made(write, size)

    def made(self, write: Callable[[IO[bytes]], None], size: int, offsets: dict[str, int] | None = None) -> Path:
        """The copy that ``write`` writes, made by the first process that needs it.

        Args:
            write: Writes the copy.
            size: Its size in bytes, as far as it is known.
            offsets: Where the members begin in the copy: filled by ``write``, or read if the copy exists.
        """
        import filelock

        copy, index = self.beside("copy"), self.beside("offsets")
        with filelock.FileLock(self.beside("lock")):
            if copy.is_file() and (offsets is None or index.is_file()):
                with suppress(OSError, ValueError):
                    if offsets is not None:
                        offsets.update(json.loads(index.read_text("utf-8")))
                    return copy
            free = shutil.disk_usage(copy.parent).free
            if size > free:
                raise ArchiveError(
                    f"{self._name} cannot be sought in, and its temporary copy of {limits.told(size)} does not fit "
                    f"into {copy.parent}, which has {limits.told(free)} left. Make room there, set {cache.VARIABLE} to "
                    "another folder, or unpack the archive."
                )
            log.warning(
                "%s cannot be sought in: it is unpacked once, to a temporary copy of %s in %s",
                self._name,
                limits.told(size),
                copy.parent,
            )
            with replacing(copy, lasting=False) as temporary:
                with temporary.open("wb") as target:
                    write(target)
                if offsets is not None:
                    with replacing(index, lasting=False) as about:
                        about.write_text(json.dumps(offsets), "utf-8")
        return copy

    def release(self) -> None:
        """Removes the copy."""
        for suffix in ("offsets", "copy", "lock"):
            self.beside(suffix).unlink(missing_ok=True)
