"""A report as text, Markdown, LaTeX and CSV. Accuracies and differences are in percent and points."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from med_mat import markdown as pages
from med_mat.errors import EngineError
from med_mat.experiment.report import Report, StudyFigures
from med_mat.files import write_atomically
from med_mat.score.paired import Arm, Difference, MeanDifference

Cells = Mapping[str, str]
#: The columns of the main table; those of the controls and of the paper come after them.
_ORDER = ("target", "arm", "train", "accuracy", "chance", "blind", "difference", "p", "Holm", "detectable")
_HOW_TO_READ = (
    "Accuracy: mean over the seeds, in percent (F1 or mean IoU where named so); unparsed answers count as wrong.",
    "Chance: random options. Blind: the best strategy that sees the question and the options only, learned from the "
    "questions of an arm.",
    "Intervals: 95%, percentiles of a bootstrap over groups (patients, images, near-duplicates) and seeds.",
    "Difference: from the named arm, on the same records; p: permutation test, paired by group; Holm: p adjusted over "
    "targets. Detectable: the smallest true difference that this test would detect with 80% power.",
    "Controls: accuracy (and the same difference) of the engine without pretraining or without images. A difference "
    "that the controls show too is not evidence of compositional generalization.",
)


def rows(studies: Iterable[StudyFigures]) -> list[dict[str, str]]:
    """The main table: one row for each arm of each target."""
    found = []
    for study in studies:
        for number, arm in enumerate(study.arms):
            row = {"target": study.target if number == 0 else "", "arm": arm.arm, "train": f"{arm.train:,}"}
            row |= {"accuracy": _interval(arm.own.accuracy.mean, arm.own.accuracy)}
            if number == 0:
                row |= {"chance": _percent(study.chance), "blind": _percent(study.blind_best)}
            if (gain := arm.own.difference) is not None:
                row |= {"difference": f"{_difference(gain)} to {arm.reference}"}
                row |= {"p": _p(gain.p), "Holm": _p(gain.p_holm), "detectable": _percent(gain.detectable)}
            for name, control in arm.controls.items():
                more = control.difference
                beside = "" if more is None else f" ({_percent(more.difference, signed=True)})"
                row[name] = f"{_percent(control.accuracy.mean)}{beside}"
            if arm.published is not None:
                row["paper"] = _percent(arm.published)
            found.append(row)
    return found


def tests(report: Report) -> list[dict[str, str]]:
    """What is tested: one row for each target."""
    return [
        {
            "target": study.target,
            "measure": study.measure,
            "records": f"{study.records:,}",
            "groups": f"{study.groups:,}",
            "without images": study.blind,
        }
        for study in report.studies
    ]


def pooled(report: Report) -> list[dict[str, str]]:
    """The mean differences over targets."""
    return [
        {
            "arm": one.arm,
            "to": one.reference,
            "targets": f"{one.targets}",
            "difference": _difference(one.difference),
            "p": _p(one.difference.p),
            **{name: _difference(control) for name, control in one.controls.items()},
        }
        for one in report.pooled
    ]


def text(report: Report) -> str:
    """The report as text for a terminal."""
    lines = [report.title, _made_by(report), ""]
    for table in (rows(report.studies), tests(report), pooled(report)):
        if table:
            lines += [*_aligned(table), ""]
    if report.studies:
        lines += [*_HOW_TO_READ, ""]
    for title, some in _remarks(report):
        lines += [f"{title}:", *some, ""]
    return "\n".join(lines).rstrip() + "\n"


def markdown(report: Report) -> str:
    """The report as a Markdown page."""
    lines = [f"# {pages.escape(report.title)}", "", pages.escape(_made_by(report)), ""]
    parts: dict[str, list[StudyFigures]] = {}
    for study in report.studies:
        parts.setdefault(study.table, []).append(study)
    tables = [(title or "Accuracy", rows(some)) for title, some in parts.items()]
    for title, table in (*tables, ("Over targets", pooled(report)), ("What is tested", tests(report))):
        if table:
            lines += [f"## {pages.escape(title)}", "", _grid(table), ""]
    if report.studies:
        lines += [pages.bullets(map(pages.escape, _HOW_TO_READ)), ""]
    for title, some in _remarks(report):
        lines += [f"## {title}", "", pages.bullets(map(pages.escape, some)), ""]
    return "\n".join(lines)


def latex(report: Report) -> str:
    """A ``tabular`` of the main table, with the rules of the package booktabs."""
    table = rows(report.studies)
    names = _names(table)
    body = [" & ".join(_tex(row.get(name, "")) for name in names) + r" \\" for row in table]
    return "\n".join(
        [
            f"% {' '.join(report.title.split())}",
            f"% {' '.join(_made_by(report).split())}",
            rf"\begin{{tabular}}{{{'l' * len(names)}}}",
            r"\toprule",
            " & ".join(map(_tex, names)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def to_csv(report: Report) -> str:
    """One row for each target, arm and control, with all numbers, from 0 to 1."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    intervals = [f"{name}{end}" for name in ("accuracy", "difference") for end in ("", "_low", "_high")]
    tested = ("records", "groups", "chance", "blind")
    more = ("p", "p_holm", "detectable", "unread", "seeds", "published", "synthetic")
    arm_columns = ("table", "target", "arm", "control", "reference", "train", "validation")
    writer.writerow((*arm_columns, *tested, *intervals, *more))
    for study in report.studies:
        for arm in study.arms:
            for control, one in {"": arm.own, **arm.controls}.items():
                gain = one.difference
                tested_so = (
                    ("",) * 6
                    if gain is None
                    else (*_three(gain.difference, gain), gain.p, gain.p_holm, gain.detectable)
                )
                writer.writerow(
                    (
                        study.table, study.target, arm.arm, control, arm.reference, arm.train, arm.validation,
                        study.records, study.groups, study.chance, study.blind_best,
                        *_three(one.accuracy.mean, one.accuracy), *tested_so,
                        one.unread, " ".join(f"{seed:.6f}" for seed in one.accuracy.seeds),
                        "" if control else arm.published, report.synthetic,
                    )
                )  # fmt: skip
    return made.getvalue()


