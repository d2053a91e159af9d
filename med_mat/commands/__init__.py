"""The commands of ``med-mat``, one module for each kind; :mod:`med_mat.cli` joins them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

FOLDER = click.Path(path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])


def follow() -> Callable[[Command], Command]:
    """The option ``--no-follow``."""
    return click.option(
        "--follow/--no-follow", default=True, help="Whether links to files may lead out of the folder (they may)."
    )


def jobs(what: str = "Processes.") -> Callable[[Command], Command]:
    """The option ``--jobs``."""
    return click.option("--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default=True, help=what)
