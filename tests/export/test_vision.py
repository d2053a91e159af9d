"""Files for vision models, read back as their readers do: nothing twice, and what is not annotated is no negative."""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from workshop import Workshop

import med_mat
from med_mat.errors import ExportError
from med_mat.export import Picture, Row
from med_mat.export.formats.coco import run_lengths
from med_mat.export.formats.imagefolder import folder_names
from med_mat.export.formats.nnunet import legend
from med_mat.export.labels import multi_hot
from med_mat.export.legends import coded, label_sets
from med_mat.export.merged import UPRIGHT, plain
from med_mat.export.objects import Object, objects, survey
from med_mat.export.registry import export_formats
from med_mat.imaging.label_maps import upright

PARTS = ("train", "validation", "test")
OURS = ("coco", "yolo", "voc", "imagefolder", "monai", "nnunet", "webdataset")
FUNDUS = "FP/Fundus/Structure Detection"
Read = dict[str, Any]


@pytest.fixture(scope="module")
def built(workshop: Workshop) -> med_mat.MedMAT:
    return med_mat.open(workshop.out)


def exported(built: med_mat.MedMAT, selector: str | None, out: Path, form: str, **options: Any) -> Read:
    """Export, and return the account."""
    built.export(selector, out, format=form, progress=False, **options)
    read: Read = json.loads((out / "export.json").read_text("utf-8"))
    return read


def by_image(built: med_mat.MedMAT, selector: str | None = None) -> dict[str, list[Read]]:
    """The records that are annotated with boxes, by image."""
    found: dict[str, list[Read]] = {}
    for one in built.index.take(built.where(selector)).to_pylist():
        if one["boxes"] is not None and one["withheld"] is None:
            found.setdefault(one["image_id"], []).append(one)
    return found


def corners(boxes: list[Read], label: str | None = None) -> set[tuple[float, ...]]:
    names = ("xmin", "ymin", "xmax", "ymax")
    return {tuple(one[name] for name in names) for one in boxes if label in (None, one["label"])}


# ---------------------------------------------------------------- COCO


@pytest.fixture(scope="module")
def coco(built: med_mat.MedMAT, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Read]:
    """The files of an export of everything, by part."""
    out = tmp_path_factory.mktemp("coco") / "out"
    exported(built, None, out, "coco")
    read = {part: json.loads((out / f"annotations/{part}.json").read_text("utf-8")) for part in PARTS}
    for data in read.values():
        assert all((out / "images" / one["file_name"]).is_file() for one in data["images"])
    return read


def test_coco_has_each_image_and_each_box_once(built: med_mat.MedMAT, coco: dict[str, Read]) -> None:
    records, seen = by_image(built), set()
    for data in coco.values():
        names = {one["id"]: one["name"] for one in data["categories"]}
        boxes: dict[int, list[tuple[Any, ...]]] = {}
        for one in data["annotations"]:
            boxes.setdefault(one["image_id"], []).append((*one["bbox"], names[one["category_id"]]))
        for image in data["images"]:
            (name,) = {built_id.split("/")[0] + "/" + built_id.split("/", 2)[2] for built_id in image["records"]}
            mine = records[name]
            assert sorted(image["records"]) == sorted(one["id"] for one in mine)
            stored = {
                (b["xmin"], b["ymin"], b["xmax"] - b["xmin"], b["ymax"] - b["ymin"], b["label"])
                for one in mine for b in one["boxes"]
            }  # fmt: skip
            found = boxes.get(image["id"], [])
            assert len(found) == len(set(found))
            assert set(found) == stored
            assert name not in seen
            seen.add(name)
    assert seen == records.keys()
    assert any(len(one) > 1 for one in records.values()), "no two records share an image: the test shows nothing"


