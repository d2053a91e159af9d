"""Features of images: the whole way from stored bytes to the cache against the bare loop of the network."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from benchmarks.timing import compare, peak_memory, table
from med_mat.errors import MissingExtraError
from med_mat.experiment.probe import encoders, features

#: How many images, their side, and the quality of their JPEGs.
IMAGES, SIDE, QUALITY = 256, 512, 90
ENCODERS = ("lite0", "pixels")


class Made:
    """Images as an opened Med-MAT gives them."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.files: list[bytes] = []
        for _ in range(IMAGES):
            coarse = random.integers(0, 255, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
            buffer = io.BytesIO()
            picture = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            picture.save(buffer, "JPEG", quality=QUALITY)
            self.files.append(buffer.getvalue())

    def facts(self, positions: Any, columns: Sequence[str]) -> pa.Table:
        return pa.table({name: [f"{name} {place}" for place in positions] for name in columns})

    def read(self, positions: Any, columns: Sequence[str]) -> list[dict[str, Any]]:
        del columns
        return [{"id": str(place), "image": {"bytes": self.files[place]}} for place in positions]


def main() -> None:
    made, positions = Made(), np.arange(IMAGES)
    for name in ENCODERS:
        try:
            encoder = encoders.load(name)
        except MissingExtraError as error:
            print(f"\n{name}: {error}")
            continue
        prepared = list(features.batches(made, positions, encoder))
        with tempfile.TemporaryDirectory() as folder:
            run(made, encoder, prepared, Path(folder))
    print(f"  at most {peak_memory():,} MB")


def run(made: Made, encoder: encoders.Encoder, prepared: list[encoders.Bytes], folder: Path) -> None:
    positions = np.arange(IMAGES)

    def ours() -> None:
        shutil.rmtree(folder / "features", ignore_errors=True)
        features.features(made, positions, encoder, folder, shown=False)

    def by_hand() -> None:
        for start in range(0, IMAGES, features.BATCH):
            batch = [encoder.prepare(data) for data in made.files[start : start + features.BATCH]]
            encoder.encode(np.stack(batch))

    best = compare(
        {
            "ours: bytes to the cache": ours,
            "bare: the network on prepared batches": lambda: [encoder.encode(batch) for batch in prepared],
            "by hand: decode, resize, encode, in turn": by_hand,
        }
    )
    table(f"{encoder.name}: {IMAGES:,} JPEGs of {SIDE} x {SIDE}", best, per=IMAGES, unit="images")
    again = compare({"a second time, from the cache": lambda: features.features(made, positions, encoder, folder)})
    table(f"{encoder.name}: nothing to encode", again, per=IMAGES, unit="images")


if __name__ == "__main__":
    main()
