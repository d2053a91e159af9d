"""mini-MIAS: mammograms of both breasts of 161 women, normal or with one of six abnormalities and a circle around it.

Info.txt                     # mdb001 G CIRC B 535 425 197: name, tissue, class, severity, circle; prose around it
all-mias/mdb001.pgm          # the original archive has all in one folder
all-mias/mdb002.pgm
all_mias_scans.h5            # the same again
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from med_mat.example import Box, Example
from med_mat.raw import Miniature, RawFolder, matched

_SIDE = 1024  # of every image, in pixels


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_stem("{all-mias/,}mdb*.pgm")
    table = raw.one("Info.txt")
    found: defaultdict[str, list[list[str]]] = defaultdict(list)  # an image with several abnormalities has as many rows
    for line in raw.lines(table):
        if re.match(r"mdb\d{3}\s+[DFG]\s", line):
            name, *cells = line.split()
            found[name].append(cells)
    for (name, rows), image in matched(raw, table, ((name, (name, rows)) for name, rows in found.items()), images):
        labels = dict.fromkeys(cells[1] for cells in rows)
        if len(labels) != 1:
            raw.skip(image, f"Info.txt gives it {len(labels)} classes: {', '.join(labels)}")
            continue
        yield Example(
            image,
            label=next(iter(labels)),
            boxes=_boxes(rows),
            patient=f"woman {(int(name[3:]) + 1) // 2}",  # two films of each
            raw_label="|".join(dict.fromkeys(" ".join(cells[:3]) for cells in rows)),
            key=image.name,
        )


def _boxes(rows: list[list[str]]) -> tuple[Box, ...] | None:
    """The squares around the circles; None where one has no place, as "*NOTE 3*" and mdb059 have not."""
    boxes = []
    for _, label, *cells in rows:
        if label == "NORM":
            continue
        place = cells[1:4]
        if len(place) < 3 or not all(cell.isdecimal() for cell in place):
            return None
        x, y, radius = map(int, place)  # of a pixel, y counted from the bottom
        box = (x + 0.5) / _SIDE, 1 - (y + 0.5) / _SIDE, 2 * radius / _SIDE, 2 * radius / _SIDE
        boxes.append(Box.centered(*box, label))
    return tuple(boxes)


def miniature(raw: Miniature) -> None:
    lines = [
        "REFNUM BG CLASS SEVERITY X Y RADIUS ",
        *("mdb001 G CIRC B 535 425 197", "mdb002 G CIRC B 522 280 69", "mdb003 D NORM ", "mdb004 D NORM "),
        *("mdb005 F CIRC B 477 133 30", "mdb005 F CIRC B 500 168 26", "mdb006 F NORM "),
        *("mdb010 F MISC B 525 425 33", "mdb012 F MISC B 471 458 40", "mdb059 F CIRC B"),
        *("mdb072 G ASYM M 266 517 28", "mdb081 G ASYM B 492 473 131", "mdb115 G ARCH M 461 532 117"),
        *("mdb117 G ARCH M 480 576 84", "mdb144 F MISC B 233 994 29", "mdb144 F MISC M 313 540 27"),
        *("mdb145 D SPIC B 669 543 49", "mdb148 F SPIC M 326 607 174", "mdb216 D CALC M *NOTE 3*"),
        *("mdb218 G CALC B 519 629 8", "mdb219 G CALC B 546 756 29", "mdb321 D NORM ", "mdb322 D NORM "),
    ]
    raw.text("Info.txt", "\n".join(lines) + "\n")
    for name in dict.fromkeys(line.split()[0] for line in lines[1:]):
        if name != "mdb006":  # listed, and missing
            raw.image(f"all-mias/{name}.pgm", size=(64, 64), format="PPM")
    raw.image("all-mias/mdb007.pgm", size=(64, 64), format="PPM")  # there, and not listed
    raw.corrupt("all-mias/mdb012.pgm")
    raw.text("all-mias/README", "The prose of the publisher.\n")
