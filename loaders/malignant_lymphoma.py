"""Malignant Lymphoma Classification: stained lymph node biopsies of three types of lymphoma.

CLL/sj-03-476_001.tif
FL/sj-05-588-R1_001.tif     # case, slide where there are several, and image
MCL/sj-05-588-R1_002.tif    # one listing shows this name below FL too
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, "{CLL,FL,MCL}/*.tif", patient=_case)


def _case(path: PurePosixPath) -> str | None:
    """The name before the number of the image, without that of the slide: sj-05-588 of sj-05-588-R1_001."""
    return re.sub(r"-R\d+$", "", path.stem.rpartition("_")[0], flags=re.IGNORECASE) or None


def miniature(raw: Miniature) -> None:
    slides = {
        "CLL": ("sj-03-476", "sj-03-5521"),
        "FL": ("sj-05-588-R1", "sj-05-588-R2", "sj-05-6124"),
        "MCL": ("sj-04-3077-R2", "sj-05-768", "sj-05-588-R1"),
    }
    for label, names in slides.items():
        for name in names:
            for number in (1, 2):
                raw.image(f"{label}/{name}_{number:03d}.tif", size=(92, 69), mode="RGB")
