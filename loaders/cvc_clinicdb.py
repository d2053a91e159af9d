"""CVC-ClinicDB: frames of 29 colonoscopy sequences, each with a mask of its polyps.

Original/1.tif                   # to 612.tif: the number tells the sequence; RGB that is called BlackIsZero
Ground Truth/1.tif               # a blank in the name
or
PNG/Original/1.png
PNG/Ground Truth/1.png
TIF/Original/1.tif               # the same frames once more
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import BinaryMask, Example
from med_mat.raw import Miniature, RawFolder, paired

#: The last frame of each sequence.
_LAST = (
    *(25, 50, 67, 78, 103, 126, 151, 177, 199, 205, 227, 252, 277, 297, 317),
    *(342, 363, 383, 408, 428, 447, 466, 478, 503, 528, 546, 571, 591, 612),
)
_SPECK = 50  # pixels: less than that is no polyp


def examples(raw: RawFolder) -> Iterator[Example]:
    folder, suffix = ("PNG/", "png") if raw.variant == "kaggle" else ("", "tif")
    images = raw.by_stem(f"{folder}Original/*.{suffix}")
    masks = raw.by_stem(f"{folder}Ground Truth/*.{suffix}")
    for image, mask in paired(raw, images, masks):
        polyps = BinaryMask(mask, "polyp", threshold=127, min_component_size=_SPECK)
        yield Example(image, masks=(polyps,), patient=_sequence(image.stem), key=image.stem)
    for image in raw.images("TIF/**" if folder else ()):
        raw.skip(image, "the same frame, or mask, is in PNG/")


def _sequence(stem: str) -> str | None:
    """The sequence of a frame, the nearest that is known to a patient."""
    frame = int(stem) if stem.isdecimal() else 0
    if not 1 <= frame <= _LAST[-1]:
        return None
    return f"sequence {1 + sum(last < frame for last in _LAST)}"


def miniature(raw: Miniature) -> None:
    top, size = "CVC-ClinicDB", (96, 72)
    for frame in (1, 2, 3, 24, 25, 26, 27, 50, 51, 67, 68, 592, 610, 612):
        raw.image(f"{top}/Original/{frame}.tif", size=size, mode="RGB", photometric=1)
        mask = f"{top}/Ground Truth/{frame}.tif"
        if frame == 26:
            raw.label_map(mask, size=size, values=[255, 100, 255])  # two polyps, and gray that is none
        else:
            raw.mask(mask, size=size, mode="RGB" if frame % 2 else "L")
    raw.image(f"{top}/Original/4.tif", size=size, mode="RGB", photometric=1)  # without a mask
    raw.text(f"{top}/README.txt", "CVC-ClinicDB\n")
