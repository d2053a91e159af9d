"""A build with a limit for the size of a file: what is larger is skipped, and another limit changes that alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from building import CLASS_FOLDERS, Toy, content, draw, ledger, reasons
from click.testing import CliRunner
from PIL import Image

import med_mat
from med_mat.building import Options, writer
from med_mat.cli import cli
from med_mat.errors import BuildError
from med_mat.imaging import decoding

MakeToy = Callable[..., Toy]
MOST = 100_000


@pytest.fixture
def source(toy: MakeToy) -> Toy:
    """Two small pictures, and one of 800 x 600."""
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "b/2.png")
    draw(source.raw / "a" / "large.png", 77, (800, 600))
    return source


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_larger_is_skipped_and_the_limit_named(source: Toy, jobs: int) -> None:
    report = source.build(max_file=MOST, jobs=jobs)
    assert (report.written, report.skipped) == (2, 1)
    assert reasons(source.out) == {
        "a/large.png": "a/large.png: its header declares 800 x 600 pixels, more than the 0.0125 megapixels that fit in "
        "the 100 kB that are read of one file (--max-file 1GB would read it)."
    }


def test_a_sparse_file_is_one_skip(source: Toy) -> None:
    for name in ("x.png", "y.png"):  # of one size, so that they are compared
        with (source.raw / "a" / name).open("wb") as file:
            file.truncate(10**10)
    assert source.build().written == 3
    assert all("is 10 GB, more than the 2 GB that are read" in reason for reason in reasons(source.out).values())
    assert len(reasons(source.out)) == 2


def test_another_limit_builds_what_a_first_build_with_it_does(source: Toy, tmp_path: Path) -> None:
    for number, most in enumerate((MOST, 10**7, MOST)):
        source.build(max_file=most, allow_fewer=True)
        source.build(tmp_path / f"new {number}", max_file=most)
        assert content(source.out) == content(tmp_path / f"new {number}")


def test_a_limit_that_concerns_no_file_changes_nothing(source: Toy) -> None:
    source.build()
    before = content(source.out)
    assert source.build(max_file=10**10).kept == 1
    assert source.build(max_file=ledger(source.out)["largest"]).kept == 1
    assert content(source.out) == before


def test_a_limit_is_a_number_of_bytes() -> None:
    for wrong in (0, -1, "2GB", 1.5):
        with pytest.raises(BuildError, match="max_file"):
            Options(max_file=wrong)  # type: ignore[arg-type]


def test_the_command_takes_a_size(source: Toy, tmp_path: Path) -> None:
    said = CliRunner().invoke(
        cli, ["build", "--raw", str(tmp_path), "--out", str(tmp_path / "x"), "--max-file", "2 pages"]
    )
    assert (said.exit_code, "'2 pages' is not a size: write 500MB, 4GB or 4GiB." in said.output) == (2, True)


def test_an_image_that_no_record_can_hold_is_a_skip(source: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (source.raw / "a" / "large.png").stat().st_size
    monkeypatch.setattr(decoding, "MOST_STORED", size - 1)
    source.build()
    (reason,) = reasons(source.out).values()
    assert reason.startswith(f"a/large.png: is {size / 1000:.1f} kB as PNG, more than the")
    assert reason.endswith("that a record holds.")


def test_no_row_group_is_larger_than_arrow_counts(toy: MakeToy, monkeypatch: pytest.MonkeyPatch) -> None:
    source = toy(CLASS_FOLDERS)
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 255, (20, 20), dtype=np.uint8)
        (source.raw / "a").mkdir(exist_ok=True)
        Image.fromarray(noise).save(source.raw / "a" / f"{number}.png")
    each = (source.raw / "a" / "1.png").stat().st_size
    monkeypatch.setattr(writer, "ROW_GROUP_MOST", each * 2 + each // 2)
    source.build()
    for name in (source.out / "data/toy/048").glob("*.parquet"):
        file = pq.ParquetFile(name)
        assert max(file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)) <= 2


def test_pillow_gives_readers_what_a_build_wrote(source: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    source.build()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    mat = med_mat.open(source.out)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        assert max(record["image"].width for record in mat.select()) == 800
    assert Image.MAX_IMAGE_PIXELS == 800 * 600
