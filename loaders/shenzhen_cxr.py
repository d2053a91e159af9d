"""Shenzhen: chest radiographs, normal or with signs of tuberculosis, each with a short clinical reading.

ChinaSet_AllFiles/                        # one mirror: images and texts side by side
    CXR_png/CHNCXR_0001_0.png             # 0 normal, 1 tuberculosis
    CXR_png/CHNCXR_0327_1.png
    ClinicalReadings/CHNCXR_0327_1.txt    # may lack; free text after sex and age
    Annotations-2/masks/CHNCXR_0330_1_Pleural_Effusion_1.png  # newer server: of single findings, not of all images
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, aligned, sex_and_age


def examples(raw: RawFolder) -> Iterator[Example]:
    names = "CHNCXR_????_{0,1}"
    images = raw.by_stem(f"{{CXR_png/,}}{names}.png")
    readings = aligned(raw.by_stem([f"ClinicalReadings/{names}.txt", f"{{CXR_png/,}}{names}.txt"]), images)
    for stem, image in images.items():
        number, _, label = stem.partition("_")[2].rpartition("_")
        text = readings.pop(stem, None)
        said = "; ".join(" ".join(line.split()) for line in raw.lines(text)) if text else None
        stated = sex_and_age(said or "")
        yield Example(image, label=label, raw_label=said or None, patient=number, key=image.name, attributes=stated)
    for stem, text in readings.items():
        raw.miss(f"{stem}.png", str(text))
        raw.skip(text, "a reading whose image is missing")
    for mask in raw.images("**/masks/*"):
        raw.skip(mask, "a mask of one finding: this row asks for tuberculosis or not")


def miniature(raw: Miniature) -> None:
    top = "ChinaSet_AllFiles"
    said = ("normal", "STB", "left PTB,\tright upper PTB\n\n", "bilateral PTB \xa0with effusion")
    for number in range(1, 17):
        label = int(number > 8)
        name = f"CHNCXR_{number:04d}_{label}"
        raw.image(f"{top}/CXR_png/{name}.png", size=(96 + number, 96), mode="RGB" if number % 3 == 0 else "L")
        if number in (5, 14):
            continue  # without a reading
        text = f"{'Male' if number % 2 else 'female'} {20 + number}yrs\n\n{said[number % 3 + label if label else 0]}\n"
        raw.text(f"{top}/ClinicalReadings/{name}.txt", text, encoding="latin-1")
    raw.corrupt(f"{top}/CXR_png/CHNCXR_0008_0.png")
    raw.text(f"{top}/ClinicalReadings/CHNCXR_0017_1.txt", "male 45yrs\nSTB\n")  # its image is missing
    raw.mask(f"{top}/Annotations-2/masks/CHNCXR_0009_1_Pleural_Effusion_1.png", size=(105, 96))
    raw.text(f"{top}/CXR_png/Thumbs.db", "not a picture")
