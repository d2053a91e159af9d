"""What synthetic images show: the same finding for the same label, whatever else differs."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from med_mat.building import Options, build
from med_mat.building.folders import find
from med_mat.building.loader import loader_of, write_miniature
from med_mat.catalog import load
from med_mat.example import Slice
from med_mat.imaging.decoding import FileCache, values
from med_mat.raw import Miniature
from med_mat.raw.miniature.drawn import texture
from med_mat.raw.miniature.forms import drawn
from med_mat.raw.miniature.look import FAMILIES, OTHER_FORMS, Look, finding
from med_mat.taxonomy import AREAS, MODALITIES

SIZE = (96, 80)
PLACE = (0.25, 0.3, 0.6, 0.7)


def image(look: Look, seed: str = "a", *, color: bool = False) -> NDArray[np.float64]:
    return texture(SIZE, seed, color=color, look=look)


@pytest.mark.parametrize(
    "label", ["Normal", "No COVID-19", "Not fractured", "Non-tumor lesion", "Level 0", "Good", "Benign lung tissue"]
)
def test_what_a_label_denies_is_not_drawn(label: str) -> None:
    assert finding(label) is None
    assert np.array_equal(image(Look("CT", "Lung", ((label, None),))), image(Look("CT", "Lung")))


@pytest.mark.parametrize("label", ["Tumor", "Malignant", "Squamous cell carcinoma", "Oral cancer", "Glioma"])
def test_tumors_look_alike_whatever_they_are_called(label: str) -> None:
    found = finding(label)
    assert found is not None
    assert found.form == "tumor"


def test_a_grade_has_as_many_dots_as_its_number() -> None:
    counts = [
        found.count for label in ("Level 1", "Grade 3", "Moderate diabetic retinopathy") if (found := finding(label))
    ]
    assert counts == [1, 3, 2]


@pytest.mark.parametrize(
    ("modality", "area"),
    [("CT", area) for area in (*AREAS, "an area of a plug-in")]
    + [(modality, "Lung") for modality in (*MODALITIES, "a modality of a plug-in")],
)
def test_a_finding_changes_the_image_where_it_is_and_nowhere_else(modality: str, area: str) -> None:
    without, tumor = image(Look(modality, area)), image(Look(modality, area, (("Tumor", PLACE),)))
    changed = abs(tumor - without) > 0.02
    rows, columns = np.nonzero(changed)
    assert len(rows) > 40
    left, top, right, bottom = (edge * length for edge, length in zip(PLACE, (96, 80, 96, 80), strict=True))
    wide, tall = right - left, bottom - top  # satellites lie up to half a side beside it
    assert left - wide / 2 <= columns.min() <= columns.max() <= right + wide / 2
    assert top - tall / 2 <= rows.min() <= rows.max() <= bottom + tall / 2


@pytest.mark.parametrize("form", [*FAMILIES, "dots", *OTHER_FORMS])
def test_every_form_covers_part_of_its_square(form: str) -> None:
    words = {"benign": "Nevus", "tumor": "Tumor", "patches": "Pneumonia", "crack": "Fractured"}
    words |= {"crescent": "Hemorrhage", "grains": "Stone", "dots": "Level 2"}
    labels = [words[form]] if form in words else [f"Condition {number}" for number in range(200)]
    one = next(found for found in map(finding, labels) if found is not None and found.form == form)
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    values = drawn(one, x, y, np.random.default_rng(0))
    assert values.shape == x.shape
    assert 0.03 < values.mean() < 0.7
    assert 0 <= values.min() <= values.max() <= 1


@pytest.mark.parametrize("modality", MODALITIES)
def test_images_differ_by_seed_and_are_the_same_again(modality: str) -> None:
    look = Look(modality, "Lung", (("Tumor", None),))
    assert np.array_equal(image(look), image(look))
    assert abs(image(look) - image(look, "b")).mean() > 0.02
    assert image(look, color=True).shape == (80, 96, 3)


def test_gray_modalities_are_gray_in_color_files_and_color_ones_are_not() -> None:
    gray, colored = (np.ptp(image(Look(one, "Lung"), color=True), axis=2).max() for one in ("CT", "Mic"))
    assert gray == 0
    assert colored > 0.2


def pixels(path: Path) -> NDArray[np.float64]:
    with Image.open(path) as opened:
        return np.asarray(opened.convert("L"), dtype=np.float64)


def test_a_lesion_lies_inside_its_mask(tmp_path: Path) -> None:
    for independent in (False, True):
        write_miniature(load()["busi"], tmp_path / str(independent), independent=independent)
    top = Path("Dataset_BUSI_with_GT")
    # the same images, but for what is found in them: where they differ is where a finding is
    inside, outside = [], []
    for path in sorted((tmp_path / "False" / top / "malignant").glob("*).png")):
        mask = pixels(path.with_name(f"{path.stem}_mask.png")) > 127
        other = pixels(tmp_path / "True" / top / "malignant" / path.name)
        if mask.shape == other.shape and not np.array_equal(pixels(path), other):
            changed = abs(pixels(path) - other)
            inside.append(changed[mask].mean())
            outside.append(changed[~mask].mean())
    assert len(inside) >= 2
    assert np.mean(inside) > 3 * np.mean(outside)


def test_copies_are_read_where_no_table_lists_images_and_left_out_where_one_does(tmp_path: Path) -> None:
    counts = {}
    for copies in (1, 3):
        raw = tmp_path / str(copies)
        for name in ("busi", "aptos_2019"):
            write_miniature(load()[name], raw / name, copies=copies)
        report = build(find({}, raw), tmp_path / f"out{copies}", Options(jobs=1))
        assert not report.failed
        index = pq.read_table(tmp_path / f"out{copies}" / "index.parquet")
        counts[copies] = {one["values"]: one["counts"] for one in index["source"].value_counts().to_pylist()}
    assert counts[3]["busi"] == 3 * counts[1]["busi"]
    assert counts[3]["aptos_2019"] == counts[1]["aptos_2019"]


def test_other_series_have_other_images_under_the_same_names(tmp_path: Path) -> None:
    for series in (0, 1):
        write_miniature(load()["head_ct"], tmp_path / str(series), series=series)
    first, second = ({one.relative_to(tmp_path / name) for one in (tmp_path / name).rglob("*")} for name in "01")
    assert first == second
    images = [name for name in first if name.suffix == ".png"]
    assert images
    assert not any((tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes() for name in images)


def test_a_miniature_that_its_loader_cannot_read_is_still_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(raw: object) -> None:
        raise KeyError("not finished yet")

    source = load()["busi"]
    monkeypatch.setattr(loader_of(source), "examples", broken)
    write_miniature(source, tmp_path, copies=2)
    top = tmp_path / "Dataset_BUSI_with_GT" / "benign"
    assert (top / "benign (1).png").exists()
    assert not (top / "benign (1001).png").exists()


def decoded(folder: Path, index: int) -> NDArray[np.int64]:
    """An axial slice as it is shown."""
    found = values(folder, Slice(PurePosixPath("a.nii"), index), FileCache(), want="index")
    return np.asarray(found, dtype=np.int64)


def test_slices_of_a_volume_show_one_body_and_what_is_found_in_each(tmp_path: Path) -> None:
    tumor = Look("CT", "Liver", (("Tumor", PLACE),))
    looks = {"a.nii": Look("CT", "Liver"), "a.nii#slice=1": tumor}
    Miniature(tmp_path, looks).volume("a.nii", (40, 40, 3))
    slices = [decoded(tmp_path, number) for number in range(3)]
    assert np.array_equal(slices[0], slices[2])
    rows, columns = np.nonzero(abs(slices[1] - slices[0]) > 40)
    assert len(rows) > 20
    assert 4 <= columns.min() <= columns.max() <= 31  # the place, and half of it on each side
    assert 4 <= rows.min() <= rows.max() <= 36


def test_where_labels_of_a_volume_are_is_known_as_they_are_shown(tmp_path: Path) -> None:
    miniature = Miniature(tmp_path)
    miniature.volume("a.nii", (40, 30, 3), labels=True, values=(1, 2))
    marked = decoded(tmp_path, 1)
    for value, (left, top, right, bottom) in zip((1, 2), miniature.shapes["a.nii#slice=1"], strict=True):
        rows, columns = np.nonzero(marked == value)
        assert (columns.min(), columns.max() + 1) == pytest.approx((40 * left, 40 * right))
        assert (rows.min(), rows.max() + 1) == pytest.approx((30 * top, 30 * bottom))
