"""What goes wrong in the midst of one source or one file, as a sentence of it: all others are built."""

from __future__ import annotations

import importlib.util
import os
import traceback
from pathlib import Path

from med_mat.catalog import Source
from med_mat.errors import BuildError, FaultError, LoaderError, MedMATError, ReadError, WriteError
from med_mat.example import Example

_OURS = str(Path(__file__).parents[1])


def of_file(example: Example, error: Exception) -> str:
    """Why an example has no record, where something stumbles over its files that should not."""
    if isinstance(error, MemoryError):
        return f"{example.reference}: it needs more memory than there is"
    return f"{example.reference}: {told(error)} ({place(error, _OURS)}; please report it)"


def of_source(source: Source, root: Path, error: Exception) -> MedMATError:
    """The sentence on what ended the build of one source.

    Args:
        source: its card.
        root: its raw folder.
        error: what was raised.

    Raises:
        Exception: ``error`` itself, where it is no matter of one source: the output cannot be written.
    """
    whole = isinstance(error, BuildError | WriteError) and not isinstance(error, LoaderError | FaultError)
    if isinstance(error, MedMATError) and not whole:
        return error
    name = error.filename if isinstance(error, OSError) else None
    if isinstance(name, str | os.PathLike) and Path(name).is_relative_to(root):
        return ReadError(f"{name} cannot be read: {error.strerror or error}.")  # type: ignore[attr-defined]
    if whole or isinstance(error, OSError):
        raise error
    if isinstance(error, MemoryError) or type(error).__name__ == "TerminatedWorkerError":
        return FaultError(
            f"The build of {source.name!r} needs more memory than there is, or a process of it was killed: build it "
            "again with fewer processes (--jobs)."
        )
    where = place(error, source_file(source), _OURS)
    return FaultError(
        f"The build of {source.name!r} fails, {where}: {told(error)}. This is a fault of Med-MAT, not of the data: "
        "please report it."
    )


def told(error: BaseException) -> str:
    """The kind of an error and what it says, on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{text and f': {text}'}"


def place(error: BaseException, *files: str) -> str:
    """The deepest line that led to an error in the first of some files or folders that has one; else the first."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}, line {error.lineno}"
    for file in files:
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if frame.filename == file or frame.filename.startswith(f"{file}{os.sep}"):
                return f"{frame.filename}, line {frame.lineno}"
    return files[0]


def source_file(source: Source) -> str:
    """The file of a loader, or the name of its module where there is none."""
    try:
        spec = importlib.util.find_spec(source.loader)
    except Exception:  # the package around it is what stumbles
        spec = None
    return (spec and spec.origin) or source.loader
