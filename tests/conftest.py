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

#: Of the tests that are run for each source, every ninth source is kept without --slow.
_EVERY = 9
_LEFT = pytest.StashKey[dict[str, int]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run all tests, all sources, and all examples of properties")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless ``--slow`` is given or the test is asked for by its own id."""
    named = any("::" in argument for argument in config.args)
    if config.getoption("--slow") or named or config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow") or getattr(item, "originalname", "") in SLOW]
    others = [item for item in items if not _sampled(item)]
    left = {*slow, *others}
    items[:] = [item for item in items if item not in left]
    for item in items:
        _fewer_examples(item)
    config.hook.pytest_deselected(items=list(left))
    config.stash[_LEFT] = {"slow": len(slow), "of other sources": len(left) - len(slow)}


def _sampled(item: pytest.Item) -> bool:
    """Whether a test is for no source in particular, or for one of the sample."""
    from med_mat.catalog import load

    callspec = getattr(item, "callspec", None)
    name = None if callspec is None else callspec.params.get("name")
    if name not in (catalog := load()):
        return True
    return list(catalog).index(name) % _EVERY == 0


def _fewer_examples(item: pytest.Item) -> None:
    """A tenth of a property's examples, and at least five; examples that are written down are all tried."""
    function = getattr(item, "obj", None)
    given = getattr(function, "_hypothesis_internal_use_settings", None)  # hypothesis has no public way to this
    if given is not None and not hasattr(function, "med_mat_fewer"):
        function = getattr(function, "__func__", function)
        fewer = min(given.max_examples, max(5, given.max_examples // 10))
        function._hypothesis_internal_use_settings = hypothesis.settings(given, max_examples=fewer)
        function.med_mat_fewer = True


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist tells the controller, which collects nothing itself."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = session.config.stash.get(_LEFT, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[_LEFT] = getattr(node, "workeroutput", {}).get("left", {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left := config.stash.get(_LEFT, {}):
        told = ", ".join(f"{number} {why}" for why, number in left.items())
        terminalreporter.write_line(
            f"Left for `pytest --slow`: {sum(left.values())} tests ({told}), and most examples of property tests."
        )


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
