"""Finds data in a repository that a push does not publish: removed from the newest state, but kept in history."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from med_mat.hub.staging import WITHOUT_PIXELS, Staged
from med_mat.nameless import WITHOUT_NAMES
from med_mat.storage.errors import hub_errors
from med_mat.storage.location import MANIFEST

log = logging.getLogger(__name__)

_DATA = re.compile(r"data/([^/]+)/.+")


def read_manifest(target: Mapping[str, Any], there: Collection[str]) -> dict[str, Any]:
    """The manifest of a repository; empty if it is missing or damaged.

    Args:
        target: repository and revision, as arguments of the Hub's client.
        there: the files of the repository.

    Raises:
        HubError: it cannot be downloaded.
    """
    from huggingface_hub import hf_hub_download

    if MANIFEST not in there:
        return {}
    with hub_errors(f"{target['repo_id']}/{MANIFEST}"):
        path = Path(hf_hub_download(filename=MANIFEST, **target))
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        log.warning("%s has a damaged %s (%s): its data are assumed to have images", target["repo_id"], MANIFEST, error)
        return {}
    return manifest if isinstance(manifest, dict) else {}


def excess(target: Mapping[str, Any], there: Collection[str], manifest: Mapping[str, Any], staged: Staged) -> str:
    """A sentence about data in a repository that the push does not publish; "" if there is none.

    Args:
        target: repository and revision, as arguments of the Hub's client.
        there: the files of the repository.
        manifest: its manifest; without one, its data files are assumed to contain images and file names.
        staged: the files to upload.
    """
    stripped = _mapping(manifest, WITHOUT_PIXELS)
    held: dict[str, bool] = {}  # source -> whether any of its files has images
    for name in there:
        if found := _DATA.fullmatch(name):
            source = found[1]
            held[source] = held.get(source, False) or name not in _mapping(stripped, source)
    goes = {one.source: one.goes for one in staged.entries if one.goes != "left out"}
    nameless, hidden = _mapping(manifest, WITHOUT_NAMES), staged.manifest[WITHOUT_NAMES]
    parts = {
        "records": [name for name in held if name not in goes],
        "images": [name for name, pixels in held.items() if pixels and goes.get(name) == "without pixels"],
        "file names": [name for name in held if name in hidden and name in goes and name not in nameless],
    }
    told_of = [f"{what} of {', '.join(sorted(some))}" for what, some in parts.items() if some]
    if not told_of:
        return ""
    which = "" if target["revision"] is None else f", branch={target['revision']!r}"
    return (
        f"{target['repo_id']} holds {' and '.join(told_of)}, which this push does not publish. They are removed from "
        "the newest state of the repository, but anyone can still download them from earlier commits. To remove them "
        "there too, squash the history after the push: "
        f"HfApi().super_squash_history({target['repo_id']!r}{which}, repo_type='dataset')."
    )


def _mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A mapping inside another one; empty if it is missing or of another type, since the manifest is not trusted."""
    found = data.get(key)
    return found if isinstance(found, Mapping) else {}
