"""TN3K: thyroid ultrasound, each image with a mask of its nodules.

tn3k/
    trainval-image/0000.jpg
    trainval-mask/0000.jpg           # JPEG: gray at the borders
    test-image/0000.jpg              # the same numbers once more
    test-mask/0000.jpg
    tn3k-trainval-fold0.json         # the authors' folds
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import BinaryMask, Example, Split
from med_mat.raw import Miniature, RawFolder, paired

_PARTS: dict[str, Split] = {"trainval": "train", "test": "test"}
_SPECK = 50  # pixels: what JPEG leaves beside a nodule is smaller


def examples(raw: RawFolder) -> Iterator[Example]:
    for part, split in _PARTS.items():
        images, masks = raw.by_stem(f"{part}-image/*.jpg"), raw.by_stem(f"{part}-mask/*.jpg")
        for image, mask in paired(raw, images, masks):
            yield Example(
                image, masks=(BinaryMask(mask, "nodule", threshold=127, min_component_size=_SPECK),), split=split
            )


def miniature(raw: Miniature) -> None:
    top = "datasets/tn3k"
    for part, count in (("trainval", 10), ("test", 4)):
        for number in range(count):
            name, size = f"{number:04d}.jpg", (90 + 7 * number, 80)
            raw.image(f"{top}/{part}-image/{name}", size=size, mode="RGB")
            if number == 2:
                raw.label_map(f"{top}/{part}-mask/{name}", size=size, values=[255, 0, 255])  # two nodules
            else:
                raw.mask(f"{top}/{part}-mask/{name}", size=size, mode="RGB" if number % 2 else "L")
        raw.csv(f"{top}/label4{part}.csv", [(f"{n:04d}.jpg", n % 2) for n in range(count)], header=None)
    raw.json(f"{top}/tn3k-trainval-fold0.json", {"train": [1, 2, 3, 4, 6, 7, 8, 9], "val": [0, 5]})
    raw.corrupt(f"{top}/trainval-image/0009.jpg")
    raw.image("datasets/tg3k/thyroid-image/0000.jpg")  # another dataset of the archive
