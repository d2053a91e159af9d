"""ACRIMA: fundus photographs cropped around the optic disc, of glaucomatous and normal eyes.

Database/Images/                     # or images
    Im001_ACRIMA.jpg
    Im310_g_ACRIMA.jpg               # _g_: glaucoma
    Im702_g_ACRIMA.JPG
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder


def examples(raw: RawFolder) -> Iterator[Example]:
    for image in raw.images("*"):
        named = re.fullmatch(r"im\d{3}(_g)?_acrima", image.stem, re.IGNORECASE)
        if named is None:
            raw.skip(image, "its name is none of the publisher's, Im<three digits>_ACRIMA or Im<three digits>_g_ACRIMA")
            continue
        yield Example(image, label="g" if named[1] else "no g", key=image.stem)


def miniature(raw: Miniature) -> None:
    for number in (1, 2, 3, 309):
        raw.image(f"Database/Images/Im{number:03d}_ACRIMA.jpg", size=(60 + number % 50,) * 2, mode="RGB")
    for number in (310, 311, 312, 702, 703, 705):
        suffix = "JPG" if number in (702, 703) else "jpg"
        raw.image(f"Database/Images/Im{number:03d}_g_ACRIMA.{suffix}", size=(60 + number % 50,) * 2, mode="RGB")
    raw.image("Database/Images/165854_OI_1.jpg", mode="RGB")  # of the other set of this name
