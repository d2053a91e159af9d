"""EDD2020: endoscopy frames with masks and boxes of five kinds of disease, which may overlap.

originalImages/EDD2020_ACB0003.jpg
masks/EDD2020_ACB0003_HGD.tif        # one for each class that is there; also …_HGD_mask.tif
bbox/EDD2020_ACB0003.txt             # xmin ymin xmax ymax class
class_list.txt                       # the order of pages

The organizers' samples stack the masks in pages, one for each class:

originalImage/EDD2020_ACB0015.jpg    # this one is a BMP
GT/EDD2020_ACB0015_mask.tif
data/train_images/00000_batch2.jpg   # data/ may be the root
data/train_masks/00000_batch2_mask.tif
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from med_mat.example import BinaryMask, Box, Example, Frame
from med_mat.raw import Miniature, RawFolder, corners, folded

_CLASSES = ("BE", "suspicious", "HGD", "cancer", "polyp")
_FOLDED = {kind.lower(): kind for kind in _CLASSES}
_THIN = 3  # pixels: some masks have a line along their border
_MASKS = {"originalimages": "masks", "originalimage": "GT", "train_images": "train_masks"}


def examples(raw: RawFolder) -> Iterator[Example]:
    listed = raw.first("class_list.txt")
    order = raw.lines(listed) if listed else _CLASSES
    for image in raw.images("{originalImages,originalImage,train_images,data/train_images}/*"):
        masks = _masks(raw, image, order)
        boxes = _boxes(raw, image)
        if raw.is_skipped(image):
            continue  # for one of its boxes
        if masks is None and boxes is None:
            raw.skip(image, "neither a mask nor a box file belongs to it")
            continue
        if masks and boxes is not None and not {mask.label for mask in masks} <= {box.label for box in boxes}:
            boxes = None  # a class has a mask and no box: then the boxes are those of the masks
        yield Example(image, masks=masks, boxes=boxes, key=image.name)


def _masks(raw: RawFolder, image: PurePosixPath, order: Sequence[str]) -> tuple[BinaryMask, ...] | None:
    by_class: dict[str, PurePosixPath] = {}
    stacked = None
    for mask in raw.siblings(image, f"../{_MASKS[image.parent.name.lower()]}/{image.stem}_*.tif"):
        kind = folded(mask.stem[len(image.stem) + 1 :]).removesuffix("_mask")
        if kind in _FOLDED:
            by_class[_FOLDED[kind]] = mask
        elif kind == "mask":
            stacked = mask
    if by_class:
        if stacked:
            raw.skip(stacked, "it repeats the masks of single classes")
        mine = [(by_class[kind], kind) for kind in _CLASSES if kind in by_class]
        return tuple(BinaryMask(path, kind, threshold=127, min_side=_THIN) for path, kind in mine)
    if stacked:
        pages = [(Frame(stacked, page), kind) for page, kind in enumerate(order)]
        return tuple(BinaryMask(page, kind, threshold=127, min_side=_THIN) for page, kind in pages)
    return None


def _boxes(raw: RawFolder, image: PurePosixPath) -> tuple[Box, ...] | None:
    found = raw.siblings(image, f"../bbox/{image.stem}.txt")
    if not found:
        return None
    rows = raw.table(found[0], header=["xmin", "ymin", "xmax", "ymax", "class"], delimiter=" ")
    boxes: list[Box] = []
    for row in rows:
        with raw.reading(row, image):
            place = corners(row, ["xmin", "ymin", "xmax", "ymax"])
            boxes += [] if place is None else [Box(*place, row["class"])]
    return tuple(boxes)


def miniature(raw: Miniature) -> None:
    top = "EndoCV2020-Endoscopy-Disease-Detection-Segmentation-subChallenge_data"
    for number in range(1, 13):
        name = f"EDD2020_{('ACB', 'AJ', 'B')[number % 3]}{number:04d}"
        size = (100 + number, 90)
        raw.image(f"{top}/originalImages/{name}.jpg", size=size, mode="RGB", format="BMP" if number == 5 else None)
        lines = []
        for kind in [_CLASSES[number % 5], _CLASSES[(number * 2 + 1) % 5]][: 1 + number % 2]:
            path = f"{top}/masks/{name}_{kind}{'_mask' if number == 7 else ''}.tif"
            raw.mask(path, size=size, line=number == 6)
            lines.append(" ".join(map(str, (*raw.box(size, path), kind))))
        if number == 10:
            raw.mask(f"{top}/masks/{name}_{_CLASSES[3]}.tif", size=size, empty=True, line=True)
        if number == 4:
            raw.pages(f"{top}/masks/{name}_mask.tif", 5, size=size)
        raw.text(f"{top}/bbox/{name}.txt", "" if number == 8 else "\n".join(lines))
    raw.text(f"{top}/class_list.txt", "\n".join(_CLASSES))
