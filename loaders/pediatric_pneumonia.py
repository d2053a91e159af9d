"""Pediatric Pneumonia: chest radiographs of children in Guangzhou, normal or with bacterial or viral pneumonia.

Pediatric Chest X-ray Pneumonia/
    train/NORMAL/NORMAL-1003233-0001.jpeg         # the second field is the child
    train/PNEUMONIA/BACTERIA-1008087-0001.jpeg
    test/PNEUMONIA/VIRUS-1011-0001.jpeg
or, in the older release, with val/
    train/NORMAL/NORMAL2-IM-0666-0001.jpeg
    train/PNEUMONIA/person1_bacteria_1.jpeg       # the numbers start again in each part
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, class_folders

from ._kermany import patient_of


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(
        raw,
        "{train,val,test}/{NORMAL,PNEUMONIA}/*",
        splits=SPLITS,
        patient=lambda path: patient_of(path.stem, path.parts[0]),
        raw_label=_raw_label,
    )


def _raw_label(path: PurePosixPath) -> str:
    """The class, and the kind of pneumonia where the name tells it."""
    kind = next((kind for kind in ("BACTERIA", "VIRUS") if kind in path.stem.upper()), None)
    return f"{path.parent.name}/{kind}" if kind else path.parent.name


def miniature(raw: Miniature) -> None:
    top = "Pediatric Chest X-ray Pneumonia"
    for part, first, children in (("train", 1003233, 3), ("test", 1011, 2)):
        for place, kind in enumerate(("NORMAL", "BACTERIA", "VIRUS")):
            for child in range(children):
                for number in range(1, 2 + child % 2):
                    label = "NORMAL" if kind == "NORMAL" else "PNEUMONIA"
                    path = f"{top}/{part}/{label}/{kind}-{first + 100 * place + child}-{number:04d}.jpeg"
                    raw.image(path, size=(96, 70 + child), mode="RGB" if child == 2 else "L")
    raw.corrupt(f"{top}/train/NORMAL/NORMAL-1003235-0001.jpeg")
