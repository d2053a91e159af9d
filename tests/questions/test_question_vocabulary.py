from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest
from asked import row

from med_mat.catalog import Row, load
from med_mat.errors import CardError
from med_mat.questions import Questioner, Synonyms
from med_mat.strict import yaml_load

TEXT = (Path(__file__).parents[2] / "med_mat" / "data" / "synonyms.yaml").read_text("utf-8")
FACTS = yaml_load(TEXT)


def test_synonyms() -> None:
    synonyms = Synonyms(
        {
            "same": [["Cancer", "Malignant"]],
            "kinds": {"Tumor": ["Cancer"], "malignant": ["Melanoma", "Sarcoma"]},
            "alike": [["Melanoma", "Nevus"]],
            "vague": {"Other": [], "No melanoma": ["Melanoma"]},
            "never": {7: [["Sarcoma", "melanoma"]]},
            "exclusive": {7: [["Nevus", "Melanoma"]]},
        }
    )
    for first, second in [
        ("cancer", "MALIGNANT"),
        ("Tumor", "Malignant"),
        ("Tumor", "Melanoma"),
        ("Cancer", "Sarcoma"),
        ("Nevus", "Melanoma"),
        ("Other", "Sarcoma"),
        ("No melanoma", "Sarcoma"),
    ]:
        assert synonyms.clash(first, second), (first, second)
        assert synonyms.clash(second, first), (first, second)
    assert not synonyms.clash("Melanoma", "Sarcoma")
    assert not synonyms.clash("No melanoma", "Melanoma")
    assert not synonyms.overlap("Other", "Sarcoma")
    for first, second, within in [
        ("Tumor", "Melanoma", True),  # one is a kind of the other, whatever the row
        ("Other", "Sarcoma", False),  # in one row "other" is what the row has no word for
        ("Sarcoma", "Melanoma", True),  # never, there
        ("Nevus", "Melanoma", False),  # the publisher tells them apart
    ]:
        assert synonyms.clash_within(7, first, second) is synonyms.clash_within(7, second, first) is within
    assert synonyms.clash_within(8, "Nevus", "Melanoma")
    assert not synonyms.clash_within(8, "Sarcoma", "Melanoma")
    with pytest.raises(CardError, match="'b' stands in two groups"):
        Synonyms({"same": [["a", "b"], ["c", "b"]]})


def test_a_tube_is_no_finding() -> None:
    synonyms = Synonyms()
    assert synonyms.is_finding("Edema")
    assert not synonyms.is_finding("Support devices")
    assert not synonyms.is_finding("No finding")


def single(asked: Row) -> bool:
    return asked.kind in ("classes", "grades")


@pytest.mark.parametrize("form", ["default", "row"])
def test_no_pair_of_options_is_a_synonym_a_parent_or_a_child(form: str) -> None:
    """Over all rows and labels, but for pairs that their publishers tell apart: the data list them with reasons."""
    catalog, synonyms = load(), Synonyms()
    questioner = Questioner(catalog, form)  # type: ignore[arg-type]
    met = set()
    for asked in filter(single, catalog.rows):
        scales = [f"{part}/1" for part in asked.scales] or [""]
        for i, label in enumerate(asked.names * 40):
            question = questioner.ask(i, asked, label=label, raw_label=scales[i % len(scales)])
            assert len(question.options) >= 2, f"row {asked.number}, {label!r}: nothing can stand beside it"
            for pair in combinations(question.options, 2):
                if synonyms.overlap(*pair):
                    met.add((asked.number, frozenset(pair)))
    stated = {
        (n, frozenset(pair)) for n, groups in FACTS["exclusive"].items() for g in groups for pair in combinations(g, 2)
    }
    assert met <= stated
    for number, pair in stated:  # an exception that is none has no place
        assert synonyms.overlap(*pair), (number, pair)


@pytest.mark.parametrize(
    ("number", "label", "wrong"),
    [
        (8, "Tumor", {"Cancer"}),
        (15, "Seborrheic keratosis", {"Pigmented benign keratosis"}),
        (15, "Actinic keratosis", {"Squamous cell carcinoma"}),
        (20, "Dyed lifted polyps", {"Polyps"}),
        (23, "Large optic cup", {"Possible glaucoma", "Normal"}),
        (23, "Maculopathy", {"Macular hole"}),
        (39, "Abnormal eosinophil", {"Eosinophil"}),
        (39, "Artifact", {"Smudge cell"}),
        (39, "Not identifiable", {"Other cell"}),
        (47, "Age-related macular degeneration", {"Choroidal neovascularization", "Drusen"}),
        (47, "Diabetic retinopathy", {"Diabetic macular edema"}),
        (55, "COVID-19", {"Pneumonia", "Viral pneumonia", "Lung opacity"}),
        (56, "COVID-19", {"Viral pneumonia", "Lung opacity"}),
        (62, "COVID-19", {"Viral pneumonia"}),
        (78, "Malignant", {"Normal"}),
    ],
)
def test_no_other_right_answer_is_offered(number: int, label: str, wrong: set[str]) -> None:
    catalog = load()
    questioner = Questioner(catalog)
    (asked,) = (asked for asked in catalog.rows if asked.number == number)
    for i in range(200):
        options = set(questioner.ask(i, asked, label=label).options)
        assert label in options
        assert len(options) >= 2
        assert not options & wrong


def test_a_row_of_another_package_is_guarded_by_the_vocabulary() -> None:
    skin = row(300, None, "classes", "Melanoma", "Malignant", "Nevus", "Psoriasis")
    for i in range(50):
        assert not {"Melanoma", "Malignant"} <= set(Questioner([skin]).ask(i, skin, label="Nevus").options)


def test_every_word_of_the_synonyms_is_a_label() -> None:
    words = {name for group in (FACTS["nothing"], *FACTS["same"], *FACTS["alike"]) for name in group}
    words.update(FACTS["no_finding_either"])
    for name, others in (*FACTS["kinds"].items(), *FACTS["vague"].items()):
        words |= {name, *others}
    known = {name for asked in load().rows for name in asked.names}
    assert words <= known
    for section in ("never", "exclusive"):
        for number, groups in FACTS[section].items():
            (asked,) = (asked for asked in load().rows if asked.number == number)
            assert {name for group in groups for name in group} <= set(asked.names)
    for section in ("kinds", "vague"):  # YAML lets a key stand twice, and the last one win
        keys = re.findall(r"(?m)^  (\w[^:\n]*):", TEXT.partition(f"\n{section}:\n")[2].partition("\n\n")[0])
        assert keys == list(FACTS[section])


def test_every_exception_says_why() -> None:
    for section in ("never", "exclusive"):
        block = TEXT.partition(f"\n{section}:\n")[2].partition("\n\n")[0]
        for part in re.split(r"(?m)^  \d+:\n", block)[1:]:
            assert part.lstrip().startswith("#"), part
