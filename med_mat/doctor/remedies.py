"""Shell commands that a diagnosis suggests."""

from __future__ import annotations

from pathlib import Path

from med_mat.building.loader import has_loader
from med_mat.catalog import Source
from med_mat.download.routes import plan
from med_mat.raw.refusals import let_in
from med_mat.shell import quote

__all__ = ["build", "doctor", "let_in", "move", "move_files", "move_inside", "obtain", "show", "unpack"]


def show(source: Source) -> str:
    """Prints the layout that the card expects."""
    return f"med-mat show {source.name}"


def obtain(source: Source, raw: Path) -> list[str]:
    """Downloads a missing source where that works unattended, and prints its expected layout."""
    fetch = f"med-mat download {source.name} --raw {quote(str(raw))}"
    return [fetch, show(source)] if plan(source, raw).unattended else [show(source)]


def build(source: Source, where: Path) -> list[str]:
    """Builds a source; no command where it has no loader yet."""
    return [f"med-mat build {quote(f'{source.name}={where}')} --out Med-MAT"] if has_loader(source) else []


def doctor(where: Path | str) -> str:
    """Examines another folder."""
    return f"med-mat doctor {quote(str(where))}"


def move(what: Path, where: Path) -> str:
    """Moves a file or folder, or renames it."""
    return f"mv {quote(str(what))} {quote(str(where))}"


def move_inside(what: Path, where: Path) -> str:
    """Moves the content of a folder to another one."""
    return f"find {quote(str(what))} -mindepth 1 -maxdepth 1 -exec mv {{}} {quote(str(where))} \\;"


def move_files(folder: Path, pattern: str, where: Path) -> str:
    """Moves the files of a folder that match a pattern into a new one."""
    there = quote(str(where))
    return (
        f"mkdir -p {there} && find {quote(str(folder))} -maxdepth 1 -type f -iname {quote(pattern)} "
        f"-exec mv {{}} {there} \\;"
    )


def unpack(archive: Path, target: Path) -> str:
    """Unpacks an archive into a folder."""
    name, there = archive.name.lower(), quote(str(target))
    if name.endswith(".zip"):
        return f"unzip -d {there} {quote(str(archive))}"
    if name.endswith(".7z"):
        return f"7z x {quote(f'-o{target}')} {quote(str(archive))}"
    if name.endswith(".rar"):
        return f"unar -o {there} {quote(str(archive))}"
    return f"mkdir -p {there} && tar -xf {quote(str(archive))} -C {there}"
