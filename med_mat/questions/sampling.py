"""Sampler that hang on a record's key and a seed alone: a question is the same on every machine, in any order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import count
from typing import TypeVar

T = TypeVar("T")
_BITS = 512
#: What must be left of a block beyond what is asked of it, so that every outcome is as likely but for 1 in 2**32.
_SPARE = 1 << 32


class Sampler:
    """Random numbers: the digits, in whatever radix is asked for, of digests of key and seed.

    That is quicker than seeding a generator, and rests on nothing but the hash: no library promises that its choice,
    sample and shuffle stay the same for good.

    Args:
        key: the record's (:mod:`med_mat.schema`).
        seed: a whole number of any length; all of it counts.
    """

    __slots__ = ("_blocks", "_left", "_number")

    def __init__(self, key: int, seed: int) -> None:
        self._blocks = _blocks(f"{key}/{seed}".encode())
        self._number = 0
        self._left = 1

    def below(self, limit: int) -> int:
        """A whole number from 0, below the limit, each as likely."""
        if self._left < limit * _SPARE:
            self._number, self._left = next(self._blocks), 1 << _BITS
        self._left //= limit
        self._number, drawn = divmod(self._number, limit)
        return drawn

    def one(self, of: Sequence[T]) -> T:
        """One of them, each as likely."""
        return of[self.below(len(of))]

    def yes(self, numerator: int, denominator: int) -> bool:
        """True in so many of so many cases."""
        return self.below(denominator) < numerator

    def shuffled(self, of: Sequence[T]) -> Iterator[T]:
        """All of them in a random order, drawn as they are asked for."""
        rest = list(of)
        while rest:
            which = self.below(len(rest))
            rest[which], rest[-1] = rest[-1], rest[which]
            yield rest.pop()

    def by_weight(self, upto: Sequence[int]) -> int:
        """A position, as likely as its weight is great.

        Args:
            upto: for each position, the weights up to it and its own together.
        """
        return bisect_right(upto, self.below(upto[-1]))


def _blocks(key: bytes) -> Iterator[int]:
    for number in count():
        salt = number.to_bytes(4, "big")
        yield int.from_bytes(blake2b(key, digest_size=_BITS // 8, person=b"med-mat ask", salt=salt).digest(), "big")
