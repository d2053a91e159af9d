"""Runs the loader of a source, and turns its exceptions into messages with source, file and line."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import ModuleType

from med_mat.building.faults import place, source_file, told
from med_mat.building.ledger import NOTICE
from med_mat.building.plan import Examples
from med_mat.building.shown import looks
from med_mat.catalog import Source
from med_mat.errors import LoaderError, MedMATError
from med_mat.example import Example
from med_mat.files import writing
from med_mat.layouts.locating import locate
from med_mat.raw.folder import RawFolder
from med_mat.raw.miniature import Miniature
from med_mat.raw.miniature.look import Look

log = logging.getLogger(__name__)

_NOTICE_TEXT = (
    "The images below this folder are synthetic: Med-MAT drew them to show the layout of the source {title!r}.\n"
    "They are no medical data and no part of that source.\n"
)


def has_loader(source: Source) -> bool:
    """Whether a source has a loader, so that it can be built."""
    try:
        return importlib.util.find_spec(source.loader) is not None
    except ModuleNotFoundError:  # the parent package does not exist
        return False
    except Exception:  # the parent package fails: the loader exists, and running it reports the error
        return True


def loader_of(source: Source) -> ModuleType:
    """The loader module of a source.

    Raises:
        LoaderError: the source has a card but no loader yet, or its loader cannot be imported.
    """
    try:
        return importlib.import_module(source.loader)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == source.loader:
            raise LoaderError(f"Source {source.name!r} has a card but no loader yet.") from None
        raise _fault(source, "cannot be imported", error) from error


def examples_of(source: Source) -> Examples:
    """The loader's function ``examples``; its module is imported on the first iteration.

    Raises:
        LoaderError: during iteration: the loader raises an exception that is not an error of Med-MAT, yields something
            other than an example, or refers to a file that is not in the folder.
    """

    def examples(raw: RawFolder) -> Iterator[Example]:
        module = loader_of(source)
        try:
            for example in module.examples(raw):
                if not isinstance(example, Example):
                    raise TypeError(f"it yields {type(example).__name__} {example!r:.80}, which is no Example")
                example.check()
                strange = [str(path) for path in example.files if str(path) not in raw.files]
                if strange:
                    raise ValueError(f"it yields {strange[0]!r}, which is no file of {raw.root}")
                yield example
        except MedMATError:
            raise
        except Exception as error:
            raise _fault(source, "fails", error, raw) from error

    return examples


def has_miniature(source: Source) -> bool:
    """Whether the loader of a source writes a miniature. For loaders of private data this is optional.

    Raises:
        LoaderError: the loader cannot be imported.
    """
    return hasattr(loader_of(source), "miniature")


def write_miniature(
    source: Source, folder: Path, *, series: int = 0, copies: int = 1, independent: bool = False
) -> None:
    """Write a tiny synthetic copy of a source's layout, and a notice that it is synthetic.

    It is written twice, first with blank images: what the loader reads there says what the images of the second show
    (:mod:`med_mat.raw.miniature.look`).

    Args:
        source: the source.
        folder: the root of the copy; created if missing.
        series: copies of another series have other images of the same things.
        copies: number of images in place of each one, where the loader reads what no table lists.
        independent: whether what an image shows is drawn independently of its labels: a control in which nothing can
            be learned.

    Raises:
        LoaderError: the loader has no miniature, or fails; the message names its file and line.
        WriteError: the files cannot be written.
    """
    module = loader_of(source)
    if not hasattr(module, "miniature"):
        raise LoaderError(f"The loader of {source.name!r}, {source_file(source)}, has no function miniature(raw).")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / NOTICE).write_text(_NOTICE_TEXT.format(title=source.title), "utf-8")
        try:
            module.miniature(first := Miniature(folder, series=series, copies=copies, blank=True))
            shown, read = _shown(source, first, independent)
            module.miniature(Miniature(folder, shown, series=series, copies=copies))
            for name in first.copied - read:  # unknown to a table
                (folder / name).unlink()
        except (MedMATError, OSError):
            raise
        except Exception as error:
            raise _fault(source, "fails to write its miniature", error) from error


def _shown(source: Source, written: Miniature, independent: bool) -> tuple[Mapping[str, Look], set[str]]:
    """What the images of a miniature show, and the files that its loader reads.

    Nothing where its loader cannot read it, which a build reports.
    """
    try:
        raw = locate(source, written.root, examples_of(source))
        below = PurePosixPath(raw.root.relative_to(written.root))
        examples = list(examples_of(source)(raw))
        read = {str(below / path) for example in examples for path in example.files}
        return looks(source, examples, written, below, independent=independent), read
    except MedMATError as error:
        log.debug("%s: what the images of its miniature show is unknown: %s", source.name, error)
        return {}, set()


def _fault(source: Source, what: str, error: Exception, raw: RawFolder | None = None) -> LoaderError:
    """The error for a failing loader, with its file and line, and the raw file that it read last."""
    whose = "This is a fault of the loader, not of the data: please report it."
    if raw is not None and raw.latest:
        whose = (
            f"It had read {raw.root / raw.latest} last: is that as its publisher ships it? Then this is a fault of the "
            "loader: please report it."
        )
    return LoaderError(
        f"The loader of {source.name!r} {what}, {place(error, source_file(source))}: {told(error)}. {whose}"
    )
