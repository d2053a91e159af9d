from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from asked import FINDINGS, KNEE, LUNG, ROWS, TUBERCULOSIS

from med_mat.building.sides import key
from med_mat.questions import Questioner
from med_mat.questions.sampling import Sampler


def test_numbers_are_even() -> None:
    counts = Counter(sampler.below(6) for number in range(300) for sampler in [Sampler(number, 0)] for _ in range(200))
    assert set(counts) == set(range(6))
    assert all(9600 < count < 10400 for count in counts.values())  # 4.4 standard deviations
    sampler = Sampler(5, 0)
    assert sorted(sampler.shuffled("abcdef")) == list("abcdef")
    heavy = Counter(sampler.by_weight([1, 1, 10]) for _ in range(10_000))
    assert set(heavy) == {0, 2}
    assert 870 < heavy[0] < 1130


def test_a_seed_counts_whole() -> None:
    drawn = {tuple(Sampler(1, seed).below(1000) for _ in range(5)) for seed in (0, 1, -1, 2**64, 10**400)}
    assert len(drawn) == 5
    assert Sampler(12, 3).below(10**6) != Sampler(1, 23).below(10**6)


def test_another_seed_asks_otherwise() -> None:
    asked = [
        [Questioner(ROWS, "default", seed).ask(i, KNEE, label="Level 1") for i in range(50)] for seed in (0, 2**64)
    ]
    assert sum(one == other for one, other in zip(*asked, strict=True)) < 10


def test_a_copy_in_capitals_or_other_accents_is_asked_the_same() -> None:
    questioner = Questioner(ROWS)
    for i in range(50):
        one, other = (key(f"source/1/{name} {i}.png") for name in ("train/é", "TRAIN/E\u0301"))
        assert questioner.ask(one, TUBERCULOSIS, label="Normal") == questioner.ask(other, TUBERCULOSIS, label="Normal")


def test_any_file_name_will_do() -> None:
    assert Questioner(ROWS).ask(key("caf\udce9.png"), LUNG, label="Normal").options


def golden() -> str:
    """A digest of 200 questions over rows of every kind, in every form."""
    digest = hashlib.sha256()
    for form in ("default", "row", "paper"):
        questioner = Questioner(ROWS, form, label_sets={FINDINGS.number: [("Edema",), ("Hernia", "Mass")]})  # type: ignore[arg-type]
        for i in range(200):
            asked = ROWS[i % len(ROWS)]
            record = key(f"{asked.source}/{asked.number}/images/ü {i}.png")
            names = asked.names
            if asked.kind in ("classes", "grades"):
                question = questioner.ask(record, asked, label=names[i % len(names)])
            elif asked.kind == "findings":
                present, unknown = names[: i % 3], names[i % 3 : 3]
                question = questioner.ask(record, asked, present=present, absent=names[3:], unknown=unknown)
            else:
                boxes = [(i * 0.5, j, 50.5 + i, 60.25, name) for j, name in enumerate(names[: i % 3])]
                question = questioner.ask(record, asked, boxes=boxes, size=(640, 480))
            digest.update(repr(question).encode())
    return digest.hexdigest()


GOLDEN = "f103332321eceed25f63af52abf289b4972d344a23d1ccb5ab5e4d145d07db1c"


def test_questions_never_change() -> None:
    assert golden() == GOLDEN  # a change here changes every build: raise med_mat.schema.VERSION with it


@pytest.mark.parametrize("seed", ["0", "4711"])
def test_questions_do_not_depend_on_the_process(seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import test_seeded; print(test_seeded.golden())"],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == GOLDEN


def test_a_questioner_can_be_sent_to_workers() -> None:
    questioner = Questioner(ROWS)
    sent = pickle.loads(pickle.dumps(questioner))
    assert sent.ask(1, LUNG, label="Normal") == questioner.ask(1, LUNG, label="Normal")
