"""Two small builds to push, and a Hub on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_client import SOURCES, Built, Client
from hub_server import Hub, serve
from workshop import once


def _make(root: Path, *, marked: bool) -> None:
    from med_mat.building import Options, build, find
    from med_mat.building.ledger import NOTICE
    from med_mat.demo import miniature

    folders = miniature(root / "raw", SOURCES)
    for folder in folders.values() if not marked else ():
        (folder / NOTICE).unlink()
    build(find(dict.fromkeys(folders), root / "raw"), root / "out", Options(jobs=1))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Miniatures that do not say that they are drawn: the terms of their sources hold for them."""
    root = once(tmp_path_factory, "hub", lambda root: _make(root, marked=False))
    return Built(root / "raw", root / "out")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The same miniatures as Med-MAT draws them: they may go, whatever the terms of their sources are."""
    root = once(tmp_path_factory, "drawn", lambda root: _make(root, marked=True))
    return Built(root / "raw", root / "out")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve() as running:
        yield running


@pytest.fixture
def client(hub: Hub, tmp_path: Path) -> Client:
    return Client(hub, tmp_path / "home")
