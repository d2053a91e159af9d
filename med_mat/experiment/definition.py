"""The definition of an experiment: targets, arms, controls, seeds, engine, as plain data, from YAML or Python.

.. code-block:: yaml

    engine: probe
    settings: {encoder: lite0}
    targets: [CT/Lung/Cancer, MRI/Brain/Diseases]
    arms: [untrained, unrelated, related]
    seeds: [0, 1, 2]
    validation: 0.1
    max_records: 600
    options: {among: redistributable=yes}

An arm is a name, or a mapping that says how it is made: ``{arm: related-500, experiment: related, size: 500}``.

Each arm is trained once for each of the ``seeds``. With an engine that has something random, all repetitions have the
split of one seed, 0, or of as many ``split_seeds`` as ``seeds``. An engine in which nothing is random, such as
``probe``, would answer alike: its repetitions have a split each, and ``seeds`` and ``split_seeds`` default to each
other.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from med_mat import strict
from med_mat.errors import CardError, SplitError
from med_mat.experiment import engine
from med_mat.splits import registry
from med_mat.splits.options import MOST_VALIDATION, Options
from med_mat.strict import only_a_file

#: The arm that is not trained at all.
UNTRAINED = "untrained"
#: The arm that others are compared with: the paper's Baseline+.
BASELINE_PLUS = "unrelated"
#: Arms that train on the target itself: a ceiling, to which the others are not matched in size.
CEILING = "single_task"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,60}")
#: Seeds of the repetitions, if the definition has none.
SEEDS = (0, 1, 2)
#: Options that the definition sets elsewhere.
_ELSEWHERE = {"seed": "split_seeds", "validation": "validation", "max_per_subset": "max_per_subset"}
_EXAMPLE = "expected keys such as 'engine: probe' and 'target: CT/Lung/Cancer'"


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm of a study.

    Args:
        name: Its name in tables and files.
        experiment: The kind of experiment that makes it; "" for the arm that is not trained.
        arguments: Further arguments of that kind, and options of this arm alone.
        like: The arm whose size and kinds of questions it takes, and which is compared with it.
        against: The arm that it is compared with; "" for the one that is like it, or else that of the study.
    """

    name: str
    experiment: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    like: str = ""
    against: str = ""

    @property
    def trained(self) -> bool:
        """Whether it is trained."""
        return bool(self.experiment)

    @property
    def own_size(self) -> bool:
        """Whether its size is stated, so that it is not matched to other arms."""
        return "size" in self.arguments


@dataclass(frozen=True, slots=True)
class Study:
    """A target and its arms, which are tested on the same records."""

    name: str  # safe as a file name, and different from that of other studies
    target: str
    arms: tuple[Arm, ...]
    against: str  # the arm that the others are compared with
    options: Mapping[str, Any] = field(default_factory=dict)
    table: str = ""  # the part of the report that it belongs to
    published: Mapping[str, float] = field(default_factory=dict)  # arm -> accuracy in percent, to be shown beside ours

    def reference(self, arm: str) -> str:
        """The arm that this one is compared with; "" for that arm itself."""
        if arm == self.against:
            return ""
        stated = next(one.against for one in self.arms if one.name == arm)
        return stated or next((one.name for one in self.arms if one.like == arm), "") or self.against


