"""What an answer means: right or unread, and never another option than the one that is meant."""

from __future__ import annotations

import ast
import itertools
import runpy
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workshop import Workshop

from med_mat.score import parsing
from med_mat.score.parsing import HOW, parse, parse_findings

OPTIONS = ("Benign", "Malignant", "Normal", "COVID-19")
COVID = ("COVID-19", "No COVID-19")
SETS = ("Atelectasis, effusion", "Edema", "Mass", "Effusion")

#: Ways to say the right letter and text; the first five are those on which public extractors go wrong.
WAYS: dict[str, Callable[[str, str], str]] = {
    "letter": lambda letter, text: letter,
    "B: text": lambda letter, text: f"{letter}: {text}",
    "sentence": lambda letter, text: f"The answer is {letter}: {text}.",
    "text": lambda letter, text: text,
    "careful": lambda letter, text: f"A careful look at the image shows it. The correct answer is {letter}.",
    "bold": lambda letter, text: f"**{letter}**",
    "brackets": lambda letter, text: f"({letter})",
    "behind": lambda letter, text: f"{text} ({letter})",
    "shows": lambda letter, text: f"A careful look: the image shows {text}.",
    "small": lambda letter, text: text.lower(),
    "thought": lambda letter, text: f"<think>It may be A, or C. No: B.</think>\n{letter}",
    "json": lambda letter, text: f'```json\n{{"answer": "{letter}"}}\n```',
    "boxed": lambda letter, text: rf"So $\boxed{{\text{{{letter}}}}}$.",
    "reason": lambda letter, text: f"{letter}, because of the texture.",
    "choose": lambda letter, text: f"I would go with option {letter}.",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_right_answer_is_right_or_unread_and_never_another_letter(workshop: Workshop, way: str) -> None:
    table = pq.read_table(workshop.out / "index.parquet", columns=["options", "answer"])
    asked = [one for one in table.to_pylist() if one["options"]]
    assert len(asked) > 1700
    wrong = []
    for one in asked:
        text = one["options"]["ABCD".index(one["answer"])]
        if (found := parse(WAYS[way](one["answer"], text), one["options"])).letter != one["answer"]:
            wrong.append((one, found))
    assert not wrong


@pytest.mark.parametrize(
    ("text", "options", "letter"),
    [
        ("b", OPTIONS, "B"),
        ("a", OPTIONS, "A"),
        ("\uff22", OPTIONS, "B"),  # full width
        ("A benign lesion", OPTIONS, "A"),
        ("A malignant lesion", OPTIONS, "B"),
        ("The answer is A malignant lesion.", OPTIONS, "B"),
        ("A malignant tumor is seen. Answer: B", OPTIONS, "B"),
        ("not benign but malignant", OPTIONS, "B"),
        ("malignant rather than benign", OPTIONS, "B"),
        ("No, it is COVID-19", OPTIONS, "D"),
        ("A: Benign\nB: Malignant\nC: Normal\nD: COVID-19\nAnswer: B", OPTIONS, "B"),
        ("**Final Answer:** (B) Malignant", OPTIONS, "B"),
        ("Option A is unlikely. Option B fits. The correct answer is B.", OPTIONS, "B"),
        ("B.\n\nThe heart size is normal but there is a mass.", OPTIONS, "B"),
        ("I'm sorry, but I can't be sure; the best answer is B.", OPTIONS, "B"),
        ('{"answer": "Malignant", "why": "A is wrong"}', OPTIONS, "B"),
        ("the answer is a", OPTIONS, "A"),
        ("\u7b54\u6848\u662fB", OPTIONS, "B"),
        ("La respuesta es B", OPTIONS, "B"),
        ("There is no COVID-19.", COVID, "B"),
        ("no covid 19", COVID, "B"),
        ("The image shows COVID-19.", COVID, "A"),
        ("Effusion, atelectasis", SETS, "A"),
        ("The answer is effusion", SETS, "D"),
        ("HER2-", ("HER2+", "HER2-"), "B"),
        ("The image is abnormal", ("Normal", "Abnormal"), "B"),
        ("Grade II", ("Grade I", "Grade II", "Grade III"), "B"),
    ],
)
def test_what_is_meant_is_read(text: str, options: Sequence[str], letter: str) -> None:
    assert parse(text, options).letter == letter


@pytest.mark.parametrize(
    ("text", "options", "how"),
    [
        ("", OPTIONS, "unparsed"),
        ("A careful look at the image", OPTIONS, "unparsed"),
        ("the answer is a tumor", OPTIONS, "unparsed"),
        ("The lesion is C-shaped", OPTIONS, "unparsed"),
        ("C. difficile colitis", OPTIONS, "unparsed"),
        ("E", OPTIONS, "unparsed"),
        ("AB", OPTIONS, "unparsed"),
        ("not A", OPTIONS, "unparsed"),
        ("The answer is neither A nor B", OPTIONS, "unparsed"),
        ("It isn't malignant", OPTIONS, "unparsed"),
        ("COVID-19 is unlikely", OPTIONS, "unparsed"),
        ("There is no evidence of COVID-19", COVID, "unparsed"),
        ("<think>The answer is A", OPTIONS, "unparsed"),
        ("A or B", OPTIONS, "ambiguous"),
        ("The answer is A and B.", OPTIONS, "ambiguous"),
        ("Benign and malignant", OPTIONS, "ambiguous"),
        ("B: Benign", OPTIONS, "ambiguous"),
        ("B (Benign)", OPTIONS, "ambiguous"),
        ("Benign (B)", OPTIONS, "ambiguous"),
        ("The answer is B. The answer is A.", OPTIONS, "ambiguous"),
        (r"\boxed{A} \boxed{B}", OPTIONS, "ambiguous"),
        ("Effusion and mass", SETS, "ambiguous"),
        ("B", ("B", "A"), "ambiguous"),
        ("A: Benign\nB: Malignant\nC: Normal\nD: COVID-19", OPTIONS, "ambiguous"),
        ("I cannot determine whether this is benign or malignant.", OPTIONS, "refusal"),
        ("I'm sorry, I can't diagnose.", OPTIONS, "refusal"),
    ],
)
def test_what_is_not_meant_is_no_letter(text: str, options: Sequence[str], how: str) -> None:
    assert parse(text, options) == (None, how)


_words = st.sampled_from(
    [*OPTIONS, *"ABCDab", "not", "no", "or", "the answer is", "option", ".", ",", ":", "(", "\n", "x"]
)


@given(st.one_of(st.text(max_size=200), st.lists(_words, max_size=20).map(" ".join)))
def test_any_text_is_read_the_same_way_twice(text: str) -> None:
    found = parse(text, OPTIONS)
    assert found == parse(text, OPTIONS)
    assert found.how in HOW
    assert (found.letter is None) == (found.how in ("refusal", "ambiguous", "unparsed"))


@given(
    st.permutations(OPTIONS), st.sampled_from(OPTIONS), st.sampled_from(["{}", "It is {}.", "The answer is {}", "{}!"])
)
def test_the_order_of_the_options_does_not_matter_to_a_text(order: list[str], said: str, way: str) -> None:
    letter = parse(way.format(said), order).letter
    assert letter is not None
    assert order["ABCD".index(letter)] == said


def test_long_texts_take_linear_time() -> None:
    """Ten times the text may take ten times as long, not a hundred times: this ends."""
    for piece in (
        "<think>",
        "answer is ",
        "A ",
        r"\boxed{",
        '{"answer":',
        "[",
        "no ",
        "B\n",
        "**",
        "x",
        "Benign, ",
        " \n",
    ):
        parse(piece * (300_000 // len(piece)), OPTIONS)


def test_a_question_has_options() -> None:
    for options in ((), ("x",) * 27):
        with pytest.raises(ValueError, match="1 to 26 options"):
            parse("A", options)


def test_a_copy_of_the_parser_needs_nothing_else(tmp_path: Path) -> None:
    copy = tmp_path / "utils.py"
    copy.write_bytes(Path(parsing.__file__).read_bytes())
    assert runpy.run_path(str(copy))["parse"]("(B)", OPTIONS).letter == "B"
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(copy.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
    }
    assert imported <= sys.stdlib_module_names


def test_scores_need_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "sklearn", "statsmodels", "pycocotools", "matplotlib", "datasets")
    code = f"import sys, med_mat.score; print([one for one in {heavy} if one in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Atelectasis, effusion", {"Atelectasis", "Effusion"}),
        ("There is effusion, but no atelectasis.", {"Effusion"}),
        ("None", set()),
        ("No finding", set()),
        ("The weather is fine", None),
        ("I'm sorry, I cannot tell.", None),
    ],
)
def test_findings_are_named_denied_or_unread(text: str, found: set[str] | None) -> None:
    assert parse_findings(text, ("Atelectasis", "Effusion", "Mass")).findings == found


@given(st.sets(st.sampled_from(("Atelectasis", "Effusion", "Mass", "Pleural effusion"))))
def test_a_list_of_findings_is_read_back(findings: set[str]) -> None:
    said = ", ".join(itertools.chain(sorted(findings))) or "None"
    assert parse_findings(said, ("Atelectasis", "Effusion", "Mass", "Pleural effusion")).findings == findings
