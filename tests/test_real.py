"""The publishers' real data, where they are at hand: five sources in the layouts in which they ship."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from workshop import once

import med_mat
from med_mat.building import Options, build, find
from med_mat.catalog import load, sources
from med_mat.dataset import MedMAT
from med_mat.doctor import diagnose
from med_mat.errors import LayoutError, SplitError

pytestmark = pytest.mark.real

REAL = Path(os.environ.get("MED_MAT_REAL_DATA") or Path(__file__).parents[2] / "shared" / "real")
FOLDERS = {
    "head_ct": "007_head_ct",
    "hep2": "033_hep2",
    "kvasir_seg": "093_kvasir_seg",
    "edd2020": "095_edd2020",
}
WITHOUT_TABLE = "106_siim"
if not all((REAL / folder).is_dir() for folder in FOLDERS.values()):
    pytest.skip(
        f"The real data are not in {REAL}: MED_MAT_REAL_DATA names the folder that holds {', '.join(FOLDERS.values())}",
        allow_module_level=True,
    )


class Built:
    """The build of all four folders."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "Med-MAT"
        self.index: list[dict[str, Any]] = pq.read_table(self.out / "index.parquet").to_pylist()

    def of(self, source: str) -> list[dict[str, Any]]:
        return [one for one in self.index if one["source"] == source]

    def pictures(self, source: str) -> list[dict[str, Any]]:
        paths = sorted((self.out / "data" / source).rglob("*.parquet"))
        return [one for path in paths for one in pq.read_table(path).to_pylist()]

    def ledger(self, source: str) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.out / "ledger" / f"{source}.json").read_text("utf-8"))
        return read


