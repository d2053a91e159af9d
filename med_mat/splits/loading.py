"""Experiments from their definitions, and splits from their files.

A definition is a mapping, or a YAML or JSON file, that says how to make a split:

    experiment: related
    target: CT/Lung/Cancer
    size: 3000
    among: redistributable=yes
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import strict
from med_mat.errors import CardError, MedMATError, SplitError
from med_mat.index import Index
from med_mat.selection import MAT
from med_mat.splits import registry
from med_mat.splits.ids import places_of
from med_mat.splits.interpretation import Target
from med_mat.splits.options import Options, Rule
from med_mat.splits.result import Experiment
from med_mat.splits.saving import COLUMNS, KEY, PARTS, VERSION, content
from med_mat.strict import only_a_file
from med_mat.tags import Positions


def experiment(index: Index, definition: Mapping[str, Any] | str | os.PathLike[str]) -> Experiment:
    """Make an experiment from its definition, or from a YAML or JSON file that contains it.

    Args:
        index: An opened Med-MAT.
        definition: ``experiment`` (a name of :func:`med_mat.splits.registry.experiments`), ``target``, and further
            arguments and options of that experiment.

    Raises:
        SplitError: The file contains no definition, the experiment or an option is unknown, or the experiment cannot be
            made.
    """
    given, where = (dict(definition), "The definition") if isinstance(definition, Mapping) else _read(Path(definition))
    kind = registry.kind(given.pop("experiment", None), where)
    for one in kind.parameters:
        if one.required and one.name not in given:
            raise SplitError(f"{where} has no {one.name!r}, which {kind.name} needs: {one.summary}")
    if not isinstance(given.get("target"), str | None):
        raise SplitError(f"{where}: 'target' must be text such as CT/Lung/Cancer, not {given['target']!r}.")
    if "like" in given:
        raise SplitError(f"{where}: 'like' is an experiment in Python; give the size= of the other arm instead.")
    known = {one.name for one in kind.parameters}
    try:
        Options.of({name: value for name, value in given.items() if name not in known})
        return kind.make(index, **given)
    except OverflowError as error:
        raise SplitError(f"{where}: {kind.name} cannot be made: a number is too large ({error}).") from error
    except MedMATError as error:
        if isinstance(definition, Mapping):
            raise
        raise SplitError(f"{where}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Target:
    text: str
    mats: tuple[MAT, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a split file says of its experiment."""

    version: int
    fingerprint: str
    definition: Mapping[str, Any]
    arguments: Mapping[str, Any]
    options: Mapping[str, Any]
    target: _Target
    rule: Rule
    dropped: Mapping[str, int]
    med_mat: str
    records: Any = None  # of a JSON file


def load(index: Index, path: str | os.PathLike[str]) -> Experiment:
    """Open a split file over a build.

    Raises:
        SplitError: The file is not a split file, or the build lacks a record of it, or has another one under the same
            id.
    """
    try:
        table, said = _parts(Path(path))
        version, writer = said["version"], said["med_mat"]
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise SplitError(f"{path} is not a split file that Med-MAT wrote ({error}).") from error
    if version != VERSION or not table.schema.equals(COLUMNS):
        raise SplitError(f"{path} is a split file of another version of Med-MAT ({writer!r:.80}).")
    if isinstance(said.get("rule"), dict) and (absent := sorted(Rule.__dataclass_fields__.keys() - said["rule"])):
        raise SplitError(f"{path}: what it says of its experiment is damaged: its rule lacks {', '.join(absent)}.")
    facts: _Facts = strict.read(_Facts, said, f"{path}: what it says of its experiment is damaged", error=SplitError)
    if any(table[name].null_count for name in ("id", "part", "content")):
        raise SplitError(
            f"{path} is not a split file that Med-MAT wrote: it has records without an id, a part or a hash."
        )
    places = places_of(index.location, *(table[name].combine_chunks() for name in ("id", "public_id")))
    gone = table["id"].filter(pc.is_null(places))
    if len(gone):
        raise SplitError(
            f"This Med-MAT lacks {len(gone):,} of the {table.num_rows:,} records of {path}, such as {gone[0]}. "
            "Build the sources that it was made from, with the same options."
        )
    positions = np.asarray(places).astype(np.int64)
    here = content(index, positions)
    changed = table["id"].filter(pc.not_equal(pc.cast(here, pa.binary()), pc.cast(table["content"], pa.binary())))
    if len(changed):
        raise SplitError(
            f"{len(changed):,} of the {table.num_rows:,} records of {path} are not the same in this Med-MAT, such as "
            f"{changed[0]}: another file, label, question or split has its name. The split was made by Med-MAT "
            f"{facts.med_mat} from other raw files or options."
        )
    part = table["part"].to_numpy(zero_copy_only=False)
    if not set(part) <= set(PARTS):
        raise SplitError(f"{path}: its records must be in {', '.join(PARTS)}, and some are in another part.")
    return _restore(index, facts, {name: positions[part == name] for name in PARTS}, path)


def _parts(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The records of a split file, and what it says of them."""
    only_a_file(path)
    if path.suffix.lower() == ".csv":
        raise ValueError(f"a .csv lists ids alone: mat.split(train='{path}', test='{path}') tests and trains on them")
    if path.suffix.lower() != ".json":
        table = pq.read_table(path)
        return table, json.loads(table.schema.metadata[KEY])
    facts = json.loads(path.read_text("utf-8"))
    records = [
        (one, part, bytes.fromhex(told["content"]), told["public_id"])
        for part in PARTS
        for one, told in facts["records"][part].items()
    ]
    columns = zip(*records, strict=True) if records else ([], [], [], [])
    return pa.Table.from_arrays([pa.array(one, kind) for one, kind in zip(columns, COLUMNS.types, strict=True)],
                                schema=COLUMNS), facts  # fmt: skip


def _restore(index: Index, facts: _Facts, places: Mapping[str, Positions], path: str | os.PathLike[str]) -> Experiment:
    named = facts.target
    try:
        options, name = Options.of(facts.options), facts.definition["experiment"]
        if not isinstance(name, str) or not set(named.rows) <= index.tags.facts.keys():
            raise ValueError("its experiment has no name, or its target rows without records")
        return Experiment(
            name, Target(named.text, named.mats, frozenset(named.rows)), index, places["train"], places["test"],
            facts.rule, options, facts.arguments, facts.dropped, validation_positions=places["validation"],
        )  # fmt: skip
    except (LookupError, TypeError, ValueError, MedMATError) as error:
        raise SplitError(f"{path}: what it says of its experiment is damaged ({error}).") from error


def _read(path: Path) -> tuple[dict[str, Any], str]:
    try:
        only_a_file(path)
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SplitError(f"{path}: the experiment file cannot be read ({error}).") from error
    try:
        data = strict.yaml_load(text, str(path))  # JSON is YAML
    except CardError as error:
        raise SplitError(str(error)) from error
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise SplitError(
            f"{path} is not an experiment: expected keys such as 'experiment: related' and 'target: CT/Lung/Cancer'."
        )
    return data, str(path)
