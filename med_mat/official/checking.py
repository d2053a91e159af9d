"""Errors in the authors' data, found by reading it alone, or together with a build or raw folders."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from med_mat.catalog import Row, load
from med_mat.errors import ReadError
from med_mat.official.files import Entry, File, find_files
from med_mat.official.images import BuiltImages, Images
from med_mat.official.labels import known_labels, split_labels
from med_mat.official.matching import WHY_NOT, Match, Outcome, match
from med_mat.questions import Synonyms
from med_mat.shell import printable

#: Kind of error -> its description.
FAULTS = {
    "mask": "a mask used as an image",
    "answer": "an answer that is not the letter of the caption",
    "options": "options that repeat one another, or fewer than two of them",
    "row": "a row that is not one of the file's",
    "repeated image": "an image that the same file has already",
    "several rows": "an image that another row has too",
    "shared group": "a record of a group (patient, file or picture) that another row has too",
    "unnamed label": "a label that the question, though it names labels, does not name",
    "other words": "a label that is none of the card's human labels",
    "free text": "a label with a part that is no label: unknown to the card, and rare in its file",
    "contradiction": "a caption for which our records have another label than for most of its kind",
}
_EXAMPLES = 20
_SHOWN = 3
#: A part of a caption is rare up to this count; a file with at least this many different parts has free text.
_RARE = 2
_FREE_TEXTS = 5
_MASK = re.compile(r"(^|[^a-z])masks?([^a-z]|$)", re.IGNORECASE)
_QUOTED = re.compile(r"'([^']{1,80})'")


@dataclass(slots=True)
class Fault:
    """How often an error was found, where, and some examples."""

    count: int = 0
    files: dict[str, int] = field(default_factory=dict)
    examples: list[dict[str, str]] = field(default_factory=list)  # file, id, what

    def add(self, file: File, entry: Entry, what: str) -> None:
        """Record it for an entry."""
        self.count += 1
        self.files[file.name] = self.files.get(file.name, 0) + 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append({"file": file.name, "id": entry.id, "what": what})


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a file, and the outcomes of its entries."""

    entries: int
    images: int  # different ones
    labels: int  # different captions
    outcomes: dict[Outcome, int]  # empty if there is nothing to attach to


