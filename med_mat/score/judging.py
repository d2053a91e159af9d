"""The score of each answer: from the answers to one split to arrays over its questions.

=========  ======================================================  =================================================
kind       questions                                               score of a record
=========  ======================================================  =================================================
choice     with options                                            1 if the right option is chosen, else 0
open       without options, about one label                        1 if the answer names that label and no other
findings   without options, about several labels                   F1 of the labels named; unknown ones do not count
boxes      for boxes                                                IoU of the region that they cover
=========  ======================================================  =================================================

An answer that cannot be parsed scores 0, except boxes: see :mod:`med_mat.score.regions`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from med_mat import conventions
from med_mat.errors import ScoreError
from med_mat.index import Index, Parts
from med_mat.questions import Form
from med_mat.questions.synonyms import Synonyms
from med_mat.questions.texts import read_data
from med_mat.score import regions
from med_mat.score.answers import Answer, Answers, Missing, aligned
from med_mat.score.parsing import HOW, LETTERS, Parsed, parse, parse_findings
from med_mat.tags import Positions
from med_mat.taxonomy import DRAWN

if TYPE_CHECKING:
    from med_mat.conventions import Convention

Kind = Literal["choice", "open", "findings", "boxes"]
KINDS: tuple[Kind, ...] = ("choice", "open", "findings", "boxes")
Part = Literal["test", "validation"]
Style = Literal["auto", "choice", "open"]
#: How answers were read: as for texts, and two more.
READ = (*HOW, "scores", "boxes", "missing")
_FACTS = ("id", "labels", "labels_absent", "labels_unknown", "boxes", "width", "height")
_UNPARSED = READ.index("unparsed")
NOT_PARSED = "(no option)"


@dataclass(frozen=True)
class Judged:
    """The answers of one model. Arrays have shape (questions,); records without a question are left out."""

    ids: list[str]
    positions: Positions  # in the index
    kind: npt.NDArray[np.int64]  # position in KINDS
    score: npt.NDArray[np.float64]
    how: npt.NDArray[np.int64]  # position in READ
    chance: npt.NDArray[np.float64]  # of answering right at random; 0 without options
    truth: list[str]  # the right answer as text
    said: list[str]  # the chosen option as text; NOT_PARSED
    left_out: int  # records of the part that ask nothing which text answers
    counts: dict[int, tuple[int, int, int, bool]] = field(default_factory=dict)  # findings: tp, fp, fn, exact
    #: boxes: of the answer and true, (n, 4) each; area of intersection and of union
    boxes: dict[int, tuple[Any, Any, float, float]] = field(default_factory=dict)


@dataclass
class _Question:
    """A question and what is needed to judge its answer."""

    kind: Kind
    row: int
    target: str
    options: tuple[str, ...]
    facts: Mapping[str, Any]


def judge(
    exp: Parts,
    answers: Answers,
    *,
    part: Part = "test",
    style: Style = "auto",
    boxes: Convention = "pixels",
    missing: Missing = "refuse",
) -> Judged:
    """Judge the answers to a part of a split.

    Args:
        exp: The split.
        answers: The answers.
        part: "test", or "validation" for choosing a model.
        style: Which of a record's questions was asked: see :data:`Style`.
        boxes: The convention of boxes in the answers (:mod:`med_mat.conventions`).
        missing: What to do about missing answers.

    Raises:
        ScoreError: The part has no question of this style, or the answers do not fit: see
            :func:`med_mat.score.answers.aligned`.
    """
    positions = np.asarray(exp.test_positions if part == "test" else exp.validation_positions)
    questions = list(_questions(exp.mat, positions, exp.options.questions, style))
    ids = exp.mat.facts(positions, ["id"])["id"].to_pylist()
    asked = [one is not None for one in questions]
    if not any(asked):
        what = (
            f"none of the {len(ids):,} records of its {part} part has a question"
            if ids
            else f"its {part} part is empty"
        )
        raise ScoreError(f"There is nothing to score in this split: {what} in the style {style!r}.")
    given, _ = aligned(answers, ids, asked, exp.fingerprint, missing)
    kept = np.flatnonzero(asked)
    kept_ids = [ids[place] for place in kept]
    judged = Judged(
        ids=kept_ids,
        positions=positions[kept],
        kind=np.array([KINDS.index(questions[place].kind) for place in kept], dtype=np.int64),  # type: ignore[union-attr]
        score=np.zeros(len(kept)),
        how=np.zeros(len(kept), dtype=np.int64),
        chance=np.zeros(len(kept)),
        truth=[],
        said=[],
        left_out=len(ids) - len(kept),
    )
    judges: dict[Kind, Callable[[Judged, int, _Question, Answer | None], None]] = {
        "choice": functools.partial(_choice, {}),
        "open": functools.partial(_open, _Names(exp.mat)),
        "findings": _findings,
        "boxes": functools.partial(_boxes, boxes),
    }
    for number, place in enumerate(kept.tolist()):
        question, answer = questions[place], given[place]
        if question is None:  # kept has those that ask
            continue
        if answer is not None and not isinstance(answer, str) and question.kind != "choice":
            raise ScoreError(
                f"{answers.where}: the record {kept_ids[number]!r} has scores of options, and its question has none."
            )
        judges[question.kind](judged, number, question, answer)
    return judged


def _questions(mat: Index, positions: Positions, form: Form, style: Style) -> Iterator[_Question | None]:
    """The question of each record in a style; None if it has none that text answers."""
    if style not in ("auto", "choice", "open"):
        raise ScoreError(f"style={style!r} is none of 'auto', 'choice' and 'open'.")
    texts = mat.questions(positions, form)
    options, answers = _lists(texts["options"]), texts["answer"].to_pylist()
    targets, opens = texts["target"].to_pylist(), texts["open_answer"].to_pylist()
    facts = mat.tags.facts
    rows = mat.tags.row[positions].tolist()
    needed = [
        place
        for place, row in enumerate(rows)
        if style == "open" or not options[place] or facts[row].annotation in DRAWN
    ]
    more = dict(zip(needed, mat.facts(positions[needed], _FACTS).to_pylist(), strict=True)) if needed else {}
    for place, row in enumerate(rows):
        if options[place] and style != "open":
            yield _Question("choice", row, answers[place], options[place], {})
            continue
        target = opens[place] if style == "open" else targets[place]
        if not target or style == "choice":
            yield None
            continue
        annotation = facts[row].annotation
        kind: Kind = "boxes" if annotation in DRAWN else "findings" if annotation == "findings" else "open"
        yield _Question(kind, row, target, (), more[place])


def _lists(column: pa.ChunkedArray) -> list[tuple[str, ...]]:
    """The lists of a column of texts, () for none; equal texts are one object, whose hash is computed once."""
    found: list[tuple[str, ...]] = []
    for chunk in column.chunks:
        values = chunk.flatten().dictionary_encode()
        names = values.dictionary.to_pylist()
        ends = pc.fill_null(pc.list_value_length(chunk), 0).to_numpy().cumsum().tolist()
        flat = [names[code] for code in values.indices.to_pylist()]
        found += [tuple(flat[start:end]) for start, end in zip([0, *ends][:-1], ends, strict=True)]
    return found


def _choice(
    known: dict[tuple[str, tuple[str, ...]], Parsed],
    judged: Judged,
    number: int,
    question: _Question,
    answer: Answer | None,
) -> None:
    """Judge a choice; known are the answers that were parsed already, as many of them are equal."""
    options = question.options
    right = LETTERS.index(question.target)
    judged.chance[number] = 1 / len(options)
    judged.truth.append(options[right])
    if isinstance(answer, str):
        key = (answer, options)
        if key not in known:
            known[key] = parse(answer, options)
        letter, how = known[key]
    elif answer is None:
        letter, how = None, "missing"
    else:
        letter, how = _best(judged.ids[number], answer, len(options))
    judged.how[number] = READ.index(how)
    judged.said.append(NOT_PARSED if letter is None else options[LETTERS.index(letter)])
    judged.score[number] = letter == question.target


def _best(one: str, scores: Mapping[str, float], options: int) -> tuple[str | None, str]:
    """The letter with the highest score; None for a tie."""
    letters = LETTERS[:options]
    if set(scores) != set(letters):
        odd = min(set(scores) ^ set(letters))
        told = "has no score" if odd in letters else "is none of them"
        raise ScoreError(f"The record {one!r} has the options {', '.join(letters)}, and {odd!r:.20} {told}.")
    most = max(scores.values())
    best = [letter for letter in letters if scores[letter] == most]
    return (best[0], "scores") if len(best) == 1 else (None, "ambiguous")


class _Names:
    """The labels of each row that an open answer may name, and other names of them."""

    def __init__(self, mat: Index) -> None:
        self._mat = mat
        self._known: dict[int, tuple[tuple[str, ...], tuple[tuple[str, str], ...]]] = {}

    def of(self, row: int) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        """The labels of a row in this build, and pairs (other name, label)."""
        if row not in self._known:
            tags = self._mat.tags
            labels = tuple(
                tags.label_sets[code] for code in np.unique(tags.label[tags.row == row]) if tags.label_sets[code]
            )
            self._known[row] = labels, _synonyms(labels)
        return self._known[row]


def _synonyms(labels: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs (other name, label) for labels of which no other one has the same meaning."""
    known = Synonyms()
    groups = read_data("synonyms.yaml").get("same") or ()
    found = []
    for label in labels:
        if sum(known.same(label, other) for other in labels) == 1:
            names = next((group for group in groups if known.same(group[0], label)), ())
            found += [(name, label) for name in names if name.casefold() != label.casefold()]
    return tuple(found)


