"""Boxes as text: what is written is read again, up to the rounding that a convention allows."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from med_mat.conventions import CONVENTIONS, Box, Convention, Size, error_bound, instruction, read, resized, write
from med_mat.errors import UsageError

conventions = pytest.mark.parametrize("convention", CONVENTIONS)
sizes = st.tuples(st.integers(1, 5000), st.integers(1, 5000))


@st.composite
def boxed(draw: st.DrawFn) -> tuple[list[Box], Size]:
    """Boxes inside an image, and its size."""
    size = draw(sizes)
    assume(max(size) <= 200 * min(size))
    sides = [st.floats(0, side) for side in size]
    corners = [tuple(sorted((draw(one), draw(one)))) for one in sides * draw(st.integers(1, 3))]
    return [(x[0], y[0], x[1], y[1]) for x, y in zip(corners[::2], corners[1::2], strict=True)], size


@conventions
@given(case=boxed())
@example(case=([(0.0, 0.0, 640.0, 480.0)], (640, 480)))
@example(case=([(3.0, 2.0, 3.0, 2.0)], (4, 3)))
def test_boxes_are_read_as_they_were_written_but_for_rounding(
    convention: Convention, case: tuple[list[Box], Size]
) -> None:
    boxes, size = case
    text = write(boxes, size, convention, "Left lung")
    found = read(text, size, convention)
    assert found is not None
    if len(found) < len(boxes):  # two became one by rounding
        return
    bounds = error_bound(size, convention) * 2
    for before, after in zip(boxes, found, strict=True):
        for old, new, bound in zip(before, after, bounds, strict=True):
            assert abs(old - new) <= bound * (1 + 1e-9) + 1e-9


@conventions
@given(case=boxed())
def test_what_was_read_is_written_the_same_way(convention: Convention, case: tuple[list[Box], Size]) -> None:
    boxes, size = case
    text = write(boxes, size, convention)
    found = read(text, size, convention)
    assert found is not None
    assert write(found, size, convention) == text


@conventions
def test_no_box_is_none_and_other_words_are_no_answer(convention: Convention) -> None:
    size = (100, 50)
    assert write([], size, convention) == "None"
    for text in ("None", "none.", " **None** ", "[]", "No boxes."):
        assert read(text, size, convention) == [], text
    for text in ("I cannot see it.", "A", "[1, 2, 3]", "[nan, 1, 2, 3]", "[1e999, 0, 1, 1]", "None of these [1, 2]"):
        assert read(text, size, convention) is None, text


@conventions
def test_the_question_says_the_form_and_that_there_may_be_none(convention: Convention) -> None:
    said = instruction(convention, (100, 50))
    assert said.startswith("Answer with")
    assert said.endswith("Answer None if there is none.")
    assert "{{" not in said


def test_the_forms_are_those_of_the_models() -> None:
    box, size = [(38.0, 31.0, 71.0, 56.0)], (83, 83)
    assert {one: write(box, size, one, "Optic disc") for one in CONVENTIONS} == {
        "pixels": "[38, 31, 71, 56]",
        "unit": "[0.4578, 0.3735, 0.8554, 0.6747]",
        "qwen2-vl": "<|box_start|>(458,373),(855,675)<|box_end|>",
        "qwen2.5-vl": '[{"bbox_2d": [38, 31, 72, 57], "label": "Optic disc"}]',
        "qwen3-vl": '[{"bbox_2d": [458, 373, 855, 675], "label": "Optic disc"}]',
        "paligemma": "<loc0382><loc0468><loc0690><loc0875> Optic disc",
        "florence-2": "Optic disc<loc_457><loc_373><loc_855><loc_674>",
        "internvl": "<ref>Optic disc</ref><box>[[458, 373, 855, 675]]</box>",
        "llava": "[0.458, 0.373, 0.855, 0.675]",
    }


def test_llava_pads_to_a_square() -> None:
    assert write([(0, 0, 200, 100)], (200, 100), "llava") == "[0.000, 0.250, 1.000, 0.750]"


def test_a_box_outside_of_the_image_is_cut_off() -> None:
    assert write([(-5.0, -1.0, 300.0, 20.0)], (100, 50), "qwen3-vl") == '[{"bbox_2d": [0, 0, 1000, 400]}]'


@given(text=st.text(max_size=300), size=sizes)
def test_any_text_is_read_or_is_no_answer(text: str, size: Size) -> None:
    for convention in CONVENTIONS:
        if convention == "qwen2.5-vl" and max(size) > 200 * min(size):
            continue
        found = read(text, size, convention)
        assert found is None or all(len(box) == 4 for box in found)


def test_a_long_text_is_read_in_no_time() -> None:
    for text in ("[" * 100_000, "[1, 2, 3, " * 30_000, "(1,2)," * 50_000, " " * 100_000 + "x", "<loc0001>" * 30_000):
        for convention in CONVENTIONS:
            read(text, (10, 10), convention)


def test_an_unknown_convention_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'qwen3'.*Did you mean 'qwen3-vl'"):
        write([], (1, 1), "qwen3")  # type: ignore[arg-type]


@given(size=sizes)
def test_qwens_processor_resizes_in_the_same_way(size: Size) -> None:
    smart_resize = pytest.importorskip(
        "transformers.models.qwen2_vl.image_processing_pil_qwen2_vl", reason="needs transformers"
    ).smart_resize
    if max(size) > 200 * min(size):
        with pytest.raises(UsageError, match="one side is too long"):
            resized(size)
        return
    height, width = smart_resize(size[1], size[0], factor=28, min_pixels=56 * 56, max_pixels=14 * 14 * 4 * 1280)
    assert resized(size) == (width, height)
