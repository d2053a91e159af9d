from __future__ import annotations

import hashlib
import os
import pickle
import re
import subprocess
import sys
import timeit
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med_mat.catalog import Kind, Row, Upstream, load
from med_mat.errors import CardError, LabelError
from med_mat.qa import BOX_SUFFIX, LETTERS, SUFFIX, Question, Questioner, Synonyms, read_instructions
from med_mat.strict import yaml_load
from med_mat.taxonomy import MAT

DATA = Path(__file__).parents[1] / "med_mat" / "data"
#: How many of each subset's instructions upstream has published.
PUBLISHED = {2: 1, 5: 3, 6: 5, 8: 1, 11: 1, 12: 1, 13: 1, 15: 1, 17: 5, 18: 3, 19: 1, 20: 1, 23: 1, 24: 3, 25: 1, 27: 4}
PUBLISHED |= {28: 1, 29: 4, 33: 1, 35: 1, 36: 1, 37: 1}


def row(number: int, subset: int, kind: Kind, *names: str) -> Row:
    labels = MappingProxyType({f"raw {name}": name for name in names})
    return Row(number, f"source_{number}", MAT("CT", "Lung", "Diseases"), subset, kind, labels, Upstream("", "", ""))


LUNG = row(1, 28, "classes", "COVID-19", "Normal", "Viral pneumonia")
CHEST = row(2, 28, "classes", "COVID-19", "Normal", "Pneumonia")
COUGH = row(3, 28, "classes", "Normal", "Bacterial pneumonia", "Viral pneumonia")
TUBERCULOSIS = row(4, 28, "classes", "Tuberculosis", "Normal")
KNEE = row(5, 25, "grades", *(f"Level {i}" for i in range(5)))
HEAD = row(6, 5, "classes", "Hemorrhage", "Normal")
BRAIN = row(7, 6, "classes", "Aneurysm", "Cancer", "Tumor")
FINDINGS = row(8, 31, "findings", "Atelectasis", "Edema", "Effusion", "Hernia", "Mass", "Pneumothorax", "No finding")
BREAST = row(9, 29, "classes", "Normal", "Calcification", "Other, ill-defined masses", "Asymmetry", "Spiculated masses")
DETECT = row(10, 50, "boxes", "Atelectasis", "Calcification", "Diffuse nodule", "No finding")
LIVER = row(11, 46, "masks", "Liver")
CELLS = row(12, 20, "findings", "Neutrophil", "Eosinophil", "Other, ill-defined masses", "Other", "ill-defined masses")
ROWS = (LUNG, CHEST, COUGH, TUBERCULOSIS, KNEE, HEAD, BRAIN, FINDINGS, BREAST, DETECT, LIVER, CELLS)


@pytest.fixture(scope="module")
def questioner() -> Questioner:
    return Questioner(ROWS)


def right(question: Question) -> str:
    return question.options[LETTERS.index(question.answer)]


# ---------------------------------------------------------------------------------------------------- the instructions


def test_every_subset_has_six_instructions() -> None:
    instructions = read_instructions()
    assert list(instructions) == list(range(1, 54))
    for number, texts in instructions.items():
        assert len(set(texts)) == len(texts) == 6, number


def test_exceptions_are_six_as_well() -> None:
    for number, entry in yaml_load((DATA / "instructions.yaml").read_text("utf-8")).items():
        assert set(entry) <= {"paper", "ours", "rows"}, number
        for texts in entry.get("rows", {}).values():
            assert len(set(texts)) == len(texts) == 6


def test_published_instructions_are_verbatim() -> None:
    entries = yaml_load((DATA / "instructions.yaml").read_text("utf-8"))
    published = {number: entry["paper"] for number, entry in entries.items() if "paper" in entry}
    assert {number: len(texts) for number, texts in published.items()} == PUBLISHED
    assert sum(PUBLISHED.values()) == 42
    text = "\n".join(line for number in sorted(published) for line in published[number])
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "a46a9d6ca914dbab81067a3e9819947eb48458ce64b8f6ee24dc2fec5abd14ec"
    )


