"""A package outside this repository adds source number 110 by an entry point, without a file of ours being touched."""

from __future__ import annotations

import copy
import functools
import itertools
import json
import operator
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

import med_mat
from med_mat.building import Options, build, find
from med_mat.catalog import PLUGINS, Catalog, RowFacts, load, plugins, read_card
from med_mat.errors import BuildError, CardError, MedMATError, VocabularyError
from med_mat.raw import Miniature
from med_mat.selection import MAT, Selection
from med_mat.splits.interpretation import Interpretation, find_target
from med_mat.vocabulary import STANDARD

_numbers = itertools.count()

PLUGIN = Path(__file__).parent / "plugin"
CARD = (PLUGIN / "toy_sources" / "toy_wrist.md").read_text("utf-8")
#: A second source of the package, whose card names the first.
SECOND = {
    "entry": "toy_wrist = PACKAGE.toy_wrist; toy_hand = PACKAGE.toy_hand",
    "toy_hand.md": CARD.replace("number: 110", "number: 111").replace(
        "overlaps: {}", "overlaps: {toy_wrist: The same pictures.}"
    ),
    "toy_hand.py": "from .toy_wrist import examples",
}


def run(*arguments: str, cwd: Path, plugin: Path = PLUGIN) -> subprocess.CompletedProcess[str]:
    code = "from med_mat.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(plugin)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_source_110_is_listed_shown_and_built(tmp_path: Path) -> None:
    assert "toy_wrist" in run("sources", "X-ray/Bones/State", cwd=tmp_path).stdout
    assert "row 110: X-ray/Bones/State" in run("show", "toy_wrist", cwd=tmp_path).stdout
    assert run("miniature", "raw", "toy_wrist", "busi", cwd=tmp_path).returncode == 0
    built = run("build", "--raw", "raw", "--out", "Med-MAT", "--jobs", "2", "--quiet", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    assert "20 in records + 0 not used; 20 records, 0 skipped" in built.stdout

    index = pq.read_table(tmp_path / "Med-MAT" / "index.parquet").to_pylist()
    ours = [record for record in index if record["source"] == "toy_wrist"]
    assert {record["row"] for record in ours} == {110}
    assert {record["subset"] for record in ours} == {None}
    assert {record["label"] for record in ours} == {"Fractured", "Not fractured"}
    assert all(record["question"].startswith("Is this wrist fractured?\nA: ") for record in ours)

    from datasets import load_dataset

    assert load_dataset(str(tmp_path / "Med-MAT"), "toy_wrist", split="train").num_rows == 18


def test_without_the_package_the_source_is_unknown(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", "from med_mat.cli import main; main()", "show", "toy_wrist"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "There is no source named 'toy_wrist'" in result.stderr


# ------------------------------------------------------------------------------------------- a plug-in out of order


def catalog_with(monkeypatch: pytest.MonkeyPatch, folder: Path, changes: dict[str, str | None]) -> Catalog:
    """The catalog with a copy of the package, some of whose files hold another text or are missing (None).

    ``entry`` stands for its entry points, separated by semicolons.
    """
    package = f"toys_{next(_numbers)}"
    entries = changes.get("entry") or "toy_wrist = PACKAGE.toy_wrist"
    shutil.copytree(PLUGIN / "toy_sources", folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in changes.items() - {("entry", entries)}:
        file = folder / package / name
        file.unlink(missing_ok=True) if text is None else file.write_text(text, "utf-8")
    found = [
        EntryPoint(name, value.replace("PACKAGE", package), PLUGINS)
        for name, value in (line.split(" = ") for line in entries.split("; "))
    ]
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(plugins.installed, "entry_points", lambda group: found)
    return load.__wrapped__()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"toy_wrist.md": CARD.replace("X-ray/Bones/State", "X-ray/Hand/State")},
            r"rows\[0\]\.triplet: 'Hand' is not a",
        ),
        ({"toy_wrist.md": CARD.replace("access: open", "acess: open")}, r"'acess'\. Did you mean 'access'\?"),
        (
            {
                "toy_wrist.md": CARD.replace(
                    "number: 110", "upstream: {modality: a, area: b, task: c}\n      number: 48"
                )
            },
            r"cards of 'busi' and 'toy_wrist' both have a row 48",
        ),
        (
            {"toy_wrist.md": CARD.replace("overlaps: {}", "overlaps: {bussi: x}")},
            r"overlaps names 'bussi'.*mean 'busi'\?",
        ),
        (
            {"toy_wrist.md": CARD.replace("subset: null", "subset: 99")},
            r"row 110 is in subset 99, and .* they are 1 to 53",
        ),
        (
            {"toy_wrist.md": CARD.replace("overlaps: {}", "patients_of: odir\n  overlaps: {}")},
            r"patients_of names 'odir'",
        ),
        ({"toy_wrist.md": None}, r"cannot be read: FileNotFoundError: .*toy_wrist\.md"),
        ({"toy_wrist.py": None}, r"Its loader, the module toys_\d+\.toy_wrist, is not there"),
        ({"toy_wrist.py": "def examples(raw):\n"}, r"cannot be read: (Syntax|Indentation)Error: "),
        ({"toy_wrist.py": "def exampels(raw): ...\n"}, r"lacks the function examples\(raw\)"),
        ({"__init__.py": "raise RuntimeError('no licence key')\n"}, r"cannot be read: RuntimeError: no licence key"),
        ({"entry": "busi = PACKAGE.toy_wrist"}, r"There is another source of that name"),
        ({"entry": "toy_wrist = toy_wrist"}, r"must be of the form 'toy_wrist = toy_sources\.toy_wrist'"),
        ({"entry": "toy_wrist = PACKAGE.toy_wrist:examples"}, r"must be of the form"),
        ({"entry": "Toy Wrist = PACKAGE.toy_wrist"}, r"must be of the form"),
        (
            {"entry": "toy_wrist = nowhere.to.be.found"},
            r"cannot be read: ModuleNotFoundError: No module named 'nowhere'",
        ),
    ],
)
def test_a_source_that_is_not_in_order_is_left_out_with_a_warning_and_the_others_stay(
    changes: dict[str, str | None],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours = list(load())
    assert list(catalog_with(monkeypatch, tmp_path, changes)) == ours
    (warning,) = (record.getMessage() for record in caplog.records)
    assert re.match(r"The source '\w+( \w+)?' of the package '[\w.:]+' is left out\. ", warning)
    assert re.search(why, warning), warning
    assert "\n" not in warning


def test_a_source_in_order_joins_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = catalog_with(
        monkeypatch,
        tmp_path,
        SECOND,
    )
    assert {*found} == {*load(), "toy_wrist", "toy_hand"}
    assert found["toy_wrist"].loader.endswith(".toy_wrist")
    assert not caplog.records


def test_a_source_that_names_one_that_is_left_out_is_left_out_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ours = list(load())
    changes = {**SECOND, "toy_wrist.md": CARD.replace("overlaps: {}", "overlaps: {busy: x}")}
    assert list(catalog_with(monkeypatch, tmp_path, changes)) == ours
    assert [re.findall(r"names '(\w+)'", record.getMessage()) for record in caplog.records] == [["busy"], ["toy_wrist"]]


# ------------------------------------------------------------------------------------------- words of a plug-in's card

HAND = """vocabulary:
    area: {Hand: the hand and the wrist}
    task: {Fracture: is a bone broken, Fracture Detection: where is a bone broken}
    parents: {Fracture: State}
    detects: {Fracture Detection: Fracture}
    overlaps: [[Hand, Bones]]
"""


def declaring(block: str, triplet: str = "X-ray/Hand/Fracture", card: str = CARD) -> str:
    """The card with words of its own."""
    return card.replace("X-ray/Bones/State", triplet).replace("  overlaps: {}", f"  overlaps: {{}}\n  {block.rstrip()}")


def test_a_card_declares_words_that_the_catalog_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = catalog_with(monkeypatch, tmp_path, {"toy_wrist.md": declaring(HAND)})
    assert not caplog.records
    words = found.vocabulary
    assert words.area["Hand"] == "the hand and the wrist"
    assert words.related("area", "Hand", "Bones")
    assert words.related("area", "Bones", "Hand")
    assert not words.related("area", "Hand", "Lung")
    assert words.counts_as("Fracture", pool_tasks=True, cross_tasks=False) == {"Fracture", "State"}
    assert words.counts_as("Fracture Detection", pool_tasks=True, cross_tasks=True) == {
        "Fracture Detection",
        "Fracture",
        "State",
    }
    assert words.related("task", "Fracture Detection", "State")
    facts = RowFacts.of(found["toy_wrist"].row(110), found["toy_wrist"])
    assert set(Interpretation(pool_tasks=True).expanded_triplets(facts)) == {
        MAT("X-ray", "Hand", "Fracture"),
        MAT("X-ray", "Hand", "State"),
    }
    target = find_target({110: facts}, Selection.of("fracture", words), Interpretation())
    assert target.touched({("area", "Bones"), ("task", "State"), ("modality", "CT")}) == {"area", "task"}
    assert "Hand" not in load().vocabulary.area
    assert "Hand" not in STANDARD.area


@pytest.mark.parametrize(
    ("block", "triplet", "why"),
    [
        (
            "vocabulary: {area: {Lung: the lungs and more}}",
            "X-ray/Lung/State",
            "'Lung' is declared as .* elsewhere",
        ),
        ("vocabulary: {area: {lung: x}}", "X-ray/lung/State", "the area 'lung' is the area 'Lung'"),
        ("vocabulary: {area: {Cancer: x}}", "X-ray/Cancer/State", "the area 'Cancer' is the task 'Cancer'"),
        ("vocabulary: {area: {Hand: x}, task: {hand: x}}", "X-ray/Hand/State", "is the task 'hand'"),
        ("vocabulary: {area: {Hand: ' '}}", "X-ray/Hand/State", "needs one line that says what it means"),
        ("vocabulary: {area: {Hand: }}", "X-ray/Hand/State", "vocabulary.area.Hand is to be a text, and is None"),
        ("vocabulary: {area: {Hand and arm: x}}", "X-ray/Bones/State", "'Hand and arm' cannot be a word of the area"),
        ("vocabulary: {area: {Hand/arm: x}}", "X-ray/Bones/State", "'Hand/arm' cannot be a word of the area"),
        ("vocabulary: {area: {'*': x}}", "X-ray/Bones/State", "cannot be a word of the area"),
        ("vocabulary: {areas: {Hand: x}}", "X-ray/Hand/State", "unknown key 'areas'. Did you mean 'area'"),
        ("vocabulary: {area: [Hand]}", "X-ray/Hand/State", "vocabulary.area is to be a mapping"),
        ("vocabulary: {area: {Hand: x}}", "X-ray/Hnd/State", "'Hnd' is not a Med-MAT area. Did you mean 'Hand'"),
        (
            "vocabulary: {task: {Broken: x}, parents: {Broken: Stat}}",
            "X-ray/Bones/Broken",
            "parents has 'Stat'",
        ),
        (
            "vocabulary: {parents: {Level: State}}",
            "X-ray/Bones/Level",
            "gives the task 'Level' 'State', and",
        ),
        ("vocabulary: {parents: {Cancer: Level}}", "X-ray/Bones/Level", "parents gives the task 'Cancer' 'Level'"),
        (
            "vocabulary: {detects: {Organ Detection: State}}",
            "X-ray/Bones/Level",
            "detects gives the task 'Organ",
        ),
        (
            "vocabulary: {task: {A1: x, B1: x}, parents: {A1: B1, B1: A1}}",
            "X-ray/Bones/A1",
            "a circle from 'A1'",
        ),
        ("vocabulary: {task: {A1: x}, parents: {A1: A1}}", "X-ray/Bones/A1", "parents relates 'A1' to itself"),
        ("vocabulary: {overlaps: [[Lung, Skin]]}", "X-ray/Bones/State", "neither of which this card declares"),
        ("vocabulary: {area: {Hand: x}, overlaps: [[Hand, Bone]]}", "X-ray/Hand/State", "has 'Bone', .* mean 'Bones'"),
        ("vocabulary: {area: {Hand: x}, overlaps: [[Hand]]}", "X-ray/Hand/State", "is to be a list of 2"),
    ],
)
def test_words_that_contradict_ours_leave_the_source_out_and_nothing_else(
    block: str,
    triplet: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = catalog_with(monkeypatch, tmp_path, {"toy_wrist.md": declaring(block, triplet)})
    assert list(found) == list(load())
    assert found.vocabulary == STANDARD
    (warning,) = (record.getMessage() for record in caplog.records)
    assert re.search(why, warning), warning
    assert "toy_wrist.md" in warning
    assert "\n" not in warning


def second(block: str, triplet: str) -> dict[str, str | None]:
    """Two sources of a package, the first of which declares words; what the second declares."""
    card = declaring(
        block, triplet, SECOND["toy_hand.md"].replace("  overlaps: {toy_wrist: The same pictures.}", "  overlaps: {}")
    )
    return {**SECOND, "toy_wrist.md": declaring(HAND), "toy_hand.md": card}


def test_two_cards_may_declare_one_word_alike_or_one_of_them_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    both = catalog_with(monkeypatch, tmp_path, second(HAND, "X-ray/Hand/State"))
    uses = catalog_with(monkeypatch, tmp_path, second("vocabulary: {}", "X-ray/Hand/Fracture"))
    assert not caplog.records
    for found in (both, uses):
        assert {"toy_wrist", "toy_hand"} < set(found)
        words = RowFacts.of(found["toy_hand"].row(111), found["toy_hand"]).vocabulary  # needs no other card
        assert words.related("area", "Hand", "Bones")


def test_of_two_cards_that_contradict_each_other_one_is_left_out_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = catalog_with(
        monkeypatch, tmp_path, second("vocabulary: {area: {Hand: all of the arm}}", "X-ray/Hand/State")
    )
    assert {*found} - {*load()} == {"toy_hand"}
    (warning,) = (record.getMessage() for record in caplog.records)
    assert "'toy_wrist'" in warning
    assert "toy_hand.md" in warning
    assert "'Hand' is declared as" in warning


def test_a_source_whose_words_are_left_out_with_another_is_left_out_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    changes = second("vocabulary: {}", "X-ray/Hand/Fracture")
    assert changes["toy_wrist.md"] is not None
    changes["toy_wrist.md"] = changes["toy_wrist.md"].replace("overlaps: {}", "overlaps: {busy: x}")
    assert list(catalog_with(monkeypatch, tmp_path, changes)) == list(load())
    assert [re.findall(r"'(busy|Hand)'", record.getMessage()) for record in caplog.records] == [["busy"], ["Hand"]]


def test_a_source_that_is_left_out_takes_no_word_or_row_from_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    changes = second("vocabulary: {area: {Hand: all of the arm}}", "X-ray/Hand/State")
    assert changes["toy_hand.md"] is not None  # comes first, and contradicts the other
    changes["toy_hand.md"] = changes["toy_hand.md"].replace("overlaps: {}", "overlaps: {busy: x}").replace("111", "110")
    found = catalog_with(monkeypatch, tmp_path, changes)
    assert {*found} - {*load()} == {"toy_wrist"}
    assert found.vocabulary.area["Hand"] == "the hand and the wrist"
    (warning,) = (record.getMessage() for record in caplog.records)
    assert "toy_hand" in warning
    assert "busy" in warning


@pytest.mark.usefixtures("arrow_cache")
def test_a_build_with_the_words_of_a_plug_in_opens_without_it(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(PLUGIN, site, ignore=shutil.ignore_patterns("__pycache__"))
    (site / "toy_sources/toy_wrist.md").write_text(declaring(HAND), "utf-8")
    assert "toy_wrist" in run("sources", "hand", cwd=tmp_path, plugin=site).stdout
    assert "Did you mean" in run("sources", "hnad", cwd=tmp_path, plugin=site).stderr
    assert run("miniature", "raw", "toy_wrist", "busi", cwd=tmp_path, plugin=site).returncode == 0
    built = run("build", "--raw", "raw", "--out", "Med-MAT", "--jobs", "1", "--quiet", cwd=tmp_path, plugin=site)
    assert built.returncode == 0, built.stderr

    manifest = json.loads((tmp_path / "Med-MAT/med_mat.json").read_text("utf-8"))
    assert manifest["vocabulary"] == {
        "area": {"Hand": "the hand and the wrist"},
        "task": {"Fracture": "is a bone broken"},
        "parents": {"Fracture": "State"},
        "overlaps": [["Hand", "Bones"]],
    }
    assert "Hand" in (tmp_path / "Med-MAT/README.md").read_text("utf-8")

    mat = med_mat.open(tmp_path / "Med-MAT")  # here the package is not installed
    assert "toy_wrist" not in load()
    for asked in ("Hand", "hand", "x-ray/hand/*", MAT(area="Hand"), ["Hand"]):
        assert len(mat.where(asked)) == 20, asked
    assert len(mat.where(area="Hand", task=["Fracture", "Cancer"])) == 20
    assert len(mat.where(~MAT(area="Hand"))) == len(mat) - 20
    assert mat.select("Hand", split="train").num_rows == 18
    with pytest.raises(VocabularyError, match=r"'Hnd' is not a modality, an area or a task\. Did you mean 'Hand'"):
        mat.where("Hnd")
    with pytest.raises(VocabularyError, match=r"'Foot' is not a Med-MAT area.*Known: .*Hand"):
        mat.where(MAT(area="Foot"))
    experiment = mat.held_out("Hand")
    assert {one["area"] for one in experiment.test} == {"Hand"}
    assert {one["area"] for one in experiment.train} == {"Breast"}
    experiment.audit()  # raises where a rule does not hold
    assert mat.grid()["X-ray", "Hand"] == 20

    manifest["vocabulary"]["area"] = {"Lung": "something else", "Hand": "the hand"}
    (tmp_path / "Med-MAT/med_mat.json").write_text(json.dumps(manifest), "utf-8")
    assert med_mat.open(tmp_path / "Med-MAT").vocabulary.area["Lung"] == STANDARD.area["Lung"]  # ours holds
    del manifest["vocabulary"]
    (tmp_path / "Med-MAT/med_mat.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(BuildError, match=r"rows\.110\.triplet: 'Hand' is not a Med-MAT area"):
        med_mat.open(tmp_path / "Med-MAT")


def keys(data: Any, *above: str | int) -> Iterator[tuple[str | int, ...]]:
    """The place of each value of plain data."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from keys(value, *above, key)


def test_a_card_that_lacks_any_one_fact_is_refused_or_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PLUGIN))
    front = yaml.safe_load(CARD.split("---\n")[1])
    raw = tmp_path / "raw"
    Miniature(raw).image("broken/1.png")
    Miniature(raw).image("whole/1.png")
    kept, refusals = 0, []
    for number, place in enumerate(keys(front)):
        changed = copy.deepcopy(front)
        holder = functools.reduce(operator.getitem, place[:-1], changed)
        del holder[place[-1]]
        try:
            source = read_card("toy_wrist", f"---\n{yaml.safe_dump(changed)}\n---\n")
        except CardError as error:
            refusals.append(str(error))
            continue
        ours = Catalog({"toy_wrist": replace(source, loader="toy_sources.toy_wrist")}, load().subsets)
        out = tmp_path / str(number)
        try:
            built = build(find({"toy_wrist": raw}, None, ours), out, Options(jobs=1), catalog=ours)
        except MedMATError as error:  # of a layout without files
            refusals.append(str(error))
        else:
            kept += 1
            assert built.failed or (out / "cards/toy_wrist.md").is_file(), place
    assert all("toy_wrist" in one for one in refusals)
    assert kept > 5


def test_a_bad_card_stops_no_command(tmp_path: Path) -> None:
    shutil.copytree(PLUGIN, tmp_path / "site", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "site/toy_sources/toy_wrist.md").write_text(CARD.replace("redistributable: true", "redistributable: 1"))
    for command in (["sources"], ["show", "busi"]):
        done = run(*command, cwd=tmp_path, plugin=tmp_path / "site")
        assert done.returncode == 0, done.stderr
        assert "The source 'toy_wrist' of the package 'toy-sources' is left out. The card toy_wrist.md" in done.stderr
        assert "redistributable is to be true, false or null, and is 1" in done.stderr
    assert run("show", "toy_wrist", cwd=tmp_path, plugin=tmp_path / "site").returncode == 1
