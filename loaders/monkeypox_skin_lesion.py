"""Monkeypox Skin Lesion Dataset: web photographs of skin, monkeypox against chickenpox and measles.

Original Images/Original Images/Monkey Pox/M01_01.jpg      # case, image; the folder may be there once, or not at all
Original Images/Original Images/Others/NM01_01.jpg
Augmented Images/Augmented Images/Monkeypox_augmented/M01_01_00.jpg    # the same pictures, turned and cropped
Fold1/Fold1/Fold1/Train/Monkeypox/M01_01_00.jpg                        # and once more
Monkeypox_Dataset_metadata.csv
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    for image in raw.images("{Augmented Images,Fold*}/**"):
        raw.skip(image, "a copy of an original image, augmented or sorted into the publisher's fold")
    return class_folders(
        raw,
        "{,Original Images/,Original Images/Original Images/}{Monkey Pox,Others}/*",
        patient=lambda path: f"case {path.stem.partition('_')[0]}",  # M01 and NM01 are two people
    )


def miniature(raw: Miniature) -> None:
    rows = []
    for prefix, label, copies in (("M", "Monkey Pox", "Monkeypox"), ("NM", "Others", "Others")):
        for number in range(8):
            name = f"{prefix}{number // 2 + 1:02d}_{number % 2 + 1:02d}"
            raw.image(f"Original Images/Original Images/{label}/{name}.jpg", size=(112, 112), mode="RGB")
            rows.append((f"{name}.jpg", "Monkeypox" if prefix == "M" else "Non Monkeypox"))
        original, seed = f"{prefix}01_01", f"Original Images/Original Images/{label}/{prefix}01_01.jpg"
        for turn in range(2):
            path = f"Augmented Images/Augmented Images/{copies}_augmented/{original}_{turn:02d}.jpg"
            raw.image(path, size=(112, 112), mode="RGB", seed=None if turn else seed)
        raw.image(f"Fold1/Fold1/Fold1/Train/{copies}/{original}_00.jpg", size=(112, 112), mode="RGB", seed=seed)
        raw.image(f"Fold1/Fold1/Fold1/Test/{copies}/{prefix}02_01.jpg", size=(112, 112), mode="RGB")
    raw.corrupt("Original Images/Original Images/Others/NM04_02.jpg")
    raw.csv("Monkeypox_Dataset_metadata.csv", rows, header="ImageID,Label")
