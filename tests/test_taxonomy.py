from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from med_mat.errors import MedMATError, VocabularyError
from med_mat.selection import MAT, Pattern
from med_mat.taxonomy import AREAS, AXES, MODALITIES, TASK_PARENTS, TASKS, nearest
from med_mat.vocabulary import STANDARD

VOCABULARIES = (tuple(MODALITIES), AREAS, tuple(TASKS))

mats = st.builds(MAT, *(st.sampled_from(words) for words in VOCABULARIES))


# ------------------------------------------------------------------------------------------------------- vocabularies


def test_the_vocabularies_are_those_of_the_paper() -> None:
    assert set(MODALITIES) == {"Co", "CT", "Der", "DP", "End", "FP", "Mic", "MRI", "OCT", "US", "X-ray"}
    paper = "Bladder Bones Brain Breast Cell Cervix Chest Fundus Intestine Kidney Lung Mouth Retina Skin"
    assert set(AREAS) == {*paper.split(), "Liver", "Thyroid"}
    assert [len(words) for words in VOCABULARIES] == [11, 16, 13]
    assert {"Cancer", "COVID", "State", "Diseases", "Level", "Recognition", "Quality"} < set(TASKS)


@pytest.mark.parametrize("words", VOCABULARIES, ids=AXES)
def test_words_are_unique_and_fit_into_a_pattern(words: tuple[str, ...]) -> None:
    assert len({word.casefold() for word in words}) == len(words)
    for word in words:
        assert word == word.strip()
        assert not set(word) & set("/|!*,")


def test_the_vocabularies_cannot_be_changed() -> None:
    for mapping in (MODALITIES, TASKS, TASK_PARENTS):
        with pytest.raises(TypeError):
            mapping["CT"] = "x"  # type: ignore[index]


def test_tasks_form_a_small_tree() -> None:
    assert set(TASK_PARENTS) | set(TASK_PARENTS.values()) <= set(TASKS)
    assert STANDARD.ancestors("COVID") == ("COVID", "State")
    assert STANDARD.ancestors("Cancer") == ("Cancer", "State")
    assert STANDARD.ancestors("Level") == ("Level",)
    for task in TASKS:
        chain = STANDARD.ancestors(task)
        assert chain[0] == task
        assert len(set(chain)) == len(chain)


# -------------------------------------------------------------------------------------------------------- the triplet


@given(mats)
def test_a_triplet_survives_its_text(mat: MAT) -> None:
    assert MAT.parse(str(mat)) == mat
    assert MAT.parse(f"  {mat.modality} / {mat.area}/{mat.task} ") == mat
    assert hash(MAT.parse(str(mat))) == hash(mat)
    assert pickle.loads(pickle.dumps(mat)) == copy.copy(mat) == mat


@given(mats, mats)
def test_shared_axes(one: MAT, other: MAT) -> None:
    expected = {axis for axis in AXES if getattr(one, axis) == getattr(other, axis)}
    assert one.shared(other) == other.shared(one) == expected
    assert one.shared(one) == set(AXES)
    assert (len(one.shared(other)) == 3) == (one == other)


def test_triplets_cannot_be_changed_and_sort_by_axis() -> None:
    mat = MAT("CT", "Lung", "Cancer")
    with pytest.raises(FrozenInstanceError):
        mat.area = "Brain"  # type: ignore[misc]
    assert sorted([MAT.parse("US/Breast/Cancer"), mat, MAT.parse("CT/Brain/State")])[1] == mat


@pytest.mark.parametrize("text", ["", "CT", "CT/Lung", "CT/Lung/Cancer/x", "CT,Lung,Cancer", "CT\\Lung\\Cancer"])
def test_no_triplet(text: str) -> None:
    with pytest.raises(VocabularyError, match="is not a triplet: expected MODALITY/AREA/TASK"):
        MAT.parse(text)


