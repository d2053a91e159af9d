"""A copy that lacks what a row does not need is read, and what it lacks is said; only what is missing is missing."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from pathlib import Path

import pytest

from med_mat.building import Options, build, find
from med_mat.building.loader import loader_of
from med_mat.catalog import load
from med_mat.demo import miniature
from med_mat.example import Example

#: Source -> what is taken away, and which of its examples stay.
TAKEN_AWAY: dict[str, list[str]] = {
    "busi": ["**/*_mask*.png"],
    "bone_marrow_cell": [f"**/{name}/**/*.jpg" for name in ("ABE", "KSC", "PMO", "BLA", "LYT")],
    "ct_of_brain": ["**/*.jpg"],
    "isic_2016": ["**/*Part3B_*_Segmentation.png", "**/*Part1_*/*"],
    "isic_2017": ["**/*Part1_GroundTruth/*"],
    "chexpert_small": ["**/valid.csv", "**/valid/**/*.jpg"],
    "vindr_spinexr": ["annotations/test.csv", "**/test_images/*"],
    "vindr_pcxr": ["**/annotations_*.csv"],
    "rsna_pneumonia": ["**/stage_2_train_labels.csv"],
    "nih_chestxray14": ["**/test_list.txt"],
    "chestx_det": ["**/ChestX_Det_test.json", "**/test*/*.png"],
    "chaoyang": ["**/train.json", "**/train/*.jpg"],
    "montgomery_cxr": ["**/ManualMask/**/*.png"],
    "sicapv2": ["**/masks/*", "**/partition/Test/Train.xlsx"],
    "odir_5k": ["**/*_Dataset/*_left.jpg"],
    "oct_2017": ["**/train/**/*.jpeg"],
    "m2caiseg": ["**/test/**/*"],
    "fives": ["**/train/**/*"],
    "covid_ct": ["**/Data-split/**/*", "**/*MetaInfo*"],
}


def examples(name: str, folder: Path) -> list[Example]:
    return list(loader_of(load()[name]).examples(find({name: folder}, None)[name]))


@pytest.mark.parametrize("name", TAKEN_AWAY)
def test_what_is_left_is_recognized_and_read_as_before(name: str, tmp_path: Path) -> None:
    (folder,) = miniature(tmp_path / "raw", [name]).values()
    whole = {one.name: one for one in examples(name, folder)}
    for pattern in TAKEN_AWAY[name]:
        for path in [path for path in folder.glob(pattern) if path.is_file()]:
            path.unlink()
    folder.rename(tmp_path / "raw/of a disk")
    assert find({}, tmp_path / "raw").keys() == {name}
    left = examples(name, tmp_path / "raw/of a disk")
    assert left
    if name == "ct_of_brain":
        return  # the JPEGs' twins, under names of their own
    assert {one.name for one in left} <= whole.keys()
    assert all((one.label, one.labels) == (whole[one.name].label, whole[one.name].labels) for one in left)


def test_with_one_of_two_lists_no_test_image_of_nih_passes_for_a_training_image(tmp_path: Path) -> None:
    (folder,) = miniature(tmp_path, ["nih_chestxray14"]).values()
    next(folder.rglob("test_list.txt")).unlink()
    assert Counter(one.split for one in examples("nih_chestxray14", folder)).keys() == {None}


def test_boxes_of_rsna_are_unknown_without_their_table_and_not_absent(tmp_path: Path) -> None:
    (folder,) = miniature(tmp_path, ["rsna_pneumonia"]).values()
    next(folder.rglob("stage_2_train_labels.csv")).unlink()
    assert {one.boxes for one in examples("rsna_pneumonia", folder)} == {None}


def test_images_of_covid_ct_alone_are_read_at_the_top(tmp_path: Path) -> None:
    (folder,) = miniature(tmp_path / "whole", ["covid_ct"]).values()
    images = next(folder.rglob("CT_COVID")).parent
    shutil.copytree(images, tmp_path / "images")
    assert len(examples("covid_ct", tmp_path / "images")) == len(examples("covid_ct", folder))


def test_one_class_of_a_source_that_is_named_is_built_and_the_rest_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder,) = miniature(tmp_path / "raw", ["ct_of_brain"]).values()
    for other in ("cancer", "tumor"):
        shutil.rmtree(next(folder.rglob(f"files/{other}")))
    (tmp_path / "raw/ct_of_brain").rename(tmp_path / "raw/mine")
    with pytest.raises(Exception, match="No source of Med-MAT is recognized"):
        find({}, tmp_path / "raw")  # a folder called aneurysm may be anybody's
    with caplog.at_level(logging.WARNING):
        built = build(find({"ct_of_brain": tmp_path / "raw/mine"}, None), tmp_path / "out", Options(jobs=1))
    assert built.written == 6
    assert "lacks files/cancer/*.{jpg,dcm}, files/tumor/*.{jpg,dcm} of ct_of_brain" in caplog.text
