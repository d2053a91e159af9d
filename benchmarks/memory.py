"""Peak memory of a build: a source of many examples, and one of large images, each in a process of its own (Linux)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from med_mat.raw import Miniature

EXAMPLES = 200_000
LARGE = 40
SIDE = 4_000

_BUILD = r"""
import sys
from pathlib import Path
from benchmarks.timing import peak_memory
from med_mat.building import Options, build, find
report = build(find({sys.argv[1]: Path(sys.argv[2])}, None), Path(sys.argv[3]), Options(jobs=1))
print(report.written, peak_memory())
"""


def many(root: Path) -> str:
    """A tiny JPEG many times over, in the layout of CT Kidney: links, so that the disk holds one."""
    raw = Miniature(root)
    raw.image("one.jpg", size=(32, 32), mode="L")
    content = (root / "one.jpg").read_bytes()
    top = root / "CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone" / "CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone"
    for label in ("Cyst", "Normal", "Stone", "Tumor"):
        (top / label).mkdir(parents=True)
        for number in range(EXAMPLES // 4):
            (top / label / f"{label}- ({number}).jpg").write_bytes(content + f"{label}{number}".encode())
    return "ct_kidney"


def large(root: Path) -> str:
    """Radiographs of 4000 x 4000 in 16 bit, in the layout of VinDr-SpineXR."""
    raw = Miniature(root)
    header = "study_id,series_id,image_id,rad_id,lesion_type,xmin,ymin,xmax,ymax"
    for split, numbers in (("train", range(LARGE)), ("test", range(LARGE, LARGE + 2))):
        names = [f"{number:032x}" for number in numbers]
        for name in names:
            raw.dicom(f"{split}_images/{name}.dicom", size=(SIDE, SIDE), bits=16)
        rows = [(f"study{name}", "series", name, "rad1", "Osteophytes", 10, 10, 200, 200) for name in names]
        raw.csv(f"annotations/{split}.csv", rows, header=header)
    return "vindr_spinexr"


def main() -> None:
    print()
    for title, make in ((f"{EXAMPLES:,} examples", many), (f"{LARGE} images of {SIDE} x {SIDE}, 16 bit", large)):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            name = make(root / "raw")
            command = [sys.executable, "-c", _BUILD, name, str(root / "raw"), str(root / "out")]
            written, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            print(f"peak memory of a build of {title}: {peak} MB ({int(written):,} records)")


if __name__ == "__main__":
    main()
