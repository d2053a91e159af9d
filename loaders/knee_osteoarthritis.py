"""Knee Osteoarthritis: radiographs of single knees, graded 0 to 4 on the Kellgren-Lawrence scale.

train/0/9003175L.png         # the grade; participant 9003175, left knee
train/2/9003175R.png
val/0/9000099L.png
test/4/9001695L.png
auto_test/4/9001695L.png     # the knees of test once more, cut out by a detector
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, class_folders, in_stem


def examples(raw: RawFolder) -> Iterator[Example]:
    for image in raw.images("auto_test/**"):
        raw.skip(image, "a knee of the test part once more, cut out by a detector")
    yield from class_folders(raw, "{train,val,test}/{0,1,2,3,4}/*", splits=SPLITS, patient=in_stem(r"\d{7}"))


def miniature(raw: Miniature) -> None:
    for place, (part, count) in enumerate((("train", 12), ("val", 5), ("test", 5))):
        for number in range(count):
            person = 9000001 + 1000 * place + number // 2  # left and right knee, of other grades
            name = f"{number % 5}/{person}{'LR'[number % 2]}.png"
            raw.image(f"{part}/{name}", size=(64, 64))
            if part == "test":
                raw.image(f"auto_test/{name}", size=(64, 64))
    raw.corrupt("train/1/9000006R.png")
