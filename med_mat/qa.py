"""Questions and answers: a record's labels as a single choice in upstream's form, and as an open question.

The rules are those of arXiv 2412.20070 v2 (section 2.1 and Figure 8): six instructions per subset, up to four options,
distractors from the labels of the whole subset. Three things are ours. No two options can both be right
(``data/synonyms.yaml``). A label that is merely unknown is never offered as wrong. And boxes are asked for in the open,
with the convention of their coordinates.

Every draw follows from the record's id: a question is the same on every machine, in whatever order records are built.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib import resources
from typing import Any

from med_mat.catalog import Catalog, Row
from med_mat.errors import CardError, LabelError
from med_mat.strict import yaml_load

LETTERS = "ABCD"
SUFFIX = "Answer with the option's letter from the given choices directly."
#: Follows every question for boxes. It allows for None whatever the answer, so that it gives nothing away.
BOX_SUFFIX = (
    "Answer with bounding boxes [xmin, ymin, xmax, ymax] in pixel coordinates, separated by semicolons: the origin is "
    "the top left corner, x runs to the right and y down, and the image is {width} pixels wide and {height} pixels "
    "high. Answer None if there is none."
)
NONE = "None"

#: First words that keep their capital inside a sentence.
_NAMES = frozenset({"Barrett's", "Bowen's", "Gleason"})

Box = tuple[float, float, float, float, str]  # xmin, ymin, xmax, ymax, human label


@dataclass(frozen=True, slots=True)
class Question:
    """What a record asks. ``options`` is empty, and ``answer`` with it, where no honest choice can be offered."""

    question: str  # upstream's form: instruction, options, suffix
    options: tuple[str, ...]
    answer: str  # a letter
    open_question: str
    open_answer: str  # "" where the labels do not say


@dataclass(frozen=True, slots=True)
class _Asked:
    """A row, ready to be asked: all that can be worked out before a record comes."""

    kind: str
    instructions: tuple[str, ...]
    names: tuple[str, ...]
    clashes: Mapping[str, frozenset[str]]  # label -> labels that must not stand beside it
    pools: Mapping[str, tuple[str, ...]]  # answer -> its distractors (classes and grades)
    nothing: str | None  # the row's own label for "no finding"
    nothing_text: str  # what to answer where the row has no such label


class Questioner:
    """Asks about records. Build one per catalog; it holds only plain data and can be sent to workers."""

    def __init__(self, catalog: Catalog | Iterable[Row]) -> None:
        rows = catalog.rows if isinstance(catalog, Catalog) else tuple(catalog)
        synonyms = Synonyms()
        by_subset: dict[int | None, list[Row]] = {}
        for row in rows:
            if not row.labels:
                raise CardError(f"Row {row.number} of {row.source!r} has no labels to ask for.")
            by_subset.setdefault(row.subset, []).append(row)
        self._rows = {
            row.number: _prepare(row, [row] if row.subset is None else by_subset[row.subset], synonyms) for row in rows
        }

    def ask(
        self,
        record_id: str,
        row: Row,
        *,
        label: str | None = None,
        present: Sequence[str] = (),
        absent: Sequence[str] = (),
        unknown: Sequence[str] = (),
        boxes: Sequence[Box] = (),
        size: tuple[int, int] = (0, 0),
    ) -> Question:
        """The question of one record.

        Args:
            record_id: the record's ``id``; every draw follows from it.
            row: the row that the record belongs to.
            label: the human label (rows of classes and grades).
            present: human labels that hold (rows of findings, boxes and masks).
            absent: human labels stated to be absent.
            unknown: human labels of which nothing is stated; they are never offered, nor asked for.
            boxes: corners in pixels, and human labels (rows of boxes and masks).
            size: width and height of the image in pixels (rows of boxes and masks).

        Raises:
            LabelError: a label that the row does not have.
        """
        asked = self._rows.get(row.number)
        if asked is None:
            raise CardError(f"Row {row.number} is not in the catalog that this Questioner was built from.")
        if asked.kind == "classes" or asked.kind == "grades":
            pool = asked.pools.get(label) if label is not None else None
            if pool is None or label is None:
                raise LabelError(
                    f"{record_id}: {label!r} is not a label of row {row.number}: {', '.join(asked.names)}."
                )
            number = _number(record_id, 1)
            number, which = divmod(number, len(asked.instructions))
            number, distractors = _draw(number, pool, asked.clashes, len(LETTERS) - 1)
            return _choice(number, asked.instructions[which], label, distractors)
        for name in (*present, *absent, *unknown, *(box[4] for box in boxes)):
            if name not in asked.clashes:
                raise LabelError(f"{record_id}: {name!r} is not a label of row {row.number}: {', '.join(asked.names)}.")
        number, which = divmod(_number(record_id, 2), len(asked.instructions))
        if asked.kind == "findings":
            return _findings(number, asked, asked.instructions[which], present, absent, unknown)
        return _places(number, asked, asked.instructions[which], present, unknown, boxes, size)


class Synonyms:
    """Which labels could both be right of one image (``data/synonyms.yaml``)."""

    def __init__(self, facts: Mapping[str, Any] | None = None) -> None:
        facts = _read("synonyms.yaml") if facts is None else facts
        self._same: dict[str, str] = {}  # label -> the first of its group
        for group in facts.get("same") or ():
            for name in group:
                if self._same.setdefault(_fold(name), _fold(group[0])) != _fold(group[0]):
                    raise CardError(f"synonyms.yaml: {name!r} stands in two groups of 'same'.")
        self._nothing = frozenset(map(_fold, facts.get("nothing") or ()))
        narrower: dict[str, set[str]] = {}
        for broad, kinds in (facts.get("kinds") or {}).items():
            narrower.setdefault(self._one(broad), set()).update(map(self._one, kinds))
        self._below = {broad: _reached(broad, narrower) for broad in narrower}
        self._alike = self._pairs(facts.get("alike") or ())
        self._never = {row: self._pairs(groups) for row, groups in (facts.get("never") or {}).items()}
        self._vague: dict[str, set[str]] = {}
        for name, others in (facts.get("vague") or {}).items():
            self._vague.setdefault(self._one(name), set()).update(map(self._one, others))

    def clash(self, first: str, second: str) -> bool:
        """Whether the two must not be options of one question, their row aside."""
        one, other = self._one(first), self._one(second)
        return (
            self.overlap(first, second)
            or (one in self._vague and other not in self._vague[one])
            or (other in self._vague and one not in self._vague[other])
        )

    def overlap(self, first: str, second: str) -> bool:
        """Whether one is the other, contains it, or cannot be told from it."""
        one, other = self._one(first), self._one(second)
        return (
            one == other
            or other in self._below.get(one, ())
            or one in self._below.get(other, ())
            or (one, other) in self._alike
        )

    def same(self, first: str, second: str) -> bool:
        """Whether the two are of one meaning."""
        return self._one(first) == self._one(second)

    def denies(self, name: str, other: str) -> bool:
        """Whether the first says of the second that it is not there, as "Normal" and "No COVID-19" do of COVID-19."""
        one = self._one(name)
        return (one in map(self._one, self._nothing) or one in self._vague) and not self.clash(name, other)

    def never(self, row: int, first: str, second: str) -> bool:
        """Whether the two must not meet even in this row, which has both."""
        return (self._one(first), self._one(second)) in self._never.get(row, ())

    def means_nothing(self, name: str) -> bool:
        """Whether the label says that there is no finding."""
        return _fold(name) in self._nothing

    def _one(self, name: str) -> str:
        folded = _fold(name)
        return self._same.get(folded, folded)

    def _pairs(self, groups: Iterable[Sequence[str]]) -> frozenset[tuple[str, str]]:
        return frozenset((self._one(a), self._one(b)) for group in groups for a in group for b in group if a != b)


def read_instructions() -> dict[int, tuple[str, ...]]:
    """The instructions of each subset, upstream's own first (``data/instructions.yaml``)."""
    return {
        number: (*(entry.get("paper") or ()), *(entry.get("ours") or ()))
        for number, entry in _read("instructions.yaml").items()
    }


