"""Distractors for images with one label: which other labels may be options, and how many of them.

All answers of a row have the same number of options, so that the number does not reveal the answer. If one of its
answers can only be combined with the row's own labels, as "No COVID-19" with "COVID-19", no answer of the row is
combined with others: they would reveal it. Nor are others used if they do not give more options.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from med_mat.catalog import Row
from med_mat.questions.sampling import Sampler
from med_mat.questions.synonyms import Synonyms
from med_mat.questions.texts import LETTERS

SINGLE = ("classes", "grades")
_MOST = len(LETTERS) - 1

Clashes = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Pools:
    """For each label of a row, the labels that may be its distractors, and how many of them are sampled."""

    of: Mapping[str, tuple[str, ...]]
    clashes: Clashes  # label -> those that must not be options with it
    count: int

    def sample(self, sampler: Sampler, label: str) -> list[str]:
        """Distractors of a label; fewer than ``count`` only if there are no more."""
        return compatible(sampler.shuffled(self.of[label]), self.clashes, self.count)


def pools(row: Row, siblings: Sequence[Row], synonyms: Synonyms) -> Pools:
    """The pools of a row of classes or grades.

    Args:
        row: The row asked about.
        siblings: The rows whose labels may be distractors, including itself.
        synonyms: Which labels could both be right.
    """
    own = frozenset(row.names)

    def clash(first: str, second: str) -> bool:
        if first in own and second in own:
            return synonyms.clash_within(row.number, first, second)
        return synonyms.clash(first, second)

    labels = tuple(dict.fromkeys(name for one in (row, *siblings) if one.kind in SINGLE for name in one.names))
    clashes = {name: frozenset(other for other in labels if other != name and clash(name, other)) for name in labels}
    inside, whole = (_pools(row.names, among, clashes) for among in (row.names, labels))
    meanings = set(map(synonyms.one, own))
    confined = any(meanings.issuperset(map(synonyms.one, pool)) for pool in whole.of.values())
    return inside if confined or inside.count == whole.count < _MOST else whole


def _pools(names: Sequence[str], among: Sequence[str], clashes: Clashes) -> Pools:
    of = {name: tuple(other for other in among if other != name and other not in clashes[name]) for name in names}
    reach = (len(compatible(pool, clashes, _MOST)) for pool in of.values())
    return Pools(of, clashes, min(filter(None, reach), default=0))


def compatible(names: Iterable[str], clashes: Clashes, count: int) -> list[str]:
    """The first ``count`` names of which no two clash, or as many as there are.

    The names are taken in order, and searched again only if the first ones exclude too many others.
    """
    seen: list[str] = []
    found: list[str] = []
    for name in names:
        seen.append(name)
        if clashes[name].isdisjoint(found):
            found.append(name)
            if len(found) == count:
                return found
    for wanted in range(count, len(found), -1):
        better = _search(seen, clashes, wanted, ())
        if better is not None:
            return better
    return found


def _search(names: Sequence[str], clashes: Clashes, count: int, found: tuple[str, ...]) -> list[str] | None:
    if len(found) == count:
        return list(found)
    for place, name in enumerate(names):
        if clashes[name].isdisjoint(found):
            better = _search(names[place + 1 :], clashes, count, (*found, name))
            if better is not None:
                return better
    return None