def test_coco_counts_from_1_and_has_the_same_categories_in_all_parts(coco: dict[str, Read]) -> None:
    for data in coco.values():
        for what in ("images", "annotations", "categories"):
            assert [one["id"] for one in data[what]] == list(range(1, len(data[what]) + 1))
        assert data["categories"] == coco["train"]["categories"]
    names = [one["name"] for one in coco["train"]["categories"]]
    assert names == sorted(names)


def test_coco_calls_absent_what_is_annotated_and_nothing_else(built: med_mat.MedMAT, coco: dict[str, Read]) -> None:
    records = by_image(built)
    of_row: dict[int, set[str]] = {}
    for one in (one for image in records.values() for one in image):
        of_row.setdefault(one["row"], set()).update(box["label"] for box in one["boxes"])
    count = 0
    for data in coco.values():
        names = {one["id"]: one["name"] for one in data["categories"]}
        for image in data["images"]:
            (mine, *_) = [one for one in records.values() if one[0]["id"] in image["records"]]
            absent = {names[one] for one in image["neg_category_ids"]}
            for one in mine:
                assert not absent & {box["label"] for box in one["boxes"]}
                assert not absent & {*(one["labels_unknown"] or ()), *one["labels"]}
            assert absent <= {label for one in mine for label in (*(one["labels_absent"] or ()), *of_row[one["row"]])}
            count += len(absent)
    assert count


def test_masks_in_coco_are_those_of_the_records(built: med_mat.MedMAT, coco: dict[str, Read]) -> None:
    for data in coco.values():
        names = {one["id"]: one["name"] for one in data["categories"]}
        images = {one["id"]: one["records"] for one in data["images"]}
        regions: dict[tuple[int, str], Any] = {}
        for one in data["annotations"]:
            if not one["segmentation"]:
                continue
            height, width = one["segmentation"]["size"]
            counts = one["segmentation"]["counts"]
            flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
            mask = flat.reshape((width, height)).T
            assert mask.sum() == one["area"]
            key = one["image_id"], names[one["category_id"]]
            left, top, across, down = (round(value) for value in one["bbox"])
            box = np.zeros((height, width), dtype=np.bool_)
            box[top : top + down, left : left + across] = True
            before, boxes = regions.get(key, (False, False))
            regions[key] = before | mask, boxes | box
        where = {id_: place for place, id_ in enumerate(built.index["id"].to_pylist())}
        for (image, label), (region, boxes) in regions.items():  # specks have no box, and are no object
            found = built.read(np.array([where[id_] for id_ in images[image]]))
            stored = [med_mat.masks(one).get(label) for one in found if one["mask"] is not None]
            assert any(one is not None and np.array_equal(region, one & boxes) for one in stored), images[image]


def test_pycocotools_scores_the_truth_with_1(built: med_mat.MedMAT, tmp_path: Path) -> None:
    coco_api = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    exported(built, FUNDUS, tmp_path / "out", "coco")
    truth = coco_api.COCO(str(tmp_path / "out/annotations/train.json"))
    results = [
        {"image_id": one["image_id"], "category_id": one["category_id"], "bbox": one["bbox"], "score": 1.0,
         "segmentation": truth.annToRLE(one)}
        for one in truth.dataset["annotations"]
    ]  # fmt: skip
    for kind in ("bbox", "segm"):
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        assert evaluation.stats[0] == 1.0


@given(st.integers(1, 6), st.integers(1, 6), st.randoms(use_true_random=False))
def test_run_lengths_are_the_mask(height: int, width: int, random: Any) -> None:
    mask = np.array([[random.random() < 0.5 for _ in range(width)] for _ in range(height)])
    found = run_lengths(mask)
    flat = np.repeat(np.arange(len(found["counts"])) % 2 == 1, found["counts"])
    assert np.array_equal(flat.reshape((width, height)).T, mask)


# ---------------------------------------------------------------- what is annotated


BOX = {"xmin": 1.0, "ymin": 2.0, "xmax": 5.0, "ymax": 6.0, "label": "Mass"}
FACTS = {"row": 1, "labels": ["Mass"], "labels_absent": [], "labels_unknown": [], "boxes": [BOX]}


