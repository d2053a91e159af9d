"""Datasets for PyTorch: classes in one order, boxes and masks of the records, unknown as -1, and workers."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from workshop import Workshop

import med_mat
from med_mat.errors import ExportError, MissingExtraError, UsageError
from med_mat.torch import Classification, Detection, Segmentation, collate

FUNDUS = "FP/Fundus/Structure Detection"


@pytest.fixture(scope="module")
def built(workshop: Workshop) -> med_mat.MedMAT:
    return med_mat.open(workshop.out)


def test_torch_is_imported_at_first_use_alone() -> None:
    code = "import sys, med_mat.torch; sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_its_absence_is_a_sentence(built: med_mat.MedMAT, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="pip install torch"):
        Classification(built, built.where("CT"))


def test_test_labels_that_train_does_not_have_are_unknown(built: med_mat.MedMAT) -> None:
    pytest.importorskip("torch")
    experiment = built.related("CT/Lung/Cancer")
    train, test = Classification(experiment, "train"), Classification(experiment, "test")
    assert train.classes == test.classes == tuple(sorted({*experiment.train["label"]}))
    labels = experiment.test["label"]
    assert [train.classes[number] for _, number in train] == experiment.train["label"][:]
    assert [number for _, number in test] == [
        train.classes.index(one) if one in train.classes else -1 for one in labels
    ]
    assert -1 not in [number for _, number in Classification(experiment, "test", classes="all")]


def test_several_labels_are_1_0_and_unknown(built: med_mat.MedMAT) -> None:
    torch = pytest.importorskip("torch")
    positions = built.where("X-ray/Chest/Diseases")
    found = Classification(built, positions)
    records = built.facts(positions, ("row", "label", "labels", "labels_absent", "labels_unknown")).to_pylist()
    assert found.multi_label
    for (_, target), record in zip(found, records, strict=True):
        assert target.dtype == torch.int8
        for number, label in zip(target.tolist(), found.classes, strict=True):
            if label in record["labels"]:
                assert number == 1
            elif label in (record["labels_unknown"] or ()):
                assert number == -1
            elif label in (record["labels_absent"] or ()):
                assert number == 0
            elif record["label"] is None:
                assert number == -1
    assert {int(number) for _, target in found for number in target} == {-1, 0, 1}


def test_images_are_rgb_or_gray_tensors_or_what_a_transform_makes(built: med_mat.MedMAT) -> None:
    torch = pytest.importorskip("torch")
    positions = built.where("CT")[:5]
    for color, channels in (("RGB", 3), ("L", 1)):
        image, _ = Classification(built, positions, color=color)[0]  # type: ignore[arg-type]
        facts = built.facts(positions, ("width", "height")).to_pylist()[0]
        assert image.shape == (channels, facts["height"], facts["width"])
        assert image.dtype == torch.float32
        assert 0 <= image.min() <= image.max() <= 1
    shown, target = Classification(
        built, positions, transform=lambda one: one.size, target_transform=lambda one: f"class {one}"
    )[0]
    assert shown == (facts["width"], facts["height"])
    assert target.startswith("class ")


def test_boxes_are_those_of_the_records_and_count_once_per_image(built: med_mat.MedMAT) -> None:
    torch = pytest.importorskip("torch")
    positions = built.where("MRI/Liver/Organ Detection")
    found = Detection(built, positions, masks=True)
    records: dict[str, list[dict[str, Any]]] = {}
    for one in built.read(positions):
        records.setdefault(one["image_id"], []).append(one)
    assert len(found) == len(records) < len(positions)
    for (image, target), mine in zip(found, records.values(), strict=True):
        boxes = {tuple(box[n] for n in ("xmin", "ymin", "xmax", "ymax")) for one in mine for box in one["boxes"]}
        assert {tuple(box) for box in target["boxes"].tolist()} == boxes
        assert len(target["boxes"]) == len(boxes)
        assert target["boxes"].shape[1:] == (4,)
        assert set(target["labels"].tolist()) <= {1}
        assert target["masks"].shape == (len(boxes), *image.shape[1:])
        assert target["masks"].dtype == torch.bool
        assert target["annotated"].tolist() == [True]
        for mask, box in zip(target["masks"], target["boxes"].tolist(), strict=True):
            rows, columns = np.nonzero(np.asarray(mask))
            assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == box


def test_a_class_that_a_row_does_not_have_is_not_annotated(built: med_mat.MedMAT) -> None:
    pytest.importorskip("torch")
    positions = built.where(FUNDUS)
    boxes, masks = Detection(built, positions), Segmentation(built, positions)
    assert boxes.classes == masks.classes == ("Optic cup", "Optic disc", "Retinal vessel")
    sources = built.facts(positions, ("source",))["source"].to_pylist()
    for (_, target), (_, mask), source in zip(boxes, masks, sources, strict=True):
        known = {"rim_one_dl": [True, True, False], "fives": [False, False, True], "palm": [False, True, False]}[source]
        assert target["annotated"].tolist() == known
        for channel, annotated in zip(mask, known, strict=True):
            assert set(channel.unique().tolist()) <= ({0, 1} if annotated else {-1})


def test_masks_are_those_of_the_records(built: med_mat.MedMAT) -> None:
    pytest.importorskip("torch")
    positions = built.where("source=rim_one_dl")
    found = Segmentation(built, positions)
    for (_, mask), record in zip(found, built.read(positions), strict=True):
        stored = med_mat.masks(record)
        for channel, label in zip(mask, found.classes, strict=True):
            assert np.array_equal(np.asarray(channel) == 1, stored[label])


def test_chosen_classes_keep_their_order_and_others_have_no_box(built: med_mat.MedMAT) -> None:
    pytest.importorskip("torch")
    found = Detection(built, built.where("source=rim_one_dl"), classes=["Optic disc"])
    assert found.classes == ("Optic disc",)
    assert all(target["labels"].tolist() == [1] for _, target in found)
    with pytest.raises(ExportError, match="'Optic disk'"):
        Detection(built, built.where("source=rim_one_dl"), classes=["Optic disk"])


def test_a_batch_is_stacked_where_it_can_be(built: med_mat.MedMAT) -> None:
    torch = pytest.importorskip("torch")
    one, other = torch.zeros(3, 4, 4), torch.zeros(3, 4, 5)
    images, targets = collate([(one, 1), (one, -1)])
    assert images.shape == (2, 3, 4, 4)
    assert targets.tolist() == [1, -1]
    images, targets = collate([(one, {"masks": None}), (other, {"masks": None})])
    assert [image.shape for image in images] == [one.shape, other.shape]
    assert targets == [{"masks": None}, {"masks": None}]
    assert collate([(one, None), (one, None)])[1] == [None, None]


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_read_what_the_process_reads(built: med_mat.MedMAT, start: str) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader

    made: list[Any] = [
        Classification(built.related("CT/Lung/Cancer")),
        Detection(built, built.where(FUNDUS), masks=True),
        Segmentation(built, built.where(FUNDUS)),
    ]
    for found in made:
        loader = DataLoader(
            found, batch_size=4, num_workers=2, collate_fn=collate, multiprocessing_context=start, shuffle=False
        )
        images = [image for batch, _ in loader for image in batch]
        assert len(images) == len(found)
        assert all(torch.equal(one, found[place][0]) for place, one in enumerate(images))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"part": "tests"}, "no part 'tests'"),
        ({"part": "validation"}, "has no records"),
        ({"classes": "test"}, 'classes are "train", "all" or a list'),
        ({"color": "CMYK"}, "color"),
        ({"part": [0.5]}, "list or an array of integers"),
    ],
)
def test_a_wrong_argument_is_named(built: med_mat.MedMAT, arguments: dict[str, Any], said: str) -> None:
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match=said):
        Classification(built.related("CT/Lung/Cancer"), **arguments)


def test_an_opened_med_mat_needs_positions_and_anything_else_is_refused(built: med_mat.MedMAT) -> None:
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match="give positions in its index"):
        Detection(built)
    with pytest.raises(UsageError, match="made from an experiment or an opened Med-MAT"):
        Detection(["a"])  # type: ignore[arg-type]