def test_photographs_are_not_called_dermoscopic() -> None:
    entries = yaml_load((DATA / "instructions.yaml").read_text("utf-8"))
    for number in (9, 11, 12, 64, 74):  # phones, clinics, the web
        assert all("photograph" in text and "dermoscopic" not in text for text in entries[8]["rows"][number])


def test_only_boxes_are_asked_for_by_label() -> None:
    for number, texts in read_instructions().items():
        for text in texts:
            assert re.findall(r"\{.*?\}|[{}]", text) == (["{label}"] if number >= 38 else []), text
            assert text[0].isupper()
            assert text[-1] in ".?)"
            assert len(text) < 250


# ------------------------------------------------------------------------------------------------- classes and grades


def test_upstream_form(questioner: Questioner) -> None:
    question = questioner.ask("head_ct/7/head_ct/035.png", HEAD, label="Hemorrhage")
    assert question.open_question in read_instructions()[5]
    lines = question.question.split("\n")
    assert lines == [question.open_question, f"A: {question.options[0]}", f"B: {question.options[1]}", SUFFIX]
    assert set(question.options) == {"Hemorrhage", "Normal"}
    assert right(question) == question.open_answer == "Hemorrhage"


def test_labels_of_one_row_exclude_each_other(questioner: Questioner) -> None:
    for i in range(50):
        assert set(questioner.ask(f"id {i}", BRAIN, label="Tumor").options) == {"Aneurysm", "Cancer", "Tumor"}
    assert not any("Pneumonia" in questioner.ask(f"id {i}", LUNG, label="COVID-19").options for i in range(200))
    assert any("Pneumonia" in questioner.ask(f"id {i}", CHEST, label="COVID-19").options for i in range(200))


def test_a_copy_in_capitals_is_asked_the_same(questioner: Questioner) -> None:
    for i in range(50):
        asked = questioner.ask(f"source/1/train/é {i}.png", TUBERCULOSIS, label="Normal")
        assert questioner.ask(f"source/1/TRAIN/É {i}.PNG", TUBERCULOSIS, label="Normal") == asked


def test_never_holds_inside_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("med_mat.qa.Synonyms", lambda: Synonyms({"never": {7: [["Cancer", "tumor"]]}}))
    questioner = Questioner([BRAIN])
    assert set(questioner.ask("id", BRAIN, label="Tumor").options) == {"Aneurysm", "Tumor"}
    assert len(questioner.ask("id", BRAIN, label="Aneurysm").options) == 2


def test_distractors_come_from_the_whole_subset(questioner: Questioner) -> None:
    seen = {name for i in range(300) for name in questioner.ask(f"id {i}", TUBERCULOSIS, label="Normal").options}
    assert seen == {"Tuberculosis", "Normal", "COVID-19", "Viral pneumonia", "Pneumonia", "Bacterial pneumonia"}


def test_a_single_label_gives_no_options() -> None:
    only = row(1, 46, "classes", "Liver")
    question = Questioner([only]).ask("id", only, label="Liver")
    assert (question.options, question.answer, question.open_answer) == ((), "", "Liver")
    assert question.question == question.open_question


def test_unknown_labels_and_rows_are_named(questioner: Questioner) -> None:
    with pytest.raises(LabelError, match="'Covid' is not a label of row 1: COVID-19, Normal"):
        questioner.ask("id", LUNG, label="Covid")
    with pytest.raises(LabelError, match="None is not a label"):
        questioner.ask("id", LUNG)
    with pytest.raises(LabelError, match="'Fibrosis' is not a label of row 8"):
        questioner.ask("id", FINDINGS, present=["Fibrosis"])
    with pytest.raises(CardError, match="Row 99 is not in the catalog"):
        questioner.ask("id", row(99, 1, "classes", "x"), label="x")
    with pytest.raises(CardError, match="no labels"):
        Questioner([row(1, 1, "classes")])


WORDS = sorted(
    {name for r in ROWS for name in r.names} | {"Benign", "Nevus", "Melanoma", "Malignant", "Other", "A", "a"}
)
NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9, unique=True)