def test_a_label_without_a_box_and_an_unknown_one_are_unsure() -> None:
    facts = {**FACTS, "labels": ["Mass", "Edema"], "labels_absent": ["Hernia"], "labels_unknown": ["Nodule"]}
    found = objects(facts, {1: frozenset({"Mass", "Nodule", "Fracture"})})
    assert found.unsure == {"Edema", "Nodule"}
    assert found.absent == {"Hernia", "Fracture"}
    assert found.complete == {"Mass", "Hernia", "Fracture"}


def test_without_boxes_nothing_is_absent() -> None:
    found = objects({**FACTS, "boxes": None, "labels_absent": ["Hernia"]}, {1: frozenset({"Fracture"})})
    assert not found.absent
    assert not found.boxes


def test_two_records_of_an_image_are_one_and_the_unsure_one_decides() -> None:
    one = objects(FACTS, {1: frozenset({"Mass", "Cyst"})})
    other = objects({**FACTS, "boxes": [BOX, {**BOX, "label": "Scar"}], "labels_unknown": ["Cyst"]}, {})
    both = one | other
    assert both.boxes == (Object(1.0, 2.0, 5.0, 6.0, "Mass"), Object(1.0, 2.0, 5.0, 6.0, "Scar"))
    assert "Cyst" in both.unsure
    assert "Cyst" not in both.absent | both.complete


def test_a_format_that_cannot_say_it_leaves_out_images_with_classes_that_are_not_annotated(
    built: med_mat.MedMAT, tmp_path: Path
) -> None:
    chosen = "*/Intestine/Diseases Detection"
    with pytest.raises(ExportError, match=r"some classes are not annotated.*partial=True"):
        built.export("*/*/Cancer Detection", tmp_path / "none", format="yolo", progress=False)
    narrow = exported(built, chosen, tmp_path / "narrow", "yolo", classes=["Polyp"])
    assert not narrow["left_out"]
    whole = exported(built, chosen, tmp_path / "whole", "yolo")
    assert any("not annotated" in why for part in whole["left_out"].values() for why in part)
    kept = exported(built, chosen, tmp_path / "kept", "yolo", partial=True)
    assert sum(kept["records"].values()) == sum(narrow["records"].values()) > sum(whole["records"].values())


def test_a_class_that_no_box_has_is_refused_with_those_that_there_are(built: med_mat.MedMAT, tmp_path: Path) -> None:
    for form in ("coco", "yolo", "voc", "nnunet", "monai"):
        with pytest.raises(ExportError, match=r"label 'Polypp'.*Optic disc"):
            built.export(FUNDUS, tmp_path / form, format=form, progress=False, classes=["Polypp"])


def test_a_search_in_vain_is_kept_and_counts_as_absent(built: med_mat.MedMAT, tmp_path: Path) -> None:
    exported(built, "source=palm", tmp_path / "out", "coco")
    data = [json.loads(path.read_text("utf-8")) for path in (tmp_path / "out/annotations").iterdir()]
    empty = [
        image for one in data for image in one["images"]
        if image["id"] not in {box["image_id"] for box in one["annotations"]}
    ]  # fmt: skip
    assert len(empty) == sum(not one["boxes"] for image in by_image(built, "source=palm").values() for one in image) > 0
    assert all(one["neg_category_ids"] == [1] for one in empty)


# ---------------------------------------------------------------- YOLO and Pascal VOC