def save(report: Report, path: Path) -> None:
    """Write a report as ``.json``, ``.md``, ``.tex``, ``.csv`` or ``.txt``, or its plot as ``.svg`` or ``.png``.

    Raises:
        EngineError: Another extension.
        WriteError: The file cannot be written.
        MissingExtraError: A plot needs matplotlib, which is not installed.
    """
    suffix = path.suffix.lower()
    if suffix in (".svg", ".png"):
        from med_mat.experiment.picture import picture
        from med_mat.plot import save as save_picture

        save_picture(picture(report), path)
    elif suffix in _WRITERS:
        write_atomically(path, _WRITERS[suffix](report).encode("utf-8", "replace"))
    else:
        raise EngineError(f"{path}: a report is saved as {', '.join((*_WRITERS, '.svg', '.png'))}.")


_WRITERS: Mapping[str, Callable[[Report], str]] = {
    ".json": Report.to_json,
    ".md": markdown,
    ".tex": latex,
    ".csv": to_csv,
    ".txt": text,
}


def _made_by(report: Report) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in report.settings.items())
    rules = f"; models chosen by {' and '.join(report.selection)}" if report.selection else ""
    controls = f"; controls {', '.join(report.controls)}" if report.controls else ""
    return (
        f"Engine {report.engine} ({settings}); seeds {', '.join(map(str, report.seeds))}{rules}{controls}; "
        f"med-mat {report.med_mat}, build {report.build}."
    )


def _remarks(report: Report) -> Iterator[tuple[str, list[str]]]:
    """What must be said beside the figures: title -> lines."""
    warnings = [text for study in report.studies for text in (*study.warnings, *_doubts(study))]
    notes = [f"{study.target}: {note}" for study in report.studies for note in study.notes]
    for study in report.studies:
        if study.ungraded:
            notes.append(f"{study.target}: {study.ungraded:,} tested records ask in another way, and are not compared.")
        notes += [f"{study.target}: the arm {arm} is left out: {why}" for arm, why in study.left_out.items()]
    if report.studies and not report.controls:
        warnings.append(
            f"The engine {report.engine} has no controls: nothing shows what it could answer without images."
        )
    unfinished = [f"{name}: {report.failed.get(name, 'not run yet')}" for name in report.missing]
    if unfinished:
        unfinished.insert(0, "Arms have no figures until all of their tasks are done, those of their controls too.")
    left_out = [f"{name}: {why}" for name, why in report.left_out.items()]
    for title, some in (
        ("Warnings", warnings),
        ("Notes", notes),
        ("Tasks that are missing", unfinished),
        ("Targets that this Med-MAT does not allow", left_out),
    ):
        if some:
            yield title, some


def _doubts(study: StudyFigures) -> Iterator[str]:
    """Why a difference whose interval is above zero is no evidence of compositional generalization."""
    for arm in study.arms:
        own = arm.own.difference
        if own is None or own.low is None or own.low <= 0:
            continue
        above = f"{study.target}: {arm.arm} is above {arm.reference} by {_percent(own.difference)} points"
        controls = {name: one.difference for name, one in arm.controls.items() if one.difference is not None}
        alike = [
            f"{name} ({_percent(one.difference, signed=True)})" for name, one in controls.items() if (one.low or 0) > 0
        ]
        if alike:
            yield (
                f"{above}, but under the control{'' if len(alike) == 1 else 's'} {' and '.join(alike)} as well: this "
                "is no evidence of compositional generalization."
            )
        if study.blind_best is not None and arm.own.accuracy.mean <= study.blind_best:
            yield (
                f"{above}, but with {_percent(arm.own.accuracy.mean)} % it is not above what can be guessed without "
                f"images, {_percent(study.blind_best)} %."
            )


def _names(table: Sequence[Cells]) -> list[str]:
    """The columns of a table."""
    present = dict.fromkeys(itertools.chain(*table))
    main = "accuracy" in present  # its rows differ in their columns
    return [name for name in dict.fromkeys((*_ORDER, *present)) if name in present] if main else list(present)


def _aligned(table: Sequence[Cells]) -> list[str]:
    names = _names(table)
    lines = [names, *([row.get(name, "") for name in names] for row in table)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def _grid(table: Sequence[Cells]) -> str:
    """Rows as a Markdown table."""
    names = _names(table)
    return pages.table(names, ([pages.escape(row.get(name, "")) for name in names] for row in table))


def _tex(text: str) -> str:
    return "".join(_TEX.get(char, char) for char in text)


_TEX: Mapping[str, str] = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
}


def _percent(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return ""
    return f"{100 * value:{'+' if signed else ''}.1f}".replace("-", "−")


def _interval(value: float, one: Arm | Difference | MeanDifference, *, signed: bool = False) -> str:
    """A value with its interval, which that of a single group does not have."""
    if one.low is None or one.high is None:
        return _percent(value, signed=signed)
    ends = ", ".join(_percent(end, signed=signed) for end in (one.low, one.high))
    return f"{_percent(value, signed=signed)} [{ends}]"


def _difference(one: Difference | MeanDifference) -> str:
    return _interval(one.difference, one, signed=True)


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if value >= 0.0001 else "< 0.0001"


def _three(value: float, one: Arm | Difference) -> tuple[Any, ...]:
    return value, one.low, one.high