def tree(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    def make(folder: Path) -> None:
        before = tree(REAL)
        found = find({name: REAL / place for name, place in FOLDERS.items()}, None)
        report = build(found, folder / "Med-MAT", Options(jobs=2))
        assert tree(REAL) == before
        assert report.failed == {}

    return Built(once(tmp_path_factory, "real", make))


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def test_all_are_recognized_below_one_root() -> None:
    found = find({}, REAL)
    places = {name: raw.root.relative_to(REAL).parts[0] for name, raw in found.items()}
    assert FOLDERS.items() <= places.items()
    assert WITHOUT_TABLE not in places.values()


def test_found_is_written_and_skipped(built: Built) -> None:
    expected = {"hep2": 13_596, "head_ct": 200, "kvasir_seg": 5, "edd2020": 4}
    assert Counter(one["source"] for one in built.index) == expected
    for name, count in expected.items():
        ledger = built.ledger(name)
        assert ledger["found"] == ledger["written"] + ledger["skipped"] == count
        files = ledger["files"]
        assert files["found"] == files["images"] + files["annotations"] + files["skipped"]
        on_disk = sum(path.is_file() for path in find({name: REAL / FOLDERS[name]}, None)[name].root.rglob("*"))
        assert files["found"] == on_disk
        assert ledger["synthetic"] is False
    assert len(built.index) == 13_805
    assert "Synthetic images" not in (built.out / "README.md").read_text("utf-8")


def test_hep2_has_the_labels_of_its_table(built: Built) -> None:
    raw = dict(table(REAL / "033_hep2" / "gt_training.csv"))
    human = load()["hep2"].row(33).labels
    records = built.of("hep2")
    assert Counter(one["raw_label"] for one in records) == Counter(raw.values())
    assert {one["id"].split("/")[-1].removesuffix(".png"): one["label"] for one in records} == {
        name: human[label] for name, label in raw.items()
    }
    assert {one["published_split"] for one in records} == {None}, "the folders are a third party's"
    assert 0.09 < sum(one["split"] == "test" for one in records) / len(records) < 0.11
    assert {(one["width"], one["height"]) for one in records} <= {(78, 78)}


def test_head_ct_has_the_labels_of_its_table(built: Built) -> None:
    raw = {f"{int(name):03d}": label for name, label in table(REAL / "007_head_ct" / "labels.csv")}
    records = built.of("head_ct")
    assert {one["id"].split("/")[-1].removesuffix(".png"): one["raw_label"] for one in records} == raw
    human = load()["head_ct"].row(7).labels
    counts = Counter(one["label"] for one in records)
    assert counts == {human["0"]: 100, human["1"]: 100}
    test = Counter(one["label"] for one in records if one["split"] == "test")
    assert set(test.values()) == {10}
    assert {one["patient"] for one in records} == {None}, "four pairs show one person each, against the publisher"


def test_kvasir_seg_has_masks_over_its_polyps(built: Built) -> None:
    for one in built.pictures("kvasir_seg"):
        stem = Path(one["image"]["path"]).stem
        mask = np.asarray(Image.open(io.BytesIO(one["mask"]["bytes"])))
        published = np.asarray(Image.open(REAL / f"093_kvasir_seg/Kvasir-SEG/masks/{stem}.jpg").convert("L")) > 127
        assert mask.shape == published.shape == (one["height"], one["width"])
        assert np.mean((mask > 0) != published) < 0.002
        assert one["labels"] == ["Polyp"]
        assert one["boxes"]
        inside = np.zeros(mask.shape, dtype=bool)
        for box in one["boxes"]:
            left, top, right, bottom = (int(box[side]) for side in ("xmin", "ymin", "xmax", "ymax"))
            inside[top:bottom, left:right] = True
            for edge in (mask[top, left:right], mask[bottom - 1, left:right], mask[top:bottom, left]):
                assert edge.any(), "the box is no larger than its polyp"
        assert np.mean(inside[mask > 0]) > 0.999  # a lone white pixel in a corner is no polyp


def test_edd2020_has_a_mask_for_each_class_that_its_pages_show(built: Built) -> None:
    classes = ["BE", "suspicious", "HGD", "cancer", "polyp"]
    human = load()["edd2020"].row(95).labels
    root = REAL / "095_edd2020" / "samples"
    for one in built.pictures("edd2020"):
        stem = one["id"].split("/")[-1].rpartition(".")[0]
        (path,) = root.rglob(f"{stem}_mask.tif")
        mask = np.asarray(Image.open(io.BytesIO(one["mask"]["bytes"])))
        drawn = {
            label: np.isin(mask, [entry["value"] for entry in one["mask_legend"] if label in entry["labels"]])
            for label in human.values()
        }
        lines = {"suspicious", "cancer", "polyp"} if stem == "00000_batch2" else set()  # along the border, and no more
        assert set(one["labels_unknown"]) == {human[raw] for raw in lines}
        with Image.open(path) as pages:
            assert pages.n_frames == 5
            for page, raw in enumerate(classes):
                pages.seek(page)
                published = np.asarray(pages.convert("L")) > 127
                assert published.shape == mask.shape
                if raw in lines:
                    assert published[-1].all()
                    published[-1] = False
                assert np.array_equal(drawn[human[raw]], published), (stem, raw)
                assert (human[raw] in one["labels"]) == bool(published.any())
    bmp = next(one for one in built.pictures("edd2020") if "ACB0015" in one["id"])
    assert bmp["image"]["bytes"][:4] == b"\x89PNG", "a BMP with a JPEG's name"
    assert bmp["transform"] != "none"


def test_siim_without_its_table_is_refused_and_says_what_is_missing() -> None:
    with pytest.raises(LayoutError) as caught:
        find({"siim_acr_pneumothorax": REAL / WITHOUT_TABLE}, None)
    assert "it lacks {train-rle,stage_2_train}.csv" in str(caught.value)
    (one,) = diagnose(REAL / WITHOUT_TABLE, load())
    assert (one.state, one.source, one.missing) == (
        "partial", "siim_acr_pneumothorax", ("{train-rle,stage_2_train}.csv",)
    )  # fmt: skip


def test_doctor_names_every_folder_and_takes_no_part_for_the_whole() -> None:
    found = {Path(one.where).relative_to(REAL).parts[0]: one for one in diagnose(REAL, load()) if one.source}
    assert {place: (one.source, one.complete) for place, one in found.items()} == {
        "007_head_ct": ("head_ct", True),
        "033_hep2": ("hep2", True),
        "045_brain_tumor_mri_part": ("brain_tumor_mri", False),
        "052_vertebrae_xray_part": ("vertebrae_xray", True),  # in one of its six sizes
        "063_brain_tumor_dataset_part": ("brain_tumor_dataset", False),
        "093_kvasir_seg": ("kvasir_seg", False),
        "095_edd2020": ("edd2020", False),
        "106_siim": ("siim_acr_pneumothorax", False),
    }
    assert found["093_kvasir_seg"].missing == ("kavsir_bboxes.json",)


def test_hep2_under_another_name_and_without_its_table_is_hep2(tmp_path: Path) -> None:
    for file in (REAL / "033_hep2/data").rglob("*.png"):
        copy = tmp_path / "cells" / file.relative_to(REAL / "033_hep2")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(b"x")
    (one,) = diagnose(tmp_path, load())
    assert (one.state, one.source, one.missing) == ("partial", "hep2", ("gt_training.csv",))


def compressed(data: bytes) -> bytes:
    """The compressed image data alone: the scans of a JPEG file, what lies in the IDAT chunks of a PNG file."""
    if data.startswith(b"\xff\xd8"):
        return data[data.rindex(b"\xff\xda") :]
    chunks, at = b"", 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            chunks += data[at + 8 : at + 8 + size]
        at += size + 12
    return chunks


def test_stored_bytes_are_the_publishers_without_their_metadata(built: Built) -> None:
    raw: dict[str, bytes] = {}
    for folder in FOLDERS.values():
        for path in (REAL / folder).rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                raw[hashlib.sha256(data).hexdigest()] = data
    transforms: Counter[tuple[str, str]] = Counter()
    for name in FOLDERS:
        for one in built.pictures(name):
            published, stored = raw[one["sha256"]], one["image"]["bytes"]
            transforms[name, one["transform"]] += 1
            if one["transform"] == "none":
                assert stored == published
                continue
            assert np.array_equal(*(np.asarray(Image.open(io.BytesIO(data))) for data in (stored, published)))
            if one["transform"].startswith("metadata removed"):
                assert compressed(stored) == compressed(published) != b""
                assert len(stored) < len(published)
    assert transforms == {
        ("hep2", "metadata removed (date)"): 13_596,
        ("head_ct", "metadata removed (text)"): 190,
        ("head_ct", "none"): 10,
        ("kvasir_seg", "none"): 5,
        ("edd2020", "none"): 2,
        ("edd2020", "metadata removed (EXIF, IPTC)"): 1,
        ("edd2020", "BMP to PNG"): 1,
    }


def test_it_opens_and_selects(built: Built, arrow_cache: Path) -> None:
    mat = med_mat.open(built.out)
    assert isinstance(mat, MedMAT)
    assert mat.grid() == {("CT", "Brain"): 200, ("Mic", "Cell"): 13_596, ("End", "Intestine"): 9}
    test = mat.select("Mic/Cell/*", split="test")
    assert test[0]["image"].size == (78, 78)
    assert len(mat.select("End/*/*", label="Polyp")) >= 5
    assert {path.suffix for path in (arrow_cache / "med_mat").iterdir()} == {".arrow"}


def test_what_few_sources_can_split_is_audited_and_the_rest_is_said(built: Built) -> None:
    """Three triplets share too little for related data; every other experiment is made, and proves itself."""
    mat = med_mat.open(built.out)
    target = "Mic/Cell/Recognition"
    assert mat.combinations(target) == ()
    with pytest.raises(SplitError, match=r"itself holds its modality, Mic\. Sources that would provide it: sicapv2"):
        mat.related(target)
    for made in (
        mat.all_unrelated(target),
        mat.unrelated(target, size=100, balanced_test=True),
        mat.all_data(target),
        mat.held_out("Mic/*/*"),
        mat.single_task(target),
        mat.limited(target, 60, base="all_data"),
        *mat.scaling(target, [20, 80], base="unrelated"),
        *mat.leave_one_out(),
    ):
        audit = made.audit()
        assert not any(audit.shared.values())
    balanced = mat.single_task(target).audit()
    assert len(set(balanced.test_labels.values())) == 1
    assert sum(balanced.train.values()) == 3_000
    assert sorted(balanced.train_labels.values()) == [500] * 6
    found = mat.recommend(target, 100)
    elsewhere = [one for one in found.choices if one.records is None]
    more = [one for one in elsewhere if "would hold the target itself" in one.why]
    assert {one.source for one in more} == {source.name for source in sources(target)} - {"hep2"}
    assert elsewhere[: len(more)] == more, "it comes first"


def test_near_duplicates_of_the_publishers_own_pictures_are_kept_together(built: Built) -> None:
    mat = med_mat.open(built.out)
    links = pq.read_table(built.out / "duplicates.parquet").to_pylist()
    assert {one["first_source"] for one in links if one["reason"] == "near"} >= {"hep2"}
    ids = mat.index["id"].to_pylist()
    place = {name: number for number, name in enumerate(ids)}
    for one in links:
        assert mat.tags.group[place[one["first"]]] == mat.tags.group[place[one["second"]]]


def test_a_second_build_has_nothing_to_do(built: Built, tmp_path: Path) -> None:
    out = shutil.copytree(built.out, tmp_path / "Med-MAT")
    before = {path: path.stat().st_mtime_ns for path in (out / "data").rglob("*.parquet")}
    report = build(find({"hep2": REAL / FOLDERS["hep2"]}, None), out, Options(jobs=1))
    assert report.kept == len(list((out / ".build" / "hep2").glob("*.json"))) > 0
    assert {path: path.stat().st_mtime_ns for path in (out / "data").rglob("*.parquet")} == before


def test_the_same_archives_read_in_place_give_the_same_bytes(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MED_MAT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "raw").mkdir()
    for number, (name, place) in enumerate(FOLDERS.items()):
        shutil.make_archive(str(tmp_path / "raw" / name), ("zip", "gztar")[number % 2], REAL / place)
    build(find({}, tmp_path / "raw"), tmp_path / "out", Options(jobs=2))
    one, other = (
        {
            path.relative_to(out).as_posix(): path.read_bytes()
            for path in out.rglob("*")
            if path.is_file() and ".build" not in path.parts and path.name != "SHA256SUMS"
        }
        for out in (tmp_path / "out", built.out)
    )
    assert one == other