def test_yolo_boxes_are_those_of_the_records(built: med_mat.MedMAT, tmp_path: Path) -> None:
    account = exported(built, "*/*/Diseases Detection", tmp_path / "out", "yolo", partial=True)
    data = yaml.safe_load((tmp_path / "out/data.yaml").read_text("utf-8"))
    records = {one["id"]: one for image in by_image(built).values() for one in image}
    count = 0
    for part, files in account["files"].items():
        folder = {"validation": "val"}.get(part, part)
        assert data[folder] == f"images/{folder}"
        for id_, path in files.items():
            lines = Path(str(tmp_path / "out" / path).replace("/images/", "/labels/")).with_suffix(".txt")
            width, height = records[id_]["width"], records[id_]["height"]
            found = set()
            for line in lines.read_text("utf-8").splitlines():
                number, cx, cy, w, h = map(float, line.split())
                box = ((cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height)
                found.add((data["names"][number], *(round(value, 2) for value in box)))
            stored = {
                (one["label"], *(round(one[name], 2) for name in ("xmin", "ymin", "xmax", "ymax")))
                for one in records[id_]["boxes"]
            }
            assert found == stored
            count += len(found)
    assert count


def test_voc_boxes_count_from_1_and_hold_those_of_the_records(built: med_mat.MedMAT, tmp_path: Path) -> None:
    account = exported(built, "*/Chest/*", tmp_path / "out", "voc", partial=True)
    root, records = tmp_path / "out/VOCdevkit/VOC2007", {one["id"]: one for i in by_image(built).values() for one in i}
    for part, files in account["files"].items():
        word = {"validation": "val"}.get(part, part)
        listed = (root / f"ImageSets/Main/{word}.txt").read_text("utf-8").splitlines()
        assert {Path(path).stem for path in files.values()} == set(listed)
        for id_, path in files.items():
            tree = ElementTree.parse(root / "Annotations" / f"{Path(path).stem}.xml").getroot()
            record = records[id_]
            assert (tree.findtext("size/width"), tree.findtext("size/height")) == (
                str(record["width"]), str(record["height"]),
            )  # fmt: skip
            found = set()
            for one in tree.iter("object"):
                box = [int(one.findtext(f"bndbox/{name}") or "") for name in ("xmin", "ymin", "xmax", "ymax")]
                found.add((one.findtext("name"), *box))
            stored = {
                (one["label"], math.floor(one["xmin"]) + 1, math.floor(one["ymin"]) + 1,
                 math.ceil(one["xmax"]), math.ceil(one["ymax"]))
                for one in record["boxes"]
            }  # fmt: skip
            assert found == stored


# ---------------------------------------------------------------- ImageFolder


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=12))
def test_folders_of_labels_are_valid_and_differ_by_more_than_case(labels: list[str]) -> None:
    found = folder_names(tuple(labels))
    assert found.keys() == set(labels)
    assert len({one.lower() for one in found.values()}) == len(labels)
    assert all(one.isascii() and one.strip(" .") == one and not {*one} & {*'/\\:*?"<>|'} for one in found.values())


def test_every_part_has_a_folder_for_each_label_and_classes_json_leads_back(
    built: med_mat.MedMAT, tmp_path: Path
) -> None:
    account = exported(built, "X-ray/Breast/*", tmp_path / "out", "imagefolder", layout="folders")
    classes = json.loads((tmp_path / "out/classes.json").read_text("utf-8"))
    assert "Well-defined/circumscribed masses" in classes.values()
    labels = dict(zip(built.index["id"].to_pylist(), built.index["label"].to_pylist(), strict=True))
    for part, files in account["files"].items():
        assert {one.name for one in (tmp_path / "out" / part).iterdir()} == classes.keys()
        for id_, path in files.items():
            folder, name, *more = path.removeprefix(f"{part}/").split("/")
            assert not more
            assert (tmp_path / "out" / part / folder / name).is_file()
            assert classes[folder] == labels[id_]


