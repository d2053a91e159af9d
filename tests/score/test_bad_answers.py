"""Bad answers on the command line: one sentence each, an exit status that is not 0, and nothing is lost."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from workshop import Workshop

import med_mat
from med_mat.cli import cli
from med_mat.errors import MedMATError
from med_mat.score import answers
from med_mat.splits import Experiment

Answers = dict[str, Any]


@pytest.fixture(scope="module")
def mat(workshop: Workshop) -> med_mat.MedMAT:
    return med_mat.open(workshop.out)


@pytest.fixture(scope="module")
def related(mat: med_mat.MedMAT) -> Experiment:
    return mat.related("X-ray/Lung/COVID", test_on="all")


@pytest.fixture(scope="module")
def right(related: Experiment) -> Answers:
    ids = related.mat.facts(related.test_positions, ["id"])["id"].to_pylist()
    asked = related.mat.questions(related.test_positions, related.options.questions).to_pylist()
    return {one: row["target"] for one, row in zip(ids, asked, strict=True) if row["target"]}


@pytest.fixture
def split(related: Experiment, tmp_path: Path) -> Path:
    related.save(tmp_path / "related.parquet")
    return tmp_path / "related.parquet"


def _written(path: Path, rows: Answers | list[tuple[str, Any]]) -> Path:
    pairs = rows.items() if isinstance(rows, Mapping) else rows
    lines = [json.dumps({"id": one, "answer" if isinstance(said, str) else "scores": said}) for one, said in pairs]
    path.write_text("\n".join(lines), "utf-8")
    return path


def _refused(*arguments: object) -> str:
    """The sentence with which the command line refuses; there is no traceback."""
    result = CliRunner().invoke(cli, ["score", *map(str, arguments)])
    assert result.exit_code != 0
    told = str(result.exception) if isinstance(result.exception, MedMATError) else result.output
    assert isinstance(result.exception, MedMATError | SystemExit), result.exception
    assert told.strip()
    return told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda right: {**right, "elsewhere/1/x.png": "A"}, "not tested in this split, such as 'elsewhere/1/x.png'"),
        (lambda right: [*right.items(), next(iter(right.items()))], "is answered twice"),
        (lambda right: dict(list(right.items())[1:]), "--missing wrong"),
        (lambda right: {one: {"A": float("nan"), "B": 0.5} for one in right}, "no finite number"),
        (lambda _: {}, "have no answer"),
    ],
    ids=["other ids", "twice", "missing", "NaN", "empty file"],
)
def test_answers_that_do_not_fit(
    workshop: Workshop,
    split: Path,
    right: Answers,
    tmp_path: Path,
    change: Callable[[Answers], Answers | list[tuple[str, Any]]],
    told: str,
) -> None:
    path = _written(tmp_path / "answers.jsonl", change(right))
    assert told in _refused(workshop.out, split, path, "--save", tmp_path / "result.json")
    assert not (tmp_path / "result.json").exists()


def test_files_that_hold_no_answers(
    workshop: Workshop, split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_LONGEST_LINE", 1000)
    monkeypatch.setattr(answers, "_LARGEST_JSON", 1000)
    (tmp_path / "folder.jsonl").mkdir()
    for name, content, told in (
        ("binary.jsonl", os.urandom(300), "cannot be read"),
        ("line.jsonl", b"x" * 5000, "line 1: it is longer than 1,000 characters"),
        ("line.csv", b"id,answer\n" + b"x" * 5000, "line 2: it is longer than 1,000 characters"),
        ("whole.json", b"[" + b" " * 5000 + b"]", "write more answers as .jsonl"),
    ):
        (tmp_path / name).write_bytes(content)
        sentence = _refused(workshop.out, split, tmp_path / name)
        assert told in sentence
        assert name in sentence
    assert "it is a folder" in _refused(workshop.out, split, tmp_path / "folder.jsonl")


def test_a_split_of_another_build(workshop: Workshop, split: Path, right: Answers, tmp_path: Path) -> None:
    table = pq.read_table(split)
    place = table.column_names.index("content")
    pq.write_table(
        table.set_column(place, table.schema.field("content"), table["content"][::-1]), tmp_path / "odd.parquet"
    )
    path = _written(tmp_path / "answers.jsonl", right)
    told = _refused(workshop.out, tmp_path / "odd.parquet", path)
    assert "odd.parquet are not the same in this Med-MAT" in told


def test_a_split_without_test_records(related: Experiment, workshop: Workshop, right: Answers, tmp_path: Path) -> None:
    replace(related, test_positions=related.test_positions[:0]).save(tmp_path / "empty.parquet")
    assert _refused(workshop.out, tmp_path / "empty.parquet", _written(tmp_path / "answers.jsonl", right))


def test_a_full_disk_takes_no_figure_away(
    workshop: Workshop, split: Path, right: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, saved = _written(tmp_path / "answers.jsonl", right), tmp_path / "result.json"
    saved.write_text("yesterday's", "utf-8")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    result = CliRunner().invoke(cli, ["score", *map(str, (workshop.out, split, path, "--save", saved))])
    assert result.exit_code != 0
    assert "No space left" in str(result.exception)
    assert "accuracy" in result.output
    assert saved.read_text("utf-8") == "yesterday's"
    assert {one.name for one in tmp_path.iterdir()} == {"answers.jsonl", "result.json", split.name}


def test_without_a_med_mat_the_message_is_the_command_to_type(
    workshop: Workshop, split: Path, right: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _written(tmp_path / "my answers.jsonl", right)
    monkeypatch.chdir(tmp_path)
    assert f"med-mat score MED-MAT {split.name} 'my answers.jsonl'" in _refused(split.name, path.name)
    (tmp_path / "Med-MAT").symlink_to(workshop.out)
    assert f"med-mat score Med-MAT {split.name} 'my answers.jsonl'" in _refused(split.name, path.name)
