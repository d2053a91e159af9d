"""A split by one's own lists of records, taken as given: the audit tells what leaks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from med_mat import strict
from med_mat.errors import SplitError
from med_mat.nameless import WITHOUT_NAMES
from med_mat.selection import Algebra, Selector
from med_mat.splits.experiment import TESTED, Experiment
from med_mat.splits.ids import SUFFIXES, known_ids, nearest_id, places_of, read_ids
from med_mat.splits.options import AMONG, Options, Rule
from med_mat.splits.reading import Target, find_target
from med_mat.splits.study import Study
from med_mat.tags import Positions

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

#: A selection, ids, positions in the index, or a file of ids.
Records: TypeAlias = "Selector | Iterable[str] | Iterable[int] | os.PathLike[str]"
#: Options that choose records, which one's own lists have done already.
_CHOOSING = (*AMONG, "balanced_test", "contradictory", "withheld", "test_on")


def split(
    mat: MedMAT,
    *,
    train: Records,
    test: Records,
    validation: Records | float = None,
    target: Selector = None,
    leaks: Literal["keep", "drop"] = "keep",
    **options: Any,
) -> Experiment:
    """Train, validate and test on one's own lists of records.

    A list is a selection (``"CT/Lung/COVID & split=train"``), ids, positions in the index (whole numbers), or a file of
    ids, as a path or as text that ends in .txt, .csv, .json or .parquet: see :func:`med_mat.splits.ids.read_ids`.

    Args:
        mat: a built Med-MAT.
        train: what to train on.
        test: what to test on.
        validation: what to validate on; or a share of train to set apart, as of every experiment.
        target: what is tested and never trained on, so that the audit proves it; None makes no such claim.
        leaks: "keep" takes the lists as they are, and the audit fails where they share a group; "drop" leaves out of
            validation what shares one with test, and of train what shares one with either.
        options: of :class:`~med_mat.splits.Options`; those that choose records are refused.

    Raises:
        SplitError: an id or a position that the build lacks, one that stands twice in a list, a list of nothing, or a
            file that is no list.
        VocabularyError: a selection by a word that nothing knows.
    """
    strict.arguments(
        {"leaks": Literal["keep", "drop"]}, {"leaks": leaks}, "A split of one's own lists", error=SplitError
    )
    lists: dict[str, Any] = {"train": train, "test": test}
    if isinstance(validation, int | float | np.number) and not isinstance(validation, bool):
        options["validation"] = float(validation)
    elif validation is not None:
        lists["validation"] = validation
    given = _options(options)
    found = {part: _positions(mat, part, records) for part, records in lists.items()}
    places = {part: positions for part, (positions, _) in found.items()}
    dropped = _without_leaks(mat, places) if leaks == "drop" else {}
    goal = _target(mat, target, places["test"], given)
    barred = np.zeros(len(mat) + 1, dtype=bool)
    barred[mat.tags.group[places["test"]]] = True
    study = Study(mat, goal, given, places["test"], {}, barred, frozenset())
    arguments: dict[str, Any] = {"target": None if target is None else goal.text, "leaks": leaks}
    arguments |= {part: plain for part, (_, plain) in found.items()}
    rule = Rule(target_records=None if target is None else 0, any_part=True)
    made = study.train_on("split", places["train"], dropped, rule, **arguments)
    return replace(made, validation_positions=places["validation"]) if "validation" in places else made


def _options(options: dict[str, Any]) -> Options:
    given, usual = Options.of({"test_on": "all", **options}), Options(test_on="all")
    for name in _CHOOSING:
        if getattr(given, name) != getattr(usual, name):
            raise SplitError(
                f"A split of one's own lists takes them as they are, and not {name}={getattr(given, name)!r}: choose "
                "the records in the lists, which may be selections."
            )
    return given


def _target(mat: MedMAT, target: Selector, test: Positions, options: Options) -> Target:
    facts = mat.tags.facts
    if target is not None:
        return find_target(facts, mat.selection(target), options.read)
    rows = frozenset(mat.tags.counts(test))
    mats = tuple(sorted({options.read.names(facts[row])[0] for row in rows}))
    return Target(", ".join(map(str, mats)), mats, rows)


def _without_leaks(mat: MedMAT, places: dict[str, Positions]) -> dict[str, int]:
    """Take out what shares a group with a part that counts for more: test, then validation; reason -> records."""
    group, dropped = mat.tags.group, {}
    for part, other, reason in (
        ("validation", "test", f"of one's own list for validation, {TESTED}"),
        ("train", "test", TESTED),
        ("train", "validation", "their group is in the validation part"),
    ):
        if part in places and other in places:
            leaking = np.isin(group[places[part]], group[places[other]])
            if leaking.any():
                dropped[reason] = int(np.count_nonzero(leaking))
                places[part] = places[part][~leaking]
    return dropped


def _positions(mat: MedMAT, part: str, records: Any) -> tuple[Positions, str | list[str]]:
    """Where the records of a list are, ascending; and the list as plain data: a selection's text, or ids."""
    if isinstance(records, os.PathLike) or (isinstance(records, str) and Path(records).suffix.lower() in SUFFIXES):
        ids = read_ids(Path(records), part)
        return _found(mat, part, ids), ids
    if records is None or isinstance(records, str | Algebra):
        return _selected(mat, part, records)
    if isinstance(records, pa.Array | pa.ChunkedArray):
        records = records.to_pylist()
    items = list(records) if isinstance(records, Iterable) else [records]
    if items and all(isinstance(one, Algebra) for one in items):
        return _selected(mat, part, items)
    if items and all(isinstance(one, str) for one in items):
        ids = [str(one) for one in items]
        return _found(mat, part, ids), ids
    if items and all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in items):
        positions = np.sort(np.array(items, dtype=np.int64))
        if positions[0] < 0 or positions[-1] >= len(mat):
            wrong = positions[0] if positions[0] < 0 else positions[-1]
            raise SplitError(f"{part}: {wrong} is no position in the index: they go from 0 to {len(mat) - 1}.")
        ids = known_ids(mat.location).take(pa.array(positions)).to_pylist()
        return _once(part, positions, ids), ids
    raise SplitError(
        f"{part} is to be a selection as text, a list of ids, of positions in the index, or a file of ids that ends in "
        f"{', '.join(SUFFIXES)}, and is {'an empty list' if not items else repr(records)[:80]}."
    )


