"""Distractors for images with several labels: other label sets, each of which is wrong as the list of all findings.

A set is wrong if it has a label that is stated to be absent, or lacks one that is present; unknown labels are in no
set. Sets are sampled like answers: as many labels as the source's images have on average, common labels more often, and
they may share labels with the answer and with each other. Two things are sampled first, so that they do not reveal the
answer: whether "No finding" is among the sets, and how many sets are longer as text. The latter is sampled always if
the answer is "No finding" or unknown labels leave few others, and otherwise in half of the questions: it keeps length
from revealing the answer if the card does not state the usual number of labels, but makes short labels distractors more
often than answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from med_mat.catalog import Row
from med_mat.questions.classes import Clashes
from med_mat.questions.sampling import Sampler
from med_mat.questions.synonyms import Synonyms
from med_mat.questions.texts import LETTERS, NONE, joined

_MOST = len(LETTERS) - 1
#: Number of sets sampled to find one of the right length, before those nearest to the answer are tried.
_TRIES = 40
#: Mean number of labels of an image with findings if the card has no counts, in hundredths; and its maximum.
_USUAL_SIZE, _LARGEST_SIZE = 150, 400
#: The share of images without findings if the card has no counts, in ten thousandths.
_USUAL_NOTHING = 2500
_WHOLE = 10_000


@dataclass(frozen=True, slots=True)
class Findings:
    """A row of findings, prepared for questions."""

    names: tuple[str, ...]
    clashes: Clashes  # label -> labels that may occur with it, or have the same meaning
    one: Mapping[str, str]  # label -> the representative of all labels with its meaning
    findings: frozenset[str]  # labels that an image without findings does not have
    nothing: str | None  # the row's own label for "no finding"
    nothing_text: str  # the answer if the row has no such label
    weights: Mapping[str, int]  # label -> its frequency
    size: int  # mean number of labels of an image with findings, in hundredths
    offered: int  # how often "no finding" is among the distractors, in ten thousandths


def prepare(row: Row, siblings: Sequence[Row], synonyms: Synonyms) -> Findings:
    """A row of findings, from its card alone.

    Args:
        row: The row asked about.
        siblings: The rows of its subset, one of which may have a word for "no finding".
        synonyms: Which labels could both be right.
    """
    names = row.names
    nothing = next(filter(synonyms.means_nothing, names), None)
    shared = (name for one in siblings for name in one.names if synonyms.means_nothing(name))
    rest = [name for name in names if name != nothing]
    seen = {name: row.counts[name] for name in rest if name in row.counts}
    images = row.images or 0
    none = row.counts.get(nothing, 0) if nothing else 0
    size, share = _USUAL_SIZE, _USUAL_NOTHING
    if len(seen) == len(rest) and images > none:
        size = min(_LARGEST_SIZE, max(100, 100 * sum(seen.values()) // (images - none)))
    if seen and images >= none:
        share = none * _WHOLE // images
    least = min(filter(None, seen.values()), default=1)
    return Findings(
        names=names,
        clashes={one: frozenset(o for o in names if o != one and synonyms.overlap(one, o)) for one in names},
        one={name: synonyms.one(name) for name in names},
        findings=frozenset(filter(synonyms.is_finding, names)),
        nothing=nothing,
        nothing_text=nothing or next(shared, NONE),
        weights={name: max(1, seen.get(name, least)) for name in names},
        size=size,
        # as often as the others if it is right in one of four, and always if it is right more often
        offered=min(_WHOLE, 3 * share * _WHOLE // (_WHOLE - share)) if share < _WHOLE else _WHOLE,
    )


def truth(asked: Findings, present: Sequence[str], absent: Sequence[str]) -> list[str]:
    """The list of all findings, in the card's order; empty if the labels do not say.

    An image is without findings if that is stated, or if all findings are stated to be absent.
    """
    held = set(present)
    if held:
        return [name for name in asked.names if name in held]
    wrong = set(absent)
    if asked.nothing not in wrong and wrong.issuperset(name for name in asked.names if name != asked.nothing):
        return [asked.nothing_text]
    return []


def distractors(sampler: Sampler, asked: Findings, right: Sequence[str], absent: Sequence[str]) -> list[str]:
    """Up to three sets of labels that are wrong if ``right`` is right, as texts; empty if the labels allow none.

    If nothing is stated to be absent, only subsets of the answer could be offered, and the answer would be the longest
    option: then no distractor is returned.
    """
    answer = joined(right)
    held = set(right)
    healthy = asked.nothing_text in held
    excluded = held.union(filter(None, [asked.nothing]), *(asked.clashes.get(name, ()) for name in right))
    stated = {*absent, *(asked.findings if healthy else ())} - excluded
    wrong = [name for name in asked.names if name in stated]
    parts = () if healthy else right
    pool = [name for name in asked.names if name in stated or name in parts]
    if not wrong:
        return []
    offered = not held.isdisjoint(asked.findings) and sampler.yes(asked.offered, _WHOLE)
    few = healthy or len(wrong) + len(excluded) < len(asked.names)
    found = _Sides(answer, asked, right)
    found.open(sampler, [asked.nothing_text] if offered else [], by_length=few or sampler.yes(1, 2))
    upto = list(accumulate(asked.weights[name] for name in pool))
    for _ in range(_TRIES):
        if found.full:
            return list(found.texts)
        found.add(_drawn(sampler, asked, pool, upto))
    for names in sampler.shuffled(list(_near(pool, parts, wrong))):
        found.add(names)
    found.relax()
    return list(found.texts)


class _Sides:
    """The sets found so far, and the remaining places for sets shorter and longer than the answer."""

    def __init__(self, answer: str, asked: Findings, right: Sequence[str]) -> None:
        self._answer, self._asked = answer, asked
        self._left = [_MOST, _MOST]
        self._spare: list[str] = []  # sets for which there was no place
        self._known = {self._meaning(right)}
        self.texts: dict[str, None] = {}

    @property
    def full(self) -> bool:
        return len(self.texts) == _MOST

    def open(self, sampler: Sampler, first: Sequence[str], *, by_length: bool) -> None:
        """Take the first set, if any, and choose how many of the others must be longer than the answer.

        "No finding" is usually the shortest option, right or wrong. Offered as a distractor as often as others, and
        before the lengths of the others are sampled, it makes the shortest option right in one of four questions.
        """
        if first:
            self.add(first)
        if by_length:
            longer = sampler.below(_MOST + 1 - len(self.texts))
            self._left = [_MOST - len(self.texts) - longer, longer]

    def add(self, names: Sequence[str]) -> None:
        """Keep a set if it is new, differs from the answer, and has a required length."""
        text = joined(names)
        meaning = self._meaning(names)
        if self.full or meaning in self._known or text in self.texts or text.casefold() == self._answer.casefold():
            return
        self._known.add(meaning)
        difference = len(text) - len(self._answer)
        side = int(self._left[1] > self._left[0]) if difference == 0 else int(difference > 0)
        if self._left[side]:
            self._left[side] -= 1
            self.texts[text] = None
        else:
            self._spare.append(text)

    def relax(self) -> None:
        """Fill the places for which no set is long or short enough."""
        for text in self._spare[: _MOST - len(self.texts)]:
            self.texts[text] = None

    def _meaning(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset(self._asked.one.get(name, name) for name in names)


def _drawn(sampler: Sampler, asked: Findings, pool: Sequence[str], upto: Sequence[int]) -> list[str]:
    """A random set of labels of which no two clash; frequent labels are more likely."""
    size = 1
    while size < len(pool) and not sampler.yes(100, asked.size):
        size += 1
    chosen: set[str] = set()
    for _ in range(2 * size):
        name = pool[sampler.by_weight(upto)]
        if asked.clashes[name].isdisjoint(chosen):
            chosen.add(name)
            if len(chosen) == size:
                break
    return [name for name in pool if name in chosen]


def _near(pool: Sequence[str], right: Sequence[str], wrong: Sequence[str]) -> Iterator[list[str]]:
    """Single labels, and the sets that differ from the answer by one label removed, added or replaced."""
    held = set(right)
    for name in pool:
        yield [name]
    for less in (None, *right):
        for more in (None, *wrong):
            names = (held - {less}) | ({more} - {None})
            if names:
                yield [name for name in pool if name in names]
