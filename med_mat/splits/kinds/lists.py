"""A split by user-supplied lists of records, taken as given: the audit reports what leaks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from med_mat import strict
from med_mat.errors import SplitError
from med_mat.index import Index
from med_mat.nameless import WITHOUT_NAMES
from med_mat.selection import Algebra, Selector
from med_mat.splits.ids import SUFFIXES, known_ids, nearest_id, places_of, read_ids
from med_mat.splits.interpretation import Target, find_target
from med_mat.splits.options import AMONG, Options, Rule, SamplingOptions
from med_mat.splits.registry import experiment
from med_mat.splits.result import Experiment
from med_mat.splits.split import TESTED
from med_mat.splits.study import Study
from med_mat.tags import Positions

if TYPE_CHECKING:
    from typing_extensions import Unpack

#: A selection, ids, positions in the index, or a file of ids.
Records: TypeAlias = Selector | Iterable[str] | Iterable[int] | os.PathLike[str]
Leaks = Literal["keep", "drop"]
#: Options that choose records, which the lists do already.
_CHOOSING = (*AMONG, "balanced_test", "contradictory", "withheld", "test_on")


@experiment()
def split(
    index: Index,
    *,
    train: Records,
    test: Records,
    validation: Records | float = 0.0,
    target: Selector = None,
    leaks: Leaks = "keep",
    **options: Unpack[SamplingOptions],
) -> Experiment:
    """Train, validate and test on user-supplied lists of records.

    A list is a selection (``"CT/Lung/COVID & split=train"``), ids, positions in the index (whole numbers), or a file of
    ids, as a path or as text that ends in .txt, .csv, .json or .parquet: see :func:`med_mat.splits.ids.read_ids`.

    Args:
        index: An opened Med-MAT.
        train: List of records to train on.
        test: List of records to test on.
        validation: List of records to validate on, or the share of train to set apart.
        target: What is tested and never trained on, for the audit to check (default: not checked).
        leaks: Keep the lists as they are, or drop what leaks. With "keep" the audit fails if they share a group; "drop"
            removes from validation what shares one with test, and from train what shares one with either.

    Raises:
        SplitError: An id or a position that the build lacks or that is listed twice, an empty list, a file that is not
            a list, or an option that chooses records.
        VocabularyError: A selection by an unknown word.
    """
    strict.arguments({"leaks": Leaks}, {"leaks": leaks}, "A split by lists", error=SplitError)
    lists: dict[str, Any] = {"train": train, "test": test}
    share: dict[str, Any] = {}
    if isinstance(validation, int | float | np.number) and not isinstance(validation, bool):
        share = {"validation": float(validation)}
    elif validation is not None:
        lists["validation"] = validation
    given = _options({**options, **share})
    found = {part: _positions(index, part, records) for part, records in lists.items()}
    places = {part: positions for part, (positions, _) in found.items()}
    dropped = _without_leaks(index, places) if leaks == "drop" else {}
    goal = _target(index, target, places["test"], given)
    tested_groups = np.zeros(len(index) + 1, dtype=bool)
    tested_groups[index.tags.group[places["test"]]] = True
    study = Study(index, goal, given, places["test"], {}, tested_groups, frozenset())
    arguments: dict[str, Any] = {"target": None if target is None else goal.text, "leaks": leaks}
    arguments |= {part: plain for part, (_, plain) in found.items()}
    rule = Rule(target_records=None if target is None else 0, any_part=True)
    made = study.train_on("split", places["train"], dropped, rule, **arguments)
    return replace(made, validation_positions=places["validation"]) if "validation" in places else made


def _options(options: Mapping[str, Any]) -> Options:
    given, usual = Options.of({"test_on": "all", **options}), Options(test_on="all")
    for name in _CHOOSING:
        if getattr(given, name) != getattr(usual, name):
            raise SplitError(
                f"A split by lists takes them as they are, and not {name}={getattr(given, name)!r}: choose "
                "the records in the lists, which may be selections."
            )
    return given


def _target(index: Index, target: Selector, test: Positions, options: Options) -> Target:
    facts = index.tags.facts
    if target is not None:
        return find_target(facts, index.selection(target), options.interpretation)
    rows = frozenset(index.tags.counts(test))
    mats = tuple(sorted({options.interpretation.triplets(facts[row])[0] for row in rows}))
    return Target(", ".join(map(str, mats)), mats, rows)


def _without_leaks(index: Index, places: dict[str, Positions]) -> dict[str, int]:
    """Take out what shares a group with a part that counts for more: test, then validation; reason -> records."""
    group, dropped = index.tags.group, {}
    for part, other, reason in (
        ("validation", "test", f"of the validation list, {TESTED}"),
        ("train", "test", TESTED),
        ("train", "validation", "their group is in the validation part"),
    ):
        if part in places and other in places:
            leaking = np.isin(group[places[part]], group[places[other]])
            if leaking.any():
                dropped[reason] = int(np.count_nonzero(leaking))
                places[part] = places[part][~leaking]
    return dropped


def _positions(index: Index, part: str, records: Any) -> tuple[Positions, str | list[str]]:
    """Where the records of a list are, ascending; and the list as plain data: a selection's text, or ids."""
    if isinstance(records, os.PathLike) or (isinstance(records, str) and Path(records).suffix.lower() in SUFFIXES):
        ids = read_ids(Path(records), part)
        return _found(index, part, ids), ids
    if records is None or isinstance(records, str | Algebra):
        return _selected(index, part, records)
    if isinstance(records, pa.Array | pa.ChunkedArray):
        records = records.to_pylist()
    items = list(records) if isinstance(records, Iterable) else [records]
    if items and all(isinstance(one, Algebra) for one in items):
        return _selected(index, part, items)
    if items and all(isinstance(one, str) for one in items):
        ids = [str(one) for one in items]
        return _found(index, part, ids), ids
    if items and all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in items):
        positions = np.sort(np.array(items, dtype=np.int64))
        if positions[0] < 0 or positions[-1] >= len(index):
            wrong = positions[0] if positions[0] < 0 else positions[-1]
            raise SplitError(f"{part}: {wrong} is not a position in the index: these go from 0 to {len(index) - 1}.")
        ids = known_ids(index.location).take(pa.array(positions)).to_pylist()
        return _once(part, positions, ids), ids
    raise SplitError(
        f"{part} must be a selection as text, a list of ids or of positions in the index, or a file of ids ending in "
        f"{', '.join(SUFFIXES)}, not {'an empty list' if not items else repr(records)[:80]}."
    )


def _selected(index: Index, part: str, records: Selector) -> tuple[Positions, str]:
    selection = index.selection(records)
    positions = index.where(selection)
    if not len(positions):
        raise SplitError(f"{part}: no record of this Med-MAT is {selection}.")
    return positions, str(selection)


def _found(index: Index, part: str, ids: list[str]) -> Positions:
    wanted = pa.array(ids, pa.string())
    places = places_of(index.location, wanted)
    absent = wanted.filter(pc.is_null(places))
    if len(absent):
        first = absent[0].as_py()
        nameless = first.partition("/")[0] in index.manifest.get(WITHOUT_NAMES, {})
        hint = (
            " Its source lies here without file names: attach the raw files (med-mat attach), or save the split as "
            ".parquet or .json where the names are, and load that."
            if nameless
            else nearest_id(known_ids(index.location), first)
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
