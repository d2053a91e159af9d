"""A Med-MAT opens at any time, also while a build changes it."""

from pathlib import Path

from readers import watch


def test_two_readers_open_a_med_mat_beside_builds(tmp_path: Path) -> None:
    seen = watch(tmp_path, 60)
    assert seen.failed == 0, seen.first
    assert seen.opened >= 120
    assert seen.states > 1, "builds went by under the readers' eyes"
