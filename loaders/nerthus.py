"""Nerthus: frames of colonoscopy videos, graded 0 to 3 for the cleanliness of the bowel.

nerthus-dataset-frames/                      # in some copies twice
    0/bowel_1_score_0-0_00000001.jpg         # bowel_<video>_score_<grade>-…_<frame>
    3/bowel_20_score_3-1_00000001.jpg
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders, numbered


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "{0,1,2,3}/*", patient=numbered("video", r"bowel_(\d+)_"))


def miniature(raw: Miniature) -> None:
    top = "nerthus-dataset-frames/nerthus-dataset-frames"
    for grade, videos in enumerate(((1, 2), (3, 4, 5), (13, 14), (17, 20))):
        for video in videos:
            for frame in range(1, 3):
                name = f"bowel_{video}_score_{grade}-{video % 2}_{frame:08d}.jpg"
                raw.image(f"{top}/{grade}/{name}", size=(90, 72), mode="RGB")
    raw.image(f"{top}/2/bowel_20_score_3-0_00000003.jpg", size=(90, 72), mode="RGB")  # the folder counts, not the name
