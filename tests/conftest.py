"""What tests share: one build of the miniatures of all sources, and what plain ``pytest`` leaves to ``pytest --slow``.

Without ``--slow``, tests that are marked ``slow`` or listed in ``slow.py`` are left out, contracts over all sources run
on a fixed sample of the sources, and property tests try a tenth of their examples. The summary says how many that is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from slow import SLOW
from workshop import Workshop, digests, no_network, once

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub
hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("untimed")

#: Of the tests that are run for each source, every twelfth source is kept without --slow.
_EVERY = 12
_LEFT = pytest.StashKey[dict[str, int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run all tests, all sources, and all examples of properties")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless ``--slow`` is given or tests are chosen by id (``::``), ``-k`` or ``-m``."""
    chosen = any("::" in argument for argument in config.args) or config.option.keyword or config.option.markexpr
    if config.getoption("--slow") or chosen:
        return
    slow = [item for item in items if item.get_closest_marker("slow") or getattr(item, "originalname", "") in SLOW]
    left = {*slow, *(item for item in items if not _sampled(item))}
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=list(left))
    config.stash[_LEFT] = {
        "slow tests": len(slow),
        "tests of other sources": len(left) - len(slow),
        "property tests with all of their examples": sum(map(_fewer_examples, items)),
    }


def _sampled(item: pytest.Item) -> bool:
    """Whether a test is for no source in particular, or for one of the sample."""
    from med_mat.catalog import load

    callspec = getattr(item, "callspec", None)
    name = None if callspec is None else callspec.params.get("name")
    if not isinstance(name, str) or name not in (catalog := load()):  # of many tests, it is no source
        return True
    return list(catalog).index(name) % _EVERY == 0


def _fewer_examples(item: pytest.Item) -> bool:
    """Whether a test is that of a property, which then tries a tenth of its examples, and at least five."""
    function = getattr(item, "obj", None)
    given = getattr(function, "_hypothesis_internal_use_settings", None)  # hypothesis has no public way to this
    if given is None:
        return False
    if not hasattr(function, "fewer_examples"):  # the function is that of every parameter
        fewer = min(given.max_examples, max(5, given.max_examples // 10))
        function._hypothesis_internal_use_settings = hypothesis.settings(given, max_examples=fewer)
        function.fewer_examples = True
    return True


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist tells the controller, which collects nothing itself."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = session.config.stash.get(_LEFT, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[_LEFT] = getattr(node, "workeroutput", {}).get("left", {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if told := [f"{number:,} {what}" for what, number in config.stash.get(_LEFT, {}).items() if number]:
        terminalreporter.write_line(f"Left for `pytest --slow`: {', '.join(told)}.")


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
