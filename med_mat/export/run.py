"""An export from beginning to end: what may be written, the files of the format, and ``export.json``."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from med_mat import __version__, schema, strict, terms
from med_mat.conventions import Convention
from med_mat.errors import ExportError
from med_mat.export import permit, place
from med_mat.export.job import Job, Settings, positions_of
from med_mat.export.permit import Pixels
from med_mat.export.planning import Part, Plan, part_plan, passing
from med_mat.export.registry import ExportFormat, format_named
from med_mat.export.turns import Style
from med_mat.index import Parts
from med_mat.shell import counted
from med_mat.tags import Positions

LICENSES = "LICENSES.md"
#: Why records are left out with pixels="allowed".
KEPT_BACK = "the terms of its source keep back its image or its labels"
_ARGUMENTS = {
    "style": Style,
    "boxes": Convention | None,
    "pixels": Pixels,
    "own_use": bool,
    "seed": int,
    "progress": bool,
}
#: The libraries that the bytes of an export depend on.
_LIBRARIES = ("pyarrow",)


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished export."""

    out: Path
    format: str
    records: Mapping[str, int]  # by part
    images: int  # different ones
    left_out: Mapping[str, Mapping[str, int]]  # part -> reason -> records
    anew: bool  # False: the folder had all of it already

    def __str__(self) -> str:
        parts = ", ".join(f"{number:,} {part}" for part, number in self.records.items())
        lines = [f"{self.out}: {parts} records as {self.format}{'' if self.anew else ', already there'}."]
        for part, reasons in self.left_out.items():
            lines += [f"Left out of {part}: {counted(number, 'record')}: {why}." for why, number in reasons.items()]
        return "\n".join(lines)


