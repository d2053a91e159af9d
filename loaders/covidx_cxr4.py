"""COVIDx CXR-4: chest radiographs pooled from many collections, COVID-19 positive or negative.

train.txt  val.txt  test.txt         # no header: patient file class collection, parted by blanks
train/1e64990d1b40c1758a2aaa9c7f7a85_jumbo.jpeg
val/ARDSSevere.png                   # val.txt and val/ are missing in the older CXR-2 and CXR-3
test/MIDRC-RICORD-1C-419639-003251-46647-0.png
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, matched


def examples(raw: RawFolder) -> Iterator[Example]:
    for part in ("train", "val", "test"):
        images = raw.by_name(f"{part}/*.{{png,jpg,jpeg}}")
        table = f"{part}.txt"
        if raw.first(table) is None:
            for image in images.values():
                raw.skip(image, f"{table}, which holds its class, is not in the folder")
            continue
        for (label, patient), image in matched(raw, table, map(_facts, raw.lines(table)), images):
            yield Example(image, label=label, patient=patient, split=SPLITS[part])


def _facts(line: str) -> tuple[str, tuple[str, str]]:
    """File name -> class and patient. A name may hold blanks; the number of a patient is that of a collection."""
    patient, _, rest = line.partition(" ")
    name, label, collection = [*rest.rsplit(maxsplit=2), "", "", ""][:3]
    collection = collection.lower().replace("rnsa", "rsna")
    return name.strip(), (label, f"{collection} {patient}")


def miniature(raw: Miniature) -> None:
    for part, first, count in (("train", 0, 10), ("val", 10, 4), ("test", 14, 5)):
        lines = []
        for number in range(first, first + count):
            # patients 379 and 380 of one collection are not those of another; "rnsa" is a misspelling of "rsna"
            collection = ("cohen", "rsna", "cohen", "rnsa", "ricord")[number % 5]
            name = (f"ARDS severe ({number}).png", f"{number:08x}_jumbo.jpeg", f"MIDRC-RICORD-1C-{number:06d}.png")
            image = name[number % 3]
            raw.image(f"{part}/{image}", mode="RGB" if number % 4 == 1 else "L", size=(90 + number, 80))
            label = "positive" if number % 2 else "negative"
            lines.append(f"{(379, 380)[number % 2] + first} {image} {label} {collection}")
        if part == "train":
            lines.append("5 lost.png negative sirm")
        raw.text(f"{part}.txt", "\n".join(lines) + "\n")
    raw.corrupt(f"train/{1:08x}_jumbo.jpeg")
    raw.image("test/listed nowhere.png")
