"""The groups of two million pictures, a tenth of them copies, some turned by 7 degrees: time, memory, and recall."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from benchmarks.timing import peak_memory
from med_mat.imaging.descriptor import LENGTH
from med_mat.imaging.hashing import BITS, orientations
from med_mat.leakage.groups import find_groups
from med_mat.leakage.near import THRESHOLD
from med_mat.leakage.thumbnails import SIDE, Thumbnails

PICTURES = 2_000_000
SOURCES, MODALITIES = 97, 8  # of sizes that fall as those of the catalog do
HASHED = 10  # one in so many is a copy that the hash finds
TRANSFORMED = 100  # one in so many is a copy that only the descriptor finds
ALIKE = 20_000  # frames of a video that stands still
SHOWN = 997  # different thumbnails


class Shown(Thumbnails):
    """Thumbnails without eight gigabytes of files."""

    def __init__(self, picture: NDArray[Any]) -> None:
        random = np.random.RandomState(0)
        spots = random.randint(0, 256, (SHOWN, 12, 12)).astype(np.uint8)
        shown = [Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for one in spots]
        turned = [one.rotate(7, Image.Resampling.BILINEAR) for one in shown]
        self._shown = np.stack([np.asarray(one) for one in (*shown, *turned)])
        self._picture = picture

    def take(self, positions: NDArray[Any]) -> NDArray[np.uint8]:
        return np.asarray(self._shown[self._picture[positions]])


def main() -> None:
    pictures = int(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[1] == Path(__file__).stem else PICTURES
    random = np.random.RandomState(0)
    hashes = random.randint(0, 256, (pictures, BITS // 8)).astype(np.uint8)
    originals, copies = np.arange(pictures // HASHED), np.arange(pictures - pictures // HASHED, pictures)
    noise = np.packbits(random.rand(len(copies), BITS) < THRESHOLD / BITS / 2, axis=1)  # half the threshold, on average
    hashes[copies] = np.choose(random.randint(0, 8, (len(copies), 1)), list(orientations(hashes[originals] ^ noise)))
    video = slice(pictures // 2, pictures // 2 + ALIKE * pictures // PICTURES)
    hashes[video] = hashes[pictures // 2] ^ np.packbits(random.rand(video.stop - video.start, BITS) < 0.02, axis=1)
    # of real pictures, the typical distance is 1.15 x 64, that to a turned copy half of it
    descriptors = np.rint(random.standard_normal((pictures, LENGTH)) * 64 * 1.15 / np.sqrt(2 * LENGTH)).astype(np.int8)
    first = np.arange(pictures // 4, pictures // 4 + pictures // TRANSFORMED)
    second = first + pictures // 10
    descriptors[second] = descriptors[first] + np.rint(random.standard_normal((len(first), LENGTH)) * 3.5)
    which = np.arange(pictures) % SHOWN
    which[second] = which[first] + SHOWN
    source = np.sort(random.zipf(1.3, pictures) % SOURCES)
    place = random.permutation(pictures)  # a picture's original lies in any source
    text = pa.array([f"{number:08}" for number in range(pictures)])
    names = pa.array([f"s{number:02}" for number in range(SOURCES)])
    kinds = pa.array([f"m{number}" for number in range(MODALITIES)])
    records = pa.table(
        {
            "id": text,
            "image_id": text,
            "source": names.take(pa.array(source)),
            "path": text,
            "patient_key": pa.nulls(pictures, pa.string()),
            "sha256": text,
            "pixel_hash": text,
            "perceptual_hash": pa.array([hashes[one].tobytes().hex() for one in place]),
            "modality": kinds.take(pa.array(source % MODALITIES)),
            "descriptor": pa.array([descriptors[one].tobytes() for one in place], pa.binary()),
            "image": pa.array(place),
        }
    )
    del hashes, descriptors
    print(f"\n{pictures:,} pictures in {SOURCES} sources, peak memory before {peak_memory():,} MB", flush=True)
    start = time.perf_counter()
    found = find_groups(records, {}, Shown(which), progress=sys.stderr.isatty())
    took = time.perf_counter() - start
    where = np.argsort(place)
    groups = np.asarray(found.numbers)[where]
    modality = (source % MODALITIES)[where]
    same = modality[first] == modality[second]
    print(
        f"{found.links.num_rows:,} links in {took:.0f} s, peak memory {peak_memory():,} MB; found: "
        f"{(groups[originals] == groups[copies]).mean():.1%} of copies that the hash finds, "
        f"{(groups[first] == groups[second])[same].mean():.1%} of those turned by 7 degrees within one modality; "
        f"{found.counts}"
    )


if __name__ == "__main__":
    main()
