"""Execute a route: download, unpack, move into place, check the layout.

Work happens in ``RAW/.downloads/<source>/``, which nothing else reads; ``RAW/<source>/`` receives complete data only.
Steps that an interrupted run completed are not repeated.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from med_mat.download import unpack as packing
from med_mat.download.fetch import fetch
from med_mat.download.http import Settings, get_json, open_session
from med_mat.download.routes import Plan, Route, next_step
from med_mat.errors import DownloadError, LayoutError
from med_mat.files import is_temporary, sha256
from med_mat.hosts.base import ClientHost, ListedHost, Remote
from med_mat.layouts.locating import has_all_parts, locate
from med_mat.raw.folder import RawFolder

_INNER = 3  # how many times to look for archives inside archives


@dataclass(frozen=True, slots=True)
class Result:
    """The downloaded source."""

    folder: RawFolder
    sha256: dict[str, str]  # of the files that were fetched; {} where the source was there already


def there(plan: Plan) -> RawFolder | None:
    """The source, if its folder already has it."""
    try:
        found = locate(plan.source, plan.target, archives=False) if plan.target.is_dir() else None
    except LayoutError:
        return None
    return found if found and has_all_parts(plan.source, found) else None


def download(
    plan: Plan,
    route: Route,
    *,
    settings: Settings | None = None,
    keep_archives: bool = False,
    say: Callable[[str], object] = lambda text: None,
) -> Result:
    """Download a source by a route into its folder.

    Raises:
        DownloadError: it cannot be downloaded, or another process is doing so; what has arrived is kept.
        ArchiveError: an archive is damaged, hostile or of an unsupported format.
        LayoutError: the files are not laid out as the card says.
    """
    from filelock import FileLock, Timeout

    if not route.automatic:
        raise DownloadError(f"{plan.source.name} is downloaded by hand. {' '.join(route.steps)}")
    work = plan.raw / ".downloads" / plan.source.name
    work.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(work / "lock", timeout=0):
            return _download(
                plan,
                route,
                work / f"route-{route.number}",
                settings or Settings(),
                keep_archives,
                say,
            )
    except Timeout:
        raise DownloadError(f"{plan.source.name} is being downloaded into {plan.target} by another process.") from None


def _download(
    plan: Plan,
    route: Route,
    work: Path,
    settings: Settings,
    keep_archives: bool,
    say: Callable[[str], object],
) -> Result:
    arrived = work / "files"
    remotes = _fetch(route, arrived, settings)
    files = [path for path in _files(arrived) if not path.name.endswith((".incomplete", ".incomplete.json"))]
    if not files:
        raise DownloadError(f"{route} gave no files. Open the page, and download them by hand.")
    digests = {path.relative_to(arrived).as_posix(): sha256(path) for path in files}
    for name, digest in digests.items():
        say(f"  {name}: {(arrived / name).stat().st_size:,} bytes, sha256 {digest}")
    tree = work / "tree"
    if not tree.exists():  # also where an earlier run put it in place and came no further
        shutil.rmtree(work / "parts", ignore_errors=True)
        tree.mkdir()
    strips = {remote.name: remote.strip for remote in remotes}
    for name in digests:
        if packing.is_archive(name):
            shape = _Shape(strips.get(name, 0), loose=len(files) > 1)
            _merge(_unpacked(arrived / name, work, name, shape, settings), tree)
        else:
            _put(arrived / name, tree / name)
    _unpack_inner(plan, tree, work, settings, keep_archives)
    _place(tree, plan.target)
    _tidy(work, keep_archives)
    return Result(_check(plan, route), digests)


def _fetch(route: Route, folder: Path, settings: Settings) -> list[Remote]:
    """Download the files of a route into a folder."""
    host = route.host
    if isinstance(host, ClientHost):
        folder.mkdir(parents=True, exist_ok=True)
        for one in route.downloads:
            host.fetch(one, folder, progress=settings.progress)
        return []
    if not isinstance(host, ListedHost):
        raise DownloadError(f"{route} is downloaded by hand.")
    session = open_session()
    remotes = [
        remote for one in route.downloads for remote in host.remotes(one, lambda url: get_json(url, session, settings))
    ]
    for remote in remotes:
        fetch(remote, folder, session, settings)
    return remotes


@dataclass(frozen=True, slots=True)
class _Shape:
    """How the top level of an archive is placed."""

    strip: int  # wrapper folders that a server added, to leave away
    loose: bool  # give loose files a folder that is called as their archive, so that those of several do not mix


def _unpacked(archive: Path, work: Path, name: str, shape: _Shape, settings: Settings) -> Path:
    """The folder that an archive was extracted to; it remains, empty, once its content was moved to the tree."""
    part = work / "parts" / hashlib.sha256(name.encode()).hexdigest()[:16]
    if part.exists():
        return part
    fresh, wrapper = part.with_suffix(".fresh"), part.with_suffix(".wrapper")
    for old in (fresh, wrapper):
        if old.exists():
            shutil.rmtree(old)
    part.parent.mkdir(exist_ok=True)
    packing.unpack(archive, fresh, progress=settings.progress)
    inside = list(fresh.iterdir())
    top = fresh
    for _ in range(shape.strip):
        if len(inside) == 1 and inside[0].is_dir():
            top = inside[0]
            inside = list(top.iterdir())
    if shape.loose and len(inside) > 1 and not shape.strip and not any(one.is_dir() for one in inside):
        end = next(end for end in packing.ARCHIVES if archive.name.lower().endswith(end))
        wrapper.mkdir()
        top.rename(wrapper / archive.name[: -len(end)])
        top = wrapper
    top.rename(part)
    return part


def _unpack_inner(plan: Plan, tree: Path, work: Path, settings: Settings, keep: bool) -> None:
    """Extract nested archives in place, as long as the layout does not match without."""
    for _ in range(_INNER):
        inner = [path for path in _files(tree) if packing.is_archive(path.name)]
        if not inner or _fits(plan, tree):
            return
        for path in inner:
            name = f"{path.relative_to(tree).as_posix()}!"
            _merge(_unpacked(path, work, name, _Shape(0, loose=True), settings), path.parent)
            if not keep:
                path.unlink()
        if keep:
            return


def _fits(plan: Plan, tree: Path) -> bool:
    try:
        return has_all_parts(plan.source, locate(plan.source, tree, archives=False))
    except LayoutError:
        return False


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in found if not is_temporary(path.name))


def _put(path: Path, target: Path) -> None:
    """Link or copy a downloaded file into the tree; the original stays, so that it is not downloaded again."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:  # no hard links here
        shutil.copyfile(path, target)


