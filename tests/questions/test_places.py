from __future__ import annotations

from dataclasses import replace

import pytest
from asked import DETECT, LIVER, ROWS, row

from med_mat.catalog import load
from med_mat.questions import BOX_SUFFIX, Questioner


@pytest.fixture(scope="module")
def questioner() -> Questioner:
    return Questioner(ROWS)


def test_boxes_are_asked_for_one_label(questioner: Questioner) -> None:
    boxes = [(12.4, 29.5, 88.0, 140.2, "Diffuse nodule"), (0, 0, 9, 9, "Atelectasis"), (5, 6, 7, 8, "Diffuse nodule")]
    asked = {questioner.ask(i, DETECT, boxes=boxes, size=(640, 480)) for i in range(100)}
    assert {question.open_answer for question in asked} == {"[12, 30, 88, 140]; [5, 6, 7, 8]", "[0, 0, 9, 9]"}
    for question in asked:
        assert (question.options, question.answer) == ((), "")
        assert question.question == question.open_question
        assert question.question.endswith("\n" + BOX_SUFFIX.format(width=640, height=480))
        assert ("diffuse nodule" in question.question) == (question.open_answer.startswith("[12"))


def test_nothing_to_box(questioner: Questioner) -> None:
    question = questioner.ask(0, LIVER, absent=["Liver"], size=(256, 192))
    assert question.open_answer == "None"
    assert "Answer None if there is none." in question.question
    asked = {questioner.ask(i, DETECT, unknown=["Calcification"]).question.split("\n")[0] for i in range(100)}
    assert not any("calcification" in text for text in asked)
    assert any("diffuse nodule" in text for text in asked)
    assert questioner.ask(0, LIVER, unknown=["Liver"]).open_answer == ""
    assert questioner.ask(0, LIVER, present=["Liver"]).open_answer == ""


def test_nobody_asks_where_nothing_is(questioner: Questioner) -> None:
    assert not any("finding" in questioner.ask(i, DETECT, absent=DETECT.names).question for i in range(100))


def test_the_paper_puts_one_box_around_a_mask() -> None:
    boxes = [(1.0, 5.0, 4.0, 9.0, "Liver"), (3.0, 2.0, 8.0, 6.0, "Liver")]
    assert Questioner(ROWS).ask(0, LIVER, boxes=boxes).open_answer == "[1, 5, 4, 9]; [3, 2, 8, 6]"
    assert Questioner(ROWS, "paper").ask(0, LIVER, boxes=boxes).open_answer == "[1, 2, 8, 9]"
    drawn = [(*box[:4], "Atelectasis") for box in boxes]  # boxes as published stay several
    assert ";" in Questioner(ROWS, "paper").ask(0, DETECT, boxes=drawn).open_answer


def test_of_vessels_a_mask_is_asked_for_and_no_box() -> None:
    (fives,) = (asked for asked in load().rows if asked.number == 107)
    own = replace(row(500, None, "masks", "Nerve fibers"), traced=True, instructions=("Trace the {label}.",))
    for asked, word in ((fives, "any retinal vessel"), (own, "the nerve fibers")):
        for form in ("default", "row", "paper"):
            question = Questioner([asked], form).ask(3, asked, boxes=[(0, 0, 9, 9, asked.names[0])], size=(9, 9))  # type: ignore[arg-type]
            assert word in question.question
            assert "box" not in question.question
            assert question.columns()["target"] is None
            assert question.columns()["answer"] is None
