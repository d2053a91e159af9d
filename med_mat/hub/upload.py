"""Sending a built Med-MAT to the Hub, so that it can be interrupted at any time.

Files go by their content: what the Hub has already, from this push or an earlier one, is not sent again. Data goes
first; the commit that brings the last of it also brings manifest and card and removes what is stale, so that no card
is ever ahead of its data. A push of up to :data:`FILES_PER_COMMIT` changed files is one commit.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from med_mat.catalog import Catalog, load
from med_mat.errors import HubError
from med_mat.files import scratch, sha256
from med_mat.hub.errors import told
from med_mat.hub.publication import LAST, OURS, choose, stage
from med_mat.location import locate

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

#: Changed files per commit: each commit is a point from which a push goes on.
FILES_PER_COMMIT = 256


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did, or would do."""

    repo_id: str
    commit: str | None  # None: nothing was sent
    sources: tuple[str, ...]
    bare: tuple[str, ...]  # of these, those that went without pixels
    sent: Mapping[str, int]  # file -> bytes
    kept: tuple[str, ...]  # files that were there already
    removed: tuple[str, ...]


def push(
    folder: str | os.PathLike[str],
    repo_id: str,
    *,
    only: Collection[str] = (),
    leave_out: Collection[str] = (),
    without_pixels: bool | Collection[str] = False,
    allow: Collection[str] = (),
    private: bool = False,
    revision: str | None = None,
    dry_run: bool = False,
    catalog: Catalog | None = None,
) -> Pushed:
    """Publish a built Med-MAT as a dataset on the Hub. A push that was stopped goes on where it was.

    Args:
        folder: a folder that ``med-mat build`` wrote.
        repo_id: "org/name"; made where there is none.
        only: the sources that go; none means all.
        leave_out: the sources that stay.
        without_pixels: True, or the sources whose records go without images and masks.
        allow: sources with unclear terms of which you know that their images may be passed on.
        private: whether a repository that is made is private.
        revision: a branch, made where there is none; None is the main one.
        dry_run: whether to ask the Hub only what it has.

    Raises:
        BuildError: the folder holds no finished build.
        HubError: terms forbid it, or the Hub refuses or fails.
        UnknownSourceError: a source that the folder does not hold.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    if not Path(folder).is_dir():
        raise HubError(f"There is no folder {Path(folder).absolute()} to push: name one that 'med-mat build' wrote.")
    _, manifest = locate(folder)
    publication = choose(Path(folder), manifest, catalog or load(), only=only, leave_out=leave_out,
                         without_pixels=without_pixels, allow=allow)  # fmt: skip
    target: dict[str, Any] = {"repo_id": repo_id, "repo_type": "dataset", "revision": revision}
    api = HfApi()
    if not dry_run:
        with told(repo_id):
            api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
            if revision is not None:
                api.create_branch(repo_id, repo_type="dataset", branch=revision, exist_ok=True)
    with scratch() as fresh:
        files = stage(publication, repo_id, fresh)
        with told(repo_id):
            there = _remote(api, target, missing_is_empty=dry_run)
        changed = [name for name, path in files.items() if not _same(path, there.get(name))]
        stale = tuple(name for name in there if name.startswith(OURS) and name not in files)
        done = Pushed(
            repo_id,
            None,
            tuple(source.name for source in publication.sources),
            tuple(source.name for source in publication.sources if source.name in publication.bare),
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
            with told(repo_id):
                operations += [CommitOperationAdd(name, files[name]) for name in batch]
                commit = api.create_commit(
                    operations=operations, commit_message=f"Med-MAT of {len(done.sources)} sources", **target
                )
    return replace(done, commit=str(commit.oid))


def _remote(api: Any, target: Mapping[str, Any], *, missing_is_empty: bool) -> dict[str, RepoFile]:
    """What the repository holds."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.hf_api import RepoFile

    try:
        entries = list(api.list_repo_tree(recursive=True, **target))
    except (RepositoryNotFoundError, RevisionNotFoundError):
        if not missing_is_empty:
            raise
        entries = []
    return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def _same(path: Path, there: RepoFile | None) -> bool:
    """Whether the repository holds a file with this content."""
    if there is None or there.size != path.stat().st_size:
        return False
    if there.lfs is not None:
        return bool(there.lfs.sha256 == sha256(path))
    content = path.read_bytes()
    return bool(there.blob_id == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest())
