"""Reads the authors' JSON entry by entry, in both published layouts.

December 2024 (``Aggregated_Subsets/Subset--24-train.json``, ``Original_Medical_Datasets/ori--48-train.json``)::

    {"id": 1, "caption": "Good", "image": "med-mat/DRIMBD/DRIMDB/Good/drimdb_good (3).jpg", "Question": "...",
     "Answer": "Good", "Question-choice": "...\\nA: Outlier\\nB: Good\\nC: Bad\\nAnswer with the option's letter ...",
     "Answer-choice": "B", "data-no": "30"}

Later (``Subset-17-train.json``; it names neither row nor original path, and the answer is the choice that is the
caption)::

    {"id": "Subset-17--1", "image": "/some/folder/images/Subset-17--1.png", "question": "...",
     "choices": {"A": "Good", "B": "Bad", "C": "Outlier"}, "caption": "Outlier"}

A file is parsed as it is read, so that memory depends on its longest entry; that is bounded too.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from med_mat.catalog import Catalog
from med_mat.errors import LayoutError, ReadError
from med_mat.questions import SUFFIX
from med_mat.shell import printable
from med_mat.strict import only_a_file

log = logging.getLogger(__name__)

#: Upstream's rows; a source that is not theirs has a row from 110 on.
LAST_ROW = 109
LETTERS = "ABCDEFGH"

_NAME = re.compile(r"(Subset|ori)--?([0-9]{1,3})-(train|test)\.json", re.IGNORECASE)
_LONGEST = 1 << 20  # characters of one entry; theirs have about 600
_LARGEST = 1 << 29  # bytes of one file, whose entries are kept in memory; theirs have about 10 million
_OLD = ("id", "image", "caption", "Question", "Question-choice", "Answer-choice")
_NEW = ("id", "image", "caption", "question", "choices")


@dataclass(frozen=True, slots=True)
class Entry:
    """One question of the authors' data, unchanged except for its form."""

    number: int  # place in its file, from 1
    id: str
    image: str  # as printed
    caption: str  # the label, or several joined by ", "
    open_question: str
    open_answer: str
    question: str  # with options and suffix; composed in the same form if the layout omits it
    options: tuple[str, ...]
    answer: str  # as printed; if the layout has none, the letter of the choice that is the caption, else ""
    row: int | None  # as printed
    located: bool  # whether ``image`` is a path inside a source: the later layout does not state it

    @property
    def answered(self) -> str | None:
        """The option that the answer names; None if it names none."""
        at = LETTERS.find(self.answer) if len(self.answer) == 1 else -1
        return self.options[at] if 0 <= at < len(self.options) else None


@dataclass(frozen=True, slots=True)
class File:
    """One of the authors' files."""

    path: Path
    name: str  # relative to the given folder
    subset: int | None  # as its name says
    row: int | None  # as its name says
    split: str  # as its name says

    def entries(self) -> list[Entry]:
        """Its entries, in order.

        Raises:
            ReadError: It is not in a published layout; the message names the file and the entry.
        """
        try:
            if self.path.stat().st_size > _LARGEST:
                raise ReadError(f"{self.path} is larger than {_LARGEST >> 20} MiB; the authors' files have about 10.")
            found = [_entry(f"{self.path}, entry {number}", number, one) for number, one in _objects(self.path)]
        except OSError as error:
            raise ReadError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        first: dict[str, int] = {}
        for entry in found:
            if first.setdefault(entry.id, entry.number) != entry.number:
                raise ReadError(
                    f"{self.path}, entry {entry.number}: its id {printable(entry.id)!r} was used by entry "
                    f"{first[entry.id]}. Download the file again."
                )
        return found

    def rows(self, catalog: Catalog) -> tuple[int, ...]:
        """The rows that its entries may belong to: the row in its name, or the rows of its subset."""
        if self.row is not None:
            return (self.row,)
        subset = catalog.subsets.get(self.subset or 0)
        own = [row.number for row in catalog.rows if row.subset == self.subset and row.number <= LAST_ROW]
        return tuple(sorted({*own, *(subset.rows if subset else ())}))


