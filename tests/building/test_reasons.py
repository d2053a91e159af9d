import pytest
from hypothesis import given
from hypothesis import strategies as st

from med_mat.building.reasons import brief, grouped

NAMES = st.lists(st.from_regex(r"[a-z]{1,5}/[A-Za-z0-9 _()-]{1,9}\.(png|dcm|tif)", fullmatch=True), unique=True)


@given(NAMES)
def test_one_reason_of_many_files_is_one(paths: list[str]) -> None:
    said = [(path, f"{path}: is no image of a known format") for path in paths]
    assert grouped(said) == ({"is no image of a known format": paths} if paths else {})


@given(st.lists(st.tuples(st.text(), st.text())))
def test_every_name_is_in_one_group(said: list[tuple[str, str]]) -> None:
    found = grouped(said)
    assert sorted(name for names in found.values() for name in names) == sorted(name for name, _ in said)
    assert [len(names) for names in found.values()] == sorted(map(len, found.values()), reverse=True)


def test_files_and_numbers_do_not_tell_reasons_apart_but_words_do() -> None:
    said = [
        ("b/1.png", "its name '1.png' is already that of a/1.png"),
        ("b/2.png", "its name '2.png' is already that of a/2.png"),
        ("x.dcm", "x.dcm#frame=3: ends after 17 bytes"),
        ("y.dcm", "y.dcm#frame=4: ends after 170 bytes"),
        ("c/3.png", "The label 'c' is not among those"),
        ("d/4.png", "The label 'd' is not among those"),
        ("e.png", "ISIC_2019_Test.csv does not list it"),
        ("f.png", "ISIC_2019_Test.csv does not list it"),
    ]
    assert grouped(said) == {
        "ISIC_2019_Test.csv does not list it": ["e.png", "f.png"],
        "ends after # bytes": ["x.dcm", "y.dcm"],
        "its name '…' is already that of …": ["b/1.png", "b/2.png"],
        "The label 'c' is not among those": ["c/3.png"],
        "The label 'd' is not among those": ["d/4.png"],
    }


@given(st.text())
def test_what_is_short_is_told_as_it_is(reason: str) -> None:
    assert brief(reason) == reason


def test_of_a_cell_that_is_quoted_at_length_the_middle_is_left_out() -> None:
    told = brief(f"The label '{'a' * 70_000}' is not among those of the card: Cyst, Tumor.")
    assert told.startswith("The label 'aaa")
    assert " characters] … aaa" in told
    assert told.endswith("' is not among those of the card: Cyst, Tumor.")
    assert len(told) < 1_000


@pytest.mark.parametrize("text", ["a" * 30_000, ".a#" * 1_000, "a.png" * 6_000, "a.pn" * 8_000, "0" * 30_000 + "…"])
def test_long_reasons_are_grouped_in_one_pass(text: str) -> None:
    """Patterns that begin anew at every character would take minutes."""
    assert grouped([("x.csv", text), ("y.csv", text)]) == {text: ["x.csv", "y.csv"]}
