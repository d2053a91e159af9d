"""One source is read without a build, and gives what a build records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from workshop import Workshop

import med_mat
from med_mat.demo import miniature
from med_mat.errors import LayoutError, ReadError, UnknownSourceError

#: What follows from other sources of a build, or from where a record lies in it.
ADDED = {"question", "options", "answer", "target", "group", "withheld", "file", "position", "split"}


@pytest.mark.parametrize("name", ["busi", "siim_acr_pneumothorax", "vindr_mammo", "covid_ct", "isic_2019", "hep2"])
def test_items_are_the_records_of_a_build(name: str, workshop: Workshop) -> None:
    items = med_mat.examples(name, workshop.raw / name)
    built = {}
    for path in (workshop.out / "data" / name).rglob("*.parquet"):
        built |= {one["id"]: one for one in pq.read_table(path).to_pylist()}
    found = {item.id: item for item in items}
    assert found.keys() == built.keys()
    for key, item in found.items():
        for column in built[key].keys() - ADDED:
            assert repr(item.record[column]) == repr(built[key][column]), column
    ledger = workshop.ledger(name)
    assert {one.id for one in items.skipped} == {entry["id"] for entry in ledger["quarantine"]}
    assert [item.id for item in items] == list(found), "and again in the same order"


def test_an_item_has_image_label_boxes_and_masks(workshop: Workshop) -> None:
    items = {item.id: item for item in med_mat.examples("busi", workshop.raw / "busi")}
    label, drawn = (items[f"busi/{row}/benign/benign (4).png"] for row in (48, 97))
    assert (label.label, label.boxes, label.masks) == ("Benign", None, None)
    assert (drawn.row, str(drawn.mat), drawn.labels) == (97, "US/Breast/Cancer Detection", ["Benign"])
    assert repr(drawn) == "Item('busi/97/benign/benign (4).png', US/Breast/Cancer Detection, labels=['Benign'])"
    (mask,) = (drawn.masks or {}).values()
    assert mask.dtype == np.bool_
    assert mask.shape == drawn.image.size[::-1]
    assert drawn.boxes is not None
    for box in drawn.boxes:
        assert mask[int(box["ymin"]) : int(box["ymax"]), int(box["xmin"]) : int(box["xmax"])].any()
    assert (label.patient, label.published_split) == (None, None)


def test_an_image_is_shown_as_it_is_displayed(tmp_path: Path) -> None:
    (folder,) = miniature(tmp_path, ["hushem"]).values()
    path = next(path for path in sorted(folder.rglob("*")) if path.suffix.lower() in (".bmp", ".png", ".jpg"))
    with Image.open(path) as image:
        pixels = image.convert("RGB").resize((20, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels.save(path, "JPEG", exif=exif.tobytes())
    turned = [one for one in med_mat.examples("hushem", folder) if one.record["path"].endswith(f"/{path.name}")]
    assert (10, 20) in [one.image.size for one in turned]


def test_a_bad_image_is_named_or_raised(tmp_path: Path) -> None:
    (folder,) = miniature(tmp_path, ["busi"]).values()
    bad = next(folder.rglob("benign (2).png"))
    bad.write_bytes(bad.read_bytes()[:200])
    items = med_mat.examples("busi", folder)
    assert not [item for item in items if "benign (2)" in item.id]
    assert "benign/benign (2).png" in {one.path for one in items.skipped}
    with pytest.raises(ReadError, match=r"benign \(2\)\.png.*on_error='skip' names it in \.skipped"):
        list(med_mat.examples("busi", folder, on_error="raise"))


def test_a_source_or_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownSourceError, match="Did you mean 'busi'"):
        med_mat.examples("bussi", tmp_path)
    with pytest.raises(LayoutError, match="is not laid out as"):
        med_mat.examples("busi", tmp_path)
    with pytest.raises(ReadError, match="on_error is 'ignore'"):
        med_mat.examples("busi", tmp_path, on_error="ignore")  # type: ignore[arg-type]