def find_files(place: Path) -> list[File]:
    """The authors' files below a folder, sorted by path; or the one file.

    Raises:
        LayoutError: There is none.
    """
    top = place.absolute()
    paths = [top] if top.is_file() else sorted(top.rglob("*.json"))
    found = [file for path in paths if (file := _file(path, top)) is not None]
    if not found:
        raise LayoutError(
            f"{top} holds none of the authors' files, such as Aggregated_Subsets/Subset--24-train.json, "
            "Original_Medical_Datasets/ori--48-train.json or Subset-17-train.json. Download the dataset "
            "FreedomIntelligence/Med-MAT from the Hugging Face Hub, and keep the names of its files."
        )
    return found


def _file(path: Path, top: Path) -> File | None:
    matched = _NAME.fullmatch(path.name)
    if matched is None:
        log.warning("%s: skipped, it is not named like the authors' files", printable(str(path)))
        return None
    kind, number, split = matched[1].lower(), int(matched[2]), matched[3].lower()
    name = path.name if path == top else path.relative_to(top).as_posix()
    name = name.encode(errors="replace").decode()  # a folder's name may not be valid text
    return File(path, name, number if kind == "subset" else None, number if kind == "ori" else None, split)


def _objects(path: Path) -> Iterator[tuple[int, Any]]:
    """The elements of the list in a file, each with its position from 1, parsed as the file is read."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    only_a_file(path)
    with path.open(encoding="utf-8") as file:
        text = _Text(file, path)
        if text.next() != "[":
            raise ReadError(
                f"{path} does not begin with a JSON list, as the authors' files do. If it is a web page or a Git LFS "
                "pointer, the download failed: download it again."
            )
        text.at += 1
        number = 0
        while (char := text.next()) != "]":
            if number:
                if char != ",":
                    raise ReadError(f"{path}: after entry {number} a comma or the end of the list is missing.")
                text.at += 1
                text.next()
            number += 1
            yield number, text.value(decoder, f"{path}, entry {number}")
        text.at += 1
        if text.next():
            raise ReadError(f"{path}: something follows the end of its list.")


class _Text:
    """The text of a file from a position on, read as needed."""

    def __init__(self, file: Any, path: Path) -> None:
        self._file, self._path = file, path
        self._text = ""
        self.at = 0

    def _more(self) -> bool:
        try:
            chunk = self._file.read(_LONGEST)
        except UnicodeDecodeError as error:
            raise ReadError(f"{self._path} is not text in UTF-8: {error}. Download it again.") from error
        self._text, self.at = self._text[self.at :] + chunk, 0
        return bool(chunk)

    def next(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            while self.at < len(self._text):
                if self._text[self.at] not in " \t\r\n":
                    return self._text[self.at]
                self.at += 1
            if not self._more():
                return ""

    def value(self, decoder: json.JSONDecoder, where: str) -> Any:
        """The JSON value that begins here."""
        while True:
            try:
                value, self.at = decoder.raw_decode(self._text, self.at)
            except _ConstantError as error:
                raise ReadError(f"{where}: {error} is not a JSON value. Download the file again.") from None
            except RecursionError:
                raise ReadError(f"{where} is nested too deeply. Download the file again.") from None
            except ValueError as error:
                if len(self._text) - self.at > _LONGEST:
                    raise ReadError(f"{where} is not JSON, or longer than {_LONGEST} characters.") from error
                if not self._more():
                    raise ReadError(f"{where} is not JSON: {error}. Download the file again.") from error
            else:
                return value


class _ConstantError(Exception):
    """NaN or Infinity."""


def _refuse_constant(word: str) -> Any:
    raise _ConstantError(word)


def _entry(where: str, number: int, one: Any) -> Entry:
    if not isinstance(one, dict):
        raise ReadError(f"{where} is {_kind(one)}; an object with the keys {', '.join(_OLD)} was expected.")
    old = "choices" not in one
    wanted = _OLD if old else _NEW
    if missing := [key for key in wanted if key not in one]:
        raise ReadError(f"{where} lacks {', '.join(map(repr, missing))}; expected are the keys {', '.join(wanted)}.")
    identity = one["id"]
    if isinstance(identity, bool) or not isinstance(identity, int | str):
        raise ReadError(f"{where}: 'id' is {_kind(identity)}; a number or a text was expected.")
    identity = _text(where, {"id": str(identity)}, "id")
    image = _path(where, _text(where, one, "image"), inside=old)
    caption = sys.intern(_text(where, one, "caption"))
    if old:
        asked, question = sys.intern(_text(where, one, "Question")), _text(where, one, "Question-choice")
        options = _options(question, asked)
        answer = sys.intern(_text(where, one, "Answer-choice").strip())
        open_answer = sys.intern(_text(where, one, "Answer")) if "Answer" in one else caption
        return Entry(
            number, identity, image, caption, asked, open_answer, question, options, answer, _row(where, one), True
        )
    asked = sys.intern(_text(where, one, "question"))
    options = _choices(where, one["choices"])
    answer = LETTERS[options.index(caption)] if caption in options else ""
    lines = (f"{letter}: {option}" for letter, option in zip(LETTERS, options, strict=False))
    question = "\n".join((asked, *lines, SUFFIX))
    return Entry(number, identity, image, caption, asked, caption, question, options, answer, None, False)


def _text(where: str, one: Mapping[str, Any], key: str) -> str:
    value = one[key]
    if not isinstance(value, str):
        raise ReadError(f"{where}: {key!r} is {_kind(value)}; a text was expected.")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ReadError(f"{where}: {key!r} holds half a character (a lone surrogate).") from None
    return value


def _row(where: str, one: Mapping[str, Any]) -> int | None:
    if "data-no" not in one:  # the authors' first upload had none
        return None
    value = one["data-no"]
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"[0-9]{1,4}", text):
        raise ReadError(f"{where}: 'data-no' is {printable(repr(value)[:80])}; the number of a row was expected.")
    return int(text)


def _path(where: str, image: str, *, inside: bool) -> str:
    """The path; refused if it could point outside. It is compared with paths, and never opened."""
    parts = image.replace("\\", "/").split("/")
    shown = printable(image[:200])
    if not image.strip() or "\0" in image or ".." in parts or not parts[-1]:
        raise ReadError(f"{where}: the image {shown!r} is not the path of a file inside a dataset.")
    if inside and (not parts[0] or re.match("[A-Za-z]:", image)):
        raise ReadError(f"{where}: the image {shown!r} is an absolute path; one below 'med-mat/' was expected.")
    return image


def _options(question: str, asked: str) -> tuple[str, ...]:
    """The options, one per line, between the question and the suffix; () if there are none."""
    options: list[str] = []
    for line in question.removeprefix(asked).strip().removesuffix(SUFFIX).rstrip("\n").split("\n"):
        mark = LETTERS[len(options) : len(options) + 1]
        if mark and line.startswith((f"{mark}: ", f"{mark}. ")):
            options.append(line[3:])
        elif options:
            options[-1] += "\n" + line
    return tuple(map(sys.intern, options))


def _choices(where: str, choices: Any) -> tuple[str, ...]:
    if not isinstance(choices, dict) or list(choices) != list(LETTERS[: len(choices)]):
        raise ReadError(f"{where}: 'choices' is {_kind(choices)}; texts under A, B, C... in order were expected.")
    return tuple(sys.intern(_text(f"{where}, 'choices'", choices, letter)) for letter in choices)


def _kind(value: Any) -> str:
    kinds = {
        type(None): "null",
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
    }
    return kinds.get(type(value), "an object")
