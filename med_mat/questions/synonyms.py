"""Which labels could both be right for one image (``data/synonyms.yaml``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from med_mat.errors import CardError
from med_mat.questions.texts import read_data


class Synonyms:
    """Which labels could both be right for one image."""

    def __init__(self, facts: Mapping[str, Any] | None = None) -> None:
        facts = read_data("synonyms.yaml") if facts is None else facts
        self._same: dict[str, str] = {}  # label -> the first of its group
        for group in facts.get("same") or ():
            for name in group:
                if self._same.setdefault(_fold(name), _fold(group[0])) != _fold(group[0]):
                    raise CardError(f"synonyms.yaml: {name!r} stands in two groups of 'same'.")
        self._nothing = frozenset(map(_fold, facts.get("nothing") or ()))
        self._no_finding = frozenset(map(self.one, facts.get("no_finding_either") or ()))
        narrower: dict[str, set[str]] = {}
        for broad, kinds in (facts.get("kinds") or {}).items():
            narrower.setdefault(self.one(broad), set()).update(map(self.one, kinds))
        self._below = {broad: _reached(broad, narrower) for broad in narrower}
        self._alike = self._pairs(facts.get("alike") or ())
        self._never = {row: self._pairs(groups) for row, groups in (facts.get("never") or {}).items()}
        self._exclusive = {row: self._pairs(groups) for row, groups in (facts.get("exclusive") or {}).items()}
        self._vague: dict[str, set[str]] = {}
        for name, others in (facts.get("vague") or {}).items():
            self._vague.setdefault(self.one(name), set()).update(map(self.one, others))

    def clash(self, first: str, second: str) -> bool:
        """Whether the two must not be options of one question, if no single row has both."""
        one, other = self.one(first), self.one(second)
        return (
            self.overlap(first, second)
            or (one in self._vague and other not in self._vague[one])
            or (other in self._vague and one not in self._vague[other])
        )

    def clash_within(self, row: int, first: str, second: str) -> bool:
        """Whether the two must not be options of one question in this row, which has both.

        A row's labels exclude each other as its publisher uses them, unless their meanings overlap; even then, the
        publisher's definitions may distinguish them.
        """
        pair = self.one(first), self.one(second)
        return pair in self._never.get(row, ()) or (
            self.overlap(first, second) and pair not in self._exclusive.get(row, ())
        )

    def overlap(self, first: str, second: str) -> bool:
        """Whether one equals the other, contains it, or cannot be distinguished from it."""
        one, other = self.one(first), self.one(second)
        return (
            one == other
            or other in self._below.get(one, ())
            or one in self._below.get(other, ())
            or (one, other) in self._alike
        )

    def same(self, first: str, second: str) -> bool:
        """Whether the two have the same meaning."""
        return self.one(first) == self.one(second)

    def denies(self, name: str, other: str) -> bool:
        """Whether the first says that the second is absent, as "Normal" and "No COVID-19" do for COVID-19."""
        one = self.one(name)
        return (one in map(self.one, self._nothing) or one in self._vague) and not self.clash(name, other)

    def means_nothing(self, name: str) -> bool:
        """Whether the label says that there is no finding."""
        return _fold(name) in self._nothing

    def is_finding(self, name: str) -> bool:
        """Whether the label is a finding; a tube, for example, is not."""
        return not self.means_nothing(name) and self.one(name) not in self._no_finding

    def one(self, name: str) -> str:
        """The representative of all labels with this meaning."""
        folded = _fold(name)
        return self._same.get(folded, folded)

    def _pairs(self, groups: Iterable[Sequence[str]]) -> frozenset[tuple[str, str]]:
        return frozenset((self.one(a), self.one(b)) for group in groups for a in group for b in group if a != b)


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
