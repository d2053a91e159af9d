"""The commands of ``med-mat``, one module for each kind; :mod:`med_mat.cli` joins them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

FOLDER = click.Path(path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])


class Size(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """A number of bytes: ``500MB``, ``4GB``, ``4GiB``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bytes that a text means."""
        from med_mat.raw import limits

        try:
            return value if isinstance(value, int) else limits.parsed(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def jobs(what: str = "Processes.") -> Callable[[Command], Command]:
    """The option ``--jobs``."""
    return click.option("--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default=True, help=what)
