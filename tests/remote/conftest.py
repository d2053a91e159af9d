"""Object stores and servers on loopback, and a cache of each test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Store, Wire, fresh, store, wire
from workshop import once

from med_mat.mounts import cache

SOURCES = ("busi", "head_ct", "isic_2016")


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Miniatures of three sources. Look, but do not touch."""
    from med_mat.demo import miniature

    return once(tmp_path_factory, "remote-raw", lambda root: miniature(root, SOURCES))


@pytest.fixture(scope="session")
def shared_store() -> Iterator[Store]:
    with store() as running:
        yield running


@pytest.fixture
def s3(shared_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """An empty bucket ``bucket`` behind a wire on which answers can go wrong."""
    with wire(shared_store.port) as between:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{between.port}",
            "AWS_ACCESS_KEY_ID": "the-key",
            "AWS_SECRET_ACCESS_KEY": "the-secret-of-the-user",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
            cache.VARIABLE: str(tmp_path / "cache"),
        }.items():
            monkeypatch.setenv(name, value)
        fresh()
        shared_store.empty()
        yield between
    fresh()
