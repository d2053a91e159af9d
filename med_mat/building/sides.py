"""Sides: the seeded split of a source by its groups, and what is withheld since a held-out part has its like.

A side hangs on the folded id of a record, the seed and the groups within its own source: never on paths on the disk,
on the order of examples, or on what else is in a build.
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

#: The share of a source that is tested where its publisher holds nothing out.
TEST_SHARE = 0.1
_TRAIN, _VALIDATION, _TEST = (SPLITS.index(name) for name in ("train", "validation", "test"))


def key(identity: str) -> int:
    """64 bits, signed, that stand for a folded text that names a record or an image."""
    digest = hashlib.blake2b(folded(identity).encode("utf-8", "surrogateescape"), digest_size=8, person=b"med-mat side")
    return int.from_bytes(digest.digest(), "big", signed=True)


def held_out(salt: str, groups: Array, strata: Sequence[int] | Array, keys: Sequence[int] | Array) -> Array:
    """Which images are tested: of every stratum, groups in a seeded order until a tenth of its images is reached.

    A group too large for the tenth is passed over; a stratum of one group stays in train. A group is of the stratum of
    its image of the least key.

    Args:
        salt: seed and source.
        groups: (n,) whole numbers: images of one number stay together.
        strata: (n,) whole numbers.
        keys: (n,) as :func:`key` gives them.

    Returns:
        (n,) of bool.
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
    """Why records are withheld: whose held-out part has a record of their group; None where they are not.

    Args:
        groups: (n,) group of each record, over all sources.
        split: (n,) position of its side in SPLITS.
        sources: (n,) position of its source in ``names``.
        names: of the sources.
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
