"""Optional packages, imported where they are used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from med_mat.errors import MissingExtraError


def package(module: str, purpose: str, install: str) -> Any:
    """Import a module.

    Args:
        module: its name, such as "torch".
        purpose: what needs it, as the subject of a sentence.
        install: what to install, as arguments of ``pip install``.

    Raises:
        MissingExtraError: it, or a module that it imports, is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(f"{purpose} needs the package {module} ({error}): pip install {install}.") from error


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """No progress bar of transformers, which shows one for the weights of each model."""
    logging = transformers.utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
