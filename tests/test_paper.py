from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from workshop import Workshop

import med_mat
from med_mat import catalog, paper
from med_mat.cli import cli
from med_mat.dataset import MedMAT
from med_mat.errors import CardError, MedMATError, SplitError, VocabularyError
from med_mat.paper import PaperCombination, Part
from med_mat.selection import MAT
from med_mat.splits.combinations import enumerate_combinations
from med_mat.splits.interpretation import Interpretation

LLAVA = "LLaVA-v1.5-7B"
TEXT = (Path(paper.__file__).parent / "data" / "paper.yaml").read_text("utf-8")
DATA = yaml.safe_load(TEXT)
EVERY = [pytest.param(row, id=f"{row.kind}-{row.number}") for row in paper.combinations()]


@pytest.fixture(scope="module")
def mat(workshop: Workshop) -> MedMAT:
    return med_mat.open(workshop.out)


def names(subset: catalog.Subset, interpretation: Interpretation = Interpretation()) -> set[MAT]:  # noqa: B008
    """The triplets that a subset stands for in the paper's interpretation."""
    there = subset.upstream
    literal = (MAT(there.modality, there.area, task) for task in (subset.mat.task, *subset.also))
    return {wide for name in literal for wide in interpretation.expanded(name)}


def interpretation_of(row: PaperCombination) -> Interpretation:
    return Interpretation("paper", pool_tasks=True, cross_tasks=row.kind == "detection")


# --- the figures


def test_every_row_of_the_tables_is_there() -> None:
    assert {name: len(table.rows) for name, table in paper.tables().items()} == {
        "subsets": 53, "two": 43, "three": 9, "detection": 8, "detection_targets": 4, "disruption": 2,
        "backbones": 4 * 8, "few_shot": 8, "other_elements": 4, "training": 5, "crossmed": 4,
    }  # fmt: skip
    for kind in ("two", "three", "detection"):
        assert [row.number for row in paper.combinations(kind)] == list(range(1, len(paper.combinations(kind)) + 1))
    assert [row.number for row in paper.subsets()] == list(catalog.load().subsets)
    assert all(table.source for table in paper.tables().values())


def test_every_mark_of_the_paper_follows_from_its_figures() -> None:
    marked = [row for row in paper.combinations() if row.kind != "detection"]
    assert [row.helps for row in marked] == [row.figures[LLAVA].helps for row in marked]
    assert all(row.helps is None for row in paper.combinations("detection"))
    two = Counter((row.direction, row.helps) for row in paper.combinations("two"))
    assert {direction: (two[direction, True], two[direction, False]) for direction, _ in two} == {
        "fixed modality": (13, 1), "fixed area": (3, 1), "fixed task": (10, 2), "fixed pair": (11, 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        (None, (38.5, 40.0, 50.5)),
        ("fixed modality", (40.9, 41.4, 47.4)),
        ("fixed area", (35.0, 29.0, 48.8)),
        ("fixed task", (37.0, 42.1, 57.7)),
        ("fixed pair", (38.5, 40.0, 47.8)),
    ],
)
def test_means_of_two_elements(direction: str | None, expected: tuple[float, ...]) -> None:
    rows = [row.figures[LLAVA] for row in paper.combinations("two") if direction in (None, row.direction)]
    for name, value in zip(("baseline", "baseline_plus", "trained"), expected, strict=True):
        assert mean(getattr(row, name) for row in rows) == pytest.approx(value, abs=0.051)


@pytest.mark.parametrize(
    ("role", "number", "expected"), [("id", 25, (29.6, 53.1, 79.8)), ("ood", 12, (30.5, None, 45.3))]
)
def test_means_of_the_subsets(role: str, number: int, expected: tuple[float | None, ...]) -> None:
    rows = [row for row in paper.subsets() if catalog.load().subsets[row.number].role == role]
    assert len(rows) == number
    for name, value in zip(("baseline", "single_task", "multi_task"), expected, strict=True):
        figures = {getattr(row, name) for row in rows} if value is None else None
        assert (
            figures == {None} if figures else mean(getattr(row, name) for row in rows) == pytest.approx(value, abs=0.05)
        )


def test_detection_subsets_have_no_accuracy() -> None:
    rows = [row for row in paper.subsets() if catalog.load().subsets[row.number].role == "detection"]
    assert len(rows) == 16
    assert {(row.baseline, row.single_task, row.multi_task) for row in rows} == {(None, None, None)}


def test_a_baseline_is_that_of_the_target_or_the_clash_is_noted() -> None:
    known = {row.number: row.baseline for row in paper.subsets()}
    rows = [row for row in paper.combinations() if row.kind != "detection"]
    clashing = [row for row in rows if known[row.target.subsets[0]] != row.figures[LLAVA].baseline]
    assert [(row.kind, row.number) for row in clashing] == [("two", 21), ("three", 1), ("three", 2)]
    assert all("clash" in row.notes[0] for row in clashing)


