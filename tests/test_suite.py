"""The suite itself: no folder of tests is passed over."""

from __future__ import annotations

import re
import subprocess
import sys
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


def test_no_two_test_modules_have_one_name() -> None:
    names = [path.name for path in TESTS.rglob("test_*.py") if "plugin" not in path.parts]
    assert not {name for name in names if names.count(name) > 1}, "pytest imports them by their name alone"


def test_every_test_that_is_listed_as_slow_exists() -> None:
    defined = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"(?m)^def (test_\w+)", path.read_text("utf-8"))
    }
    assert not SLOW - defined, "take these out of tests/slow.py, or give them their new names"


def test_plain_pytest_says_what_it_leaves_and_slow_leaves_nothing() -> None:
    def collected(*options: str) -> str:
        command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-o", "addopts=", "-q", "--collect-only", *options]
        ran = subprocess.run([*command, str(TESTS / "test_stability.py")], capture_output=True, text=True, check=True)
        return ran.stdout

    quick, all_of_them = collected(), collected("--slow")
    assert re.search(r"Left for `pytest --slow`: [\d,]+ tests of other sources", quick)
    assert "Left for" not in all_of_them
    assert 0 < quick.count("::") < all_of_them.count("::") / 4
