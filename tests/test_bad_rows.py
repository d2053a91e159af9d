"""One bad row of a table loses its own image, whatever the source; its neighbours are read, and the row is named."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import pytest

from med_mat.building import Options, build, find
from med_mat.catalog import load
from med_mat.demo import miniature
from med_mat.errors import ReadError
from med_mat.layouts.locating import locate
from med_mat.raw import RawFolder

LOADERS = Path(importlib.import_module("med_mat.loaders").__path__[0])
WITH_TABLES = sorted(path.stem for path in LOADERS.glob("*.py") if "raw.csv(" in path.read_text("utf-8"))
#: What one row of a table may speak of: both eyes, both projections of one report.
IMAGES_OF_A_ROW = 3


def opened(name: str, folder: Path) -> RawFolder:
    return locate(load()[name], folder)


def examples(raw: RawFolder, name: str) -> list[object]:
    return list(importlib.import_module(f"med_mat.loaders.{name}").examples(raw))


def spoil(table: Path, how: str) -> None:
    """Spoil the second row that a table has below its header."""
    lines = table.read_text("latin-1").splitlines()  # whatever it is, the bytes stay
    if len(lines) < 5:
        return
    delimiter = max(",;\t", key=lines[2].count)
    first, *others = lines[2].split(delimiter)
    lines[2] = {
        "words": delimiter.join([first, *["?!" for _ in others]]),
        "too many cells": delimiter.join([first, *others, *"xyz" * 9]),
        "an open quote": delimiter.join([first, *others[:-1], '"' + (others or [""])[-1].replace('"', "")]),
    }[how]
    table.write_text("\n".join(lines) + "\n", "latin-1")


@pytest.mark.parametrize("how", ["words", "too many cells", "an open quote"])
@pytest.mark.parametrize("name", WITH_TABLES)
def test_one_bad_row_in_every_table_of_a_source(name: str, how: str, tmp_path: Path) -> None:
    (folder,) = miniature(tmp_path, [name]).values()
    whole = examples(opened(name, folder), name)
    tables = list(folder.rglob("*.csv"))
    for table in tables:
        spoil(table, how)
    raw = opened(name, folder)
    left = examples(raw, name)
    assert left
    assert len(whole) - len(left) <= IMAGES_OF_A_ROW * len(tables)
    if how == "words":
        lost = len(whole) - len(left)
        assert lost == 0 or raw.faults or raw.skipped


def test_the_image_of_a_bad_row_is_skipped_with_its_line_and_reason(tmp_path: Path) -> None:
    (folder,) = miniature(tmp_path, ["isic_2019"]).values()
    table = next(folder.rglob("ISIC_2019_Training_GroundTruth.csv"))
    lines = table.read_text("utf-8").splitlines()
    image, *cells = lines[3].split(",")
    lines[3] = ",".join([image, *["1.0" for _ in cells]])
    table.write_text("\n".join(lines) + "\n", "utf-8")
    raw = opened("isic_2019", folder)
    examples(raw, "isic_2019")
    (where,) = raw.faults
    assert where == "ISIC_2019_Training_GroundTruth.csv, line 4"
    (reason,) = (why for path, why in raw.skipped.items() if image in path)
    assert reason.startswith(f"{where}: The columns 'MEL', 'NV'")
    built = build(find({"isic_2019": folder}, None), tmp_path / "out", Options(jobs=1))
    assert built.written == len(lines) - 2
    with pytest.raises(ReadError, match=r"line 4: The columns .*'skip' for on_error"):
        build(find({"isic_2019": folder}, None), tmp_path / "strict", Options(jobs=1, on_error="raise"))


def test_a_box_with_a_corner_that_is_no_number_has_no_place(tmp_path: Path) -> None:
    (folder,) = miniature(tmp_path, ["vindr_spinexr"]).values()
    table = next(folder.rglob("annotations/train.csv"))
    lines = table.read_text("utf-8").splitlines()
    at = lines[0].split(",").index("xmin")
    row = next(n for n, line in enumerate(lines[1:], 1) if line.split(",")[at])
    cells = lines[row].split(",")
    cells[at] = "left"
    lines[row] = ",".join(cells)
    table.write_text("\n".join(lines) + "\n", "utf-8")
    raw = opened("vindr_spinexr", folder)
    name = cells[lines[0].split(",").index("image_id")]
    (one,) = [one for one in examples(raw, "vindr_spinexr") if one.name == name]  # type: ignore[attr-defined]
    assert [math.isnan(box.xmin) for box in one.boxes].count(True) == 1, "the build names it, and calls nothing absent"


@pytest.mark.parametrize("grades", [["0", "1", "2"], ["0.0", "1.0", "2.0"], ["00", "1.", "2"]])
def test_a_grade_is_the_same_however_its_number_is_written(tmp_path: Path, grades: list[str]) -> None:
    (folder,) = miniature(tmp_path, ["aptos_2019"]).values()
    table = next(folder.rglob("train.csv"))
    header, *lines = table.read_text("utf-8").splitlines()
    ids = [line.split(",")[0] for line in lines]
    table.write_text("\n".join([header, *(f"{one},{grades[n % 3]}" for n, one in enumerate(ids))]) + "\n", "utf-8")
    report = build(find({"aptos_2019": folder}, None), tmp_path / "out", Options(jobs=1))
    assert not any("label" in skip.reason for skip in report.ledgers["aptos_2019"].skipped)
    assert report.written
