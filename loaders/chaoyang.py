"""Chaoyang: patches of colon tissue in four classes; in the training part, three pathologists often disagree.

chaoyang-data/
    train.json                         # [{"name": "train/353042_4-IMG005x014-1.JPG", "label": 1}, …]
    test.json
    train/353042_4-IMG005x014-1.JPG    # <case>_<slide>-IMG<place>-<label>; the list holds, not the name
    test/535940-IMG002x007-2.JPG
    train_label.json                   # of the code repository: the vote of each pathologist
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from med_mat.example import Example, Split
from med_mat.raw import Miniature, RawFolder, entries, matched

_PARTS: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    label: int


def examples(raw: RawFolder) -> Iterator[Example]:
    for part in _PARTS:
        images = {str(path): path for path in raw.images(f"{part}/**")}
        table = f"{part}.json"
        listed = entries(raw, table, _Entry, name="name", images=images) if raw.first(table) else ()
        for label, image in matched(raw, table, ((entry.name, entry.label) for entry in listed), images):
            case = re.match(r"\d+", image.name)
            yield Example(image, label=str(label), patient=case[0] if case else None, split=part)


def miniature(raw: Miniature) -> None:
    top = "chaoyang-data"
    votes: list[dict[str, object]] = []
    for part, count in (("train", 12), ("test", 8)):
        listed: list[dict[str, object]] = []
        for number in range(count):
            case = f"{353042 + number // 4}_{number % 2}" if part == "train" else f"{535940 + number // 4}"
            label = number % 4
            name = f"{part}/{case}-IMG{number:03d}x014-{label}.JPG"
            raw.image(f"{top}/{name}", size=(96, 96), mode="RGB")
            listed.append({"name": name, "label": label})
        if part == "train":
            votes = [{**entry, "label_A": entry["label"], "label_B": 0, "label_C": entry["label"]} for entry in listed]
            listed.append({"name": "train/353099_1-IMG001x001-3.JPG", "label": 3})  # not in the folder
        raw.json(f"{top}/{part}.json", listed)
    raw.json(f"{top}/train_label.json", votes)
    raw.image(f"{top}/train/353042_4-IMG099x099-0.JPG", size=(96, 96), mode="RGB")  # not in the list
