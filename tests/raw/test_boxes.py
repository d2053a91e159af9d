import math
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st

from med_mat.errors import ReadError
from med_mat.example import Box, Polygon
from med_mat.raw import Miniature, RawFolder, coco, corners, number, polygons, stated_size, voc_boxes

COCO: dict[str, Any] = {
    "images": [{"id": 2, "file_name": "b.png"}, {"id": 1, "file_name": "a.png"}],
    "categories": [{"id": 5, "name": " tooth "}],
    "annotations": [
        {"id": 9, "image_id": 1, "category_id": 5, "bbox": [1, 2, 3, 4.5], "segmentation": [[0, 0, 4, 0, 4, 4]]},
        {"id": 10, "image_id": 1, "category_id": 5, "segmentation": {"counts": "x", "size": [1, 1]}},
    ],
}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_reads_what_python_writes(value: float) -> None:
    assert number(f" {value!r} ") == value


@pytest.mark.parametrize("cell", ["", "  ", "nan", "NA", "n/a", "None", "NULL"])
def test_number_of_nothing(cell: str) -> None:
    assert number(cell) is None


@pytest.mark.parametrize("cell", ["1,5", "inf", "-inf", "1_000", "twelve", "0x10", "1 2"])
def test_number_refuses(cell: str) -> None:
    with pytest.raises(ReadError, match="is not a number"):
        number(cell)


@given(
    st.lists(
        st.tuples(
            *[st.integers(0, 500)] * 4,
            st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1),
        )
    )
)
def test_voc_round_trip(scratch: Path, drawn: list[tuple[int, int, int, int, str]]) -> None:
    boxes = tuple(Box(*corners, drawn_on=(90, 70)) for corners in drawn)
    Miniature(scratch).voc("a.xml", boxes, image="a <&> b.png", size=(90, 70))
    assert voc_boxes(RawFolder(scratch).xml("a.xml")) == boxes


@pytest.mark.parametrize(
    "inner",
    [
        "<object/>",
        "<object><name>x</name></object>",
        "<object><name> </name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object>",
        "<object><name>x</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax/></bndbox></object>",
        "<object><name>x</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>two</ymax></bndbox></object>",
    ],
)
def test_voc_refuses_incomplete_objects(inner: str) -> None:
    with pytest.raises(ReadError):
        voc_boxes(ElementTree.fromstring(f"<annotation>{inner}</annotation>"))


def test_coco_comes_in_the_order_of_the_images() -> None:
    (first, second) = coco(COCO)
    assert first == ("b.png", (), ())
    name, boxes, annotations = second
    assert (name, boxes) == ("a.png", (Box(1, 2, 4, 6.5, "tooth"),))
    assert [entry["label"] for entry in annotations] == ["tooth", "tooth"]
    assert polygons(annotations[0]) == (Polygon(((0, 0), (4, 0), (4, 4)), "tooth"),)
    assert polygons(annotations[1]) == ()
    assert "label" not in COCO["annotations"][0]


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": [{"id": 1, "image_id": 99, "category_id": 5}]},
        {"annotations": [{"id": 1, "image_id": 1, "category_id": 99}]},
        {"annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": [1, 2, 3]}]},
        {"annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": [1, 2, 3, "4"]}]},
        {"annotations": [{"id": 1, "image_id": [1], "category_id": 5}]},
        {"images": [{"id": 1}]},
        {"images": None},
        {"categories": "tooth"},
    ],
)
def test_coco_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(ReadError, match="COCO"):
        list(coco({**COCO, **change}))


@pytest.mark.parametrize("content", [[], None, "x", 3, {}])
def test_coco_refuses_other_json(content: object) -> None:
    with pytest.raises(ReadError, match="not COCO"):
        list(coco(content))


@pytest.mark.parametrize("contour", [[1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7], "x", [1, 2, 3, 4, 5, None]])
def test_polygons_refuse(contour: object) -> None:
    with pytest.raises(ReadError, match="COCO annotation 3"):
        polygons({"id": 3, "label": "x", "segmentation": [contour]})


def test_xml_of_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes('<?xml version="1.0" encoding="latin-1"?><a>é</a>'.encode("latin-1"))
    assert RawFolder(tmp_path).xml("a.xml").text == "é"


def test_corners() -> None:
    row = {"x": "1", "y": "2.5", "w": "3", "h": "4", "label": "x"}
    assert corners(row, ["x", "y", "w", "h"]) == (1, 2.5, 3, 4)
    assert corners({**row, "x": "", "y": "NaN", "w": " ", "h": ""}, ["x", "y", "w", "h"]) is None


@pytest.mark.parametrize("change", [{"x": ""}, {"h": "nan"}, {"y": "two"}, {"w": "inf"}])
def test_a_box_that_lacks_a_number_has_no_place_and_is_still_a_box(change: dict[str, str]) -> None:
    found = corners({"x": "1", "y": "2", "w": "3", "h": "4", **change}, ["x", "y", "w", "h"])
    assert found is not None
    assert sum(map(math.isnan, found)) == 1


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [("90", "70", (90, 70)), (90, 70.0, (90, 70)), ("0", "0", None), (None, None, None), ("90", "", None)],
)
def test_the_size_that_an_annotation_states(width: object, height: object, expected: object) -> None:
    assert stated_size(width, height) == expected


@pytest.mark.parametrize(("width", "height"), [("-90", "70"), ("90", "70.5"), ("wide", "70")])
def test_a_size_that_is_none_is_refused(width: str, height: str) -> None:
    with pytest.raises(ReadError):
        stated_size(width, height)


def test_boxes_and_contours_of_coco_carry_the_size_that_it_states() -> None:
    content = {**COCO, "images": [{**one, "width": 640, "height": 480} for one in COCO["images"]]}
    for _, boxes, annotations in coco(content):
        for thing in (*boxes, *(contour for entry in annotations for contour in polygons(entry))):
            assert thing.drawn_on == (640, 480)
    for _, boxes, _ in coco({**content, "images": [{**one, "width": 0} for one in content["images"]]}):
        assert {box.drawn_on for box in boxes} <= {None}
