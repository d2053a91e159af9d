from __future__ import annotations

import hashlib
import re
from pathlib import Path

from asked import DETECT, HEAD, LIVER, row

from med_mat.catalog import load
from med_mat.questions import BOX_SUFFIX, SUFFIX, Questioner, read_instructions
from med_mat.questions.texts import for_choice, for_open, inside, instructions, joined
from med_mat.strict import yaml_load

DATA = Path(__file__).parents[2] / "med_mat" / "data"
ENTRIES = yaml_load((DATA / "instructions.yaml").read_text("utf-8"))
#: How many of each subset's instructions upstream has published.
PUBLISHED = {2: 1, 5: 3, 6: 5, 8: 1, 11: 1, 12: 1, 13: 1, 15: 1, 17: 5, 18: 3, 19: 1, 20: 1, 23: 1, 24: 3, 25: 1, 27: 4}
PUBLISHED |= {28: 1, 29: 4, 33: 1, 35: 1, 36: 1, 37: 1}


def test_every_subset_has_six_instructions() -> None:
    found = read_instructions()
    assert list(found) == list(range(1, 54))
    for number, texts in found.items():
        assert len(set(texts)) == len(texts) == 6, number


def test_exceptions_are_six_as_well() -> None:
    for number, entry in ENTRIES.items():
        assert set(entry) <= {"paper", "ours", "rows"}, number
        for texts in entry.get("rows", {}).values():
            assert len(set(texts)) == len(texts) == 6


def test_published_instructions_are_verbatim() -> None:
    published = {number: entry["paper"] for number, entry in ENTRIES.items() if "paper" in entry}
    assert {number: len(texts) for number, texts in published.items()} == PUBLISHED
    assert sum(PUBLISHED.values()) == 42
    text = "\n".join(for_open(line) for number in sorted(published) for line in published[number])
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "a46a9d6ca914dbab81067a3e9819947eb48458ce64b8f6ee24dc2fec5abd14ec"


def test_photographs_are_not_called_dermoscopic() -> None:
    for number in (9, 11, 12, 64, 74):  # phones, clinics, the web
        assert all("photograph" in text and "dermoscopic" not in text for text in ENTRIES[8]["rows"][number])


def test_instructions_read_well() -> None:
    for asked in load().rows:
        for text in instructions(asked):
            drawn = asked.kind in ("boxes", "masks")
            places = ["{label}"] if drawn else ["{part}"] if asked.scales else []
            assert re.findall(r"\{.*?\}|[{}]", text) == places, text
            for form in (for_open(text), for_choice(text)):
                assert form[0].isupper()
                assert form[-1] in ".?)"
                assert len(form) < 250
                assert not re.search(r"[\[\]|]|  | [,.;?]", form), form


def test_any_label_fits_where_boxes_are_asked_for() -> None:
    """Countable or not, one or several: no article that depends on it stands before a label, no verb after it."""
    for number in range(38, 54):
        for text in read_instructions()[number]:
            before, after = text.split("{label}")
            assert re.search(r"(the|any|of|[Ww]here can|Mark|find|where) $", before), text
            assert not re.match(r" (lesion )?(is|are|lie|lies)\b", after), text
            assert not re.search(r"\b(its|it)\b|a bounding box", after), text


def test_our_instructions_ask_for_labels_that_exist() -> None:
    labels: dict[int | None, set[str]] = {}
    for asked in load().rows:
        labels.setdefault(asked.subset, set()).update(asked.names)
    quoted = {
        (n, word) for n, entry in ENTRIES.items() for text in entry["ours"] for word in re.findall(r"'(.+?)'", text)
    }
    assert not {(number, word) for number, word in quoted if word not in labels[number]}


def test_a_single_choice_does_not_contradict_itself() -> None:
    """It speaks of no comma, and of no word to answer by: a letter is asked for."""
    catalog = load()
    questioner = Questioner(catalog)
    for asked in catalog.rows:
        for i, label in enumerate(asked.names * 8):
            if asked.kind in ("classes", "grades"):
                raw = f"{next(iter(asked.scales))}/1" if asked.scales else ""
                question = questioner.ask(i, asked, label=label, raw_label=raw)
            elif asked.kind == "findings":
                others = [name for name in asked.names if name != label]
                question = questioner.ask(i, asked, present=[label], absent=others)
            else:
                continue
            if question.options:
                instruction = question.question.split("\n")[0]
                assert "comma" not in instruction, question
                assert "'" not in instruction, question


def test_the_form_of_an_open_answer_stands_in_brackets() -> None:
    text = "List all findings[, separated by commas].[ If there are none, return 'Normal'.]"
    assert for_choice(text) == "List all findings."
    assert for_open(text) == "List all findings, separated by commas. If there are none, return 'Normal'."
    text = "Look and [reply 'Yes' or 'No'|decide]."
    assert (for_choice(text), for_open(text)) == ("Look and decide.", "Look and reply 'Yes' or 'No'.")


def test_labels_read_well_in_a_sentence() -> None:
    assert inside("Left lung") == "left lung"
    for name in ("Gleason grade 3", "COVID-19", "Golgi apparatus", "Bowen's disease"):
        assert inside(name) == name
    assert joined(["Media haze", "Optic disc pallor", "COVID-19"]) == "Media haze, optic disc pallor, COVID-19"
    prostate = row(1, 42, "masks", "Gleason grade 3")
    bowel = row(2, 45, "masks", "Large bowel")
    box = (0.0, 0.0, 1.0, 1.0)
    questioner = Questioner([prostate, bowel])
    assert "Gleason grade 3" in questioner.ask(1, prostate, boxes=[(*box, "Gleason grade 3")]).question
    assert "the large bowel" in questioner.ask(1, bowel, boxes=[(*box, "Large bowel")]).question


def test_upstream_form() -> None:
    for form in ("default", "paper"):
        question = Questioner([HEAD], form).ask(7, HEAD, label="Hemorrhage")  # type: ignore[arg-type]
        assert question.open_question in map(for_open, read_instructions()[5])
        lines = question.question.split("\n")
        assert lines[1:] == [f"A: {question.options[0]}", f"B: {question.options[1]}", SUFFIX]
        assert (lines[0] == question.open_question) is (form == "paper")


def test_the_convention_of_boxes_is_told_whole() -> None:
    for phrase in (
        "origin is the top left corner",
        "y down",
        "xmax and ymax lie just past the last pixel",
        "Answer None",
    ):
        assert phrase in BOX_SUFFIX
    for asked in (DETECT, LIVER):
        question = Questioner([asked]).ask(3, asked, size=(640, 480))
        assert question.question.endswith("\n" + BOX_SUFFIX.format(width=640, height=480))
