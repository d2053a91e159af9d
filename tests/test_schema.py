"""Columns are data: what documents or lists them follows from one entry each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from med_mat import schema
from med_mat.building.croissant import croissant

ROOT = Path(__file__).parents[1]


def test_names_are_told_apart_and_every_column_is_explained() -> None:
    published = [one.name for one in schema.COLUMNS if one.level != "private"]
    assert len(set(published)) == len(published)
    for one in schema.COLUMNS:
        assert one.meaning
        assert not one.meaning.endswith(".")
        assert "|" not in one.meaning
        assert "\n" not in one.meaning
        assert 1 <= one.since <= schema.VERSION
    assert [name for name, _ in schema.INDEX_FIELDS if name in schema.PIXEL_COLUMNS] == []


def test_every_published_column_is_documented() -> None:
    table = schema.markdown()
    assert table in (schema.__doc__ or "")
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    assert [row[0].strip("| `") for row in rows] == [one.name for one in schema.COLUMNS if one.level != "private"]
    assert {len(row) for row in rows} == {4}
    assert "| `boxes` | list of (xmin, ymin, xmax, ymax, label) | px |" in table
    assert "image_key" in schema.markdown("private")
    described = {
        field["name"]: field["description"]
        for records in croissant([], None)["recordSet"]
        for field in records["field"]
    }
    assert described["records/spacing"].endswith("null if unknown (mm).")
    assert described["index/group"] == "Number shared by records that must stay on one side of a split."


def test_a_new_column_is_one_entry_and_the_place_that_fills_it(tmp_path: Path) -> None:
    """Tried on a copy of the code, with a real build."""
    for name in ("med_mat", "loaders", "dataset_cards"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))

    def edit(name: str, before: str, after: str) -> None:
        path = tmp_path / name
        text = path.read_text("utf-8")
        assert text.count(before) == 1
        path.write_text(text.replace(before, after), "utf-8")

    entry = 'Column("megapixels", pa.float32(), "size of the displayed image", unit="Mpx"),\n    '
    edit("med_mat/schema.py", 'Column(\n        "transform"', f'{entry}Column(\n        "transform"')
    value = '"megapixels": stored.width * stored.height / 1e6,\n        '
    edit("med_mat/building/record.py", '"transform": stored.transform', f'{value}"transform": stored.transform')
    code = (
        "from med_mat.cli import main\nimport sys\n"
        "for line in (['miniature', 'raw', 'busi'], ['build', 'busi', '--raw', 'raw', '--out', 'out', '--quiet']):\n"
        "    sys.argv[1:] = line\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code, end.code\n"
        "import med_mat, med_mat.schema\n"
        "mat = med_mat.open('out')\n"
        "print(mat.index['megapixels'][0].as_py(), mat.select('*/*/*')[0]['megapixels'])\n"
        "print('| `megapixels` | float32 | Mpx | size of the displayed image |' in med_mat.schema.__doc__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    told = found.stdout.splitlines()[-2:]
    first, second = map(float, told[0].split())
    assert first == second > 0
    assert told[1] == "True"
    files = [*(tmp_path / "out").glob("data/**/*.parquet"), tmp_path / "out" / "index.parquet"]
    for path in files:
        assert pq.read_schema(path).field("megapixels").type == pa.float32()
    description = json.loads((tmp_path / "out" / "croissant.json").read_text("utf-8"))
    names = [field["name"] for records in description["recordSet"] for field in records["field"]]
    assert {"records/megapixels", "index/megapixels"} <= set(names)