@given(names=st.lists(NAMES, min_size=1, max_size=4), record=st.text(max_size=30), data=st.data())
def test_options_are_sound(names: list[list[str]], record: str, data: st.DataObject) -> None:
    rows = [row(i, 8, "classes", *group) for i, group in enumerate(names, 1)]
    chosen = data.draw(st.sampled_from(rows))
    label = data.draw(st.sampled_from(chosen.names))
    question = Questioner(rows).ask(record, chosen, label=label)
    if not question.options:
        assert question.answer == ""
        assert len(chosen.names) == 1
        return
    assert 2 <= len(question.options) <= 4
    assert len(question.options) >= min(4, len(chosen.names)) or len(rows) > 1
    assert len(set(question.options)) == len(question.options)
    assert right(question) == question.open_answer == label
    assert question.question.split("\n")[1:-1] == [
        f"{letter}: {option}" for letter, option in zip(LETTERS, question.options, strict=False)
    ]
    synonyms = Synonyms()
    for first, second in combinations(question.options, 2):
        assert {first, second} <= set(chosen.names) or not synonyms.clash(first, second)


def test_letters_are_balanced(questioner: Questioner) -> None:
    letters = Counter(questioner.ask(f"knee/{i}.png", KNEE, label=f"Level {i % 5}").answer for i in range(4000))
    assert set(letters) == set("ABCD")
    assert all(880 < count < 1120 for count in letters.values())  # 4.4 standard deviations
    asked = Counter(questioner.ask(f"knee/{i}.png", KNEE, label="Level 1").open_question for i in range(6000))
    assert len(asked) == 6
    assert all(880 < count < 1120 for count in asked.values())
    beside = Counter(o for i in range(4000) for o in questioner.ask(f"k/{i}", KNEE, label="Level 1").options)
    assert beside["Level 1"] == 4000
    assert all(2850 < beside[f"Level {i}"] < 3150 for i in (0, 2, 3, 4))


def test_asking_is_quick(questioner: Questioner) -> None:
    many = [row(i, 18, "classes", *(f"Label {i} {j}" for j in range(9))) for i in range(1, 11)]
    questioner = Questioner(many)
    best = min(timeit.repeat(lambda: questioner.ask("a/b/c.png", many[3], label="Label 4 3"), number=500, repeat=5))
    assert best / 500 < 100e-6  # about 5 microseconds; loose, since machines are shared


# ----------------------------------------------------------------------------------------------------------- findings


def split(text: str, names: Sequence[str]) -> frozenset[str]:
    return frozenset(name for name in names if name.casefold() in text.casefold().split(", "))


@settings(max_examples=300)
@given(states=st.lists(st.sampled_from([True, False, None]), min_size=7, max_size=7), record=st.text(max_size=30))
def test_findings_are_sound(states: list[bool | None], record: str) -> None:
    names = FINDINGS.names
    present = [name for name, state in zip(names, states, strict=True) if state is True]
    absent = [name for name, state in zip(names, states, strict=True) if state is False]
    unknown = [name for name, state in zip(names, states, strict=True) if state is None]
    question = Questioner(ROWS).ask(record, FINDINGS, present=present[::-1], absent=absent, unknown=unknown)
    if present:
        assert question.open_answer == ", ".join(present)
    elif "No finding" not in absent and not set(unknown) - {"No finding"}:
        assert question.open_answer == "No finding"
    else:
        assert question.open_answer == question.answer == ""
    if question.options:
        assert right(question) == question.open_answer
        assert len(set(question.options)) == len(question.options) >= 2
        for option in set(question.options) - {question.open_answer}:
            held = split(option, names)
            assert held
            assert held <= set(absent)  # hence nothing unknown, nothing present
            assert len(held) <= max(1, len(present))
            assert "No finding" not in held or len(held) == 1
    else:
        assert question.answer == ""
        assert not question.open_answer or not absent


def test_findings_of_one_size(questioner: Questioner) -> None:
    for i in range(100):
        question = questioner.ask(
            f"id {i}",
            FINDINGS,
            present=["Edema", "Mass"],
            absent=[n for n in FINDINGS.names if n not in ("Edema", "Mass")],
        )
        assert right(question) == "Edema, Mass"
        assert sorted(len(split(option, FINDINGS.names)) for option in question.options) == [2, 2, 2, 2]


