"""What tests of experiments share: the engine of a plug-in, and a Med-MAT with a target that has enough groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from workshop import Workshop

import med_mat
from med_mat.experiment import engine

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[engine.Engine]:
    """The engine of a package that is installed beside Med-MAT."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.setenv("PYTHONPATH", str(PLUGIN))  # of processes
    engine._loaded.cache_clear()
    yield engine.engine("toy")
    engine._loaded.cache_clear()


@pytest.fixture
def mat(workshop: Workshop) -> med_mat.MedMAT:
    return med_mat.open(workshop.out)
