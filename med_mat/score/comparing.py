"""Models compared on the same records, and seeds pooled: from results to a comparison.

The statistics are those of :mod:`med_mat.score.paired`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from med_mat import markup
from med_mat.errors import ScoreError
from med_mat.score import paired, power, tables
from med_mat.score.intervals import RESAMPLES
from med_mat.score.paired import Arm, Difference, holm
from med_mat.score.result import Result
from med_mat.shell import counted, printable
from med_mat.taxonomy import did_you_mean

if TYPE_CHECKING:
    from med_mat.score.tables import Format

#: Fewer discordant records than these cannot reach 5 % in an exact McNemar test.
_FEWEST = 6
_HEAD = (
    *("arm", "seeds", "score", "sd", "low", "high", "reference", "difference", "difference low", "difference high"),
    *("p permutation", "p Holm", "p McNemar", "detectable", "helps"),
)
_Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Several arms on the same records."""

    target: str
    kind: str
    measure: str
    records: int
    groups: int
    chance: float | None
    blind: float | None  # the highest accuracy without the image
    reference: str
    arms: tuple[Arm, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    def __getitem__(self, name: str) -> Arm:
        """An arm by its name."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise ScoreError(f"There is no arm {name!r} here.{did_you_mean(name, [arm.name for arm in self.arms])}")

    def against(self, name: str) -> Difference:
        """The difference of an arm from the reference."""
        for one in self.differences:
            if one.arm == name:
                return one
        raise ScoreError(f"There is no arm {name!r} that is compared with {self.reference!r} here.")

    def __repr__(self) -> str:
        told = ", ".join(f"{arm.name} {arm.mean:.3f}" for arm in self.arms)
        return f"Comparison({self.target}: {told}; {self.records:,} questions)"

    def __str__(self) -> str:
        return "\n".join(map(printable, self._lines()))

    def _lines(self) -> Iterator[str]:
        beside = "" if self.chance is None else f", chance {self.chance:.3f}"
        beside += "" if self.blind is None else f", without the image {self.blind:.3f}"
        yield f"{self.target}: {self.measure} on {counted(self.records, 'question')} in {self.groups:,} groups{beside}"
        yield ""
        width = max(len(arm.name) for arm in self.arms)
        for arm in self.arms:
            spread = f" (SD {arm.sd:.3f} over {len(arm.seeds)} seeds)" if arm.sd is not None else ""
            yield f"  {arm.name:<{width}}  {arm.mean:.3f}{_range(arm.low, arm.high)}{spread}"
        yield ""
        for one in self.differences:
            holm = "" if one.p_holm is None or len(self.differences) < 2 else f", Holm {_p(one.p_holm)}"
            exact = f", McNemar {', '.join(map(_p, one.mcnemar))}" if one.mcnemar else ""
            yield f"  {one.arm} - {one.reference}: {one.difference:+.3f}{_range(one.low, one.high)}"
            counts = f"better in {one.better:,} groups, worse in {one.worse:,}"
            yield f"    permutation by group {_p(one.p)}{holm}{exact}; {counts}"
            least = "none" if one.detectable is None else f"{one.detectable:.3f}"
            mark = "yes" if one.helps else "no"
            yield f"    detectable with a power of 80%: {least}; helps by the paper's criterion (a higher mean): {mark}"
        yield from (f"note: {note}" for note in self.notes)

    def _rows(self) -> list[tuple[str, ...]]:
        known = {one.arm: one for one in self.differences}
        rows = []
        for arm in self.arms:
            one = known.get(arm.name)
            values = (arm.mean, arm.sd, arm.low, arm.high)
            told = (arm.name, str(len(arm.seeds)), *map(_number, values))
            if one is None:
                rows.append((*told, *[""] * (len(_HEAD) - len(told))))
                continue
            p = (*map(_number, (one.difference, one.low, one.high)), _small(one.p), _small(one.p_holm))
            mcnemar = " ".join(map(_small, one.mcnemar))
            mark = "yes" if one.helps else "no"
            rows.append((*told, one.reference, *p, mcnemar, _number(one.detectable), mark))
        return rows

    def table(self, form: Format = "markdown") -> str:
        """One line per arm: "markdown", "latex" or "csv"."""
        return tables.table(_HEAD, self._rows(), form)

    def _repr_html_(self) -> str:
        return markup.block(repr(self), markup.table(_HEAD, self._rows()), *map(markup.paragraph, self.notes))

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return asdict(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the comparison: its data as ``.json``, or its table as ``.md``, ``.tex`` or ``.csv``.

        Raises:
            ScoreError: Another extension.
            WriteError: The file cannot be written.
        """
        tables.save(self, Path(path))


def compare(
    arms: Mapping[str, Result | Sequence[Result]],
    *,
    reference: str | None = None,
    kind: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare models on the same records.

    Args:
        arms: Name of each arm -> its result, or the results of several seeds, which are pooled.
        reference: The arm to compare the others with (default: "unrelated", else the last one).
        kind: "choice", "open", "findings" or "boxes" (default: the kind with the most questions).
        resamples: Number of resamples of the intervals.
        seed: Random seed of intervals and tests.

    Raises:
        ScoreError: An arm has no result, the arms were not scored on the same records, or there is no such arm or kind.
        MissingExtraError: statsmodels is not installed, and there is something to test.
    """
    given = {name: [one] if isinstance(one, Result) else list(one) for name, one in arms.items()}
    if not given or (empty := [name for name, results in given.items() if not results]):
        raise ScoreError(f"The arm {empty[0]!r} has no result." if given else "There is no arm to compare.")
    if reference is None:
        reference = "unrelated" if "unrelated" in given else list(given)[-1]
    if reference not in given:
        raise ScoreError(
            f"The reference {reference!r} is no arm.{did_you_mean(reference, given)} Arms: {', '.join(given)}."
        )
    first = next(iter(given.values()))[0]
    found = next((one for one in first.sections if kind in (None, one.kind)), None)
    if found is None:
        raise ScoreError(f"There is no question of the kind {kind!r}: {', '.join(one.kind for one in first.sections)}.")
    ids = [one for one, of in zip(first.records.id, first.records.kind, strict=True) if of == found.kind]
    scores = {
        name: np.stack([_values(one, name, ids, found.kind) for one in results]) for name, results in given.items()
    }
    group = np.array([g for g, of in zip(first.records.group, first.records.kind, strict=True) if of == found.kind])
    several = [
        paired.arm(name, of, group, [one.model for one in given[name]], resamples=resamples, seed=seed)
        for name, of in scores.items()
    ]
    differences = [
        paired.difference(scores, name, reference, group, resamples=resamples, seed=seed)
        for name in scores
        if name != reference
    ]
    adjusted = holm([one.p for one in differences]) if differences else []
    known = [replace(one, p_holm=p) for one, p in zip(differences, adjusted, strict=True)]
    return Comparison(
        target=str(first.definition.get("target") or first.name),
        kind=found.kind,
        measure=found.measure,
        records=len(ids),
        groups=len(np.unique(group)),
        chance=found.chance,
        blind=_blind(given) if found.kind == "choice" else None,
        reference=reference,
        arms=tuple(several),
        differences=tuple(known),
        notes=tuple(_notes(given, known, len(ids), len(np.unique(group)), first)),
    )


def _values(result: Result, name: str, ids: Sequence[str], kind: str) -> _Values:
    """The scores of a result, in the order of the ids."""
    records = result.records
    known = {one: score for one, of, score in zip(records.id, records.kind, records.score, strict=True) if of == kind}
    gone = [one for one in ids if one not in known]
    more = len(known) - (len(ids) - len(gone))
    if gone or more:
        example = gone[0] if gone else next(one for one in known if one not in set(ids))
        raise ScoreError(
            f"The arm {name!r} was not scored on the records of the first one: {len(gone):,} of {len(ids):,} are "
            f"missing and {more:,} are others, such as {example!r}. Arms are compared on the same test records."
        )
    return np.array([known[one] for one in ids])


def _blind(given: Mapping[str, Sequence[Result]]) -> float | None:
    """The highest accuracy without the image, after any arm's training questions."""
    reached = [value for results in given.values() for one in results if one.blind for value in one.blind.values()]
    return max(reached, default=None)


def _notes(
    given: Mapping[str, Sequence[Result]], known: Sequence[Difference], records: int, groups: int, first: Result
) -> Iterator[str]:
    yield from power.warnings(records, groups)
    if len(first.sections) > 1:
        others = ", ".join(f"{one.figure.records:,} {one.kind}" for one in first.sections)
        yield f"the test has questions of several kinds ({others}), and one kind is compared: kind= chooses it"
    if any(len(results) == 1 for results in given.values()):
        alone = [name for name, results in given.items() if len(results) == 1]
        yield f"one run of {', '.join(alone)}: its intervals do not include the variation between seeds"
    sizes = {results[0].train for results in given.values() if results[0].train}
    if len(sizes) > 1:
        yield f"the arms do not have the same number of training records: {', '.join(map(str, sorted(sizes)))}"
    for one in known:
        if one.mcnemar and 0 < one.better + one.worse < _FEWEST:
            yield f"{one.arm} and {one.reference} differ in fewer than {_FEWEST} groups: no test can reach 5 %"
    for name, results in given.items():
        worst = max(results, key=lambda one: one.unparsed)
        if worst.unparsed > 0.05:
            yield f"{worst.unparsed:.0%} of the answers of {name} could not be read, and count as wrong"


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _small(value: float | None) -> str:
    return "<0.0001" if value is not None and value < 0.0001 else _number(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
