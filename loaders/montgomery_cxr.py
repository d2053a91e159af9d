"""Montgomery County: chest radiographs, normal or with tuberculosis, with a mask of each lung.

CXR_png/MCUCXR_0001_0.png              # patient, then 0 normal or 1 tuberculosis; Thumbs.db beside them
ManualMask/leftMask/MCUCXR_0001_0.png  # the names of the films; the left of the patient, so on the right of the film
ManualMask/rightMask/MCUCXR_0001_0.png
ClinicalReadings/MCUCXR_0001_0.txt     # "Patient's Sex: F", "Patient's Age: 027Y", then the reading; may lack
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Attributes, BinaryMask, Example
from med_mat.raw import Miniature, RawFolder

_SIDES = ("leftMask", "rightMask")
_SPECK = 20_000  # two masks have a stray second blob: what is smaller gets no box (a lung has 50 to 150 times as much)


def examples(raw: RawFolder) -> Iterator[Example]:
    masks = dict.fromkeys(raw.images(f"ManualMask/{{{','.join(_SIDES)}}}/*.png"))
    for film in raw.images("CXR_png/MCUCXR_*_{0,1}.png"):
        patient, _, label = film.stem.partition("_")[2].rpartition("_")
        found = {side: mask for side in _SIDES for mask in raw.siblings(film, f"../ManualMask/{side}/{film.name}")}
        for mask in found.values():
            masks.pop(mask, None)
        lungs = None
        if len(found) == 2:
            lungs = tuple(BinaryMask(mask, side, min_component_size=_SPECK) for side, mask in found.items())
        for mask in found.values() if lungs is None else ():
            raw.skip(mask, "the mask of one lung, where that of the other is missing")
        yield Example(film, label=label, masks=lungs, patient=patient, attributes=_stated(raw, film))
    for mask in masks:
        raw.skip(mask, "the mask of a film that is not in the folder")


def _stated(raw: RawFolder, film: PurePosixPath) -> Attributes | None:
    """Sex and age, as the first lines of the reading say them."""
    lines = [line for text in raw.siblings(film, f"../ClinicalReadings/{film.stem}.txt") for line in raw.lines(text)]
    said = {name.strip().lower(): value for name, _, value in (line.partition(":") for line in lines)}
    return Attributes.of(age=said.get("patient's age"), sex=said.get("patient's sex"))


def miniature(raw: Miniature) -> None:
    top = "NLM-MontgomeryCXRSet/MontgomerySet"
    for place in range(12):
        ill = place % 3 == 1
        name = f"MCUCXR_{place * 13 + (104 if ill else 1):04d}_{int(ill)}"
        size = (100, 80) if place % 4 == 3 else (80, 100)
        if place == 6:  # large, so that its speck is small
            size, left = (560, 680), f"{top}/ManualMask/leftMask/{name}.png"
            raw.mask(left, size=size, speck=True, seed="patient left")
        else:
            raw.label_map(f"{top}/ManualMask/leftMask/{name}.png", size=size, values=(0, 255))
        raw.image(f"{top}/CXR_png/{name}.png", size=size)
        if place != 11:
            raw.label_map(f"{top}/ManualMask/rightMask/{name}.png", size=size, values=(255, 0))
        reading = "right upper lobe infiltrates\n" if ill else "normal\n"
        raw.text(f"{top}/ClinicalReadings/{name}.txt", f"Patient's Sex: F\nPatient's Age: 027Y\n{reading}")
    raw.corrupt(f"{top}/CXR_png/MCUCXR_0118_0.png")
    raw.text(f"{top}/CXR_png/Thumbs.db", "thumbnails\n")
    raw.text("__MACOSX/NLM-MontgomeryCXRSet/._MontgomerySet", "resource fork\n")
