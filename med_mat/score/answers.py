"""Answers of a model, from a file or from Python, in the order of the records that they answer.

An answers file is JSON Lines, CSV or Parquet with a row for each record:

=========  ==========================================================================================================
``id``     id of the record
``answer`` the model's answer as text
``scores`` instead of ``answer``: a score of every option by its letter, such as its log-likelihood,
           ``{"A": -1.2, "B": -0.3}`` (in CSV as JSON): the highest wins, and a tie is no answer
``split``  optional: fingerprint of the split; answers to another split are refused
``model``  optional: name of the model
``seed``   optional: seed that the model was trained with
=========  ==========================================================================================================

A ``.json`` file is an object from ids to texts, or a list of such rows. Nothing in a file is executed, and texts stay
texts: the answer ``None`` or ``NA`` of a CSV file is not an empty cell.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from med_mat.errors import ScoreError
from med_mat.strict import only_a_file
from med_mat.taxonomy import did_you_mean

#: The answer to one record: a text, or a score of each option by its letter.
Answer: TypeAlias = "str | Mapping[str, float]"
#: What :func:`read` reads: a file; id -> answer; or answers in the order of the test records.
Given: TypeAlias = "str | os.PathLike[str] | Mapping[str, Answer] | Sequence[Answer]"
Missing = Literal["refuse", "wrong"]

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")
_COLUMNS = ("id", "answer", "scores", "split", "model", "seed")
_LONGEST_QUOTE = 80
#: Characters of a line; a longer one is refused before it is read to its end.
_LONGEST_LINE = 1 << 24
#: Bytes of a .json file, which is read as a whole.
_LARGEST_JSON = 1 << 29


@dataclass(frozen=True)
class Answers:
    """Answers as they were given."""

    where: str  # for messages
    ids: Sequence[str] | None  # None: in the order of the test records
    answers: Sequence[Answer]
    split: str | None = None
    model: str | None = None
    seed: int | None = None


def read(given: Given) -> Answers:
    """Read answers from a file or from Python.

    Raises:
        ScoreError: The file cannot be read, or a row is not an answer; the message names file and row.
    """
    if isinstance(given, str | os.PathLike):
        return _of_rows(_rows(Path(given)), str(given))
    if isinstance(given, Mapping):
        return _of_rows(({"id": one, _kind(answer): answer} for one, answer in given.items()), "The answers")
    if isinstance(given, Sequence):
        answers = [_answer({_kind(one): one}, f"The answers, number {number}") for number, one in enumerate(given, 1)]
        return Answers("The answers", None, answers)
    raise ScoreError(
        f"Answers are a file ({', '.join(SUFFIXES)}), a dict from ids to texts, or a list in the order of the test "
        f"records, not {type(given).__name__}."
    )


def aligned(
    given: Answers, ids: Sequence[str], asked: Sequence[bool], fingerprint: str, missing: Missing = "refuse"
) -> tuple[list[Answer | None], int]:
    """Answers in the order of the test records, and the number of answers to records without a question.

    Args:
        given: The answers.
        ids: Ids of the test records.
        asked: Whether each of them has a question that text answers.
        fingerprint: The fingerprint of the split.
        missing: What to do about questions without an answer: "refuse", or count them as "wrong"; these are None.

    Raises:
        ScoreError: The answers are to another split, an id is unknown or occurs twice, or an answer is missing.
    """
    if missing not in ("refuse", "wrong"):
        raise ScoreError(f"missing={missing!r} is neither 'refuse' nor 'wrong'.")
    if given.split is not None and given.split != fingerprint:
        raise ScoreError(
            f"{given.where}: these are answers to the split {given.split!r:.40}, and this is {fingerprint!r}: score "
            "them with the split that they were made for."
        )
    if given.ids is None:
        return _in_order(given, ids, asked), 0
    places = {one: number for number, one in enumerate(ids)}
    found: list[Answer | None] = [None] * len(ids)
    unknown = [one for one in given.ids if one not in places]
    if unknown:
        few = list(places)[:300]
        raise ScoreError(
            f"{given.where}: {len(unknown):,} of {len(given.ids):,} answers are to records that are not tested in this "
            f"split, such as {unknown[0]!r:.{_LONGEST_QUOTE}}.{did_you_mean(unknown[0], few)} The ids are those of "
            "exp.test."
        )
    for one, answer in zip(given.ids, given.answers, strict=True):
        if found[places[one]] is not None:
            raise ScoreError(f"{given.where}: the record {one!r} is answered twice.")
        found[places[one]] = answer
    gone = [one for one, answer, there in zip(ids, found, asked, strict=True) if there and answer is None]
    if gone and missing == "refuse":
        raise ScoreError(
            f"{given.where}: {len(gone):,} of {sum(asked):,} questions have no answer: {', '.join(gone[:3])}"
            f"{'…' if len(gone) > 3 else ''}. missing='wrong' (--missing wrong) counts them as wrong."
        )
    more = sum(answer is not None and not there for answer, there in zip(found, asked, strict=True))
    return [answer if there else None for answer, there in zip(found, asked, strict=True)], more


def _in_order(given: Answers, ids: Sequence[str], asked: Sequence[bool]) -> list[Answer | None]:
    """Answers without ids: one for each test record, or one for each that asks something."""
    if len(given.answers) == len(ids):
        return [answer if there else None for answer, there in zip(given.answers, asked, strict=True)]
    if len(given.answers) == sum(asked):
        left = iter(given.answers)
        return [next(left) if there else None for there in asked]
    raise ScoreError(
        f"{given.where}: {len(given.answers):,} answers are given without ids, and {len(ids):,} records are tested: a "
        "list has one answer for each record of exp.test, in its order."
    )


# ---------------------------------------------------------------------------------------------------------------- files


def _of_rows(rows: Iterable[Mapping[str, Any]], where: str) -> Answers:
    ids, answers = [], []
    about: dict[str, set[Any]] = {"split": set(), "model": set(), "seed": set()}
    for number, row in enumerate(rows, 1):
        one, answer = row.get("id"), row.get("answer")
        if not isinstance(one, str) or not one:
            raise ScoreError(
                f"{where}, row {number:,}: 'id' must be the id of a record, not {one!r:.{_LONGEST_QUOTE}}."
            )
        if not isinstance(answer, str) or row.get("scores") is not None:
            answer = _answer(row, f"{where}, row {number:,} ({one:.{_LONGEST_QUOTE}})")
        ids.append(one)
        answers.append(answer)
        for name, values in about.items():
            if (value := row.get(name)) not in (None, ""):
                if not isinstance(value, int if name == "seed" else str) or isinstance(value, bool):
                    must = "an integer" if name == "seed" else "text"
                    raise ScoreError(f"{where}, row {number:,}: {name!r} must be {must}.")
                values.add(value)
    for name, values in about.items():
        if len(values) > 1:
            raise ScoreError(
                f"{where}: its rows name {len(values)} different values of {name!r}, such as "
                f"{sorted(values)[0]!r:.40} and {sorted(values)[1]!r:.40}: a file has the answers of one model to one "
                "split."
            )
    return Answers(where, ids, answers, **{name: next(iter(values), None) for name, values in about.items()})


def _answer(row: Mapping[str, Any], at: str) -> Answer:
    """The answer of a row: a text, or finite scores by letter."""
    answer, scores = row.get("answer"), row.get("scores")
    if scores is None and isinstance(answer, str):
        return answer
    if scores is not None and answer is None:
        return _scores(scores, at)
    told = "both" if scores is not None and answer is not None else "neither"
    if told == "neither" and answer is not None:
        raise ScoreError(f"{at}: 'answer' must be text, not {type(answer).__name__}.")
    raise ScoreError(f"{at}: it has {told} of 'answer' (a text) and 'scores' (a number for each letter); give one.")


def _scores(scores: Any, at: str) -> Mapping[str, float]:
    """Scores by letter; finite numbers alone."""
    if not isinstance(scores, Mapping) or not scores:
        raise ScoreError(f'{at}: \'scores\' must be a number for each letter, as in {{"A": -1.2, "B": -0.3}}.')
    for letter, value in scores.items():
        if not isinstance(letter, str):
            raise ScoreError(f"{at}: the options of 'scores' are letters such as 'A', not {letter!r:.20}.")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ScoreError(f"{at}: the score of {letter!r:.20} must be a number, not {value!r:.{_LONGEST_QUOTE}}.")
        try:
            finite = math.isfinite(value)
        except OverflowError:
            finite = False
        if not finite:
            raise ScoreError(f"{at}: the score of {letter!r:.20} is {value!r:.20}, which is no finite number.")
    return scores


def _kind(answer: Any) -> str:
    return "scores" if isinstance(answer, Mapping) else "answer"


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """The rows of a file."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ScoreError(f"{path}: answers are read from {', '.join(SUFFIXES)}.")
    reader = {".csv": _csv, ".parquet": _parquet, ".json": _json}.get(suffix, _lines)
    try:
        only_a_file(path)
        yield from reader(path)
    except (OSError, UnicodeDecodeError, ValueError, RecursionError, csv.Error, pa.ArrowException) as error:
        if isinstance(error, ScoreError):
            raise
        told = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ScoreError(f"{path}: the answers cannot be read ({' '.join(str(told).split()):.200}).") from error


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    decode = json.JSONDecoder(object_pairs_hook=_once).decode
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(_bounded(file, path), 1):
            if not line.strip():
                continue
            try:
                row = decode(line)
            except (ValueError, RecursionError) as error:
                raise ScoreError(f"{path}, line {number:,}: it is not a JSON object ({error!s:.80}).") from error
            if not isinstance(row, dict):
                raise ScoreError(f'{path}, line {number:,}: expected {{"id": …, "answer": …}}, not {line.strip():.60}.')
            yield row


