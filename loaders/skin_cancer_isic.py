"""Skin Cancer ISIC: dermoscopy of nine types of skin lesions, selected from the ISIC archive.

Skin cancer ISIC The International Skin Imaging Collaboration/       # older copies: twice, once in lower case
    Train/actinic keratosis/ISIC_0025780.jpg
    Test/vascular lesion/ISIC_0026349.jpg
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, class_folders

_CLASSES = (
    "actinic keratosis",
    "basal cell carcinoma",
    "dermatofibroma",
    "melanoma",
    "nevus",
    "pigmented benign keratosis",
    "seborrheic keratosis",
    "squamous cell carcinoma",
    "vascular lesion",
)


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, [f"{{Train,Test}}/{name}/*" for name in _CLASSES], splits=SPLITS)


def miniature(raw: Miniature) -> None:
    top = "Skin cancer ISIC The International Skin Imaging Collaboration"
    for place, label in enumerate(_CLASSES):
        for number in range(3):
            part = "Test" if number == 2 else "Train"
            size = (96, 64) if number == 1 else (80, 60)
            raw.image(f"{top}/{part}/{label}/ISIC_{25780 + 10 * place + number:07d}.jpg", size=size, mode="RGB")
    raw.image(f"{top}/Train/nevus/ISIC_0000041.jpg", size=(80, 60), mode="RGB")
    raw.corrupt(f"{top}/Train/nevus/ISIC_0000041.jpg", keep=0.1)
