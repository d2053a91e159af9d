"""What an experiment takes away beyond its target: the same triplet in rows that are neither tested nor trained on."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from med_mat.splits.study import Study


def elsewhere(study: Study, rows: Collection[int]) -> dict[str, list[int]]:
    """The target's triplet in other rows that do not train: reason -> these rows.

    Args:
        study: of the target.
        rows: that train.
    """
    facts, target = study.mat.tags.facts, study.target
    named = {facts[row].source for row in target.rows}
    left = sorted(facts.keys() - target.rows - set(rows) - study.others().keys())
    others = dict.fromkeys(facts[row].source for row in left if facts[row].source not in named)
    return {
        f"the target's triplet in other sources, {', '.join(sorted(others))}: leave_source_out trains on it": [
            row for row in left if facts[row].source in others
        ],
        "the target's triplet in other rows of its sources": [row for row in left if facts[row].source in named],
    }
