"""A label is never bent: what a publisher draws or says is there is never called absent, whatever its place is."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from building import Toy, draw, ledger, reasons, records, row
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from med_mat.building import drawn
from med_mat.building.consistency import contradiction, contradictions
from med_mat.building.outcomes import EMPTY, LEFT_OUT, UNANSWERED, WITHOUT_PLACE
from med_mat.building.record import Placed, record, rows_served
from med_mat.catalog import Row, load
from med_mat.errors import LabelError
from med_mat.example import RLE, Box, Example, Mask, Polygon
from med_mat.imaging.annotations import FALLEN_BOXES, FALLEN_CONTOURS, SCALED, SPECKS
from med_mat.imaging.decoding import FileCache, Stored
from med_mat.imaging.hashing import Look
from med_mat.questions import Questioner

MakeToy = Callable[..., Toy]
AB = {"a": "Benign", "b": "Malignant"}
DRAWN_ROW = row(97, "masks", AB)
FINDINGS_ROW = row(48, "findings", {**AB, "none": "No finding"})
EVERY_IMAGE = "\n    for image in raw.images(exclude='*_mask*'):\n        yield Example(image, {})\n"


def by_row(toy: Toy) -> dict[int, dict[str, Any]]:
    return {one["row"]: one for one in records(toy.out)}


def built(toy: MakeToy, said: str, *rows: Row) -> Toy:
    """One image of 16 x 12 pixels, with what its example says of it."""
    source = toy(EVERY_IMAGE.format(said), *(rows or (DRAWN_ROW,)))
    source.draw("1.png", "2.png")
    source.build()
    return source


#: What keeps the second picture of a toy, so that a build has a record at all.
GOOD = "(Box(1, 1, 5, 5, 'a'),)"


def of_first(what: str) -> str:
    return f"({what}) if image.name == '1.png' else {GOOD}"


# ----------------------------------------------------------------------------------- boxes and contours that fall away


OUTSIDE = "(Box(20, 20, 30, 30, 'a'), Box(4, 4, 4, 9, 'b'))"


def test_an_image_all_of_whose_boxes_fall_away_is_skipped_with_their_number(toy: MakeToy) -> None:
    source = built(toy, f"boxes={of_first(OUTSIDE)}")
    assert [one["path"] for one in records(source.out)] == ["2.png"]
    assert reasons(source.out) == {"1.png": "1.png: none of its 2 boxes lies in the image of 16 x 12 pixels."}


@pytest.mark.parametrize("box", ["(4, 4, float('nan'), 9", "(float('-inf'), 0, 3, 3", "(7, 3, 7, 9", "(-9, -9, 0, 5"])
def test_a_label_whose_box_falls_away_is_present_beside_others_and_named_in_the_ledger(toy: MakeToy, box: str) -> None:
    source = built(toy, f"boxes=(Box(1, 1, 5, 5, 'a'), Box{box}, 'b'))")
    for one in records(source.out):
        assert (one["labels"], one["labels_absent"]) == (["Benign", "Malignant"], [])
        assert [box["label"] for box in one["boxes"]] == ["Benign"]
        assert one["raw_label"] == "a|b"
        assert one["target"] == "[1, 1, 5, 5]"  # what has no place is not asked for
    noted = ledger(source.out)["noted"]
    assert sorted(noted[FALLEN_BOXES]) == sorted(noted[WITHOUT_PLACE]) == ["toy/97/1.png", "toy/97/2.png"]


def test_where_no_box_has_a_place_those_of_the_mask_stand_for_them(toy: MakeToy) -> None:
    source = built(toy, "boxes=(Box(90, 90, 99, 99, 'a'),), masks=(RLE('1 3', 'a'),)")
    for one in records(source.out):
        assert (one["labels"], one["labels_absent"]) == (["Benign"], ["Malignant"])
        assert [(box["xmin"], box["xmax"]) for box in one["boxes"]] == [(0, 3)]
    assert drawn.INSTEAD in ledger(source.out)["notes"]


CONTOUR = "((500, 500), (600, 500), (600, 600))"


@pytest.mark.parametrize(
    "contour",
    [CONTOUR, "((1, 1), (5, 1))", "((1, float('nan')), (9, 1), (9, 9))", "((-1e9, -1e9), (-1e9, 0), (-9, -9))"],
)
def test_contours_that_mark_nothing_are_no_empty_mask(toy: MakeToy, contour: str) -> None:
    source = toy(
        "\n    for image in raw.images():\n"
        f"        one = Polygon({contour}, 'a')\n"
        "        two = Polygon(((1, 1), (5, 1), (5, 5), (1, 5)), 'b')\n"
        "        yield Example(image, masks=(one, one) if image.name == '1.png' else (one, two))\n",
        DRAWN_ROW,
    )
    source.draw("1.png", "2.png")
    source.build()
    (one,) = records(source.out)
    assert (one["path"], one["labels"], one["labels_absent"]) == ("2.png", ["Benign", "Malignant"], [])
    assert [entry["labels"] for entry in one["mask_legend"]] == [["Malignant"]]
    assert ledger(source.out)["noted"][FALLEN_CONTOURS] == ["toy/97/2.png"]
    why = "1.png: none of its 2 contours or run lengths marks a pixel of the image of 16 x 12 pixels."
    assert reasons(source.out) == {"1.png": why}


def test_boxes_outlive_contours_that_mark_nothing(toy: MakeToy) -> None:
    source = built(toy, f"boxes={GOOD}, masks=(Polygon({CONTOUR}, 'a'),)")
    for one in records(source.out):
        assert ([box["label"] for box in one["boxes"]], one["mask_legend"]) == (["Benign"], None)


def test_a_row_that_needs_no_boxes_keeps_a_record_whose_boxes_have_no_place(toy: MakeToy) -> None:
    source = built(toy, "label='a', boxes=(Box(90, 90, 99, 99, 'a'),)", row(48, "classes", AB))
    assert [(one["label"], one["boxes"], one["mask_legend"]) for one in records(source.out)] == [
        ("Benign", None, None)
    ] * 2
    assert ledger(source.out)["notes"][LEFT_OUT] == 2


# --------------------------------------------------------------------------------------------------- the size drawn on


@pytest.mark.parametrize("size", [(16, 12), (32, 24), (160, 121), (8, 6)])
def test_boxes_drawn_on_another_size_of_the_same_shape_are_scaled_and_noted(
    toy: MakeToy, size: tuple[int, int]
) -> None:
    scale = size[0] / 16
    corners = ", ".join(str(corner * scale) for corner in (2, 3, 8, 9))
    source = built(toy, f"boxes=(Box({corners}, 'a', drawn_on={size}),)")
    (box,) = records(source.out)[0]["boxes"]
    assert [box[side] for side in ("xmin", "ymin", "xmax", "ymax")] == pytest.approx([2, 3, 8, 9], abs=0.1)
    assert ledger(source.out)["notes"] == ({} if size == (16, 12) else {SCALED: 2})


@pytest.mark.parametrize("size", [(12, 16), (16, 16), (640, 640), (1024, 600)])
@pytest.mark.parametrize(
    "what", ["boxes=(Box(2, 3, 8, 9, 'a', {0}),)", "masks=(Polygon(((1, 1), (5, 1), (5, 5)), 'a', {0}),)"]
)
def test_what_was_drawn_on_an_image_of_another_shape_has_no_place(
    toy: MakeToy, size: tuple[int, int], what: str
) -> None:
    rows = (row(48, "classes", AB), DRAWN_ROW)
    source = built(toy, "label='a', " + what.format(f"drawn_on={size}"), *rows)
    assert set(by_row(source)) == {48}  # the class is not lost with them
    (why,) = {entry["reason"] for entry in ledger(source.out)["quarantine"]}
    assert f"drawn on an image of {size[0]} x {size[1]} pixels, and it has 16 x 12" in why


def test_contours_are_scaled_too(toy: MakeToy) -> None:
    points = "((4, 4), (20, 4), (20, 16), (4, 16))"
    source = built(toy, f"masks=(Polygon({points}, 'a', drawn_on=(32, 24)),)")
    (box,) = records(source.out)[0]["boxes"]
    assert [box[side] for side in ("xmin", "ymin", "xmax", "ymax")] == [2, 2, 10, 8]


def test_boxes_drawn_on_the_upright_image_are_not_turned_again() -> None:
    turned = Stored(b"", "JPEG", 12, 16, "none", "", *Look(), 16, 12, orientation=6)
    example = Example(PurePosixPath("1.jpg"), boxes=(Box(1, 2, 5, 9, "a", drawn_on=(24, 32)),))
    (box,) = drawn.draw(Path(), example, turned, FileCache()).boxes or ()
    assert (box.xmin, box.ymin, box.xmax, box.ymax) == (0.5, 1, 2.5, 4.5)


# ------------------------------------------------------------------------------------------------- one image, two rows


def test_what_the_labels_say_is_there_is_not_denied_by_a_row_of_boxes(toy: MakeToy) -> None:
    labels = "labels={'a': True, 'b': True, 'none': False}"
    source = built(toy, f"{labels}, boxes={of_first('()')}", FINDINGS_ROW, DRAWN_ROW)
    assert {one["id"] for one in records(source.out)} == {"toy/48/1.png", "toy/48/2.png", "toy/97/2.png"}
    found = {one["id"]: one for one in records(source.out)}["toy/97/2.png"]
    assert (found["labels"], found["labels_absent"]) == (["Benign", "Malignant"], [])
    (entry,) = ledger(source.out)["quarantine"]
    assert entry["reason"] == "1.png: 'Benign', 'Malignant' is said to be there, and no box or mask shows where."


def test_what_the_labels_leave_open_is_not_absent_in_a_row_of_boxes(toy: MakeToy) -> None:
    source = built(toy, f"labels={{'a': True, 'b': None, 'none': False}}, boxes={GOOD}", FINDINGS_ROW, DRAWN_ROW)
    found = by_row(source)[97]
    assert (found["labels"], found["labels_absent"], found["labels_unknown"]) == (["Benign"], [], ["Malignant"])


def test_rows_that_deny_each_other_are_skipped_both(toy: MakeToy) -> None:
    labels = "labels={'a': image.name != '1.png', 'b': False, 'none': False}"
    source = built(toy, f"{labels}, boxes={GOOD}", FINDINGS_ROW, DRAWN_ROW)
    assert {one["path"] for one in records(source.out)} == {"2.png"}
    whys = {entry["reason"] for entry in ledger(source.out)["quarantine"]}
    assert whys == {
        "1.png: Two rows of one image contradict each other: row 97 calls 'Benign' present, and row 48 does not."
    }


def test_a_mask_of_another_class_than_the_images_own_is_no_record(toy: MakeToy) -> None:
    said = "label='a', masks=(RLE('1 5', 'b' if image.name == '1.png' else 'a'),)"
    source = built(toy, said, row(48, "classes", AB), DRAWN_ROW)
    assert {one["path"] for one in records(source.out)} == {"2.png"}


def test_a_class_whose_mask_is_black_is_not_called_absent(toy: MakeToy) -> None:
    source = built(toy, "label='a', masks=(RLE('', 'a'),)", row(48, "classes", AB), DRAWN_ROW)
    assert set(by_row(source)) == {48}


def test_boxes_and_masks_that_show_a_label_in_different_places_are_no_record(toy: MakeToy) -> None:
    source = built(toy, f"boxes={of_first('Box(8, 8, 12, 12, chr(97)),')}, masks=(RLE('18 4 34 4 50 4 66 4', 'a'),)")
    assert [one["path"] for one in records(source.out)] == ["2.png"]
    assert "show 'a' in different places" in reasons(source.out)["1.png"]


def test_a_black_mask_beside_boxes_is_no_record(toy: MakeToy) -> None:
    source = built(toy, f"boxes={GOOD}, masks=(RLE('18 4 34 4 50 4 66 4' if image.name == '2.png' else '', 'a'),)")
    assert [one["path"] for one in records(source.out)] == ["2.png"]
    assert reasons(source.out) == {"1.png": "1.png: its boxes show 'a', and its mask marks nothing."}


def test_boxes_that_lie_half_beside_their_mask_are_noted(toy: MakeToy) -> None:
    source = built(toy, "boxes=(Box(4, 1, 8, 5, 'a'),), masks=(RLE('18 4 34 4 50 4 66 4', 'a'),)")
    assert ledger(source.out)["notes"] == {drawn.APART: 2}


# ------------------------------------------------------------------------------------------------------ null and empty


def test_unannotated_is_null_and_nothing_there_is_empty(toy: MakeToy) -> None:
    said = f"label='a', boxes=() if image.name == '1.png' else {GOOD}"
    rows = (row(48, "classes", {"a": "One", "b": "Two"}), row(97, "boxes", {"c": "Benign", "a": "Malignant"}))
    source = built(toy, said.replace("label='a'", "label='b'"), *rows)
    found = {one["id"]: one for one in records(source.out)}
    assert found["toy/48/1.png"]["boxes"] is found["toy/48/2.png"]["boxes"] is None
    assert found["toy/97/1.png"]["boxes"] == []
    assert {one["mask_legend"] for one in found.values()} == {None}


def test_a_mask_of_specks_leaves_its_label_open(toy: MakeToy) -> None:
    source = toy(
        "\n    for image in raw.images('?.png'):\n        mask = PurePosixPath(f'{image.stem}_mask.png')\n"
        "        yield Example(image, masks=(BinaryMask(mask, 'a', threshold=127, min_side=3),))\n",
        DRAWN_ROW,
    )
    for name, fat in (("1", False), ("2", True)):
        draw(source.raw / f"{name}.png", size=(40, 30))
        grid = np.zeros((30, 40), np.uint8)
        grid[-1] = 255  # a line along the border
        grid[5:12, 6:20] = 255 * fat
        Image.fromarray(grid).save(source.raw / f"{name}_mask.png")
    source.build()
    speck, whole = sorted(records(source.out), key=lambda one: str(one["id"]))
    assert (speck["labels"], speck["labels_absent"], speck["labels_unknown"]) == ([], ["Malignant"], ["Benign"])
    assert (speck["boxes"], speck["mask_legend"]) == ([], [])
    assert [(box["ymin"], box["ymax"]) for box in whole["boxes"]] == [(5, 12)]
    assert ledger(source.out)["notes"] == {SPECKS: 2}


def test_an_empty_mask_is_noted_where_the_card_says_that_every_image_shows_something(toy: MakeToy) -> None:
    source = toy(EVERY_IMAGE.format("masks=(RLE('1 5' if image.name == '1.png' else '', 'a'),)"),
                 replace(DRAWN_ROW, always=True))  # fmt: skip
    source.draw("1.png", "2.png")
    source.build()
    assert ledger(source.out)["noted"] == {EMPTY: ["toy/97/2.png"]}


def test_a_record_without_an_answerable_question_has_no_target_and_is_named(toy: MakeToy) -> None:
    source = built(toy, "labels={'a': None if image.name == '1.png' else True}", row(48, "findings", AB))
    found = {one["path"]: one for one in records(source.out)}
    assert (found["1.png"]["target"], found["1.png"]["answer"], found["1.png"]["open_answer"]) == (None, None, None)
    assert found["2.png"]["target"]
    assert ledger(source.out)["noted"] == {UNANSWERED: ["toy/48/1.png"]}


# --------------------------------------------------------------------------------------------- whatever is drawn where


WIDTH, HEIGHT = 20, 14
number = st.one_of(st.integers(-30, 50), st.floats(-40, 60), st.sampled_from([float("nan"), float("inf"), -1e9, 1e300]))
size = st.sampled_from([None, (20, 14), (40, 28), (200, 140), (14, 20)])
label = st.sampled_from("ab")
boxes = st.builds(Box, number, number, number, number, label, st.booleans(), size)
contours = st.builds(Polygon, st.lists(st.tuples(number, number), max_size=5).map(tuple), label, size)
runs = st.builds(
    lambda start, length, name: RLE(f"{start} {length}", name), st.integers(1, 200), st.integers(0, 80), label
)
masks: st.SearchStrategy[Mask] = st.one_of(contours, runs)
states = st.dictionaries(st.sampled_from(["a", "b", "none"]), st.sampled_from([True, False, None]))
said = st.builds(
    Example,
    st.just(PurePosixPath("1.png")),
    labels=states,
    boxes=st.none() | st.lists(boxes, max_size=4).map(tuple),
    masks=st.none() | st.lists(masks, max_size=4).map(tuple),
)
ROWS = (FINDINGS_ROW, DRAWN_ROW)
SOURCE = load()["busi"]
QUESTIONER = Questioner(ROWS)


def made(example: Example) -> dict[int, dict[str, Any]]:
    """The records of an example, by row; those left out that contradict each other."""
    stored = Stored(b"", "PNG", WIDTH, HEIGHT, "none", "", *Look(), WIDTH, HEIGHT)
    shown = drawn.draw(Path(), example, stored, FileCache())
    found = []
    for one in rows_served(example, ROWS):
        if one is DRAWN_ROW and shown.fault is not None:
            assert shown.fault.strip().endswith(".")
            continue
        mine = shown if one is DRAWN_ROW else drawn.UNDRAWN
        try:
            found.append((one, record(example, one, Placed("train", None), stored, mine, SOURCE, QUESTIONER)))
        except LabelError:
            continue
    wrong = contradictions(found)
    return {one.number: made for one, made in found if made["id"] not in wrong}


@given(said)
def test_no_label_that_was_published_is_ever_called_absent(example: Example) -> None:
    published = {AB[box.label] for box in example.boxes or ()}
    published |= {AB[mask.label] for mask in example.masks or () if not isinstance(mask, RLE) or marks(mask)}
    for one in made(example).values():
        if one["row"] == DRAWN_ROW.number:
            assert published <= set(one["labels"])
            assert published.isdisjoint(one["labels_absent"])
            assert one["boxes"] or one["mask_legend"] or not published
        stated = {AB.get(raw, "No finding") for raw, state in example.labels.items() if state}
        assert stated.isdisjoint(one["labels_absent"])


def marks(mask: RLE) -> bool:
    return int(mask.text.split()[1]) > 0


@given(said)
def test_whatever_is_drawn_no_record_contradicts_itself_or_another(example: Example) -> None:
    found = made(example)
    for one in found.values():
        assert contradiction(one) is None
        assert sorted([*one["labels"], *one["labels_absent"], *one["labels_unknown"]]) == sorted(
            {97: AB, 48: {**AB, "none": "No finding"}}[one["row"]].values()
        )
        assert one["target"] != ""
    if len(found) == 2:
        for one, other in ((found[48], found[97]), (found[97], found[48])):
            assert set(one["labels"]).isdisjoint(other["labels_absent"])


@given(st.lists(masks, min_size=1, max_size=4).map(tuple))
def test_the_boxes_of_masks_are_their_outermost_pixels(drawn_masks: tuple[Mask, ...]) -> None:
    one = made(Example(PurePosixPath("1.png"), masks=drawn_masks)).get(97)
    if one is None:
        return
    grid = np.asarray(Image.open(io.BytesIO(one["mask"]["bytes"])))
    for name in {box["label"] for box in one["boxes"]}:
        values = [entry["value"] for entry in one["mask_legend"] if name in entry["labels"]]
        rows, columns = np.nonzero(np.isin(grid, values))
        mine = [box for box in one["boxes"] if box["label"] == name]
        assert (columns.min(), rows.min()) == (min(b["xmin"] for b in mine), min(b["ymin"] for b in mine))
        assert (columns.max() + 1, rows.max() + 1) == (max(b["xmax"] for b in mine), max(b["ymax"] for b in mine))
    assert set(np.unique(grid)) - {0} == {entry["value"] for entry in one["mask_legend"]}


# ---------------------------------------------------------------------------------------------------- the guard itself


SOUND: dict[str, Any] = {
    "id": "x", "row": 97, "label": None, "labels": ["Benign"], "labels_absent": ["Malignant"], "labels_unknown": [],
    "boxes": [{"xmin": 1, "ymin": 1, "xmax": 5, "ymax": 5, "label": "Benign"}],
    "mask": {"bytes": b""}, "mask_legend": [{"value": 1, "labels": ["Benign"]}], "width": 16, "height": 12,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels_absent": ["Benign"]}, "'Benign' present and absent at once"),
        ({"labels_unknown": ["Benign"]}, "'Benign' present and unknown at once"),
        ({"labels_unknown": ["Malignant"]}, "'Malignant' absent and unknown at once"),
        ({"label": "Malignant"}, "Its label is 'Malignant', and its labels are 'Benign'"),
        ({"mask_legend": [{"value": 1, "labels": ["Malignant"]}]}, "Its mask marks 'Malignant'"),
        ({"boxes": [{**SOUND["boxes"][0], "label": "Malignant"}]}, "It has a box of 'Malignant'"),
        ({"boxes": [{**SOUND["boxes"][0], "xmax": 17}]}, "does not lie in the image of 16 x 12"),
        ({"boxes": [{**SOUND["boxes"][0], "xmax": 1}]}, "does not lie in the image"),
        ({"mask": None}, "a mask or a legend"),
        ({"mask_legend": []}, "It has a box of 'Benign', and its mask marks nothing"),
    ],
)
def test_a_contradiction_is_told_in_a_sentence(change: Mapping[str, Any], words: str) -> None:
    assert contradiction(SOUND) is None
    why = contradiction({**SOUND, **change})
    assert why is not None
    assert words in why
    assert why.endswith(".")
