"""Brain Tumor Dataset: brain slices, mostly MRI and some CT, with or without a tumor.

metadata.csv                             # says no more than the folders
Brain Tumor Data Set/
    Brain Tumor Data Set/                # once more
        Brain Tumor/Cancer (4).jpg
        Brain Tumor/Cancer (4).tif       # another image: the extension belongs to the name
        Healthy/Not Cancer  (1).jpg      # two blanks; some copies: Healthey/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "{Brain Tumor,Healthy,Healthey}/*", label=_label)


def _label(path: PurePosixPath) -> str:
    return path.parent.name.replace("Healthey", "Healthy")


def miniature(raw: Miniature) -> None:
    top = "Brain Tumor Data Set/Brain Tumor Data Set"
    for number in range(1, 7):
        for label, stem in (("Brain Tumor", "Cancer "), ("Healthy", "Not Cancer  ")):
            path = f"{top}/{label}/{stem}({number}).jpg"
            raw.image(path, size=(90, 90 + number), mode="L" if number == 3 else "RGB")
    raw.image(f"{top}/Brain Tumor/Cancer (4).tif", mode="RGB")
    raw.image(f"{top}/Brain Tumor/Cancer (5).png", mode="RGBA")
    raw.image(f"{top}/Brain Tumor/Cancer (7).jpg", mode="P", format="PNG")  # a PNG in spite of its name
    raw.image(f"{top}/Healthy/Not Cancer  (7).JPG", seed="double")
    raw.image(f"{top}/Healthy/Not Cancer  (8).jpeg", seed="double")  # the same bytes
    raw.corrupt(f"{top}/Healthy/Not Cancer  (6).jpg")
    rows = [(0, "Cancer (1).jpg", "tumor", "JPEG", "RGB", "(91, 90, 3)")]
    raw.csv("metadata.csv", rows, header=",image,class,format,mode,shape")
