"""Random choices that depend only on a record's key and a seed: a question is the same on every machine."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import count
from typing import TypeVar

T = TypeVar("T")
_BITS = 512
#: Minimum ratio of a block to a requested range: outcomes are then equally likely up to 1 in 2**32.
_SPARE = 1 << 32


class Sampler:
    """Random numbers: digits, in any radix, of digests of key and seed.

    This is faster than seeding a generator, and depends on nothing but the hash: no library guarantees that its choice,
    sample and shuffle stay the same forever.

    Args:
        key: The record's ``key`` (:mod:`med_mat.schema`).
        seed: An integer of any length; all of its digits count.
    """

    __slots__ = ("_blocks", "_left", "_number")

    def __init__(self, key: int, seed: int) -> None:
        self._blocks = _blocks(f"{key}/{seed}".encode())
        self._number = 0
        self._left = 1

    def below(self, limit: int) -> int:
        """An integer from 0 to ``limit - 1``, all equally likely."""
        if self._left < limit * _SPARE:
            self._number, self._left = next(self._blocks), 1 << _BITS
        self._left //= limit
        self._number, drawn = divmod(self._number, limit)
        return drawn

    def one(self, of: Sequence[T]) -> T:
        """One of the items, all equally likely."""
        return of[self.below(len(of))]

    def yes(self, numerator: int, denominator: int) -> bool:
        """True with probability ``numerator / denominator``."""
        return self.below(denominator) < numerator

    def shuffled(self, of: Sequence[T]) -> Iterator[T]:
        """The items in random order, chosen lazily."""
        rest = list(of)
        while rest:
            which = self.below(len(rest))
            rest[which], rest[-1] = rest[-1], rest[which]
            yield rest.pop()

    def by_weight(self, upto: Sequence[int]) -> int:
        """A position, with probability proportional to its weight.

        Args:
            upto: Cumulative weights.
        """
        return bisect_right(upto, self.below(upto[-1]))


def _blocks(key: bytes) -> Iterator[int]:
    for number in count():
        salt = number.to_bytes(4, "big")
        yield int.from_bytes(blake2b(key, digest_size=_BITS // 8, person=b"med-mat ask", salt=salt).digest(), "big")
