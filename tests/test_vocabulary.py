"""Vocabularies: closed for spelling mistakes, open for the words that cards declare."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from med_mat import paper, strict
from med_mat.errors import VocabularyError
from med_mat.selection import MAT, Pattern, Selection
from med_mat.taxonomy import AXES
from med_mat.vocabulary import STANDARD, Vocabulary, in_order, is_word

AREAS = ["Hand", "Heart", "Prostate", "Foot"]
TASKS = ["Fracture", "Age", "Fracture Detection"]


@st.composite
def declared(draw: st.DrawFn) -> Vocabulary:
    """What a card may declare: some words, with relations to ours and to each other."""
    areas = draw(st.lists(st.sampled_from(AREAS), unique=True))
    tasks = draw(st.lists(st.sampled_from(TASKS), unique=True))
    pairs = st.tuples(st.sampled_from(areas), st.sampled_from(["Bones", "Chest", "Skin"])) if areas else st.nothing()
    return Vocabulary(
        modality={"PET": "positron emission tomography"} if draw(st.booleans()) else {},
        area={word: f"the {word}" for word in areas},
        task={word: f"about {word}" for word in tasks},
        parents={"Fracture": "State"} if "Fracture" in tasks else {},
        detects={"Fracture Detection": "Fracture"} if {"Fracture", "Fracture Detection"} <= set(tasks) else {},
        overlaps=tuple(draw(st.lists(pairs, unique=True, max_size=3))) if areas else (),
    )


def as_sets(words: Vocabulary) -> dict[str, Any]:
    """A vocabulary without the order of its words."""
    return {**{one.name: getattr(words, one.name) for one in fields(words)}, "overlaps": {*words.overlaps}}


@given(declared())
def test_what_is_declared_survives_the_manifest(more: Vocabulary) -> None:
    whole = STANDARD.extended(more)
    text = json.dumps(whole.beyond(whole.elements).to_data())
    back = strict.read(Vocabulary, json.loads(text), "It")
    assert as_sets(STANDARD.extended(back)) == as_sets(whole)
    assert not STANDARD.beyond(STANDARD.elements).to_data()


@given(declared())
def test_declaring_twice_changes_nothing(more: Vocabulary) -> None:
    whole = STANDARD.extended(more)
    assert as_sets(whole.extended(more)) == as_sets(whole)
    assert as_sets(STANDARD.extended(Vocabulary())) == as_sets(STANDARD)


@given(declared(), declared())
def test_the_order_of_cards_does_not_matter(one: Vocabulary, two: Vocabulary) -> None:
    def joined(*parts: Vocabulary) -> Any:
        found = STANDARD
        try:
            for part in parts:
                found = found.extended(part)
        except VocabularyError:
            return "refused"
        return as_sets(found)

    assert joined(one, two) == joined(two, one)


@given(declared(), st.data())
def test_a_selection_knows_the_words_and_only_these(more: Vocabulary, data: st.DataObject) -> None:
    whole = STANDARD.extended(more)
    axis, word = data.draw(st.sampled_from(whole.elements))
    expected = Selection.of(MAT(**{axis: word}))
    assert Selection.of(word, whole) == Selection.of(word.upper(), whole) == expected
    assert Selection.of(f"{axis}={word.lower()}", whole) == expected
    assert Pattern.parse(str(expected)).bound(whole).matches(MAT(**{axis: word}))
    if word in more.words(axis):
        for asked in (word, f"{axis}={word}", expected):
            with pytest.raises(VocabularyError):
                Selection.of(asked, STANDARD)


def test_a_small_part_of_a_vocabulary_stands_alone() -> None:
    whole = STANDARD.extended(
        Vocabulary(
            area={"Hand": "the hand", "Foot": "the foot"},
            task={"Break": "is it broken", "Break Detection": "where is it broken"},
            parents={"Break": "State"},
            detects={"Break Detection": "Break"},
            overlaps=(("Hand", "Bones"), ("Foot", "Bones")),
        )
    )
    part = whole.beyond([("area", "Hand"), ("task", "Break Detection"), ("modality", "CT")])
    assert part.to_data() == {
        "area": {"Hand": "the hand"},
        "task": {"Break": "is it broken", "Break Detection": "where is it broken"},
        "parents": {"Break": "State"},
        "detects": {"Break Detection": "Break"},
        "overlaps": [["Hand", "Bones"]],
    }
    assert STANDARD.extended(part).related("task", "Break Detection", "State")
    assert not STANDARD.extended(part).related("task", "Break", "Cancer")  # two kinds of State


@given(
    st.text(max_size=45) | st.text("abINn0 .'+-ßéİ", max_size=9) | st.sampled_from(["Not", "or.", "not-x", "inn", "24"])
)
def test_a_word_can_stand_in_every_text(text: str) -> None:
    if not is_word(text) or any(text.casefold() == word.casefold() for _, word in STANDARD.elements):
        return
    whole = STANDARD.extended(Vocabulary(area={text: "a part"}))
    expected = Selection.of(MAT(area=text))
    for asked in (text, f"*/{text}/*", f"area={text}", f"area!={text}"):
        found = Selection.parse(asked, whole)
        assert found == (~expected if "!" in asked else expected)
        assert Selection.parse(str(found), whole) == found


def test_words_stand_in_our_order_and_others_follow() -> None:
    assert in_order("area", ["Skin", "Hand", "Brain", "Foot", "Skin"]) == ["Brain", "Skin", "Foot", "Hand"]
    assert in_order("modality", []) == []


def mats_in(data: Any) -> list[MAT]:
    """The triplets in a table of the paper."""
    if isinstance(data, MAT):
        return [data]
    if isinstance(data, tuple | list):
        return [mat for one in data for mat in mats_in(one)]
    if is_dataclass(data):
        return [mat for one in fields(data) for mat in mats_in(getattr(data, one.name))]
    return []


def test_the_triplets_of_the_paper_are_made_of_our_words() -> None:
    found = mats_in(list(paper.tables().values()))
    assert len(found) > 100
    for mat in found:
        assert mat.complete
        mat.check(STANDARD)
    assert {axis for mat in found for axis, _ in mat.elements} == set(AXES)
