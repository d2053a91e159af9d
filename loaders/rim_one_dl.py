"""RIM-ONE DL: fundus photographs cropped around the optic disc, with masks of the disc and the cup.

RIM-ONE_DL_images/
    partitioned_by_hospital/
        training_set/glaucoma/r2_Im347.png
        test_set/normal/r1_Im069.png
    partitioned_randomly/            # the same images under another split
RIM-ONE_DL_reference_segmentations/
    glaucoma/r2_Im347-1-Disc-T.png   # some lie in the folder of the other class; license.png may lie anywhere
    glaucoma/r2_Im347-1-Cup-T.png
    glaucoma/r2_Im347-1-Cup-T.txt    # contour
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import BinaryMask, Example
from med_mat.raw import SPLITS, Miniature, RawFolder, aligned

_IMAGES, _MASKS = "RIM-ONE_DL_images", "RIM-ONE_DL_reference_segmentations"
_PARTITIONS = ("partitioned_by_hospital", "partitioned_randomly")
_THINGS = ("Disc", "Cup")


def examples(raw: RawFolder) -> Iterator[Example]:
    used = next((one for one in _PARTITIONS if raw.first(f"{_IMAGES}/{one}/*_set/*/r*_Im*.png")), _PARTITIONS[0])
    images = raw.by_name(f"{_IMAGES}/{used}/{{training,test}}_set/*/r*_Im*.png").values()
    masks = aligned(
        raw.by_name(f"{_MASKS}/*/r*_Im*-1-{{{','.join(_THINGS)}}}-T.png"),
        (f"{image.stem}-1-{thing}-T.png" for image in images for thing in _THINGS),
    )
    for image in images:
        mine = [masks.pop(f"{image.stem}-1-{thing}-T.png", None) for thing in _THINGS]
        drawn = tuple(BinaryMask(mask, thing) for mask, thing in zip(mine, _THINGS, strict=True) if mask)
        if len(drawn) < len(_THINGS):
            for path in (image, *filter(None, mine)):
                raw.skip(path, "of disc and cup one has no mask")
            continue
        split = SPLITS[image.parts[-3].lower().removesuffix("_set")]
        yield Example(image, masks=drawn, split=split, key=image.name)
    for mask in masks.values():
        raw.skip(mask, "a mask of which there is no image")
    for image in raw.images(f"{_IMAGES}/{_PARTITIONS[1]}/**" if used == _PARTITIONS[0] else ()):
        raw.skip(image, f"the images of {used} once more, under another split")
    for image in raw.images([f"{_IMAGES}/**/*licen?e*", f"{_MASKS}/**/*licen?e*"]):
        raw.skip(image, "the license, not a photograph")


def miniature(raw: Miniature) -> None:
    for number in range(14):
        edition = 1 + number % 3
        label = "glaucoma" if number % 2 else "normal"
        name = f"r{edition}_Im{60 + number:03d}"
        size = (80 + number, 80 + number)
        hospital = "training" if edition == 2 or number < 6 else "test"
        random = "test" if number % 4 == 0 else "training"
        for partition, part in zip(_PARTITIONS, (hospital, random), strict=True):
            path = f"{_IMAGES}/{partition}/{part}_set/{label}/{name}.png"
            raw.image(path, size=size, mode="RGB", seed=name)
        folder = f"{_MASKS}/{'normal' if number == 3 else label}/{name}"
        raw.mask(f"{folder}-1-Disc-T.png", size=size, seed=name, shape="rectangle", mode="1" if number == 4 else "L")
        if number != 11:
            raw.mask(f"{folder}-1-Cup-T.png", size=size, seed=name)  # inside the disc
        raw.text(f"{folder}-1-Disc-T.txt", "contour\n")
    raw.image(f"{_IMAGES}/{_PARTITIONS[0]}/training_set/normal/license.png", mode="RGB")
    raw.text(f"{_MASKS}/LICENSE.txt", "Research and education only\n")