@dataclass(frozen=True, slots=True)
class Definition:
    """What is run. All values are explicit: a definition does not depend on the defaults of a version.

    Args:
        engine: Name of the engine.
        studies: Targets with their arms.
        settings: All settings of the engine.
        controls: Names of the engine's controls, which are all run on the same arms.
        seeds: Seeds of the model, one for each repetition; of an engine without anything random, names of these.
        order_seeds: Seeds of the order of the training records, one for each repetition.
        split_seeds: Seeds of the split, one for each repetition.
        validation: Share of the training records of each arm that is set apart for validation, by group.
        max_records: Maximum number of training records of an arm.
        max_per_subset: Maximum number of training records of a subset.
        match_sizes: Whether the arms of a target are cut to the size of the smallest.
        absent: Targets that cannot be studied over the Med-MAT for which it was made -> why.
    """

    engine: str
    studies: tuple[Study, ...]
    settings: Mapping[str, Any]
    controls: tuple[str, ...]
    seeds: tuple[int, ...]
    order_seeds: tuple[int, ...]
    split_seeds: tuple[int, ...]
    validation: float
    max_records: int | None
    max_per_subset: int | None
    match_sizes: bool
    absent: Mapping[str, str] = field(default_factory=dict)

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that identify it."""
        text = json.dumps(self.to_data(), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class _Study:
    target: str
    name: str = ""
    arms: tuple[str | Mapping[str, Any], ...] | None = None
    against: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    table: str = ""
    published: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Definition:
    """A definition as it is written."""

    engine: str
    target: str | None = None
    targets: tuple[str | _Study, ...] = ()
    arms: tuple[str | Mapping[str, Any], ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] | None = None
    order_seeds: tuple[int, ...] | None = None
    split_seeds: tuple[int, ...] | None = None
    validation: float = 0.1
    max_records: int | None = None
    max_per_subset: int | None = None
    match_sizes: bool = True
    against: str = BASELINE_PLUS
    options: Mapping[str, Any] = field(default_factory=dict)


def read(given: Mapping[str, Any] | str | os.PathLike[str]) -> Definition:
    """Read a definition from plain data, or from a YAML or JSON file.

    Raises:
        SplitError: The file cannot be read, a key is unknown or has a wrong value, or an arm cannot be made that way.
        EngineError: There is no such engine, setting or control.
    """
    data, where = (dict(given), "The definition") if isinstance(given, Mapping) else _file(Path(given))
    written: _Definition = strict.read(_Definition, _lists(data), where, error=SplitError)
    trains = engine.engine(written.engine, where)
    seeds, split_seeds = _repetitions(written, trains.random, where)
    _check_numbers(written, len(seeds), where)
    settings = engine.settings(trains, written.settings, where)
    if written.target is not None and written.targets:
        raise SplitError(f"{where} has both 'target' and 'targets': write one of them.")
    targets = written.targets if written.target is None else (written.target,)
    if not targets:
        raise SplitError(f"{where} has no target: {_EXAMPLE}.")
    studies: list[Study] = []
    for one in targets:
        asked = _Study(one) if isinstance(one, str) else one
        studies.append(_study(asked, written, {study.name for study in studies}, trains.untrained, where))
    return Definition(
        engine=trains.name,
        studies=tuple(studies),
        settings=settings,
        controls=tuple(trains.controls(settings)),
        seeds=seeds,
        order_seeds=written.order_seeds or seeds,
        split_seeds=split_seeds,
        validation=written.validation,
        max_records=written.max_records,
        max_per_subset=written.max_per_subset,
        match_sizes=written.match_sizes,
    )


def _file(path: Path) -> tuple[dict[str, Any], str]:
    try:
        only_a_file(path)
        data = strict.yaml_load(path.read_text("utf-8"), str(path))  # JSON is YAML
    except (OSError, UnicodeDecodeError) as error:
        raise SplitError(f"{path}: the definition cannot be read ({error}).") from error
    except CardError as error:
        raise SplitError(str(error)) from error
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise SplitError(f"{path} is not the definition of an experiment: {_EXAMPLE}.")
    return data, str(path)


def _lists(data: Any) -> Any:
    """Tuples from Python as the lists that YAML has."""
    if isinstance(data, Mapping):
        return {key: _lists(value) for key, value in data.items()}
    return [_lists(one) for one in data] if isinstance(data, list | tuple) else data


def _repetitions(one: _Definition, random: bool, where: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The seeds of the model and of the split, one of each for each repetition."""
    for name, values in (("seeds", one.seeds), ("order_seeds", one.order_seeds), ("split_seeds", one.split_seeds)):
        if values is not None and (not values or min(values) < 0):
            raise SplitError(f"{where}: {name} must be whole numbers from 0, not {list(values)}.")
    seeds = one.seeds or (None if random else one.split_seeds) or SEEDS
    split_seeds = one.split_seeds or ((0,) if random else seeds)
    if random and len(split_seeds) == 1:
        split_seeds *= len(seeds)
    if len(set(seeds)) < len(seeds):
        raise SplitError(f"{where}: the seeds must be different, not {list(seeds)}.")
    if random and len(split_seeds) != len(seeds):
        raise SplitError(
            f"{where}: split_seeds must be one for all repetitions, or as many as seeds, {len(seeds)}, not "
            f"{len(split_seeds)}."
        )
    if not random and (len(split_seeds) != len(seeds) or len(set(split_seeds)) < len(seeds)):
        raise SplitError(
            f"{where}: split_seeds must be different and as many as seeds, {len(seeds)}, not {list(split_seeds)}: "
            f"nothing is random in the engine {one.engine}, and its repetitions over one split would be the same. "
            "Leave out seeds or split_seeds."
        )
    return seeds, split_seeds


