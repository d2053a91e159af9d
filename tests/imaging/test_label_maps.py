"""The masks of a record: those that its legend names, of a decoded record or a stored one."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from workshop import Workshop

import med_mat
from med_mat.errors import ReadError, UsageError
from med_mat.imaging.label_maps import as_png, is_turned, upright, values


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def test_masks_overlap_where_a_value_stands_for_several_labels() -> None:
    array = np.array([[0, 1], [2, 2]], dtype=np.uint8)
    legend = [{"value": 1, "labels": ["Disc"]}, {"value": 2, "labels": ["Disc", "Cup"]}]
    found = med_mat.masks({"id": "a", "mask": {"bytes": png(array), "path": None}, "mask_legend": legend})
    assert list(found) == ["Disc", "Cup"]
    assert found["Disc"].dtype == np.bool_
    assert found["Disc"].tolist() == [[False, True], [True, True]]
    assert found["Cup"].tolist() == [[False, False], [True, True]]


def test_a_record_of_datasets_and_one_that_was_read_have_the_same_masks(workshop: Workshop) -> None:
    mat = med_mat.open(workshop.out)
    positions = mat.where("source=chestx_det & row=102")
    for one, other in zip(mat.take(positions), mat.read(positions), strict=True):
        decoded, stored = med_mat.masks(one), med_mat.masks(other)
        assert decoded.keys() == stored.keys() == {label for e in other["mask_legend"] for label in e["labels"]}
        for label, mask in decoded.items():
            assert np.array_equal(mask, stored[label])
            assert mask.shape == (other["height"], other["width"])


def test_nothing_found_has_no_mask_and_not_annotated_is_refused() -> None:
    nothing = {"bytes": png(np.zeros((2, 3), dtype=np.uint8)), "path": None}
    assert med_mat.masks({"id": "a", "mask": nothing, "mask_legend": []}) == {}
    with pytest.raises(UsageError, match="a/1 has no mask"):
        med_mat.masks({"id": "a/1", "mask": None, "mask_legend": None})
    with pytest.raises(UsageError, match="read without the columns"):
        med_mat.masks({"id": "a/1", "image": nothing})


def test_a_label_map_of_16_bits_keeps_its_values() -> None:
    array = np.array([[0, 300]], dtype=np.uint16)
    assert values(png(array), "a").tolist() == [[0, 300]]
    found = med_mat.masks({"mask": png(array), "mask_legend": [{"value": 300, "labels": ["A"]}]})
    assert found["A"].tolist() == [[False, True]]


@pytest.mark.parametrize("content", [b"", b"nothing", png(np.zeros((4, 4), dtype=np.uint8))[:40]])
def test_damaged_pixels_are_named(content: bytes) -> None:
    for read in (upright, values, as_png):
        with pytest.raises(ReadError, match="record 7"):
            read(content, "record 7")
    with pytest.raises(ReadError, match="record 7"):
        values(png(np.zeros((2, 2, 3), dtype=np.uint8)), "record 7")


def test_a_path_of_a_record_is_not_followed(tmp_path: object) -> None:
    with pytest.raises(ReadError, match="no pixels in this build"):
        upright({"bytes": None, "path": "/etc/passwd"}, "a")


def test_deep_images_become_8_bits() -> None:
    deep = png(np.array([[0, 32768, 65535]], dtype=np.uint16))
    assert np.asarray(upright(deep, "a", "L")).tolist() == [[0, 128, 255]]
    assert upright(deep, "a", "RGB").mode == "RGB"
    assert not is_turned(deep, "a")
