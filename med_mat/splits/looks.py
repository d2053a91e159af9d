"""Near-duplicates between the two sides of a split, found again from perceptual hashes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from med_mat.imaging.hashing import BITS, orientations
from med_mat.leakage.components import components
from med_mat.leakage.near import CROWD, THRESHOLD, unpacked
from med_mat.storage.location import Location, read_index

Array = NDArray[Any]


class SetAside(NamedTuple):
    """The manifest's counts of perceptual hashes that the build does not link by."""

    threshold: int  # maximum number of bits in which near-duplicates differ
    common: int  # records of a hash that many patients share
    crowded: int  # images in a crowd of similar images

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> SetAside:
        """From the manifest of a build."""
        facts = manifest["near_duplicates"]
        return cls(
            min(facts["threshold"], THRESHOLD),
            facts.get("records of a common look", 0),
            facts.get("pictures in a crowd", 0),
        )


#: Maximum number of different hashes, both sides together, that are compared bit by bit: ten seconds on two cores.
COMPARED = 200_000
#: Number of comparisons up to which brute force is faster than building a hash table of pieces.
_PLAIN = 4 * 10**9
#: With 21 different bits, one of 11 pieces differs in at most one bit: no pair is missed. An audit uses faiss instead
#: of the build's own search (med_mat.leakage.hamming), so that it finds what that might miss.
_PIECES, _PIECE_BITS, _FLIPS = 11, 23, 1
_BATCH = 256
#: Maximum number of pairs per step: a crowd of identical blank images would fill the memory.
_FOUND = 2**25


def shared_looks(train: pa.Array, test: pa.Array, threshold: int = THRESHOLD) -> tuple[Array, Array]:
    """Which hashes of the two sides differ in at most ``threshold`` bits, flips and rotations included.

    Args:
        train: (n,) Different perceptual hashes, as hexadecimal text.
        test: (m,) The same of the other side.
        threshold: Maximum number of different bits, at most 21.

    Returns:
        Positions in train and in test, as two arrays of equal length.
    """
    import faiss

    if not len(train) or not len(test):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    one, other = unpacked(train.to_pylist()), unpacked(test.to_pylist())
    turned = np.concatenate(list(orientations(other)))
    index: Any = faiss.IndexBinaryFlat(BITS)
    if len(one) * len(turned) > _PLAIN:
        index = faiss.IndexBinaryMultiHash(BITS, _PIECES, _PIECE_BITS)
        index.nflip = _FLIPS
    index.add(turned)
    found = [np.zeros((2, 0), np.int64)]
    step = min(max(_FOUND // len(turned), 64), 4096)
    for start in range(0, len(one), step):
        limits, _, hit = index.range_search(one[start : start + step], threshold + 1)  # faiss excludes the limit
        query = np.repeat(np.arange(len(limits) - 1), np.diff(limits.astype(np.int64)))
        found.append(np.unique(np.stack([query + start, hit % len(other)]), axis=1))
    first, second = np.concatenate(found, axis=1)
    return first, second


def set_aside(location: Location, looks: Sequence[str], pairs: tuple[Array, Array], counted: SetAside) -> Array:
    """Which of these hashes a build does not link records by, although they are similar.

    A hash shared by more than :data:`~med_mat.leakage.groups.COMMON_LOOK` patients of a source links no records, nor do
    its neighbors: if the build has such hashes, those of known patients are not violations. The same applies to crowds
    of at least :data:`~med_mat.leakage.near.CROWD` images within the threshold. Only hashes on both sides are checked;
    a correct build has no others there.

    Args:
        location: Location of the build.
        looks: Different perceptual hashes.
        pairs: Positions of matching hashes.
        counted: The build's counts of hashes that it set aside.
    """
    found = np.zeros(len(looks), dtype=bool)
    if not counted.common and not counted.crowded:
        return found
    table = read_index(location, ["perceptual_hash", "patient"])
    table = table.filter(pc.is_valid(table["perceptual_hash"]))
    if counted.common:
        of_patients = table["perceptual_hash"].filter(pc.is_valid(table["patient"]))
        found |= np.asarray(pc.is_in(pa.array(looks, pa.string()), of_patients)).astype(bool)
    if counted.crowded:
        known = unpacked(pc.unique(table["perceptual_hash"]).to_pylist())
        found |= _neighbors(known, unpacked(looks), counted.threshold) >= CROWD
    alike = components(len(looks), *pairs)
    return np.isin(alike, alike[found])


def _neighbors(known: Array, hashes: Array, threshold: int) -> Array:
    """How many of the known hashes are within the threshold of each of these, including flips and rotations."""
    import faiss

    index = faiss.IndexBinaryFlat(BITS)
    index.add(known)
    counts = np.zeros(len(hashes), dtype=np.int64)
    for start in range(0, len(hashes), _BATCH):
        for turned in orientations(hashes[start : start + _BATCH]):
            counts[start : start + _BATCH] += np.diff(index.range_search(turned, threshold + 1)[0].astype(np.int64))
    return counts
