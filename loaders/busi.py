"""BUSI: breast ultrasound, normal or with a benign or malignant lesion, and a mask of every lesion.

Dataset_BUSI_with_GT/
    benign/benign (1).png
    benign/benign (1)_mask.png
    benign/benign (4)_mask_1.png     # 17 images have further lesions
    malignant/malignant (1).png
    normal/normal (1)_mask.png       # all black
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import BinaryMask, Example
from med_mat.raw import Miniature, RawFolder, spelling


def examples(raw: RawFolder) -> Iterator[Example]:
    pattern = "{benign,malignant,normal}/*.png"
    written = spelling(pattern)
    for image in raw.images(pattern, exclude="*_mask*"):
        label = written(image).parent.name
        # gray rims occur: a lesion is white, not merely not black
        masks = tuple(BinaryMask(mask, label, threshold=127) for mask in raw.siblings(image, f"{image.stem}_mask*.png"))
        yield Example(image, label=label, masks=masks or None)


def miniature(raw: Miniature) -> None:
    top = "Dataset_BUSI_with_GT"
    for label, count in (("benign", 8), ("malignant", 6), ("normal", 4)):
        for number in range(1, count + 1):
            name = f"{top}/{label}/{label} ({number})"
            size = (100 + number, 90)
            raw.image(f"{name}.png", size=size, mode="RGBA" if number == 3 else "RGB")
            raw.mask(f"{name}_mask.png", size=size, mode="1" if number % 2 else "L", empty=label == "normal")
    raw.mask(f"{top}/benign/benign (4)_mask_1.png", size=(104, 90), mode="RGB")
    raw.mask(f"{top}/malignant/malignant (6)_mask.png", size=(50, 45))  # a mask of another size
