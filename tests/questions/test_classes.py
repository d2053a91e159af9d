from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest
from asked import BRAIN, BREAST, CHEST, COUGH, FINDINGS, KNEE, LUNG, ROWS, TUBERCULOSIS, right, row
from hypothesis import given, settings
from hypothesis import strategies as st

from med_mat.catalog import Scale, load
from med_mat.errors import CardError, LabelError
from med_mat.questions import LETTERS, Questioner, Synonyms


@pytest.fixture(scope="module")
def questioner() -> Questioner:
    return Questioner(ROWS)


def test_options_are_labels_that_exclude_each_other(questioner: Questioner) -> None:
    for i in range(50):
        assert set(questioner.ask(i, BRAIN, label="Tumor").options) == {"Aneurysm", "Tumor"}
        question = questioner.ask(i, KNEE, label="Level 2")
        assert right(question) == question.open_answer == "Level 2"
        assert set(question.options) <= set(KNEE.names)
        assert not {"COVID-19", "Pneumonia"} <= set(questioner.ask(i, CHEST, label="Normal").options)


def test_distractors_come_from_the_whole_subset(questioner: Questioner) -> None:
    seen = {name for i in range(300) for name in questioner.ask(i, TUBERCULOSIS, label="Normal").options}
    assert seen == {
        "Tuberculosis",
        "Normal",
        "COVID-19",
        "Viral pneumonia",
        "Bacterial pneumonia",
    }


def test_in_the_form_row_they_come_from_the_row_alone() -> None:
    questioner = Questioner(ROWS, "row")
    for i in range(50):
        assert set(questioner.ask(i, TUBERCULOSIS, label="Normal").options) == {"Tuberculosis", "Normal"}
        assert set(questioner.ask(i, COUGH, label="Normal").options) == set(COUGH.names)


def test_in_the_form_paper_only_the_answer_is_not_repeated() -> None:
    questioner = Questioner(ROWS, "paper")
    seen = {name for i in range(300) for name in questioner.ask(i, LUNG, label="COVID-19").options}
    assert seen == {name for asked in (LUNG, CHEST, COUGH) for name in asked.names}
    for i in range(50):
        question = questioner.ask(i, BRAIN, label="Tumor")
        assert set(question.options) == {"Aneurysm", "Cancer", "Tumor"}
        assert right(question) == "Tumor"


def test_the_paper_asks_all_rows_of_a_subset_alike() -> None:
    catalog = load()
    paper, ours = Questioner(catalog, "paper"), Questioner(catalog)
    (photographs,) = (asked for asked in catalog.rows if asked.number == 64)
    texts = {paper.ask(i, photographs, label="Genodermatoses").question.split("\n")[0] for i in range(100)}
    assert "Please examine this dermoscopic image and identify the condition present." in texts
    assert not any("dermoscopic" in ours.ask(i, photographs, label="Genodermatoses").question for i in range(100))


def test_a_single_label_gives_no_options() -> None:
    only = row(1, 46, "classes", "Liver")
    question = Questioner([only]).ask(0, only, label="Liver")
    assert (question.options, question.answer, question.open_answer) == ((), "", "Liver")
    assert question.question == question.open_question


def test_unknown_labels_and_rows_are_named(questioner: Questioner) -> None:
    with pytest.raises(LabelError, match="'Covid' is not a label of row 1 of 'source_1': COVID-19, Normal"):
        questioner.ask(0, LUNG, label="Covid")
    with pytest.raises(LabelError, match="None is not a label"):
        questioner.ask(0, LUNG)
    with pytest.raises(LabelError, match="'Fibrosis' is not a label of row 8"):
        questioner.ask(0, FINDINGS, present=["Fibrosis"])
    with pytest.raises(CardError, match="Row 99 is not in the catalog"):
        questioner.ask(0, row(99, 1, "classes", "x"), label="x")
    with pytest.raises(CardError, match="no labels"):
        Questioner([row(1, 1, "classes")])


WORDS = sorted(
    {name for r in ROWS for name in r.names} | {"Benign", "Nevus", "Melanoma", "Malignant", "Other", "A", "a"}
)
NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9, unique=True)


@settings(deadline=None)
@given(
    names=st.lists(NAMES, min_size=1, max_size=4),
    key=st.integers(-(2**63), 2**63 - 1),
    form=st.sampled_from(["default", "row"]),
    data=st.data(),
)
def test_options_are_sound(names: list[list[str]], key: int, form: str, data: st.DataObject) -> None:
    rows = [row(i, 8, "classes", *group) for i, group in enumerate(names, 1)]
    chosen = data.draw(st.sampled_from(rows))
    questioner = Questioner(rows, form)  # type: ignore[arg-type]
    synonyms = Synonyms()
    counts = set()
    for label in chosen.names:
        question = questioner.ask(key, chosen, label=label)
        if not question.options:
            assert question.answer == ""
            assert all(synonyms.overlap(label, other) for other in chosen.names) or form == "default"
            continue
        counts.add(len(question.options))
        assert 2 <= len(question.options) <= 4
        assert len(set(question.options)) == len(question.options)
        assert right(question) == question.open_answer == label
        assert question.question.split("\n")[1:-1] == [
            f"{letter}: {option}" for letter, option in zip(LETTERS, question.options, strict=False)
        ]
        assert form == "default" or set(question.options) <= set(chosen.names)
        for first, second in combinations(question.options, 2):
            assert not synonyms.overlap(first, second)
    assert len(counts) <= 1  # the number of options does not tell the answer


