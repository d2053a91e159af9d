"""Decides for each chunk whether to decode, copy or keep it, and forecasts a whole build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from med_mat import formats, limits
from med_mat.building import faults, libraries, plan
from med_mat.building.chunk import Result, earlier
from med_mat.building.fingerprint import changed
from med_mat.building.inputs import Inputs
from med_mat.building.loader import examples_of
from med_mat.building.options import Options
from med_mat.building.plan import Chunk
from med_mat.building.store import Store
from med_mat.catalog import Catalog, load
from med_mat.raw.folder import RawFolder

#: What to do with a chunk: decode its images; write new records with the stored images; keep it unchanged.
Need = Literal["decode", "copy", "keep"]


@dataclass(slots=True)
class Forecast:
    """What a build would do for one source, in numbers of images."""

    decode: int = 0
    copy: int = 0
    keep: int = 0
    fault: str = ""  # why the source cannot be built
    stale: set[str] = field(default_factory=set)  # the changed modules and libraries that cause it


def forecast(
    raw: Mapping[str, RawFolder], out: Path, options: Options | None = None, *, catalog: Catalog | None = None
) -> dict[str, Forecast]:
    """What a build would do for each source. Nothing is written, and no image is decoded.

    Args:
        raw: the raw folders, as for :func:`med_mat.building.build`.
        out: the folder of the build.
        options: the options of the build.
        catalog: the sources' cards.

    Returns:
        Source name -> its forecast.
    """
    catalog, options = catalog or load(), options or Options()
    told: dict[str, Forecast] = {}
    for name, folder in raw.items():
        source, one = catalog[name], told.setdefault(name, Forecast())
        examples, inputs = examples_of(source), Inputs.of(source, options.check, catalog)
        try:
            with limits.allowing(options.max_file):
                found = plan.survey(source, folder, examples, options.seed)
                for chunk in plan.chunks(source, folder, examples, found, plan.Refused()):
                    need, _, why_so = need_of(Store(out), chunk, inputs, options.max_file, dry=True)
                    setattr(one, need, getattr(one, need) + len(chunk.examples))
                    one.stale.update(why_so)
        except Exception as error:
            one.fault = str(faults.of_source(source, folder.root, error))
    return told


def need_of(
    store: Store, chunk: Chunk, inputs: Inputs, max_file: int, *, dry: bool = False
) -> tuple[Need, Result | None, list[str]]:
    """What to do with a chunk, the result of an earlier run, and the changed modules and libraries."""
    done = earlier(store, chunk.source, chunk.name, dry=dry)
    if done is None or done.starved or not done.within(max_file) or not set(done.decoders) <= set(formats.needs()):
        return "decode", None, []
    now = inputs.digests(chunk, done.decoders)
    if (done.pixels, done.records) == (now.pixels, now.records):
        return "keep", done, []
    differs = [*changed(done.code, now.code), *libraries.changes(done.libraries, now.libraries)]
    return ("copy" if done.pixels == now.pixels else "decode"), done, differs
