"""Splits and experiments on disk.

A split file (Parquet or JSON) names the records of train, validation and test, with a hash of what each record is, and
how the split was made. It opens over a build that holds the same records, whatever else that build holds, and whether
it holds their names or not: each record stands there with its public id too (:mod:`med_mat.nameless`). As CSV it is a
plain list, for other programs.
An experiment file (YAML or JSON) says how to make a split:

    experiment: related
    target: CT/Lung/Cancer
    size: 3000
    among: redistributable=yes
"""

from __future__ import annotations

import csv
import hashlib
import inspect
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import __version__, strict
from med_mat.errors import CardError, MedMATError, SplitError
from med_mat.files import write_atomically
from med_mat.selection import MAT
from med_mat.splits import arms
from med_mat.splits.experiment import Experiment
from med_mat.splits.folds import fold
from med_mat.splits.ids import ids_of, places_of
from med_mat.splits.options import Options, Rule
from med_mat.splits.own import split
from med_mat.splits.reading import Target
from med_mat.splits.sources import leave_source_out
from med_mat.strict import only_a_file
from med_mat.tags import Positions
from med_mat.taxonomy import did_you_mean

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

VERSION = 3
PARTS = ("train", "validation", "test")
_KEY = b"med_mat.split"
#: What a record is: where one of these differs, it is another record under the same id.
_CONTENT = ("split", "modality", "area", "task", "label_set", "sha256", "transform", "question", "answer")
_COLUMNS = pa.schema(
    [("id", pa.string()), ("part", pa.string()), ("content", pa.binary(8)), ("public_id", pa.string())]
)

EXPERIMENTS: Mapping[str, Any] = {
    "related": arms.related,
    "all_related": arms.all_related,
    "unrelated": arms.unrelated,
    "all_unrelated": arms.all_unrelated,
    "all_data": arms.all_data,
    "without": arms.without,
    "combination": arms.combination,
    "held_out": arms.held_out,
    "leave_source_out": leave_source_out,
    "fold": fold,
    "split": split,
    "limited": arms.limited,
    "single_task": arms.single_task,
    "multi_task": arms.multi_task,
}


def experiment(mat: MedMAT, definition: Mapping[str, Any] | str | os.PathLike[str]) -> Experiment:
    """Make an experiment from its definition, or from a YAML or JSON file that holds it.

    Args:
        mat: a built Med-MAT.
        definition: ``experiment`` (a name of :data:`EXPERIMENTS`), ``target``, and its arguments and options.

    Raises:
        SplitError: a file that is no definition, an unknown experiment or option, or one that cannot be made.
    """
    given, where = (dict(definition), "The definition") if isinstance(definition, Mapping) else _read(Path(definition))
    name = given.pop("experiment", None)
    if not isinstance(name, str) or name not in EXPERIMENTS:
        hint = did_you_mean(str(name), EXPERIMENTS)
        raise SplitError(f"{where}: 'experiment' is {name!r}.{hint} It is to be one of {', '.join(EXPERIMENTS)}.")
    make = EXPERIMENTS[name]
    for key, what in (("target", "text such as CT/Lung/Cancer"), ("axis", "one of modality, area, task"),
                      ("parts", "a list of triplets"), ("n", "a number of records"), ("source", "its name"),
                      ("k", "a number of folds"), ("fold", "its number, from 0"), ("train", "a list of records"),
                      ("test", "a list of records")):  # fmt: skip
        needed = inspect.signature(make).parameters.get(key)
        if needed is not None and needed.default is needed.empty and key not in given:
            raise SplitError(f"{where} has no {key!r}: {name} needs {what}.")
    if not isinstance(given.get("target"), str | None):
        raise SplitError(f"{where}: 'target' is {given['target']!r}, and is to be text such as CT/Lung/Cancer.")
    if "like" in given:
        raise SplitError(f"{where}: 'like' is an experiment in Python; say the size= of the other arm instead.")
    try:
        made: Experiment = make(mat, **given)
    except (TypeError, OverflowError) as error:
        raise SplitError(f"{where}: {name} cannot be made of {', '.join(given)} ({error}).") from error
    except MedMATError as error:
        if isinstance(definition, Mapping):
            raise
        raise SplitError(f"{where}: {error}") from error
    return made