def test_several_labels_become_a_table_in_which_unknown_is_not_absent(built: med_mat.MedMAT, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    exported(built, "X-ray/Chest/Diseases", tmp_path / "out", "imagefolder")
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    records = {one["id"]: one for one in built.index.to_pylist()}
    assert {*loaded} <= {*PARTS}
    for part in loaded.values():
        for one in part.remove_columns("image"):
            record = records[one["id"]]
            for name in ("labels", "labels_absent", "labels_unknown"):
                assert (one[name] or "") == "; ".join(record[name] or ())


# ---------------------------------------------------------------- masks: MONAI and nnU-Net


def regions_of(built: med_mat.MedMAT, selector: str) -> dict[str, dict[str, Any]]:
    return {one["id"]: med_mat.masks(one) for one in built.read(built.where(selector)) if one["mask"] is not None}


def test_monai_label_maps_have_one_legend(built: med_mat.MedMAT, tmp_path: Path) -> None:
    chosen, out = "source=montgomery_cxr & row=99", tmp_path / "out"
    exported(built, chosen, out, "monai")
    data, stored = json.loads((out / "dataset.json").read_text("utf-8")), regions_of(built, chosen)
    assert data["labels"] == {"0": "background", "1": "Left lung", "2": "Right lung"}
    for entry in (one for name in ("training", "validation", "test") for one in data.get(name, ())):
        values = np.asarray(Image.open(out / entry["label"]))
        for number, label in data["labels"].items():
            if number != "0":
                assert np.array_equal(values == int(number), stored[entry["id"]][label])


def test_monai_channels_hold_classes_that_overlap(built: med_mat.MedMAT, tmp_path: Path) -> None:
    exported(built, "source=rim_one_dl", tmp_path / "out", "monai")
    data, stored = (
        json.loads((tmp_path / "out/dataset.json").read_text("utf-8")),
        regions_of(built, "source=rim_one_dl"),
    )
    assert data["channels"] == ["Optic cup", "Optic disc"]
    for entry in (one for name in ("training", "validation", "test") for one in data.get(name, ())):
        for label, path in zip(data["channels"], entry["label"], strict=True):
            assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / path)) == 1, stored[entry["id"]][label])


def test_monai_classes_are_numbers_or_1_0_and_unknown(built: med_mat.MedMAT, tmp_path: Path) -> None:
    exported(built, "*/*/Level", tmp_path / "one", "monai")
    data = json.loads((tmp_path / "one/dataset.json").read_text("utf-8"))
    labels = dict(zip(built.index["id"].to_pylist(), built.index["label"].to_pylist(), strict=True))
    assert all(data["channels"][one["label"]] == labels[one["id"]] for one in (*data["training"], *data["test"]))
    exported(built, "X-ray/Chest/Diseases", tmp_path / "several", "monai")
    data = json.loads((tmp_path / "several/dataset.json").read_text("utf-8"))
    assert {number for one in data["training"] for number in one["label"]} == {1, 0, -1}


def test_a_single_label_rules_out_the_others_of_its_row_alone() -> None:
    facts = {"row": 7, "label": "Benign", "labels": ["Benign"], "labels_absent": None, "labels_unknown": None}
    assert multi_hot(facts, ("Benign", "Malignant", "Polyp"), {7: frozenset({"Benign", "Malignant"})}) == [1, 0, -1]
    findings = {**facts, "label": None, "labels_absent": ["Polyp"], "labels_unknown": ["Malignant"]}
    assert multi_hot(findings, ("Benign", "Malignant", "Polyp"), {7: frozenset({"Malignant"})}) == [1, -1, 0]


