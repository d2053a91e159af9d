"""What an export would contain, from the index alone: for ``--dry-run``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from med_mat.export.job import NO_IMAGE, REASONS
from med_mat.export.registry import Need
from med_mat.export.turns import Style
from med_mat.index import Parts
from med_mat.limits import told
from med_mat.shell import counted
from med_mat.tags import Positions

_FACTS = ("source", "label", "boxes", "mask_legend")
_ASKED = {"open": ("open_question", "open_answer"), "choice": ("question", "target"), "auto": ("question", "target")}
#: Records that are looked at together.
_BATCH = 1 << 17


@dataclass(frozen=True, slots=True)
class Part:
    """What one part would contain."""

    records: int
    images: int  # different ones
    size: int  # bytes of the images, estimated from the sizes of the build's row groups
    left_out: Mapping[str, int] = field(default_factory=dict)  # reason -> records


@dataclass(frozen=True, slots=True)
class Plan:
    """What an export would contain. A format may leave out more records; it then says so during the export."""

    format: str
    parts: Mapping[str, Part]

    def __str__(self) -> str:
        lines = []
        for name, part in self.parts.items():
            counts = f"{counted(part.records, 'record')}, {counted(part.images, 'image')}, about {told(part.size)}"
            lines.append(f"{name}: {counts}")
            lines += [f"  left out: {counted(number, 'record')}: {why}" for why, number in part.left_out.items()]
        return "\n".join(lines)


def part_plan(experiment: Parts, positions: Positions, needs: tuple[Need, ...], style: Style) -> Part:
    """What would be written of the records at some positions.

    Args:
        experiment: What is exported.
        positions: Positions in its index.
        needs: What the format needs of a record.
        style: The style of the turns.
    """
    mat = experiment.mat
    found, left = passing(experiment, positions, needs, style)
    images = len(mat.facts(found, ["image_id"])["image_id"].unique())
    size = int(mat.image_sizes(found).sum())
    return Part(len(found), images, size * images // max(len(found), 1), left)


def passing(
    experiment: Parts, positions: Positions, needs: tuple[Need, ...], style: Style
) -> tuple[Positions, dict[str, int]]:
    """The positions of the records that have what is needed, and why others do not: reason -> records.

    Args:
        experiment, positions, needs, style: As for :func:`part_plan`.
    """
    mat, left, kept = experiment.mat, dict[str, int](), [np.zeros(0, dtype=np.int64)]
    bare = pa.array(sorted(mat.manifest.get("without_pixels", {})), pa.string())
    for start in range(0, len(positions), _BATCH):
        at = positions[start : start + _BATCH]
        facts, asked = mat.facts(at, _FACTS), mat.questions(at, experiment.options.questions)
        fails = {NO_IMAGE: pc.is_in(facts["source"], bare)}
        fails |= {REASONS[need]: _lacks(need, facts, asked, style) for need in needs}
        stays = np.ones(len(at), dtype=bool)
        for why, failing in fails.items():
            out = stays & np.asarray(failing, dtype=bool)
            stays &= ~out
            if number := int(np.count_nonzero(out)):
                left[why] = left.get(why, 0) + number
        kept.append(at[stays])
    return np.concatenate(kept), left


def _lacks(need: Need, facts: pa.Table, asked: pa.Table, style: Style) -> pa.ChunkedArray:
    """Which records lack what a format needs."""
    optionless = pc.fill_null(pc.equal(pc.list_value_length(asked["options"]), 0), True)
    if need == "options":
        return optionless
    if need == "turn":
        question, answer = (asked[name] for name in _ASKED[style])
        lacking = pc.or_(pc.is_null(question), pc.is_null(answer))
        return pc.or_(lacking, optionless) if style == "choice" else lacking
    return pc.is_null(facts["mask_legend" if need == "mask" else need])
