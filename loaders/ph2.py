"""PH2: dermoscopy of 200 moles and melanomas, each with a mask of the lesion.

PH2 Dataset images/                              # blanks in the name; or the root itself
    IMD003/
        IMD003_Dermoscopic_Image/IMD003.bmp
        IMD003_lesion/IMD003_lesion.bmp
        IMD003_roi/IMD003_R1_Label4.bmp          # some cases: regions of one color
PH2_dataset.txt  PH2_dataset.xlsx                # diagnoses
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import BinaryMask, Example
from med_mat.raw import Miniature, RawFolder, paired


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_stem("**/IMD*_Dermoscopic_Image/IMD*.bmp")
    masks = raw.by_name("**/IMD*_lesion/IMD*_lesion.bmp", key=lambda path: path.stem[: -len("_lesion")])
    for image, mask in paired(raw, images, masks):
        yield Example(image, masks=(BinaryMask(mask, "lesion", threshold=127),), key=image.name)
    for region in raw.images("**/IMD*_roi/*"):
        raw.skip(region, "marks a region of one color, not the lesion")


def miniature(raw: Miniature) -> None:
    top = "PH2Dataset"
    rows = []
    for number in range(12):
        case = f"IMD{3 + number * 37:03d}"
        folder = f"{top}/PH2 Dataset images/{case}"
        size = (96 + number % 3, 72)
        raw.image(f"{folder}/{case}_Dermoscopic_Image/{case}.bmp", size=size, mode="RGB")
        if number != 7:
            mode = ("1", "L", "RGB")  # one bit, or three channels
            raw.mask(f"{folder}/{case}_lesion/{case}_lesion.bmp", size=size, mode=mode[number % 3])  # type: ignore[arg-type]
        if number % 5 == 0:
            region = ("R1_Label4", "R2_Label", "R1_LabelStreaks")[number // 5]
            raw.mask(f"{folder}/{case}_roi/{case}_{region}.bmp", size=size)
        rows.append(f"|| {case} ||  || {number % 3} || 0 | T | A | A | A | A || 4 ||")
    raw.text(f"{top}/PH2_dataset.txt", "\n".join(["|| Name || Histological Diagnosis || Clinical Diagnosis ||", *rows]))
    raw.text(f"{top}/Readme.txt", "PH2\n")
