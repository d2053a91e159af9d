"""Human Protein Atlas: fluorescence microscopy of cells, labeled with the subcellular locations of a protein.

train.csv                    # ID,Label: numbers joined by "|", such as 8|5|0
train/5c27f04c-bb99-11e8-b2b9-ac1f6b6435d0_green.png     # beside it _red, _blue and _yellow: one stain each
test/0040581b-f1f2-4fbe-b043-b6bfea5404bb_green.png      # no labels
sample_submission.csv
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, joined, listed

_PATTERNS = tuple(map(str, range(19)))
_NEGATIVE = "18"


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_name("train/*_green.png", key=lambda path: path.stem[: -len("_green")])
    for row, image in listed(raw, "train.csv", images, "ID", columns=["Label"], delimiter=","):
        labels = joined(row["Label"], "|", _PATTERNS)
        yield Example(image, labels=labels, split="train", raw_label=row["Label"])
    for image in raw.images("train/*_{red,blue,yellow}.png"):
        raw.skip(image, "shows another stain: the protein that is asked for is in the green channel")
    for image in raw.images("test/**"):
        raw.skip(image, "a test image: its labels were never published")


def miniature(raw: Miniature) -> None:
    rows = []
    for number in range(14):
        name = f"{number * 7919 + 65536:08x}-bb99-11e8-b2b9-ac1f6b6435d0"
        for channel in ("red", "green", "blue", "yellow"):
            raw.image(f"train/{name}_{channel}.png", size=(64, 64), mode="I;16" if number == 3 else "L")
        several = "|".join(str((4 * number + place) % 18) for place in range(4))
        rows.append((name, several if number < 10 else _NEGATIVE if number < 12 else str(number)))
    rows.append(("ffffffff-bb99-11e8-b2b9-ac1f6b6435d0", "0"))  # not in the folder
    raw.csv("train.csv", rows, header="ID,Label")
    raw.corrupt("train/00010000-bb99-11e8-b2b9-ac1f6b6435d0_green.png")
    name = "0040581b-f1f2-4fbe-b043-b6bfea5404bb"
    for channel in ("red", "green", "blue", "yellow"):
        raw.image(f"test/{name}_{channel}.png", size=(64, 64))
    raw.csv("sample_submission.csv", [(name, 64, 64, "0 1 eNoL")], header="ID,ImageWidth,ImageHeight,PredictionString")