def test_nnunet_regions_and_lossless_images(built: med_mat.MedMAT, tmp_path: Path) -> None:
    chosen = "source=rim_one_dl"
    account = exported(built, chosen, tmp_path / "out", "nnunet", dataset=7, name="Disc")
    root = tmp_path / "out/Dataset007_Disc"
    data, stored = json.loads((root / "dataset.json").read_text("utf-8")), regions_of(built, chosen)
    assert data["labels"] == {"background": 0, "Optic disc": [1, 2], "Optic cup": [2]}
    assert data["regions_class_order"] == [1, 2]
    assert data["numTraining"] == len(list((root / "labelsTr").iterdir()))
    images = {one["id"]: one["image"]["bytes"] for one in built.read(built.where(chosen), ["id", "image"])}
    assert "PNG" in next(iter(account["notes"]))
    for files in account["files"].values():
        for id_, path in files.items():
            assert np.array_equal(
                np.asarray(Image.open(tmp_path / "out" / path)),
                np.asarray(Image.open(io.BytesIO(images[id_])).convert("RGB")),
            )
            label = path.replace("/images", "/labels").replace("_0000.png", ".png")
            values = np.asarray(Image.open(tmp_path / "out" / label))
            for name, numbers in data["labels"].items():
                if name != "background":
                    assert np.array_equal(np.isin(values, numbers), stored[id_][name])


def test_nnunet_has_the_validation_part_as_its_fold(built: med_mat.MedMAT, tmp_path: Path) -> None:
    account = exported(built, "source=palm", tmp_path / "out", "nnunet")
    (root,) = (tmp_path / "out").glob("Dataset*")
    (fold,) = json.loads((root / "splits_final.json").read_text("utf-8"))
    assert len(fold["val"]) == len({*account["files"]["validation"].values()}) > 0
    assert {*fold["train"], *fold["val"]} == {path.stem for path in (root / "labelsTr").iterdir()}
    exported(built, "MRI/Liver/Organ Detection", tmp_path / "gray", "nnunet")
    (data,) = (tmp_path / "gray").glob("Dataset*/dataset.json")
    assert json.loads(data.read_text("utf-8"))["channel_names"] == {"0": "gray"}


def test_nnunet_names_classes_that_cannot_be_told_apart_together() -> None:
    assert legend({("A", "B"): 1, ("C",): 2}, ("A", "B", "C")) == {"labels": {"background": 0, "A and B": 1, "C": 2}}


def test_a_dataset_number_that_nnunet_does_not_take_is_refused(built: med_mat.MedMAT, tmp_path: Path) -> None:
    for options in ({"dataset": 0}, {"dataset": 1000}, {"name": "../up"}, {"name": ""}):
        with pytest.raises(ExportError, match="nnU-Net asks for a dataset from 1 to 999"):
            built.export(FUNDUS, tmp_path / "out", format="nnunet", progress=False, **options)


@given(st.integers(0, 5), st.randoms(use_true_random=False))
def test_a_label_map_gives_back_its_masks(count: int, random: Any) -> None:
    classes = tuple("ABCDE"[:count])
    regions = {label: np.array([[random.random() < 0.5 for _ in range(5)] for _ in range(4)]) for label in classes}
    values: dict[tuple[str, ...], int] = {}
    found = coded(regions, (5, 4), classes, values)
    assert sorted(values.values()) == list(range(1, len(values) + 1))
    for label, region in regions.items():
        assert np.array_equal(np.isin(found, [number for one, number in values.items() if label in one]), region)


def test_label_sets_and_classes_are_those_of_the_records(built: med_mat.MedMAT) -> None:
    positions = {"train": built.where("source=rim_one_dl")}
    assert survey(built, positions).classes == ("Optic cup", "Optic disc")
    sets = label_sets(built, positions.values(), ("Optic cup", "Optic disc"))
    assert sets == [("Optic disc",), ("Optic cup", "Optic disc")]


# ---------------------------------------------------------------- WebDataset


def test_webdataset_shards_are_bounded_and_say_nothing_of_who_wrote_them(built: med_mat.MedMAT, tmp_path: Path) -> None:
    account = exported(built, None, tmp_path / "out", "webdataset", shard_mb=1)
    ids = []
    for path in sorted((tmp_path / "out").glob("*.tar")):
        assert path.stat().st_size <= 1_010_000
        with tarfile.open(path) as shard:
            members = shard.getmembers()
            assert {(one.mtime, one.uid, one.gid, one.uname, one.gname, one.mode) for one in members} == {
                (0, 0, 0, "", "", 0o644)
            }
            for one in members:
                content = shard.extractfile(one)
                assert content is not None
                if one.name.endswith(".json"):
                    facts = json.load(content)
                    ids.append(facts["id"])
                    assert account["files"][path.name.partition("-")[0]][facts["id"]] == path.name
                else:
                    Image.open(content).verify()
    assert sorted(ids) == sorted(id_ for files in account["files"].values() for id_ in files)
    assert len(list((tmp_path / "out").glob("train-*.tar"))) > 1


