"""Stratified division of records into parts by whole groups.

Random choices depend only on the seed and the records' keys. A stratum is the records of one label set of one subset.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from med_mat.splits import sampling
from med_mat.tags import Positions, Tags


def folds(tags: Tags, positions: Positions, k: int, seed: int) -> sampling.Codes:
    """The fold of each of these records, 0 to k - 1: whole groups, folds of equal size as far as possible.

    Two folds differ in size by at most the size of the largest group, and so they do within each stratum, where a
    group of several strata counts for the rarest of them. With at least k groups no fold is empty.

    Args:
        tags: Tags of the build.
        positions: (n,) Positions in the index.
        k: Number of folds.
        seed: Random seed.

    Returns:
        (n,) Fold numbers.
    """
    keys = sampling.random_keys(tags, positions, seed)
    of_record = _strata(tags, positions, keys)
    _, of, size = np.unique(tags.group[positions], return_inverse=True, return_counts=True)
    by_rarity = np.lexsort((of_record, np.bincount(of_record)[of_record], of)) if len(of) else of
    rarest = of_record[by_rarity[np.flatnonzero(np.diff(of[by_rarity], prepend=-1))]]
    # largest first, dealt in turn: within a stratum, an earlier turn never gets less, and at most the size of the first
    # group more; the earliest turn goes to the smallest fold so far, so that differences do not add up
    order = np.lexsort((_least(of, keys), -size, rarest))
    stratum = rarest[order]
    turn = sampling.ranks(stratum) % k
    strata = int(stratum.max(initial=-1)) + 1
    loads = np.bincount(stratum * k + turn, size[order], strata * k).reshape(strata, k)
    total = np.zeros(k)
    taking = np.empty((strata, k), dtype=np.int64)
    for number in range(strata):
        taking[number] = np.argsort(total, kind="stable")
        total[taking[number]] += loads[number]
    fold = np.empty(len(order), dtype=np.int64)
    fold[order] = taking[stratum, turn]
    found: sampling.Codes = fold[of]
    return found


def set_apart(tags: Tags, positions: Positions, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which of these records are set apart: a share of every stratum, as closely as whole groups allow.

    Groups of several label sets come first, in random order, unless they take too much of one of them; groups of one
    label set make up the rest of each. No stratum loses its last group. A group larger than what is needed is skipped
    if there are smaller ones.

    Args:
        tags: Tags of the build.
        positions: (n,) Positions in the index.
        share: Share of the records, from 0 to 1.
        seed: Random seed.

    Returns:
        (n,) of bool.
    """
    keys = sampling.random_keys(tags, positions, seed)
    stratum = _strata(tags, positions, keys)
    _, of, size = np.unique(tags.group[positions], return_inverse=True, return_counts=True)
    key = _least(of, keys)
    strata = int(stratum.max(initial=-1)) + 1
    cells, counts = np.unique(of * strata + stratum, return_counts=True)  # records of each group in each stratum
    first = np.searchsorted(cells, np.arange(len(size) + 1) * strata)
    several = np.diff(first) > 1
    wanted = share * np.bincount(stratum, minlength=strata)
    staying = np.bincount(cells % max(strata, 1), minlength=strata)  # groups of each stratum
    chosen = np.zeros(len(size), dtype=bool)
    left = share * float(size[several].sum())
    for group in np.flatnonzero(several)[np.argsort(key[several], kind="stable")].tolist():
        mine = cells[first[group] : first[group + 1]] % strata
        held = counts[first[group] : first[group + 1]]
        if size[group] / 2 <= left and np.all(held / 2 <= wanted[mine]) and np.all(staying[mine] > 1):
            chosen[group] = True
            left -= float(size[group])
            wanted[mine] -= held
            staying[mine] -= 1
    alone = np.flatnonzero(~several)
    of_one = cells[first[alone]] % strata if len(alone) else alone
    order = np.lexsort((key[alone], of_one))
    owed = 0.0  # a surplus or deficit of one stratum is made up in the next
    for mine in np.split(order, np.flatnonzero(np.diff(of_one[order])) + 1) if len(order) else []:
        number = int(of_one[mine[0]])
        if staying[number] < 2:
            continue
        sizes = size[alone[mine]]
        goal = wanted[number] + owed
        fitting = np.flatnonzero(sizes <= max(goal, float(sizes.min())))
        reached = np.concatenate(([0], np.cumsum(sizes[fitting])))[: staying[number]]
        taken = int(np.argmin(np.abs(reached - goal)))
        chosen[alone[mine[fitting[:taken]]]] = True
        owed = goal - float(reached[taken])
    return chosen[of]


def _strata(tags: Tags, positions: Positions, keys: sampling.Keys) -> sampling.Codes:
    """The stratum of each record, numbered by smallest key: an order independent of the build's other subsets."""
    _, stratum = np.unique(sampling.strata(tags, positions), return_inverse=True)
    found: sampling.Codes = np.argsort(np.argsort(_least(stratum, keys), kind="stable"), kind="stable")[stratum]
    return found


def _least(codes: sampling.Codes, keys: sampling.Keys) -> sampling.Keys:
    """The smallest key of each code."""
    found = np.full(int(codes.max(initial=-1)) + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(found, codes, keys)
    return found
