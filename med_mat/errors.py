"""The exceptions of Med-MAT. Every message names the thing, where it was looked for, what was expected and what to do.

.. code-block:: text

    MedMATError
    ├── UsageError (ValueError)                 arguments that do not go together, or one that is missing
    ├── VocabularyError (ValueError)            an unknown word, a malformed triplet or pattern
    ├── CardError (ValueError)                  a source card, or a document of the catalog, is wrong
    ├── UnknownSourceError (KeyError)           no source has that name
    ├── LayoutError                             a raw folder is not laid out as its publisher ships it
    │   └── FolderNotFoundError (FileNotFoundError)
    ├── ReadError                               a raw file cannot be read
    ├── LabelError                              a label that the card of its source does not know
    ├── BuildError (RuntimeError)               a build cannot be made, continued or opened
    │   ├── BuildNotFoundError (FileNotFoundError)
    │   ├── LoaderError                         a loader fails
    │   ├── LostWorkerError                     a worker process was killed
    │   └── FaultError                          Med-MAT, or a library below it, fails on one source
    ├── WriteError (OSError)                    a file cannot be written
    ├── SplitError (ValueError)                 a split cannot be made, saved or loaded
    │   └── AuditError                          a split violates its rule
    ├── EngineError (RuntimeError)              an engine is unknown, or fails, or its settings do not go together
    ├── ExportError (ValueError)                records cannot be exported, or not into that folder
    ├── ScoreError (ValueError)                 answers cannot be read or scored, or results not compared
    ├── PlotError (ValueError)                  nothing to plot, or an unsupported file extension
    ├── MissingExtraError (ImportError)         an optional dependency is not installed
    ├── RemoteError                             a place behind an address, or a file there, cannot be read
    ├── DownloadError (RuntimeError)            a source cannot be downloaded
    ├── HubError (RuntimeError)                 the Hugging Face Hub refuses or fails
    ├── ArchiveError (ValueError)               an archive is damaged, hostile or of an unsupported kind
    └── BrowseError (RuntimeError)              the web page cannot be served
"""

from __future__ import annotations

from typing import Any


class MedMATError(Exception):
    """Base class of all errors that Med-MAT raises on purpose."""


class UsageError(MedMATError, ValueError):
    """Arguments that do not go together, or one that is missing, in Python or on the command line."""


class VocabularyError(MedMATError, ValueError):
    """A word outside the vocabularies, or a malformed triplet or pattern."""


class CardError(MedMATError, ValueError):
    """A card of ``dataset_cards/``, or another document of the catalog, lacks a fact or contradicts itself."""


class UnknownSourceError(MedMATError, KeyError):
    """No source has that name."""

    def __str__(self) -> str:  # KeyError would print the repr
        return str(self.args[0]) if self.args else ""


class LayoutError(MedMATError):
    """A raw folder is not laid out as its publisher ships it."""


class FolderNotFoundError(LayoutError, FileNotFoundError):
    """A folder of raw data does not exist."""


class ReadError(MedMATError):
    """One raw file cannot be read: truncated, without pixels, or of an unexpected kind."""


class LabelError(MedMATError):
    """A label that the card of its source does not know."""


class BuildError(MedMATError, RuntimeError):
    """A build cannot go on or cannot be opened: no examples, no space, two builds in one folder, another version."""


class BuildNotFoundError(BuildError, FileNotFoundError):
    """There is no built Med-MAT at that place."""


class LoaderError(BuildError):
    """A loader cannot be imported, or fails by a fault of its own; the message says where, and asks for a report."""


class LostWorkerError(BuildError):
    """A worker process was killed, or its cluster gave up on what it was doing."""


class FaultError(BuildError):
    """Med-MAT, or a library below it, fails on one source; the message says where."""


class WriteError(MedMATError, OSError):
    """A file cannot be written: no space, no permission, or a folder of that name."""

    def __str__(self) -> str:
        return f"Cannot write {self.filename}: {self.strerror}."


class SplitError(MedMATError, ValueError):
    """A split cannot be made, saved or loaded."""


class AuditError(SplitError):
    """A split violates its rule. The message is the whole audit.

    Attributes:
        audit: The same as data, a :class:`med_mat.splits.Audit`.
    """

    def __init__(self, audit: Any) -> None:
        super().__init__(str(audit))
        self.audit = audit


class EngineError(MedMATError, RuntimeError):
    """An engine is unknown, lacks what it needs, has settings that do not go together, or fails on a task."""


class ExportError(MedMATError, ValueError):
    """Records cannot be exported: an unknown format or option, terms that keep them back, a folder with other files."""


class ScoreError(MedMATError, ValueError):
    """Answers cannot be read, are to other records, or cannot be scored; or results cannot be compared."""


class PlotError(MedMATError, ValueError):
    """Nothing to plot, or an unsupported file extension."""


class MissingExtraError(MedMATError, ImportError):
    """An optional dependency is not installed; the message says which extra provides it."""


class RemoteError(MedMATError):
    """A place behind an address, or a file there, cannot be read: no access, no connection, or it has changed."""


class DownloadError(MedMATError, RuntimeError):
    """A source, or one of its files, cannot be downloaded; the message says how to get it instead."""


class HubError(MedMATError, RuntimeError):
    """The Hugging Face Hub refuses, fails, or returns something unexpected."""


class ArchiveError(MedMATError, ValueError):
    """An archive that is damaged, hostile, or of a kind that is not supported."""


class BrowseError(MedMATError, RuntimeError):
    """The web page cannot be served."""