@dataclass(slots=True)
class Report:
    """The result of a check."""

    files: dict[str, Contents] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)  # file -> what is wrong with it
    faults: defaultdict[str, Fault] = field(default_factory=lambda: defaultdict(Fault))
    shared_groups: Counter[tuple[int, int]] = field(default_factory=Counter)  # two rows -> records

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "files": {name: asdict(one) for name, one in self.files.items()},
            "unreadable": self.unreadable,
            "faults": {
                kind: {"is": FAULTS[kind], **asdict(self.faults[kind])} for kind in FAULTS if kind in self.faults
            },
            "shared_groups": [{"rows": rows, "records": count} for rows, count in sorted(self.shared_groups.items())],
        }

    def to_text(self) -> str:
        """As text for a terminal."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for name, one in self.files.items():
            said = f"{printable(name)}: {one.entries:,} entries, {one.images:,} images, {one.labels:,} labels"
            found = {how: count for how, count in one.outcomes.items() if how not in WHY_NOT}
            how = ", ".join(f"{printable(how)} {count:,}" for how, count in found.items())
            yield said + (f"; {sum(found.values()):,} attached" + (f" ({how})" if how else "") if one.outcomes else "")
            for outcome, why in WHY_NOT.items():
                if count := one.outcomes.get(outcome):
                    yield f"  {count:,} {outcome}: {why}"
        for name, error in self.unreadable.items():
            yield f"{printable(name)}: not read. {error}"
        yield "Faults:" if self.faults else "No faults were found."
        for kind in (kind for kind in FAULTS if kind in self.faults):
            fault = self.faults[kind]
            yield f"  {fault.count:,} x {FAULTS[kind]}"
            for example in fault.examples[:_SHOWN]:
                yield f"    {printable(example['file'])}, id {printable(example['id'])}: {printable(example['what'])}"
        for (one_row, other), count in sorted(self.shared_groups.items()):
            yield f"  rows {one_row} and {other}: {count:,} records of {other} are in groups of {one_row}"


def check(place: Path | str, images: Images | None = None) -> Report:
    """Look for errors in the authors' files (arXiv 2412.20070), and for the images of their entries.

    Args:
        place: A folder of the authors' JSON, or one of its files.
        images: Images of a build or of raw folders (default: only the files themselves are checked).

    Raises:
        LayoutError: The folder has none of the authors' files. A file that cannot be read is recorded, and the others
            are checked.
    """
    checker = _Checker(images)
    for file in find_files(Path(place)):
        try:
            entries = file.entries()
        except ReadError as error:
            checker.report.unreadable[file.name] = str(error)
        else:
            checker.look(file, entries)
    return checker.report


class _Checker:
    """The state of a check: what is known of the files read so far."""

    def __init__(self, images: Images | None) -> None:
        self.report = Report()
        self.images = images
        self.catalog = images.catalog if images else load()
        self.rows = {row.number: row for row in self.catalog.rows}
        self.synonyms = Synonyms()
        self.row_of_image: dict[str, int] = {}
        self.row_of_group: dict[int, int] = {}

    def look(self, file: File, entries: Sequence[Entry]) -> None:
        """Check one file."""
        possible = file.rows(self.catalog)
        matches = (
            match(file, entries, self.images)
            if self.images
            else [Match(entry, "source not in this build") for entry in entries]
        )
        captions = Counter(entry.caption for entry in entries)
        self.report.files[file.name] = Contents(
            entries=len(entries),
            images=len({entry.image for entry in entries}),
            labels=len(captions),
            outcomes=dict(Counter(one.outcome for one in matches)) if self.images else {},
        )
        add = _adder(self.report, file)
        words = _Words(self.rows, possible, captions, self.synonyms)
        seen: set[str] = set()
        for one in matches:
            entry = one.entry
            self._itself(entry, one, possible, seen, add)
            for kind, what in words.faults(entry):
                add(kind, entry, what)
        if isinstance(self.images, BuiltImages):
            self._groups(matches, self.images, add)
            self._contradictions(matches, self.images, add)

    def _itself(self, entry: Entry, one: Match, possible: Sequence[int], seen: set[str], add: _Add) -> None:
        """Errors that an entry shows by itself."""
        if one.outcome == "mask used as an image" or (
            not one.attached and entry.located and any(map(_MASK.search, entry.image.split("/")[-2:]))
        ):
            add("mask", entry, entry.image)
        if entry.answered != entry.caption or entry.open_answer != entry.caption:
            add("answer", entry, f"{entry.answer!r} is {entry.answered!r}, the caption {entry.caption!r}")
        if len({option.casefold() for option in entry.options}) != len(entry.options) or len(entry.options) < 2:
            add("options", entry, repr(entry.options))
        if entry.row is not None and entry.row not in possible:
            add("row", entry, f"row {entry.row}; the file's are {', '.join(map(str, possible))}")
        if entry.image in seen:
            add("repeated image", entry, entry.image)
        seen.add(entry.image)
        row = entry.row if entry.row is not None else possible[0] if len(possible) == 1 else None
        if entry.located and row is not None:
            first = self.row_of_image.setdefault(entry.image, row)
            if first != row:
                add("several rows", entry, f"{entry.image}: rows {first} and {row}")

    def _groups(self, matches: Sequence[Match], built: BuiltImages, add: _Add) -> None:
        for one in matches:
            if one.record is None or one.row is None:
                continue
            first = self.row_of_group.setdefault(int(built.mat.tags.group[one.record]), one.row)
            if first != one.row:
                self.report.shared_groups[first, one.row] += 1
                add("shared group", one.entry, f"{one.entry.image}: rows {first} and {one.row}")

    def _contradictions(self, matches: Sequence[Match], built: BuiltImages, add: _Add) -> None:
        tags = built.mat.tags
        ours = [
            (one.row, one.entry, tags.label_sets[tags.label[one.record]])
            for one in matches
            if one.record is not None and one.row is not None and not _several([self.rows[one.row]])
        ]
        counts = Counter((row, entry.caption, label) for row, entry, label in ours)
        usual: dict[tuple[int, str], str] = {}
        for (row, caption, label), _ in counts.most_common():
            usual.setdefault((row, caption), label)
        for row, entry, label in ours:
            if label != usual[row, entry.caption]:
                add("contradiction", entry, f"{entry.caption!r} is {label!r}, usually {usual[row, entry.caption]!r}")


_Add = Callable[[str, Entry, str], None]


def _adder(report: Report, file: File) -> _Add:
    return lambda kind, entry, what: report.faults[kind].add(file, entry, what)


class _Words:
    """Compares the words of one file's captions with those of the card and the question."""

    def __init__(
        self, rows: dict[int, Row], possible: Sequence[int], captions: Counter[str], synonyms: Synonyms
    ) -> None:
        self._rows, self._synonyms = rows, synonyms
        self._possible = tuple(rows[number] for number in possible if number in rows)
        self._parts: Counter[str] = Counter()
        for caption, count in captions.items():
            self._parts.update(dict.fromkeys(caption.casefold().split(", "), count))
        self._known: dict[tuple[str, int | None], list[tuple[str, str]]] = {}
        self._free: list[tuple[str, str]] = []
        free = {c for c in captions if self._is_free(c, known_labels(self._possible))}
        self._free_texts = free if len(free) >= _FREE_TEXTS else set()

    def faults(self, entry: Entry) -> list[tuple[str, str]]:
        """Kind of fault, and its subject."""
        key = f"{entry.open_question}\0{entry.caption}", entry.row
        if key not in self._known:
            self._known[key] = list(self._look(entry))
        return self._known[key]

    def _look(self, entry: Entry) -> Iterator[tuple[str, str]]:
        rows = (self._rows[entry.row],) if entry.row in self._rows else self._possible
        if entry.caption in self._free_texts:
            yield "free text", entry.caption
        human = frozenset(name.casefold() for row in rows for name in row.names)
        labels = split_labels(entry.caption, human, several=_several(rows))
        if strange := [label for label in labels if label.casefold() not in human]:
            yield "other words", ", ".join(strange)
        if _several(rows):
            return
        asked = entry.open_question.casefold()
        named = [name for name in {*human, *_QUOTED.findall(asked)} if not self._synonyms.means_nothing(name)]
        if any(_holds(asked, name) for name in named):
            unnamed = [label for label in labels if not self._is_asked(asked, label.casefold())]
            if unnamed:
                yield "unnamed label", f"{', '.join(unnamed)} in {entry.open_question!r}"

    def _is_asked(self, asked: str, label: str) -> bool:
        """Whether a question names a label, or the finding whose absence it states."""
        thing = label.removeprefix("no ").removeprefix("not ")
        return self._synonyms.means_nothing(label) or _holds(asked, thing)

    def _is_free(self, caption: str, known: frozenset[str]) -> bool:
        parts = split_labels(caption, known, several=_several(self._possible))
        return any(
            part.casefold() not in known and all(self._parts[one] <= _RARE for one in part.casefold().split(", "))
            for part in parts
        )


def _holds(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def _several(rows: Sequence[Row]) -> bool:
    """Whether a caption of these rows may contain several labels."""
    return any(row.kind not in ("classes", "grades") for row in rows)
