"""What the formats of evaluation harnesses share: the records to answer, and the answers in their results."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from med_mat import strict
from med_mat.errors import ExportError
from med_mat.export.job import Job, Row

#: The reason why a record without an open question is left out where a harness lists the options itself.
NO_OPEN = "it has no question without options, which this harness asks for"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}")
_LONGEST = 1 << 20  # characters of one answer


def name_of(name: str) -> str:
    """The name of a task, which becomes the names of files.

    Raises:
        ExportError: it is not safe as a file name.
    """
    if _NAME.fullmatch(name) is None:
        raise ExportError(f"{name!r} cannot name a task: use letters, digits, '_', '-' and '.', such as 'ct_lung'.")
    return name


def tested(job: Job) -> Iterator[Row]:
    """The records to answer.

    Raises:
        ExportError: there is no test part.
    """
    if "test" not in job.parts:
        raise ExportError("There are no test records, and an evaluation harness asks those alone.")
    return job.rows("test")


def triplet(row: Row) -> str:
    """The triplet of a record: ``CT/Lung/Cancer``."""
    return "/".join(row.facts[axis] for axis in ("modality", "area", "task"))


class Slugs:
    """Names of triplets that are safe as file names and different from each other."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}  # triplet -> name

    def of(self, mat: str) -> str:
        """The name of a triplet: ``ct_lung_cancer``."""
        if mat not in self.known:
            plain = re.sub(r"[^a-z0-9]+", "_", mat.lower()).strip("_") or "other"
            taken, number, name = set(self.known.values()), 2, plain
            while name in taken:
                name, number = f"{plain}_{number}", number + 1
            self.known[mat] = name
        return self.known[mat]


def _of_lmms_eval(path: Path, _: Path | None) -> Iterator[dict[str, Any]]:
    """The sample log of lmms-eval (``--log_samples``)."""
    for number, line in _lines(path):
        item = line.get("accuracy")
        if not isinstance(item, dict) or "id" not in item:
            raise ExportError(
                f"{path}, line {number}: has no 'accuracy' with the id of a record: expected samples of a task that "
                "'med-mat export --format lmms-eval' wrote."
            )
        said = line.get("filtered_resps", line.get("resps"))
        while isinstance(said, list):
            said = said[0] if said else ""
        yield {"id": item["id"], "answer": _text(said), **({"split": item["split"]} if item.get("split") else {})}


def _of_vlmevalkit(path: Path, _: Path | None) -> Iterator[dict[str, Any]]:
    """The predictions of VLMEvalKit: ``MODEL_NAME.xlsx``, ``.tsv``, ``.csv`` or ``.json``."""
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        import openpyxl

        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        values = iter(book.worksheets[0].values)
        head = [str(cell) for cell in next(values, ())]
        rows: Iterator[Mapping[str, Any]] = (dict(zip(head, cells, strict=False)) for cells in values)
    elif suffix == ".json":
        rows = iter(json.loads(path.read_text("utf-8")))
    else:
        csv.field_size_limit(sys.maxsize)  # images
        with path.open(encoding="utf-8", newline="") as file:
            rows = iter(list(csv.DictReader(file, delimiter="\t" if suffix == ".tsv" else ",")))
    for number, row in enumerate(rows, start=2):
        if not isinstance(row, Mapping) or row.get("id") in (None, "") or "prediction" not in row:
            raise ExportError(
                f"{path}, row {number}: expected the columns 'id' and 'prediction', as VLMEvalKit writes them for a "
                "dataset that 'med-mat export --format vlmevalkit' wrote."
            )
        split = {"split": str(row["fingerprint"])} if row.get("fingerprint") else {}
        yield {"id": str(row["id"]), "answer": _text(row["prediction"]), **split}


def _of_evalscope(path: Path, export: Path | None) -> Iterator[dict[str, Any]]:
    """The reviews of EvalScope (``reviews/MODEL/general_vmcq_SUBSET.jsonl``), by the subset's file of the export."""
    if export is None:
        raise ExportError("The reviews of EvalScope name no records: give the exported file of the subset as --export.")
    records = [line for _, line in _lines(export)]
    for number, line in _lines(path):
        place = line.get("index")
        if not isinstance(place, int) or not 0 <= place < len(records):
            raise ExportError(f"{path}, line {number}: its index {place!r} is not that of a line of {export}.")
        record = records[place]
        score = line.get("sample_score")
        inner = score.get("score") if isinstance(score, dict) else None
        said = inner.get("prediction") if isinstance(inner, dict) else None
        if said is None:
            raise ExportError(f"{path}, line {number}: has no sample_score.score.prediction: expected a review.")
        yield {"id": record["id"], "answer": _text(said), "split": record["split"]}


#: Harness -> reader of (its results, the exported file where that is needed).
READERS: Mapping[str, Callable[[Path, Path | None], Iterator[dict[str, Any]]]] = {
    "lmms-eval": _of_lmms_eval,
    "vlmevalkit": _of_vlmevalkit,
    "evalscope": _of_evalscope,
}


def answers(harness: str, path: str | os.PathLike[str], export: str | os.PathLike[str] | None = None) -> Any:
    """The answers in the results of an evaluation harness, for :mod:`med_mat.score`.

    Args:
        harness: one of :data:`READERS`.
        path: the file of results.
        export: for EvalScope, the exported file of the subset.

    Returns:
        An iterator of ``{"id", "answer"}``, with ``"split"``, the fingerprint of the split, if the results state it.

    Raises:
        ExportError: the file is not what that harness writes for an export of Med-MAT.
    """
    reader = strict.named(harness, READERS, "reader for the results of", error=ExportError)
    try:
        yield from reader(Path(path), None if export is None else Path(export))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, ExportError):
            raise
        raise ExportError(f"{path}: cannot be read as the results of {harness} ({error}).") from error


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            data = json.loads(line)
            if not isinstance(data, dict):
                raise ExportError(f"{path}, line {number}: expected a JSON object.")
            yield number, data


def _text(said: Any) -> str:
    return "" if said is None else str(said)[:_LONGEST]
