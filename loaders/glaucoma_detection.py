"""ORIGA-light: fundus photographs with or without glaucoma, as sorted by a Kaggle user.

glaucoma.csv                         # Filename,ExpCDR,Eye,Set,Glaucoma: repeats the folders
Fundus_Train_Val_Data/Fundus_Scanes_Sorted/
    Train/Glaucoma_Negative/001.jpg
    Validation/Glaucoma_Positive/613.jpg
ORIGA/ORIGA/Images/001.jpg           # every image once more
ORIGA/ORIGA/Semi-automatic-annotations/001.mat
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, class_folders

_SORTED = "Fundus_Train_Val_Data/Fundus_Scanes_Sorted"


def examples(raw: RawFolder) -> Iterator[Example]:
    names = set()
    pattern = f"{_SORTED}/{{Train,Validation}}/{{Glaucoma_Negative,Glaucoma_Positive}}/*"
    for example in class_folders(raw, pattern, splits=SPLITS):
        names.add(example.path.name.lower())
        yield example
    for image in raw.images("ORIGA/**"):
        again = image.name.lower() in names
        raw.skip(image, "the same image lies in the sorted folders" if again else "no sorted folder holds this image")


def miniature(raw: Miniature) -> None:
    rows = []
    for number in range(1, 21):
        name = f"{number:03d}.jpg"
        positive = number % 3 == 0
        folder = f"{'Validation' if number % 5 > 2 else 'Train'}/Glaucoma_{'Positive' if positive else 'Negative'}"
        raw.image(f"{_SORTED}/{folder}/{name}", size=(96, 64), mode="RGB", seed=name)
        raw.image(f"ORIGA/ORIGA/Images/{name}", size=(96, 64), mode="RGB", seed=name)
        raw.text(f"ORIGA/ORIGA/Semi-automatic-annotations/{number:03d}.mat", "MATLAB 5.0 MAT-file")
        rows.append((name, 0.7 if positive else 0.4, "OD" if number % 2 else "OS", "AB"[number % 2], int(positive)))
    raw.csv("glaucoma.csv", rows, header="Filename,ExpCDR,Eye,Set,Glaucoma", bom=True)