def test_few_absent_labels_give_few_options(questioner: Questioner) -> None:
    unknown = ["Effusion", "Mass", "Pneumothorax", "No finding"]
    question = questioner.ask("id", FINDINGS, present=["Atelectasis", "Edema"], absent=["Hernia"], unknown=unknown)
    assert set(question.options) == {"Atelectasis, Edema", "Hernia"}
    unknown.append("Hernia")
    question = questioner.ask("id", FINDINGS, present=["Atelectasis", "Edema"], unknown=unknown)
    assert (question.options, question.answer, question.open_answer) == ((), "", "Atelectasis, Edema")


def test_no_finding_in_the_words_of_the_row_or_its_subset() -> None:
    bare = row(20, 31, "findings", "Nodule", "Mass", "Fibrosis")
    question = Questioner([bare, FINDINGS]).ask("id", bare, absent=bare.names)
    assert question.open_answer == "No finding"
    assert set(question.options) < {"No finding", *bare.names}
    assert Questioner([bare]).ask("id", bare, absent=bare.names).open_answer == "None"


def test_overlapping_findings_are_no_distractors() -> None:
    chest = row(21, 31, "findings", "Pneumonia", "Viral pneumonia", "Fracture", "Other disease")
    questioner = Questioner([chest])
    for i in range(50):
        question = questioner.ask(
            f"id {i}", chest, present=["Viral pneumonia"], absent=[chest.names[j] for j in (0, 2, 3)]
        )
        assert set(question.options) == {"Viral pneumonia", "Fracture", "Other disease"}


def test_labels_that_hold_a_comma(questioner: Questioner) -> None:
    question = questioner.ask("id", BREAST, label="Other, ill-defined masses")
    assert right(question) == "Other, ill-defined masses"
    assert len(question.options) == 4
    for i in range(50):  # "Other" and "ill-defined masses" together read as the one label that is right
        question = questioner.ask(
            f"id {i}",
            CELLS,
            present=["Other, ill-defined masses"],
            absent=[n for n in CELLS.names if n != "Other, ill-defined masses"],
        )
        assert right(question) == question.open_answer == "Other, ill-defined masses"
        both = questioner.ask(
            f"id {i}",
            CELLS,
            present=["Other", "ill-defined masses"],
            absent=["Other, ill-defined masses", "Neutrophil"],
        )
        assert both.open_answer == "Other, ill-defined masses"
        assert both.options.count("Other, ill-defined masses") == 1
    assert (
        questioner.ask("id", CELLS, present=["ill-defined masses"], absent=["Other"]).open_answer
        == "Ill-defined masses"
    )


# -------------------------------------------------------------------------------------------------- boxes and masks


def test_boxes_are_asked_for_one_label(questioner: Questioner) -> None:
    boxes = [(12.4, 29.5, 88.0, 140.2, "Diffuse nodule"), (0, 0, 9, 9, "Atelectasis"), (5, 6, 7, 8, "Diffuse nodule")]
    asked = {questioner.ask(f"id {i}", DETECT, boxes=boxes, size=(640, 480)) for i in range(100)}
    assert {question.open_answer for question in asked} == {"[12, 30, 88, 140]; [5, 6, 7, 8]", "[0, 0, 9, 9]"}
    for question in asked:
        assert (question.options, question.answer) == ((), "")
        assert question.question == question.open_question
        assert question.question.endswith("\n" + BOX_SUFFIX.format(width=640, height=480))
        assert ("diffuse nodule" in question.question) == (question.open_answer.startswith("[12"))


def test_nothing_to_box(questioner: Questioner) -> None:
    question = questioner.ask("id", LIVER, absent=["Liver"], size=(256, 192))
    assert question.open_answer == "None"
    assert "Answer None if there is none." in question.question
    asked = {questioner.ask(f"id {i}", DETECT, unknown=["Calcification"]).question.split("\n")[0] for i in range(100)}
    assert not any("calcification" in text or "finding" in text for text in asked)
    assert any("diffuse nodule" in text for text in asked)
    assert questioner.ask("id", LIVER, unknown=["Liver"]).open_answer == ""
    assert questioner.ask("id", LIVER, present=["Liver"]).open_answer == ""


