"""Which mount reads a place, by the form of its name."""

from __future__ import annotations

from pathlib import Path

from med_mat.mounts.archives import alone
from med_mat.mounts.base import Mount
from med_mat.mounts.folder import FolderMount, mounted
from med_mat.mounts.members import kind


def mount_of(place: Path | str | Mount, *, follow: bool = True) -> Mount:
    """The mount for a folder, an archive, or a folder in an archive (``busi.zip/Dataset_BUSI``); a mount as it is.

    Args:
        place: A path, or a mount.
        follow: Whether links may lead out of a folder.
    """
    if isinstance(place, Path | str):
        path = Path(place).absolute()
        for one in () if path.is_dir() else (path, *path.parents):
            if kind(one.name) and one.is_file():
                return alone(FolderMount(one.parent, follow), one.name).below(path.relative_to(one).as_posix())
    return mounted(place, follow=follow)
