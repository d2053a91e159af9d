"""A run of every kind, killed at random points: whole what lies there, and in the end the same to the byte.

`python -m tests.kills --points 200` does more of it.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from kills import KINDS, disturb, give
from workshop import once

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "given to runs that are killed", give)


@pytest.mark.parametrize("name", KINDS)
def test_a_killed_run_leaves_nothing_half_written_and_ends_at_the_same_bytes(
    name: str, given: Path, tmp_path: Path
) -> None:
    seen = disturb(KINDS[name], given, tmp_path, 1, random.Random(name))
    assert seen.points == 1
    assert seen.faults == []
