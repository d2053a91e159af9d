"""What it takes to store images without their metadata: following their containers against a whole header build."""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.timing import compare
from med_mat.building import Options, build, find
from med_mat.imaging.containers import jpeg, png

#: Name, side, format, its options, whether it holds metadata.
CASES: tuple[tuple[str, int, str, dict[str, Any], bool], ...] = (
    ("JPEG, small", 480, "JPEG", {"quality": 90}, False),
    ("JPEG, small, with metadata", 480, "JPEG", {"quality": 90}, True),
    ("JPEG, large", 1100, "JPEG", {"quality": 90}, False),
    ("JPEG, large, with metadata", 1100, "JPEG", {"quality": 90}, True),
    ("JPEG, large, progressive", 1100, "JPEG", {"quality": 90, "progressive": True}, False),
    ("JPEG, large, restart markers", 1100, "JPEG", {"quality": 90, "restart_marker_rows": 1}, False),
    ("PNG, small", 200, "PNG", {"compress_level": 1}, False),
    ("PNG, large", 450, "PNG", {"compress_level": 1}, False),
    ("PNG, large, with metadata", 450, "PNG", {"compress_level": 1}, True),
)
IMAGES = 200


def raw_folder(root: Path, side: int, kind: str, options: dict[str, Any], *, metadata: bool) -> Path:
    """Pictures in the layout of CT Kidney."""
    random = np.random.default_rng(0)
    top = root / "CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone" / "CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone"
    exif = Image.Exif()
    exif[0x010E] = "a description " * 40
    exif[0x0112] = 6
    ramp = np.linspace(20, 220, side)[None, :, None]
    for number in range(IMAGES):
        label = ("Cyst", "Normal", "Stone", "Tumor")[number % 4]
        coarse = random.integers(0, 60, (side // 4 + 1, side // 4 + 1, 3)).repeat(4, 0).repeat(4, 1)[:side, :side]
        picture = Image.fromarray(
            (coarse + ramp + random.integers(0, 16, (side, side, 1))).clip(0, 255).astype(np.uint8)
        )
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options, **({"exif": exif} if metadata else {}))
        path = top / label / f"{label}- ({number}).jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
    return root


def follow(paths: list[Path]) -> None:
    """Read the files, and keep what shows their pictures."""
    for path in paths:
        data = path.read_bytes()
        if data.startswith(b"\xff\xd8"):
            jpeg.clean(data, jpeg.parts(data))
        else:
            png.clean(data, png.parts(data))


def read(paths: list[Path]) -> None:
    """Read the files and nothing else."""
    for path in paths:
        path.read_bytes()


def main() -> None:
    print(f"\nContainers followed, and metadata removed, as a share of a header build of {IMAGES:,} images by 1 worker")
    for name, side, kind, options, metadata in CASES:
        with tempfile.TemporaryDirectory() as folder:
            share(
                name,
                raw_folder(Path(folder) / "ct_kidney", side, kind, options, metadata=metadata),
                Path(folder) / "out",
            )


def share(name: str, raw: Path, out: Path) -> None:
    paths = sorted(raw.rglob("*.jpg"))
    size = sum(path.stat().st_size for path in paths) / len(paths) / 1000

    def built() -> None:
        shutil.rmtree(out, ignore_errors=True)
        build(find({"ct_kidney": raw}, None), out, Options(jobs=1, check="header"))

    best = compare({"read": lambda: read(paths), "follow": lambda: follow(paths), "build": built}, repeats=3)
    each, whole = (1e6 * best[way] / len(paths) for way in ("follow", "build"))
    each -= 1e6 * best["read"] / len(paths)
    title = f"{name}, {size:.0f} kB"
    print(f"  {title:<44}{each:>6,.0f} us of {whole:>6,.0f} us an image = {each / whole:>6.1%}")


if __name__ == "__main__":
    main()
