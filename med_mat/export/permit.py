"""What an export may contain: it is a copy, and the terms of each source apply to copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from med_mat import terms
from med_mat.errors import ExportError
from med_mat.markdown import escape, table
from med_mat.shell import counted
from med_mat.summary import CERTAINTY, YES_NO
from med_mat.tags import Positions, Tags
from med_mat.terms import Terms

#: "all": every record, or refuse; "allowed": records of sources whose terms let images and labels be passed on.
Pixels = Literal["all", "allowed"]

_OWN_USE = (
    "> **For the use of whoever made this copy.** It contains images or labels that the terms of their sources do not, "
    "or not clearly, allow to be\n> passed on. Do not publish it, and do not share it.\n\n"
)


def kept_back(sources: Sequence[Terms], manifest: Mapping[str, Any]) -> dict[str, str]:
    """The sources whose images or labels may not be passed on, or are not known to be: source -> what.

    Args:
        sources: The terms of the sources.
        manifest: Of the build. Synthetic images that Med-MAT generated may always be passed on.
    """
    found = {}
    for one in sources:
        if not manifest["sources"].get(one.source, {}).get("synthetic", False):
            asked = {"images": one.redistributable, "labels": one.labels_redistributable}
            kept = [f"{what} ({'no' if may is False else 'unknown'})" for what, may in asked.items() if may is not True]
            if kept:
                found[one.source] = " and ".join(kept)
    return found


def permitted(tags: Tags, positions: Positions, kept: Mapping[str, str]) -> Positions:
    """The positions whose sources are not kept back."""
    rows = [number for number, facts in tags.facts.items() if facts.source in kept]
    return positions[~np.isin(tags.row[positions], np.array(rows, dtype=np.int64))]


def check(kept: Mapping[str, str]) -> None:
    """Refuse where something is kept back.

    Raises:
        ExportError: It names the sources, and the ways out.
    """
    if kept:
        named = ", ".join(f"{source}: {what}" for source, what in sorted(kept.items()))
        raise ExportError(
            f"An export is a copy, and the terms of {counted(len(kept), 'source')} forbid to pass copies on, or do "
            f"not clearly allow it ({named}). You can: say that the copy stays with you (own_use=True, --own-use); "
            "leave out these sources (pixels='allowed', --pixels allowed). 'med-mat show SOURCE' prints the terms."
        )


def licenses(sources: Sequence[Terms], kept: Mapping[str, str]) -> str:
    """``LICENSES.md`` of an export: the license and the terms of every source in it, and their citations.

    Args:
        sources: The terms of the sources.
        kept: Those of which it contains what may not be passed on: see :func:`kept_back`.
    """
    rows = [
        (
            f"`{one.source}`",
            f"{one.license} ({CERTAINTY[one.certainty]})",
            YES_NO[one.redistributable],
            YES_NO[one.labels_redistributable],
            YES_NO[one.commercial],
        )
        for one in sources
    ]
    head = ("source", "license", "redistribute images", "redistribute labels", "commercial use")
    parts = [
        "# Licenses of the sources",
        f"{_OWN_USE if kept else ''}{table(head, rows)}",
        *(f"## {escape(one.title)} (`{one.source}`)\n\n{escape(one.words)} {one.homepage}".rstrip() for one in sources),
        f"## Citations\n\n```bibtex\n{terms.bibtex(sources)}\n```",
    ]
    return "\n\n".join(parts) + "\n"