def test_labels_read_well_in_a_sentence() -> None:
    prostate = row(1, 42, "masks", "Gleason grade 3")
    bowel = row(2, 45, "masks", "Large bowel")
    box = (0.0, 0.0, 1.0, 1.0)
    questioner = Questioner([prostate, bowel])
    assert "Gleason grade 3" in questioner.ask("id", prostate, boxes=[(*box, "Gleason grade 3")]).question
    assert "the large bowel" in questioner.ask("id", bowel, boxes=[(*box, "Large bowel")]).question


# -------------------------------------------------------------------------------------------------------- determinism


def golden() -> str:
    """A digest of 200 questions over rows of every kind."""
    questioner = Questioner(ROWS)
    digest = hashlib.sha256()
    for i in range(200):
        asked = ROWS[i % len(ROWS)]
        name = f"{asked.source}/{asked.number}/images/ü {i}.png"
        names = asked.names
        if asked.kind in ("classes", "grades"):
            question = questioner.ask(name, asked, label=names[i % len(names)])
        elif asked.kind == "findings":
            question = questioner.ask(name, asked, present=names[: i % 3], absent=names[3:], unknown=names[i % 3 : 3])
        else:
            boxes = [(i * 0.5, j, 50.5 + i, 60.25, name) for j, name in enumerate(names[: i % 3])]
            question = questioner.ask(name, asked, boxes=boxes, size=(640, 480))
        digest.update(repr(question).encode())
    return digest.hexdigest()


GOLDEN = "0c69c25f2699cc3080f875c7fa4f73bdf26346248ab2cd7b9894e3a43b3a6e37"


def test_questions_never_change() -> None:
    assert golden() == GOLDEN  # a change here changes every build: raise med_mat.schema.VERSION with it


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_questions_do_not_depend_on_the_process(seed: str) -> None:
    code = "import test_qa; print(test_qa.golden())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == GOLDEN


def test_a_questioner_can_be_sent_to_workers(questioner: Questioner) -> None:
    sent = pickle.loads(pickle.dumps(questioner))
    assert sent.ask("id", LUNG, label="Normal") == questioner.ask("id", LUNG, label="Normal")


def test_any_file_name_will_do(questioner: Questioner) -> None:
    assert questioner.ask("caf\udce9.png", LUNG, label="Normal").options


# ----------------------------------------------------------------------------------------------------------- synonyms


