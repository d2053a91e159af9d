import unicodedata
from pathlib import PurePosixPath
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med_mat.building.loader import loader_of
from med_mat.catalog import load
from med_mat.raw import aligned, folded, in_stem, natural, numbered, spelling
from med_mat.raw.names import composed, respelled

patient_of = loader_of(load()["coronahack"]).patient_of

APART = unicodedata.normalize("NFD", "é")  # as macOS writes it
SPELLINGS = st.lists(st.sampled_from(["a", "A", "b", "é", "É", APART, "1"]), max_size=3).map("".join)
NAMES = st.lists(SPELLINGS, unique=True)


@given(st.text())
def test_accents_that_are_taken_apart_are_put_together(text: str) -> None:
    assert folded(unicodedata.normalize("NFD", text)) == folded(text)
    assert composed(unicodedata.normalize("NFD", text)) == composed(text)


@pytest.mark.parametrize(
    ("names", "like", "meant"),
    [
        (["a"], ["a"], {"a": "a"}),
        (["A"], ["a"], {"A": "a"}),
        (["é"], [APART], {"é": APART}),
        (["É"], [APART], {"É": APART}),
        (["a", "A"], ["a"], {"a": "a"}),  # the exact name first, and for it alone
        (["a", "A"], ["A", "a"], {"a": "a", "A": "A"}),
        (["AB"], ["Ab", "aB"], {}),  # which?
        (["Ab", "aB"], ["AB"], {}),
        (["1"], ["0001"], {}),  # as a spreadsheet rewrites numbers: not guessed
        ([], ["a"], {}),
        (["a"], [], {}),
    ],
)
def test_respelled_takes_the_name_that_is_meant_where_that_is_sure(
    names: list[str], like: list[str], meant: dict[str, str]
) -> None:
    assert respelled(names, like) == meant


@given(NAMES, NAMES, st.randoms())
def test_respelled_is_one_to_one_folds_alike_and_hangs_on_no_order(
    names: list[str], like: list[str], random: Random
) -> None:
    meant = respelled(names, like)
    assert len(set(meant.values())) == len(meant)
    assert all(folded(name) == folded(other) and other in like for name, other in meant.items())
    assert all(meant.get(name) == name for name in names if name in like)
    assert respelled(random.sample(names, len(names)), random.sample(like, len(like))) == meant
    assert respelled(like, names) == {other: name for name, other in meant.items()}


def test_aligned_puts_facts_under_the_names_that_are_there() -> None:
    assert aligned({"A": 1, "b": 2, "gone": 3}, ["a", "b", "c"]) == {"a": 1, "b": 2, "gone": 3}


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("TRAIN/GLIOMA/Tr_1.JPG", "train/glioma/Tr_1.JPG"),
        ("train/no tumour/1.jpg", "train/no tumour/1.jpg"),
        ("Copy/train/Other/1.jpg", "Copy/train/Other/1.jpg"),  # a pattern that does not name it leaves it as it is
        (f"caf{APART}/1.jpg", "Café/1.jpg"),
        (f"x/{APART}.jpg", "x/é.jpg"),
        ("1.jpg", "1.jpg"),
    ],
)
def test_spelling_writes_folders_as_the_pattern_does(path: str, written: str) -> None:
    assert spelling(["**/{train,test}/{glioma,no tumour,*}/*.jpg", "Café/*"])(PurePosixPath(path)) == PurePosixPath(
        written
    )


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


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("train/0/9003175L.png", "9003175"),
        ("9003175.tar.gz", "9003175"),
        ("a9003175L.png", None),
        ("900317/L.png", None),
        ("", None),
    ],
)
def test_in_stem_looks_at_the_beginning_of_the_name_alone(path: str, found: str | None) -> None:
    assert in_stem(r"\d{7}")(PurePosixPath(path)) == found


@pytest.mark.parametrize(
    ("stem", "patient"),
    [
        ("NORMAL-1003233-0001", "1003233"),
        ("BACTERIA-100747-0001", "100747"),
        ("VIRUS-1011-0001", "1011"),
        ("person1_bacteria_2", "train person 1"),
        ("person1019_virus_1708", "train person 1019"),
        ("IM-0115-0001", "train im 0115"),
        ("IM-0115-0001-0002", "train im 0115"),
        ("NORMAL2-IM-0666-0001", "train normal2-im 0666"),
        ("1-s2.0-S0140673620303706-fx1_lrg", None),
        ("COVID-19 (102)", None),
        ("NORMAL (1)", None),
        ("personal_1", None),
        ("", None),
    ],
)
def test_kermany_patient_reads_both_families_of_names(stem: str, patient: str | None) -> None:
    assert patient_of(stem, "train") == patient


def test_kermany_numbers_start_again_in_each_part_and_ids_do_not() -> None:
    assert patient_of("person1_virus_6", "test") != patient_of("person1_virus_6", "train")
    assert patient_of("VIRUS-1011-0001", "test") == patient_of("VIRUS-1011-0002", "train")


def test_a_number_is_told_with_its_kind_whatever_its_zeros() -> None:
    case = numbered("case", r"case_(\d+)_")
    assert case(PurePosixPath("HGC/case_006_pt_003_frame_0009.png")) == "case 6"
    assert case(PurePosixPath("NST/Case_6_cys_pt1_0039.png")) == "case 6"
    assert case(PurePosixPath("NST/other_case_6_1.png")) is None


def test_patients_do_not_hang_on_case() -> None:
    assert in_stem(r"[a-z]{2}\d+")(PurePosixPath("PT7_1.png")) == "pt7"
    assert numbered("case", r"case_(\d+)_")(PurePosixPath("CASE_006_1.png")) == "case 6"
    assert patient_of("PERSON1_VIRUS_2", "train") == patient_of("person1_virus_2", "train")
