"""The commands of ``med-mat``, one module for each kind; :mod:`med_mat.cli` joins them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from med_mat.location import taken_for_pattern
from med_mat.shell import printable

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


def follow() -> Callable[[Command], Command]:
    """The option ``--no-follow``."""
    return click.option(
        "--follow/--no-follow", default=True, help="Whether links to files may lead out of the folder (they may)."
    )


def jobs(what: str = "Processes.") -> Callable[[Command], Command]:
    """The option ``--jobs``."""
    return click.option("--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default=True, help=what)


def next_step(out: Path, *, built: bool = True) -> str:
    """What to do with a folder that was written: how it is opened, or why ``load_dataset`` does not open it there.

    Args:
        out: the folder.
        built: it is a Med-MAT, which ``med_mat.open`` opens wherever it lies.
    """
    python = printable(json.dumps(str(out), ensure_ascii=False))
    if not taken_for_pattern(out):
        return f'Next: load_dataset({python}, split="train")'
    ways = f"Next: med_mat.open({python}), or move it" if built else "Move it"
    return (
        f"Warning: load_dataset takes *, ?, [...] and :: in a path for a pattern, and so does not open "
        f"{printable(str(out.absolute()))}. {ways} to a folder without these."
    )
