"""What can be answered without the picture: by the number of options and by their lengths, over made label tables.

The tables have the proportions of the publishers' own. Chance is one in as many options as there are. Where one label
is right in more than a quarter of all cases, as "No finding" is, whoever always says it is right as often: that is the
prior of labels, which no option hides.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import permutations

import pytest

from med_mat.catalog import Row, load
from med_mat.questions import Question, Questioner

CATALOG = load()
ROWS = {row.number: row for row in CATALOG.rows}
QUESTIONER = Questioner(CATALOG)
RECORDS = 3000
#: How often an image has no finding, one, two, …
NIH, PCXR, MAMMO = (538, 276, 128, 43, 15), (65, 31, 4), (911, 70, 15, 4)
CHEXPERT = (8, 22, 27, 24, 13, 6)
#: Observations of which CheXpert states that they are absent, and how often: pneumothorax above all.
DENIED = {
    "Pneumothorax": 56,
    "Pleural effusion": 35,
    "Consolidation": 28,
    "Enlarged cardiomediastinum": 22,
    "Edema": 21,
    "Cardiomegaly": 11,
    "Lung opacity": 7,
    "Support devices": 6,
    "Pneumonia": 3,
    "Fracture": 3,
}

Table = Iterator[tuple[set[str], set[str]]]  # present, absent


def drawn(rng: random.Random, row: Row, sizes: Sequence[int]) -> tuple[str, set[str]]:
    """The row's word for no finding, and what one image shows."""
    nothing = next(name for name in row.names if name in ("No finding", "Normal"))
    names = [name for name in row.names if name != nothing]
    (size,) = rng.choices(range(len(sizes)), sizes)
    held: set[str] = set()
    while len(held) < size:
        held.update(rng.choices(names, [row.counts.get(name, 100) for name in names]))
    return nothing, held or {nothing}


def stated(row: Row, sizes: Sequence[int]) -> Table:
    """All is stated: what is not present is absent."""
    rng = random.Random(1)
    for _ in range(RECORDS):
        _, held = drawn(rng, row, sizes)
        yield held, set(row.names) - held


def mostly_unknown(row: Row, sizes: Sequence[int]) -> Table:
    """Six in ten images have no label that is stated to be absent, and the others few."""
    rng = random.Random(1)
    for _ in range(RECORDS):
        _, held = drawn(rng, row, sizes)
        (number,) = rng.choices((0, 1, 2, 3, 4), (60, 20, 11, 6, 3))
        yield held, set(rng.choices(list(DENIED), list(DENIED.values()), k=number)) - held


def asked(row: Row, table: Table) -> list[Question]:
    rng = random.Random(2)
    names = set(row.names)
    return [
        QUESTIONER.ask(
            rng.getrandbits(60),
            row,
            present=sorted(held),
            absent=sorted(absent),
            unknown=sorted(names - held - absent),
        )
        for held, absent in table
    ]


def chance(questions: Iterable[Question]) -> float:
    found = [1 / len(question.options) for question in questions]
    return sum(found) / len(found)


def right(questions: Sequence[Question], score: Callable[[str], int]) -> float:
    """How often the option of the highest score is right; of several with it, one is guessed."""
    total = 0.0
    for question in questions:
        best = max(map(score, question.options))
        ahead = [option for option in question.options if score(option) == best]
        total += (question.open_answer in ahead) / len(ahead)
    return total / len(questions)


def by_number(questions: Sequence[Question]) -> float:
    """How often the commonest answer among questions of as many options is right, where each answer is as common."""
    weight = Counter(question.open_answer for question in questions)
    share: dict[int, Counter[str]] = {}
    for question in questions:
        share.setdefault(len(question.options), Counter())[question.open_answer] += 1
    return sum(max(found[name] / weight[name] for name in found) for found in share.values()) / len(weight)


TABLES = {
    "NIH": (ROWS[80], stated(ROWS[80], NIH)),
    "NIH sample": (ROWS[61], stated(ROWS[61], NIH)),
    "CheXpert": (ROWS[77], mostly_unknown(ROWS[77], CHEXPERT)),
    "VinDr-PCXR": (ROWS[87], stated(ROWS[87], PCXR)),
    "VinDr-Mammo": (ROWS[82], stated(ROWS[82], MAMMO)),
    "ChestX-Det": (ROWS[73], stated(ROWS[73], (17, 40, 25, 12, 6))),
    "MuReD": (ROWS[24], stated(ROWS[24], (22, 55, 18, 5))),
    "RFMiD 2": (ROWS[25], stated(ROWS[25], (20, 60, 15, 5))),
    "Indiana": (ROWS[76], stated(ROWS[76], (36, 30, 20, 10, 4))),
}


@pytest.mark.parametrize("name", TABLES)
def test_neither_number_nor_length_of_options_tells_findings(name: str) -> None:
    row, table = TABLES[name]
    questions = [question for question in asked(row, table) if question.options]
    assert len(questions) > RECORDS / 4
    bar = chance(questions) + 0.05
    assert right(questions, len) < bar  # the longest option
    assert right(questions, lambda option: -len(option)) < bar  # the shortest


def test_where_all_is_stated_every_question_has_four_options() -> None:
    for number, sizes in ((80, NIH), (82, MAMMO), (87, PCXR)):
        assert {len(question.options) for question in asked(ROWS[number], stated(ROWS[number], sizes))} == {4}


def test_no_finding_is_told_by_its_prior_alone() -> None:
    """Who says "No finding" whenever it is offered is right as often as who always says it, or in one of four."""
    for number, sizes in ((80, NIH), (82, MAMMO), (87, PCXR), (73, (17, 40, 25, 12, 6)), (24, (22, 55, 18, 5))):
        questions = asked(ROWS[number], stated(ROWS[number], sizes))
        for word in ("No finding", "Normal"):
            offered = [question for question in questions if word in question.options]
            if offered:
                prior = sum(question.open_answer == word for question in questions) / len(questions)
                assert (
                    sum(question.open_answer == word for question in offered) / len(offered) < max(prior, 0.25) + 0.05
                )


def test_more_records_of_chexpert_have_a_choice_and_none_is_dishonest() -> None:
    row = ROWS[77]
    table = list(mostly_unknown(row, CHEXPERT))
    questions = asked(row, iter(table))
    stated_absent = sum(bool(absent) for _, absent in table)
    assert sum(bool(question.options) for question in questions) > stated_absent
    for (held, _), question in zip(table, questions, strict=True):
        if held == {"No finding"}:
            assert len(question.options) == 4  # which says that all findings are absent


@pytest.mark.parametrize("number", [number for number, row in ROWS.items() if row.kind in ("classes", "grades")])
def test_neither_number_nor_length_of_options_tells_classes(number: int) -> None:
    """Over labels that are equally common: a rare label is a worse guess whatever the options.

    By length where any two labels of the row may meet, and no other's do: a label that fits beside few others is
    offered less often than it is right, however long.
    """
    row = ROWS[number]
    names = row.names
    if row.scales:
        raw, names = "Radius/1", row.names[:14]
    else:
        raw = ""
    questions = [QUESTIONER.ask(i, row, label=label, raw_label=raw) for i, label in enumerate(names * 90)]
    assert {len(question.options) for question in questions} == {len(questions[0].options)}
    assert by_number(questions) <= 1 / len(names) + 1e-9
    met = {pair for question in questions for pair in permutations(question.options, 2)}
    if met == set(permutations(names, 2)):
        bar = chance(questions) + 0.05
        assert right(questions, len) < bar
        assert right(questions, lambda option: -len(option)) < bar
