"""What Med-MAT raises. Every message names the thing, where it was looked for, what was expected and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from med_mat.splits import Audit


class MedMATError(Exception):
    """Base of every error that a user of Med-MAT can meet."""


class VocabularyError(MedMATError, ValueError):
    """A word outside the closed vocabularies, or a malformed triplet or pattern."""


class CardError(MedMATError):
    """A card of ``dataset_cards/`` lacks a fact or contradicts itself."""


class UnknownSourceError(MedMATError, KeyError):
    """No source has that name."""

    def __str__(self) -> str:  # KeyError would print the repr
        return str(self.args[0]) if self.args else ""


class LayoutError(MedMATError):
    """A raw folder is not laid out as its publisher ships it."""


class ReadError(MedMATError):
    """One raw file cannot be read: truncated, without pixels, of an unexpected kind."""


class LabelError(MedMATError):
    """A label that the card of its source does not know."""


class BuildError(MedMATError):
    """A build cannot go on: no examples, no space, two builds on one folder, output of another version."""


class LoaderError(BuildError):
    """A loader cannot be imported, or stumbles by a fault of its own; the message says where, and asks for a report."""


class FaultError(BuildError):
    """Something of Med-MAT, or of a library below it, stumbles over one source; the message says where."""


class WriteError(MedMATError, OSError):
    """A file cannot be written: no space, no permission, a folder that is called so."""

    def __str__(self) -> str:
        return f"Cannot write {self.filename}: {self.strerror}."


class SplitError(MedMATError):
    """A split that cannot be made."""


class AuditError(SplitError):
    """A split whose audit finds a violation. The message is the whole audit; ``audit`` is the same as data."""

    def __init__(self, audit: Audit) -> None:
        super().__init__(str(audit))
        self.audit = audit


class PlotError(MedMATError):
    """A picture of nothing, or one that cannot be written as its name says."""


class MissingExtraError(MedMATError, ImportError):
    """An optional dependency is not installed; the message says which extra brings it."""


class DownloadError(MedMATError):
    """A source, or one of its files, cannot be fetched; the message says how to get it instead."""


class HubError(MedMATError):
    """The Hugging Face Hub refuses, fails, or gives something else than was asked for."""


class ArchiveError(MedMATError):
    """An archive that is damaged, hostile, or of a kind that is not unpacked here."""


class BrowseError(MedMATError):
    """The web page cannot be served."""
