"""FIVES: fundus photographs of healthy and diseased eyes, each with a mask of the vessels.

train/
    Original/1_A.png             # <number>_<disease>.png; Thumbs.db lies beside
    Ground truth/1_A.png         # a blank in the name
test/
    Original/1_A.png             # the numbers start again
    Ground truth/1_A.png
Quality Assessment.xlsx
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import BinaryMask, Example, Split
from med_mat.raw import Miniature, RawFolder, paired

_PARTS: tuple[Split, ...] = ("train", "test")


def examples(raw: RawFolder) -> Iterator[Example]:
    for part in _PARTS:
        images, masks = raw.by_stem(f"{part}/Original/*.png"), raw.by_stem(f"{part}/Ground truth/*.png")
        for image, mask in paired(raw, images, masks):
            yield Example(image, masks=(BinaryMask(mask, "vessel", threshold=127),), split=part)


def miniature(raw: Miniature) -> None:
    top, size = "FIVES A Fundus Image Dataset for AI-based Vessel Segmentation", (96, 96)
    quality = []
    for part, count in (("train", 10), ("test", 5)):
        for number in range(1, count + 1):
            disease = "ADGN"[(number - 1) % 4]
            name = f"{number}_{disease}.png"
            raw.image(f"{top}/{part}/Original/{name}", size=size, mode="RGB")
            raw.mask(f"{top}/{part}/Ground truth/{name}", size=size, shape="ring", mode="RGB")
            quality.append((disease, number, 1, 1, number % 2))
    raw.corrupt(f"{top}/train/Original/9_A.png", keep=0.4)
    raw.text(f"{top}/train/Original/Thumbs.db", "not an image")
    raw.xlsx(f"{top}/Quality Assessment.xlsx", quality, ["Disease", "Number", "IC", "Blur", "LC"], sheet="Train")
