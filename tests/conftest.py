"""What the tests of the whole path share: one build of the miniatures of all sources, made once for all workers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from workshop import Workshop, digests, no_network, once

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub
hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The build of all miniatures."""
    from med_mat.building import Options, build, find
    from med_mat.demo import miniature

    def make(root: Path) -> None:
        with no_network():
            folders = miniature(root / "raw")
            before = digests(root / "raw")
            build(find(dict.fromkeys(folders), root / "raw"), root / "out", Options(jobs=1))
        (root / "hashes.json").write_text(json.dumps({"before": before, "after": digests(root / "raw")}), "utf-8")

    return Workshop(once(tmp_path_factory, "workshop", make))


@pytest.fixture
def arrow_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of ``datasets``, in which the Arrow files of selections lie in the folder med_mat."""
    import datasets

    cache = tmp_path / "datasets cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    return cache


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files that the examples of a property test write one over the other."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture
def offline() -> Iterator[None]:
    """No network for the time of a test."""
    with no_network():
        yield


@pytest.fixture
def tree_digests() -> Callable[[Path], dict[str, str]]:
    """:func:`digests`."""
    return digests