@pytest.mark.parametrize(
    ("text", "wrong", "right"),
    [
        ("Ultrasound/Breast/Cancer", "Ultrasound", "US"),
        ("ultrasound/Breast/Cancer", "ultrasound", "US"),
        ("DP/Teeth/State", "Teeth", "Mouth"),
        ("CT/Lungs/Cancer", "Lungs", "Lung"),
        ("Xray/Lung/COVID", "Xray", "X-ray"),
        ("CT/Lung/Covid-19", "Covid-19", "COVID"),
        ("CT/Lung/Tumor", "Tumor", "Cancer"),
        ("CT/Lung/Disease", "Disease", "Diseases"),
        ("Microscopy/Cell/Cancer", "Microscopy", "Mic"),
        ("CT/Kidny/Cancer", "Kidny", "Kidney"),
    ],
)
def test_a_wrong_word_gets_the_right_one(text: str, wrong: str, right: str) -> None:
    for check in (lambda: MAT.parse(text, STANDARD), lambda: Pattern.parse(text).bound(STANDARD)):
        with pytest.raises(VocabularyError) as caught:
            check()
        message = str(caught.value)
        assert message.startswith(f"{wrong!r} is not a Med-MAT ")
        assert f"Did you mean {right!r}?" in message
        assert "Known: " in message


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("ct/lung/cancer", "CT/Lung/Cancer"),
        ("X-Ray/LUNG/covid", "X-ray/Lung/COVID"),
        ("US/Breast/Cancer detection", "US/Breast/Cancer Detection"),
    ],
)
def test_a_pattern_takes_words_in_any_case_and_a_card_to_the_letter(text: str, right: str) -> None:
    assert str(Pattern.parse(text)) == right
    with pytest.raises(VocabularyError, match=r"is not a Med-MAT (modality|task)\. It is|Did you mean"):
        MAT.parse(text, STANDARD)


def test_a_word_of_another_axis_is_not_suggested_for_this_one() -> None:
    with pytest.raises(VocabularyError) as caught:
        MAT.parse("Lung/CT/Cancer", STANDARD)
    assert "'Lung' is not a Med-MAT modality. It is an area." in str(caught.value)
    assert "Did you mean 'Lung'" not in str(caught.value)


@given(st.text(max_size=30), st.sampled_from(range(3)))
def test_any_text_gives_a_word_or_one_sentence(text: str, axis: int) -> None:
    words = ["CT", "Lung", "Cancer"]
    words[axis] = text
    assume(text not in (*VOCABULARIES[axis], "*"))
    with pytest.raises(VocabularyError) as caught:
        MAT(*words).check(STANDARD)
    assert repr(text) in str(caught.value)
    assert isinstance(caught.value, MedMATError)
    assert isinstance(caught.value, ValueError)


@given(st.text(max_size=20), st.lists(st.text(max_size=8), max_size=6))
def test_the_nearest_word_is_a_known_one(word: str, known: list[str]) -> None:
    found = nearest(word, known)
    assert found is None or found in known


# ----------------------------------------------------------------------------------------------------------- patterns


@st.composite
def patterns(draw: st.DrawFn) -> tuple[str, bool, list[tuple[bool, list[str] | None]]]:
    """The text of a pattern, whether all of it is negated, and of each part: whether it is, and its words."""
    parts: list[tuple[bool, list[str] | None]] = []
    pieces = []
    blank = st.sampled_from(["", " "])
    for axis, vocabulary in enumerate(VOCABULARIES):
        words = draw(st.none() | st.lists(st.sampled_from(vocabulary), min_size=1, max_size=4))
        negated = words is not None and axis > 0 and draw(st.booleans())
        parts.append((negated, words))
        separator = draw(blank) + "|" + draw(blank)
        pieces.append(draw(blank) + ("!" if negated else "") + (separator.join(words) if words else "*") + draw(blank))
    whole = draw(st.booleans())
    return ("!" if whole else "") + "/".join(pieces), whole, parts


def selected(mat: MAT, whole: bool, parts: list[tuple[bool, list[str] | None]]) -> bool:
    """What a pattern means, in plain words."""
    inside = True
    for word, (negated, words) in zip((mat.modality, mat.area, mat.task), parts, strict=True):
        if words is None:
            continue
        if (word in words) == negated:
            inside = False
    return not inside if whole else inside


Drawn = tuple[str, bool, list[tuple[bool, list[str] | None]]]


