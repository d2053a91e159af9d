"""Links between images that are transformed copies (rotated, shifted, zoomed, inverted) or neighboring slices."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from med_mat.imaging.descriptor import LENGTH
from med_mat.leakage.candidates import candidates
from med_mat.leakage.compare import COPY_SCORE, LEAST_SCORE, compare
from med_mat.leakage.components import components
from med_mat.leakage.links import REASONS, Edges, edges
from med_mat.leakage.thumbnails import Thumbnails
from med_mat.progress import Bar

Array = NDArray[Any]

_TRANSFORMED, _SCAN = REASONS.index("transformed"), REASONS.index("same scan")
_BATCH = 1024
_THREADS = 2


def transformed(
    images: pa.Table, source: Array, known: Array, found: Edges, thumbnails: Thumbnails, *, progress: bool = False
) -> tuple[Edges, dict[str, int]]:
    """Pairs whose thumbnails match after alignment, and the number of pairs compared, for the manifest.

    Which pairs of a source are compared does not depend on the rest of the build. If an image has copies within its
    source, only the first of them is compared.

    Args:
        images: a table with ``modality``, ``descriptor`` and ``image`` (the position of the thumbnail).
        source: (n,) int: the source of each image.
        known: (n,) int: for each image, the number of its patient or raw file.
        found: pairs that are already linked.
        thumbnails: the thumbnails of the images.
        progress: whether to show a progress bar.
    """
    count = images.num_rows
    own = found.chosen(source[found.first] == source[found.second])
    pictures = components(count, own.first, own.second)
    seen = np.flatnonzero(np.asarray(pc.and_(pc.is_valid(images["descriptor"]), pc.is_valid(images["image"]))))
    seen = seen[np.sort(np.unique(pictures[seen], return_index=True)[1])]
    chosen = images.take(pa.array(seen))
    data = b"".join(chosen["descriptor"].to_pylist())
    modality = np.asarray(pc.dictionary_encode(chosen["modality"]).combine_chunks().indices)
    first, second = candidates(np.frombuffer(data, np.int8).reshape(-1, LENGTH), source[seen], modality)
    first, second = seen[first], seen[second]
    linked = components(count, found.first, found.second)
    new = (known[first] != known[second]) & ((source[first] == source[second]) | (linked[first] != linked[second]))
    first, second = first[new], second[new]
    places = np.asarray(pc.fill_null(images["image"], -1))
    scores = _scores(places[first], places[second], thumbnails, progress)
    alike = scores >= LEAST_SCORE
    reason = np.where(scores >= COPY_SCORE, _TRANSFORMED, _SCAN)[alike]
    counts = {"pairs compared": len(first), "pairs alike": int(alike.sum())}
    return edges(reason, first[alike], second[alike], score=scores[alike]), counts


def _scores(first: Array, second: Array, thumbnails: Thumbnails, progress: bool) -> Array:
    starts = range(0, len(first), _BATCH)

    def compared(start: int) -> Array:
        part = slice(start, start + _BATCH)
        return compare(thumbnails.take(first[part]), thumbnails.take(second[part]))

    found = [np.zeros(0, np.float32)]
    with (
        ThreadPoolExecutor(_THREADS) as pool,
        Bar(len(first), desc="copies compared", unit="pairs", shown=progress) as bar,
    ):
        for part in pool.map(compared, starts):
            found.append(part)
            bar.update(len(part))
    return np.concatenate(found)
