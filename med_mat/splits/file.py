"""Splits and experiments on disk.

A split file (Parquet) names the records of train and test, with a hash of what each record is, and how the split was
made. It opens over a build that holds the same records, whatever else that build holds.
An experiment file (YAML or JSON) says how to make a split:

    experiment: related
    target: CT/Lung/Cancer
    size: 3000
    among: redistributable=yes
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import __version__
from med_mat.errors import CardError, MedMATError, SplitError
from med_mat.location import INDEX
from med_mat.splits import arms
from med_mat.splits.experiment import Experiment
from med_mat.splits.options import Options, Rule
from med_mat.splits.reading import Target
from med_mat.strict import yaml_load
from med_mat.tags import Positions
from med_mat.taxonomy import MAT, did_you_mean

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT

VERSION = 1
_KEY = b"med_mat.split"
#: What a record is: where one of these differs, it is another record under the same id.
_CONTENT = ("id", "split", "modality", "area", "task", "label_set", "sha256", "transform", "question", "answer")
_COLUMNS = pa.schema([("id", pa.string()), ("part", pa.string()), ("content", pa.binary(8))])

EXPERIMENTS: Mapping[str, Any] = {
    "related": arms.related,
    "all_related": arms.all_related,
    "unrelated": arms.unrelated,
    "all_unrelated": arms.all_unrelated,
    "all_data": arms.all_data,
    "without": arms.without,
    "combination": arms.combination,
    "held_out": arms.held_out,
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
    if name not in EXPERIMENTS:
        hint = did_you_mean(str(name), EXPERIMENTS)
        raise SplitError(f"{where}: 'experiment' is {name!r}.{hint} It is to be one of {', '.join(EXPERIMENTS)}.")
    make = EXPERIMENTS[name]
    for key, what in (("target", "text such as CT/Lung/Cancer"), ("axis", "one of modality, area, task"),
                      ("parts", "a list of triplets"), ("n", "a number of records")):  # fmt: skip
        needed = inspect.signature(make).parameters.get(key)
        if needed is not None and needed.default is needed.empty and key not in given:
            raise SplitError(f"{where} has no {key!r}: {name} needs {what}.")
    if not isinstance(given.get("target"), str | None):
        raise SplitError(f"{where}: 'target' is {given['target']!r}, and is to be text such as CT/Lung/Cancer.")
    if "like" in given:
        raise SplitError(f"{where}: 'like' is an experiment in Python; say the size= of the other arm instead.")
    try:
        made: Experiment = make(mat, **given)
    except TypeError as error:
        raise SplitError(f"{where}: {name} cannot be made of {', '.join(given)} ({error}).") from error
    return made


def save(made: Experiment, path: str | os.PathLike[str]) -> None:
    """Write a split file, whole or not at all."""
    from med_mat.building.writer import temporary_path

    positions = np.concatenate((made.train_positions, made.test_positions))
    ids, content = _content(made.mat, positions)
    part = pa.array(["train"] * len(made.train_positions) + ["test"] * len(made.test_positions), pa.string())
    facts = {
        "version": VERSION,
        "definition": made.definition,
        "target": {"mats": [str(mat) for mat in made.target.mats], "rows": sorted(made.target.rows)},
        "rule": {name: getattr(made.rule, name) for name in Rule.__dataclass_fields__},
        "dropped": dict(made.dropped),
        "med_mat": __version__,
    }
    table = pa.Table.from_arrays([ids, part, content], schema=_COLUMNS)
    table = table.replace_schema_metadata({_KEY: json.dumps(facts)})
    target = Path(path)
    temporary = temporary_path(target)
    try:
        pq.write_table(table, temporary, compression="zstd")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def load(mat: MedMAT, path: str | os.PathLike[str]) -> Experiment:
    """Open a split file over a build.

    Raises:
        SplitError: no split file, or the build lacks a record of it, or holds another one under the same id.
    """
    try:
        table = pq.read_table(path)
        facts = json.loads(table.schema.metadata[_KEY])
        if facts["version"] != VERSION or not table.schema.equals(_COLUMNS):
            raise SplitError(f"{path} is a split file of another version of Med-MAT ({facts['med_mat']}).")
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise SplitError(f"{path} is no split file that Med-MAT wrote ({error}).") from error
    index = pq.read_table(mat.location.local(INDEX), columns=["id"])["id"]
    places = pc.index_in(
        table["id"], pc.unique(index)
    ).combine_chunks()  # ids are unique, so that a place is a position
    absent = table["id"].filter(pc.is_null(places))
    if len(absent):
        raise SplitError(
            f"This Med-MAT lacks {len(absent):,} of the {table.num_rows:,} records of {path}, such as {absent[0]}. "
            "Build the sources that it was made from, with the same options."
        )
    positions = np.asarray(places).astype(np.int64)
    _, content = _content(mat, positions)
    changed = table["id"].filter(pc.not_equal(pc.cast(content, pa.binary()), pc.cast(table["content"], pa.binary())))
    if len(changed):
        raise SplitError(
            f"{len(changed):,} of the {table.num_rows:,} records of {path} are not the same in this Med-MAT, such as "
            f"{changed[0]}: another file, label, question or split has its name. The split was made by Med-MAT "
            f"{facts['med_mat']} from other raw files or options."
        )
    is_train = np.asarray(pc.equal(table["part"], "train"))
    return _restore(mat, facts, positions[is_train], positions[~is_train], path)


def _restore(
    mat: MedMAT, facts: Mapping[str, Any], train: Positions, test: Positions, path: str | os.PathLike[str]
) -> Experiment:
    try:
        definition = dict(facts["definition"])
        name, text = definition.pop("experiment"), definition.pop("target")
        options = {key: definition.pop(key) for key in list(definition) if key in Options.__dataclass_fields__}
        target = Target(text, tuple(map(MAT.parse, facts["target"]["mats"])), frozenset(facts["target"]["rows"]))
        rule = Rule(**{**facts["rule"], "avoids": tuple(facts["rule"]["avoids"])})
        return Experiment(name, target, mat, train, test, rule, Options.of(options), definition, facts["dropped"])
    except (LookupError, TypeError, ValueError, AttributeError, MedMATError) as error:
        raise SplitError(f"{path}: what it says of its experiment is damaged ({error}).") from error


def _content(mat: MedMAT, positions: Positions) -> tuple[pa.Array, pa.Array]:
    """The ids of some records, and a hash of what each is."""
    table = pq.read_table(mat.location.local(INDEX), columns=list(_CONTENT)).take(pa.array(positions))
    columns = [pc.cast(table[name], pa.binary()) for name in _CONTENT]
    facts = pc.binary_join_element_wise(*columns, b"\x1f", null_handling="replace", null_replacement=b"\x00")
    hashes = [hashlib.blake2b(one, digest_size=8).digest() for one in facts.to_pylist()]
    return table["id"].combine_chunks(), pa.array(hashes, pa.binary(8))


def _read(path: Path) -> tuple[dict[str, Any], str]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SplitError(f"{path}: the experiment file cannot be read ({error}).") from error
    try:
        data = yaml_load(text, str(path))  # JSON is YAML
    except CardError as error:
        raise SplitError(str(error)) from error
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise SplitError(
            f"{path} is no experiment: expected keys such as 'experiment: related' and 'target: CT/Lung/Cancer'."
        )
    return data, str(path)