@given(patterns(), mats)
def test_a_pattern_selects_what_it_says(drawn: Drawn, mat: MAT) -> None:
    text, whole, parts = drawn
    assert Pattern.parse(text).matches(mat) == selected(mat, whole, parts)


@given(patterns())
def test_a_pattern_survives_its_text(drawn: Drawn) -> None:
    pattern = Pattern.parse(drawn[0])
    assert Pattern.parse(str(pattern)) == pattern
    assert str(Pattern.parse(str(pattern))) == str(pattern)
    assert hash(Pattern.parse(str(pattern))) == hash(pattern)
    assert pickle.loads(pickle.dumps(pattern)) == pattern


@given(patterns(), mats)
def test_negation_is_the_complement(drawn: Drawn, mat: MAT) -> None:
    text, whole, _ = drawn
    opposite = text.removeprefix("!") if whole else "!" + text
    assert Pattern.parse(opposite).matches(mat) != Pattern.parse(text).matches(mat)


@given(mats, mats)
def test_a_triplet_is_a_pattern_of_itself(one: MAT, other: MAT) -> None:
    assert Pattern.parse(str(one)).matches(other) == (one == other)


def test_an_element_may_be_left_open() -> None:
    assert str(MAT(modality="CT")) == "CT/*/*"
    assert MAT.parse("*/Lung/*") == MAT(area="Lung")
    assert MAT("CT", "Lung", "Cancer").complete
    assert not MAT(task="Cancer").complete
    assert MAT(modality="CT").shared(MAT(modality="CT", area="Lung")) == {"modality"}
    assert not MAT().shared(MAT())


def test_wildcards() -> None:
    every = [MAT(*words) for words in zip(VOCABULARIES[0], VOCABULARIES[1], VOCABULARIES[2], strict=False)]
    for text in ("*", "*/*/*", " * "):
        assert all(Pattern.parse(text).matches(mat) for mat in every)
    assert not any(Pattern.parse("!*").matches(mat) for mat in every)


def test_the_examples_of_the_documentation() -> None:
    brain = Pattern.parse("CT|MRI/Brain/*")
    assert brain.matches(MAT.parse("CT/Brain/State"))
    assert brain.matches(MAT.parse("MRI/Brain/Cancer"))
    assert not brain.matches(MAT.parse("CT/Lung/Cancer"))
    assert not Pattern.parse("!X-ray/*/*").matches(MAT.parse("X-ray/Lung/COVID"))
    assert Pattern.parse("CT/!Lung/*").matches(MAT.parse("CT/Brain/State"))
    assert not Pattern.parse("CT/!Lung/*").matches(MAT.parse("CT/Lung/COVID"))


@pytest.mark.parametrize("text", ["", " ", "!", "CT", "CT/Lung", "CT/*/*/*", "**"])
def test_no_pattern(text: str) -> None:
    with pytest.raises(VocabularyError, match="is not a pattern: expected MODALITY/AREA/TASK"):
        Pattern.parse(text)


@pytest.mark.parametrize(
    ("task", "pool", "cross", "expected"),
    [
        ("COVID", False, False, {"COVID"}),
        ("COVID", True, False, {"COVID", "State"}),
        ("Cancer Detection", False, True, {"Cancer Detection", "Cancer"}),
        ("Cancer Detection", True, True, {"Cancer Detection", "Cancer", "State"}),
        ("Diseases Detection", True, True, {"Diseases Detection", "Diseases"}),
        ("State", True, True, {"State"}),
    ],
)
def test_what_a_task_counts_as(task: str, pool: bool, cross: bool, expected: set[str]) -> None:
    assert STANDARD.counts_as(task, pool_tasks=pool, cross_tasks=cross) == expected


@pytest.mark.parametrize("text", ["CT/!*/*", "CT/*/!*"])
def test_a_pattern_that_can_match_nothing(text: str) -> None:
    with pytest.raises(VocabularyError, match="can match nothing"):
        Pattern.parse(text)


@pytest.mark.parametrize("text", ["CT|/*/*", "|/*/*", "//", "CT|*/*/*", "!!CT/*/*", "CT/!!Lung/*", "CT/L*ng/*"])
def test_malformed_words(text: str) -> None:
    with pytest.raises(VocabularyError, match="is not a Med-MAT"):
        Pattern.parse(text)
