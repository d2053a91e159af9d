"""Dividing records into parts by whole groups, each label set as evenly as the sizes of the groups allow.

What is random hangs on the seed and the records' keys alone. A group counts for the rarest label set among its records,
of which there is least to go round; a stratum is what counts for one label set of one subset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from med_mat.splits import draw
from med_mat.tags import Positions, Tags


@dataclass(frozen=True, slots=True)
class _Groups:
    """The groups of some records. All arrays but the first are of one length."""

    of: draw.Codes  # of each record
    stratum: draw.Codes
    size: draw.Codes  # records
    key: draw.Keys  # random


def folds(tags: Tags, positions: Positions, k: int, seed: int) -> draw.Codes:
    """The fold of each of these records, 0 to k - 1: groups whole, and as many records in each as in the others.

    Two folds differ in size by no more than the largest group holds; and so they do in the records that count for one
    stratum. With at least k groups no fold is empty.

    Args:
        tags: of the build.
        positions: (n,) in the index.
        k: number of folds.
        seed: of the draw.

    Returns:
        (n,) whole numbers.
    """
    groups = _groups(tags, positions, seed)
    # the largest first, dealt in turn: within a stratum an earlier turn never gets less, nor more by more than the
    # first group holds; and the earliest turn goes to the fold that has least so far: differences do not add up
    order = np.lexsort((groups.key, -groups.size, groups.stratum))
    stratum = groups.stratum[order]
    turn = draw.ranks(stratum) % k
    strata = int(stratum.max(initial=-1)) + 1
    loads = np.bincount(stratum * k + turn, groups.size[order], strata * k).reshape(strata, k)
    total = np.zeros(k)
    taking = np.empty((strata, k), dtype=np.int64)
    for number in range(strata):
        taking[number] = np.argsort(total, kind="stable")
        total[taking[number]] += loads[number]
    fold = np.empty(len(order), dtype=np.int64)
    fold[order] = taking[stratum, turn]
    found: draw.Codes = fold[groups.of]
    return found


def set_apart(tags: Tags, positions: Positions, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which of these records are set apart: a share of every stratum, by whole groups.

    A stratum of one group keeps it. Of the others, groups in a random order are set apart until the share is reached as
    nearly as can be; what was taken too much or too little is made up in the next stratum. A group that holds more
    than is wanted is passed over where there are smaller ones.

    Args:
        tags: of the build.
        positions: (n,) in the index.
        share: of the records, from 0 to 1.
        seed: of the draw.

    Returns:
        (n,) of bool.
    """
    groups = _groups(tags, positions, seed)
    order = np.lexsort((groups.key, groups.stratum))
    starts = np.flatnonzero(np.diff(groups.stratum[order], prepend=-1))
    chosen = np.zeros(len(order), dtype=bool)
    owed = 0.0
    for mine in np.split(order, starts[1:]):
        if len(mine) < 2:
            continue
        sizes = groups.size[mine]
        wanted = owed + share * float(sizes.sum())
        fitting = np.flatnonzero(sizes <= max(wanted, float(sizes.min())))
        reached = np.concatenate(([0], np.cumsum(sizes[fitting])))[: len(mine)]  # one group at least stays
        taken = int(np.argmin(np.abs(reached - wanted)))
        chosen[mine[fitting[:taken]]] = True
        owed = wanted - float(reached[taken])
    return chosen[groups.of]


def _groups(tags: Tags, positions: Positions, seed: int) -> _Groups:
    keys = draw.random_keys(tags, positions, seed)
    labels = draw.units(tags, positions) * len(tags.label_sets) + tags.label[positions]
    # strata in the order of their least keys, which does not change when other subsets join the build
    _, stratum = np.unique(labels, return_inverse=True)
    stratum = np.argsort(np.argsort(_least(stratum, keys), kind="stable"), kind="stable")[stratum]
    _, of, size = np.unique(tags.group[positions], return_inverse=True, return_counts=True)
    common = np.bincount(stratum)[stratum] if len(stratum) else stratum
    by_rarity = np.lexsort((stratum, common, of))
    first = np.flatnonzero(np.diff(of[by_rarity], prepend=-1))
    return _Groups(of, stratum[by_rarity[first]], size, _least(of, keys))


def _least(codes: draw.Codes, keys: draw.Keys) -> draw.Keys:
    """The least key of each code."""
    found = np.full(int(codes.max(initial=-1)) + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(found, codes, keys)
    return found
