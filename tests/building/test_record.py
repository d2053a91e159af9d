from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from building import CLASS_FOLDERS, Toy, draw, ledger, reasons, records, row

from med_mat.building.outcomes import WITHOUT_PLACE
from med_mat.errors import MedMATError
from med_mat.imaging.annotations import CLIPPED, FALLEN_BOXES
from med_mat.raw import Miniature

MakeToy = Callable[..., Toy]
CHEST = {"effusion": "Pleural effusion", "mass": "Mass", "nodule": "Mass", "clear": "No finding"}


def by_id(out: Path) -> dict[str, dict[str, Any]]:
    return {one["id"].removeprefix("toy/"): one for one in sorted(records(out), key=lambda one: str(one["id"]))}


def findings(toy: MakeToy, *cells: str) -> list[dict[str, Any]]:
    """The records of a table with one line per image (at most ten), under the columns of CHEST."""
    source = toy(
        """
    for number, row in enumerate(raw.table("labels.csv")):
        yield Example(PurePosixPath(f"{number}.png"), labels=multi_hot(row, ["effusion", "mass", "nodule", "clear"]))
""",
        row(48, "findings", CHEST),
    )
    Miniature(source.raw).csv("labels.csv", [line.split(",") for line in cells], header=list(CHEST))
    source.draw(*(f"{number}.png" for number in range(len(cells))))
    source.build()
    return list(by_id(source.out).values())


def states(found: list[dict[str, Any]]) -> list[tuple[list[str], list[str], list[str]]]:
    """What is present, absent and unknown in each."""
    return [(one["labels"], one["labels_absent"], one["labels_unknown"]) for one in found]


def test_what_is_not_mentioned_is_unknown_and_not_absent(toy: MakeToy) -> None:
    found = findings(toy, "1,0,0,0", ",0,0,0", "-1,0,0,0", "0,0,0,1")
    assert states(found) == [
        (["Pleural effusion"], ["Mass", "No finding"], []),
        ([], ["Mass", "No finding"], ["Pleural effusion"]),
        ([], ["Mass", "No finding"], ["Pleural effusion"]),
        (["No finding"], ["Pleural effusion", "Mass"], []),
    ]


def test_of_two_raw_labels_with_one_meaning_presence_wins_and_then_doubt(toy: MakeToy) -> None:
    found = findings(toy, "0,1,0,0", "0,0,1,0", "0,0,,0", "0,1,,0", "0,0,0,0")
    assert [("Mass" in present, "Mass" in absent, "Mass" in unknown) for present, absent, unknown in states(found)] == [
        (True, False, False),
        (True, False, False),
        (False, False, True),
        (True, False, False),
        (False, True, False),
    ]


def test_every_finding_of_the_card_is_present_absent_or_unknown_and_only_one_of_these(toy: MakeToy) -> None:
    for parts in states(findings(toy, "1,0,,-1", "0,0,0,0", ",,,")):
        names = [name for part in parts for name in part]
        assert sorted(names) == ["Mass", "No finding", "Pleural effusion"]


def test_an_unknown_finding_is_neither_asked_nor_offered(toy: MakeToy) -> None:
    found = findings(toy, *["1,,0,0"] * 4, *["1,0,0,0"] * 4)
    # "nodule" is stated to be absent, but it means the same as "mass", which is in doubt
    assert [one["labels_unknown"] for one in found] == [["Mass"]] * 4 + [[]] * 4
    offered = ["Mass" in " ".join([one["question"], *one["options"], one["open_answer"]]) for one in found]
    assert offered == [False] * 4 + [True] * 4


def test_a_finding_without_states_comes_from_a_single_label(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS, row(48, "findings", CHEST))
    source.draw("effusion/1.png")
    source.build()
    (one,) = records(source.out)
    assert (one["label"], one["labels"]) == (None, ["Pleural effusion"])
    assert one["labels_absent"] == []
    assert one["labels_unknown"] == ["Mass", "No finding"]


def test_a_label_that_the_card_does_not_know_skips_its_record_alone(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "b/2.png", "malignat/3.png")
    report = source.build()
    assert (report.written, report.skipped) == (2, 1)
    assert list(by_id(source.out)) == ["48/a/1.png", "48/b/2.png"]
    reason = reasons(source.out)["malignat/3.png"]
    assert "'malignat' is not among" in reason
    assert "'a', 'b'" in reason
    assert "dataset_cards/toy.md" in reason


def test_a_label_that_the_card_does_not_know_stops_a_build_that_raises(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "malignat/3.png")
    with pytest.raises(MedMATError, match="'malignat' is not among"):
        source.build(on_error="raise")


def test_a_finding_that_the_card_does_not_know_is_never_dropped_in_silence(toy: MakeToy) -> None:
    source = toy(
        """
    for image in raw.images():
        yield Example(image, labels={"mass": True, "misspelt": False})
""",
        row(48, "findings", CHEST),
    )
    source.draw("1.png")
    with pytest.raises(MedMATError, match="'misspelt' is not among"):
        source.build()


def test_a_record_says_label_raw_label_and_patient(toy: MakeToy) -> None:
    source = toy("""
    for image in raw.images("*/*"):
        yield Example(image, label=image.parent.name, raw_label="a? (reader 2)", patient="Jane Doe")
""")
    source.draw("a/1.png")
    source.build()
    (one,) = records(source.out)
    assert (one["label"], one["labels"], one["raw_label"]) == ("Benign", ["Benign"], "a? (reader 2)")
    assert "Jane" not in str(one)
    assert one["patient"] == 0


