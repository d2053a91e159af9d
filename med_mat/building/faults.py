"""Turns an unexpected error in one source or one file into a sentence, so that all others are still built."""

from __future__ import annotations

import importlib.util
import os
import traceback
from pathlib import Path, PurePath

from med_mat.catalog import Source
from med_mat.errors import BuildError, FaultError, LoaderError, LostWorkerError, MedMATError, ReadError, WriteError
from med_mat.example import Example

_OURS = str(Path(__file__).parents[1])


def of_file(example: Example, error: Exception) -> str:
    """Why an example has no record, after an unexpected error while its files were read."""
    if isinstance(error, MemoryError):
        return f"{example.reference}: it needs more memory than there is"
    return f"{example.reference}: {told(error)} ({place(error, _OURS)}; please report it)"


def of_source(source: Source, root: PurePath, error: Exception) -> MedMATError:
    """The error to report for a source whose build failed.

    Args:
        source: the source.
        root: its raw folder.
        error: the exception that was raised.

    Raises:
        Exception: ``error`` itself, if it concerns the whole build: the output cannot be written.
    """
    if isinstance(error, MemoryError | LostWorkerError):
        return FaultError(
            f"The build of {source.name!r} needs more memory than there is, or a process of it was killed: build it "
            "again with fewer processes (--jobs)."
        )
    whole = isinstance(error, BuildError | WriteError) and not isinstance(error, LoaderError | FaultError)
    if isinstance(error, MedMATError) and not whole:
        return error
    name = error.filename if isinstance(error, OSError) else None
    if isinstance(name, str | os.PathLike) and Path(name).is_relative_to(root):
        return ReadError(f"{name} cannot be read: {error.strerror or error}.")  # type: ignore[attr-defined]
    if whole or isinstance(error, OSError):
        raise error
    where = place(error, source_file(source), _OURS)
    return FaultError(
        f"The build of {source.name!r} fails, {where}: {told(error)}. This is a fault of Med-MAT, not of the data: "
        "please report it."
    )


def told(error: BaseException) -> str:
    """The type and the message of an error, on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{text and f': {text}'}"


def place(error: BaseException, *files: str) -> str:
    """The innermost line of the traceback in the first of the files or folders that has one; otherwise the first."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}, line {error.lineno}"
    for file in files:
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if frame.filename == file or frame.filename.startswith(f"{file}{os.sep}"):
                return f"{frame.filename}, line {frame.lineno}"
    return files[0]


def source_file(source: Source) -> str:
    """The file of a loader, or the name of its module if it has no file."""
    try:
        spec = importlib.util.find_spec(source.loader)
    except Exception:  # importing the parent package failed
        spec = None
    return (spec and spec.origin) or source.loader
