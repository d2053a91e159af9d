"""Arthrosis: joints cropped from radiographs of children's hands, each with its maturity grade (RUS-CHN).

DIP/1/DIP_746212.png             # joint, grade: a whole number from 1; not every grade has a folder
PIPFirst/3/PIPFirst_746212.png
Radius/14/Radius_746212.png
Ulna/12/Ulna_746212.png
DIP/train.txt                    # of a tutorial, whose augmentation also leaves DIP/1/DIP_7462120.png, …1, … …4
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, spelling

_JOINTS = ("DIP", "DIPFirst", "MCP", "MCPFirst", "MIP", "PIP", "PIPFirst", "Radius", "Ulna")


def examples(raw: RawFolder) -> Iterator[Example]:
    pattern = f"{{{','.join(_JOINTS)}}}/{{1..14}}/*.png"
    written = spelling(pattern)
    images = raw.images(pattern)
    names = {str(image.with_suffix("")).lower() for image in images}
    for image in images:
        name = str(image.with_suffix("")).lower()
        if name[-1] in "01234" and name[:-1] in names:
            raw.skip(image, f"an augmented copy, as a tutorial makes them, of {image.stem[:-1]}")
            continue
        joint, grade = written(image).parts[:2]
        yield Example(image, label=grade, raw_label=f"{joint}/{grade}")


def miniature(raw: Miniature) -> None:
    for number in range(30):
        grade = number % 14 + 1
        joint = (
            "Radius" if grade > 12 else ("Ulna", "MIP", "PIPFirst")[number % 3] if grade > 11 else _JOINTS[number % 9]
        )
        if joint == "MCP" and grade > 10:
            joint = "MCPFirst"
        raw.image(
            f"{joint}/{grade}/{joint}_{746212 + number * 7919}.png",
            size=(63 + number, 73),
            mode="RGB" if number % 4 == 0 else "L",
        )
    raw.image("DIPFirst/2/DIPFirst_746213.png", size=(64, 73))
    raw.image("DIPFirst/2/DIPFirst_7462130.png", size=(64, 73), seed="turned")
    raw.image("DIPFirst/2/DIPFirst_7462134.png", size=(64, 73), seed="mirrored")
    raw.image("PIPFirst/3/PIPFirst_500000.png", size=(60, 70))
    raw.corrupt("PIPFirst/3/PIPFirst_500000.png")
    raw.text("DIPFirst/train.txt", "D:\\bone\\arthrosis\\DIPFirst\\2\\DIPFirst_746213.png 1\n")
