"""Bytes through: a whole build (sha256, header check, questions, ledger, index, card) against bare loops."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.timing import compare, table
from med_mat.building import Options, build, find
from med_mat.imaging.decoding import Check
from med_mat.imaging.hashing import look

#: Like the slices of CT Kidney, and like the radiographs of NIH: how many, how large, in which form.
CASES = ((6_000, 512, "RGB", 80), (1_500, 1_024, "L", 92))


def raw_folder(root: Path, images: int, side: int, mode: str, quality: int) -> Path:
    """JPEGs in the layout of CT Kidney."""
    random = np.random.default_rng(0)
    top = root / "CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone" / "CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone"
    shape = (side // 4, side // 4, 3) if mode == "RGB" else (side // 2, side // 2)
    for number in range(images):
        label = ("Cyst", "Normal", "Stone", "Tumor")[number % 4]
        coarse = random.integers(0, 255, shape, dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        path = top / label / f"{label}- ({number}).jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
    return root


def bare(paths: list[Path], out: Path) -> None:
    """Read, hash and write, with nothing else: what the machine can do."""
    schema = pa.schema(
        [
            ("label", pa.string()),
            ("sha256", pa.string()),
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ]
    )
    with pq.ParquetWriter(out, schema, compression="none", use_dictionary=False) as writer:
        for start in range(0, len(paths), 100):
            rows = []
            for path in paths[start : start + 100]:
                data = path.read_bytes()
                digest = hashlib.sha256(data).hexdigest()
                rows.append({"label": path.parent.name, "sha256": digest, "image": {"bytes": data, "path": path.name}})
            writer.write_table(pa.Table.from_pylist(rows, schema))


def from_generator(paths: list[Path], out: Path) -> None:
    """What a user of ``datasets`` would write."""
    import datasets

    def rows() -> object:
        for path in paths:
            yield {"image": {"bytes": path.read_bytes(), "path": path.name}, "label": path.parent.name}

    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    cache = tempfile.mkdtemp(dir=out.parent)
    datasets.disable_progress_bars()
    datasets.Dataset.from_generator(rows, features=features, cache_dir=cache).to_parquet(str(out))
    shutil.rmtree(cache)


def decode(paths: list[Path]) -> None:
    """Nothing but the pixels."""
    for path in paths:
        with Image.open(path) as picture:
            picture.load()


def hashed(pictures: Sequence[Image.Image]) -> None:
    """Nothing but what decoded pictures are known by."""
    for picture in pictures:
        look(picture)


def main() -> None:
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            run(Path(folder), *case)


def run(root: Path, images: int, side: int, mode: str, quality: int) -> None:
    raw = raw_folder(root / "ct_kidney", images, side, mode, quality)
    paths = sorted(raw.rglob("*.jpg"))
    size = sum(path.stat().st_size for path in paths) / len(paths) / 1000

    def ours(jobs: int, check: Check = "header") -> None:
        shutil.rmtree(root / "out", ignore_errors=True)
        build(find({"ct_kidney": raw}, None), root / "out", Options(jobs=jobs, check=check))

    best = compare(
        {
            "med-mat build, 1 worker": lambda: ours(1),
            "bare read + sha256 + ParquetWriter": lambda: bare(paths, root / "bare.parquet"),
            "Dataset.from_generator(bytes) -> to_parquet": lambda: from_generator(paths, root / "generator.parquet"),
        },
        repeats=4,
    )
    table(f"{len(paths):,} JPEGs of {size:.0f} kB, bytes through", best, per=len(paths), unit="images")
    ours(2)  # worker processes are started once
    two = compare({"med-mat build, 2 workers": lambda: ours(2), "med-mat build, 1 worker": lambda: ours(1)}, repeats=4)
    table("Two workers", two, per=len(paths), unit="images")
    opened = [Image.open(path) for path in paths[:500]]
    for picture in opened:
        picture.load()
    checked = compare(
        {
            "med-mat build, 1 worker, decoded and hashed": lambda: ours(1, "decode"),
            "the same on 2 workers": lambda: ours(2, "decode"),
            "bare decode by Pillow": lambda: decode(paths),
        }
    )
    table("Every image decoded, as by default", checked, per=len(paths), unit="images")
    whole = checked["med-mat build, 1 worker, decoded and hashed"]
    hashing = compare({"hashes": lambda: hashed(opened)})["hashes"] * len(paths) / len(opened)
    print(f"  a build with hashes takes {whole / (whole - hashing):.2f} x the time of one that only decodes")


if __name__ == "__main__":
    main()
