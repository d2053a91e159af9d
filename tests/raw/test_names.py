from pathlib import PurePosixPath

import pytest

from med_mat.raw import natural


@pytest.mark.parametrize(
    "names",
    [
        ["slice1", "slice2", "slice10"],
        ["1.dicom", "9.dicom", "10.dicom", "100.dicom"],
        ["2/10", "10/2"],
        ["a", "a1", "b"],
        ["", "a"],
    ],
)
def test_numbers_count_as_such(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(backwards, key=natural) == names
    assert sorted(map(PurePosixPath, backwards), key=natural) == list(map(PurePosixPath, names))


def test_names_of_equal_numbers_keep_their_order() -> None:
    assert sorted(["01", "1"], key=natural) == ["01", "1"]