def _instructions(row: Row) -> tuple[str, ...]:
    """The instructions of a row: its card's, else those that its subset has for it, else its subset's."""
    if row.instructions or row.subset is None:
        return row.instructions
    exceptions = _read("instructions.yaml")[row.subset].get("rows") or {}
    return tuple(exceptions.get(row.number) or read_instructions()[row.subset])


def _prepare(row: Row, siblings: Sequence[Row], synonyms: Synonyms) -> _Asked:
    names = row.names
    nothing = next(filter(synonyms.means_nothing, names), None)
    if row.kind in ("classes", "grades"):
        pooled = [sibling.names for sibling in siblings if sibling.kind in ("classes", "grades")]
        labels = tuple(dict.fromkeys(name for group in pooled for name in group))
        own = frozenset(names)

        def clash(first: str, second: str) -> bool:
            if first in own and second in own:
                return synonyms.never(row.number, first, second)
            return synonyms.clash(first, second)
    else:
        labels = names
        clash = synonyms.overlap
    clashes = {name: frozenset(other for other in labels if other != name and clash(name, other)) for name in labels}
    pools = {name: tuple(other for other in labels if other != name and other not in clashes[name]) for name in names}
    shared = (name for sibling in siblings for name in sibling.names if synonyms.means_nothing(name))
    return _Asked(row.kind, _instructions(row), names, clashes, pools, nothing, nothing or next(shared, NONE))


