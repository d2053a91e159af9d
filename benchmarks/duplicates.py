"""Copies of real pictures: which are found, by hash or by descriptor and thumbnail, and how near others come.

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
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from med_mat.imaging.descriptor import LENGTH
from med_mat.imaging.hashing import BITS, Look, canonical, look, orientations, perceptual_hash
from med_mat.leakage.candidates import candidates
from med_mat.leakage.compare import LEAST_SCORE, compare
from med_mat.leakage.near import THRESHOLD
from med_mat.leakage.thumbnails import SIDE

REAL = Path(os.environ.get("MED_MAT_REAL_DATA") or Path(__file__).parents[2] / "shared" / "real")
#: Sets of different pictures of one kind.
FOLDERS = {
    "head CT": "007_head_ct",
    "HEp-2 cells": "033_hep2",
    "brain MRI": "045_brain_tumor_mri_part",
    "spine": "052_vertebrae_xray_part",
    "brain MRI 2": "063_brain_tumor_dataset_part",
}
SUFFIXES = (".png", ".jpg", ".jpeg")
COPIED = 100  # pictures of a set that copies are made of
MOST = 5000  # pictures of a set that are looked at
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


def zoomed(picture: Image.Image, factor: float) -> Image.Image:
    x, y = (side * (1 - 1 / factor) / 2 for side in picture.size)
    matrix = (1 / factor, 0, x, 0, 1 / factor, y)
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def shifted(picture: Image.Image, share: float) -> Image.Image:
    x, y = (round(share * side) for side in picture.size)
    return picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, -x, 0, 1, y))


def turned(picture: Image.Image, degrees: float) -> Image.Image:
    return picture.rotate(degrees, Image.Resampling.BILINEAR)


def edged(picture: Image.Image) -> Image.Image:
    sharp = ImageFilter.UnsharpMask(4, 300, 0)
    return ImageChops.add(picture, picture.filter(ImageFilter.FIND_EDGES)).filter(sharp)


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
    "turned by 2 degrees": lambda picture: turned(picture, 2),
    "turned by 5 degrees": lambda picture: turned(picture, -5),
    "turned by 10 degrees": lambda picture: turned(picture, 10),
    "turned by 25 degrees": lambda picture: turned(picture, 25),
    "mirrored, by 7 degrees": lambda picture: turned(ImageOps.mirror(picture), 7),
    "shifted by 2 %": lambda picture: shifted(picture, 0.02),
    "shifted by 5 %": lambda picture: shifted(picture, 0.05),
    "zoomed by 1.05": lambda picture: zoomed(picture, 1.05),
    "zoomed by 1.1": lambda picture: zoomed(picture, 1.1),
    "zoomed by 1.2": lambda picture: zoomed(picture, 1.2),
    "zoomed by 0.9": lambda picture: zoomed(picture, 0.9),
    "border of 5 %": lambda picture: ImageOps.expand(picture, round(0.05 * max(picture.size))),
    "letterboxed": lambda picture: ImageOps.pad(picture, (max(picture.size), max(picture.size))).resize((224, 224)),
    "inverted": ImageOps.invert,
    "brightness x 1.4": lambda picture: ImageEnhance.Brightness(picture).enhance(1.4),
    "sharpened": lambda picture: picture.filter(ImageFilter.UnsharpMask(4, 200, 0)),
    "edges added": edged,
}


def sets() -> Iterator[tuple[str, list[Image.Image]]]:
    """The sets that are here."""
    extra = [Path(folder) for folder in filter(None, os.environ.get("MED_MAT_PICTURES", "").split(os.pathsep))]
    for name, folder in [*((name, REAL / folder) for name, folder in FOLDERS.items()), *((p.name, p) for p in extra)]:
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and "mask" not in str(p).lower())
        if files:
            some = np.random.RandomState(1).permutation(len(files))[:MOST]
            yield name, [opened(files[place]) for place in sorted(some)]
    yield "packages", packaged()


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return canonical(picture.convert("RGB"))


def packaged() -> list[Image.Image]:
    """Photographs and micrographs of scikit-image; radiographs, CT, MR and ultrasound of pydicom-data, each once."""
    from med_mat.imaging import dicom
    from med_mat.imaging.windowing import to_8_bit

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
        found = [distances(hashes, others) for others in orientations(hashes)]
        for title, some in ((name, found[:1]), ("  flipped or turned", found[1:])):
            counts = np.sum(some, axis=0).cumsum()
            print(f"  {title:<24}{pairs * len(some):>14,}" + "".join(f"{counts[step]:>8,}" for step in STEPS))
        places = np.random.RandomState(0).permutation(len(pictures))
        chosen[name] = [p for p in (pictures[n] for n in places) if perceptual_hash(p) and min(p.size) > 32]
    print("\nCopies: the share that is found, and that the hash alone finds")
    print(f"  {'':<24}" + "".join(f"{name:>18}" for name in chosen))
    known = {name: known_by(pictures) for name, pictures in chosen.items()}
    for change, copy in COPIES.items():
        cells = []
        for name, pictures in chosen.items():
            copies = known_by([canonical(copy(picture)) for picture in pictures[:COPIED]])
            by_hash, either = found_again(known[name], copies)
            cells.append(f"{either.mean():>10.1%} ({by_hash.mean():>4.0%})")
        print(f"  {change:<24}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
    print(
        "\nDifferent pictures: pairs whose thumbnails agree, of 1,000 random ones and of the 1,000 nearest candidates"
    )
    for name, looks in known.items():
        random, nearest = agreeing(looks)
        print(f"  {name:<24}{random:>8,}{nearest:>8,}")


def known_by(pictures: list[Image.Image]) -> list[Look]:
    return [look(picture) for picture in pictures]


def described(looks: list[Look]) -> NDArray[np.int8]:
    """(n, LENGTH); what has no structure has zeros."""
    return np.frombuffer(b"".join(one.descriptor or bytes(LENGTH) for one in looks), np.int8).reshape(-1, LENGTH)


def shown(looks: list[Look]) -> NDArray[np.uint8]:
    blank = bytes(SIDE * SIDE)
    return np.frombuffer(b"".join(one.thumbnail or blank for one in looks), np.uint8).reshape(-1, SIDE, SIDE)


def found_again(looks: list[Look], copies: list[Look]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which copies the hash finds, and which it finds or the descriptor and the thumbnail do, among all pictures."""
    blank = "0" * (BITS // 4)
    hashes, copied = (
        np.frombuffer(bytes.fromhex("".join(one.perceptual_hash or blank for one in some)), np.uint8).reshape(-1, 32)
        for some in (looks[: len(copies)], copies)
    )
    bits = np.min([np.unpackbits(hashes ^ one, axis=1).sum(axis=1) for one in orientations(copied)], axis=0)
    by_hash = (bits <= THRESHOLD) & np.array([one.perceptual_hash is not None for one in copies])
    descriptors = np.concatenate([described(looks), described(copies)])
    pairs = set(
        zip(*(part.tolist() for part in candidates(descriptors, *np.zeros((2, len(descriptors)), int))), strict=True)
    )
    near = np.array([(n, len(looks) + n) in pairs for n in range(len(copies))])
    return by_hash, by_hash | (near & (compare(shown(looks[: len(copies)]), shown(copies)) >= LEAST_SCORE))


def agreeing(looks: list[Look]) -> tuple[int, int]:
    """Of random pairs and of the nearest ones, how many thumbnails agree: copies that the set holds are among them."""
    descriptors, pictures = described(looks).astype(np.int64), shown(looks)
    random = np.random.RandomState(0).randint(0, len(looks), (2, 1000))
    random = random[:, random[0] != random[1]]
    squares = (descriptors**2).sum(axis=1)
    distance = squares[:, None] + squares - 2 * descriptors @ descriptors.T
    distance[np.tril_indices(len(looks))] = np.iinfo(np.int64).max
    nearest = np.unravel_index(np.argsort(distance, axis=None)[:1000], distance.shape)
    both = [compare(pictures[first], pictures[second]) >= LEAST_SCORE for first, second in (random, nearest)]
    return int(both[0].sum()), int(both[1].sum())


if __name__ == "__main__":
    main()