@dataclass(frozen=True, slots=True)
class _Target:
    text: str
    mats: tuple[MAT, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a split file says of its experiment."""

    version: int
    definition: Mapping[str, Any]
    arguments: Mapping[str, Any]
    options: Mapping[str, Any]
    target: _Target
    rule: Rule
    dropped: Mapping[str, int]
    med_mat: str
    records: Any = None  # of a JSON file


def save(made: Experiment, path: str | os.PathLike[str]) -> None:
    """Write a split file, whole or not at all; the suffix says as what.

    ``.parquet`` and ``.json`` hold all that :func:`load` opens. ``.csv`` has the columns ``id`` and ``part``, for other
    programs, and as a list of :func:`med_mat.splits.own.split`.

    Raises:
        SplitError: another suffix.
        WriteError: the system does not take it.
    """

    target = Path(path)
    if target.suffix.lower() not in (".parquet", ".json", ".csv"):
        raise SplitError(f"{path}: a split is written as .parquet or .json, to be loaded again, or as .csv.")
    sides = (made.train_positions, made.validation_positions, made.test_positions)
    positions = np.concatenate(sides)
    part = pa.array(np.repeat(PARTS, [len(one) for one in sides]), pa.string())
    facts = {
        "version": VERSION,
        "definition": made.definition,
        "arguments": dict(made.arguments),
        "options": made.options.to_data(),
        "target": {
            "text": made.target.text,
            "mats": [str(mat) for mat in made.target.mats],
            "rows": sorted(made.target.rows),
        },
        "rule": {name: getattr(made.rule, name) for name in Rule.__dataclass_fields__},
        "dropped": dict(made.dropped),
        "med_mat": __version__,
    }
    ids, public = ids_of(made.mat.location, positions)
    table = pa.Table.from_arrays([ids, part, _content(made.mat, positions), public], schema=_COLUMNS)
    write_atomically(target, _WRITERS[target.suffix.lower()](table, facts))


def _parquet(table: pa.Table, facts: Mapping[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(facts)}), sink, compression="zstd")
    return bytes(sink.getvalue())


def _json(table: pa.Table, facts: Mapping[str, Any]) -> bytes:
    records: dict[str, dict[str, dict[str, str]]] = {name: {} for name in PARTS}
    for one in table.to_pylist():
        records[one["part"]][one["id"]] = {"content": one["content"].hex(), "public_id": one["public_id"]}
    return (json.dumps({**facts, "records": records}, indent=1, ensure_ascii=False) + "\n").encode()


def _csv(table: pa.Table, _facts: Mapping[str, Any]) -> bytes:
    text = io.StringIO()
    rows = zip(table["id"].to_pylist(), table["part"].to_pylist(), strict=True)
    csv.writer(text, lineterminator="\n").writerows([("id", "part"), *rows])
    return text.getvalue().encode()


_WRITERS: Mapping[str, Callable[[pa.Table, Mapping[str, Any]], bytes]] = {
    ".parquet": _parquet, ".json": _json, ".csv": _csv,
}  # fmt: skip


def load(mat: MedMAT, path: str | os.PathLike[str]) -> Experiment:
    """Open a split file over a build.

    Raises:
        SplitError: no split file, or the build lacks a record of it, or holds another one under the same id.
    """
    try:
        table, said = _parts(Path(path))
        if said["version"] != VERSION or not table.schema.equals(_COLUMNS):
            raise SplitError(f"{path} is a split file of another version of Med-MAT ({said['med_mat']!r:.80}).")
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise SplitError(f"{path} is no split file that Med-MAT wrote ({error}).") from error
    if isinstance(said.get("rule"), dict) and (absent := sorted(Rule.__dataclass_fields__.keys() - said["rule"])):
        raise SplitError(f"{path}: what it says of its experiment is damaged: its rule lacks {', '.join(absent)}.")
    facts: _Facts = strict.read(_Facts, said, f"{path}: what it says of its experiment is damaged", error=SplitError)
    if any(table[name].null_count for name in ("id", "part", "content")):
        raise SplitError(f"{path} is no split file that Med-MAT wrote: it has records without an id, a part or a hash.")
    places = places_of(mat.location, *(table[name].combine_chunks() for name in ("id", "public_id")))
    gone = table["id"].filter(pc.is_null(places))
    if len(gone):
        raise SplitError(
            f"This Med-MAT lacks {len(gone):,} of the {table.num_rows:,} records of {path}, such as {gone[0]}. "
            "Build the sources that it was made from, with the same options."
        )
    positions = np.asarray(places).astype(np.int64)
    content = _content(mat, positions)
    changed = table["id"].filter(pc.not_equal(pc.cast(content, pa.binary()), pc.cast(table["content"], pa.binary())))
    if len(changed):
        raise SplitError(
            f"{len(changed):,} of the {table.num_rows:,} records of {path} are not the same in this Med-MAT, such as "
            f"{changed[0]}: another file, label, question or split has its name. The split was made by Med-MAT "
            f"{facts.med_mat} from other raw files or options."
        )
    part = table["part"].to_numpy(zero_copy_only=False)
    if not set(part) <= set(PARTS):
        raise SplitError(f"{path}: its records are to be of {', '.join(PARTS)}, and some are of another part.")
    return _restore(mat, facts, {name: positions[part == name] for name in PARTS}, path)


def _parts(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The records of a split file, and what it says of them."""
    only_a_file(path)
    if path.suffix.lower() == ".csv":
        raise ValueError(f"a .csv lists ids alone: mat.split(train='{path}', test='{path}') tests and trains on them")
    if path.suffix.lower() != ".json":
        table = pq.read_table(path)
        return table, json.loads(table.schema.metadata[_KEY])
    facts = json.loads(path.read_text("utf-8"))
    records = [
        (one, part, bytes.fromhex(told["content"]), told["public_id"])
        for part in PARTS
        for one, told in facts["records"][part].items()
    ]
    columns = zip(*records, strict=True) if records else ([], [], [], [])
    return pa.Table.from_arrays([pa.array(one, kind) for one, kind in zip(columns, _COLUMNS.types, strict=True)],
                                schema=_COLUMNS), facts  # fmt: skip


def _restore(mat: MedMAT, facts: _Facts, places: Mapping[str, Positions], path: str | os.PathLike[str]) -> Experiment:
    named = facts.target
    try:
        options, name = Options.of(facts.options), facts.definition["experiment"]
        if not isinstance(name, str) or not set(named.rows) <= mat.tags.facts.keys():
            raise ValueError("its experiment has no name, or its target rows that no record is of")
        return Experiment(
            name, Target(named.text, named.mats, frozenset(named.rows)), mat, places["train"], places["test"],
            facts.rule, options, facts.arguments, facts.dropped, validation_positions=places["validation"],
        )  # fmt: skip
    except (LookupError, TypeError, ValueError, MedMATError) as error:
        raise SplitError(f"{path}: what it says of its experiment is damaged ({error}).") from error


def _content(mat: MedMAT, positions: Positions) -> pa.Array:
    """A hash of what each of some records is."""
    table = mat.facts(positions, _CONTENT)
    columns = [pc.cast(table[name], pa.binary()) for name in _CONTENT]
    facts = pc.binary_join_element_wise(*columns, b"\x1f", null_handling="replace", null_replacement=b"\x00")
    hashes = [hashlib.blake2b(one, digest_size=8).digest() for one in facts.to_pylist()]
    return pa.array(hashes, pa.binary(8))


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
            f"{path} is no experiment: expected keys such as 'experiment: related' and 'target: CT/Lung/Cancer'."
        )
    return data, str(path)
