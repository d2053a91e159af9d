"""Monkeypox Skin Image Dataset 2022: web photographs of five types of rash and of healthy skin.

monkeypox dataset/                           # not in all copies
    image_list_with_sources_and_credits.xlsx
    preprocessed_original_images/monkeypox/*.jpg
    augmented_images/monkeypox/aug_mo_0001_0001.jpg      # 49 of each original
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_CLASSES = ("chickenpox", "cowpox", "healthy", "measles", "monkeypox", "smallpox")


def examples(raw: RawFolder) -> Iterator[Example]:
    for image in raw.images("augmented_images/**"):
        raw.skip(image, "an altered copy of an original")
    for table in raw.glob("image_list_with_sources_and_credits.*"):
        raw.skip(table, "it says where each picture was found, not what it shows")
    yield from class_folders(raw, [f"preprocessed_original_images/{name}/*" for name in _CLASSES])


def miniature(raw: Miniature) -> None:
    top = "monkeypox dataset"
    found: list[tuple[str, str]] = []
    for label in _CLASSES:
        for number in range(1, 4):
            name = f"{label[:2]}_{number:04d}"
            raw.image(f"{top}/preprocessed_original_images/{label}/{name}.jpg", size=(70 + 9 * number, 72), mode="RGB")
            found.append((f"{name}.jpg", f"https://example.org/{name}"))
        for copy in (1, 2):
            raw.image(f"{top}/augmented_images/{label}/aug_{label[:2]}_0001_{copy:04d}.jpg", size=(79, 72), mode="RGB")
    raw.xlsx(f"{top}/image_list_with_sources_and_credits.xlsx", found, ["Image", "Source"])
    raw.corrupt(f"{top}/preprocessed_original_images/smallpox/sm_0003.jpg", keep=0.1)