def _check_numbers(one: _Definition, repetitions: int, where: str) -> None:
    if one.order_seeds is not None and len(one.order_seeds) != repetitions:
        raise SplitError(f"{where}: order_seeds must be as many as seeds ({repetitions}), not {len(one.order_seeds)}.")
    for name in ("max_records", "max_per_subset"):
        value = getattr(one, name)
        if value is not None and value < 1:
            raise SplitError(f"{where}: {name} must be at least 1, or null for all, not {value}.")
    if not 0 <= one.validation <= MOST_VALIDATION:
        raise SplitError(f"{where}: validation must be from 0 to {MOST_VALIDATION}, not {one.validation}.")


def _study(one: _Study, whole: _Definition, taken: set[str], untrained: bool, where: str) -> Study:
    options = {**whole.options, **one.options}
    for name, key in _ELSEWHERE.items():
        if name in options:
            raise SplitError(f"{where}: options may not have {name!r}: give {key!r} beside them.")
    if "size" in options:
        raise SplitError(f"{where}: options may not have 'size': give 'max_records', or 'size' to an arm.")
    Options.of(options)
    arms = _arms(one.arms if one.arms is not None else whole.arms, untrained, f"{where}: {one.target}")
    names = [arm.name for arm in arms]
    against = one.against or whole.against
    trained = [arm for arm in arms if arm.trained and arm.name != against]
    if against not in names:
        raise SplitError(
            f"{where}: {one.target} has no arm {against!r} to compare the others with: add it, or name another "
            f"by 'against'. Its arms: {', '.join(names)}."
        )
    if not trained:
        raise SplitError(f"{where}: {one.target} has no trained arm beside {against}.")
    if one.name and not _NAME.fullmatch(one.name):
        raise SplitError(f"{where}: {one.name!r:.80} cannot be the name of a target: use letters, digits and hyphens.")
    name = slug = one.name or re.sub(r"[^a-z0-9]+", "-", one.target.lower()).strip("-")[:60] or "target"
    number = 2
    while name in taken:
        name, number = f"{slug}-{number}", number + 1
    return Study(name, one.target, arms, against, options, one.table, dict(one.published))


def _arms(given: tuple[str | Mapping[str, Any], ...] | None, untrained: bool, where: str) -> tuple[Arm, ...]:
    """The arms; without any, those of the paper, of which the untrained one needs an engine that can answer so."""
    if given is None:
        given = ((UNTRAINED,) if untrained else ()) + (BASELINE_PLUS, "related")
    elif UNTRAINED in given and not untrained:
        raise SplitError(f"{where}: this engine cannot answer without training: leave out the arm {UNTRAINED!r}.")
    arms = [_arm(one, where) for one in given]
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise SplitError(f"{where}: two arms have one name: {', '.join(names)}.")
    # an unrelated arm of no stated size has that of the first arm that is neither unrelated nor a ceiling
    first = next((a.name for a in arms if a.trained and a.experiment not in (BASELINE_PLUS, CEILING)), "")
    made = [replace(arm, like=first) if arm.experiment == BASELINE_PLUS and not arm.like else arm for arm in arms]
    for arm in made:
        for word, other in (("like", arm.like), ("compared with", arm.against)):
            if other and other not in names:
                raise SplitError(f"{where}: arm {arm.name!r} is {word} {other!r}, which is not one of its arms.")
    for arm in made:
        if arm.like and next(one for one in made if one.name == arm.like).like:
            raise SplitError(f"{where}: arm {arm.name!r} is like {arm.like!r}, which is like another one itself.")
    return tuple(made)


def _arm(one: str | Mapping[str, Any], where: str) -> Arm:
    given: dict[str, Any] = {"arm": one} if isinstance(one, str) else dict(one)
    name = given.pop("arm", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SplitError(f"{where}: an arm needs a name of letters, digits and hyphens, not {name!r:.80}.")
    if name == UNTRAINED:
        if given:
            raise SplitError(f"{where}: the arm {UNTRAINED!r} takes nothing, and not {', '.join(given)}.")
        return Arm(name, "")
    like, against = given.pop("like", ""), given.pop("against", "")
    for key, value in (("like", like), ("against", against)):
        if not isinstance(value, str):
            raise SplitError(f"{where}: arm {name!r}: {key!r} must be the name of another arm, not {value!r:.80}.")
    kind = registry.kind(given.pop("experiment", name), where)
    for parameter in kind.parameters:
        if parameter.required and parameter.name not in ("target", *given):
            raise SplitError(f"{where}: arm {name!r} has no {parameter.name!r}: {parameter.summary}")
    if taken := {"target", *_ELSEWHERE} & given.keys():
        raise SplitError(f"{where}: arm {name!r} may not have {', '.join(sorted(taken))}: all arms share them.")
    own = {parameter.name for parameter in kind.parameters}
    Options.of({key: value for key, value in given.items() if key not in own})
    return Arm(name, kind.name, given, like, against)
