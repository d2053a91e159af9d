import pytest
from hypothesis import given
from hypothesis import strategies as st

from med_mat.errors import ReadError
from med_mat.raw import joined, multi_hot, one_hot
from med_mat.raw.labels import as_listed

CELLS = {
    True: ["1", "1.0", "true", "True", "TRUE", " 1 ", "1.000"],
    False: ["0", "0.0", "false", "False", "-0.0"],
    None: ["", " ", "-1", "-1.0", "nan", "NaN", "None"],
}
WORDS = st.text(st.characters(exclude_characters="|", exclude_categories=["Z", "C"]), min_size=1)


@pytest.mark.parametrize(("state", "cell"), [(state, cell) for state, cells in CELLS.items() for cell in cells])
def test_multi_hot_cells(state: bool | None, cell: str) -> None:
    assert multi_hot({"id": "7", "Edema": cell}, ["Edema"]) == {"Edema": state}


@pytest.mark.parametrize("cell", ["2", "yes", "0.5", "inf", "1e999", "=1+1", "x" * 5000])
def test_multi_hot_refuses_what_is_no_mark(cell: str) -> None:
    with pytest.raises(ReadError, match="'Edema' holds") as error:
        multi_hot({"id": "7", "Edema": cell}, ["Edema"])
    assert "id=7" in str(error.value)


def test_multi_hot_names_a_missing_column() -> None:
    with pytest.raises(ReadError, match="no column 'Edema'; it has 'edema'"):
        multi_hot({"edema": "1"}, ["Edema"])


@given(st.lists(WORDS, unique=True), st.lists(WORDS, unique=True))
def test_joined_keeps_every_word_and_every_label(words: list[str], vocabulary: list[str]) -> None:
    found = joined("|".join(words), "|", vocabulary)
    assert {label for label, present in found.items() if present} == set(words)
    assert found.keys() == {*words, *vocabulary}
    assert list(found)[: len(vocabulary)] == vocabulary


def test_joined_strips_and_ignores_blanks() -> None:
    assert joined(" Mass | Nodule||", "|", ["Mass", "Edema"]) == {"Mass": True, "Edema": False, "Nodule": True}
    assert joined("", "|", ["Mass"]) == {"Mass": False}


def test_one_hot() -> None:
    assert one_hot({"MEL": "0.0", "NV": "1.0", "BCC": ""}, ["MEL", "NV", "BCC"]) == "NV"
    assert one_hot({"MEL": "0", "NV": "0"}, ["MEL", "NV"]) is None
    with pytest.raises(ReadError, match="'MEL', 'NV' are all marked"):
        one_hot({"MEL": "1", "NV": "1"}, ["MEL", "NV"])


@given(st.integers(-99, 99), st.sampled_from(["{}.0", "{}.", "{}", "{}.000"]))
def test_a_number_means_the_only_known_label_of_its_value(value: int, form: str) -> None:
    known = [str(number) for number in range(-99, 100)]
    assert as_listed(form.format(value), known) == str(value)


@pytest.mark.parametrize(
    ("cell", "known", "found"),
    [
        ("4.0", ["4"], "4"),
        ("04", ["4"], "4"),
        ("0", ["0.0", "1.0"], "0.0"),
        ("4", ["4", "4.0"], "4"),  # itself before all
        ("4.00", ["4", "4.0"], "4.00"),  # either: the build says that the card lacks it
        ("4.5", ["4"], "4.5"),
        ("nan", ["nan"], "nan"),
        ("1e1", ["10"], "1e1"),
        ("IV", ["4"], "IV"),
    ],
)
def test_as_listed(cell: str, known: list[str], found: str) -> None:
    assert as_listed(cell, known) == found
