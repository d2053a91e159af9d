"""Age, sex, device and view: as publishers state them, ages as decades; what they do not state is not there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workshop import Workshop

import med_mat
from med_mat.building import find
from med_mat.building.loader import loader_of
from med_mat.catalog import load
from med_mat.demo import miniature
from med_mat.errors import VocabularyError
from med_mat.example import Attributes
from med_mat.raw import Miniature, RawFolder, person, sex_and_age

Stated = tuple[str | None, str | None, str | None, str | None] | None  # age group, sex, device, view

#: Source -> what is stated, and of how many examples of its miniature.
STATED: dict[str, dict[Stated, int]] = {
    "pad_ufes_20": {("50-59", "female", None, None): 12, None: 6},
    "isic_2020": {("40-49", "male", None, None): 16, None: 1},
    "isic_2019": {
        ("40-49", "female", None, None): 5,
        ("40-49", "male", None, None): 3,
        ("50-59", "female", None, None): 5,
        ("50-59", "male", None, None): 3,
        ("60-69", "female", None, None): 2,
        ("60-69", "male", None, None): 2,
        None: 4,
    },
    "isic_2017": {("50-59", "female", None, None): 12, (None, "female", None, None): 5},
    "nih_chestxray14": {
        ("50-59", "male", None, "PA"): 4,
        ("50-59", "male", None, "AP"): 4,
        ("50-59", "female", None, "PA"): 10,
        (None, "male", None, "PA"): 1,  # 414 years
        (None, "male", None, "AP"): 1,
    },
    "nih_chestxray_sample": {("60-69", "male", None, "AP"): 7, ("0-9", "male", None, "AP"): 13},
    "chexpert_small": {
        ("60-69", "female", None, "AP"): 12,
        ("60-69", "female", None, "Lateral"): 7,
        (None, None, None, "AP"): 1,  # its age is 0, its sex Unknown
    },
    "cbis_ddsm": {(None, None, None, "CC"): 10},
    "odir_5k": {("60-69", "female", None, None): 19},
    "indiana_cxr": {(None, None, None, "Frontal"): 17, (None, None, None, "Lateral"): 9},
    "montgomery_cxr": {("20-29", "female", None, None): 12},
    "shenzhen_cxr": {
        ("20-29", "male", None, None): 4,
        ("20-29", "female", None, None): 4,
        ("30-39", "male", None, None): 3,
        ("30-39", "female", None, None): 3,
        None: 2,
    },
    "siim_acr_pneumothorax": {
        ("20-29", "female", None, "PA"): 2,
        ("20-29", "male", None, "PA"): 2,
        ("30-39", "female", None, "PA"): 5,
        ("30-39", "male", None, "PA"): 4,
    },
    "vindr_mammo": {(None, None, None, "CC"): 10, (None, None, None, "MLO"): 10},
    "covid_ct": {("50-59", "female", None, None): 8, ("50-59", "male", None, None): 7, None: 17},
}


@pytest.mark.parametrize("name", STATED)
def test_a_record_says_of_the_person_what_its_publisher_says(name: str, tmp_path: Path) -> None:
    miniature(tmp_path, [name])
    examples = loader_of(load()[name]).examples(find({name: None}, tmp_path)[name])
    found = Counter(one.attributes for one in examples)
    plain = {one and (one.age_group, one.sex, one.device, one.view): count for one, count in found.items()}
    assert plain == STATED[name]


@given(st.integers(0, 120), st.sampled_from(["{}", "{:03d}Y", "{}.0", "{:03d}y", " {} years", "{}yrs", "{} yr"]))
def test_an_age_is_its_decade(age: int, form: str) -> None:
    expected = "90+" if age >= 90 else f"{age // 10}0-{age // 10}9" if age >= 10 else "0-9"
    assert Attributes.of(age=form.format(age)) == Attributes.of(age=float(age)) == Attributes(age_group=expected)


@given(st.integers(0, 999), st.sampled_from(["{:03d}D", "{:03d}W", "{:03d}M", "{} days", "{} weeks", "{} months"]))
def test_who_is_counted_in_days_weeks_or_months_is_a_child(age: int, form: str) -> None:
    assert Attributes.of(age=form.format(age)) == Attributes(age_group="0-9")


@given(st.integers(121, 999) | st.sampled_from(["", "nan", "unknown", "-5", "1e2", "4 o'clock", "forty", "12345"]))
def test_what_is_no_age_of_0_to_120_years_is_not_known(age: int | str) -> None:
    assert Attributes.of(age=age) is None


@given(st.text(), st.text(), st.text(), st.text())
def test_whatever_is_stated_is_kept_as_words_or_not_at_all(age: str, sex: str, device: str, view: str) -> None:
    found = Attributes.of(age=age, sex=sex, device=device, view=view) or Attributes()
    assert found.device in (None, " ".join(device.split()))
    assert found.view in (None, " ".join(view.split()))
    for word in (found.sex, found.device, found.view):
        assert word is None or (word == word.strip() != "" and word.lower() not in ("nan", "unknown"))


@pytest.mark.parametrize(
    ("word", "sex"),
    [
        ("F", "female"),
        ("m ", "male"),
        ("Female", "female"),
        ("MALE", "male"),
        ("O", "O"),
        ("Unknown", None),
        ("", None),
    ],
)
def test_a_sex_is_one_of_two_words_or_what_is_published(word: str, sex: str | None) -> None:
    found = Attributes.of(sex=word)
    assert (found and found.sex) == sex


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("male 45yrs; STB", ("40-49", "male")),
        ("Female, 3 months", ("0-9", "female")),
        ("female 70yrs normal", ("70-79", "female")),
        ("male", (None, "male")),
        ("F 61", ("60-69", "female")),
    ],
)
def test_a_reading_begins_with_sex_and_age(text: str, stated: tuple[str | None, str]) -> None:
    assert sex_and_age(text) == Attributes(age_group=stated[0], sex=stated[1])


@pytest.mark.parametrize("text", ["", "normal", "45 years", "malevolent", "left PTB"])
def test_a_reading_that_begins_otherwise_states_nothing(text: str) -> None:
    assert sex_and_age(text) is None


def test_the_header_of_a_dicom_file_names_patient_person_and_device(tmp_path: Path) -> None:
    tags = {"PatientAge": "067Y", "PatientSex": "F", "ViewPosition": "AP", "Manufacturer": "Acme"}
    mini = Miniature(tmp_path)
    mini.dicom("a.dcm", patient="007", tags={**tags, "ManufacturerModelName": "Ray 2"})
    mini.dicom("b.dcm")
    mini.dicom("c.dcm", patient="8", tags={"PatientSex": "M"})
    mini.text("d.dcm", "no DICOM")
    raw = RawFolder(tmp_path)
    assert person(raw, "a.dcm") == ("007", Attributes("60-69", "female", "Acme Ray 2", "AP"))
    assert person(raw, "b.dcm") == (None, None)
    assert person(raw, "c.dcm") == ("8", Attributes(sex="male"))
    assert person(raw, "d.dcm") == (None, None)


def test_records_are_selected_by_what_is_stated_of_the_person(workshop: Workshop) -> None:
    mat = med_mat.open(workshop.out)
    stated = [(one or {}).get("sex") for one in mat.index["attributes"].to_pylist()]
    assert mat.values("sex") == ("female", "male")
    for text, wanted in (
        ("sex=female", ["female"]),
        ("sex!=female", ["male"]),
        ("sex=unknown", [None]),
        ("sex!=unknown", ["female", "male"]),
        ("sex=male|unknown", ["male", None]),
    ):
        found = mat.where(text)
        assert found.tolist() == [place for place, sex in enumerate(stated) if sex in wanted]
        assert len(found)
    assert mat.where(sex=["female", "unknown"]).tolist() == mat.where("sex=female|unknown").tolist()


def test_a_value_that_nobody_has_is_an_error_that_names_the_nearest(workshop: Workshop) -> None:
    with pytest.raises(VocabularyError, match=r"no sex 'femal'\. Did you mean 'female'"):
        med_mat.open(workshop.out).where("sex=femal")
