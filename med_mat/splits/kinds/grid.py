"""Compositional splits of the whole grid: a share of all triplets is withheld, and every element stays in training.

Which triplets are withheld is solved exactly, as a constraint satisfaction problem with one solution for each seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from med_mat import strict
from med_mat.errors import MissingExtraError, SplitError
from med_mat.index import Index
from med_mat.selection import MAT, Selection, Selector
from med_mat.splits.interpretation import elements_of
from med_mat.splits.options import ExperimentOptions, Options, Rule
from med_mat.splits.registry import experiment
from med_mat.splits.result import Experiment
from med_mat.splits.study import Study
from med_mat.tags import Positions
from med_mat.taxonomy import DRAWN, SPLITS

if TYPE_CHECKING:
    from typing_extensions import Unpack

OOD_VALIDATION = "their triplet is withheld for validation, or they share a group with it"


@dataclass(frozen=True, slots=True)
class Withheld:
    """The triplets of a grid, and which of them are withheld."""

    triplets: tuple[MAT, ...]  # all that have training records
    tested: tuple[MAT, ...]
    validated: tuple[MAT, ...]  # withheld too, for validation out of distribution
    most: int  # the largest number that could be withheld

    @property
    def difficulty(self) -> float:
        """The number that is withheld, as a share of the largest possible, from 0 to 1."""
        return (len(self.tested) + len(self.validated)) / self.most

    def __str__(self) -> str:
        held = len(self.tested) + len(self.validated)
        named = f"tested: {', '.join(map(str, self.tested))}"
        more = f"; for validation: {', '.join(map(str, self.validated))}" if self.validated else ""
        return (
            f"{held} of {len(self.triplets)} triplets withheld, of {self.most} that could be (difficulty "
            f"{self.difficulty:.2f}); {named}{more}"
        )


@experiment()
def withhold(
    index: Index,
    target: Selector = None,
    *,
    share: float = 0.2,
    ood_validation: float = 0.0,
    **options: Unpack[ExperimentOptions],
) -> Experiment:
    """Withhold a share of all triplets, test on them, and train on the others, which together hold every element.

    Which ones is drawn by the seed, among all sets of that number that leave every modality, area and task in training.
    :func:`withheld` says which they are, and how difficult the split is.

    Args:
        index: An opened Med-MAT.
        target: The triplets of the grid (default: all): a pattern such as "CT|MRI/*/*".
        share: Share of the triplets to withhold, above 0 and below 1: the difficulty.
        ood_validation: Share of the withheld triplets that are not tested but are the validation part, from 0 to below
            1: a validation part out of distribution. It replaces ``validation``.

    Raises:
        SplitError: As for all experiments, or no set of that number leaves every element in training; the message says
            what the largest share is.
        MissingExtraError: ortools is not installed.
    """
    given = Options.of(options)
    found = withheld(index, target, share=share, ood_validation=ood_validation, **options)
    study = Study.of(index, [*found.tested], given)
    study = replace(study, target=replace(study.target, text=str(index.selection(target))))
    grid, apart = set(found.triplets), set(found.validated)
    cells = {number: given.interpretation.triplets(row)[0] for number, row in index.tags.facts.items()}
    rows = [number for number, cell in cells.items() if cell in grid - apart and number in study.others()]
    train, dropped = study.trainable(rows)
    held: Positions = train[:0]
    if apart:
        held, _ = study.trainable([number for number, cell in cells.items() if cell in apart])
        shared = np.isin(index.tags.group[train], index.tags.group[held])
        train = train[~shared]
        dropped[OOD_VALIDATION] = len(held) + int(np.count_nonzero(shared))
    study.check_covered(
        element for row in index.tags.counts(train) for element in given.interpretation.elements(index.tags.facts[row])
    )
    arguments: dict[str, Any] = {"share": share, "ood_validation": ood_validation}
    made = study.train_on("withhold", train, dropped, Rule(covers=True), **arguments)
    return replace(made, validation_positions=held) if apart else made


def withheld(
    index: Index,
    target: Selector = None,
    *,
    share: float = 0.2,
    ood_validation: float = 0.0,
    **options: Unpack[ExperimentOptions],
) -> Withheld:
    """The triplets that :func:`withhold` withholds.

    Args:
        index: An opened Med-MAT.
        target: The triplets of the grid (default: all).
        share: Share of the triplets to withhold.
        ood_validation: Share of the withheld triplets for validation.
        options: Options of the experiment.

    Raises:
        SplitError: As for :func:`withhold`.
        MissingExtraError: ortools is not installed.
    """
    given = Options.of(options)
    numbers = {"share": share, "ood_validation": ood_validation}
    read = strict.arguments({"share": float, "ood_validation": float}, numbers, "withhold", error=SplitError)
    share, ood_validation = read["share"], read["ood_validation"]
    if not 0 < share < 1:
        raise SplitError(f"withhold: share must be above 0 and below 1, not {share!r}.")
    if not 0 <= ood_validation < 1:
        raise SplitError(f"withhold: ood_validation must be from 0 to below 1, not {ood_validation!r}.")
    if ood_validation and given.validation:
        raise SplitError("withhold: give validation= or ood_validation=, not both.")
    if given.pool_tasks or given.cross_tasks:
        raise SplitError("withhold: pool_tasks and cross_tasks make one row several triplets, and are not for a grid.")
    triplets, testable = _cells(index, index.selection(target), given)
    order = np.random.default_rng(given.seed).permutation(len(triplets)).tolist()
    most = _most(triplets, testable)
    wanted = max(round(share * len(triplets)), 1)
    if wanted > most:
        raise SplitError(
            f"withhold: {wanted} of {len(triplets)} triplets cannot be withheld: with more than {most} (share "
            f"{most / max(len(triplets), 1):.2f}), an element would be in no training record, or a withheld triplet "
            "would have no test record."
        )
    chosen = _first(triplets, testable, order, wanted)
    for_validation = min(max(round(ood_validation * wanted), 1), wanted - 1) if ood_validation else 0
    if ood_validation and not for_validation:
        raise SplitError("withhold: a single triplet is withheld, which cannot be both tested and for validation.")
    tested, validated = chosen[: wanted - for_validation], chosen[wanted - for_validation :]
    return Withheld(
        tuple(triplets),
        tuple(sorted(triplets[one] for one in tested)),
        tuple(sorted(triplets[one] for one in validated)),
        most,
    )


def _cells(index: Index, selection: Selection, options: Options) -> tuple[list[MAT], list[bool]]:
    """The triplets of the grid that have training records, sorted, and whether each has test records."""
    facts, tags = index.tags.facts, index.tags
    rows: dict[MAT, list[int]] = {}
    for number, row in facts.items():
        cell = options.interpretation.triplets(row)[0]
        verdict = selection.resolve(
            {**row.as_fields(), "modality": cell.modality, "area": cell.area, "task": cell.task}
        )
        if not isinstance(verdict, bool):
            raise SplitError(f"withhold: the grid {selection} has conditions on single records; use among= for these.")
        if verdict:
            rows.setdefault(cell, []).append(number)
    labeled = {cell: [one for one in its if facts[one].annotation not in DRAWN] for cell, its in rows.items()}
    if options.kinds == "matched" and any(labeled.values()):
        rows = {cell: its for cell, its in labeled.items() if its}

    def has(its: Sequence[int], split: Literal["train", "test"]) -> bool:
        places = index.where_rows(frozenset(its), options.may(split))
        kept = tags.split[places] == SPLITS.index(split)
        return bool(np.any(kept & ~(tags.withheld[places] & (split == "train"))))

    trained = sorted(cell for cell, its in rows.items() if has(its, "train"))
    if not trained:
        raise SplitError(f"withhold: no triplet of {selection} has training records in this Med-MAT.")
    return trained, [options.test_on == "all" or has(rows[cell], "test") for cell in trained]


def _model(triplets: Sequence[MAT], testable: Sequence[bool]) -> tuple[Any, list[Any]]:
    """The problem: a variable for each triplet, 1 if it is withheld; every element is in one that is not."""
    try:
        from ortools.sat.python import cp_model
    except ImportError as error:
        raise MissingExtraError("The experiment withhold needs ortools: pip install 'med-mat[grid]'.") from error
    model = cp_model.CpModel()
    held = [model.new_bool_var(str(one)) for one in triplets]
    holding: dict[tuple[str, str], list[Any]] = {}
    for one, variable, may in zip(triplets, held, testable, strict=True):
        if not may:
            model.add(variable == 0)
        for element in elements_of([one]):
            holding.setdefault(element, []).append(variable)
    for variables in holding.values():
        model.add(sum(variables) <= len(variables) - 1)
    return model, held


def _solved(model: Any) -> Any:
    """The solver after solving, or None if there is no solution; one worker, so that it is the same everywhere."""
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    return solver if solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE) else None


def _most(triplets: Sequence[MAT], testable: Sequence[bool]) -> int:
    """The largest number of triplets that can be withheld."""
    model, held = _model(triplets, testable)
    model.maximize(sum(held))
    solver = _solved(model)
    return 0 if solver is None else round(solver.objective_value)


def _first(triplets: Sequence[MAT], testable: Sequence[bool], order: Sequence[int], wanted: int) -> list[int]:
    """Of all sets of that number, the first in the order: each triplet in turn is withheld if the rest can follow."""
    chosen: list[int] = []
    refused: list[int] = []
    for one in order:
        if len(chosen) == wanted:
            break
        model, held = _model(triplets, testable)
        for before in (*chosen, one):
            model.add(held[before] == 1)
        for before in refused:
            model.add(held[before] == 0)
        model.add(sum(held) == wanted)
        (chosen if _solved(model) is not None else refused).append(one)
    return chosen
