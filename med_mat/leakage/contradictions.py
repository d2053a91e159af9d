"""Contradictions: two records of one image with mutually exclusive labels.

Two images count as one if they are the same file, have the same pixels, or are near-duplicates (a link of the kind
"same picture"); if they share a published id, only if they are near-duplicates too. Within one patient, only equal
images can contradict each other: near-duplicates there are neighboring slices or frames. Slices of one file never do,
nor do the records of one image in several rows.

Two records of one image contradict each other

- in one row of classes or grades, if their labels differ: these are mutually exclusive;
- in one row of findings, boxes or masks, if a label is absent in one and present in the other;
- in two rows, if one denies a label of the other. Findings, boxes and masks deny their absent labels. A class that
  means no finding, or the absence of something ("Normal", "No COVID-19"), denies the labels that its row knows. Any
  other class denies another one only if both rows know both labels, and grades are on one scale.

Between rows, two labels never contradict each other if they are synonyms, or if one contains the other or cannot be
distinguished from it (``data/synonyms.yaml``): Pneumonia and Lung opacity, Normal and Benign. Unknown labels contradict
nothing.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from med_mat import catalog
from med_mat.catalog import Row
from med_mat.example import FRAME
from med_mat.leakage.components import components
from med_mat.leakage.links import LINK_SCHEMA, encoded
from med_mat.leakage.near import THRESHOLD, unpacked
from med_mat.questions import Synonyms
from med_mat.raw.names import folded

Array = NDArray[Any]

#: The columns that are read of every record.
COLUMNS = (
    "id", "image_id", "source", "path", "row", "split", "label", "labels", "labels_absent", "perceptual_hash",
)  # fmt: skip
#: The columns of ``duplicates.parquet``.
SCHEMA = pa.schema(
    [
        *(one for one in LINK_SCHEMA if one.name != "known"),
        ("contradictory", pa.bool_()),  # the labels of the two records are mutually exclusive
    ]
)
#: Reasons that prove two images to be equal, regardless of labels and patients.
EQUAL = ("same file", "same pixels")
SAME_PICTURE = "same picture"


@dataclass(frozen=True, slots=True)
class Stated:
    """The labels of a record."""

    row: int
    label: str | None  # classes and grades
    present: frozenset[str]
    absent: frozenset[str]

    def __str__(self) -> str:
        return self.label or "; ".join(sorted(self.present)) or "nothing found"


@dataclass(frozen=True, slots=True)
class Contested:
    """The contradictions that involve a source."""

    pairs: int
    apart: int  # number of pairs whose records are on different sides
    reasons: Mapping[str, int]
    first: str

    def __str__(self) -> str:
        apart = f", {self.apart:,} of them between different splits" if self.apart else ""
        return f"one image, two labels: {self.pairs:,} pair{'s'[: self.pairs != 1]}{apart}, first: {self.first}"


def contradict(one: Stated, other: Stated, rows: Mapping[int, Row], synonyms: Synonyms) -> bool:
    """Whether two records of one image contradict each other.

    Args:
        one: the labels of a record.
        other: the labels of another record.
        rows: the rows of the catalog by number, with the labels that they know.
        synonyms: decides which labels may both be right.
    """
    if one.row == other.row:
        if one.label is not None and other.label is not None:
            return one.label != other.label
        return bool(one.present & other.absent or other.present & one.absent)
    return _denies(one, other, rows, synonyms) or _denies(other, one, rows, synonyms)


def _denies(one: Stated, other: Stated, rows: Mapping[int, Row], synonyms: Synonyms) -> bool:
    """Whether a record denies a label that a record of another row gives the same image."""

    def knows(row: int, label: str) -> bool:
        return row in rows and any(synonyms.overlap(name, label) for name in rows[row].names)

    for label in other.present:
        if any(synonyms.clash(label, own) for own in one.present):
            continue
        if one.label is None:
            if not synonyms.means_nothing(label) and any(synonyms.same(label, name) for name in one.absent):
                return True
        elif synonyms.denies(one.label, label):
            if knows(one.row, label):
                return True
        elif other.label is not None and knows(one.row, label) and knows(other.row, one.label):
            scales = {rows[row].names if rows[row].kind == "grades" else () for row in (one.row, other.row)}
            if len(scales) == 1:
                return True
    return False


def settle(links: pa.Table, records: pa.Table, rows: Iterable[Row] | None = None) -> pa.Table:
    """The links to report: contradictions are marked, and redundant links are dropped.

    A link between records of one patient (``known``) is kept only if its records are on different sides of a split, or
    if it belongs to an image with contradictory labels. If the two records of a link do not contradict each other, but
    others of the same images do, it names those instead. Equal images that contradict each other get a link if they
    have none.

    Args:
        links: the columns of :data:`SCHEMA` without ``contradictory``, plus ``known`` (bool).
        records: the columns :data:`COLUMNS` of all records, in the order of the index.
        rows: the rows of the catalog; None: all that are installed.

    Returns:
        The columns of :data:`SCHEMA`, in the order of casefolded ids.
    """
    pictures = _Pictures(links, records, catalog.load().rows if rows is None else rows)
    facts = links.select(["reason", "distance", "score", "kind", "known"]).to_pydict()
    ends = list(zip(pictures.first.tolist(), pictures.second.tolist(), strict=True))
    contradictory = [False] * len(ends)
    told: set[tuple[int, int, int]] = set()
    for place in np.flatnonzero(pictures.comparable(links)).tolist():
        found = pictures.contradiction(*ends[place], equal=facts["reason"][place] in EQUAL)
        if found is not None:
            contradictory[place] = True
            ends[place] = found
            told.add(pictures.dispute(*found))
    for pair in pictures.unlinked(told):
        ends.append(pair)
        contradictory.append(True)
        for name, value in (("reason", EQUAL[1]), ("distance", None), ("score", None), ("kind", SAME_PICTURE),
                            ("known", False)):  # fmt: skip
            facts[name].append(value)
    first, second = np.array(ends, dtype=np.int64).reshape(-1, 2).T
    marked = np.array(contradictory, dtype=bool)
    equals = np.isin(np.array(facts["reason"], dtype=object), EQUAL)
    contested = np.isin(pictures.whole[first], pictures.whole[np.concatenate([first[marked], second[marked]])])
    apart = pictures.side[first] != pictures.side[second]
    kept = np.flatnonzero(~np.array(facts["known"], dtype=bool) | apart | marked | (contested & equals))
    first, second = np.minimum(first, second), np.maximum(first, second)
    kept = kept[np.lexsort((second[kept], first[kept]))]
    names = {
        f"{side}{ending}": pictures.records[column].take(pa.array(places[kept]))
        for ending, column in (("", "id"), ("_source", "source"))
        for side, places in (("first", first), ("second", second))
    }
    others = {
        name: pa.array(facts[name], SCHEMA.field(name).type).take(pa.array(kept))
        for name in ("reason", "distance", "score", "kind")
    }
    return pa.table({**names, **others, "contradictory": marked[kept]}).select(SCHEMA.names).cast(SCHEMA)


def count(links: pa.Table, records: pa.Table) -> dict[str, Contested]:
    """The contradictions by source; a pair between two sources counts for both.

    Args:
        links: the columns of :data:`SCHEMA`, from :func:`settle`.
        records: the columns :data:`COLUMNS` of all records.
    """
    found = links.filter(links["contradictory"])
    places = np.flatnonzero(pc.is_in(records["id"], pa.chunked_array([*found["first"].chunks, *found["second"].chunks],
                                                                       pa.string())))  # fmt: skip
    part = records.take(pa.array(places))
    sides = dict(zip(part["id"].to_pylist(), part["split"].to_pylist(), strict=True))
    words = dict(zip(part["id"].to_pylist(), map(str, _stated(part)), strict=True))
    by_source: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for link in found.to_pylist():
        for source in {link["first_source"], link["second_source"]}:
            by_source[source].append(link)
    return {
        source: Contested(
            len(mine),
            sum(sides[link["first"]] != sides[link["second"]] for link in mine),
            dict(Counter(link["reason"] for link in mine)),
            " = ".join(f"{mine[0][end]} ({words[mine[0][end]]})" for end in ("first", "second")),
        )
        for source, mine in sorted(by_source.items())
    }


class _Pictures:
    """The records of linked images. All numbers are positions among these, in the order of casefolded ids."""

    def __init__(self, links: pa.Table, records: pa.Table, rows: Iterable[Row]) -> None:
        ends = pa.chunked_array([*links["first"].chunks, *links["second"].chunks], pa.string())
        named = np.flatnonzero(pc.is_in(records["id"], pc.unique(ends)))
        images = pc.unique(records["image_id"].take(pa.array(named)))
        part = records.filter(pc.is_in(records["image_id"], images))
        names = part["id"].to_pylist()
        by_id = sorted(range(len(names)), key=lambda one: (folded(names[one]), names[one]))
        self.records = part.take(pa.array(by_id, pa.int64())).combine_chunks()
        self.first, self.second = (
            np.asarray(pc.index_in(links[end], self.records["id"].combine_chunks()), dtype=np.int64)
            for end in ("first", "second")
        )
        self.side = encoded(self.records["split"])
        image = np.asarray(pc.index_in(self.records["image_id"], images), dtype=np.int64)
        equal = np.isin(links["reason"].to_numpy(zero_copy_only=False), EQUAL)
        self.image = image
        whole = components(len(images), image[self.first[equal]], image[self.second[equal]])
        self.whole = whole[image]  # one number for all copies of the same pixels
        self._of_image, self._of_whole = _members(image), _members(self.whole)
        without = pc.replace_substring_regex(self.records["path"], FRAME, "")
        self._file = encoded(pc.binary_join_element_wise(self.records["source"], without, "/"))
        stated = _stated(self.records)
        kinds = {one: number for number, one in enumerate(dict.fromkeys(stated))}
        self._state = [kinds[one] for one in stated]
        every, by_number, synonyms = list(kinds), {row.number: row for row in rows}, Synonyms()

        @functools.cache
        def clash(one: int, other: int) -> bool:
            return contradict(every[one], every[other], by_number, synonyms)

        self._clash = clash

    def comparable(self, links: pa.Table) -> Array:
        """Which links say that two images are the same with enough certainty to compare their labels."""
        reason = links["reason"].to_numpy(zero_copy_only=False)
        equal = np.isin(reason, EQUAL)
        same = links["kind"].to_numpy(zero_copy_only=False) == SAME_PICTURE
        known = links["known"].to_numpy(zero_copy_only=False).astype(bool)
        identified = reason == "shared id"
        alike = self._alike(np.flatnonzero(identified))
        found: Array = equal | (same & ~known & ~identified) | (alike & ~known)
        return found

    def contradiction(self, first: int, second: int, *, equal: bool) -> tuple[int, int] | None:
        """The records of a link that contradict each other: its own, or others of its images.

        Args:
            first: a record.
            second: another record.
            equal: whether the two have the same pixels; otherwise all records with the pixels of either are compared.
        """
        if self._file[first] == self._file[second]:
            return None
        own = (self._of_image[self.image[one]] for one in (first, second))
        copies = (self._of_whole[self.whole[one]] for one in (first, second))
        for one, other in ((first, second), *self._crossed(*own), *(() if equal else self._crossed(*copies))):
            if self._clash(*self._states(one, other)):
                return one, other
        return None

    def dispute(self, first: int, second: int) -> tuple[int, int, int]:
        """The image of two equal records, and the states of both."""
        return int(self.whole[first]), *self._states(first, second)

    def unlinked(self, told: Collection[tuple[int, int, int]]) -> Iterator[tuple[int, int]]:
        """Pairs of equal images with a contradiction that is not among ``told``: the first pair of each."""
        for members in self._of_whole.values():
            if len({self._state[one] for one in members}) == 1:
                continue
            found: set[tuple[int, int, int]] = set()
            for one, other in itertools.combinations(self._few(members), 2):
                dispute = self.dispute(one, other)
                if self._file[one] == self._file[other] or dispute in told or dispute in found:
                    continue
                if self._clash(*dispute[1:]):
                    found.add(dispute)
                    yield one, other

    def _few(self, members: Iterable[int]) -> list[int]:
        """At most two records of each state, from different files: enough to find any contradiction."""
        files: defaultdict[int, set[int]] = defaultdict(set)
        kept = []
        for one in members:
            known = files[self._state[one]]
            if len(known) < 2 and int(self._file[one]) not in known:
                known.add(int(self._file[one]))
                kept.append(one)
        return kept

    def _crossed(self, first: Iterable[int], second: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Pairs of records of both sides, one for each pair of states."""
        mine, others = ({self._state[one]: one for one in reversed(list(side))} for side in (first, second))
        yield from itertools.product(mine.values(), others.values())

    def _states(self, first: int, second: int) -> tuple[int, int]:
        one, other = sorted((self._state[first], self._state[second]))
        return one, other

    def _alike(self, places: Array) -> Array:
        """Which of these links join perceptual hashes within the threshold; False for all others."""
        found = np.zeros(len(self.first), dtype=bool)
        looks = self.records["perceptual_hash"]
        one, other = (looks.take(pa.array(end[places])) for end in (self.first, self.second))
        seen = np.asarray(pc.and_(one.is_valid(), other.is_valid())).astype(bool)
        if seen.any():
            hashes = (unpacked(side.filter(pa.array(seen)).to_pylist()) for side in (one, other))
            found[places[seen]] = np.unpackbits(np.bitwise_xor(*hashes), axis=1).sum(axis=1) <= THRESHOLD
        return found


def _members(codes: Array) -> dict[int, list[int]]:
    """The positions of each code."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for place, code in enumerate(codes.tolist()):
        found[code].append(place)
    return dict(found)


def _stated(records: pa.Table) -> list[Stated]:
    """The labels of each record."""

    @functools.cache
    def stated(row: int, label: str | None, present: tuple[str, ...], absent: tuple[str, ...]) -> Stated:
        return Stated(row, label, frozenset(present), frozenset(absent))

    facts = (records[name].to_pylist() for name in ("row", "label", "labels", "labels_absent"))
    return [
        stated(row, label, tuple(present or ()), tuple(absent or ()))
        for row, label, present, absent in zip(*facts, strict=True)
    ]
