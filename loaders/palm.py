"""PALM: fundus photographs with and without pathologic myopia, with masks of the optic disc.

Training/Images/P0001.jpg                    # the edition of 2024
Training/Disc Masks/P0001.bmp                # inverted: the disc is black; none where no disc is seen
Training/Lesion Masks/Atrophy/P0001.bmp
Validation/…  Testing/…
or, of the challenge:
PALM-Training400/P0001.jpg                                   # sometimes doubled
PALM-Training400-Annotation-D&F/Disc_Masks/P0001.bmp         # beside the images or among them
PALM-Training400-Annotation-D&F/Disc_Fovea_Illustration/P0001.jpg    # drawings, under the names of the images
PALM-Training400-Annotation-Lession/Lesion_Masks/Atrophy/P0001.bmp
PALM-Validation400/V0001.jpg                                 # masks in PALM-Validation-GT/Disc_Masks
PALM-Testing400-Images/T0001.jpg                             # no masks
or, re-packed:
Train/fundus_image/P0001.jpg  Train/Disc_Masks/P0001.bmp
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import BinaryMask, Example, Split
from med_mat.raw import Miniature, RawFolder, aligned

_FOLDERS: dict[str, Split] = {"Training": "train", "Validation": "validation", "Testing": "test"}
_CHALLENGE_TEST = ("PALM-Testing400*/**/T*.jpg", "PALM-Testing*/**/Disc_Masks/*.bmp")
#: Variant -> part -> its images, its masks.
_EDITIONS: dict[str, dict[Split, tuple[str, str]]] = {
    "figshare": {part: (f"{name}/Images/*.jpg", f"{name}/Disc Masks/*.bmp") for name, part in _FOLDERS.items()},
    "challenge": {
        "train": ("PALM-Training400*/**/{H,N,P}????.jpg", "PALM-Training400*/**/Disc_Masks/*.bmp"),
        "validation": ("PALM-Validation400*/**/V????.jpg", "PALM-Validation*/**/Disc_Masks/*.bmp"),
        "test": _CHALLENGE_TEST,
    },
    "re-packed": {"train": ("Train/fundus_image*/**/*.jpg", "Train/Disc_Masks/*.bmp"), "test": _CHALLENGE_TEST},
}
_DRAWINGS = "**/*Illustration*/**"


def examples(raw: RawFolder) -> Iterator[Example]:
    for split, (images, discs) in _EDITIONS[raw.variant or "figshare"].items():
        photographs = raw.by_stem(images, exclude=_DRAWINGS)
        masks = aligned(raw.by_stem(discs), photographs)
        annotated = bool(masks)
        for name, image in photographs.items():
            mask = masks.pop(name, None)
            if not annotated:
                raw.skip(image, f"no mask of the {split} part is in the folder; the challenge kept those of the test")
                continue
            # without a file no disc is seen
            drawn = (BinaryMask(mask, "disc", threshold=127, inverted=True),) if mask else ()
            yield Example(image, masks=drawn, split=split, key=f"{split}/{image.name}")
        for mask in masks.values():
            raw.skip(mask, "a mask of which there is no image")
    for image in raw.images(_DRAWINGS):
        raw.skip(image, "a drawing of the annotations on the photograph")
    for image in raw.images("**/Lesion*Masks/**"):
        raw.skip(image, "marks lesions, not the optic disc")


def miniature(raw: Miniature) -> None:
    for folder, letters, count in (("Training", "HNP", 9), ("Validation", "V", 4), ("Testing", "T", 4)):
        top = f"PALM/{folder}"
        for number in range(1, count + 1):
            name, size = f"{letters[number % len(letters)]}{number:04d}", (92 + 2 * (number % 2), 92)
            raw.image(f"{top}/Images/{name}.jpg", size=size, mode="RGB")
            if number == 2:
                continue  # no disc is seen
            other = (46, 46) if folder == "Training" and number == 7 else size
            raw.mask(f"{top}/Disc Masks/{name}.bmp", size=other, value=0, background=255)
        raw.mask(f"{top}/Lesion Masks/Atrophy/{letters[-1]}0001.bmp", size=(94, 92), value=0, background=255)
        raw.text(f"{top}/Disc Masks/.DS_Store", "hidden")
    raw.text("PALM/__MACOSX/Training/Images/._H0003.jpg", "hidden")
