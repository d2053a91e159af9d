"""The command line: an experiment, a split file or a selection as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import med_mat
from med_mat.cli import cli
from med_mat.errors import MedMATError

TARGET = "CT/Lung/Cancer"


def run(built: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["export", str(built), *arguments], catch_exceptions=True)


def ids(out: Path) -> dict[str, set[str]]:
    return {part: set(files) for part, files in json.loads((out / "export.json").read_text("utf-8"))["files"].items()}


def test_an_experiment_and_its_split_file_are_the_same_export(built: Path, mat: med_mat.MedMAT, tmp_path: Path) -> None:
    mat.related(TARGET, validation=0.2).save(tmp_path / "related.parquet")
    options = ("--format", "llava", "--quiet")
    one = run(built, "related", TARGET, "--validation", "0.2", "--out", str(tmp_path / "one"), *options)
    two = run(built, "--split", str(tmp_path / "related.parquet"), "--out", str(tmp_path / "two"), *options)
    assert (one.exit_code, two.exit_code) == (0, 0), (one.output, two.output)
    assert "validation" in ids(tmp_path / "one")
    assert (tmp_path / "one/export.json").read_bytes() == (tmp_path / "two/export.json").read_bytes()


def test_a_selection_keeps_the_split_of_each_source(built: Path, mat: med_mat.MedMAT, tmp_path: Path) -> None:
    done = run(built, "--select", "CT/*/*", "--format", "trl", "--set", "messages=true", "--out", str(tmp_path / "ct"),
               "--quiet")  # fmt: skip
    assert done.exit_code == 0, done.output
    facts = mat.facts(mat.where("CT/*/*"), ["id", "split", "withheld"]).to_pylist()
    for part, found in ids(tmp_path / "ct").items():
        assert found == {one["id"] for one in facts if one["split"] == part and one["withheld"] is None}


def test_a_dry_run_writes_nothing_and_says_how_much_it_would_be(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(built, "related", TARGET, "--format", "llava", "--style", "open", "--out", str(out), "--dry-run")
    assert done.exit_code == 0, done.output
    assert "train: " in done.output
    assert "images, about " in done.output
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "llava", "--out", "x"), "name one of EXPERIMENT, --split FILE and --select PATTERN"),
        (("related", TARGET, "--select", "CT", "--format", "llava", "--out", "x"), "name one of EXPERIMENT"),
        (("related", TARGET, "--format", "llava"), "with --out, or look first with --dry-run"),
        (("related", TARGET, "--format", "llava", "--out", "x", "--set", "y"), "must be NAME=VALUE"),
        (("related", "--format", "llava", "--out", "x"), "name a TARGET"),
        (("related", TARGET, "--out", "x"), "Missing option '--format'"),
    ],
)
def test_a_wrong_command_line_is_answered_in_a_sentence(built: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(built, *arguments)
    assert done.exit_code == 2
    assert said in done.output


def test_an_unknown_format_or_option_is_an_error_of_the_package(built: Path, tmp_path: Path) -> None:
    for arguments in (
        ("--format", "lava"),
        ("--format", "trl", "--set", "loss=1"),
        ("--format", "trl", "--boxes", "x"),
    ):
        done = run(built, "related", TARGET, "--out", str(tmp_path / "out"), *arguments)
        assert isinstance(done.exception, MedMATError)
        assert not (tmp_path / "out").exists()


def test_the_help_lists_formats_and_their_options(built: Path) -> None:
    text = CliRunner().invoke(cli, ["export", "--help"]).output
    assert "Example" in text
    assert "llama-factory: name" in text
    assert "ms-swift" in text
