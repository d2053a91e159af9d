"""Masks and boxes of an example -> label map and boxes of its displayed image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from med_mat.example import Box, Mask
from med_mat.image import FileCache, Stored


@dataclass(frozen=True, slots=True)
class Annotations:
    """One label map of the displayed image's size, what its values stand for, and the boxes of its objects."""

    png: bytes | None
    legend: tuple[tuple[int, tuple[str, ...]], ...]  # value -> the labels that hold there; never 0, the background
    objects: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """Boxes in pixels of the displayed image, and how many had to be clipped or dropped."""

    boxes: tuple[Box, ...]
    clipped: int = 0
    dropped: int = 0


def render(root: Path, masks: Sequence[Mask] | None, stored: Stored, cache: FileCache) -> Annotations:
    """The masks of an example as one label map; None masks (not annotated) give no map."""
    raise NotImplementedError


def place(boxes: Sequence[Box], stored: Stored) -> Placed:
    """Boxes in pixels of the displayed image."""
    raise NotImplementedError
