"""Compositional generalization (CG) experiments: which records to train on for a target triplet, and the proof.

The rules are those of arXiv 2412.20070, section 4: related data shares elements with the target and together holds
every one of them; unrelated data shares none; the target's own triplet is never in train; compared arms have the same
size.
Whole groups (same patient, same file, same pixels, over all sources) stay on one side.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from med_mat import __version__
from med_mat.catalog import sources
from med_mat.errors import SplitError
from med_mat.taxonomy import AXES, MAT, Pattern

if TYPE_CHECKING:
    import datasets

    from med_mat.dataset import MedMAT

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Audit:
    """What was checked of an experiment; ``violations`` is empty where it holds."""

    experiment: str
    target: str
    train: Mapping[str, int]  # triplet -> records
    test: Mapping[str, int]
    covered: Mapping[str, Sequence[str]]  # element of the target -> train triplets that hold it
    shared_groups: int
    train_labels: Mapping[str, int]
    test_labels: Mapping[str, int]
    dropped: Mapping[str, int]  # reason -> records
    violations: Sequence[str]
    seed: int
    med_mat: str
    build: Mapping[str, Any]  # manifest of the Med-MAT that it was made from

    def to_json(self) -> str:
        """As JSON, with everything that reproduces the experiment."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    def __str__(self) -> str:
        lines = [f"{self.experiment} for {self.target} (seed {self.seed}, med-mat {self.med_mat})"]
        for side, cells in (("train", self.train), ("test", self.test)):
            lines.append(f"  {side}: {sum(cells.values()):,} records")
            lines += [f"    {mat:<40} {count:>9,}" for mat, count in cells.items()]
        for element, mats in self.covered.items():
            lines.append(f"  {element:<24} " + (f"held by {', '.join(mats)}" if mats else "held by nothing in train"))
        lines.append(f"  groups on both sides: {self.shared_groups}")
        for reason, count in self.dropped.items():
            lines.append(f"  dropped: {count:,} records, {reason}")
        lines += [f"  VIOLATED: {text}" for text in self.violations] or ["  holds: yes"]
        return "\n".join(lines)


@dataclass(frozen=True)
class Experiment:
    """A CG experiment: records to train on, records of the target to test on. Nothing is read until asked."""

    name: str
    target: MAT
    mat: MedMAT
    train_positions: Positions  # in the index, ascending
    test_positions: Positions
    dropped: Mapping[str, int]
    seed: int

    @functools.cached_property
    def train(self) -> datasets.Dataset:
        """The training records."""
        return self.mat.take(self.train_positions)

    @functools.cached_property
    def test(self) -> datasets.Dataset:
        """The target's test records."""
        return self.mat.take(self.test_positions)

    def audit(self) -> Audit:
        """Prove that the experiment keeps its rules.

        Raises:
            SplitError: it does not; the message is the whole audit.
        """
        tags = self.mat.tags
        train, test = self._cells(self.train_positions), self._cells(self.test_positions)
        shared = np.intersect1d(tags.group[self.train_positions], tags.group[self.test_positions])
        covered = {
            f"{axis} {getattr(self.target, axis)}": [
                str(mat) for mat in train if getattr(mat, axis) == getattr(self.target, axis)
            ]
            for axis in AXES
        }
        violations = []
        if self.target in train:
            violations.append(f"the target {self.target} is in train")
        if set(test) - {self.target}:
            violations.append("test holds other triplets than the target")
        if not len(self.test_positions):
            violations.append("test is empty")
        if len(shared):
            violations.append(f"{len(shared)} groups are in train and in test")
        if not len(self.train_positions):
            violations.append("train is empty")
        if self.name == "unrelated":
            violations += [f"train holds the target's {element}" for element, mats in covered.items() if mats]
        else:
            violations += [
                f"nothing in train holds the target's {element}" for element, mats in covered.items() if not mats
            ]
        audit = Audit(
            experiment=self.name,
            target=str(self.target),
            train={str(mat): count for mat, count in train.items()},
            test={str(mat): count for mat, count in test.items()},
            covered=covered,
            shared_groups=len(shared),
            train_labels=self._labels(self.train_positions),
            test_labels=self._labels(self.test_positions),
            dropped=self.dropped,
            violations=violations,
            seed=self.seed,
            med_mat=__version__,
            build=self.mat.manifest,
        )
        if violations:
            raise SplitError(str(audit))
        return audit

    def _cells(self, positions: Positions) -> dict[MAT, int]:
        counts: dict[MAT, int] = {}
        for row, count in zip(*np.unique(self.mat.tags.row[positions], return_counts=True), strict=True):
            mat = self.mat.tags.mats[int(row)]
            counts[mat] = counts.get(mat, 0) + int(count)
        return dict(sorted(counts.items()))

    def _labels(self, positions: Positions) -> dict[str, int]:
        codes, counts = np.unique(self.mat.tags.label[positions], return_counts=True)
        names = self.mat.tags.label_names
        return {"(several)" if c < 0 else names[c]: int(n) for c, n in zip(codes, counts, strict=True)}


