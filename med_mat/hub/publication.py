"""What of a built Med-MAT is passed on: which sources, with or without pixels and names, as their terms allow.

:func:`choose` decides, :func:`med_mat.hub.staging.stage` makes the files.
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
    """A choice of what to pass on."""

    folder: Path
    manifest: Mapping[str, Any]
    decisions: tuple[Decision, ...]  # on every source that the folder holds, in the order of the build
    names: bool  # whether records without pixels keep names that identify

    @property
    def sources(self) -> tuple[Source, ...]:
        """Those that go, in the order of the build."""
        return tuple(one.source for one in self.decisions if one.goes != "left out")

    @property
    def without_pixels(self) -> frozenset[str]:
        """The names of those that go without pixels."""
        return frozenset(one.source.name for one in self.decisions if one.goes == "without pixels")

    @property
    def hidden(self) -> dict[str, tuple[str, ...]]:
        """Those that go without names -> what of them identifies."""
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
    """What goes, if the terms of the sources let it.

    Args:
        folder: a built Med-MAT.
        manifest: its manifest.
        catalog: knows the terms.
        only: the sources that go; none means all.
        leave_out: the sources that stay.
        pixels: "all" sends every source with pixels, or refuses; "allowed" sends pixels where images may be passed on,
            records without pixels where labels may, and leaves out the rest; "none" sends every source without pixels,
            or refuses.
        without_pixels: the sources whose records go without images and masks in any case.
        allow: sources of which you know that what their terms leave open may go.
        names: whether records without pixels keep file names and raw labels that identify people.

    Raises:
        UnknownSourceError: a source that the folder does not hold.
        HubError: nothing is left, something that was asked for may not go, or an argument of another kind.
    """
    if isinstance(without_pixels, bool | str):
        raise HubError(
            f"without_pixels is to be a collection of names of sources, and is {without_pixels!r}: for all sources "
            'say pixels="none".'
        )
    if pixels not in get_args(Pixels):
        hint = did_you_mean(str(pixels), get_args(Pixels))
        raise HubError(f"pixels is to be one of {', '.join(get_args(Pixels))}, and is {pixels!r}.{hint}")
    held = [name for name, facts in manifest["sources"].items() if facts["records"]]
    check_held((*only, *leave_out, *without_pixels, *allow), held, folder)
    decisions = []
    for name in held:
        if name in leave_out or (only and name not in only):
            decisions.append(Decision(catalog[name], "left out", "as asked"))
            continue
        wanted: Pixels = "none" if name in without_pixels else pixels
        synthetic = manifest["sources"][name].get("synthetic") is True
        one = decide(catalog[name], wanted, synthetic=synthetic, allowed=name in allow)
        decisions.append(one)
    if pixels != "allowed":
        check_all_may_go(decisions)
    if all(one.goes == "left out" for one in decisions):
        told = "; ".join(f"{one.source.name}: {one.why}" for one in decisions)
        raise HubError(f"No source of {folder} is left to push. {told}. 'med-mat show SOURCE' has the terms.")
    return Publication(folder, manifest, tuple(decisions), names)
