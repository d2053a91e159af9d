"""LC25000: lung and colon tissue in five classes, each of 5,000 images made from about 250 by rotation and flips.

lung_colon_image_set/
    colon_image_sets/
        colon_aca/colonca1.jpeg      # not "colonaca"
        colon_n/colonn1.jpeg
    lung_image_sets/
        lung_aca/lungaca1.jpeg
        lung_scc/lungscc1.jpeg
or, cut at random by somebody else
    Train and Validation Set/colon_aca/colonca1.jpeg
    Test Set/lung_scc/lungscc1.jpeg
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "**/{colon_aca,colon_n,lung_aca,lung_n,lung_scc}/*")


def miniature(raw: Miniature) -> None:
    for label in ("colon_aca", "colon_n", "lung_aca", "lung_n", "lung_scc"):
        organ, _, kind = label.partition("_")
        name = "colonca" if label == "colon_aca" else organ + kind
        for number in range(1, 5):
            path = f"lung_colon_image_set/{organ}_image_sets/{label}/{name}{number}.jpeg"
            raw.image(path, size=(96, 96), mode="RGB")
    raw.corrupt("lung_colon_image_set/lung_image_sets/lung_n/lungn4.jpeg")
