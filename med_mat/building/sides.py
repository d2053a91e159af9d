"""Sides: the seeded split of a source by group, and the records withheld because a held-out split shares their group.

A side depends only on the folded id of a record, the seed and the groups within its own source: never on paths on disk,
the order of examples, or the other sources of a build.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from med_mat.raw.names import folded
from med_mat.taxonomy import SPLITS

Array = NDArray[Any]

#: The fraction of a source in the test split if its publisher provides no held-out split.
TEST_SHARE = 0.1
_TRAIN, _VALIDATION, _TEST = (SPLITS.index(name) for name in ("train", "validation", "test"))


def key(identity: str) -> int:
    """A signed 64-bit hash of the folded id of a record or an image."""
    digest = hashlib.blake2b(folded(identity).encode("utf-8", "surrogateescape"), digest_size=8, person=b"med-mat side")
    return int.from_bytes(digest.digest(), "big", signed=True)


def held_out(salt: str, groups: Array, strata: Sequence[int] | Array, keys: Sequence[int] | Array) -> Array:
    """Which images go to the test split: stratified group hold-out of 10 % of each stratum, whole groups, seeded.

    Groups of a stratum are taken in a seeded order. A group that would exceed the 10 % is passed over; a stratum of one
    group stays in train. A group belongs to the stratum of its image with the smallest key.

    Args:
        salt: seed and source.
        groups: (n,) int: images of the same group stay together.
        strata: (n,) int: the stratum of each image.
        keys: (n,) int64, from :func:`key`.

    Returns:
        (n,) bool.
    """
    order = np.lexsort((np.asarray(keys, dtype=np.int64), groups))
    _, begins, sizes = np.unique(np.asarray(groups)[order], return_index=True, return_counts=True)
    least = np.asarray(keys, dtype=np.int64)[order][begins]
    of = np.asarray(strata)[order][begins]
    shuffled = np.array([_draw(salt, int(one)) for one in least], dtype=np.uint64)
    chosen = np.zeros(len(begins), bool)
    for one in np.unique(of):
        mine = np.flatnonzero(of == one)
        if len(mine) < 2:
            continue
        mine = mine[np.lexsort((least[mine], shuffled[mine]))]
        total = int(sizes[mine].sum())
        wanted = max(1, round(TEST_SHARE * total))
        taken = 0
        for group in mine:
            if taken + sizes[group] <= wanted:
                chosen[group] = True
                taken += int(sizes[group])
                if taken == wanted:
                    break
        if not taken:
            smallest = mine[np.argmin(sizes[mine])]
            chosen[smallest] = sizes[smallest] <= total / 2
    found = np.zeros(len(order), bool)
    found[order] = np.repeat(chosen, sizes)
    return found


def withheld(groups: Array, split: Array, sources: Array, names: Sequence[str]) -> list[str | None]:
    """Why records are withheld: the held-out splits that share their group; None if they are not withheld.

    Args:
        groups: (n,) int: group of each record, over all sources.
        split: (n,) int: position of its side in SPLITS.
        sources: (n,) int: position of its source in ``names``.
        names: the names of the sources.
    """
    reasons: list[str | None] = [None] * len(groups)
    for part in (_TEST, _VALIDATION):
        held = np.flatnonzero(split == part)
        touched = np.unique(groups[held])
        concerned = np.flatnonzero((split != _TEST) & (split != part) & np.isin(groups, touched))
        if not len(concerned):
            continue
        of: dict[int, set[str]] = {}
        for place in held[np.isin(groups[held], groups[concerned])].tolist():
            of.setdefault(int(groups[place]), set()).add(names[int(sources[place])])
        for place in concerned.tolist():
            if reasons[place] is None:
                reasons[place] = f"{SPLITS[part]} of {', '.join(sorted(of[int(groups[place])]))}"
    return reasons


def _draw(salt: str, number: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{salt}/{number}".encode(), digest_size=8).digest(), "big")
