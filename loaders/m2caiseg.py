"""m2caiSeg: frames of laparoscopic gallbladder surgery, whose instruments are labeled in masks of 19 colors.

m2caiSeg dataset/                # a blank in the name
    train/images/00.jpg
    train/groundtruth/00_gt.png  # some are of another size than the image
    test/images/0.jpg
    test/groundtruth/0_gt.png
    trainval/                    # train and test once more
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from med_mat.example import ColorMap, Example, Split
from med_mat.raw import Miniature, RawFolder, paired

_PARTS: tuple[Split, ...] = ("train", "test")
_Color = tuple[int, int, int]
_STEP = 85  # every color of the table is on a grid of that step
_INSTRUMENTS: dict[str, _Color] = {
    "grasper": (0, 85, 170),
    "bipolar": (0, 85, 255),
    "hook": (0, 170, 85),  # as the authors have it: 0,170,255 in one reader is wrong
    "scissors": (0, 255, 85),
    "clipper": (0, 255, 170),
    "irrigator": (85, 0, 170),
    "specimen bag": (85, 0, 255),
    "trocars": (170, 85, 85),
    "clip": (170, 170, 170),
}
_OTHERS: dict[str, _Color] = {
    "liver": (85, 170, 0),
    "gall bladder": (85, 170, 255),
    "fat": (85, 255, 0),
    "upper wall": (85, 255, 170),
    "artery": (170, 0, 255),
    "intestine": (255, 0, 255),
    "bile": (255, 255, 0),
    "blood": (255, 0, 0),
    "unknown": (170, 0, 85),
    "out of view": (0, 0, 0),
}


def examples(raw: RawFolder) -> Iterator[Example]:
    colors = _nearest()
    for part in _PARTS:
        images = raw.by_stem(f"{part}/images/*.jpg")
        masks = raw.by_name(f"{part}/groundtruth/*_gt.png", key=lambda path: path.stem[: -len("_gt")])
        for image, mask in paired(raw, images, masks):
            instruments = ColorMap(mask, colors, tolerance=_STEP // 2, others=tuple(_OTHERS.values()))
            yield Example(image, masks=(instruments,), split=part)
    for image in raw.images("trainval/**"):
        raw.skip(image, "trainval holds the files of train and test once more")


def _nearest() -> dict[_Color, str]:
    """The colors of the grid to which an instrument is nearer than all else in the table."""
    found: dict[_Color, str] = {}
    for red, green, blue in product(range(0, 256, _STEP), repeat=3):
        away = {
            name: (red - r) ** 2 + (green - g) ** 2 + (blue - b) ** 2
            for name, (r, g, b) in (_INSTRUMENTS | _OTHERS).items()
        }
        nearest, second = sorted(away, key=lambda name: away[name])[:2]
        if nearest in _INSTRUMENTS and away[nearest] < away[second]:
            found[red, green, blue] = nearest
    return {color: name for instrument in _INSTRUMENTS for color, name in found.items() if name == instrument}


def miniature(raw: Miniature) -> None:
    top, size = "m2caiSeg dataset", (108, 72)
    tools, others = list(_INSTRUMENTS.values()), list(_OTHERS.values())
    for part, names in (("train", [f"{number:02d}" for number in range(12)]), ("test", ["0", "1", "2", "475"])):
        for place, name in enumerate(names):
            # an instrument, one a little off its color, tissue, and a color that is as near to several
            one, (red, green, blue) = tools[place % 9], tools[(place * 2 + 1) % 9]
            colors = [one, (min(red + 9, 255), max(green - 9, 0), blue), others[place % 9], (0, 170, 170)]
            for folder in (part, "trainval"):
                seed = f"{part} {name}"
                raw.image(f"{top}/{folder}/images/{name}.jpg", size=size, mode="RGB", seed=seed)
                other = (54, 36) if name == "11" else size
                raw.color_map(f"{top}/{folder}/groundtruth/{name}_gt.png", size=other, colors=colors)
    raw.color_map(f"{top}/test/groundtruth/2_gt.png", size=size, colors=others[:3])  # no instrument