def export(
    experiment: Parts,
    out: str | os.PathLike[str],
    *,
    format: str,  # noqa: A002 - reads well
    style: Style = "auto",
    boxes: Convention | None = None,
    pixels: Pixels = "all",
    own_use: bool = False,
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> Exported:
    """Write the records of an experiment as files for a trainer or another program.

    Images are copied as stored, without re-encoding. Beside the files of the format there are ``export.json`` (what was
    exported, with which versions, the sizes of the files, the file of each record, what was left out and why) and
    ``LICENSES.md``. The same call continues an interrupted export, and ends in the same bytes; a finished one is
    written again if a file is missing or has another size.

    Args:
        experiment: An experiment, or anything with parts (:class:`~med_mat.index.Parts`).
        out: The folder to write: new, empty, or with this very export.
        format: The name of a format: see :func:`med_mat.export.export_formats`.
        style: "choice" (questions with options, answered by a letter), "open", or "auto": the question of the record.
            Records without such a question are left out and counted.
        boxes: How boxes are written in text: see :mod:`med_mat.conventions` (default: that of the format).
        pixels: "all" exports every record, or refuses; "allowed" leaves out the records of sources whose terms keep
            back images or labels.
        own_use: Whether the copy is for your own use only: then nothing is refused, and ``LICENSES.md`` says so.
        seed: Random seed of the order of the training records.
        progress: Whether to show a progress bar.
        options: Options of the format.

    Raises:
        ExportError: The format or an option is unknown; terms keep something back; the folder has other files; or no
            record is left.
        WriteError: A file cannot be written.
    """
    given = {"style": style, "boxes": boxes, "pixels": pixels, "own_use": own_use, "seed": seed, "progress": progress}
    ready = _prepare(experiment, format, given, options)
    one, positions, mat, root = ready.format, ready.positions, experiment.mat, Path(out)
    key = {
        "format": one.name,
        "options": dict(ready.options),
        "fingerprint": experiment.fingerprint,
        "build": mat.manifest["build"],
        "style": style,
        "boxes": ready.boxes,
        "pixels": pixels,
        "own_use": own_use,
        "seed": seed,
        "versions": _versions(),
    }
    if not any(len(passing(experiment, at, one.needs, style)[0]) for at in positions.values()):
        raise _nothing(one.name, {name: part.left_out for name, part in _parts(experiment, ready, style).items()})
    found = place.begin(root, key)
    if found is not None:
        return Exported(root, one.name, found["records"], found["images"], found["left_out"], anew=False)
    job = Job(place.Place(root), experiment, positions, Settings(one.needs, style, ready.boxes, seed, progress))
    job.left_out.update((part, Counter({KEPT_BACK: number})) for part, number in ready.left_out.items())
    with closing(job):
        try:
            one.make(job, **ready.options)
        except ExportError:
            if not job.out.size:  # nothing that could be continued: the folder is free for another export
                place.end(root)
            raise
        if not sum(job.written.values()):  # the format has left out all that there was
            place.end(root)
            raise _nothing(one.name, job.left_out)
        sources = _terms(experiment, positions.values())
        job.out.write(LICENSES, permit.licenses(sources, ready.kept).encode())
        job.out.wait()
    records = {part: job.written[part] for part in positions}
    left_out = {part: dict(sorted(reasons.items())) for part, reasons in sorted(job.left_out.items())}
    _account(job, {
        "key": key, "definition": dict(experiment.definition), "shuffled": {"parts": ["train"], "seed": seed},
        "sources": [source.source for source in sources], "records": records, "images": len(job.images),
        "left_out": left_out, "notes": dict(sorted(job.notes.items())),
    })  # fmt: skip
    place.end(root)
    return Exported(root, one.name, records, len(job.images), left_out, anew=True)


def plan(
    experiment: Parts,
    *,
    format: str,  # noqa: A002 - reads well
    style: Style = "auto",
    pixels: Pixels = "all",
    own_use: bool = False,
    **options: Any,
) -> Plan:
    """What :func:`export` would write, from the index alone.

    Args:
        experiment, format, style, pixels, own_use, options: As for :func:`export`.

    Raises:
        ExportError: As for :func:`export`.
    """
    given = {"style": style, "boxes": None, "pixels": pixels, "own_use": own_use, "seed": 0, "progress": False}
    ready = _prepare(experiment, format, given, options)
    return Plan(ready.format.name, _parts(experiment, ready, style))


def _parts(experiment: Parts, ready: _Ready, style: Style) -> dict[str, Part]:
    """What each part would contain; one of which terms keep back all is named too."""
    parts = {}
    for name in (*ready.positions, *(name for name in ready.left_out if name not in ready.positions)):
        at = ready.positions.get(name, np.zeros(0, dtype=np.int64))
        found = part_plan(experiment, at, ready.format.needs, style)
        kept_back = {KEPT_BACK: ready.left_out[name]} if name in ready.left_out else {}
        parts[name] = replace(found, left_out={**kept_back, **found.left_out})
    return parts


def _nothing(name: str, left_out: Mapping[str, Mapping[str, int]]) -> ExportError:
    why = "; ".join(f"{reason} ({n:,} of {part})" for part, all_ in left_out.items() for reason, n in all_.items())
    return ExportError(f"No record can be exported as {name}: {why or 'there is none in any part'}.")


@dataclass(frozen=True, slots=True)
class _Ready:
    """A checked request."""

    format: ExportFormat
    options: Mapping[str, Any]
    boxes: Convention
    positions: Mapping[str, Positions]  # of each part that has records
    kept: Mapping[str, str]  # sources in it that terms keep back -> what
    left_out: Mapping[str, int]  # part -> records that terms keep back


def _prepare(experiment: Parts, name: str, given: Mapping[str, Any], options: Mapping[str, Any]) -> _Ready:
    """Check a request, and what the terms of the sources say of it.

    Raises:
        ExportError: The format or an option is unknown, or terms keep something back.
    """
    one = format_named(name)
    given = strict.arguments(_ARGUMENTS, given, "An export", error=ExportError)
    checked, positions = one.checked(options), positions_of(experiment)
    kept = permit.kept_back(_terms(experiment, positions.values()), experiment.mat.manifest)
    left = {}
    if given["pixels"] == "allowed":
        allowed = {part: permit.permitted(experiment.mat.tags, at, kept) for part, at in positions.items()}
        left = {part: len(at) - len(allowed[part]) for part, at in positions.items() if len(at) > len(allowed[part])}
        positions, kept = {part: at for part, at in allowed.items() if len(at)}, {}
    elif not given["own_use"]:
        permit.check(kept)
    return _Ready(one, checked, given["boxes"] or one.boxes, positions, kept, left)


def _account(job: Job, facts: Mapping[str, Any]) -> None:
    """Write ``export.json``; the sizes of the files and the files of the records come last, one per line."""
    with job.out.lines(place.ACCOUNT) as file:
        file.write(json.dumps(facts, indent=1, ensure_ascii=False, default=str)[:-2] + ',\n "sizes": {')
        for number, member in enumerate(job.out.sizes()):
            file.write(f"{',' if number else ''}\n  {member}")
        file.write('\n },\n "files": {')
        for number, part in enumerate(job.parts):
            file.write(f"{',' if number else ''}\n  {json.dumps(part)}: {{")
            for place_, member in enumerate(job.files(part)):
                file.write(f"{',' if place_ else ''}\n   {member}")
            file.write("}")
        file.write("\n }\n}\n")


def _terms(experiment: Parts, positions: Iterable[Any]) -> tuple[terms.Terms, ...]:
    return terms.of(experiment.mat.tags, np.concatenate([np.zeros(0, dtype=np.int64), *positions]))


def _versions() -> dict[str, Any]:
    return {"med_mat": __version__, "schema": schema.VERSION, **{name: metadata.version(name) for name in _LIBRARIES}}
