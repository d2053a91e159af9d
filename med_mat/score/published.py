"""Results beside published ones: the rows of a published table, in its order, each with a comparison of your own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from med_mat import markup
from med_mat.score import tables
from med_mat.score.comparing import Comparison
from med_mat.score.paired import Arm, Difference
from med_mat.shell import printable

if TYPE_CHECKING:
    from med_mat.score.tables import Format

#: The paper's name of an arm -> ours.
ARMS: Mapping[str, str] = MappingProxyType(
    {"baseline": "untrained", "baseline_plus": "unrelated", "trained": "related"}
)
_OURS = (
    *(f"ours {name}" for name in ARMS),
    *("ours test questions", "ours chance", "ours gain over baseline_plus", "ours p", "ours helps"),
)


@dataclass(frozen=True)
class Beside:
    """A published table with columns of your own results. Accuracies are in percent, as published."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    missing: int  # rows without a result of ours

    def __str__(self) -> str:
        width = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        lines = ["  ".join(map(str.ljust, line, width)).rstrip() for line in (self.head, *self.rows)]
        told = [f"{self.missing} of {len(self.rows)} rows have no result of ours."] if self.missing else []
        return "\n".join(map(printable, [self.title, "", *lines, *told]))

    def __repr__(self) -> str:
        return f"Beside({self.title!r}: {len(self.rows) - self.missing} of {len(self.rows)} rows)"

    def _repr_html_(self) -> str:
        return markup.block(self.title, markup.table(self.head, self.rows))

    def table(self, form: Format = "markdown") -> str:
        """The table: "markdown", "latex" or "csv"."""
        return tables.table(self.head, self.rows, form)

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON: a list of rows by column."""
        return {"title": self.title, "rows": [dict(zip(self.head, row, strict=True)) for row in self.rows]}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as ``.md``, ``.tex`` or ``.csv``, or its rows as ``.json``.

        Raises:
            ScoreError: Another extension.
            WriteError: The file cannot be written.
        """
        tables.save(self, Path(path))


def beside(title: str, published: Sequence[Mapping[str, str]], results: Sequence[Comparison | None]) -> Beside:
    """Published rows with your own results beside them.

    Args:
        title: Title of the table.
        published: The cells of each row by the name of their column.
        results: For each row your own comparison, or None. Its arms are "related" (or "trained"), "unrelated"
            ("baseline_plus") and "untrained" ("baseline"); those that are not there are left blank.
    """
    names = list(dict.fromkeys(name for row in published for name in row if any(one.get(name) for one in published)))
    rows = [
        (*(row.get(name, "") for name in names), *_ours(result)) for row, result in zip(published, results, strict=True)
    ]
    return Beside(title, (*names, *_OURS), tuple(rows), sum(one is None for one in results))


def _ours(result: Comparison | None) -> tuple[str, ...]:
    if result is None:
        return ("",) * len(_OURS)
    arms = {arm.name: arm for arm in result.arms}
    gain = next((one for one in result.differences if one.arm in (ARMS["trained"], "trained")), None)
    return (
        *(_percent(arms.get(ours) or arms.get(name)) for name, ours in ARMS.items()),
        str(result.records),
        "" if result.chance is None else f"{100 * result.chance:.0f}",
        *_gain(gain),
    )


def _percent(arm: Arm | None) -> str:
    if arm is None:
        return ""
    if arm.low is None or arm.high is None:
        return f"{100 * arm.mean:.0f}"
    return f"{100 * arm.mean:.0f} [{100 * arm.low:.0f}, {100 * arm.high:.0f}]"


def _gain(one: Difference | None) -> tuple[str, str, str]:
    if one is None:
        return "", "", ""
    around = "" if one.low is None or one.high is None else f" [{100 * one.low:+.0f}, {100 * one.high:+.0f}]"
    p = one.p if one.p_holm is None else one.p_holm
    return f"{100 * one.difference:+.0f}{around}", "< 0.001" if p < 0.001 else f"{p:.3f}", "yes" if one.helps else "no"