def test_the_runs_give_their_mean_and_deviation() -> None:
    two = paper.combinations("two")
    rows = [row for row in paper.backbones() if row.runs]
    assert len(rows) == 8
    for row in rows:
        assert row.trained == pytest.approx(mean(row.runs), abs=0.01)
        assert row.sd == pytest.approx(stdev(row.runs), abs=0.01)
        assert round(row.baseline or 0) == two[row.combination - 1].figures[LLAVA].baseline
    directions = Counter(two[row.combination - 1].direction for row in rows)
    assert len(directions) == 4
    assert set(directions.values()) == {2}


def test_two_rows_of_one_experiment_are_known() -> None:
    """Where the words tell no difference, a note does."""
    same: dict[Any, list[PaperCombination]] = {}
    for row in paper.combinations("two"):
        same.setdefault((row.parts, row.target.triplet, row.target.subsets), []).append(row)
    pairs = [rows for rows in same.values() if len(rows) > 1]
    assert [[row.number for row in rows] for rows in pairs] == [[20, 22]]
    assert all("20 and 22" in row.notes[0] for row in pairs[0])


# --- triplets and subsets


@pytest.mark.parametrize("row", EVERY)
def test_a_combination_is_one_of_its_direction(row: PaperCombination) -> None:
    everything = set().union(*(names(subset) for subset in catalog.load().subsets.values()))
    found = enumerate_combinations(everything, row.target.triplet, interpretation_of(row))
    parts = sorted(part.triplet for part in row.parts)
    assert (row.direction, parts) in [(one.direction, sorted(one.parts)) for one in found]


@pytest.mark.parametrize("row", EVERY)
def test_the_subsets_of_a_part_stand_for_its_triplet(row: PaperCombination) -> None:
    subsets = catalog.load().subsets.values()
    for part in (*row.parts, row.target):
        fitting = tuple(subset.number for subset in subsets if part.triplet in names(subset, interpretation_of(row)))
        assert fitting
        assert set(part.subsets) <= set(fitting)
        if len(part.subsets) > 1:  # open: all that fit are named
            assert part.subsets == fitting


# --- the experiments over a build


@pytest.mark.parametrize("row", EVERY)
def test_a_published_combination_is_an_experiment(row: PaperCombination, mat: MedMAT) -> None:
    trained, base = row.experiment(mat), row.experiment(mat, "baseline_plus")
    trained.audit()
    base.audit()
    assert len(base.train_positions) == len(trained.train_positions)
    assert base.test_positions.tolist() == trained.test_positions.tolist()
    assert of(mat, trained.test_positions) <= set(row.target.subsets)
    known = {subset for part in row.parts for subset in part.subsets}
    assert known <= of(mat, trained.train_positions)
    if all(part.subsets for part in row.parts):
        assert known == of(mat, trained.train_positions)
    assert mat.experiment(trained.definition).train_positions.tolist() == trained.train_positions.tolist()


def of(mat: MedMAT, positions: Any) -> set[int | None]:
    """The subsets of some records."""
    return {mat.tags.facts[int(row)].subset for row in np.unique(mat.tags.row[positions])}


def test_where_it_is_open_which_subset_was_taken_one_can_choose(mat: MedMAT) -> None:
    row = paper.combinations("two")[4]
    assert of(mat, row.experiment(mat).train_positions) == {25, 32, 35}
    assert of(mat, row.experiment(mat, among="!subset=35").train_positions) == {25, 32}


def test_single_and_multi_task(mat: MedMAT) -> None:
    row = paper.subsets()[1]
    own, all_of_them = row.experiment(mat, "single_task"), row.experiment(mat, "multi_task")
    assert of(mat, own.train_positions) == {2}
    assert of(mat, all_of_them.train_positions) == {s.number for s in catalog.load().subsets.values() if s.role == "id"}
    assert own.test_positions.tolist() == all_of_them.test_positions.tolist()


@pytest.mark.parametrize("row", paper.disruption(), ids=lambda row: row.target.paper)
def test_disruption(row: paper.Disruption, mat: MedMAT) -> None:
    arms = row.experiments(mat, size=None)
    assert {"baseline", *arms} == set(row.figures)
    assert len({len(arm.train_positions) for arm in arms.values()}) == 1
    for arm in arms.values():
        arm.audit()
        assert of(mat, arm.test_positions) == set(row.target.subsets)
    with pytest.raises(SplitError, match="15,000 training records"):  # the published size
        row.experiments(mat)


