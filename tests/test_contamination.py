import io
import json
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from workshop import Workshop

import med_mat
from med_mat.cli import cli
from med_mat.contamination import Contamination, report
from med_mat.dataset import MedMAT
from med_mat.errors import UsageError


def smooth(seed: int) -> Image.Image:
    """An image that is in no build."""
    shades = np.random.RandomState(seed).rand(7, 7).astype(np.float32) * 255
    return Image.fromarray(shades).resize((150, 110), Image.Resampling.BICUBIC).convert("L")


@pytest.fixture(scope="module")
def mat(workshop: Workshop) -> MedMAT:
    return med_mat.open(workshop.out)


@pytest.fixture(scope="module")
def chosen(mat: MedMAT) -> list[dict[str, Any]]:
    """Five records of BUSI, of different images."""
    return mat.read(mat.where("US/Breast/Cancer & source=busi & row=48")[:5])


@pytest.fixture(scope="module")
def benchmark(chosen: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of some images of the build in other files, others beside them, and files that are no images."""
    folder = tmp_path_factory.mktemp("benchmark")
    pictures = [Image.open(io.BytesIO(one["image"]["bytes"])) for one in chosen]
    (folder / "images").mkdir()
    (folder / "images" / "published.png").write_bytes(chosen[0]["image"]["bytes"])
    pictures[1].save(folder / "images" / "encoded again.bmp")
    pictures[2].transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "images" / "flipped.png")
    width, height = pictures[3].size
    pictures[3].resize((2 * width, 2 * height), Image.Resampling.BICUBIC).save(folder / "images" / "larger.png")
    for number in range(3):
        smooth(number).save(folder / "images" / f"other {number}.png")
    Image.new("L", (64, 64)).save(folder / "images" / "black.png")
    (folder / "images" / "damaged.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (folder / "README.txt").write_text("no image")
    return folder


@pytest.fixture(scope="module")
def found(mat: MedMAT, benchmark: Path) -> Contamination:
    return mat.contamination(benchmark)


def reasons(found: Contamination) -> dict[str, str]:
    """The surest match of each image."""
    return {one["image"]: one["reason"] for one in reversed(found.pairs.to_pylist())}


def test_each_kind_of_copy_is_found_and_nothing_else(found: Contamination) -> None:
    surest = reasons(found)
    assert surest.pop("images/published.png") in ("same file", "same pixels")  # a build may remove metadata
    assert surest == {
        "images/encoded again.bmp": "same pixels",
        "images/flipped.png": "near, turned",
        "images/larger.png": "near",
    }
    assert found.matched() == 4
    assert len(found.names) == 8
    assert set(found.unread) == {"images/damaged.jpg"}


def test_a_match_names_the_record_that_the_image_was_copied_from(
    found: Contamination, chosen: list[dict[str, Any]]
) -> None:
    pairs = found.pairs.to_pylist()
    for name, one in zip(("published.png", "encoded again.bmp", "flipped.png", "larger.png"), chosen, strict=False):
        assert one["image_id"] in {pair["image_id"] for pair in pairs if pair["image"] == f"images/{name}"}


def test_counts_are_per_source_and_split(found: Contamination, mat: MedMAT) -> None:
    (busi, *_) = found.cells()
    assert busi["source"] == "busi"
    assert sum(one["images"] for one in found.cells()) >= found.matched()
    for one in found.cells():
        assert one["records"] == len(mat.where(f"source={one['source']}", split=one["split"]))
        assert sum(one["reasons"].values()) == one["images"] <= one["records"]


def test_an_image_counts_once_per_experiment_part(mat: MedMAT, benchmark: Path) -> None:
    made = mat.all_data("US/Breast/*")
    found = mat.contamination(benchmark, made)
    parts = {"train": made.train_positions, "validation": made.validation_positions, "test": made.test_positions}
    for one in found.pairs.to_pylist():
        assert (one["part"] is None) == (one["position"] not in np.concatenate(list(parts.values())))
        assert one["part"] is None or one["position"] in parts[one["part"]]


@pytest.mark.parametrize("kind", ["zip", "parquet", "list", "arrow", "jobs"])
def test_every_kind_of_copy_of_a_dataset_gives_the_same(
    kind: str, mat: MedMAT, benchmark: Path, found: Contamination, tmp_path: Path
) -> None:
    files = [path for path in sorted(benchmark.rglob("*")) if path.suffix in (".png", ".bmp")]
    images = [{"bytes": path.read_bytes(), "path": path.name} for path in files]
    jobs, where = 1, tmp_path / f"copy.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(where, "w") as archive:
            for path in files:
                archive.write(path, path.relative_to(benchmark))
    elif kind == "jobs":
        jobs, where = 2, benchmark
    elif kind == "arrow":
        table = pa.table({"image": images, "question": ["what?"] * len(images)})
        with pa.ipc.new_stream(str(where), table.schema) as stream:
            stream.write_table(table)
    else:
        column = images if kind == "parquet" else [[one] for one in images]
        where = tmp_path / "data" / "train-00000-of-00001.parquet"
        where.parent.mkdir()
        pq.write_table(pa.table({"image": column, "label": list(range(len(images)))}), where)
        where = where.parent
    again = mat.contamination(where, jobs=jobs)
    assert sorted(zip(again.pairs["id"].to_pylist(), again.pairs["reason"].to_pylist(), strict=True)) == sorted(
        zip(found.pairs["id"].to_pylist(), found.pairs["reason"].to_pylist(), strict=True)
    )


def test_a_moved_copy_is_found_where_it_is_searched_for(mat: MedMAT, tmp_path: Path) -> None:
    place = int(mat.where("source=head_ct")[0])
    picture = Image.open(io.BytesIO(mat.read(np.array([place]), ("image",))[0]["image"]["bytes"])).convert("L")
    width, height = picture.size
    picture.resize((512, 512)).rotate(6, Image.Resampling.BICUBIC).save(tmp_path / "turned.png")
    hashed, searched = (mat.contamination(tmp_path, transformed=one) for one in (False, True))
    assert (width, height) != (512, 512)
    assert hashed.matched() <= searched.matched()
    assert set(hashed.pairs["id"].to_pylist()) <= set(searched.pairs["id"].to_pylist())


def test_what_is_no_dataset_is_refused_in_a_sentence(mat: MedMAT, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("x")
    (tmp_path / "table.parquet").write_bytes(b"PAR1")
    (tmp_path / "archive.zip").write_bytes(b"PK")
    for name, words in (
        ("nowhere", "no such file or folder"),
        ("text.txt", "expected a folder of images"),
        ("table.parquet", "no image could be read"),
        ("archive.zip", "no image could be read"),
    ):
        with pytest.raises(UsageError, match=words):
            mat.contamination(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="there are no images"):
        mat.contamination(tmp_path / "empty")


def test_a_bomb_in_an_archive_and_a_table_without_images_are_named(mat: MedMAT, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "copy.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"\x89PNG\r\n\x1a\n" + bytes(1000))
        archive.writestr("../out.png", smooth(1).tobytes())
    pq.write_table(pa.table({"question": ["what?"]}), tmp_path / "text.parquet")
    images = pa.array([{"bytes": None, "path": "a.png"}], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    pq.write_table(pa.table({"image": images}), tmp_path / "paths.parquet")
    smooth(1).save(tmp_path / "good.png")
    found = mat.contamination(tmp_path)
    assert found.names == ("good.png",)
    assert set(found.unread) == {"copy.zip/a.png", "copy.zip/../out.png", "paths.parquet#0.image", "text.parquet"}


class _Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [dict(attrs)["src"] or ""] if tag == "img" else []


def test_the_page_shows_both_images_of_each_pair_and_loads_nothing(found: Contamination, mat: MedMAT) -> None:
    page = _Images()
    page.feed(report.to_page(found, mat))
    assert len(page.sources) >= 8
    assert all(one.startswith("data:image/jpeg;base64,") for one in page.sources)


def test_the_command_writes_text_json_markdown_and_a_page(workshop: Workshop, benchmark: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(
            cli, ["contamination", str(workshop.out), str(benchmark), "--quiet", "--jobs", "1", *arguments],
            catch_exceptions=False,
        )  # fmt: skip
        assert result.exit_code == 0
        return result.output

    assert "4 of 8 images" in run()
    assert json.loads(run("--json"))["images_found"] == 4
    assert "| source | split |" in run("--markdown")
    run("--page", str(tmp_path / "page.html"))
    assert (tmp_path / "page.html").read_text("utf-8").startswith("<!DOCTYPE html>")
