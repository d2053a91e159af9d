import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med_mat.errors import ReadError
from med_mat.raw import corners, number, stated_size


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