def _merge(source: Path, target: Path) -> None:
    """Move the content of one folder into another. Files in both must be identical, else nothing is moved."""
    for path in sorted(source.rglob("*")):
        goal = target / path.relative_to(source)
        if os.path.lexists(goal) and not (_is_folder(path) and _is_folder(goal)) and not _same(path, goal):
            raise DownloadError(
                f"{goal} is there already and differs from {path}, which was fetched. Move it away, and run the same "
                "command again."
            )
    _move(source, target)


def _move(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        goal = target / path.name
        if not os.path.lexists(goal):
            path.rename(goal)
        elif _is_folder(path):
            _move(path, goal)
            path.rmdir()
        else:
            path.unlink()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _same(one: Path, other: Path) -> bool:
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and one.readlink() == other.readlink()
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def _place(tree: Path, target: Path) -> None:
    """Move the tree to the folder of the source, in one step if that is new."""
    if target.is_dir() and any(target.iterdir()):
        _merge(tree, target)
        return
    if target.is_dir() and not target.is_symlink():
        target.rmdir()
    if target.is_symlink():
        _merge(tree, target)
    else:
        tree.rename(target)


def _tidy(work: Path, keep_archives: bool) -> None:
    for name in ("tree", "parts") if keep_archives else ("tree", "parts", "files"):
        shutil.rmtree(work / name, ignore_errors=True)
    if not keep_archives:
        shutil.rmtree(work, ignore_errors=True)


def _check(plan: Plan, route: Route) -> RawFolder:
    """The source in its folder, or an error that says what to do."""
    try:
        return locate(plan.source, plan.target, archives=False)
    except LayoutError as error:
        others = [path for path in _files(plan.target) if packing.is_foreign(path.name)]
        first = [path for path in others if not _later_part(path.name)]
        if first:
            raise DownloadError(
                " ".join(packing.foreign(path, path.parent) for path in first) + f" {next_step(plan.source, plan.raw)}"
            ) from error
        more = [str(other) for other in plan.routes if other.number != route.number]
        hint = f" What is missing may come by another route (--route N): {'; '.join(more)}." if more else ""
        raise LayoutError(f"{error}{hint}") from error


def _later_part(name: str) -> bool:
    lowered = name.lower()
    return ".part" in lowered and ".part1." not in lowered and ".part01." not in lowered