def _open(names: _Names, judged: Judged, number: int, question: _Question, answer: Answer | None) -> None:
    labels, others = names.of(question.row)
    if question.target not in labels:
        labels = (*labels, question.target)
    judged.truth.append(question.target)
    if not isinstance(answer, str):
        return _nothing(judged, number)
    found, how = parse_findings(answer, labels, others)
    named = "" if not found else next(iter(found))
    several = found is not None and len(found) > 1
    judged.how[number] = READ.index("ambiguous" if several else how if how in READ else "unparsed")
    judged.said.append(NOT_PARSED if several or not named else named)
    judged.score[number] = not several and named.casefold() == question.target.casefold()
    return None


def _findings(judged: Judged, number: int, question: _Question, answer: Answer | None) -> None:
    facts, synonyms = question.facts, _known_synonyms()
    labels = [*dict.fromkeys((*facts["labels"], *facts["labels_absent"], *facts["labels_unknown"]))]
    silent = {one for one in labels if synonyms.means_nothing(one)}
    unknown = set(facts["labels_unknown"])
    truth = set(facts["labels"]) - silent - unknown
    judged.truth.append(question.target)
    if not isinstance(answer, str):
        judged.counts[number] = (0, 0, len(truth), False)
        return _nothing(judged, number)
    found, how = parse_findings(answer, labels)
    judged.how[number] = READ.index("text" if how == "none" else how)
    if found is None:
        judged.said.append(NOT_PARSED)
        judged.counts[number] = (0, 0, len(truth), False)
        return None
    said = set(found) - silent - unknown
    hits = len(said & truth)
    judged.said.append(", ".join(sorted(said)) or "None")
    judged.counts[number] = (hits, len(said) - hits, len(truth) - hits, said == truth)
    judged.score[number] = 2 * hits / (len(said) + len(truth)) if said or truth else 1.0
    return None