def related(mat: MedMAT, target: str | MAT, *, size: int | None = None, seed: int = 0) -> Experiment:
    """Train on the triplets nearest to the target that together hold each of its elements.

    These are the triplets that share two elements with it (the paper's two-element combinations) where these suffice,
    else all that share one.

    Args:
        mat: a built Med-MAT.
        target: the triplet to test on, e.g. ``CT/Lung/Cancer``; never in train.
        size: number of training records, drawn evenly over labels; None takes all.
        seed: of that draw.

    Raises:
        SplitError: the build has no test record of the target, or lacks one of its elements; the message names the
            sources that would provide it. Or it has fewer training records than ``size``.
    """
    goal = _target(mat, target)
    sharing = _sharing(mat, goal)
    near = {m: axes for m, axes in sharing.items() if len(axes) == 2}
    chosen = near if _union(near) == set(AXES) else sharing
    missing = set(AXES) - _union(chosen)
    _check_missing(goal, missing)
    return _experiment("related", mat, goal, chosen, size, seed)


def all_related(mat: MedMAT, target: str | MAT, *, size: int | None = None, seed: int = 0) -> Experiment:
    """Train on every triplet that shares at least one element with the target. Arguments as in :func:`related`."""
    goal = _target(mat, target)
    sharing = _sharing(mat, goal)
    _check_missing(goal, set(AXES) - _union(sharing))
    return _experiment("all_related", mat, goal, sharing, size, seed)


def unrelated(
    mat: MedMAT, target: str | MAT, *, like: Experiment | None = None, size: int | None = None, seed: int = 0
) -> Experiment:
    """Train on triplets that share no element with the target (the paper's Baseline+).

    Args:
        mat: a built Med-MAT.
        target: the triplet to test on.
        like: an experiment on the same target to be as large as; None: :func:`related`.
        size: number of training records, instead of ``like``.
        seed: of the draw.

    Raises:
        SplitError: no record of the target to test on, or too few unrelated ones for the size.
    """
    goal = _target(mat, target)
    wanted = size if size is not None else len((like or related(mat, goal, seed=seed)).train_positions)
    foreign = {m: frozenset[str]() for m in mat.mats if not m.shared(goal)}
    return _experiment("unrelated", mat, goal, foreign, wanted, seed)


def _experiment(
    name: str, mat: MedMAT, goal: MAT, chosen: Mapping[MAT, Any], size: int | None, seed: int
) -> Experiment:
    test = mat.where(goal, split="test")
    candidates = mat.where(list(chosen), split="train") if chosen else np.zeros(0, dtype=np.int64)
    held = np.isin(mat.tags.group[candidates], np.unique(mat.tags.group[test]))
    train = candidates[~held]
    dropped = {"their group is in test": int(held.sum())} if held.any() else {}
    if size is not None and not 0 < size <= len(train):
        raise SplitError(
            f"The {name} arm for {goal} is to have {size:,} training records, of which there are {len(train):,}: "
            "pass the same size= of at least 1 to all arms, or build more sources."
        )
    if size is not None and size < len(train):
        dropped["not drawn, to reach the size asked for"] = len(train) - size
        train = _draw(mat, train, size, seed)
    return Experiment(name, goal, mat, train, test, dropped, seed)


def _draw(mat: MedMAT, positions: Positions, size: int, seed: int) -> Positions:
    """``size`` of the positions, as even over (triplet's row, label) as their numbers allow, seeded."""
    # RandomState, not Generator: its streams are frozen, so that a seed gives the same split with every numpy
    shuffled = np.random.RandomState(seed).permutation(positions)
    strata = np.stack([mat.tags.row[shuffled].astype(np.int64), mat.tags.label[shuffled].astype(np.int64)])
    _, codes = np.unique(strata, axis=1, return_inverse=True)
    order = np.argsort(codes.ravel(), kind="stable")
    sizes = np.bincount(codes.ravel())
    # the rank of each record within its stratum: taking the lowest ranks first fills all strata evenly
    ranks = np.empty(len(shuffled), dtype=np.int64)
    ranks[order] = np.arange(len(shuffled)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(shuffled[np.argsort(ranks, kind="stable")[:size]])


def _target(mat: MedMAT, target: str | MAT) -> MAT:
    """The target triplet, of which the build must hold test records."""
    goal = target if isinstance(target, MAT) else MAT.parse(target)
    if not len(mat.where(goal, split="test")):
        _raise_untestable(mat, goal)
    return goal


def _sharing(mat: MedMAT, goal: MAT) -> dict[MAT, frozenset[str]]:
    """The triplets with training records that share elements with the target, itself left out."""
    rows = np.flatnonzero(np.bincount(mat.tags.row[mat.where(split="train")]))
    mats = sorted({mat.tags.mats[int(row)] for row in rows})
    return {m: m.shared(goal) for m in mats if m != goal and m.shared(goal)}


def _union(sharing: Mapping[MAT, frozenset[str]]) -> set[str]:
    return {axis for axes in sharing.values() for axis in axes}


def _check_missing(goal: MAT, missing: set[str]) -> None:
    for axis in AXES:
        if axis not in missing:
            continue
        word = getattr(goal, axis)
        pattern = Pattern.parse("/".join(word if a == axis else "*" for a in AXES))
        names = [s.name for s in sources(pattern) if any(m != goal and pattern.matches(m) for m in s.mats)]
        raise SplitError(
            f"No training record in this Med-MAT but those of {goal} itself holds its {axis}, {word}. "
            f"Sources that would provide it: {', '.join(names) or 'none'}."
        )


def _raise_untestable(mat: MedMAT, goal: MAT) -> None:
    names = [source.name for source in sources(goal)]
    if goal in mat.mats:
        raise SplitError(
            f"{goal} has records here, but none in the test part: its patients cannot be divided, or its publisher "
            "labels no test images."
        )
    raise SplitError(f"This Med-MAT has no record of {goal}. Sources that hold it: {', '.join(names) or 'none'}.")
