"""The experiments of the paper as one definition, as far as a Med-MAT has their data.

Sizes are those of the build, and at most those of the paper; what cannot be made is listed with the sources that would
provide it. Figures 5 and 6 do not state which combinations they show: of those that meet the paper's condition for
them, the first of each direction that the build allows is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

from med_mat import catalog, markdown, paper, strict
from med_mat.errors import EngineError, MedMATError
from med_mat.experiment import arms as making
from med_mat.experiment import definition as definitions
from med_mat.experiment.definition import BASELINE_PLUS, UNTRAINED, Definition
from med_mat.experiment.engine import engine
from med_mat.experiment.report import Report
from med_mat.paper import CombinationKind, PaperCombination

if TYPE_CHECKING:
    from med_mat.dataset import MedMAT
    from med_mat.score.published import Beside

#: The model whose published figures are shown beside ours, where there is a choice.
MODEL = "LLaVA-v1.5-7B"
#: Figures 5 and 6: the largest number of records on their axes.
_MOST_SCALED, _MOST_ADDED = 3_000, 2_000
_ARM = "related"  # the name of the arm that trains on a combination
#: Options of the paper that a definition has under a name of its own.
_OPTIONS = {name: value for name, value in paper.SETTINGS.items() if name != "max_per_subset"}


@dataclass
class _Found:
    """Studies as they are written in a definition, and what cannot be studied."""

    studies: list[dict[str, Any]] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


def definition(mat: MedMAT, given: Mapping[str, Any], only: Sequence[str] = ()) -> Definition:
    """All experiments of the paper that a Med-MAT allows.

    Args:
        mat: An opened Med-MAT.
        given: Keys of a definition, such as ``engine``, ``settings``, ``seeds`` and ``max_records``.
        only: Parts of the paper, keys of :data:`PARTS` (default: all).

    Raises:
        EngineError: There is no such part, engine or setting.
        SplitError: A key has a wrong value, or the Med-MAT allows none of the experiments.
    """
    for name in only:
        strict.named(name, PARTS, "part of the paper", error=EngineError)
    first = [UNTRAINED] if engine(given.get("engine"), "--engine").untrained else []
    whole = {"max_per_subset": paper.SETTINGS["max_per_subset"], **given}
    found = _Found()
    for name in only or PARTS:
        PARTS[name](mat, whole, first, found)
    if not found.studies:
        reasons = "; ".join(list(found.absent.values())[:2])
        raise EngineError(f"This Med-MAT allows none of these experiments of the paper: {reasons}")
    return replace(definitions.read({**whole, "targets": found.studies}), absent=found.absent)


def beside(report: Report) -> dict[CombinationKind, Beside]:
    """The tables of the paper's combinations with our figures beside the published ones, for which any were planned.

    The rows are those of :meth:`med_mat.paper.Table.beside`; ``report.left_out`` says why others are blank.
    """
    planned = {study.name: study for study in report.studies}
    found: dict[CombinationKind, Beside] = {}
    for kind in get_args(CombinationKind):
        names = {row.number: _name(row) for row in paper.combinations(kind)}
        if not {*names.values()}.isdisjoint((*planned, *report.left_out)):
            ours = {number: planned[name].comparison() for number, name in names.items() if name in planned}
            found[kind] = paper.table(kind).beside(ours)
    return found


def page(report: Report) -> str:
    """The same as a page of Markdown, with what is missing, and why."""
    parts = ["# Ours beside the paper's"]
    parts += [f"## {markdown.escape(one.title)}\n\n{one.table()}".rstrip() for one in beside(report).values()]
    if report.left_out:
        reasons = (markdown.escape(f"{name}: {why}") for name, why in report.left_out.items())
        parts.append(f"## Missing here\n\n{markdown.bullets(reasons)}".rstrip())
    return "\n\n".join(parts) + "\n"


def _name(row: PaperCombination) -> str:
    """The name of the study of a combination."""
    return f"{row.kind}-{row.number:02}"


def _combinations(kind: CombinationKind, title: str) -> Callable[..., None]:
    """The function that adds all combinations of a kind."""

    def add(mat: MedMAT, _whole: Mapping[str, Any], first: list[str], found: _Found) -> None:
        for row in paper.combinations(kind):
            name = _name(row)
            try:
                study = _study(mat, row, name, title)
            except MedMATError as error:
                found.absent[name] = f"{_words(row)}: {error}"
                continue
            study["arms"] = [*first, BASELINE_PLUS, _trained(mat, row)]
            figures = row.figures.get(MODEL) or next(iter(row.figures.values()))
            published = {UNTRAINED: figures.baseline, BASELINE_PLUS: figures.baseline_plus, _ARM: figures.trained}
            arms = (*first, BASELINE_PLUS, _ARM)
            study["published"] = {arm: value for arm, value in published.items() if value is not None and arm in arms}
            found.studies.append(study)

    return add


def _disruption(mat: MedMAT, whole: Mapping[str, Any], first: list[str], found: _Found) -> None:
    """Figure 4: related data without one element of the target, all arms of one size."""
    subsets = catalog.load().subsets.values()
    counted = "subset=" + "|".join(str(one.number) for one in subsets if one.role == "id")
    for row in paper.disruption():
        name = f"disruption-{row.target.subsets[0]:02}"
        without = [
            {"arm": f"without_{axis}", "experiment": "without", "axis": axis} for axis in ("modality", "area", "task")
        ]
        arms = [*first, "all_unrelated", "all_related", *without, "all_data"]
        names = [*first, "all_unrelated", "all_related", *(one["arm"] for one in without), "all_data"]
        published = {UNTRAINED if arm == "baseline" else arm: value for arm, value in row.figures.items()}
        study = {
            "target": row.target.selection,
            "name": name,
            "arms": arms,
            "against": "all_unrelated",
            "options": {**_OPTIONS, "among_train": counted},
            "table": "Scaling and disrupting CG (Figure 4)",
            "published": {arm: value for arm, value in published.items() if arm in names},
        }
        _add(mat, whole, study, found)


def _scaling(mat: MedMAT, whole: Mapping[str, Any], _first: list[str], found: _Found) -> None:
    """Figure 5: a combination that gains at least 10 points over both baselines, at several sizes."""
    gaining = [row for row in paper.combinations("two") if _gain(row) >= 10]
    for row, study, size in _one_of_each(
        mat, whole, gaining, "scaling", "Without data of the target (Figure 5)", found
    ):
        arms: list[dict[str, Any]] = []
        most = min(size, _MOST_SCALED)
        for few in sorted({max(most * part // 3, 1) for part in (1, 2, 3)}):
            other, mine = f"{BASELINE_PLUS}-{few}", f"{_ARM}-{few}"
            arms.append({**_trained(mat, row), "arm": mine, "size": few, "against": other})
            arms.append({"arm": other, "experiment": BASELINE_PLUS, "like": mine})
        study |= {"arms": arms, "against": f"{BASELINE_PLUS}-{most}"}
        _add(mat, whole, study, found)


def _limited(mat: MedMAT, whole: Mapping[str, Any], _first: list[str], found: _Found) -> None:
    """Figure 6: a combination that fails, with some data of the target added to related and to unrelated data."""
    failing = [row for row in paper.combinations("two") if row.helps is False]
    title = "With some data of the target (Figure 6)"
    for _row, study, _size in _one_of_each(mat, whole, failing, "limited", title, found):
        options = {**study["options"], "max_per_subset": whole["max_per_subset"]}
        try:
            own = len(mat.single_task(study["target"], **options).train_positions)
        except MedMATError as error:
            found.absent[study["name"]] = str(error)
            continue
        arms: list[Any] = [BASELINE_PLUS, "related"]
        most = min(own, _MOST_ADDED)
        for few in sorted({max(most * part // 5, 1) for part in (2, 4)}):
            mine, other = f"related+{few}", f"unrelated+{few}"
            arms.append({"arm": mine, "experiment": "limited", "n": few, "base": "related", "against": other})
            arms.append({"arm": other, "experiment": "limited", "n": few, "base": BASELINE_PLUS, "like": "related"})
        _add(mat, whole, study | {"arms": arms}, found)


def _one_of_each(
    mat: MedMAT,
    whole: Mapping[str, Any],
    rows: Iterable[PaperCombination],
    name: str,
    title: str,
    found: _Found,
) -> Iterator[tuple[PaperCombination, dict[str, Any], int]]:
    """Of each direction the first combination whose two arms the build allows, and their number of records."""
    directions: dict[str, list[PaperCombination]] = {}
    for row in rows:
        directions.setdefault(row.direction, []).append(row)
    for direction, some in directions.items():
        reasons = []
        for row in some:
            label = f"{name}-{direction.replace(' ', '-')}"
            try:
                study = _study(mat, row, label, title)
                arms = {"arms": [BASELINE_PLUS, _trained(mat, row)]}
                made = _tried(mat, whole, {**study, **arms})
            except MedMATError as error:
                reasons.append(f"{_words(row)}: {error}")
                continue
            yield row, study, made
            break
        else:
            found.absent[f"{name}-{direction.replace(' ', '-')}"] = reasons[0]


def _add(mat: MedMAT, whole: Mapping[str, Any], study: dict[str, Any], found: _Found) -> None:
    """Add a study if its arms can be made."""
    try:
        _tried(mat, whole, study)
    except MedMATError as error:
        found.absent[study["name"]] = str(error)
    else:
        found.studies.append(study)


def _tried(mat: MedMAT, whole: Mapping[str, Any], study: Mapping[str, Any]) -> int:
    """The number of training records of the first arm that is trained.

    Raises:
        SplitError: The arms cannot be made.
    """
    asked = definitions.read({**whole, "targets": [dict(study)]})
    made = making.make(mat, asked.studies[0], asked, asked.split_seeds[0])
    return len(next(iter(made.made.values())).train_positions)


def _study(mat: MedMAT, row: PaperCombination, name: str, title: str) -> dict[str, Any]:
    """A combination as a study without arms.

    Raises:
        SplitError: The build has nothing of a part.
    """
    for part in row.parts:
        part.within(mat)
    options = {**_OPTIONS, "cross_tasks": row.kind == "detection", "test_on": row.test_on}
    return {"target": row.target.selection, "name": name, "options": options, "table": title}


def _trained(mat: MedMAT, row: PaperCombination) -> dict[str, Any]:
    return {"arm": _ARM, "experiment": "combination", "parts": [part.within(mat) for part in row.parts]}


def _gain(row: PaperCombination) -> float:
    figures = row.figures[MODEL]
    return figures.trained - max(figures.baseline, figures.baseline_plus or 0)


def _words(row: PaperCombination) -> str:
    return f"{' + '.join(part.paper for part in row.parts)} -> {row.target.paper}"


#: The parts of the paper, in the order of the report.
PARTS: Mapping[str, Callable[[MedMAT, Mapping[str, Any], list[str], _Found], None]] = {
    "two": _combinations("two", "Combinations of two elements (Table 3)"),
    "three": _combinations("three", "Combinations of three elements (Table 10)"),
    "detection": _combinations("detection", "With detection (Tables 13 and 14)"),
    "scaling": _scaling,
    "disruption": _disruption,
    "limited": _limited,
}
