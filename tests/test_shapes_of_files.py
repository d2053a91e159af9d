"""JSON, XML and tables of another shape, in every source: one sentence that names the file, and nobody else is hurt."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from workshop import Workshop

from med_mat.building.loader import examples_of
from med_mat.catalog import load
from med_mat.errors import LoaderError, MedMATError
from med_mat.layouts.locating import locate

CATALOG = load()
TABLES = {".csv", ".tsv", ".txt", ".xlsx", ".gz"}
DOCUMENTS = {".json", ".xml"}
#: How many of the shapes each file takes; the seed says which.
TRIED = 4


def shapes(data: bytes, draw: random.Random) -> Iterator[bytes]:
    """What may stand in a file instead."""
    yield from (b"[1]", b"{}", b"null", b'"x"', b"[[[1], []], {}]", b"3", b"", b"[null]", b'{"a": {"b": []}}', b"<a/>")
    yield from (b"<annotation><object/></annotation>", b"[" * 20_000, b"a,b\n1,2\n", b"\xff\xfe\x00", b"\x00" * 9)
    yield data[: draw.randrange(len(data) + 1)]
    yield data[: len(data) // 2]
    yield data.swapcase()


@pytest.mark.parametrize("name", CATALOG)
def test_files_of_another_shape_are_a_sentence_or_cost_their_own_records(
    name: str, workshop: Workshop, tmp_path: Path
) -> None:
    source, draw = CATALOG[name], random.Random(f"shapes of {name}")
    files = [path for path in sorted((workshop.raw / name).rglob("*")) if path.suffix.lower() in TABLES | DOCUMENTS]
    files = [path.relative_to(workshop.raw / name) for path in files if path.name != "SYNTHETIC.txt"]
    if not files:
        pytest.skip("it has no table, and no document")
    top = tmp_path / name
    shutil.copytree(workshop.raw / name, top)
    for file in draw.sample(files, min(len(files), 6)):
        right = (top / file).read_bytes()
        for shape in draw.sample(list(shapes(right, draw)), TRIED if file.suffix.lower() != ".json" else 18):
            (top / file).write_bytes(shape)
            said: MedMATError | None = None
            try:
                for example in examples_of(source)(locate(source, top)):
                    example.check()
            except LoaderError as error:
                pytest.fail(f"{file} holds {shape[:40]!r}: {error}")
            except MedMATError as error:
                said = error
            if said is not None:
                assert "\n" not in str(said)
                assert str(top) in str(said), f"{file} holds {shape[:40]!r}: {said}"
        (top / file).write_bytes(right)


def test_values_of_json_of_another_type_never_stumble(workshop: Workshop, tmp_path: Path) -> None:
    odd = (None, True, -1, 1.5, 10**400, "", "x", [], {}, [None], [[1]], {"a": 1}, "\ud800")
    for name in ("chaoyang", "chestx_det", "kvasir_seg", "rsna_pneumonia"):
        source, draw = CATALOG[name], random.Random(f"values of {name}")
        shutil.copytree(workshop.raw / name, tmp_path / name)
        for file in sorted((tmp_path / name).rglob("*.json")):
            right = file.read_text("utf-8")
            for value in odd * 4:
                document = json.loads(right)
                at = document
                while isinstance(at, dict | list) and at:
                    key = draw.choice(list(at) if isinstance(at, dict) else range(len(at)))
                    if not isinstance(at[key], dict | list) or draw.random() < 0.3:
                        at[key] = value
                        break
                    at = at[key]
                file.write_text(json.dumps(document), "utf-8")
                raw = locate(source, tmp_path / name)
                assert list(examples_of(source)(raw)), "one bad value costs its own image"
            file.write_text(right, "utf-8")
