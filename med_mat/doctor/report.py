"""Findings as JSON and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from med_mat.doctor.finding import Finding
from med_mat.shell import counted, printable

_SHOWN = 3


def healthy(findings: Sequence[Finding]) -> bool:
    """Whether a source was found and every one that was found is complete."""
    sources = [one for one in findings if one.state not in ("unknown", "build")]
    return bool(sources) and all(one.complete for one in sources)


def to_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The findings as plain data."""
    return [asdict(one) for one in findings]


def to_text(findings: Sequence[Finding]) -> str:
    """The findings as text."""
    lines: list[str] = []
    for one in findings:
        lines += [*_section(one), ""]
    sources = {one.source for one in findings if one.state == "found"}
    whole = {one.source for one in findings if one.state == "found" and one.complete}
    if not sources:
        lines.append("No source of Med-MAT lies here ready to be built.")
    else:
        partial = sum(one.state == "partial" for one in findings)
        others = f"; {partial} incomplete or misplaced" if partial else ""
        lines.append(f"{counted(len(sources), 'source')} found, {len(whole)} of them complete{others}.")
    return "\n".join(lines)


def some(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _section(one: Finding) -> list[str]:
    words = {
        "found": "complete" if one.complete else "incomplete",
        "partial": "incomplete or misplaced",
        "archive": "unpacked already, the archive is still there" if one.complete else "not unpacked",
        "unclear": "may be any of several sources",
        "build": "a built Med-MAT",
        "link": "a link that leads out, not followed",
        "unreadable": "cannot be opened",
        "unknown": "nothing that is known",
    }
    name = f"{one.title} ({one.source})" if one.source else printable(one.where)
    lines = [f"{name}: {words[one.state]}"]
    if one.source:
        lines.append(f"  where    {printable(one.where)}" + (f"   (layout: {one.variant})" if one.variant else ""))
    if one.files:
        images = "" if one.images is None else f", {counted(one.images, 'image')}"
        of = f" of {one.expected:,}" if one.images is not None and one.expected else ""
        lines.append(f"  files    {one.files:,}{images}{of}")
    for word, paths in (("missing", one.missing), ("altered", one.altered), ("extra", one.extra)):
        if paths:
            lines.append(f"  {word:<8} {len(paths):,}: {printable(some(paths))}")
    lines += [f"  note     {printable(note)}" for note in one.notes]
    lines += [f"  do       {step}" for step in one.steps]
    return lines
