"""One thing that was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["found", "partial", "archive", "unclear", "build", "link", "unreadable", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: a source, or what is none."""

    state: State
    where: str
    source: str = ""  # "" where it is none, or may be several
    title: str = ""
    variant: str = ""  # of the layout of the card
    complete: bool = False
    files: int = 0
    images: int | None = None
    expected: int | None = None  # images, by the card
    missing: tuple[str, ...] = ()  # files, or patterns of the layout
    extra: tuple[str, ...] = ()  # against the index of an earlier build
    altered: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()  # commands, or what to do
