"""The suite itself: no folder of tests is passed over."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
from slow import SLOW

TESTS = Path(__file__).parent


def test_pytest_enters_every_folder_that_holds_tests(pytestconfig: pytest.Config) -> None:
    # its default for norecursedirs holds "build", as a folder of tests was once called, which hid it without a word
    folders = {part for path in TESTS.rglob("test_*.py") for part in path.relative_to(TESTS).parts[:-1]}
    assert {"building", "raw", "download"} <= folders
    passed_over = pytestconfig.getini("norecursedirs")
    assert not [name for name in folders if any(fnmatch(name, pattern) for pattern in passed_over)]


def test_every_test_that_is_listed_as_slow_exists() -> None:
    defined = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"(?m)^def (test_\w+)", path.read_text("utf-8"))
    }
    assert not SLOW - defined, "take these out of tests/slow.py, or give them their new names"
