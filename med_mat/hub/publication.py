"""Decides what is published of a built Med-MAT: which sources, with or without images and file names, by their terms.

:func:`choose` decides, :func:`med_mat.hub.staging.stage` writes the files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from med_mat.catalog import Catalog, Source
from med_mat.errors import HubError
from med_mat.nameless import identifies
from med_mat.permission import Decision, Pixels, check_all_may_go, decide
from med_mat.storage.errors import check_held
from med_mat.taxonomy import did_you_mean


@dataclass(frozen=True, slots=True)
class Publication:
    """The decision on what to publish."""

    folder: Path
    manifest: Mapping[str, Any]
    decisions: tuple[Decision, ...]  # on every source in the folder, in the order of the build
    names: bool  # whether records without images keep file names that identify people

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources that are published, in the order of the build."""
        return tuple(one.source for one in self.decisions if one.goes != "left out")

    @property
    def without_pixels(self) -> frozenset[str]:
        """The names of the sources that are published without images."""
        return frozenset(one.source.name for one in self.decisions if one.goes == "without pixels")

    @property
    def hidden(self) -> dict[str, tuple[str, ...]]:
        """The sources that are published without file names -> the fields of them that identify people."""
        if self.names:
            return {}
        found = {one.name: identifies(one) for one in self.sources if one.name in self.without_pixels}
        return {name: places for name, places in found.items() if places}


def choose(
    folder: Path,
    manifest: Mapping[str, Any],
    catalog: Catalog,
    *,
    only: Collection[str] = (),
    leave_out: Collection[str] = (),
    pixels: Pixels = "all",
    without_pixels: Collection[str] = (),
    allow: Collection[str] = (),
    names: bool = False,
) -> Publication:
    """Decide what is published, within the terms of the sources.

    Args:
        folder: the folder of a built Med-MAT.
        manifest: its manifest.
        catalog: the cards of the sources, which contain the terms.
        only: the sources to publish; none means all.
        leave_out: the sources to leave out.
        pixels: "all" publishes every source with images, or refuses; "allowed" publishes images where they may be
            redistributed, records without images where only labels may, and leaves out the rest; "none" publishes
            every source without images, or refuses.
        without_pixels: the sources to publish without images and masks in any case.
        allow: the sources that you confirm may be redistributed although their terms leave it open.
        names: whether records without images keep file names and raw labels that identify people.

    Raises:
        UnknownSourceError: a source is not in the folder.
        HubError: nothing is left, something requested may not be redistributed, or an argument is of the wrong type.
    """
    if isinstance(without_pixels, bool | str):
        raise HubError(
            f"without_pixels must be a collection of names of sources, not {without_pixels!r}. For all sources, use "
            'pixels="none".'
        )
    if pixels not in get_args(Pixels):
        hint = did_you_mean(str(pixels), get_args(Pixels))
        raise HubError(f"pixels must be one of {', '.join(get_args(Pixels))}, not {pixels!r}.{hint}")
    held = [name for name, facts in manifest["sources"].items() if facts["records"]]
    check_held((*only, *leave_out, *without_pixels, *allow), held, folder)
    decisions = []
    for name in held:
        if name in leave_out or (only and name not in only):
            decisions.append(Decision(catalog[name], "left out", "as requested"))
            continue
        wanted: Pixels = "none" if name in without_pixels else pixels
        synthetic = manifest["sources"][name].get("synthetic") is True
        one = decide(catalog[name], wanted, synthetic=synthetic, allowed=name in allow)
        decisions.append(one)
    if pixels != "allowed":
        check_all_may_go(decisions)
    if all(one.goes == "left out" for one in decisions):
        reasons = "; ".join(f"{one.source.name}: {one.why}" for one in decisions)
        raise HubError(f"No source of {folder} is left to push. {reasons}. 'med-mat show SOURCE' prints the terms.")
    return Publication(folder, manifest, tuple(decisions), names)
