"""Answers from files and from Python: each is one clear answer to one record, or a sentence says what is wrong."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from med_mat.errors import ScoreError
from med_mat.score.answers import aligned, read

IDS = ["s/1/a.png", "s/1/b.png", "s/1/c.png"]
ASKED = [True, True, True]
ROWS = [{"id": one, "answer": letter} for one, letter in zip(IDS, "ABN", strict=True)]


def _written(folder: Path, suffix: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / f"answers{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(f'"{value}"' for value in row.values()) for row in rows)]
        path.write_text("\n".join(lines), "utf-8")
    elif suffix == ".json":
        path.write_text(json.dumps({row["id"]: row["answer"] for row in rows}), "utf-8")
    else:
        path.write_text("\n".join(map(json.dumps, rows)) + "\n\n", "utf-8")
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet", ".json"])
def test_every_format_gives_the_same_answers(tmp_path: Path, suffix: str) -> None:
    rows = [{**row, "answer": "None" if row["answer"] == "N" else row["answer"]} for row in ROWS]
    found = read(_written(tmp_path, suffix, rows))
    assert aligned(found, IDS, ASKED, "f")[0] == ["A", "B", "None"]  # texts stay texts


def test_a_dict_and_a_list_are_answers_too() -> None:
    assert aligned(read(dict(zip(IDS, "ABC", strict=True))), IDS[::-1], ASKED, "f")[0] == ["C", "B", "A"]
    assert aligned(read(["A", {"A": 1.0, "B": 0.5}, "C"]), IDS, ASKED, "f")[0][1] == {"A": 1.0, "B": 0.5}
    assert aligned(read(["A", "C"]), IDS, [True, False, True], "f")[0] == ["A", None, "C"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([*ROWS, {"id": IDS[0], "answer": "B"}], "answered twice"),
        (ROWS[:2], "1 of 3 questions have no answer: s/1/c.png"),
        ([*ROWS, {"id": "s/1/z.png", "answer": "B"}], "records that are not tested in this split, such as 's/1/z.png'"),
        ([{**row, "split": "other"} for row in ROWS], "answers to the split 'other'"),
        ([{**ROWS[0], "split": "f"}, {**ROWS[1], "split": "g"}, ROWS[2]], "2 different values of 'split'"),
        ([{"id": IDS[0]}], "neither of 'answer'"),
        ([{"id": IDS[0], "answer": "A", "scores": {"A": 1}}], "both of 'answer'"),
        ([{"id": IDS[0], "answer": 3}], "must be text, not int"),
        ([{"id": 3, "answer": "A"}], "'id' must be the id of a record"),
        ([{"id": IDS[0], "scores": {"A": float("nan")}}], "no finite number"),
        ([{"id": IDS[0], "scores": {"A": float("inf")}}], "no finite number"),
        ([{"id": IDS[0], "scores": {"A": 10**400}}], "no finite number"),
        ([{"id": IDS[0], "scores": {"A": True}}], "must be a number"),
        ([{"id": IDS[0], "scores": {}}], "a number for each letter"),
        ([{**ROWS[0], "seed": "one"}], "'seed' must be an integer"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(tmp_path: Path, rows: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(ScoreError, match=r"answers\.jsonl") as error:
        aligned(read(_written(tmp_path, ".jsonl", rows)), IDS, ASKED, "f")
    assert told in str(error.value)


def test_missing_answers_may_count_as_wrong() -> None:
    assert aligned(read({IDS[0]: "A"}), IDS, ASKED, "f", "wrong")[0] == ["A", None, None]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"id": "x", "id": "y", "answer": "A"}'),
        ("a.jsonl", b"[" * 100_000),
        ("a.jsonl", b"\xff\xfe"),
        ("a.jsonl", b"1"),
        ("a.json", b"[1, 2]"),
        ("a.json", b"{" * 5),
        ("a.csv", b"id,answer\nx\n"),
        ("a.csv", b"id,answer\nx,A,B\n"),
        ("a.csv", b"name,answer\nx,A\n"),
        ("a.csv", b'id,answer\n"x\n'),
        ("a.parquet", b"PAR1" + b"\0" * 100 + b"PAR1"),
        ("a.txt", b"A"),
    ],
)
def test_a_damaged_file_is_a_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ScoreError, match=name):
        read(tmp_path / name)


def test_what_is_no_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    for path in (tmp_path / "folder.jsonl", tmp_path / "none.jsonl", "/dev/zero"):
        with pytest.raises(ScoreError):
            read(path)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_answers_or_a_sentence(scratch: Path, data: Any) -> None:
    path = scratch / "any.json"
    path.write_text(json.dumps(data), "utf-8")
    with contextlib.suppress(ScoreError):
        read(path)