def test_synonyms() -> None:
    synonyms = Synonyms(
        {
            "same": [["Cancer", "Malignant"]],
            "kinds": {"Tumor": ["Cancer"], "malignant": ["Melanoma", "Sarcoma"]},
            "alike": [["Melanoma", "Nevus"]],
            "vague": {"Other": [], "No melanoma": ["Melanoma"]},
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
    with pytest.raises(CardError, match="'b' stands in two groups"):
        Synonyms({"same": [["a", "b"], ["c", "b"]]})


# -------------------------------------------------------------------------------------------------------- the catalog


def test_the_catalog_can_be_asked() -> None:
    catalog = load()
    questioner = Questioner(catalog)
    synonyms = Synonyms()
    for asked in catalog.rows:
        for label in asked.names:
            others = [name for name in asked.names if name != label]
            if asked.kind in ("classes", "grades"):
                question = questioner.ask(f"{asked.source}/{label}", asked, label=label)
                assert len(question.options) >= 2, f"row {asked.number}, {label!r}: nothing can stand beside it"
                for first, second in combinations(question.options, 2):
                    assert {first, second} <= set(asked.names) or not synonyms.clash(first, second)
            elif asked.kind == "findings":
                question = questioner.ask(f"{asked.source}/{label}", asked, present=[label], absent=others)
                assert len(question.options) >= 2, f"row {asked.number}, {label!r}: nothing can stand beside it"
            else:
                question = questioner.ask(f"{asked.source}/{label}", asked, boxes=[(1, 2, 3, 4, label)], size=(9, 9))
                assert question.open_answer == "[1, 2, 3, 4]"


#: Labels that overlap in general and that exclude each other in this row by what its publisher says of them.
EXCLUSIVE = {
    14: {frozenset({"Actinic keratosis", "Benign keratosis"})},  # ISIC counts lentigo, seborrheic and lichenoid as such
    22: {
        frozenset({"Age-related macular degeneration", "Pathological myopia"}),
        frozenset({"Diabetic retinopathy", "Hypertensive retinopathy"}),
    },
    40: {frozenset({"Background", "Debris"}), frozenset({"Cancer-associated stroma", "Colorectal adenocarcinoma"})},
    47: {
        frozenset({"Age-related macular degeneration", "Central serous retinopathy"}),
        frozenset({"Age-related macular degeneration", "Macular hole"}),
    },
    48: {frozenset({"Benign", "Normal"})},  # normal is a breast without any lesion
    71: {frozenset({"Actinic keratosis or Bowen's disease", "Benign keratosis"})},
}


def test_two_labels_of_one_row_that_may_both_be_right_never_meet() -> None:
    synonyms, found = Synonyms(), {}
    for asked in load().rows:
        if asked.kind in ("classes", "grades"):
            pairs = combinations(asked.names, 2)
            both = {
                frozenset(pair) for pair in pairs if synonyms.overlap(*pair) and not synonyms.never(asked.number, *pair)
            }
            found |= {asked.number: both} if both else {}
    assert found == EXCLUSIVE, "add the pair to 'never', or say here why it excludes itself"


@pytest.mark.parametrize(
    ("number", "label", "wrong"),
    [
        (8, "Tumor", {"Cancer"}),
        (15, "Seborrheic keratosis", {"Pigmented benign keratosis"}),
        (23, "Large optic cup", {"Possible glaucoma", "Normal"}),
        (23, "Maculopathy", {"Macular hole"}),
        (39, "Abnormal eosinophil", {"Eosinophil"}),
        (47, "Age-related macular degeneration", {"Choroidal neovascularization", "Drusen"}),
        (47, "Diabetic retinopathy", {"Diabetic macular edema"}),
        (55, "COVID-19", {"Pneumonia", "Viral pneumonia", "Lung opacity"}),
        (56, "COVID-19", {"Viral pneumonia", "Lung opacity"}),
    ],
)
def test_no_other_right_answer_is_offered(number: int, label: str, wrong: set[str]) -> None:
    catalog = load()
    questioner = Questioner(catalog)
    (asked,) = (asked for asked in catalog.rows if asked.number == number)
    for i in range(200):
        options = set(questioner.ask(f"id {i}", asked, label=label).options)
        assert label in options
        assert len(options) >= 2
        assert not options & wrong


def test_every_word_of_the_synonyms_is_a_label() -> None:
    text = (DATA / "synonyms.yaml").read_text("utf-8")
    facts = yaml_load(text)
    words = {name for group in (facts["nothing"], *facts["same"], *facts["alike"]) for name in group}
    for name, others in (*facts["kinds"].items(), *facts["vague"].items()):
        words |= {name, *others}
    known = {name for asked in load().rows for name in asked.names}
    assert words <= known
    for number, groups in facts["never"].items():
        (asked,) = (asked for asked in load().rows if asked.number == number)
        assert {name for group in groups for name in group} <= set(asked.names)
    for section in ("kinds", "vague"):  # YAML lets a key stand twice, and the last one win
        keys = re.findall(r"(?m)^  (\w[^:\n]*):", text.partition(f"\n{section}:\n")[2].partition("\n\n")[0])
        assert keys == list(facts[section])


def test_our_instructions_ask_for_labels_that_exist() -> None:
    entries = yaml_load((DATA / "instructions.yaml").read_text("utf-8"))
    labels: dict[int, set[str]] = {}
    for asked in load().rows:
        labels.setdefault(asked.subset, set()).update(asked.names)
    quoted = {
        (n, word) for n, entry in entries.items() for text in entry["ours"] for word in re.findall(r"'(.+?)'", text)
    }
    assert not {(number, word) for number, word in quoted if word not in labels[number]}
