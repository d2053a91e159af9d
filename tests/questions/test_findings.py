from __future__ import annotations

from collections.abc import Sequence

import pytest
from asked import CELLS, FINDINGS, ROWS, right, row
from hypothesis import given, settings
from hypothesis import strategies as st

from med_mat.catalog import load
from med_mat.questions import Questioner


@pytest.fixture(scope="module")
def questioner() -> Questioner:
    return Questioner(ROWS)


def split(text: str, names: Sequence[str]) -> frozenset[str]:
    return frozenset(name for name in names if name.casefold() in text.casefold().split(", "))


@settings(max_examples=300, deadline=None)
@given(
    states=st.lists(st.sampled_from([True, False, None]), min_size=7, max_size=7),
    key=st.integers(-(2**63), 2**63 - 1),
    seed=st.integers(0, 2**70),
)
def test_findings_are_sound(states: list[bool | None], key: int, seed: int) -> None:
    names = FINDINGS.names
    present = [name for name, state in zip(names, states, strict=True) if state is True]
    absent = [name for name, state in zip(names, states, strict=True) if state is False]
    unknown = [name for name, state in zip(names, states, strict=True) if state is None]
    asked = Questioner(ROWS, "default", seed)
    question = asked.ask(key, FINDINGS, present=present[::-1], absent=absent, unknown=unknown)
    if present:
        assert split(question.open_answer, names) == set(present)
    elif "No finding" not in absent and not set(unknown) - {"No finding"}:
        assert question.open_answer == "No finding"
    else:
        assert question.open_answer == question.answer == ""
    healthy = "No finding" in split(question.open_answer, names)
    if question.options:
        assert right(question) == question.open_answer
        assert len(set(question.options)) == len(question.options) >= 2
        truth = split(question.open_answer, names)
        for option in set(question.options) - {question.open_answer}:
            held = split(option, names)
            assert held
            assert held & set(absent) or truth - held or healthy  # wrong as the list of all findings
            assert held <= {*absent, *present, *(["No finding"] if present else []), *(names if healthy else [])}
            assert "No finding" not in held or len(held) == 1
    else:
        assert question.answer == ""
        assert not question.open_answer or not set(absent) - {"No finding"}


def test_sets_vary_in_size_and_overlap(questioner: Questioner) -> None:
    present = ["Edema", "Mass"]
    absent = [name for name in FINDINGS.names if name not in present]
    sizes, shared, between = set(), 0, 0
    for i in range(200):
        question = questioner.ask(i, FINDINGS, present=present, absent=absent)
        assert right(question) == "Edema, mass"
        assert len(question.options) == 4
        held = [split(option, FINDINGS.names) for option in question.options if option != "Edema, mass"]
        sizes |= {len(names) for names in held}
        shared += any(names & set(present) for names in held)
        between += any(one & other for one in held for other in held if one != other)
    assert {1, 2, 3} <= sizes
    assert 20 < shared < 200
    assert 20 < between < 200


def test_no_finding_is_offered_right_and_wrong() -> None:
    """As often as it is right, where the card counts it; always where it is right more often than the others."""
    (nih,) = (asked for asked in load().rows if asked.number == 80)
    (chexpert,) = (asked for asked in load().rows if asked.number == 77)
    questioner = Questioner(load())
    for asked, low, high in [(nih, 1.0, 1.0), (chexpert, 0.2, 0.5)]:
        absent = [name for name in asked.names if name != "Edema"]
        offered = sum(
            "No finding" in questioner.ask(i, asked, present=["Edema"], absent=absent).options for i in range(300)
        )
        assert low <= offered / 300 <= high


def test_without_finding_all_findings_are_wrong(questioner: Questioner) -> None:
    unknown = [name for name in FINDINGS.names if name != "No finding"]
    question = questioner.ask(3, FINDINGS, present=["No finding"], unknown=unknown)
    assert right(question) == "No finding"
    assert len(question.options) == 4


