"""Head CT: 200 single CT slices, half of them with intracranial hemorrhage.

labels.csv                   # header "id, hemorrhage": the second name begins with a blank
head_ct/head_ct/000.png      # older copies: head_ct/000.png; a few are RGBA
head_ct/head_ct/199.png
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, listed


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_stem("head_ct/**/*.png")
    for row, image in listed(raw, "labels.csv", images, lambda row: row["id"].zfill(3), columns=["id", "hemorrhage"]):
        yield Example(image, label=row["hemorrhage"], key=image.name)


def miniature(raw: Miniature) -> None:
    for number in range(20):
        raw.image(f"head_ct/head_ct/{number:03d}.png", size=(66 + number, 80), mode="RGBA" if number >= 18 else "RGB")
    raw.csv("labels.csv", [(number, int(number < 10)) for number in range(20)], header="id, hemorrhage")
    raw.image("head_ct/head_ct/200.png", mode="RGB")  # not in the table
