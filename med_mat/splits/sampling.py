"""Seeded, balanced sampling of records.

Whether a record is sampled depends only on the seed and the record's own key (source, row, content of the raw file): it
does not change when other sources or records are added or removed, without file names, across machines or versions of
numpy. Records of identical files have the same key; of these, the earlier in the index comes first.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
import numpy.typing as npt

from med_mat.tags import Positions, Tags
from med_mat.taxonomy import DRAWN

Keys = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.int64]
#: What samples are balanced over, before they are balanced over label sets.
Even = Literal["subset", "source"]
#: Minimum number of label sets of a balanced test of findings, if the records have them: as many as options.
FEWEST_LABEL_SETS = 4
#: The largest 64-bit key that a float represents exactly.
_MOST = 2.0**64 - 2.0**11


def take(tags: Tags, positions: Positions, size: int, seed: int, even: Even = "subset") -> Positions:
    """``size`` of the positions, balanced over subsets or sources, and within each over label sets; ascending.

    A stratum that runs out leaves its share to the others. A larger sample contains a smaller one.
    """
    if size >= len(positions):
        return positions
    unit, keys = units(tags, positions, even), random_keys(tags, positions, seed)
    first = _first(tags, positions, unit, keys, np.full(1, size))
    arranged, _ = _order(tags, positions[first], unit[first], keys[first])
    return np.sort(arranged[:size])


def max_per_subset(tags: Tags, positions: Positions, limit: int, seed: int) -> Positions:
    """At most ``limit`` of each subset, balanced over its label sets as far as possible; ascending."""
    unit, keys = units(tags, positions), random_keys(tags, positions, seed)
    first = _first(tags, positions, unit, keys, np.bincount(unit).clip(max=limit))
    arranged, turn = _order(tags, positions[first], unit[first], keys[first])
    return np.sort(arranged[turn < limit])


def shots(tags: Tags, positions: Positions, k: int, seed: int) -> Positions:
    """``k`` of each label set of each subset, or all if there are fewer; ascending.

    A larger k contains a smaller one.
    """
    stratum = strata(tags, positions)
    by_key = np.argsort(random_keys(tags, positions, seed), kind="stable")
    return np.sort(positions[by_key[ranks(stratum[by_key]) < k]])


def equal_per_label(tags: Tags, positions: Positions, seed: int) -> Positions:
    """The same number of each label within each subset: that of the rarest label; ascending.

    For findings the classes are label sets, most of them rare: :func:`common` says how many of the most frequent are
    kept. Rows of boxes and masks are not balanced.
    """
    kept = []
    unit = units(tags, positions)
    for code in np.unique(unit):
        mine = positions[unit == code]
        kinds = {tags.facts[int(row)].annotation for row in np.unique(tags.row[mine])}
        if kinds & set(DRAWN):
            kept.append(mine)
            continue
        counts = np.bincount(tags.label[mine])
        falling = np.sort(counts[counts > 0])[::-1]
        each = int(falling[common(falling) - 1 if "findings" in kinds else -1])
        shuffled = mine[np.argsort(random_keys(tags, mine, seed), kind="stable")]
        label = tags.label[shuffled].astype(np.int64)
        kept.append(shuffled[(ranks(label) < each) & (counts[label] >= each)])
    return np.sort(np.concatenate(kept)) if kept else positions


def common(falling: Codes) -> int:
    """How many label sets a balanced test of findings has, the most frequent first; each then has the last one's count.

    At least as many as a question has options, if there are that many; beyond these, the number that keeps the most
    records.

    Args:
        falling: Number of records of each label set, in descending order.
    """
    least = min(len(falling), FEWEST_LABEL_SETS)
    # of equal numbers of records, the one with more label sets: the last maximum
    kept = (falling * np.arange(1, len(falling) + 1))[least - 1 :]
    return len(falling) - int(np.argmax(kept[::-1]))


def units(tags: Tags, positions: Positions, even: Even = "subset") -> Codes:
    """A code for the subset, or the source, of each record; a row without a subset has a code of its own."""
    table = np.zeros(max(tags.facts, default=0) + 1, dtype=np.int64)
    codes: dict[object, int] = {}
    for number, row in tags.facts.items():
        one = row.source if even == "source" else row.subset
        table[number] = codes.setdefault(("row", number) if one is None else one, len(codes))
    return table[tags.row[positions]]


def strata(tags: Tags, positions: Positions) -> Codes:
    """A code for subset and label set of each record."""
    return units(tags, positions) * len(tags.label_sets) + tags.label[positions]


def ranks(codes: Codes) -> Codes:
    """How many earlier entries have the same code."""
    arranged = np.argsort(codes, kind="stable")
    _, starts, sizes = np.unique(codes[arranged], return_index=True, return_counts=True)
    found = np.empty(len(codes), dtype=np.int64)
    found[arranged] = np.arange(len(codes)) - np.repeat(starts, sizes)
    return found


def random_keys(tags: Tags, positions: Positions, seed: int) -> Keys:
    """A random number for each of these records: its key, mixed with the seed (the finalizer of SplitMix64)."""
    # as hexadecimal digits: exact for integers of any length
    salt = np.frombuffer(hashlib.blake2b(f"{seed:x}".encode(), digest_size=8).digest(), np.dtype("<u8"))
    return _mix(tags.key[positions] ^ salt.astype(np.uint64))


def _order(tags: Tags, positions: Positions, unit: Codes, keys: Keys) -> tuple[Positions, Codes]:
    """The positions in an order of which every prefix is balanced, and the turn of each within its subset."""
    by_key = np.argsort(keys, kind="stable")
    positions, unit = positions[by_key], unit[by_key]
    # within a subset: first one record of each label set, then a second one of each
    by_label = np.argsort(ranks(unit * len(tags.label_sets) + tags.label[positions]), kind="stable")
    turn = np.empty(len(positions), dtype=np.int64)
    turn[by_label] = ranks(unit[by_label])
    by_turn = np.argsort(turn, kind="stable")
    return positions[by_turn], turn[by_turn]


def _first(tags: Tags, positions: Positions, unit: Codes, keys: Keys, sizes: Codes) -> Codes:
    """Which of the positions can be among the first of :func:`_order`, so that not all of them need be sorted.

    Args:
        tags: Tags of the build.
        positions: (n,) Positions in the index.
        unit: (n,) Unit of each of them.
        keys: (n,) Random key of each of them.
        sizes: Number wanted of each unit, or (of length 1) of all units together.
    """
    stratum = unit * len(tags.label_sets) + tags.label[positions]
    counts = np.bincount(stratum)
    strata = np.flatnonzero(counts)
    of_unit = strata // max(len(tags.label_sets), 1)
    whole = np.bincount(unit)
    each = whole.clip(max=_level(whole, int(sizes[0]))) if len(sizes) == 1 else sizes
    wanted = np.zeros(len(counts), dtype=np.int64)
    for code in np.unique(of_unit):
        mine = strata[of_unit == code]
        wanted[mine] = counts[mine].clip(max=_level(counts[mine], int(each[code])))
    share = (wanted + 8 * np.sqrt(wanted) + 32) / counts.clip(min=1)
    while True:
        threshold = (share.clip(max=1) * _MOST).astype(np.uint64)
        kept = np.flatnonzero(keys <= threshold[stratum])
        if np.all(np.bincount(stratum[kept], minlength=len(counts)) >= wanted):
            return kept
        share *= 2


def _level(counts: Codes, size: int) -> int:
    """The smallest level at which the counts, clipped to it, add up to the size."""
    low, high = 0, int(counts.max(initial=0))
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if counts.clip(max=middle).sum() >= size else (middle + 1, high)
    return low


def _mix(numbers: Keys) -> Keys:
    with np.errstate(over="ignore"):
        mixed = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found: Keys = mixed ^ (mixed >> np.uint64(31))
        return found
