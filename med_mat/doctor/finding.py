"""One result of a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["found", "partial", "archive", "unclear", "build", "link", "unreadable", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a diagnosis: a source, or something that is not one."""

    state: State
    where: str
    source: str = ""  # "" where it is not a source, or ambiguous
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
    steps: tuple[str, ...] = ()  # commands, or other advice
