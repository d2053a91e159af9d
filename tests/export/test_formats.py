"""Files for vision-language trainers, read as their programs read them.

The rules of LLaMA-Factory, ms-swift and Qwen's trainer are those of their sources (LLaMA-Factory ff6d4d1, ms-swift
3602360, Qwen3-VL 9658872), written down here again: these programs cannot be installed beside this one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from PIL import Image

import med_mat
from med_mat import conventions, export
from med_mat.export import turn
from med_mat.export.job import TURNED

FORMS = ("grpo", "llama-factory", "llava", "ms-swift", "qwen", "trl")
PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def out(mat: med_mat.MedMAT, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All records in every format."""
    root = tmp_path_factory.mktemp("formats")
    for form in FORMS:
        mat.export("*/*/*", root / form, format=form, progress=False)
    return root


@pytest.fixture(scope="module")
def facts(mat: med_mat.MedMAT) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in mat.index.to_pylist()}


def entries(out: Path, form: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries of a format of JSON."""
    for part in PARTS:
        path = out / form / (f"{part}.jsonl" if form == "ms-swift" else f"{part}.json")
        if path.exists():
            text = path.read_text("utf-8")
            found = [json.loads(line) for line in text.splitlines()] if form == "ms-swift" else json.loads(text)
            yield from ((part, one) for one in found)


def test_every_format_has_the_same_records(out: Path) -> None:
    accounts = [json.loads((out / form / "export.json").read_text("utf-8")) for form in FORMS]
    assert len({json.dumps([one["records"], one["left_out"]]) for one in accounts}) == 1
    ids = [{part: set(files) for part, files in one["files"].items()} for one in accounts]
    assert all(one == ids[0] for one in ids)


# ------------------------------------------------------------------------------------------------------------ JSON


def test_llava_has_one_placeholder_in_front_of_the_first_question(out: Path, facts: dict[str, dict[str, Any]]) -> None:
    for _, one in entries(out, "llava"):
        human, gpt = one["conversations"]
        assert human == {"from": "human", "value": "<image>\n" + facts[one["id"]]["question"]}
        assert gpt == {"from": "gpt", "value": facts[one["id"]]["target"]}
        assert (out / "llava" / one["image"]).is_file()


def test_qwens_trainer_finds_as_many_placeholders_as_images(out: Path) -> None:
    for _, one in entries(out, "qwen"):
        pool, parts = [one["image"]], list[dict[str, str]]()
        for said in one["conversations"]:
            if said["from"] == "human":
                for segment in re.split(r"(<image>|<video>)", said["value"]):
                    assert segment != "<video>"
                    parts.append({"image": pool.pop()} if segment == "<image>" else {"text": segment.strip()})
        assert not pool
        assert [*parts[1]] == ["image"]


def test_qwens_boxes_are_in_pixels_of_the_resized_image(out: Path, facts: dict[str, dict[str, Any]]) -> None:
    asked = [one for _, one in entries(out, "qwen") if "bbox_2d" in one["conversations"][1]["value"]]
    assert asked
    for one in asked:
        record = facts[one["id"]]
        size = (record["width"], record["height"])
        listed = json.loads(one["conversations"][1]["value"])
        wide, high = conventions.resized(size)
        assert all(set(box) == {"bbox_2d", "label"} for box in listed)
        for box in listed:
            x1, y1, x2, y2 = box["bbox_2d"]
            assert 0 <= x1 <= x2 <= wide
            assert 0 <= y1 <= y2 <= high
            assert box["label"] in {drawn["label"] for drawn in record["boxes"]}
        assert len(listed) == len(conventions.read(record["target"], size, "pixels") or [])


def test_llama_factory_aligns_every_record(out: Path, facts: dict[str, dict[str, Any]]) -> None:
    info = json.loads((out / "llama-factory/dataset_info.json").read_text("utf-8"))
    seen = 0
    for name, attr in info.items():
        assert attr["formatting"] == "sharegpt"
        tags, columns = attr["tags"], attr["columns"]
        for one in json.loads((out / "llama-factory" / attr["file_name"]).read_text("utf-8")):
            messages = one[columns["messages"]]
            roles = [said[tags["role_tag"]] for said in messages]
            assert roles == [tags["user_tag"], tags["assistant_tag"]], name  # an odd number would be emptied
            text = [said[tags["content_tag"]] for said in messages]
            count = {mark: sum(one.count(mark) for one in text) for mark in ("<image>", "<video>", "<audio>")}
            assert count == {"<image>": len(one[columns["images"]]), "<video>": 0, "<audio>": 0}
            assert all((out / "llama-factory" / path).is_file() for path in one[columns["images"]])
            assert text == ["<image>" + facts[one["id"]]["question"], facts[one["id"]]["target"]]
            seen += 1
    assert seen == sum(1 for _ in entries(out, "llava"))


def test_ms_swift_keeps_every_record_and_every_box(out: Path, facts: dict[str, dict[str, Any]]) -> None:
    boxed = 0
    for _, one in entries(out, "ms-swift"):
        record, (user, assistant) = facts[one["id"]], one["messages"]
        assert [user["role"], assistant["role"]] == ["user", "assistant"]
        assert user["content"].count("<image>") == len(one["images"]) == 1
        assert (out / "ms-swift" / one["images"][0]).is_file()
        objects = one.get("objects", {"ref": [], "bbox": []})
        assert objects["ref"] == []
        assert assistant["content"].count("<bbox>") == len(objects["bbox"])
        assert "<bbox>" not in user["content"]
        assert "<ref-object>" not in user["content"] + assistant["content"]
        if record["options"]:
            assert assistant["content"] == record["target"]
        elif objects["bbox"]:
            boxed += 1
            assert all(len(box) == 4 and box[0] <= box[2] and box[1] <= box[3] for box in objects["bbox"])
            size = (record["width"], record["height"])
            assert [tuple(box) for box in objects["bbox"]] == conventions.read(record["target"], size, "pixels")
        elif record["boxes"] is not None:
            assert assistant["content"] == record["target"] == "None"
    assert boxed


@pytest.mark.parametrize("form", ["llava", "qwen", "llama-factory", "ms-swift"])
def test_datasets_reads_the_json(out: Path, form: str, tmp_path: Path) -> None:
    suffix = "jsonl" if form == "ms-swift" else "json"
    read = datasets.load_dataset("json", data_files=str(out / form / f"train.{suffix}"), cache_dir=str(tmp_path))
    assert len(read["train"]) == sum(part == "train" for part, _ in entries(out, form))


@pytest.mark.parametrize("form", ["llava", "qwen", "llama-factory", "ms-swift", "trl", "grpo", "coco"])
def test_no_conversation_has_boxes_that_only_fit_an_image_after_it_is_turned(
    mat: med_mat.MedMAT, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    boxed: set[str] = set()
    exif, target = Image.Exif(), BytesIO()
    exif[0x0112] = 6
    Image.new("RGB", (4, 2)).save(target, "JPEG", exif=exif)
    stored = med_mat.MedMAT.records

    def turned(self: med_mat.MedMAT, *args: Any, **options: Any) -> Iterator[dict[str, Any]]:
        for record in stored(self, *args, **options):
            record["image"]["bytes"] = target.getvalue()
            if (said := turn(record)) is not None and said.boxes is not None:
                boxed.add(record["id"])
            yield record

    monkeypatch.setattr(med_mat.MedMAT, "records", turned)
    done = mat.export("*/*/*", tmp_path / "out", format=form, progress=False)
    files = json.loads((tmp_path / "out/export.json").read_text("utf-8"))["files"]
    written = {id_ for members in files.values() for id_ in members}
    assert boxed
    if form == "coco":  # its images are written upright
        assert boxed <= written
    else:
        assert written
        assert not boxed & written
        assert sum(reasons[TURNED] for reasons in done.left_out.values() if TURNED in reasons) == len(boxed)


# --------------------------------------------------------------------------------------------------------- Parquet


@pytest.mark.parametrize("form", ["trl", "grpo"])
def test_load_dataset_reads_the_parts_with_the_images_as_stored(
    mat: med_mat.MedMAT, out: Path, form: str, facts: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    read = datasets.load_dataset(str(out / form), cache_dir=str(tmp_path))
    stored = {one["id"]: one["image"]["bytes"] for one in mat.read(mat.where("*/*/*"), ["id", "image"])}
    for part, records in read.items():
        assert part in PARTS
        assert records.features["images"] == datasets.List(datasets.Image())
        assert records[0]["images"][0].size == (facts[records[0]["id"]]["width"], facts[records[0]["id"]]["height"])
        for one in records.cast_column("images", datasets.List(datasets.Image(decode=False))):
            record = facts[one["id"]]
            assert one["images"][0]["bytes"] == stored[one["id"]]
            assert one["prompt"] == [{"role": "user", "content": record["question"]}]
            if form == "trl":
                assert one["completion"] == [{"role": "assistant", "content": record["target"]}]
            else:
                assert (one["target"], one["answer"], one["options"]) == (
                    record["target"], record["answer"], record["options"] or [],
                )  # fmt: skip


def test_messages_are_one_column(mat: med_mat.MedMAT, tmp_path: Path) -> None:
    mat.related("CT/Lung/Cancer").export(tmp_path / "out", format="trl", messages=True, progress=False)
    table = pq.read_table(tmp_path / "out/train/00000.parquet")
    assert table.column_names == ["id", "triplet", "source", "images", "messages"]
    assert [one["role"] for one in table["messages"][0].as_py()] == ["user", "assistant"]


def test_large_parts_are_several_files(mat: med_mat.MedMAT, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from med_mat.export import parquet

    monkeypatch.setattr(parquet, "_MOST_ROWS", 5)
    monkeypatch.setattr(parquet, "_FILE", 30_000)
    mat.related("CT/Lung/Cancer").export(tmp_path / "out", format="trl", progress=False)
    files = sorted((tmp_path / "out/train").iterdir())
    assert len(files) > 2
    said = json.loads((tmp_path / "out/export.json").read_text("utf-8"))["files"]["train"]
    for path in files:
        ids = pq.read_table(path, columns=["id"])["id"].to_pylist()
        assert ids
        assert all(said[one] == f"train/{path.name}" for one in ids)


# ----------------------------------------------------------------------------------------------------------- turns


def record(**changes: Any) -> dict[str, Any]:
    asked = {"question": "Where?", "open_question": "Where?", "open_answer": None, "target": None}
    return {"id": "x/1/a", "options": [], "answer": None, "boxes": None, "width": 100, "height": 50} | asked | changes


def test_a_record_without_an_answer_has_no_turn() -> None:
    assert turn(record()) is None
    assert turn(record(target=""), "auto") is None
    assert turn(record(target="B", answer="B", options=["x", "y"], open_answer=None), "open") is None
    assert turn(record(target="[1, 2, 3, 4]"), "choice") is None


def test_marks_in_texts_are_broken() -> None:
    said = turn(record(question="Is <image> here?\nA: <video>\nB: x", target="A", answer="A", options=["<video>", "x"]))
    assert said is not None
    assert said.question == "Is < image> here?\nA: < video>\nB: x"
    assert said.options == ("< video>", "x")


@pytest.mark.parametrize("convention", conventions.CONVENTIONS)
def test_boxes_are_answered_in_the_convention_that_the_question_states(
    mat: med_mat.MedMAT, convention: conventions.Convention
) -> None:
    asked = [one for one in mat.index.to_pylist() if one["boxes"] is not None and one["target"]]
    assert asked
    for one in asked:
        size = (one["width"], one["height"])
        said = turn(one, boxes=convention)
        assert said is not None
        assert said.boxes is not None
        assert said.question.endswith(conventions.instruction(convention, size))
        assert said.question.startswith(said.asked)
        assert said.boxes == tuple(conventions.read(one["target"], size, "pixels") or ())
        assert len(conventions.read(said.target, size, convention) or []) == len(said.boxes)
        if convention == "pixels":
            assert (said.question, said.target) == (one["question"], one["target"])


def test_the_exports_are_named_in_the_package() -> None:
    assert set(FORMS) <= set(export.export_formats())
    assert all(one.summary and not one.summary.endswith(".") for one in export.export_formats().values())
