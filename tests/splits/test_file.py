from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from worlds import LUNG, Record, Row, World, made_rows, made_up, many, replace, with_more

from med_mat.errors import MedMATError, SplitError
from med_mat.selection import MAT


@pytest.fixture
def world() -> World:
    return made_up(many({(2, "a"): 9, (2, "b"): 5, (3, "c"): 6, (4, "a"): 40}), made_rows())


def test_a_saved_split_loads_over_a_build_that_has_grown(world: World, tmp_path: Path) -> None:
    made = world.mat.related(LUNG, size=8, seed=3)
    made.save(tmp_path / "split.parquet")
    back = world.mat.load_split(tmp_path / "split.parquet")
    assert back.train_positions.tolist() == made.train_positions.tolist()
    assert back.test_positions.tolist() == made.test_positions.tolist()
    assert (back.definition, back.rule, back.target, back.dropped) == (
        made.definition, made.rule, made.target, made.dropped,
    )  # fmt: skip
    assert back.audit().to_json() == made.audit().to_json()
    grown = with_more(world, [Row(0, MAT("X-ray", "Bones", "Level"))], [Record(0)] * 5)
    moved = grown.mat.load_split(tmp_path / "split.parquet")
    assert (moved.train_positions - 5).tolist() == made.train_positions.tolist()
    moved.audit()
    made.save(tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "split.parquet").read_bytes()


def test_a_split_refuses_other_records(world: World, tmp_path: Path) -> None:
    path = tmp_path / "split.parquet"
    world.mat.related(LUNG).save(path)
    fewer = made_up(world.records[:-41][:12], list(world.rows.values()))
    with pytest.raises(
        SplitError, match=r"This Med-MAT lacks 9 of the 21 records of .*split\.parquet, such as source_"
    ):
        fewer.mat.load_split(path)
    changed = [replace(one, label="z") if one.row == 3 else one for one in world.records]
    with pytest.raises(
        SplitError, match=r"6 of the 21 records of .* are not the same in this Med-MAT, such as source_3"
    ):
        made_up(changed, list(world.rows.values())).mat.load_split(path)


def test_a_split_is_written_as_its_suffix_says(world: World, tmp_path: Path) -> None:
    made = world.mat.related(LUNG, size=8, validation=0.2)
    for name in ("x.parquet", "x.json", "x.csv", "x.CSV"):
        made.save(tmp_path / name)
    assert (tmp_path / "x.parquet").read_bytes()[:4] == b"PAR1"
    ids = {"train": made.train_positions, "validation": made.validation_positions, "test": made.test_positions}
    expected = {part: world.mat.index["id"].take(places).to_pylist() for part, places in ids.items()}
    told = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert {part: list(records) for part, records in told["records"].items()} == expected
    assert told["definition"] == made.definition
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [["id", "part"], *([one, part] for part, names in expected.items() for one in names)]
    assert (tmp_path / "x.csv").read_bytes() == (tmp_path / "x.CSV").read_bytes()
    back = world.mat.load_split(tmp_path / "x.json")
    assert str(back.audit()) == str(made.audit())
    with pytest.raises(SplitError, match=r"a \.csv lists ids alone: mat\.split\(train='.*x\.csv'"):
        world.mat.load_split(tmp_path / "x.csv")
    for name in ("x.docx", "x", "x.yaml"):
        with pytest.raises(SplitError, match=r"x\S*: a split is saved as \.parquet or \.json, .* or as \.csv"):
            made.save(tmp_path / name)
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"version": 2}', '{"version": 2, "records": {}}',
                                  '{"version": 2, "records": {"train": {"a": "zz"}, "validation": {}, "test": {}}}',
                                  '{"version": 2, "records": {"train": 3, "validation": {}, "test": {}}}'])  # fmt: skip
def test_json_that_is_no_split(world: World, tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, "utf-8")
    with pytest.raises(SplitError, match=r"x\.json is not a split file that Med-MAT wrote"):
        world.mat.load_split(tmp_path / "x.json")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"{}"])
