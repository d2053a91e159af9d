"""DICOM to PNG: a whole build, per core, against a bare loop of pydicom and Pillow with the same window."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image

from benchmarks.timing import compare, table
from med_mat.building import Options, build, find
from med_mat.imaging.stored import PNG_PACKING
from med_mat.raw import Miniature

IMAGES = 150
SIZE = (1024, 1024)


def raw_folder(root: Path) -> Path:
    """The layout of VinDr-SpineXR, with 12-bit radiographs of 1024 x 1024."""
    raw = Miniature(root)
    rows = []
    for number in range(IMAGES):
        split = "test" if number % 5 == 0 else "train"
        name = f"{number:032x}"
        raw.dicom(f"{split}_images/{name}.dicom", size=SIZE, bits=12, window=(2048, 3000))
        rows.append((split, f"study{number}", "series", name, "rad1", "Osteophytes", 10.0, 10.0, 200.0, 200.0))
    header = "study_id,series_id,image_id,rad_id,lesion_type,xmin,ymin,xmax,ymax"
    for split in ("train", "test"):
        raw.csv(f"annotations/{split}.csv", [row[1:] for row in rows if row[0] == split], header=header)
    return root


def bare(paths: list[Path], out: Path) -> None:
    out.mkdir(exist_ok=True)
    for path in paths:
        dataset = pydicom.dcmread(path)
        pixels = pydicom.pixels.apply_voi_lut(dataset.pixel_array, dataset).astype(np.float32)
        low, high = pixels.min(), pixels.max()
        shades = ((pixels - low) / max(high - low, 1) * 255).astype(np.uint8)
        Image.fromarray(shades).save(out / f"{path.stem}.png", **PNG_PACKING)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        raw = raw_folder(root / "vindr_spinexr")
        paths = sorted(raw.rglob("*.dicom"))

        def ours() -> None:
            shutil.rmtree(root / "out", ignore_errors=True)
            build(find({"vindr_spinexr": raw}, None), root / "out", Options(jobs=1))

        ways = {
            "med-mat build, 1 worker (two records an image)": ours,
            "bare pydicom + Pillow, PNG files": lambda: bare(paths, root / "png"),
        }
        title = f"{len(paths)} DICOM of {SIZE[0]} x {SIZE[1]}, 12 bit, to PNG"
        table(title, compare(ways), per=len(paths), unit="images")


if __name__ == "__main__":
    main()
