"""Brain Tumor MRI: MRI slices with glioma, meningioma, pituitary tumor or no tumor, merged from three collections.

Training/glioma/Tr-gl_0010.jpg       # some are gray, some RGB
Training/notumor/Tr-no_0010.jpg
Testing/meningioma/Te-me_0010.jpg
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "{Training,Testing}/{glioma,meningioma,notumor,pituitary}/*", splits=SPLITS)


def miniature(raw: Miniature) -> None:
    for split, count in (("Training", 4), ("Testing", 2)):
        for label in ("glioma", "meningioma", "notumor", "pituitary"):
            for number in range(10, 10 + count):
                path = f"{split}/{label}/{split[:2]}-{label[:2]}_{number:04d}.jpg"
                raw.image(path, size=(96, 96), mode="L" if number % 2 else "RGB")
    raw.corrupt("Training/glioma/Tr-gl_0013.jpg")
    raw.image("Testing/notumor/Te-no_0012.jpg", mode="L", size=(96, 96), seed="twice")
    raw.image("Training/notumor/Tr-no_0014.jpg", mode="L", size=(96, 96), seed="twice")  # the same bytes in both parts
