"""An export against a bare copy of the same images as files, and the memory that one larger than a window takes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.timing import compare, table

IMAGES, SIDE = 1_500, 256
#: More bytes than the window in which records are shuffled.
MANY, LARGE = 700, 1024
SOURCE = "brain_tumor_mri"
LABELS = ("glioma", "meningioma", "notumor", "pituitary")
_EXPORT = """
import sys
import med_mat
from benchmarks.timing import peak_memory
from med_mat import export
mat = med_mat.open(sys.argv[1])
export.export_formats()
before = peak_memory()
mat.export(None, sys.argv[2], format=sys.argv[3], own_use=True, progress=False)
print(f"  {sys.argv[3]}: {peak_memory() - before} MB above {before} MB")
"""


def build(root: Path, images: int = IMAGES, side: int = SIDE) -> Path:
    """A Med-MAT of noisy JPEG images of ``side`` pixels, in the layout of Brain Tumor MRI."""
    from med_mat.building import Options, build, find

    random = np.random.default_rng(0)
    for number in range(images):
        pixels = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
        split, label = ("Testing", "Training")[number % 5 > 0], LABELS[number % 4]
        path = root / "raw" / SOURCE / split / label / f"{split[:2]}-{label[:2]}_{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, "JPEG", quality=90)
    build(find({SOURCE: None}, root / "raw"), root / "out", Options(jobs=1))
    return root / "out"


def main() -> None:
    import med_mat

    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        mat = med_mat.open(build(root))
        mat.export(None, root / "files", format="llava", own_use=True, progress=False)
        paths = [path for path in sorted((root / "files/images").rglob("*")) if path.is_file()]
        size = sum(path.stat().st_size for path in paths)
        number = iter(range(1000))

        def copied() -> None:
            target = root / f"copy{next(number)}"
            target.mkdir()
            for path in paths:
                shutil.copyfile(path, target / path.name)
            shutil.rmtree(target)

        def exported(form: str) -> None:
            target = root / f"export{next(number)}"
            mat.export(None, target, format=form, own_use=True, progress=False)
            shutil.rmtree(target)

        ways = {"export, LLaVA": lambda: exported("llava"), "export, TRL": lambda: exported("trl"), "bare copy": copied}
        table(
            f"{len(paths):,} images of {size / len(paths) / 1000:.0f} kB", compare(ways), per=len(paths), unit="images"
        )
    memory()


def memory(images: int = MANY, side: int = LARGE) -> None:
    """Print how much memory exports of a build take, each in a process of its own."""
    from med_mat.storage.windows import WINDOW

    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        out = build(root, images, side)
        size = sum(path.stat().st_size for path in (root / "raw").rglob("*.jpg"))
        print(f"\nMemory of an export of {size / 1e6:.0f} MB, shuffled in windows of {WINDOW / 1e6:.0f} MB")
        for form in ("llava", "trl"):
            arguments = [str(out), str(root / form), form]
            command = [sys.executable, "-c", _EXPORT, *arguments]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")


if __name__ == "__main__":
    main()