BOXES = """
    for image in raw.images():
        yield Example(image, boxes={boxes})
"""


def boxes(toy: MakeToy, boxes: str) -> Toy:
    source = toy(BOXES.format(boxes=boxes), row(97, "boxes", {"a": "Benign", "b": "Malignant"}))
    source.draw("1.png")  # 16 x 12 pixels
    source.build()
    return source


def corners(out: Path) -> list[tuple[float, float, float, float, str]]:
    (one,) = records(out)
    return [(b["xmin"], b["ymin"], b["xmax"], b["ymax"], b["label"]) for b in one["boxes"]]


def test_boxes_are_in_pixels_and_carry_human_labels(toy: MakeToy) -> None:
    out = boxes(toy, "(Box(1, 2, 5, 6, 'b'), Box.centered(0.5, 0.5, 0.5, 0.5, 'a'))").out
    assert corners(out) == [(1, 2, 5, 6, "Malignant"), (4, 3, 12, 9, "Benign")]
    (one,) = records(out)
    assert one["label"] is None
    assert (one["labels"], one["labels_absent"]) == (["Benign", "Malignant"], [])
    assert one["raw_label"] == "b|a"


def test_boxes_beyond_the_image_are_clipped_and_noted(toy: MakeToy) -> None:
    out = boxes(toy, "(Box(-3, 2, 99, 6, 'b'), Box(4, 4, 4, 9, 'a'))").out
    assert corners(out) == [(0, 2, 16, 6, "Malignant")]
    assert ledger(out)["noted"] == {key: ["toy/97/1.png"] for key in [CLIPPED, FALLEN_BOXES, WITHOUT_PLACE]}


def test_looked_for_and_nothing_there_is_a_record_and_not_annotated_is_none(toy: MakeToy) -> None:
    out = boxes(toy, "() if image.name == '1.png' else None").out
    assert corners(out) == []
    (one,) = records(out)
    assert (one["labels"], one["labels_absent"]) == ([], ["Benign", "Malignant"])


def test_an_image_that_serves_no_row_is_skipped_with_that_reason(toy: MakeToy) -> None:
    source = toy("""
    for image in raw.images():
        yield Example(image, label="a" if image.name == "1.png" else None)
""")
    source.draw("1.png", "2.png")
    source.build()
    assert reasons(source.out) == {"2.png": "it serves none of its source's rows: no label, boxes or masks"}


MASKED = """
    for image in raw.images(exclude="*_mask*"):
        masks = [BinaryMask(path, image.parent.name) for path in raw.siblings(image, f"{image.stem}_mask.png")]
        yield Example(image, label=image.parent.name, masks=masks or None)
"""
TWO_ROWS = (row(48, "classes", {"a": "Benign", "c": "Normal"}), row(97, "masks", {"a": "Benign"}))


def test_one_image_gives_a_record_for_every_row_that_it_serves(toy: MakeToy) -> None:
    source = toy(MASKED, *TWO_ROWS)
    source.draw("a/1.png", "c/2.png")
    Miniature(source.raw).mask("a/1_mask.png", size=(16, 12))
    source.build()
    found = by_id(source.out)
    assert list(found) == ["48/a/1.png", "48/c/2.png", "97/a/1.png"]
    for name in ("48/a/1.png", "48/c/2.png"):  # the other row has the boxes and masks of the source
        assert (found[name]["boxes"], found[name]["mask_legend"]) == (None, None)
    assert found["97/a/1.png"]["mask_legend"] == [{"value": 1, "labels": ["Benign"]}]
    assert [box["label"] for box in found["97/a/1.png"]["boxes"]] == ["Benign"]


def test_a_bad_mask_costs_the_row_of_masks_and_not_the_row_of_classes(toy: MakeToy) -> None:
    source = toy(MASKED, *TWO_ROWS)
    source.draw("a/1.png", "a/2.png")
    draw(source.raw / "a" / "1_mask.png", 255, size=(8, 6))
    (source.raw / "a" / "2_mask.png").write_bytes(b"no picture")
    source.build()
    assert list(by_id(source.out)) == ["48/a/1.png", "48/a/2.png"]
    why = {entry["id"]: entry["reason"] for entry in ledger(source.out)["quarantine"]}
    assert set(why) == {"toy/97/a/1.png", "toy/97/a/2.png"}
    assert "a/1_mask.png: a mask of 8 x 6 pixels on an image of 16 x 12" in why["toy/97/a/1.png"]
    assert "a/2_mask.png" in why["toy/97/a/2.png"]


def test_the_key_of_a_record_hangs_on_the_content_of_its_file_and_not_on_its_name(toy: MakeToy) -> None:
    """Of a name that can be guessed, a digest would be a proof."""
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "b/2.png")
    source.build()
    before = {one["sha256"]: one["key"] for one in records(source.out)}
    assert len(set(before.values())) == 2
    (source.raw / "a/1.png").rename(source.raw / "a/Jane Doe.png")
    (source.raw / "a/twin.png").write_bytes((source.raw / "a/Jane Doe.png").read_bytes())
    source.build(allow_fewer=True)
    found = records(source.out)
    assert len(found) == 3
    assert {one["sha256"]: one["key"] for one in found} == before