def _bounded(file: TextIO, path: Path) -> Iterator[str]:
    """The lines of a file; none of them fills the memory."""
    for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE + 1), ""), 1):
        if len(line) > _LONGEST_LINE:
            raise ScoreError(
                f"{path}, line {number:,}: it is longer than {_LONGEST_LINE:,} characters: a line is the answer to one "
                "record."
            )
        yield line


def _json(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.stat().st_size > _LARGEST_JSON:
        raise ScoreError(f"{path}: a .json file has up to {_LARGEST_JSON:,} bytes: write more answers as .jsonl.")
    data = json.loads(path.read_text("utf-8-sig"), object_pairs_hook=_once)
    if isinstance(data, dict):
        yield from ({"id": one, _kind(answer): answer} for one, answer in data.items())
    elif isinstance(data, list) and all(isinstance(row, dict) for row in data):
        yield from data
    else:
        raise ScoreError(f"{path}: expected an object from ids to answers, or a list of objects with 'id'.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r:.60} occurs twice")
    return found


def _csv(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(_bounded(file, path), strict=True)
        named = rows.fieldnames or []
        if "id" not in named or not {"answer", "scores"} & set(named) or len(set(named)) < len(named):
            raise ScoreError(f"{path}: its first line must name the columns id and answer (or scores), each once.")
        for row in rows:
            if None in row or None in row.values():
                raise ScoreError(f"{path}, line {rows.line_num:,}: it does not have as many cells as the first line.")
            found: dict[str, Any] = {name: row[name] for name in _COLUMNS if name in row}
            if found.get("scores"):
                found["scores"] = json.loads(found["scores"], object_pairs_hook=_once)
                found["answer"] = found.get("answer") or None
            else:
                found.pop("scores", None)
            if (seed := found.get("seed")) and seed.lstrip("-").isdecimal() and len(seed) < 20:
                found["seed"] = int(seed)
            yield found


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    with pq.ParquetFile(path, thrift_string_size_limit=1 << 24) as file:
        names = [name for name in _COLUMNS if name in file.schema_arrow.names]
        if "id" not in names or not {"answer", "scores"} & set(names):
            raise ScoreError(f"{path}: it needs the columns id and answer (or scores).")
        for batch in file.iter_batches(batch_size=10_000, columns=names):
            for row in batch.to_pylist():
                scores = row.get("scores")
                if isinstance(scores, str):
                    row["scores"] = json.loads(scores, object_pairs_hook=_once)
                elif isinstance(scores, list):  # a map
                    row["scores"] = dict(scores)
                elif isinstance(scores, dict):  # a struct has every letter that any record has
                    row["scores"] = {letter: value for letter, value in scores.items() if value is not None}
                yield row
