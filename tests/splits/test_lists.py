"""Own lists of records, in every form, taken as given; the audit tells what leaks."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import LUNG, MADE, World, audited, made_rows, made_up, many, tried, worlds

from med_mat.errors import AuditError, SplitError, VocabularyError
from med_mat.selection import field

TRAIN, TEST, VALIDATION = [1, 2, 3, 20], [30, 31], [40, 41, 42]


@pytest.fixture(scope="module")
def world() -> World:
    return made_up(many({(1, "a"): 20, (2, "b"): 15, (3, "c"): 10}), made_rows())


@pytest.fixture(scope="module")
def ids(world: World) -> list[str]:
    found: list[str] = world.mat.index["id"].to_pylist()
    return found


def table(path: Path, columns: dict[str, list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return path


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def parquet(path: Path, columns: dict[str, list[str]]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


FORMS: dict[str, Callable[[Path, list[str], list[int]], Any]] = {
    "ids": lambda _, names, __: names,
    "ids of numpy": lambda _, names, __: np.array(names),
    "ids of arrow": lambda _, names, __: pa.array(names),
    "a set": lambda _, names, __: set(names),
    "positions": lambda _, __, places: places,
    "positions of numpy": lambda _, __, places: np.array(places),
    "positions out of order": lambda _, __, places: places[::-1],
    "a text": lambda path, names, _: str(written(path / "x.txt", "\ufeff" + "\r\n".join([*names, "", " "]))),
    "a path": lambda path, names, _: written(path / "x.txt", "\n".join(names)),
    "csv": lambda path, names, _: table(path / "x.csv", {"label": ["x"] * len(names), "id": names}),
    "csv with parts": lambda path, names, _: table(
        path / "x.csv", {"id": [*names, "other"], "part": ["train"] * len(names) + ["test"]}
    ),
    "parquet": lambda path, names, _: parquet(path / "x.parquet", {"id": names}),
    "parquet with parts": lambda path, names, _: parquet(
        path / "x.PARQUET", {"id": [*names, "other"], "part": ["train"] * len(names) + ["validation"]}
    ),
    "json": lambda path, names, _: written(path / "x.json", json.dumps(names)),
    "json with parts": lambda path, names, _: written(path / "x.json", json.dumps({"train": names, "test": ["other"]})),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_list_in_every_form(world: World, ids: list[str], tmp_path: Path, form: str) -> None:
    given = FORMS[form](tmp_path, [ids[p] for p in TRAIN], TRAIN)
    made = world.mat.split(train=given, test=TEST)
    assert made.train_positions.tolist() == TRAIN
    assert made.test_positions.tolist() == TEST
    assert made.target.mats == (world.of(30).mat,)
    audit = made.audit()
    assert audit.train == {"CT/Lung/Cancer": 4}
    assert str(audit).startswith("split for CT/Brain/Cancer ")
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(made.definition), "utf-8")
    again = world.mat.experiment(tmp_path / "again.yaml")
    assert again.train_positions.tolist() == TRAIN
    made.save(tmp_path / "kept.parquet")
    back = world.mat.load_split(tmp_path / "kept.parquet")
    assert back.definition == made.definition
    assert str(back.audit()) == str(audit)


def test_selections_are_lists_too(world: World) -> None:
    for train in ("CT/*/* & split=train", [MADE[1], MADE[2]], field("source", "source_2"), MADE[1]):
        made = world.mat.split(train=train, test="CT/Lung/Cancer & split=test", validation="*/*/COVID & row=3")
        assert made.train_positions.tolist() == world.mat.where(train).tolist()
        assert made.definition["train"] == str(world.mat.selection(train))
        assert world.mat.experiment(made.definition).train_positions.tolist() == made.train_positions.tolist()
    with pytest.raises(VocabularyError, match="Lungs"):
        world.mat.split(train="CT/Lungs/Cancer", test=LUNG)
    with pytest.raises(SplitError, match=r"^train: no record of this Med-MAT is CT/Lung/Cancer & label=b"):
        world.mat.split(train="CT/Lung/Cancer & label=b", test=LUNG)


def test_a_list_or_a_share_validates(world: World, tmp_path: Path) -> None:
    made = world.mat.split(train=TRAIN, test=TEST, validation=VALIDATION)
    assert made.validation_positions.tolist() == VALIDATION
    for name in ("x.parquet", "x.json", "x.csv"):
        made.save(tmp_path / name)
        path = tmp_path / name
        same = world.mat.split(train=path, test=path, validation=path)
        assert [same.train_positions.tolist(), same.validation_positions.tolist(), same.test_positions.tolist()] == [
            TRAIN, VALIDATION, TEST,
        ]  # fmt: skip
    assert world.mat.experiment(made.definition).validation_positions.tolist() == VALIDATION
    shared = world.mat.split(train=LUNG, test=TEST, validation=0.2)
    assert (len(shared.train_positions), len(shared.validation_positions)) == (17, 4)
    assert world.mat.experiment(shared.definition).train_positions.tolist() == shared.train_positions.tolist()
    assert len({tuple(one.train_positions.tolist()) for one in shared.repeat(range(5))}) == 5


def test_a_target_is_never_trained_on(world: World) -> None:
    world.mat.split(train=MADE[1], test="CT/Lung/Cancer & split=test", target=LUNG).audit()
    made = world.mat.split(train=TRAIN, test="CT/Lung/Cancer & split=test", target=LUNG)
    with pytest.raises(AuditError, match="train holds 4 records of the target, of which 0 are allowed"):
        made.audit()
    assert world.mat.experiment(made.definition).rule == made.rule
    with pytest.raises(AuditError, match="test holds records that are not the target's"):
        world.mat.split(train=VALIDATION, test=TEST, target=LUNG).audit()


@settings(max_examples=200)
@given(worlds(), st.data())
def test_what_leaks_is_told_or_dropped(made: tuple[Any, Any], data: st.DataObject) -> None:
    world = made_up(*made)
    every = st.lists(st.integers(0, len(world.records) - 1), unique=True, min_size=1, max_size=9)
    lists = {part: data.draw(every) for part in ("train", "test", "validation")}
    group = world.mat.tags.group
    sides = {part: set(group[places].tolist()) for part, places in lists.items()}
    leak = bool(sides["train"] & sides["test"] or sides["train"] & sides["validation"] or
                sides["validation"] & sides["test"])  # fmt: skip
    kept = world.mat.split(**lists)
    _, why = audited(kept)
    assert ("are in train and in test" in why or "are in validation and in" in why) == leak
    dropping, _ = tried(lambda: world.mat.split(**lists, leaks="drop"))
    expected = {"test": sorted(lists["test"])}
    expected["validation"] = sorted(p for p in lists["validation"] if group[p] not in sides["test"])
    held = set(group[expected["validation"]].tolist()) if expected["validation"] else set()
    expected["train"] = sorted(p for p in lists["train"] if group[p] not in sides["test"] | held)
    if dropping is None:
        assert not expected["train"]
        return
    assert dropping.train_positions.tolist() == expected["train"]
    assert dropping.validation_positions.tolist() == expected["validation"]
    assert sum(dropping.dropped.values()) == sum(len(lists[part]) - len(expected[part]) for part in lists)
    found, why = audited(dropping)
    assert found is not None, why


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            ["source_1/1/3", "source_1/1/99"],
            r"train: this Med-MAT lacks 1 of the 2 ids, such as 'source_1/1/99'\. Did you",
        ),
        (
            ["CT/Lung/Cancer"],
            "lacks 1 of the 1 ids, such as 'CT/Lung/Cancer'.*A selection is given as text, not in a list",
        ),
        (["source_1/1/3", "source_1/1/3"], "train names 1 records twice, such as source_1/1/3"),
        ([3, 4, 3], "train names 1 records twice, such as source_1/1/4"),
        ([3, 46], "train: 46 is not a position in the index: these go from 0 to 45"),
        ([-1], "train: -1 is not a position"),
        ([], "train must be a selection .*, not an empty list"),
        ([True], r"train must be a selection .*, not \[True\]"),
        ([1.0], r"not \[1\.0\]"),
        ([1, "a"], r"not \[1, 'a'\]"),
        (3.5, "not 3.5"),
        ("absent.txt", "absent.txt: the list of ids for train cannot be read .*No such file"),
        (Path("x.docx"), r"x\.docx: a list of ids must be a file ending in \.txt, \.csv, \.json, \.parquet"),
    ],
)
def test_what_is_no_list(world: World, train: Any, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        world.mat.split(train=train, test=TEST)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", b"\xff\xfe", "the list of ids for train cannot be read"),
        ("x.txt", b"\n \n", "lists no id for train"),
        ("x.csv", b"name,part\na,train\n", "has no column 'id': it has name, part"),
        ("x.csv", b"", "has no column 'id': it has none"),
        ("x.csv", b"id,part\na,test\n", "lists no id for train"),
        ("x.csv", b"part,id\ntrain\n", "expected ids as texts for train"),
        ("x.json", b"{", "the list of ids for train cannot be read"),
        ("x.json", b"[1, 2]", "expected ids as texts for train"),
        ("x.json", b'{"tests": ["a"]}', "has no list of ids for train: it has tests"),
        ("x.json", b'{"records": 3}', "has no list of ids for train"),
        ("x.json", b'{"train": "a"}', "expected ids as texts for train"),
        ("x.json", b"3", "expected ids as texts for train"),
        ("x.parquet", b"PAR1", "the list of ids for train cannot be read"),
    ],
)
def test_files_that_are_no_list(world: World, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SplitError, match=message):
        world.mat.split(train=tmp_path / name, test=TEST)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"among": "CT/*/*"}, r"takes them as they are, and not among='CT/\*/\*': choose the records in the lists"),
        ({"test_on": "test"}, "not test_on='test'"),
        ({"balanced_test": True}, "not balanced_test=True"),
        ({"withheld": True}, "not withheld=True"),
        ({"contradictory": "drop"}, "not contradictory='drop'"),
        ({"leaks": "no"}, "leaks: 'no' is not one of keep, drop"),
        ({"sise": 3}, "no option 'sise'. Did you mean 'size'"),
        ({"validation": 0.7}, "validation is the share of the training records to set apart, from 0 to 0.5"),
        ({"validation": True}, "validation must be a selection"),
    ],
)
def test_options_that_do_not_go_with_own_lists(world: World, given: dict[str, Any], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        world.mat.split(train=TRAIN, test=TEST, **given)


def test_records_of_the_test_part_that_train_are_noted(world: World) -> None:
    tested = world.mat.where(split="test")
    audit = world.mat.split(train=[*TRAIN, *tested.tolist()], test=TEST).audit()
    assert "1 training records are of the test part of their source, by which others may be tested" in audit.notes


def test_a_long_list_is_told_in_one_line(world: World, ids: list[str]) -> None:
    audit = world.mat.split(train=TRAIN, test=TEST).audit()
    assert f"  train: 4 entries, the first {ids[1]}" in str(audit)
