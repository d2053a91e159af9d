"""The folder of an export: every file is complete or absent, and a killed run continues. No other file is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from med_mat.errors import ExportError
from med_mat.files import is_temporary, relative, replacing, sweep, write_atomically, writing

#: Written last: the account of a finished export.
ACCOUNT = "export.json"
#: What an unfinished export is, for the run that continues it.
MARKER = ".med-mat-export.json"


@dataclass
class Place:
    """Where an export is written. Paths are relative to its folder, with ``/``."""

    root: Path
    size: int = 0  # bytes that were written
    _swept: set[Path] = field(default_factory=set)

    def write(self, path: str, content: bytes) -> None:
        """Write a file; one that is already there with this content is left as it is.

        Raises:
            WriteError: It cannot be written.
        """
        target = self._target(path)
        self.size += len(content)
        try:
            if target.stat().st_size == len(content) and target.read_bytes() == content:
                return
        except OSError:
            pass
        with replacing(target, tidy=False, lasting=False) as temporary:
            temporary.write_bytes(content)

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """A file to write bytes to; it has its name once the block is left without an error.

        Raises:
            WriteError: It cannot be written.
        """
        with replacing(self._target(path), tidy=False) as temporary:
            with temporary.open("wb") as file:
                yield file
            self.size += temporary.stat().st_size

    @contextmanager
    def lines(self, path: str) -> Iterator[IO[str]]:
        """The same for text: UTF-8, lines end with a line feed on every system."""
        with replacing(self._target(path), tidy=False) as temporary:
            with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                yield file
            self.size += temporary.stat().st_size

    def _target(self, path: str) -> Path:
        try:
            target = self.root / relative(path)
        except ValueError as error:
            raise ExportError(f"An export format names a file {path!r}, which {error}.") from None
        if target.parent not in self._swept:
            self._swept.add(target.parent)
            sweep(target.parent)
        return target


def begin(root: Path, key: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Prepare a folder for an export.

    Args:
        root: The folder.
        key: What the files depend on, as plain data.

    Returns:
        The account of this very export if the folder has all of it; else None.

    Raises:
        ExportError: The folder has other files, or those of another export.
        WriteError: It cannot be written to.
    """
    if root.exists() and not root.is_dir():
        raise ExportError(f"{root.absolute()} is a file: name a new folder to export to.")
    with writing(root):
        found = {one.name for one in root.iterdir()} if root.is_dir() else set()
    account, marker = _read(root / ACCOUNT), _read(root / MARKER)
    for what, state in ((account, "the export"), (marker, "an unfinished export")):
        if what is not None and what.get("key") != key:
            other = what.get("key")
            other = other if isinstance(other, dict) else {}
            said = ", ".join(f"{name} {other.get(name)!r}" for name in key if other.get(name) != key[name])
            raise ExportError(
                f"{root.absolute()} contains {state} of something else ({said or 'nothing that it names'}). Export to "
                "another folder, or delete that one."
            )
    if account is not None and _complete(root, account):
        return account
    foreign = sorted(name for name in found if not is_temporary(name))
    if foreign and account is None and marker is None:
        raise ExportError(
            f"{root.absolute()} has files that no export wrote, such as {foreign[0]}. Name a new or an empty folder."
        )
    write_atomically(root / MARKER, json.dumps({"key": key}, sort_keys=True).encode() + b"\n")
    return None


def end(root: Path) -> None:
    """Mark an export as finished, after its account was written."""
    with writing(root / MARKER):
        (root / MARKER).unlink(missing_ok=True)


def _read(path: Path) -> Mapping[str, Any] | None:
    """A JSON object of an earlier run; None if there is none. A damaged one is that of something else."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _complete(root: Path, account: Mapping[str, Any]) -> bool:
    """Whether all files that an account names are there."""
    try:
        paths = {path for files in account["files"].values() for path in files.values()}
        return all((root / relative(path)).is_file() for path in paths)
    except (LookupError, TypeError, ValueError, AttributeError):
        return False
