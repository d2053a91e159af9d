"""Each promise of the contract is found broken where something breaks it, in a sentence; a scaffold keeps them all."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from med_mat import contract
from med_mat.catalog import load
from med_mat.cli import cli
from med_mat.contract import Outcome

PLUGIN = Path(__file__).parent / "plugin/toy_sources"
CHECKOUT = Path(__file__).parents[1]

_numbers = itertools.count()

Outcomes = Callable[..., dict[str, Outcome]]


@pytest.fixture
def outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outcomes:
    """Checks a copy of the toy source in whose card or loader one text is replaced by another."""

    def check(old: str = "", new: str = "") -> dict[str, Outcome]:
        package = f"checked_{next(_numbers)}"
        shutil.copytree(PLUGIN, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
        files = [tmp_path / package / "toy_wrist.py", tmp_path / package / "toy_wrist.md"]
        if old:
            (file,) = (file for file in files if old in file.read_text("utf-8"))
            file.write_text(file.read_text("utf-8").replace(old, new, 1), "utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [*sys.path])
        source, catalog = contract.find(f"{package}.toy_wrist")
        return {one.says: one for one in contract.check(source, catalog, tmp_path / "scratch")}

    return check


def test_a_sound_source_keeps_every_promise(outcomes: Outcomes) -> None:
    found = outcomes()
    assert {one.says for one in contract.PROMISES} <= found.keys()
    assert all(one.kept for one in found.values())


LAYOUT = 'files: ["broken/*.png", "whole/*.png"]'
WRITES = 'raw.image(f"{label}/{number}.png")'


@pytest.mark.parametrize(
    ("old", "new", "promise", "sentence"),
    [
        # card
        ("image-classification, ", "", "names the Hub's tasks", r"task_categories lacks image-classification"),
        ("tags: [medical, ", "tags: [", "names the Hub's tasks", r"tags lacks medical"),
        ("https://example.org/toy-wrist\n", "none\n", "names the Hub's tasks", r"homepage is 'none'"),
        (
            "Radiographs of the wrist, broken or not.",
            "Radiographs",
            "names the Hub's tasks",
            r"summary is .*end with a period",
        ),
        (
            "license: cc0-1.0",
            "license: unknown",
            "card's license",
            r"license is 'unknown' and license_certainty 'reported'",
        ),
        ("license: cc0-1.0", "license: cc-by-nc-4.0", "card's license", r"cc-by-nc-4\.0, so commercial is false"),
        ("Fractured,", "fractured_bone,", "Labels are words", r"'fractured_bone' is no label for people"),
        (LAYOUT, 'files: ["./broken/*.png"]', "set of patterns", r"relative to the source's root"),
        (LAYOUT, 'parts: ["benign/benign (*).png", "malignant/malignant (*).png"]', "set of patterns", r"that of busi"),
        ("## Pitfalls", "## Traps", "prose has all its sections", r"Layout, Labels, .*Traps.* Expected: .*Pitfalls"),
        ("overlaps: {}", "overlaps: {busi: some}", "Overlaps", r"with busi must be a sentence, not 'some'"),
        ('patients: ""', 'patients: ""\n  patients_of: busi', "Overlaps", r"patients_of names busi"),
        # loader
        ("from med_mat.example", "import os\nfrom med_mat.example", "only parses", r"Line \d+ imports os"),
        ("return class", "print(raw)\n    return class", "only parses", r"Line \d+ calls print"),
        ("def examples", "for _ in (): ...\n\n\ndef examples", "only parses", r"Line \d+ runs when the loader is"),
        ("from __future__", "# one\n" * 120 + "from __future__", "only parses", r"has 1\d\d lines"),
        ("broken or not.\n\nbroken/1.png", "broken or not\n", "docstring", r"one sentence"),
        ("broken/1.png\nwhole/1.png\n", "\n", "docstring", r"two lines or more"),
        (
            "def miniature",
            "def helps(): ...\n\n\ndef miniature",
            "loader defines",
            r"helps is private",
        ),
        # miniature, recognition, examples
        (
            WRITES,
            f"{WRITES}\n            raw.text('a.txt', str(__import__('time').time_ns()))",
            "byte for byte",
            r"a\.txt differs",
        ),
        ("range(1, 11)", "range(1, 4)", "8 to 199 files", r"has 7 files"),
        (LAYOUT, 'files: ["**/*.png"]', "taken for no other", r"."),
        (LAYOUT, 'files: ["broken/*.png"], also: ["x/*.csv", "y/*.csv"]', "half of what", r"matches x/\*\.csv, y/\*"),
        (
            'return class_folders(raw, "{broken,whole}/*.png")',
            'return [*class_folders(raw, "{broken,whole}/*.png")]',
            "one at a time",
            r"examples\(raw\) returns a list: yield each Example instead",
        ),
        ("{broken: Fractured, whole", "{broke: Fractured, whole", "label of an example", r"'broken' is not among"),
        # records
        ("range(1, 11)", "range(1, 3)", "accounted for", r"4 records are written: let the miniature hold at least 6"),
        ("whole: Not fractured}", "whole: Not fractured, bent: Bent}", "Every label of the card occurs", r"'Bent'"),
        ("published_split: []", "published_split: [train]", "published split", r"parts are none, .*split train"),
        ('patients: ""', "patients: In a table.", "Patients are known", r"Some records have no patient"),
    ],
)
def test_what_breaks_a_promise_is_told_in_a_sentence(
    old: str, new: str, promise: str, sentence: str, outcomes: Outcomes
) -> None:
    (found,) = (one for says, one in outcomes(old, new).items() if promise in says)
    assert found.broken
    assert any(re.search(sentence, one) for one in found.broken), found.broken
    assert not any("\n" in one for one in found.broken)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("    return class_folders", "    1 / 0\n    return class_folders", "The loader of 'toy_wrist' fails"),
        ("    for label", "    1 / 0\n    for label", "The loader of 'toy_wrist' fails to write its miniature"),
        ("from med_mat.example", "1 / 0\nfrom med_mat.example", "The loader of 'toy_wrist' cannot be imported"),
    ],
)
def test_an_exception_of_the_loader_is_a_sentence_with_file_and_line(
    old: str, new: str, says: str, outcomes: Outcomes
) -> None:
    told = [sentence for one in outcomes(old, new).values() for sentence in one.broken]
    assert any(re.match(rf"{says}, /.*toy_wrist\.py, line \d+: ZeroDivisionError", one) for one in told), told


def test_without_a_miniature_what_is_not_checked_is_said(outcomes: Outcomes) -> None:
    found = outcomes("def miniature", "def _miniature")
    unchecked = {one.says for one in found.values() if one.unchecked}
    assert unchecked == {one.says for one in contract.PROMISES if one.stage in ("miniature", "records")}
    assert not any(one.broken for one in found.values())


# ------------------------------------------------------------------------------------------------------ the commands


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == code, done.output + repr(done.exception)
    return done.output


def test_check_source_says_which_promises_are_kept() -> None:
    said = run("check-source", "busi")
    assert said.startswith("BUSI (Breast Ultrasound Images Dataset) (busi), loader med_mat.loaders.busi\n  kept ")
    assert re.search(r"\n\d\d promises kept, 0 broken, 0 not checked\.\n$", said)


def test_a_new_package_is_installed_and_checked(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    package = tmp_path / "med-mat-hand-xray"
    environment = {**os.environ, "PYTHONPATH": str(package)}
    command = [sys.executable, "-c", "from med_mat.cli import main; main()"]

    def shell(*arguments: str) -> str:
        done = subprocess.run(
            arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shell(*command, "new-source", "hand_xray", "--package", "--triplet", "X-ray/Bones/Diseases")
    shell(sys.executable, "-c", f"import os, setuptools; os.chdir({str(package)!r}); setuptools.setup()", "egg_info")
    assert "hand_xray" in shell(*command, "sources", "X-ray/Bones/Diseases")
    assert "0 broken, 0 not checked." in shell(*command, "check-source", "hand_xray")
    assert "1 passed" in shell(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(package))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["busi", "--package"], "There is a source named 'busi' already"),
        (["Hand", "--package"], "'Hand' is not a name of a source"),
        (["hand_xray"], "is not a checkout of Med-MAT"),
        (["hand_xray", "--package", "--triplet", "X-ray/Bonse/State"], "Did you mean 'Bones'"),
    ],
)
def test_a_scaffold_that_cannot_be_written(
    arguments: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["new-source", *arguments])
    assert why in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_a_scaffold_overwrites_nothing(tmp_path: Path) -> None:
    run("new-source", "hand_xray", "--package", "--folder", str(tmp_path))
    again = CliRunner().invoke(cli, ["new-source", "hand_xray", "--package", "--folder", str(tmp_path)])
    assert "it is there already" in str(again.exception)


@pytest.mark.slow
def test_a_source_in_a_checkout_is_a_card_and_a_loader_and_nothing_else(tmp_path: Path) -> None:
    """A copy of the repository with one more source passes the tests of catalog, cards, loaders and command line."""
    top = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".git", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis")
    shutil.copytree(CHECKOUT, top, ignore=ignored)
    for name, folder in (("toy_wrist.md", "dataset_cards"), ("toy_wrist.py", "loaders")):
        shutil.copy(PLUGIN / name, top / folder / name)
    tests = ["test_catalog.py", "test_cards.py", "test_loaders.py", "test_cli.py", "test_stability.py"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-o", "addopts="),
            *("-k", "not plain_installation and not slow", "--basetemp", str(tmp_path / "base")),
            *(f"tests/{one}" for one in tests),
        ],
        cwd=top,
        env={**os.environ, "PYTHONPATH": str(top), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "toy_wrist" not in load()