def test_what_a_build_lacks_is_named(workshop: Workshop, tmp_path: Path) -> None:
    from med_mat.building import Options, build, find

    found = find({"chest_ct_scan": None}, workshop.raw)
    build(found, tmp_path / "out", Options(jobs=1))
    small = med_mat.open(tmp_path / "out")
    with pytest.raises(SplitError, match=r"no record of the part CT/Lung/COVID \(03\)\. Sources that hold it: \w+"):
        paper.combinations("two")[0].experiment(small)
    with pytest.raises(SplitError, match="neither 'trained' nor 'baseline_plus'"):
        paper.combinations("two")[0].experiment(small, "related")  # type: ignore[arg-type]
    with pytest.raises(SplitError, match="neither 'single_task' nor 'multi_task'"):
        paper.subsets()[0].experiment(small, "baseline")  # type: ignore[arg-type]


# --- reading and printing


def leaves(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to everything that is neither a list nor a mapping."""
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(value, (*path, key))
    else:
        yield path


@settings(max_examples=60)
@given(st.sampled_from(list(leaves(DATA))), st.sampled_from([{"a": 1}, [[]], b"x"]))
def test_a_wrong_value_is_named_by_its_key(path: tuple[Any, ...], value: Any) -> None:
    broken = copy.deepcopy(DATA)
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    table, *rest = (str(key) for key in path if not isinstance(key, int))
    with pytest.raises(CardError, match=rf"^it: {table}\.{r'.*'.join(rest)}"):
        paper.read(yaml.safe_dump(broken), "it")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("direction: fixed task", "direction: fixed", r"two\.rows\[18\]\.direction: 'fixed' is not one of"),
        ("triplet: OCT/Retina/Diseases", "triplet: OCT/Retina/Deseases", r"parts\[1\]\.triplet: .*'Diseases'"),
        ("shots: 0, ", "", r"few_shot\.rows\[0\] lacks the key 'shots'"),
        ("shots: 0, ", "shot: 0, ", r"few_shot\.rows\[0\] has an unknown key 'shot'"),
        ("helps: true", "helps: 1", r"two\.rows\[0\]\.helps must be true, false or null, not 1"),
        ("crossmed:", "cross_med:", "expected the keys subsets, two"),
        ("subsets:\n", "subsets: [\n", "is not YAML"),
    ],
)
def test_a_fault_is_named(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(CardError, match=message):
        paper.read(TEXT.replace(old, new, 1), "it")


def test_the_command_prints_every_row_and_figure() -> None:
    text = CliRunner().invoke(cli, ["paper", "two", "detection"], catch_exceptions=False).output
    lines = text.splitlines()
    assert lines[0] == "Combinations of two elements: v2, Table 3 (words in brackets from v1, Table 3)"
    assert sum(line.startswith(tuple("0123456789")) for line in lines) == 43 + 8
    first = " ".join(next(line for line in lines if line.startswith("1  ")).split())
    assert first == "1 fixed modality CT/Lung/COVID (03) + CT/Brain/Cancer (06) CT/Lung/Cancer (04) 25 25 27 yes"
    assert "X-ray/Bones/Level (25 or 35) + X-ray/Lung/Diseases (?)" in text
    assert "baseline of 25 clashes" in text
    assert max(map(len, (line for line in lines if line.startswith("- ")))) <= 110


def test_the_command_prints_markdown() -> None:
    text = CliRunner().invoke(cli, ["paper", "--markdown"], catch_exceptions=False).output
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert titles == [table.title for table in paper.tables().values()]
    assert "| number | baseline | single_task | multi_task | stated | inferred |" in text
    assert "| 2 | 21 | 24 | 96 | Diseases |  |" in text
    assert "| MiniGPT-v2 | 3 | 2e-05 | 2e-06 |" in text


def test_the_command_prints_json_that_reads_back() -> None:
    made = json.loads(CliRunner().invoke(cli, ["paper", "--json"], catch_exceptions=False).output)
    first = made["two"]["rows"][0]
    assert first["figures"] == {LLAVA: {"baseline": 25, "baseline_plus": 25, "trained": 27}}
    assert first["target"] == {"paper": "Lung Cancer", "triplet": "CT/Lung/Cancer", "subsets": [4], "sure": "inferred"}
    for name, table in made.items():
        for row in table["rows"]:
            row.pop("kind", None)
        assert len(table["rows"]) == len(paper.tables()[name].rows)


def test_an_unknown_table_gets_a_suggestion() -> None:
    with pytest.raises(VocabularyError, match="Did you mean 'disruption'"):
        paper.chosen(["disrupt"])
    assert issubclass(VocabularyError, MedMATError)
    assert list(paper.chosen(["three", "two"])) == ["three", "two"]


def test_a_part_as_text() -> None:
    part = Part("Lung State", MAT("CT", "Lung", "State"), (3, 5), "stated")
    assert str(part) == "CT/Lung/State (03 or 05, stated)"
    assert part.selection == "CT/Lung/State & subset=3|5"
    assert Part("X-ray Lung", MAT("X-ray", "Lung", "State")).selection == "X-ray/Lung/State"