def _selected(mat: MedMAT, part: str, records: Selector) -> tuple[Positions, str]:
    selection = mat.selection(records)
    positions = mat.where(selection)
    if not len(positions):
        raise SplitError(f"{part}: no record of this Med-MAT is {selection}.")
    return positions, str(selection)


def _found(mat: MedMAT, part: str, ids: list[str]) -> Positions:
    wanted = pa.array(ids, pa.string())
    places = places_of(mat.location, wanted)
    absent = wanted.filter(pc.is_null(places))
    if len(absent):
        first = absent[0].as_py()
        nameless = first.partition("/")[0] in mat.manifest.get(WITHOUT_NAMES, {})
        hint = (
            " Its source lies here without file names: attach the raw files (med-mat attach), or save the split as "
            ".parquet or .json where the names are, and load that."
            if nameless
            else nearest_id(known_ids(mat.location), first)
        )
        raise SplitError(
            f"{part}: this Med-MAT lacks {len(absent):,} of the {len(ids):,} ids, such as {first!r}."
            f"{hint} A selection is given as text, not in a list."
        )
    positions = np.asarray(places).astype(np.int64)
    order = np.argsort(positions, kind="stable")
    return _once(part, positions[order], [ids[place] for place in order])


def _once(part: str, positions: Positions, ids: list[str]) -> Positions:
    """The positions, ascending, if none stands twice."""
    twice = np.flatnonzero(np.diff(positions) == 0)
    if len(twice):
        raise SplitError(f"{part} names {len(twice):,} records twice, such as {ids[twice[0]]}.")
    return positions
