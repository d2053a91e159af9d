from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import HOSTILE, HOSTILE_ID
from starlette.testclient import TestClient
from workshop import Workshop

import med_mat
from med_mat.browse.serve import application
from med_mat.dataset import MedMAT
from med_mat.leakage.groups import DUPLICATES


@pytest.fixture(scope="session")
def mat(workshop: Workshop) -> MedMAT:
    return med_mat.open(workshop.out)


@pytest.fixture(scope="session")
def hostile(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build with BUSI's labels, questions, paths and ids replaced by text that is meant to do harm."""
    out = Path(shutil.copytree(workshop.out, tmp_path_factory.mktemp("hostile") / "Med-MAT"))

    def bad_id(name: str | None) -> str | None:
        return name + HOSTILE_ID if name is not None and name.startswith("busi/") else name

    def bad(_: str | None) -> str:
        return HOSTILE

    changes: dict[str, Callable[[str | None], str | None]] = {
        **dict.fromkeys(("id", "image_id", "first", "second"), bad_id),
        **dict.fromkeys(("label", "label_set", "question", "path", "license"), bad),
    }
    for path in [out / "index.parquet", out / DUPLICATES, *(out / "data" / "busi").rglob("*.parquet")]:
        table = pq.read_table(path)
        names = table["source" if "source" in table.column_names else "first_source"].to_pylist()
        for name in changes.keys() & set(table.column_names):
            ids = name in ("id", "image_id", "first", "second")
            values = [
                changes[name](value) if source == "busi" or ids else value
                for source, value in zip(names, table[name].to_pylist(), strict=True)
            ]
            place = table.column_names.index(name)
            table = table.set_column(place, table.schema.field(name), pa.array(values, pa.string()))
        pq.write_table(table, path)
    return out


@pytest.fixture(scope="session")
def client(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Asks the page on the hostile build."""
    guard = application(med_mat.open(hostile), str(hostile), "127.0.0.1", tmp_path_factory.mktemp("scratch"))
    with TestClient(guard, base_url="http://127.0.0.1", raise_server_exceptions=False) as asked:
        yield asked
