"""What an experiment takes away beyond its target: the same triplet in rows that are neither tested nor trained on."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from med_mat.splits.experiment import Study


def elsewhere(study: Study, rows: Collection[int]) -> dict[str, int]:
    """The target's triplet in other rows that do not train: reason -> training records.

    Args:
        study: of the target.
        rows: that train.
    """
    facts, target = study.mat.tags.facts, study.target
    named = {facts[row].source for row in target.rows}
    left: dict[str, set[int]] = {}
    for row in facts.keys() - target.rows - set(rows) - study.others().keys():
        left.setdefault(facts[row].source, set()).add(row)
    others = sorted(left.keys() - named)
    found = {}
    for reason, sources in (
        (f"the target's triplet in other sources, {', '.join(others)}: leave_source_out trains on it", others),
        ("the target's triplet in other rows of its sources", sorted(left.keys() & named)),
    ):
        numbers = frozenset(row for source in sources for row in left[source])
        if count := len(study.mat.where_rows(numbers, study.among, split="train")):
            found[reason] = count
    return found
