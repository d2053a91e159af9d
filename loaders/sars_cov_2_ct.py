"""SARS-COV-2 Ct-Scan: chest CT slices of patients with and without SARS-CoV-2.

COVID/Covid (1).png
non-COVID/Non-Covid (1).png          # grey in three or four channels
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "{COVID,non-COVID}/*")


def miniature(raw: Miniature) -> None:
    for folder, name in (("COVID", "Covid"), ("non-COVID", "Non-Covid")):
        for number in range(1, 9):
            path = f"{folder}/{name} ({number}).png"
            raw.image(path, size=(78 + 4 * number, 64), mode="RGB" if number % 3 else "RGBA")
    raw.text("COVID/.DS_Store", "")
    raw.corrupt("non-COVID/Non-Covid (8).png")
