"""Near-duplicates among two million hashes, a tenth of them copies, flipped or not: time, memory, and what is found."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.timing import peak_memory
from med_mat.leakage.fingerprint import BITS, turns
from med_mat.leakage.near import THRESHOLD, near_links

HASHES = 2_000_000
ALIKE = 20_000  # frames of a video that stands still


def main() -> None:
    random = np.random.RandomState(0)
    hashes = random.randint(0, 256, (HASHES, BITS // 8)).astype(np.uint8)
    originals, copies = np.arange(HASHES // 10), np.arange(HASHES - HASHES // 10, HASHES)
    noise = np.packbits(random.rand(len(copies), BITS) < THRESHOLD / BITS / 2, axis=1)  # half the threshold, on average
    hashes[copies] = np.choose(random.randint(0, 8, (len(copies), 1)), list(turns(hashes[originals] ^ noise)))
    video = slice(HASHES // 2, HASHES // 2 + ALIKE)
    hashes[video] = hashes[HASHES // 2] ^ np.packbits(random.rand(ALIKE, BITS) < 0.02, axis=1)
    start = time.perf_counter()
    links = near_links(hashes, np.arange(HASHES))
    took = time.perf_counter() - start
    print(
        f"\n{HASHES:,} hashes, {len(copies):,} copies (seven of eight turned), {ALIKE:,} frames alike: "
        f"{len(links.first):,} links ({links.turned.sum():,} turned) in {took:.0f} s, peak memory {peak_memory():,} MB"
    )


if __name__ == "__main__":
    main()
