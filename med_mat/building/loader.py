"""The loader of a source, as it is run: what it raises by a fault of its own becomes a sentence of that source."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from types import ModuleType

from med_mat.building.faults import place, source_file, told
from med_mat.building.plan import Examples
from med_mat.catalog import Source
from med_mat.errors import LoaderError, MedMATError
from med_mat.example import Example
from med_mat.raw.folder import RawFolder


def has_loader(source: Source) -> bool:
    """Whether a source can be built."""
    try:
        return importlib.util.find_spec(source.loader) is not None
    except ModuleNotFoundError:  # the package around it is not there
        return False
    except Exception:  # the package around it stumbles: there is one, and who runs it hears why
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
    """The loader's ``examples``, imported when it is run.

    Raises:
        LoaderError: it raises anything but an error of Med-MAT, yields what is no example, or an image that is not
            among the files of the folder. All by the iterator.
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


def _fault(source: Source, what: str, error: Exception, raw: RawFolder | None = None) -> LoaderError:
    """The sentence on a fault of a loader, with the line of it at which it shows, and the file that it read last."""
    whose = "This is a fault of the loader, not of the data: please report it."
    if raw is not None and raw.latest:
        whose = (
            f"It had read {raw.root / raw.latest} last: is that as its publisher ships it? Then this is a fault of the "
            "loader: please report it."
        )
    return LoaderError(
        f"The loader of {source.name!r} {what}, {place(error, source_file(source))}: {told(error)}. {whose}"
    )
