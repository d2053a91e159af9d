"""A small build to push, and a Hub on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_client import SOURCES, Built, Client
from hub_server import Hub, serve
from workshop import once


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    from med_mat.building import Options, build, find
    from med_mat.demo import miniature

    def make(root: Path) -> None:
        folders = miniature(root / "raw", SOURCES)
        build(find(dict.fromkeys(folders), root / "raw"), root / "out", Options(jobs=1))

    root = once(tmp_path_factory, "hub", make)
    return Built(root / "raw", root / "out")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve() as running:
        yield running


@pytest.fixture
def client(hub: Hub, tmp_path: Path) -> Client:
    return Client(hub, tmp_path / "home")
