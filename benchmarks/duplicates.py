"""Perceptual hashes of real pictures: how far copies lie from their originals, and how near different pictures come.

Reads the real data that tests/test_real.py reads, scikit-image, pydicom-data, and the folders in MED_MAT_PICTURES, each
of which holds different pictures of one kind. What comes near in a set is looked at by eye: some of it are true copies.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from med_mat.leakage.fingerprint import BITS, canonical, perceptual_hash, turns
from med_mat.leakage.near import THRESHOLD

REAL = Path(os.environ.get("MED_MAT_REAL_DATA") or Path(__file__).parents[2] / "shared" / "real")
#: Sets of different pictures of one kind.
FOLDERS = {
    "head CT": "007_head_ct",
    "HEp-2 cells": "033_hep2",
    "endoscopy": "093_kvasir_seg",
    "endoscopy 2": "095_edd2020",
}
SUFFIXES = (".png", ".jpg", ".jpeg")
COPIED = 200  # pictures of a set that copies are made of
STEPS = (8, 16, THRESHOLD, 32, 40, 48, 64)


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def scaled(picture: Image.Image, share: float) -> Image.Image:
    return picture.resize((round(picture.width * share), round(picture.height * share)), Image.Resampling.BICUBIC)


def cropped(picture: Image.Image, share: float) -> Image.Image:
    x, y = round(picture.width * share), round(picture.height * share)
    return picture.crop((x, y, picture.width - x, picture.height - y))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 90": lambda picture: jpeg(picture, 90),
    "JPEG, quality 50": lambda picture: jpeg(picture, 50),
    "JPEG, quality 20": lambda picture: jpeg(picture, 20),
    "half the size": lambda picture: scaled(picture, 0.5),
    "a quarter of the size": lambda picture: scaled(picture, 0.25),
    "224 x 224, JPEG 75": lambda picture: jpeg(picture.resize((224, 224), Image.Resampling.BILINEAR), 75),
    "brightness x 1.2": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "contrast x 1.3": lambda picture: ImageEnhance.Contrast(picture).enhance(1.3),
    "grey": lambda picture: picture.convert("L"),
    "flipped left to right": ImageOps.mirror,
    "flipped top to bottom": ImageOps.flip,
    "turned by 180 degrees": lambda picture: picture.transpose(Image.Transpose.ROTATE_180),
    "cropped by 1 % a side": lambda picture: cropped(picture, 0.01),
    "cropped by 2 % a side": lambda picture: cropped(picture, 0.02),
    "cropped by 5 % a side": lambda picture: cropped(picture, 0.05),
    "turned by 90 degrees": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
}


def sets() -> Iterator[tuple[str, list[Image.Image]]]:
    """The sets that are here."""
    extra = [Path(folder) for folder in filter(None, os.environ.get("MED_MAT_PICTURES", "").split(os.pathsep))]
    for name, folder in [*((name, REAL / folder) for name, folder in FOLDERS.items()), *((p.name, p) for p in extra)]:
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and "mask" not in str(p).lower())
        if files:
            yield name, [opened(path) for path in files]
    yield "packages", packaged()


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return canonical(picture.convert("RGB"))


def packaged() -> list[Image.Image]:
    """Photographs and micrographs of scikit-image; radiographs, CT, MR and ultrasound of pydicom-data, each once."""
    from med_mat.raw import dicom
    from med_mat.raw.planes import to_8_bit

    pictures, scans = (Path(str(resources.files(name) / "data")) for name in ("skimage", "data_store"))
    found = [opened(path) for path in sorted(pictures.iterdir()) if path.suffix in SUFFIXES]
    for path in sorted(scans.glob("*_UNCR.dcm")):
        plane = dicom.frame(dicom.open_dataset(path.read_bytes(), path.name), 0, path.name)
        found.append(canonical(Image.fromarray(to_8_bit(plane, None)[0])))
    return found


def hashed(pictures: list[Image.Image]) -> NDArray[np.uint8]:
    """The hashes of the pictures that have one: (n, 32)."""
    found = [perceptual_hash(canonical(picture)) for picture in pictures]
    return np.frombuffer(bytes.fromhex("".join(filter(None, found))), np.uint8).reshape(-1, BITS // 8)


def distances(hashes: NDArray[np.uint8], others: NDArray[Any]) -> NDArray[np.int64]:
    """How many pairs of different pictures lie at 0, 1, … bits, the second one as in ``others``."""
    import faiss

    index = faiss.IndexBinaryFlat(BITS)
    index.add(hashes)
    limits, found, other = index.range_search(others, max(STEPS) + 1)
    first = np.repeat(np.arange(len(hashes)), np.diff(limits.astype(np.int64)))
    return np.bincount(found[first < other].astype(np.int64), minlength=max(STEPS) + 1)


def main() -> None:
    print("\nDifferent pictures: pairs within so many bits")
    print(f"  {'':<24}{'pairs':>14}" + "".join(f"{step:>8}" for step in STEPS))
    chosen = {}
    for name, pictures in sets():
        hashes = hashed(pictures)
        pairs = len(hashes) * (len(hashes) - 1) // 2
        found = [distances(hashes, others) for others in turns(hashes)]
        for title, some in ((name, found[:1]), ("  flipped or turned", found[1:])):
            counts = np.sum(some, axis=0).cumsum()
            print(f"  {title:<24}{pairs * len(some):>14,}" + "".join(f"{counts[step]:>8,}" for step in STEPS))
        places = np.random.RandomState(0).permutation(len(pictures))[:COPIED]
        chosen[name] = [p for p in (pictures[n] for n in places) if perceptual_hash(p) and min(p.size) > 32]
    print(f"\nCopies: the share within {THRESHOLD} bits of the original (bits, median)")
    print(f"  {'':<24}" + "".join(f"{name:>18}" for name in chosen))
    for change, copy in COPIES.items():
        cells = []
        for pictures in chosen.values():
            copies = [canonical(copy(picture)) for picture in pictures]
            kept = [n for n, one in enumerate(copies) if perceptual_hash(one)]
            original, copied = hashed([pictures[n] for n in kept]), hashed([copies[n] for n in kept])
            bits = np.min([np.unpackbits(original ^ one, axis=1).sum(axis=1) for one in turns(copied)], axis=0)
            cells.append(f"{(bits <= THRESHOLD).sum() / len(pictures):>11.1%} ({np.median(bits):>3.0f})")
        print(f"  {change:<24}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main()
