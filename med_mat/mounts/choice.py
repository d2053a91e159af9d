"""Which mount reads a place, by the form of its name."""

from __future__ import annotations

from pathlib import Path

from med_mat.mounts.archives import alone
from med_mat.mounts.base import Mount
from med_mat.mounts.folder import FolderMount, mounted
from med_mat.mounts.members import kind
from med_mat.mounts.remote import remote, remote_file
from med_mat.mounts.urls import URLPath, is_url, url

#: A place as users name it: a path on this machine, or an address.
Place = Path | URLPath


def place(text: str) -> Place:
    """A place from its name.

    Raises:
        UsageError: It is an address of a kind that is not read, or one with a password.
    """
    return url(text) if is_url(text) else Path(text)


def mount_of(place: Place | str | Mount, *, follow: bool = True) -> Mount:
    """The mount for a folder, an archive, or a folder in an archive (``busi.zip/Dataset_BUSI``); a mount as it is.

    Args:
        place: A path, an address, or a mount.
        follow: Whether links may lead out of a folder.

    Raises:
        UsageError: It is an address of a kind that is not read, or one with a password.
        FolderNotFoundError: There is nothing at the address.
        RemoteError: What lies at the address cannot be listed.
        MissingExtraError: The package for such addresses is not installed.
    """
    if isinstance(place, str) and is_url(place):
        place = url(place)
    if isinstance(place, URLPath):
        return _remote(place)
    if isinstance(place, Path | str):
        path = Path(place).absolute()
        for one in () if path.is_dir() else (path, *path.parents):
            if kind(one.name) and one.is_file():
                return alone(FolderMount(one.parent, follow), one.name).below(path.relative_to(one).as_posix())
    return mounted(place, follow=follow)


def _remote(where: URLPath) -> Mount:
    for one in (where, *where.parents):
        if kind(one.name) and len(one.parts) > 2 and (mount := remote_file(URLPath(one))) is not None:
            return alone(mount, one.name).below(where.relative_to(one).as_posix())
    return remote(where)
