"""The commands of ``med-mat``, one module per topic; :mod:`med_mat.cli` registers them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from med_mat.shell import printable
from med_mat.storage.location import taken_for_pattern

if TYPE_CHECKING:
    from med_mat.mounts.choice import Place


class _Place(click.Path):
    """A folder or a file. An empty string, as from an unset shell variable, is not the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if os.fspath(value) == "":
            self.fail("The path is empty: name a folder or a file; '.' is the current folder.", param, ctx)
        return super().convert(value, param, ctx)


class _Raw(_Place):
    """A folder or an archive, or its address, such as ``s3://bucket/raw``."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from med_mat.mounts.urls import is_url, url

        return url(value) if is_url(value) else super().convert(value, param, ctx)


FOLDER = _Place(path_type=Path)
#: Raw files: a folder or an archive, or its address.
RAW = _Raw()
#: A built Med-MAT: a folder, or a dataset on the Hub.
MED_MAT = _Place(path_type=str)
Command = TypeVar("Command", bound=Callable[..., Any])


class Size(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """A number of bytes: ``500MB``, ``4GB``, ``4GiB``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes."""
        from med_mat import limits

        try:
            return value if isinstance(value, int) else limits.parsed(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def sources() -> Callable[[Command], Command]:
    """The arguments ``[SOURCE | SOURCE=FOLDER]...``, as source -> folder; None where none is given."""
    return click.argument("folders", metavar="[SOURCE | SOURCE=FOLDER]...", nargs=-1, callback=_folders)


def _folders(ctx: click.Context, param: click.Parameter, names: tuple[str, ...]) -> dict[str, Place | None]:
    from med_mat.mounts.choice import place

    folders: dict[str, Place | None] = {}
    for one in names:
        source, given, folder = one.partition("=")
        if given and not folder:
            raise click.BadParameter(
                f"{one!r} names no folder: write {source}=FOLDER; '{source}=.' is the current folder.", ctx, param
            )
        if folders.get(source, folder) != folder:
            raise click.BadParameter(f"{source!r} is named twice, with two folders.", ctx, param)
        folders[source] = place(folder) if given else None
    return folders


def follow() -> Callable[[Command], Command]:
    """The option ``--no-follow``."""
    return click.option(
        "--follow/--no-follow",
        default=True,
        help="Follow symbolic links to files outside the folder (default), or not.",
    )


def jobs(what: str = "Number of worker processes.") -> Callable[[Command], Command]:
    """The option ``--jobs``."""
    return click.option("--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default=True, help=what)


def load_lines(name: str | Path, source: str = "") -> str:
    """The line of Python that loads a dataset, and the one that loads a single source of it.

    Args:
        name: a folder, or a dataset on the Hub.
        source: one of its sources; "" leaves out the second line.
    """
    python = printable(json.dumps(str(name), ensure_ascii=False))
    one = f', or one source: load_dataset({python}, "{source}", split="train")' if source else ""
    return f'Next: load_dataset({python}, split="train"){one}'


def next_step(out: Path, source: str = "", *, built: bool = True) -> str:
    """What to do with a folder that was written: how to load it, or why ``load_dataset`` cannot load it from there.

    Args:
        out: the folder.
        source: as for :func:`load_lines`.
        built: whether it is a Med-MAT, which ``med_mat.open`` opens wherever it is.
    """
    python = printable(json.dumps(str(out), ensure_ascii=False))
    if not taken_for_pattern(out):
        return load_lines(out, source)
    ways = f"Next: med_mat.open({python}), or move it" if built else "Move it"
    return (
        f"Warning: load_dataset reads *, ?, [...] and :: in a path as a pattern, so it cannot load "
        f"{printable(str(out.absolute()))}. {ways} to a folder whose path has none of these."
    )