def test_all_answers_of_a_row_get_the_same_number_of_options() -> None:
    catalog = load()
    questioner = Questioner(catalog)
    for asked in catalog.rows:
        if asked.kind in ("classes", "grades"):
            raw = f"{next(iter(asked.scales))}/1" if asked.scales else ""
            numbers = {
                len(questioner.ask(i, asked, label=label, raw_label=raw).options)
                for label in asked.names
                for i in range(30)
            }
            assert len(numbers) == 1, asked.number


@pytest.mark.parametrize("number", [3, 4, 6, 28, 32, 81])
def test_yes_and_no_are_asked_in_one_way(number: int) -> None:
    catalog = load()
    questioner = Questioner(catalog)
    (asked,) = (asked for asked in catalog.rows if asked.number == number)
    options = [{questioner.ask(i, asked, label=label).options for i in range(60)} for label in asked.names]
    assert options[0] == options[1] == {asked.names, asked.names[::-1]}


def test_a_row_with_an_answer_that_outsiders_would_tell_is_asked_from_its_own_labels() -> None:
    catalog = load()
    questioner = Questioner(catalog)
    for number in (14, 22, 39, 44, 75, 78):  # "other", "not identifiable", benign where nothing else is not malignant
        (asked,) = (asked for asked in catalog.rows if asked.number == number)
        for label in asked.names:
            assert set(questioner.ask(5, asked, label=label).options) <= set(asked.names)


def test_letters_are_balanced(questioner: Questioner) -> None:
    letters = Counter(questioner.ask(i, KNEE, label=f"Level {i % 5}").answer for i in range(4000))
    assert set(letters) == set("ABCD")
    assert all(880 < count < 1120 for count in letters.values())  # 4.4 standard deviations
    asked = Counter(questioner.ask(i, KNEE, label="Level 1").open_question for i in range(6000))
    assert len(asked) == 6
    assert all(880 < count < 1120 for count in asked.values())
    beside = Counter(o for i in range(4000) for o in questioner.ask(i, KNEE, label="Level 1").options)
    assert beside["Level 1"] == 4000
    assert all(2850 < beside[f"Level {i}"] < 3150 for i in (0, 2, 3, 4))


def test_labels_that_hold_a_comma(questioner: Questioner) -> None:
    question = questioner.ask(0, BREAST, label="Other, ill-defined masses")
    assert right(question) == "Other, ill-defined masses"
    assert len(question.options) == 4


# ------------------------------------------------------------------------------------------------------------- scales


def test_a_grade_is_asked_of_its_joint_and_beside_grades_that_the_joint_has() -> None:
    catalog = load()
    questioner = Questioner(catalog)
    (asked,) = (asked for asked in catalog.rows if asked.number == 69)
    joints = (("MCP", 10, "metacarpophalangeal joint"), ("DIP", 11, "distal interphalangeal"), ("Radius", 14, "radius"))
    for joint, last, words in joints:
        seen = set()
        for i in range(400):
            question = questioner.ask(i, asked, label="Grade 5", raw_label=f"{joint}/5")
            assert words in question.question
            assert words in question.open_question
            seen |= set(question.options)
        assert seen == {f"Grade {number}" for number in range(1, last + 1)}
    assert "Grade 13" in questioner.ask(1, asked, label="Grade 13", raw_label="MCP/13").options
    with pytest.raises(LabelError, match="'Skull/5' of row 69 does not begin with one of its scales: DIP, DIPFirst"):
        questioner.ask(1, asked, label="Grade 5", raw_label="Skull/5")


def test_scales_of_any_row_of_grades() -> None:
    spine = replace(
        row(400, None, "grades", "Grade 1", "Grade 2", "Grade 3"),
        instructions=("How worn is {part}?",),
        scales={"C": Scale(part="the neck", last="raw Grade 2"), "L": Scale(part="the loin", last="raw Grade 3")},
    )
    question = Questioner([spine]).ask(1, spine, label="Grade 1", raw_label="C/1")
    assert question.open_question == "How worn is the neck?"
    assert set(question.options) == {"Grade 1", "Grade 2"}
    assert len(Questioner([spine]).ask(1, spine, label="Grade 1", raw_label="L").options) == 3
