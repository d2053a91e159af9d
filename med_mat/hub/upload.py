"""Sending a built Med-MAT to the Hub, so that it can be interrupted at any time.

Files go by their content: what the Hub has already, from this push or an earlier one, is not sent again. Data goes
first; the commit that brings the last of it also brings manifest and card and removes what is stale, so that no card
is ever ahead of its data. A push of up to :data:`FILES_PER_COMMIT` changed files is one commit.
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

#: Changed files per commit: each commit is a point from which a push goes on.
FILES_PER_COMMIT = 256


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did, or would do."""

    repo_id: str
    commit: str | None  # None: nothing was sent
    entries: tuple[Entry, ...]  # what went of each source of the folder, and why
    notice: str  # what the repository held and this push does not publish; "" where that is nothing
    sent: Mapping[str, int]  # file -> bytes
    kept: tuple[str, ...]  # files that were there already
    removed: tuple[str, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that went."""
        return tuple(one.source for one in self.entries if one.goes != "left out")

    @property
    def without_pixels(self) -> tuple[str, ...]:
        """Of these, those that went without pixels."""
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
    """Publish a built Med-MAT as a dataset on the Hub. A push that was stopped goes on where it was.

    Args:
        folder: a folder that ``med-mat build`` wrote.
        repo_id: "org/name"; made where there is none.
        only: the sources that go; none means all.
        leave_out: the sources that stay.
        pixels: "all" sends every source with pixels, or refuses; "allowed" sends pixels where images may be passed on,
            records without pixels where labels may, and leaves out the rest; "none" sends every source without pixels,
            or refuses.
        without_pixels: the sources whose records go without images and masks in any case.
        allow: sources of which you know that what their terms leave open may go.
        names: whether records without pixels keep file names and raw labels that identify people.
        private: whether a repository that is made is private.
        revision: a branch, made where there is none; None is the main one.
        dry_run: whether to ask the Hub only what it has.
        show: takes the table of what goes, and what else is to be known, before anything is sent; such as ``print``.
        catalog: the sources' cards.

    Raises:
        BuildError: the folder holds no finished build.
        HubError: terms forbid it, or the Hub refuses or fails.
        UnknownSourceError: a source that the folder does not hold.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    if not Path(folder).is_dir():
        raise HubError(f"There is no folder {Path(folder).absolute()} to push: name one that 'med-mat build' wrote.")
    _, manifest = locate(folder)
    publication = choose(Path(folder), manifest, catalog or load(), only=only, leave_out=leave_out, pixels=pixels,
                         without_pixels=without_pixels, allow=allow, names=names)  # fmt: skip
    target: dict[str, Any] = {"repo_id": repo_id, "repo_type": "dataset", "revision": revision}
    api = HfApi()
    with hub_errors(repo_id):
        there = _remote(api, target)
        # a branch that is made begins as the main one is
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
    """What the repository holds at a revision; None where there is no such repository or revision."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.hf_api import RepoFile

    try:
        entries = list(api.list_repo_tree(recursive=True, **target))
    except (RepositoryNotFoundError, RevisionNotFoundError):
        return None
    return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def _same(path: Path, there: RepoFile | None) -> bool:
    """Whether the repository holds a file with this content."""
    if there is None or there.size != path.stat().st_size:
        return False
    if there.lfs is not None:
        return bool(there.lfs.sha256 == sha256(path))
    content = path.read_bytes()
    return bool(there.blob_id == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest())
