"""JSIEC: fundus photographs in 39 classes of diseases and conditions.

1000images/
    0.0.Normal/1ffa962e-8d87-11e8-9daf-6045cb817f5b..JPG    # two dots
    15.1.Bietti crystalline dystrophy/….jpg
    29.1.Blur fundus with suspected PDR/….JPG
    1000images/                      # in some copies the whole tree once more
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_CLASSES = (
    "0.0.Normal",
    "0.1.Tessellated fundus",
    "0.2.Large optic cup",
    "0.3.DR1",
    "1.0.DR2",
    "1.1.DR3",
    "2.0.BRVO",
    "2.1.CRVO",
    "3.RAO",
    "4.Rhegmatogenous RD",
    "5.0.CSCR",
    "5.1.VKH disease",
    "6.Maculopathy",
    "7.ERM",
    "8.MH",
    "9.Pathological myopia",
    "10.0.Possible glaucoma",
    "10.1.Optic atrophy",
    "11.Severe hypertensive retinopathy",
    "12.Disc swelling and elevation",
    "13.Dragged Disc",
    "14.Congenital disc abnormality",
    "15.0.Retinitis pigmentosa",
    "15.1.Bietti crystalline dystrophy",
    "16.Peripheral retinal degeneration and break",
    "17.Myelinated nerve fiber",
    "18.Vitreous particles",
    "19.Fundus neoplasm",
    "20.Massive hard exudates",
    "21.Yellow-white spots-flecks",
    "22.Cotton-wool spots",
    "23.Vessel tortuosity",
    "24.Chorioretinal atrophy-coloboma",
    "25.Preretinal hemorrhage",
    "26.Fibrosis",
    "27.Laser Spots",
    "28.Silicon oil in eye",
    "29.0.Blur fundus without PDR",
    "29.1.Blur fundus with suspected PDR",
)


def examples(raw: RawFolder) -> Iterator[Example]:
    for image in raw.images("1000images/**"):
        raw.skip(image, "it lies in the second copy of the tree")
    yield from class_folders(raw, [f"{name}/*" for name in _CLASSES])


def miniature(raw: Miniature) -> None:
    for place, label in enumerate(_CLASSES):
        for number in range(2):
            suffix = "jpg" if place % 5 == 1 else ".JPG"
            name = f"{label}/1ffa{place * 2 + number:04x}-8d87-11e8-9daf-6045cb817f5b.{suffix}"
            raw.image(f"1000images/{name}", size=(48, 40), mode="RGB", seed=name)
            if place < 3:
                raw.image(f"1000images/1000images/{name}", size=(48, 40), mode="RGB", seed=name)
    raw.corrupt("1000images/4.Rhegmatogenous RD/1ffa0013-8d87-11e8-9daf-6045cb817f5b..JPG")
