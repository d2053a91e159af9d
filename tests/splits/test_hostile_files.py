"""Experiment files and split files by other people: whatever stands in them, the answer is one sentence.

Each value of a file that is right is replaced by null, lists, numbers, texts and nested ones, one at a time.
"""

from __future__ import annotations

import copy
import inspect
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import LUNG, World, made_rows, made_up, many

from med_mat.errors import AuditError, MedMATError
from med_mat.splits import experiments
from med_mat.splits.options import Options

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
ODD: tuple[Any, ...] = (
    None,
    [],
    {},
    [None],
    [[1]],
    {"a": [1]},
    True,
    -1,
    1.5,
    10**400,
    float("nan"),
    "",
    "x",
    "\ud800",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from([10**400, "../x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
RIGHT: dict[str, Any] = {
    "target": str(LUNG), "axis": "task", "parts": ["CT/*/*", "X-ray/*/*"], "n": 3, "source": "source_2",
    "k": 2, "fold": 0, "train": "split=train", "test": "split=test",
}  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    return made_up(many({(2, "a"): 9, (2, "b"): 5, (3, "c"): 6, (4, "a"): 40}), made_rows())


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a document stand; of long lists and mappings the first three."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in list(inside)[:3] if len(path) > 1 else inside:
        yield from nodes(one, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a place."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    inside = changed
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return changed


def told(error: MedMATError, path: Path) -> None:
    said = str(error)
    assert str(path) in said
    assert "\n" not in said
    assert not re.search(r"object at 0x|Traceback", said)


def tried(world: World, path: Path, definition: Any) -> None:
    path.write_text(json.dumps(definition), "utf-8")
    try:
        made = world.mat.experiment(path)
    except MedMATError as error:
        said = error
    else:
        with suppress(AuditError):
            made.audit()
        return
    told(said, path)


@pytest.mark.parametrize("name", experiments())
def test_each_key_of_an_experiment_file_may_hold_anything(world: World, tmp_path: Path, name: str) -> None:
    known = inspect.signature(experiments()[name].make).parameters
    right = {"experiment": name, **{key: value for key, value in RIGHT.items() if key in known}}
    keys = {*known, *(one.name for one in fields(Options)), "experiment", "mat", "self", "nobody knows"}
    for key in sorted(keys):
        for value in ODD:
            tried(world, tmp_path / "x.yaml", {**right, key: value})


@SAME_FOLDER
@given(
    document=JSON | st.dictionaries(st.sampled_from(["experiment", *RIGHT]), st.sampled_from([*experiments()]) | JSON)
)
def test_an_experiment_file_may_be_anything(world: World, tmp_path: Path, document: Any) -> None:
    tried(world, tmp_path / "x.json", document)


def opened(world: World, path: Path) -> None:
    try:
        made = world.mat.load_split(path)
    except MedMATError as error:
        said = error
    else:
        repr(made), str(made.target), made.definition
        made.save(path.with_suffix(".csv"))
        with suppress(AuditError):
            made.audit()
        return
    told(said, path)


def test_each_value_of_a_split_file_may_be_anything(world: World, tmp_path: Path) -> None:
    made = world.mat.related(LUNG, size=9)
    made.save(tmp_path / "right.json")
    made.save(tmp_path / "right.parquet")
    right = json.loads((tmp_path / "right.json").read_text("utf-8"))
    table = pq.read_table(tmp_path / "right.parquet")
    facts = {key: value for key, value in right.items() if key != "records"}
    for path in nodes(right):
        for value in ODD:
            (tmp_path / "x.json").write_text(json.dumps(put(right, path, value)), "utf-8")
            opened(world, tmp_path / "x.json")
    for path in nodes(facts):
        for value in (None, [None], {"a": [1]}, 1.5, "x"):
            changed = table.replace_schema_metadata({"med_mat.split": json.dumps(put(facts, path, value))})
            pq.write_table(changed, tmp_path / "x.parquet")
            opened(world, tmp_path / "x.parquet")


@pytest.mark.parametrize("column", ["id", "part", "content"])
def test_each_column_of_a_split_file_may_hold_anything(world: World, tmp_path: Path, column: str) -> None:
    world.mat.related(LUNG, size=9).save(tmp_path / "x.parquet")
    table = pq.read_table(tmp_path / "x.parquet")
    at, size = table.schema.get_field_index(column), len(table)
    kind = table.schema.field(column).type
    others = [
        pa.nulls(size, kind), pa.array([None, *table[column].to_pylist()[1:]], kind), pa.array(range(size)),
        pa.array([[1]] * size), pa.nulls(size), table[column].dictionary_encode(), pa.array([{"a": 1}] * size),
    ]  # fmt: skip
    for other in others:
        pq.write_table(table.set_column(at, column, other), tmp_path / "x.parquet")
        opened(world, tmp_path / "x.parquet")
    pq.write_table(table.drop_columns([column]), tmp_path / "x.parquet")
    opened(world, tmp_path / "x.parquet")