@functools.cache
def _known_synonyms() -> Synonyms:
    return Synonyms()


def _boxes(convention: Convention, judged: Judged, number: int, question: _Question, answer: Answer | None) -> None:
    size = (question.facts["width"], question.facts["height"])
    truth = regions.as_boxes(conventions.read(question.target, size, "pixels") or [])
    judged.truth.append(question.target)
    found = conventions.read(answer, size, convention) if isinstance(answer, str) else None
    said = regions.as_boxes(found or [])
    inner, outer = regions.overlap(said, truth)
    judged.boxes[number] = (said, truth, inner, outer)
    if found is None:
        return _nothing(judged, number, missing=not isinstance(answer, str))
    judged.how[number] = READ.index("boxes")
    judged.said.append(str(answer)[:200])
    judged.score[number] = inner / outer if outer else 1.0
    return None


def _nothing(judged: Judged, number: int, *, missing: bool = True) -> None:
    """An answer that is missing or says nothing."""
    judged.how[number] = READ.index("missing") if missing else _UNPARSED
    judged.said.append(NOT_PARSED)


def codes(values: Sequence[str]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Texts as codes, and the distinct texts in alphabetical order."""
    coded = pa.array(values, pa.string()).dictionary_encode()
    order = pc.sort_indices(coded.dictionary).to_numpy()
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    return back[np.asarray(coded.indices)], coded.dictionary.take(pa.array(order)).to_pylist()
