"""The arms of a study over a build: experiments of one size, tested on the same records."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from med_mat.errors import MedMATError, SplitError
from med_mat.experiment.definition import BASELINE_PLUS, CEILING, Arm, Definition, Study
from med_mat.index import Index
from med_mat.splits import Experiment, Rule, composition
from med_mat.splits.registry import kind

#: Options that some experiments set differently by default: all arms are tested on the same records.
_SHARED: Mapping[str, Any] = {"balanced_test": False, "test_on": "test"}


@dataclass
class Arms:
    """The arms of a study that can be made, by name, and why others cannot."""

    made: dict[str, Experiment] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)  # arm -> reason
    notes: list[str] = field(default_factory=list)


def make(mat: Index, study: Study, definition: Definition, split_seed: int) -> Arms:
    """Make the trained arms of a study.

    Unless their size is stated, or sizes are not matched, all arms have the number of training records of the smallest,
    or ``max_records`` if that is less. A ceiling, which trains on the target, may be smaller.

    Raises:
        SplitError: The arm that others are compared with cannot be made, or no other; the message says why.
    """
    found = Arms()
    shared = {
        **_SHARED,
        **study.options,
        "seed": split_seed,
        "max_per_subset": definition.max_per_subset,
        "validation": definition.validation,
    }
    natural: dict[str, int] = {}
    for arm in _in_order(study):
        try:
            natural[arm.name] = _available(mat, study, arm, shared, found)
        except MedMATError as error:
            found.left_out[arm.name] = str(error)
    if needed := _absent(study, natural, found):
        raise SplitError(needed)
    sizes = _sizes(study, definition, natural)
    for arm in _in_order(study):
        if arm.name in natural:
            size = sizes[arm.name]
            try:
                found.made[arm.name] = _made(mat, study, arm, shared, found, size)
            except MedMATError as error:
                found.left_out[arm.name] = str(error)
    if needed := _absent(study, found.made, found):
        raise SplitError(needed)
    # raises if the arms are not tested on the same records
    first, *others = _compared(study, found.made)
    told = composition.compare({name: found.made[name] for name in (first, *others)})
    found.notes += [
        f"The training records of {name} differ from those of {first}: {text}"
        for name, texts in told.differences.items()
        for text in texts
    ]
    found.notes = list(dict.fromkeys(found.notes))
    return found


def untrained(like: Experiment) -> Experiment:
    """The same test, without any training or validation record."""
    none = np.zeros(0, dtype=np.int64)
    return replace(
        like,
        name="untrained",
        train_positions=none,
        validation_positions=none,
        rule=Rule(),
        arguments={},
        dropped={},
        like=None,
    )


def _in_order(study: Study) -> list[Arm]:
    """The trained arms; those that are like another one come after it."""
    return sorted((arm for arm in study.arms if arm.trained), key=lambda arm: bool(arm.like))


def _compared(study: Study, made: Mapping[str, Experiment]) -> list[str]:
    """The trained arms, that which others are compared with first."""
    first = [study.against] if study.against in made else []
    return [*first, *(arm.name for arm in study.arms if arm.name in made and arm.name not in first)]


def _absent(study: Study, made: Mapping[str, Any], found: Arms) -> str:
    """Why there is nothing to compare, or ""."""
    if study.against in found.left_out:
        return f"{study.target}: the arm {study.against} cannot be made: {found.left_out[study.against]}"
    others = [arm.name for arm in study.arms if arm.trained and arm.name != study.against]
    if not any(name in made for name in others):
        return f"{study.target}: the arm {others[0]} cannot be made: {found.left_out[others[0]]}"
    return ""


def _sizes(study: Study, definition: Definition, natural: Mapping[str, int]) -> dict[str, int | None]:
    """The number of training records of each arm; None for all that it has."""
    free = [arm for arm in study.arms if arm.name in natural and not arm.own_size]
    matched = [natural[arm.name] for arm in free if arm.experiment != CEILING and definition.match_sizes]
    most = min([*matched, *([definition.max_records] if definition.max_records else [])], default=None)
    sizes: dict[str, int | None] = dict.fromkeys(natural)
    for arm in free:
        sizes[arm.name] = most if most is not None and natural[arm.name] > most else None
    for arm in free:  # an arm that is like another one has its size
        if arm.like:
            sizes[arm.name] = sizes.get(arm.like)
    return sizes


def _available(mat: Index, study: Study, arm: Arm, shared: Mapping[str, Any], found: Arms) -> int:
    """The number of training records that an arm could have."""
    alone = replace(arm, like="")
    if arm.experiment == BASELINE_PLUS:
        kept = {name: value for name, value in arm.arguments.items() if name not in ("places", "size")}
        alone = replace(alone, experiment="all_unrelated", arguments=kept)
    made = _made(mat, study, alone, shared, found, None)
    return len(made.train_positions) - int(made.arguments.get("n", 0))  # size= does not count the target's own


def _made(mat: Index, study: Study, arm: Arm, shared: Mapping[str, Any], found: Arms, size: int | None) -> Experiment:
    """An arm; without a validation part, which is noted, if no group can be set apart."""
    given = {**shared, **arm.arguments}
    if size is not None:
        given["size"] = size
    function = kind(arm.experiment).make
    if arm.like:
        if arm.like not in found.made:
            raise SplitError(f"It is like {arm.like}, which cannot be made: {found.left_out.get(arm.like, '')}")
        like = found.made[arm.like]
        if "like" in inspect.signature(function).parameters:
            given["like"] = like
        given.setdefault("size", len(like.train_positions))
    try:
        return function(mat, study.target, **given)
    except SplitError as error:
        if not given["validation"]:
            raise
        try:
            made = function(mat, study.target, **{**given, "validation": 0.0})
        except SplitError:
            raise error from None
        found.notes.append(f"{arm.name} has no validation part: {error}")
        return made
