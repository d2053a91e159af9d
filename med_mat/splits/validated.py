"""The audit of a validation part: it shares nothing with train or test, and satisfies the rule of train."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from med_mat.splits.evidence import marked, said, shared
from med_mat.splits.split import Split
from med_mat.taxonomy import SPLITS


def validated(experiment: Split, of_target: Collection[int]) -> tuple[dict[str, dict[str, int]], list[str]]:
    """What the validation part shares with train and with test, and the violations; empty without a validation part.

    Args:
        experiment: The split that is audited.
        of_target: The rows that are the target's.
    """
    tags, rule, held = experiment.mat.tags, experiment.rule, experiment.validation_positions
    if not len(held):
        return {}, []
    sides = {"train": experiment.train_positions, "test": experiment.test_positions}
    found = {side: shared(experiment, positions, held) for side, positions in sides.items()}
    rows = tags.counts(held)
    own = sum(count for row, count in rows.items() if row in of_target)
    elements = experiment.options.interpretation.elements
    axes = {row: experiment.target.shared(elements(tags.facts[row])) for row in rows}
    touched = {row: experiment.target.touched(elements(tags.facts[row])) for row in rows} if rule.wide else axes
    (strange, first), misplaced = said(experiment, held)
    faults = [
        f"{count:,} {what} are in validation and in {side}"
        for side, counts in found.items()
        for what, count in counts.items()
        if count
    ]
    for broken, text in (
        (rule.target_records is not None and own, f"{own:,} records of the target"),
        (not rule.any_part and np.any(tags.split[held] == SPLITS.index("test")), "records of the test part"),
        (np.count_nonzero(marked(held, len(experiment.mat))) != len(held), "a record twice"),
        (rule.shares and not all(axes.values()), "records that share no element with the target"),
        (
            any(tags.facts[row].source == rule.left_out for row in rows),
            f"records of {rule.left_out}, which is left out",
        ),
        *(
            (any(axis in touched[row] for row in rows if row not in of_target), f"the target's {axis}")
            for axis in rule.avoids
        ),
    ):
        if broken:
            faults.append(f"validation holds {text}")
    if strange:
        faults.append(f"{strange:,} records of validation have columns that differ from their row, such as {first}")
    if misplaced:
        faults.append(f"{misplaced:,} validation records have the target's triplet in their own columns")
    return found, faults
