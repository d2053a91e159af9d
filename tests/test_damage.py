"""A data file or an index that is damaged: a sentence that names it, whatever is asked of the Med-MAT."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import med_mat
from med_mat import duplicates
from med_mat.building import Options, build, find
from med_mat.demo import miniature
from med_mat.errors import MedMATError
from med_mat.leakage import linked
from med_mat.storage.location import Folder

_sink = io.BytesIO()
pq.write_table(pa.table({"image": ["x"]}), _sink)
OTHER = _sink.getvalue()
DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "empty": lambda data, _: b"",
    "cut": lambda data, draw: data[: draw.randrange(len(data))],
    "zeros": lambda data, _: bytes(len(data)),
    "zeros at the end": lambda data, _: data[:-2000] + bytes(min(2000, len(data))),
    "text": lambda data, _: b"<!DOCTYPE html>",
    "another table": lambda data, _: OTHER,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage")
    build(find(miniature(folder / "raw", ["busi"]), None), folder / "out", Options(jobs=1))
    return folder / "out"


def asked(out: Path) -> list[str]:
    """Ask what reads files; what was said where that failed."""
    said = []
    for ask in (
        lambda: len(med_mat.open(out).select("*/*/*")),
        lambda: list(med_mat.open(out).select("*/*/*", streaming=True)),
        lambda: med_mat.open(out).read(np.arange(len(med_mat.open(out)))),
        lambda: med_mat.open(out).index.num_rows,
        lambda: duplicates.links(med_mat.open(out)).num_rows,
        lambda: linked.read(Folder(out)),
    ):
        try:
            ask()
        except MedMATError as error:
            said.append(str(error))
    return said


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(made: Path, arrow_cache: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("med_mat.dataset._SWITCHING", ())  # no build is running
    draw = random.Random(damage)
    shard = next(path for path in sorted((made / "data").rglob("*.parquet")))
    for file in (shard, made / "index.parquet", made / "duplicates.parquet"):
        right = file.read_bytes()
        try:
            file.write_bytes(DAMAGES[damage](right, draw))
            said = asked(made)
            assert said
            for one in said:
                assert file.name in one
                assert str(made) in one
                assert "\n" not in one
        finally:
            file.write_bytes(right)
    assert not asked(made)
    assert not list(arrow_cache.rglob("*.tmp"))
