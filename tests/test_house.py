"""The plan of the house: which room of the package knows which, and that no two modules know each other.

Every import counts, those inside functions and those of types alone too: a reader follows them all.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "med_mat"
#: The rooms in the order of what they know: each may import those before it, none that comes after it.
ROOMS = (
    *("errors", "shell", "markup", "markdown", "progress", "plugins"),  # words on a terminal and a page
    *("files", "limits", "taxonomy", "vocabulary", "strict", "parameters"),  # bytes, words and types
    *("hosts", "selection", "catalog", "summary", "scaffold", "permission"),  # what the cards say
    *("example", "schema", "mounts", "formats", "imaging", "raw", "layouts", "marker"),  # from raw files to examples
    *("tags", "terms", "questions", "storage", "download"),  # what a record says, and where records lie
    *("leakage", "nameless", "differences", "building", "contract", "items", "doctor", "validate"),
    # what experiments and exports need of a built Med-MAT
    *("gallery", "index", "blind", "contamination", "conventions", "score", "export", "shortcut"),
    *("splits", "dataset", "duplicates", "paper"),  # a built Med-MAT, and its experiments
    *("plot", "official", "hub", "torch", "experiment", "demo", "browse"),
    *("med_mat", "commands", "cli"),  # the names that users import, and what they type
)
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if PACKAGE / "data" not in path.parents  # templates of files, which nothing imports
}


def room(module: str) -> str:
    """The folder or module below ``med_mat`` that a module lies in; the package itself is the front door."""
    return [*module.split("."), "med_mat"][1]


def imported(source: str) -> Iterator[str]:
    """The modules of the package that a module's text imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                if inner in MODULES:
                    yield inner
                elif name.name != "__version__":  # a number, not a room
                    yield node.module


@pytest.fixture(scope="module")
def arrows() -> Mapping[str, frozenset[str]]:
    """Module -> the modules that it imports."""
    return {name: frozenset(imported(path.read_text("utf-8"))) - {name} for name, path in MODULES.items()}


def test_no_two_modules_know_each_other(arrows: Mapping[str, frozenset[str]]) -> None:
    try:
        tuple(TopologicalSorter(arrows).static_order())
    except CycleError as error:
        pytest.fail(f"These modules import each other: {' <- '.join(error.args[1])}.")


def test_no_room_knows_a_room_above_it(arrows: Mapping[str, frozenset[str]]) -> None:
    floors = {name: floor for floor, name in enumerate(ROOMS)}
    assert {room(module) for module in MODULES} <= floors.keys(), "a new room has no place in ROOMS yet"
    climbing = [
        f"{module} imports {other}"
        for module, others in arrows.items()
        for other in sorted(others)
        if floors[room(other)] > floors[room(module)]
    ]
    assert not climbing


def test_the_plan_names_no_room_that_is_gone() -> None:
    assert set(ROOMS) <= {room(module) for module in MODULES}


@pytest.mark.parametrize(
    "text",
    [
        "import med_mat.cli",
        "from med_mat import cli",
        "def f():\n    from med_mat.cli import main",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from med_mat.cli import main",
    ],
)
def test_every_form_of_import_counts(text: str) -> None:
    assert list(imported(text)) == ["med_mat.cli"]