def test_what_is_no_split_file(world: World, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(SplitError, match="is not a split file that Med-MAT wrote"):
        world.mat.load_split(tmp_path / "x.parquet")
    with pytest.raises(SplitError, match="is not a split file"):
        world.mat.load_split(tmp_path / "absent.parquet")
    with pytest.raises(SplitError, match="is not a split file"):
        world.mat.load_split(world.mat.location.local("index.parquet"))


def test_an_experiment_file_makes_what_it_says(world: World, tmp_path: Path) -> None:
    made = world.mat.unrelated(LUNG, size=7, seed=2, among="!source=source_3")
    for name, dump in (("x.yaml", yaml.safe_dump), ("x.json", json.dumps)):
        (tmp_path / name).write_text(dump(made.definition), "utf-8")
        back = world.mat.experiment(tmp_path / name)
        assert back.definition == made.definition
        assert back.train_positions.tolist() == made.train_positions.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "experiment: relatd\ntarget: CT/Lung/Cancer",
            r"there is no experiment 'relatd'\. Did you mean 'related'\? Known: related",
        ),
        ("experiment: related", "has no 'target', which related needs"),
        ("experiment: related\ntarget: CT/Lung/Cancer\nsise: 3", "no option 'sise'. Did you mean 'size'"),
        ("experiment: without\ntarget: CT/Lung/Cancer", "has no 'axis', which without needs"),
        ("experiment: limited\ntarget: CT/Lung/Cancer\nn: many", "n='many' must be a whole number"),
        ("experiment: unrelated\ntarget: CT/Lung/Cancer\nlike: x", "'like' is an experiment"),
        ("experiment: related\ntarget: CT/Lung/Cancer\nsize: 0", "size must be at least 1"),
        ("experiment: limited\ntarget: CT/Lung/Cancer", "has no 'n', which limited needs"),
        ("experiment: combination\ntarget: CT/Lung/Cancer", "has no 'parts'"),
        ("experiment: related\ntarget: CT/Lung/Cancer\nparts: [x]", "no option 'parts'"),
        ("experiment: related\ntarget: 3", "'target' must be text such as CT/Lung/Cancer, not 3"),
        ("- a list", "is not an experiment"),
        ("a: &x [1]\nb: *x", "alias"),
        ("{", "is not YAML"),
    ],
)
def test_experiment_files_that_say_nothing_sound(world: World, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.yaml").write_text(text, "utf-8")
    with pytest.raises(SplitError, match=message):
        world.mat.experiment(tmp_path / "x.yaml")


def test_a_part_that_nobody_knows_is_refused(world: World, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    world.mat.related(LUNG).save(tmp_path / "x.parquet")
    table = pq.read_table(tmp_path / "x.parquet")
    parts = pa.array([*table["part"].to_pylist()[:-1], "tested"], pa.string())
    pq.write_table(table.set_column(1, table.schema.field(1), parts), tmp_path / "x.parquet")
    with pytest.raises(SplitError, match="must be in train, validation, test, and some are in another part"):
        world.mat.load_split(tmp_path / "x.parquet")


def test_a_damaged_definition_is_refused(world: World, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "split.parquet"
    world.mat.related(LUNG).save(path)
    table = pq.read_table(path)
    facts = json.loads(table.schema.metadata[b"med_mat.split"])

    def damaged(**changes: Any) -> Path:
        pq.write_table(table.replace_schema_metadata({"med_mat.split": json.dumps({**facts, **changes})}), path)
        return path

    with pytest.raises(SplitError, match="of another version"):
        world.mat.load_split(damaged(version=99))
    for changes in ({"rule": {}}, {"rule": {"x": 1}}, {"target": {"mats": ["CT"], "rows": []}}, {"definition": 3}):
        with pytest.raises(SplitError, match="damaged"):
            world.mat.load_split(damaged(**changes))


@pytest.mark.parametrize("name", ["x.yaml", "x.json", "x.parquet", "x.txt", "x.csv"])
def test_a_pipe_in_place_of_a_file_is_a_sentence_at_once(world: World, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    ways = {".yaml": [world.mat.experiment], ".txt": [], ".csv": []}
    for way in ways.get(Path(name).suffix, [world.mat.experiment, world.mat.load_split]):
        with pytest.raises(SplitError, match="a pipe, a socket or a device"):
            way(tmp_path / name)
    if not name.endswith(".yaml"):
        with pytest.raises(SplitError, match="a pipe, a socket or a device"):
            world.mat.split(train=tmp_path / name, test=tmp_path / name)


def test_a_split_is_written_into_a_folder_that_was_not_there_or_not_at_all(world: World, tmp_path: Path) -> None:
    made = world.mat.related(LUNG)
    made.save(tmp_path / "new/newer/x.parquet")
    assert [path.name for path in (tmp_path / "new/newer").iterdir()] == ["x.parquet"]
    (tmp_path / "y.json").mkdir()
    with pytest.raises(MedMATError, match=r"^Cannot write .*y\.json: .*\.$"):
        made.save(tmp_path / "y.json")
