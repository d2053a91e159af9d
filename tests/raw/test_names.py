from pathlib import PurePosixPath

import pytest

from med_mat.raw import in_stem, kermany_patient, natural, numbered


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
    assert kermany_patient(stem, "train") == patient


def test_kermany_numbers_start_again_in_each_part_and_ids_do_not() -> None:
    assert kermany_patient("person1_virus_6", "test") != kermany_patient("person1_virus_6", "train")
    assert kermany_patient("VIRUS-1011-0001", "test") == kermany_patient("VIRUS-1011-0002", "train")


def test_a_number_is_told_with_its_kind_whatever_its_zeros() -> None:
    case = numbered("case", r"case_(\d+)_")
    assert case(PurePosixPath("HGC/case_006_pt_003_frame_0009.png")) == "case 6"
    assert case(PurePosixPath("NST/Case_6_cys_pt1_0039.png")) == "case 6"
    assert case(PurePosixPath("NST/other_case_6_1.png")) is None