def _findings(
    number: int,
    asked: _Asked,
    instruction: str,
    present: Sequence[str],
    absent: Sequence[str],
    unknown: Sequence[str],
) -> Question:
    held, wrong = set(present), set(absent).difference(present, unknown)
    nothing = asked.nothing
    if held:
        truth = [name for name in asked.names if name in held]
    elif nothing not in wrong and all(name in wrong or name == nothing for name in asked.names):
        truth = [asked.nothing_text]
    else:
        return Question(instruction, (), "", instruction, "")
    answer = _join(truth)
    barred = held.union(*(asked.clashes[name] for name in truth if name in asked.clashes))
    pool = [name for name in asked.names if name in wrong and name not in barred]
    alone = nothing if nothing in wrong and len(truth) > 1 else None  # "no finding" is no part of a longer list
    if alone is not None and alone in pool:
        pool.remove(alone)
    wanted = len(LETTERS) - 1
    number, drawn = _draw(number, pool, asked.clashes, wanted * len(truth))
    distractors: dict[str, None] = {}
    for names in _sets(drawn, len(truth)):
        chosen = set(names)
        distractors.setdefault(_join([name for name in asked.names if name in chosen]))
    if alone is not None:
        distractors.setdefault(_join([alone]))
    distractors.pop(answer, None)  # two labels can read as one that holds a comma
    return _choice(number, instruction, answer, list(distractors)[:wanted])


def _places(
    number: int,
    asked: _Asked,
    instruction: str,
    present: Sequence[str],
    unknown: Sequence[str],
    boxes: Sequence[Box],
    size: tuple[int, int],
) -> Question:
    boxed = {box[4] for box in boxes}
    # Without a box, only a label that is neither unknown nor present without a box can be answered by None.
    hidden = {*present, *unknown, asked.nothing}
    names = [name for name in asked.names if name in boxed] or [name for name in asked.names if name not in hidden]
    sure = bool(names)
    names = names or [name for name in asked.names if name != asked.nothing] or list(asked.names)
    name = names[number % len(names)]
    places = dict.fromkeys("[" + ", ".join(map(_round, box[:4])) + "]" for box in boxes if box[4] == name)
    template = instruction + "\n" + BOX_SUFFIX
    question = template.format(label=_inside(name), width=size[0], height=size[1])
    return Question(question, (), "", question, ("; ".join(places) or NONE) if sure else "")


def _choice(number: int, instruction: str, answer: str, distractors: list[str]) -> Question:
    if not distractors:
        return Question(instruction, (), "", instruction, answer)
    place = number % (len(distractors) + 1)
    options = (*distractors[:place], answer, *distractors[place:])
    lines = "\n".join([f"{letter}: {option}" for letter, option in zip(LETTERS, options, strict=False)])
    return Question(f"{instruction}\n{lines}\n{SUFFIX}", options, LETTERS[place], instruction, answer)


def _number(record_id: str, blocks: int) -> int:
    """A number of 512 bits per block from the record's id. Its digits, in whatever radix is needed, are the draws.

    That is quicker than seeding a generator, and rests on nothing but the hash: no library promises that its choice,
    sample and shuffle stay the same for good.
    """
    key = record_id.casefold().encode("utf-8", "surrogatepass")  # a copy in capitals draws the same
    digests = [blake2b(key, digest_size=64, person=b"med-mat qa", salt=bytes([i])).digest() for i in range(blocks)]
    return int.from_bytes(b"".join(digests), "big")


def _draw(number: int, pool: Sequence[str], clashes: Mapping[str, frozenset[str]], count: int) -> tuple[int, list[str]]:
    """Up to ``count`` labels of the pool, no two of which clash, and what is left of the number."""
    rest = list(pool)
    drawn: list[str] = []
    while rest and len(drawn) < count:
        number, which = divmod(number, len(rest))
        name = rest[which]
        rest[which] = rest[-1]
        rest.pop()
        if clashes[name].isdisjoint(drawn):
            drawn.append(name)
    return number, drawn


def _sets(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Three distinct sets of ``size`` names, disjoint where there are enough names; fewer or smaller ones otherwise."""
    count = len(names)
    if not count:
        return
    if count <= size:
        yield names
        size = count - 1
    if size:
        wanted = min(len(LETTERS) - 1, count)
        for start in (count * i // wanted for i in range(wanted)):
            yield [names[(start + i) % count] for i in range(size)]


def _join(names: Sequence[str]) -> str:
    text = ", ".join(names)
    return text[:1].upper() + text[1:]


def _inside(name: str) -> str:
    """The label as it reads inside a sentence: ``left lung`` for ``Left lung``, but ``Gleason grade 3`` unchanged."""
    if name[1:2].islower() and name.split(" ", 1)[0] not in _NAMES:
        return name[:1].lower() + name[1:]
    return name


def _round(value: float) -> str:
    return str(math.floor(value + 0.5))


def _fold(name: str) -> str:
    return name.strip().casefold()


def _reached(start: str, edges: Mapping[str, Iterable[str]]) -> frozenset[str]:
    reached: set[str] = set()
    ahead = list(edges.get(start, ()))
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead.extend(edges.get(name, ()))
    return frozenset(reached)


@functools.cache
def _read(name: str) -> Any:
    return yaml_load((resources.files("med_mat") / "data" / name).read_text("utf-8"))