def test_datasets_reads_a_webdataset_by_its_card(built: med_mat.MedMAT, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    account = exported(built, "*/Breast/*", tmp_path / "out", "webdataset")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    records = {one["id"]: one for one in built.index.to_pylist()}
    assert {part: len(loaded[part]) for part in loaded} == {p: n for p, n in account["records"].items() if n}
    for one in loaded["test"]:
        record = records[one["json"]["id"]]
        assert corners(one["json"]["boxes"] or []) == corners(record["boxes"] or [])
        assert one["json"]["labels_absent"] == record["labels_absent"]
        shown = next(one[name] for name in ("jpg", "png") if one.get(name) is not None)
        assert shown.size == (record["width"], record["height"])


def test_a_shard_size_below_1_is_refused(built: med_mat.MedMAT, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="shard_mb"):
        built.export(FUNDUS, tmp_path / "out", format="webdataset", progress=False, shard_mb=0)


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("form", OURS)
def test_the_same_export_gives_the_same_bytes(
    built: med_mat.MedMAT, tmp_path: Path, tree_digests: Callable[[Path], dict[str, str]], form: str
) -> None:
    for name in ("one", "other"):
        exported(built, "source=edd2020", tmp_path / name, form)
    assert tree_digests(tmp_path / "one") == tree_digests(tmp_path / "other")


def test_each_format_has_options_that_are_explained() -> None:
    for name in OURS:
        one = export_formats()[name]
        assert all(option.doc for option in one.options), name


def jpeg(orientation: int) -> bytes:
    picture, exif = Image.new("RGB", (4, 2)), Image.Exif()
    picture.putpixel((0, 0), (250, 0, 0))
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif, quality=95)
    return buffer.getvalue()


def a_row(content: bytes, suffix: str, size: tuple[int, int]) -> Row:
    return Row("a/1/b.jpg", "train", {"image_id": "a/b.jpg"}, Picture(content, suffix, size), None, None)


def test_an_image_that_its_metadata_turn_is_written_upright_so_that_boxes_fit() -> None:
    for orientation in range(2, 9):
        content = jpeg(orientation)
        turned = upright(content, "a")
        shown, note = plain(a_row(content, ".jpg", turned.size))
        assert note == UPRIGHT
        assert shown.image.suffix == ".png"
        again = Image.open(io.BytesIO(shown.image.bytes))
        assert not again.getexif()
        assert np.array_equal(np.asarray(again), np.asarray(turned))


def test_other_images_keep_their_bytes() -> None:
    for content in (jpeg(1),):
        shown, note = plain(a_row(content, ".jpg", (4, 2)))
        assert (shown.image.bytes, note) == (content, "")


def test_a_gif_becomes_png() -> None:
    buffer = io.BytesIO()
    Image.new("P", (3, 3), 1).save(buffer, "GIF")
    shown, note = plain(a_row(buffer.getvalue(), ".gif", (3, 3)))
    assert note
    assert shown.image.suffix == ".png"
    assert Image.open(io.BytesIO(shown.image.bytes)).size == (3, 3)


def test_a_job_writes_an_image_once_and_notes_it_once(built: med_mat.MedMAT, tmp_path: Path) -> None:
    account = exported(built, "MRI/Liver/Organ Detection", tmp_path / "out", "coco")
    paths = {path for files in account["files"].values() for path in files.values()}
    assert len(paths) == account["images"] < sum(account["records"].values())
