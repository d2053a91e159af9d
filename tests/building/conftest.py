from collections.abc import Callable
from pathlib import Path

import pytest
from building import Toy, make_miniature, make_toy, row

from med_mat.catalog import Row


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of the BUSI and Head CT miniatures, to look at and never to change."""
    return make_miniature(tmp_path_factory.mktemp("built"), "head_ct", "busi")


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Toy]:
    """What makes a source up: the body of its loader, then its rows (without: one row of the classes a and b)."""

    def made(body: str, *rows: Row) -> Toy:
        default = row(48, "classes", {"a": "Benign", "b": "Malignant"})
        return make_toy(tmp_path, body, *(rows or (default,)), register=monkeypatch.setitem)

    return made
