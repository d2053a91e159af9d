"""Distractors where one label holds per image: which labels may stand beside it, and how many of them do.

All answers of a row get the same number of options, so that the number does not tell the answer. And where one of its
answers can only stand beside the row's own labels, as "No COVID-19" beside "COVID-19", none of the row's answers is
asked beside others: they would tell it. Nor are others taken where they do not bring more options.
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
    """For each label of a row the labels that may be its distractors, and how many are drawn of them."""

    of: Mapping[str, tuple[str, ...]]
    clashes: Clashes  # label -> those that must not stand beside it
    count: int

    def sample(self, sampler: Sampler, label: str) -> list[str]:
        """Distractors of a label; fewer than ``count`` only where there are no more."""
        return compatible(sampler.shuffled(self.of[label]), self.clashes, self.count)


def pools(row: Row, siblings: Sequence[Row], synonyms: Synonyms) -> Pools:
    """The pools of a row of classes or grades.

    Args:
        row: asked about.
        siblings: the rows whose labels may be distractors, itself among them.
        synonyms: which labels could both be right.
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
    """The first ``count`` names no two of which clash, or as many as there are.

    The names are taken as they come, and gone through again only where the first ones leave no place for enough others.
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
