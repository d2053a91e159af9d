"""Blind answerability: what gives answers away is found, and what does not is not."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from workshop import Workshop

import med_mat
from med_mat import schema
from med_mat.blind import guessing, report
from med_mat.blind.asked import COLUMNS
from med_mat.blind.guessing import Blind, cross_measure, measure, wilson
from med_mat.cli import cli
from med_mat.errors import MissingExtraError, SplitError
from med_mat.splits import Experiment

NAMES = ("Normal", "Pneumonia", "Mass", "Pleural effusion", "Atelectasis", "Fracture", "Edema", "Hernia")
Question = tuple[str, Sequence[str], str]  # instruction, options, the right one
Ask = Callable[[np.random.Generator], Question]


def table(questions: Sequence[Question]) -> pa.Table:
    """Questions as a build holds them; without options there is no answer."""
    return pa.table(
        {
            "open_question": pa.array([one[0] for one in questions], pa.string()),
            "options": pa.array([list(one[1]) for one in questions], pa.list_(pa.string())),
            "answer": pa.array(
                ["ABCDEFGH"[one[1].index(one[2])] if one[1] else None for one in questions], pa.string()
            ),
        }
    )


def asked(ask: Ask, count: int, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    return table([ask(random) for _ in range(count)])


def mixed(random: np.random.Generator, right: str, wrong: Sequence[str], instruction: str = "What is it?") -> Question:
    """A question whose options lie in any order."""
    options = [right, *wrong]
    return instruction, [options[place] for place in random.permutation(len(options))], right


def fair(names: Sequence[str], share: Sequence[float] | None = None, options: int = 4) -> Ask:
    """The other options are any of the labels, whatever the right one is."""

    def ask(random: np.random.Generator) -> Question:
        right = str(random.choice(names, p=share))
        others = [name for name in names if name != right]
        return mixed(random, right, [str(one) for one in random.choice(others, options - 1, replace=False)])

    return ask


def found(ask: Ask, *, text: bool = False, train: int = 1500, test: int = 800) -> Blind:
    return measure(asked(ask, train, 1), asked(ask, test, 2), text=text)


# ------------------------------------------------------------------------------------------------- what gives nothing


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32),
    options=st.integers(2, 4),
    names=st.integers(4, 8),
    weights=st.lists(st.floats(0.05, 1), min_size=8, max_size=8),
    sizes=st.tuples(st.integers(1, 400), st.integers(1, 400)),
)
def test_fair_questions_tell_nothing(
    seed: int, options: int, names: int, weights: list[float], sizes: tuple[int, int]
) -> None:
    share = np.array(weights[:names]) / sum(weights[:names])
    ask = fair(NAMES[:names], [*share], options)
    # one label that train does not know at all is a chance, not a fault: all are met
    met = table([mixed(np.random.default_rng(0), name, [n for n in NAMES[:names] if n != name][: options - 1])
                 for name in NAMES[:names]])  # fmt: skip
    measured = measure(pa.concat_tables([met, asked(ask, sizes[0], seed)]), asked(ask, sizes[1], seed + 1))
    assert measured.chance == pytest.approx(1 / options)
    shares = {(name, kind): getattr(one, kind) for name, one in measured.ways.items() for kind in ("all", "alike")}
    unlucky = [place for place, one in shares.items() if one.low > one.explained + 0.1]
    assert not unlucky


@pytest.mark.parametrize("share", [None, [0.65, *[0.05] * 7]])
def test_neither_do_they_to_a_classifier_of_words(share: list[float] | None) -> None:
    measured = found(fair(NAMES, share), text=True)
    assert measured.telling == ()
    for one in measured.ways.values():
        assert one.alike.accuracy == pytest.approx(0.25 if one is not measured.ways["commonest"] else 0.125, abs=0.06)


def test_a_prior_is_explained_as_such() -> None:
    measured = found(fair(NAMES, [0.65, *[0.05] * 7]), text=True)
    assert measured.ways["prior"].all.accuracy > measured.chance + 0.3
    assert measured.ways["text"].all.accuracy == pytest.approx(measured.ways["prior"].all.accuracy, abs=0.05)
    assert measured.ways["prior"].all.explained == pytest.approx(measured.ways["prior"].all.accuracy, abs=0.05)


def test_distractors_drawn_as_answers_fall_leave_even_the_prior_at_chance() -> None:
    share = np.array([0.65, *[0.05] * 7])

    def ask(random: np.random.Generator) -> Question:
        drawn: dict[str, None] = {}
        while len(drawn) < 2:
            drawn[str(random.choice(NAMES, p=share))] = None
        right = [*drawn][int(random.integers(2))]
        return mixed(random, right, [one for one in drawn if one != right])

    measured = found(ask, text=True)
    assert measured.telling == ()
    assert measured.ways["prior"].all.accuracy == pytest.approx(0.5, abs=0.06)


# ----------------------------------------------------------------------------------------------- what gives it away


def test_the_longest_option_is_right() -> None:
    def ask(random: np.random.Generator) -> Question:
        names = [str(one) for one in random.choice(NAMES, 4, replace=False)]
        right = max(names, key=lambda name: (len(name), name))
        return mixed(random, right, [one for one in names if one != right])

    measured = found(ask)
    assert {"longest", "shape"} <= set(measured.telling)
    assert measured.ways["longest"].all.accuracy > 0.9
    assert measured.ways["shortest"].all.accuracy < 0.05


def test_the_number_of_options_tells() -> None:
    """A positive stands among three others, a negative beside its counterpart alone."""

    def ask(random: np.random.Generator) -> Question:
        if random.random() < 0.5:
            return mixed(random, "Glaucoma", ["No glaucoma", "Retinitis", "Laser spots"])
        return mixed(random, "No glaucoma", ["Glaucoma"])

    measured = found(ask)
    assert measured.ways["number"].all.accuracy == 1
    assert measured.ways["number"].alike.accuracy == 1
    assert "number" in measured.telling
    assert measured.ways["longest"].all.accuracy < 0.8


def test_labels_that_are_never_right_tell() -> None:
    def ask(random: np.random.Generator) -> Question:
        return mixed(random, str(random.choice(NAMES[:2])), NAMES[4:7])

    measured = found(ask)
    assert measured.ways["prior"].all.accuracy == 1
    assert "prior" in measured.telling


def test_the_place_tells() -> None:
    def ask(random: np.random.Generator) -> Question:
        names = [str(one) for one in random.choice(NAMES, 4, replace=False)]
        return "What is it?", names, names[2 if random.random() < 0.7 else 0]

    measured = found(ask)
    assert measured.telling[0] == "position"
    assert measured.ways["position"].all.accuracy == pytest.approx(0.7, abs=0.05)


def test_the_number_of_labels_tells() -> None:
    """The right option alone has as many findings as it has; the words are any."""

    def ask(random: np.random.Generator) -> Question:
        drawn = [str(one) for one in random.permutation(NAMES[1:])]
        return mixed(random, ", ".join(drawn[:2]), drawn[2:5])

    assert "shape" in found(ask).telling


def test_the_option_that_shares_most_with_the_others_tells() -> None:
    """Distractors are made from the answer by exchanging one finding."""

    def ask(random: np.random.Generator) -> Question:
        drawn = [str(one) for one in random.permutation(NAMES)]
        wrong = [", ".join([*drawn[:place], drawn[3 + place], *drawn[place + 1 : 3]]) for place in range(3)]
        return mixed(random, ", ".join(drawn[:3]), wrong)

    measured = found(ask)
    assert measured.ways["shape"].all.accuracy > 0.9
    assert "shape" in measured.telling


def test_words_tell_what_numbers_do_not() -> None:
    """The instruction names the answer, which no length, number or place shows."""
    names = [name for name in NAMES if len(name) == 9] or NAMES

    def ask(random: np.random.Generator) -> Question:
        pool = [f"{letter}-type" for letter in "KLMNOPQR"]
        right, *wrong = (str(one) for one in random.choice(pool, 4, replace=False))
        hint = pool.index(right) // 4
        return mixed(random, right, wrong, f"Which type, given series {hint}?")

    assert names
    measured = found(ask, text=True)
    assert measured.telling == ("text",)
    assert measured.ways["text"].all.accuracy > 0.4


def test_an_instruction_that_says_the_answer_is_found_on_labels_that_train_never_had() -> None:
    def ask(names: Sequence[str]) -> Ask:
        def one(random: np.random.Generator) -> Question:
            right, *wrong = (str(name) for name in random.choice(names, 3, replace=False))
            return mixed(random, right, wrong, f"This may be {right.lower()}. What is it?")

        return one

    measured = measure(asked(ask(NAMES[:4]), 400, 1), asked(ask(NAMES[4:]), 300, 2), text=True)
    assert measured.ways["text"].all.accuracy > 0.95
    assert measured.ways["prior"].all.accuracy == pytest.approx(1 / 3)


# ------------------------------------------------------------------------------------------------------- the measure


def test_a_small_test_raises_no_alarm() -> None:
    lucky = table([("?", ["Normal", "Mass"], "Mass")] * 3)
    measured = measure(lucky, lucky)
    assert measured.ways["prior"].all.accuracy == 1
    assert measured.telling == ()


def test_the_interval_is_wilsons() -> None:
    low, high = wilson(0.8, 50)
    assert (low, high) == (pytest.approx(0.6696, abs=1e-3), pytest.approx(0.8876, abs=1e-3))
    assert wilson(1, 1)[0] < 0.25
    assert wilson(0, 0) == (0, 1)


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32))
def test_neither_order_of_records_nor_ties_decide(seed: int) -> None:
    train, test = asked(fair(NAMES), 120, 1), asked(fair(NAMES), 60, 2)
    random = np.random.default_rng(seed)
    shuffled = [one.take(pa.array(random.permutation(one.num_rows))) for one in (train, test)]
    assert measure(*shuffled, text=True).to_data() == measure(train, test, text=True).to_data()


def test_equally_long_options_are_guessed_by_chance() -> None:
    one = table([("?", ["Mass", "Cyst", "Node"], "Cyst"), ("?", ["Mass", "Node"], "Mass")])
    measured = measure(one.slice(0, 0), one)
    assert measured.ways["longest"].all.accuracy == pytest.approx((1 / 3 + 1 / 2) / 2) == measured.chance
    assert {name: way.all.accuracy for name, way in measured.ways.items()} == {
        **dict.fromkeys(measured.ways, pytest.approx(measured.chance)),
        "commonest": 0,
    }


def test_questions_without_a_choice_are_passed_over() -> None:
    ask = asked(fair(NAMES), 50, 1)
    open_ones = table([("Where is it?", [], "")] * 7)
    absent = pa.table(
        {
            "open_question": ["?"],
            "options": pa.array([None], pa.list_(pa.string())),
            "answer": pa.array([None], "string"),
        }
    )
    assert measure(pa.concat_tables([open_ones, ask, absent]), pa.concat_tables([ask, open_ones])) == measure(ask, ask)
    nothing = measure(ask, open_ones)
    assert (nothing.questions, nothing.ways) == (0, {})
    assert str(nothing) == "no single-choice question"


def test_folds_keep_together_what_belongs_together() -> None:
    """What one group alone knows does not help to answer its own questions."""
    questions = [("?", ["Mass", "Normal", f"Name {group}"], f"Name {group}") for group in range(40) for _ in range(3)]
    whole = table(questions)
    apart = cross_measure(whole, np.repeat(np.arange(40), 3) % 5)
    mixed_up = cross_measure(whole, np.arange(120) % 5)
    assert (apart.folds, apart.questions, apart.learned_from) == (5, 120, 120)
    assert apart.ways["prior"].all.accuracy == pytest.approx(1 / 3)
    assert mixed_up.ways["prior"].all.accuracy == 1


def test_mistakes_are_told() -> None:
    good = asked(fair(NAMES), 5, 1)
    with pytest.raises(SplitError, match="lacks options"):
        measure(good, good.drop(["options"]))
    wrong = good.set_column(2, "answer", pa.array(["A", "B", "E", "A", "A"]))
    with pytest.raises(SplitError, match="1 answers are no letter of their options, such as 'E' of 4"):
        measure(good, wrong)
    with pytest.raises(SplitError, match="3 folds are given for 5 questions"):
        cross_measure(good, np.arange(3))


def test_much_is_measured_in_a_few_arrays() -> None:
    many = pa.concat_tables([asked(fair(NAMES), 500, 1)] * 200)
    measured = measure(many, many)
    assert (measured.questions, measured.learned_from) == (100_000, 100_000)


def test_of_very_many_questions_the_classifier_learns_from_some(monkeypatch: pytest.MonkeyPatch) -> None:
    from med_mat.blind import text

    monkeypatch.setattr(text, "MOST", 200)

    def ask(random: np.random.Generator) -> Question:
        return mixed(random, str(random.choice(NAMES[:2])), NAMES[4:7])

    assert found(ask, text=True, test=100).ways["text"].all.accuracy > 0.95


# -------------------------------------------------------------------------------------------------- a built Med-MAT


def test_a_build_is_measured_by_subset_and_row(workshop: Workshop) -> None:
    mat = med_mat.open(workshop.out)
    rows = {one.name: one.blind for one in report.of_each_row(mat)}
    subsets = {one.name: one.blind for one in report.of_subsets(mat)}
    assert len(rows) == len(mat.tags.facts)
    single = [one for one in workshop.records if one["options"] and one["withheld"] is None]
    tested = [one for one in single if one["split"] == "test"]
    assert sum(one.questions for one in subsets.values() if not one.folds) == len(
        [one for one in tested if subsets[f"subset {one['subset']:02d}"].folds == 0]
    )
    assert rows["row 97 busi"].questions == 0  # masks are asked for in the open
    no_test = rows["row 8 ct_of_brain"]  # one patient for each label: all of them train
    assert no_test.folds == report.FOLDS or no_test.folds > 1
    assert no_test.questions == sum(one["row"] == 8 for one in single)


def test_the_columns_are_those_that_records_have() -> None:
    assert set(COLUMNS) <= set(schema.QUESTION_COLUMNS)


def of_experiment(made: Experiment) -> guessing.Blind:
    return report.of_parts(made.mat, made.train_positions, made.test_positions, made.options.questions)


def test_an_experiment_is_measured_on_its_own_test(workshop: Workshop) -> None:
    experiment = med_mat.open(workshop.out).related("CT/Lung/Cancer")
    measured = of_experiment(experiment)
    assert measured.questions == len(experiment.test_positions)
    assert measured.learned_from <= len(experiment.train_positions)
    assert not measured.folds


def test_of_very_many_records_those_of_the_lowest_keys_are_measured(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "MOST", 20)
    experiment = med_mat.open(workshop.out).all_data("CT/Lung/Cancer")
    keys = experiment.mat.tags.key
    kept = report._some(experiment.mat, experiment.train_positions)
    assert len(kept) == 20
    assert set(keys[kept]) == set(np.sort(keys[experiment.train_positions])[:20])
    assert of_experiment(experiment).learned_from <= 20


def test_what_tells_comes_first_and_is_marked() -> None:
    tells = found(lambda random: mixed(random, str(random.choice(NAMES[:2])), NAMES[4:7]))
    nothing = found(fair(NAMES))
    empty = measure(asked(fair(NAMES), 3, 1), table([]))
    text = report.to_text(
        {"subset": [report.Entry(f"subset {n}", one) for n, one in ((7, nothing), (8, tells), (40, empty))]}
    )
    lines = text.splitlines()
    assert lines[0].split()[:4] == ["subset", "questions", "chance", "commonest"]
    assert lines[1].startswith("subset 8 ")
    assert "1.00*" in lines[1]
    assert "*" not in lines[2]
    assert lines[-1] == "No single-choice question to measure, subset: 40."
    assert "prior tells: " in str(tells)
    assert "tells" not in str(nothing)


def test_data_say_what_is_needed_to_judge_a_figure() -> None:
    data = found(fair(NAMES)).to_data()
    assert json.loads(json.dumps(data)) == data
    assert set(data) == {
        "questions", "learned_from", "labels", "chance", "alike_chance", "folds", "ways", "telling",
    }  # fmt: skip
    assert set(data["ways"]["number"]) == {"tells", "all", "alike"}
    assert set(data["ways"]["number"]["alike"]) == {"accuracy", "low", "high", "explained"}


def test_the_command_measures_a_build(workshop: Workshop) -> None:
    result = CliRunner().invoke(cli, ["blind", str(workshop.out), "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert set(data) == {"subsets", "rows"}
    assert all("text" not in one["ways"] for one in data["subsets"])
    shown = CliRunner().invoke(cli, ["blind", str(workshop.out)])
    assert "subset 31" in shown.stdout
    assert "No single-choice question to measure, subset: 38, 39" in shown.stdout


def test_the_command_measures_experiments_and_saved_splits(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "related.yaml").write_text("experiment: related\ntarget: CT/Lung/Cancer\n")
    med_mat.open(workshop.out).all_unrelated("CT/Lung/Cancer").save(tmp_path / "unrelated.parquet")
    command = ["blind", str(workshop.out), "--experiment", str(tmp_path / "related.yaml"), "--split",
               str(tmp_path / "unrelated.parquet"), "--text", "--json", "--quiet"]  # fmt: skip
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.output
    arms = json.loads(result.stdout)["experiments"]
    assert [one["name"] for one in arms] == [str(tmp_path / "related.yaml"), str(tmp_path / "unrelated.parquet")]
    assert arms[0]["questions"] == arms[1]["questions"] > 0
    assert "text" in arms[0]["ways"]


def test_a_way_tells_only_above_what_is_explained() -> None:
    tells = guessing.Share(accuracy=0.9, low=0.85, high=0.95, explained=0.79)
    silent = guessing.Share(accuracy=0.9, low=0.85, high=0.95, explained=0.81)
    assert (tells.tells, silent.tells) == (True, False)
    assert guessing.Reached(silent, tells).tells
    assert not guessing.Reached(silent, silent).tells


def test_what_is_hidden_by_a_rare_label_shows_where_labels_count_alike() -> None:
    """Three in a hundred are positive; to say "No glaucoma" always is right in the rest, and yet options tell."""

    def ask(random: np.random.Generator) -> Question:
        if random.random() < 0.03:
            return mixed(random, "Glaucoma", ["No glaucoma", "Retinitis", "Laser spots"])
        return mixed(random, "No glaucoma", ["Glaucoma"])

    measured = found(ask, train=4000, test=4000)
    number = measured.ways["number"]
    assert (number.all.tells, number.alike.tells) == (False, True)
    assert number.alike.accuracy == 1
    assert "number tells: " in str(measured)
    assert "counts alike" in str(measured)
    row = report.to_text({"row": [report.Entry("row 32", measured)]}).splitlines()[1]
    assert row.split()[6] == "1.00~"


def test_one_label_that_is_nearly_always_right_is_a_prior() -> None:
    """Most label sets are so rare that train has not met them."""

    def ask(random: np.random.Generator) -> Question:
        sets = [", ".join(sorted(random.choice(NAMES[1:], 3, replace=False))) for _ in range(12)]
        wrong = [*dict.fromkeys(sets)]
        return mixed(
            random, *(("Normal", wrong[:3]) if random.random() < 0.95 else (wrong[0], ["Normal", *wrong[1:3]]))
        )

    assert found(ask, train=300, test=2000).ways["commonest"].tells is False


def test_without_scikit_learn_the_classifier_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    ask = asked(fair(NAMES), 20, 1)
    assert measure(ask, ask).questions == 20
    with pytest.raises(MissingExtraError, match=r"scikit-learn: pip install 'med-mat\[score\]'"):
        measure(ask, ask, text=True)


@pytest.mark.parametrize("text", [False, True])
def test_few_and_odd_questions_are_measured_too(text: bool) -> None:
    alone = table([("?", ["Mass"], "Mass")] * 4)
    assert measure(alone, alone, text=text).ways["longest"].all.accuracy == 1
    pair = table([("?", ["Mass", "Normal"], "Mass")])
    assert measure(pair, pair, text=text).ways["prior"].all.accuracy == 1
    unlike = table([("?", ["Mass", "Normal", ""], "Mass"), ("", ["Mass, Mass", "é", "No, none", "X", "Y"], "é")])
    assert measure(unlike, unlike, text=text).questions == 2
    assert measure(alone.slice(0, 0), unlike, text=text).questions == 2
    nothing = measure(alone.slice(0, 0), alone.slice(0, 0), text=text)
    assert (nothing.questions, nothing.above_chance) == (0, 0)
    assert cross_measure(unlike, np.array([0, 0]), text=text).learned_from == 0
