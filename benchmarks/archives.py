"""Reading raw files in place, in archives, against reading the unpacked files: ``python -m benchmarks.archives``.

Side by side, in one run: the files of a folder, and the same as members of a zip, a tar, and a compressed tar, each
read once from the first to the last, and once in a random order. Everything is in the page cache, so that the ratios
are those of the formats. What a build adds is the same for all of them.
"""

from __future__ import annotations

import argparse
import os
import random
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from med_mat.mounts.base import Mount
from med_mat.mounts.choice import mount_of


def write(folder: Path, count: int, size: int) -> None:
    """JPEGs of about ``size`` bytes, which do not compress further."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        side = int((size * 1.2) ** 0.5)
        Image.fromarray(rng.integers(0, 256, (side, side), np.uint8)).save(folder / f"{number:05}.jpg", quality=85)


def packed(folder: Path, archive: Path) -> Path:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            for path in sorted(folder.iterdir()):
                zipped.write(path, path.name)
    else:
        with tarfile.open(archive, "w:gz" if archive.suffix == ".gz" else "w") as tar:
            tar.add(folder, "")
    return archive


def read(mount: Mount, paths: list[str]) -> float:
    begun = time.process_time()
    for path in paths:
        with mount.open(path) as file:
            file.read()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--size", type=int, default=16_000, help="bytes of a file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        top = Path(temporary)
        os.environ["MED_MAT_CACHE"] = str(top / "cache")
        write(top / "files", given.count, given.size)
        mounts: dict[str, Mount] = {"files": mount_of(top / "files")}
        for suffix in ("zip", "tar", "tar.gz"):
            archive = packed(top / "files", top / f"a.{suffix}")
            begun = time.process_time()
            mounts[suffix] = mount_of(archive)
            listed = len(mounts[suffix].scan().files)
            print(f"{suffix}: {listed:,} members listed in {time.process_time() - begun:.2f} s of CPU")
        paths = list(mounts["files"].scan().files)
        paths.sort()
        mixed = random.Random(0).sample(paths, len(paths))
        for order, names in (("in order", paths), ("at random", mixed)):
            bare = min(read(mounts["files"], names) for _ in range(3))
            for name, mount in mounts.items():
                taken = bare if name == "files" else read(mount, names)
                print(f"{name:7} {order}: {len(names) / taken:9,.0f} files/s, {bare / taken:.2f} x the unpacked files")


if __name__ == "__main__":
    main()
