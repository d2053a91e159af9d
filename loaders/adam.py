"""ADAM: fundus photographs with or without age-related macular degeneration; the challenge's training set.

AMD-Training400/Training400/
    AMD/A0001.jpg
    Non-AMD/N0001.jpg
    Disc_Masks/A0001.bmp             # where the archive of the outlines was unpacked over it
images/A0001.jpg                     # in a repackaged form the first letter tells the class
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, spelling

_LETTERS = {"A": "AMD", "N": "Non-AMD"}


def examples(raw: RawFolder) -> Iterator[Example]:
    patterns = ["{AMD,Non-AMD}/*", "images/*"]
    written = spelling(patterns)
    for image in raw.images(patterns):
        folder = written(image).parent.name
        label = _LETTERS.get(image.name[0].upper()) if folder == "images" else folder
        if label is None:
            raw.skip(image, "its name begins with neither A nor N: it is of a part whose classes are not published")
            continue
        yield Example(image, label=label, split="train", key=image.name)
    for image in raw.images("**/{Disc_Masks,Lesion_Masks}/**"):
        raw.skip(image, "an outline of disc or lesion: the row asks for the class alone")


def miniature(raw: Miniature) -> None:
    top = "AMD-Training400/Training400"
    for label, letter, count in (("AMD", "A", 6), ("Non-AMD", "N", 10)):
        for number in range(1, count + 1):
            size = (106, 103) if number % 3 else (72, 72)
            raw.image(f"{top}/{label}/{letter}{number:04d}.jpg", size=size, mode="RGB")
    raw.corrupt(f"{top}/Non-AMD/N0010.jpg")
    for name in ("A0001", "N0001"):
        raw.mask(f"{top}/Disc_Masks/{name}.bmp", size=(106, 103), value=0, background=255)
    places = [(1, "A0001.jpg", 53.2, 51.1), (2, "N0001.jpg", 50.5, 49.9)]
    raw.xlsx(f"{top}/Fovea_location.xlsx", places, ["ID", "imgName", "Fovea_X", "Fovea_Y"])
