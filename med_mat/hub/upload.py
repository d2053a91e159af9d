"""Pushes a built Med-MAT to the Hub; a push can be interrupted at any time.

Files are compared by content: files that the Hub already has, from this push or an earlier one, are not uploaded again.
Data files are uploaded first. The commit with the last of them also contains the manifest and the card and removes
stale files, so a card never describes data that is not there yet. A push of up to :data:`FILES_PER_COMMIT` changed
files is one commit.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from med_mat.catalog import Catalog, load
from med_mat.errors import HubError
from med_mat.files import scratch, sha256
from med_mat.hub.held import excess, read_manifest
from med_mat.hub.publication import choose
from med_mat.hub.staging import LAST, OURS, stage
from med_mat.permission import Entry, Pixels, table
from med_mat.storage.errors import hub_errors
from med_mat.storage.location import locate

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

#: Changed files per commit: a push resumes after its last commit.
FILES_PER_COMMIT = 256


@dataclass(frozen=True, slots=True)
class Pushed:
    """The outcome of a push, or of a dry run."""

    repo_id: str
    commit: str | None  # None: nothing was uploaded
    entries: tuple[Entry, ...]  # what is published of each source of the folder, and why
    notice: str  # about data in the repository that this push does not publish; "" if there is none
    sent: Mapping[str, int]  # uploaded file -> size in bytes
    kept: tuple[str, ...]  # files that the repository already had
    removed: tuple[str, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that were published."""
        return tuple(one.source for one in self.entries if one.goes != "left out")

    @property
    def without_pixels(self) -> tuple[str, ...]:
        """The sources that were published without images."""
        return tuple(one.source for one in self.entries if one.goes == "without pixels")


def push(
    folder: str | os.PathLike[str],
    repo_id: str,
    *,
    only: Collection[str] = (),
    leave_out: Collection[str] = (),
    pixels: Pixels = "all",
    without_pixels: Collection[str] = (),
    allow: Collection[str] = (),
    names: bool = False,
    private: bool = False,
    revision: str | None = None,
    dry_run: bool = False,
    show: Callable[[str], object] | None = None,
    catalog: Catalog | None = None,
) -> Pushed:
    """Publish a built Med-MAT as a dataset on the Hub. An interrupted push resumes where it stopped.

    Args:
        folder: a folder written by ``med-mat build``.
        repo_id: "org/name"; created if missing.
        only: the sources to publish; none means all.
        leave_out: the sources to leave out.
        pixels: "all" publishes every source with images, or refuses; "allowed" publishes images where they may be
            redistributed, records without images where only labels may, and leaves out the rest; "none" publishes
            every source without images, or refuses.
        without_pixels: the sources to publish without images and masks in any case.
        allow: the sources that you confirm may be redistributed although their terms leave it open.
        names: whether records without images keep file names and raw labels that identify people.
        private: whether a newly created repository is private.
        revision: a branch, created if missing; None: the main branch.
        dry_run: whether to upload nothing and only determine what would be uploaded.
        show: called with the table of what is published, and with notices, before anything is uploaded; for example
            ``print``.
        catalog: the sources' cards.

    Raises:
        BuildError: the folder does not contain a finished build.
        HubError: the terms of a source forbid it, or the Hub refuses or fails.
        UnknownSourceError: a source is not in the folder.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    if not Path(folder).is_dir():
        raise HubError(f"There is no folder {Path(folder).absolute()} to push. Name one that 'med-mat build' wrote.")
    _, manifest = locate(folder)
    publication = choose(Path(folder), manifest, catalog or load(), only=only, leave_out=leave_out, pixels=pixels,
                         without_pixels=without_pixels, allow=allow, names=names)  # fmt: skip
    target: dict[str, Any] = {"repo_id": repo_id, "repo_type": "dataset", "revision": revision}
    api = HfApi()
    with hub_errors(repo_id):
        there = _remote(api, target)
        # a new branch starts as a copy of the main one
        origin = target if there is not None or revision is None else {**target, "revision": None}
        first = (there if origin is target else _remote(api, origin)) or {}
    with scratch() as fresh:
        staged = stage(publication, repo_id, fresh)
        notice = excess(target, first, read_manifest(origin, first), staged)
        if show is not None:
            show(table(staged.entries))
            if notice:
                show(notice)
        if not dry_run:
            with hub_errors(repo_id):
                api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
                if revision is not None:
                    api.create_branch(repo_id, repo_type="dataset", branch=revision, exist_ok=True)
                there = _remote(api, target) if there is None else there
        there, files = there or {}, staged.files
        changed = [name for name, path in files.items() if not _same(path, there.get(name))]
        stale = tuple(name for name in there if name.startswith(OURS) and name not in files)
        done = Pushed(
            repo_id,
            None,
            staged.entries,
            notice,
            {name: files[name].stat().st_size for name in changed},
            tuple(name for name in files if name not in set(changed)),
            stale,
        )
        if dry_run or not (changed or stale):
            return done
        data = [name for name in changed if name not in LAST]
        starts = range(0, len(data), FILES_PER_COMMIT) or range(1)
        for start in starts:
            batch = data[start : start + FILES_PER_COMMIT]
            operations: list[Any] = []
            if start == starts[-1]:
                batch += [name for name in LAST if name in changed]
                operations += [CommitOperationDelete(name) for name in stale]
            with hub_errors(repo_id):
                operations += [CommitOperationAdd(name, files[name]) for name in batch]
                commit = api.create_commit(
                    operations=operations, commit_message=f"Med-MAT of {len(done.sources)} sources", **target
                )
    return replace(done, commit=str(commit.oid))


def _remote(api: Any, target: Mapping[str, Any]) -> dict[str, RepoFile] | None:
    """The files of a repository at a revision; None if the repository or revision does not exist."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.hf_api import RepoFile

    try:
        entries = list(api.list_repo_tree(recursive=True, **target))
    except (RepositoryNotFoundError, RevisionNotFoundError):
        return None
    return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def _same(path: Path, there: RepoFile | None) -> bool:
    """Whether the repository has a file with this content."""
    if there is None or there.size != path.stat().st_size:
        return False
    if there.lfs is not None:
        return bool(there.lfs.sha256 == sha256(path))
    content = path.read_bytes()
    return bool(there.blob_id == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest())
