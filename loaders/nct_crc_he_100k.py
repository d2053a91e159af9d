"""NCT-CRC-HE-100K: patches of colorectal cancer and normal tissue in nine classes, with other patients for testing.

NCT-CRC-HE-100K/ADI/ADI-AAAFLCLY.tif
CRC-VAL-HE-7K/TUM/TUM-TCGA-YYKLKLPC.tif
NCT-CRC-HE-100K-NONORM/ADI/ADI-AAAFLCLY.tif     # the training part in its own colors
or each part in a folder of its name
NCT-CRC-HE-100K/NCT-CRC-HE-100K/ADI/ADI-AAAFLCLY.tif
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example, Split
from med_mat.raw import Miniature, RawFolder, class_folders

_CLASSES = ("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM")
_SPLITS: dict[str, Split] = {"nct-crc-he-100k": "train", "crc-val-he-7k": "test"}


def examples(raw: RawFolder) -> Iterator[Example]:
    for image in raw.images("**/NCT-CRC-HE-100K-NONORM/**"):
        raw.skip(image, "a patch of NCT-CRC-HE-100K once more, without normalized colors")
    classes = ",".join(_CLASSES)
    pattern = f"{{NCT-CRC-HE-100K,CRC-VAL-HE-7K}}/**/{{{classes}}}/*.tif"
    yield from class_folders(raw, pattern, exclude="**/NCT-CRC-HE-100K-NONORM/**", splits=_SPLITS)


def miniature(raw: Miniature) -> None:
    for place, label in enumerate(_CLASSES):
        for number in range(2):
            name = f"{label}-AA{chr(65 + place)}FLCL{chr(65 + number)}.tif"
            raw.image(f"NCT-CRC-HE-100K/{label}/{name}", size=(64, 64), mode="RGB")
        raw.image(f"CRC-VAL-HE-7K/{label}/{label}-TCGA-YYKLKLP{chr(65 + place)}.tif", size=(64, 64), mode="RGB")
    raw.image("NCT-CRC-HE-100K-NONORM/ADI/ADI-AAAFLCLA.tif", size=(64, 64), mode="RGB")