def test_a_tube_does_not_deny_health() -> None:
    chest = row(30, 31, "findings", "No finding", "Edema", "Support devices")
    questioner = Questioner([chest])
    for i in range(100):
        assert "No finding" not in questioner.ask(i, chest, present=["Support devices"], absent=["Edema"]).options
        both = questioner.ask(i, chest, present=["No finding", "Support devices"], unknown=["Edema"])
        assert right(both) == "No finding, support devices"
        assert "Support devices" not in both.options  # it may be all that there is to find
    assert any(
        "No finding" in questioner.ask(i, chest, present=["Edema"], absent=["Support devices"]).options
        for i in range(100)
    )


def test_few_absent_labels_give_few_options(questioner: Questioner) -> None:
    unknown = ["Effusion", "Mass", "Pneumothorax", "No finding"]
    for i in range(50):
        question = questioner.ask(i, FINDINGS, present=["Atelectasis"], absent=["Hernia"], unknown=unknown)
        assert set(question.options) <= {"Atelectasis", "Hernia", "Atelectasis, hernia", "No finding"}
        assert len(question.options) >= 3
    unknown.append("Hernia")
    question = questioner.ask(0, FINDINGS, present=["Atelectasis", "Edema"], unknown=unknown)
    assert (question.options, question.answer, question.open_answer) == ((), "", "Atelectasis, edema")


def test_no_finding_in_the_words_of_the_row_or_its_subset() -> None:
    bare = row(20, 31, "findings", "Nodule", "Mass", "Fibrosis")
    question = Questioner([bare, FINDINGS]).ask(0, bare, absent=bare.names)
    assert question.open_answer == "No finding"
    assert "No finding" in question.options
    assert Questioner([bare]).ask(0, bare, absent=bare.names).open_answer == "None"


def test_overlapping_findings_are_no_distractors() -> None:
    chest = row(21, 31, "findings", "Pneumonia", "Viral pneumonia", "Fracture", "Other disease")
    questioner = Questioner([chest])
    for i in range(50):
        question = questioner.ask(i, chest, present=["Viral pneumonia"], absent=[chest.names[j] for j in (0, 2, 3)])
        assert not any("Pneumonia" in option.split(", ") for option in question.options)


def test_two_words_of_one_meaning_make_no_two_options() -> None:
    chest = row(22, 31, "findings", "Cardiomegaly", "Enlarged cardiac silhouette", "Fracture", "Hernia")
    questioner = Questioner([chest])
    for i in range(50):
        options = set(
            questioner.ask(i, chest, present=["Fracture"], absent=[chest.names[j] for j in (0, 1, 3)]).options
        )
        assert not {"Cardiomegaly", "Enlarged cardiac silhouette"} <= options


def test_labels_that_hold_a_comma(questioner: Questioner) -> None:
    for i in range(50):  # "Other" and "ill-defined masses" together read as the one label that is right
        question = questioner.ask(
            i,
            CELLS,
            present=["Other, ill-defined masses"],
            absent=[n for n in CELLS.names if n != "Other, ill-defined masses"],
        )
        assert right(question) == question.open_answer == "Other, ill-defined masses"
        assert question.options.count("Other, ill-defined masses") == 1
        both = questioner.ask(
            i,
            CELLS,
            present=["Other", "ill-defined masses"],
            absent=["Other, ill-defined masses", "Neutrophil"],
        )
        assert both.open_answer == "Other, ill-defined masses"
        assert both.options.count("Other, ill-defined masses") == 1
    assert (
        questioner.ask(0, CELLS, present=["ill-defined masses"], absent=["Other"]).open_answer == "Ill-defined masses"
    )


def test_in_the_form_paper_options_are_sets_that_occur() -> None:
    sets = [("Edema",), ("Edema", "Mass"), ("No finding",), ("Effusion", "Hernia"), ("Mass",)]
    questioner = Questioner(ROWS, "paper", label_sets={FINDINGS.number: sets})
    seen = set()
    for i in range(200):
        question = questioner.ask(i, FINDINGS, present=["Mass", "Edema"], unknown=["Hernia"])
        assert right(question) == "Edema, mass"
        assert len(question.options) == 4
        seen |= set(question.options)
    assert seen == {"Edema", "Edema, mass", "No finding", "Effusion, hernia", "Mass"}
    new = questioner.ask(1, FINDINGS, present=["Pneumothorax"])
    assert right(new) == "Pneumothorax"
    assert questioner.ask(1, FINDINGS, unknown=FINDINGS.names).open_answer == ""
