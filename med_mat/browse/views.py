"""What the page shows, made from the index and, for the records in sight alone, from their row groups.

Everything that becomes HTML is escaped here: labels, file names and questions may hold anything.
"""

from __future__ import annotations

import base64
import html
import io
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from med_mat.dataset import MedMAT
from med_mat.errors import MedMATError, VocabularyError
from med_mat.leakage import report
from med_mat.plot import label_balance, thumbnail
from med_mat.selection import And, Or, Selection, Triplets
from med_mat.tags import Positions
from med_mat.taxonomy import AREAS, MODALITIES

if TYPE_CHECKING:
    from med_mat.splits import Audit, Experiment

PAGE = 24  # records in the gallery
PAIRS = 8
SIDE = 224  # pixels of a thumbnail
_PIXELS = ("image", "mask")


@dataclass(frozen=True)
class Grid:
    """Records per area and modality; areas and modalities without any are left out."""

    areas: tuple[str, ...]
    modalities: tuple[str, ...]
    counts: Mapping[tuple[str, str], int]  # (area, modality) -> records

    def rows(self) -> list[list[Any]]:
        """A line per area, its name first."""
        return [[area, *(self.counts.get((area, one), 0) for one in self.modalities)] for area in self.areas]


def grid(mat: MedMAT, positions: Positions) -> Grid:
    """The grid of some records."""
    counts: dict[tuple[str, str], int] = {}
    for row, count in mat.tags.counts(positions).items():
        one = mat.tags.facts[row].mat
        counts[one.area, one.modality] = counts.get((one.area, one.modality), 0) + count
    areas = tuple(area for area in AREAS if any(key[0] == area for key in counts))
    return Grid(areas, tuple(one for one in MODALITIES if any(key[1] == one for key in counts)), counts)


def gallery(mat: MedMAT, positions: Positions, page: int) -> list[tuple[Image.Image, str]]:
    """The thumbnails of one page, from 0, each with its label and number."""
    shown = positions[page * PAGE : (page + 1) * PAGE]
    return [
        (thumbnail(record, side=SIDE), f"{number}. {_label(record)}")
        for number, record in enumerate(mat.read(shown), page * PAGE + 1)
    ]


def pages(count: int, size: int = PAGE) -> int:
    """How many pages there are; at least one."""
    return max(1, -(-count // size))


def details(mat: MedMAT, position: int) -> dict[str, Any]:
    """Every column of a record but the pixels, and the facts of its row."""
    (record,) = mat.read(np.array([position]))
    facts = mat.tags.facts[int(mat.tags.row[position])]
    plain = {name: value for name, value in record.items() if name not in _PIXELS}
    more = {"annotation": facts.annotation, "access": facts.access, "redistributable": facts.redistributable}
    return {**plain, **more, "group": int(mat.tags.group[position]), "position": position}


def experiment(mat: MedMAT, name: str, target: str, options: Mapping[str, Any]) -> Experiment:
    """The experiment of the split builder; what is empty or off is left out."""
    given = {key: value for key, value in options.items() if value not in (None, "", False, 0)}
    if given.get("n"):
        given["n"] = int(given["n"]) if given["n"].strip().isdecimal() else given["n"]
    if isinstance(given.get("parts"), str):
        given["parts"] = [part.strip() for part in given["parts"].split(",")]
    return mat.experiment({"experiment": name, "target": target, **given})


def narrowed(text: str, pattern: str) -> str:
    """A selection with another pattern; its further conditions stay."""
    try:
        before = Selection.of(text or "*")
    except VocabularyError:
        return pattern
    parts = before.parts if isinstance(before, And) else (before,)
    return str(And.join([Selection.of(pattern), *(part for part in parts if not isinstance(part, Triplets | Or))]))


def code(where: str, made: Experiment) -> tuple[str, str]:
    """The Python and the command line that make an experiment again."""
    usual = type(made.options)().to_data()
    given = {k: v for k, v in made.definition.items() if k in ("experiment", "target") or usual.get(k) != v}
    python = f"import med_mat\n\nmat = med_mat.open({where!r})\nexp = mat.experiment({given!r})\nprint(exp.audit())"
    words = ["med-mat", "split", where, given.pop("experiment"), given.pop("target")]
    for key, value in given.items():
        flag = "--part" if key == "parts" else "--" + key.replace("_", "-")
        for one in value if isinstance(value, list) else [value]:
            words += [flag] if one is True else [flag, str(one)]
    return python, " ".join(map(shlex.quote, words))


def pictures(made: Experiment, audit: Audit) -> str:
    """Train against test in the MAT grid, and the balance of their labels, as HTML images."""
    drawn = {
        f"The MAT grid of train against test: {made!r}": audit.figure(),
        "The balance of labels, train against test": label_balance(audit.train_labels, against=audit.test_labels),
    }
    found = []
    for alt, figure in drawn.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110)
        found.append(_picture(buffer.getvalue(), alt, "image/png"))
    return "".join(found)


def pairs(mat: MedMAT, reason: str, between: bool, page: int) -> tuple[str, int]:
    """One page of duplicates, from 0, as HTML, and how many pairs there are."""
    links = report.links(mat, between=between, reasons=[] if reason == "any" else [reason])
    shown = report.pairs(mat, links.slice(page * PAIRS, PAIRS))
    sides = [one for pair in shown for one in (pair.first, pair.second)]
    records = dict(zip(sides, mat.read(np.array([one.place for one in sides], dtype=np.int64)), strict=True))
    parts = []
    for pair in shown:
        both = "".join(_side(one, records[one]) for one in (pair.first, pair.second))
        parts.append(f"<article><h3>{html.escape(pair.why)}</h3><div>{both}</div></article>")
    return "".join(parts) or "<p>No pair of records.</p>", links.num_rows


def sentence(error: Exception) -> str:
    """What went wrong, for the page: our own sentences, and the kind of anything else."""
    return str(error) if isinstance(error, MedMATError) else f"This did not work ({type(error).__name__})."


def _side(side: report.Side, record: Mapping[str, Any]) -> str:
    buffer = io.BytesIO()
    thumbnail(record, side=SIDE).save(buffer, "WEBP", quality=80)
    picture = _picture(buffer.getvalue(), f"{side.labels or 'no label'}, {side.source}", "image/webp")
    words = "<br>".join(
        html.escape(text) for text in (side.labels or "(no label)", f"{side.source}, {side.split}", side.id)
    )
    return f"<figure>{picture}<figcaption>{words}</figcaption></figure>"


def _picture(data: bytes, alt: str, kind: str) -> str:
    return f'<img alt="{html.escape(alt, quote=True)}" src="data:{kind};base64,{base64.b64encode(data).decode()}">'


def _label(record: Mapping[str, Any]) -> str:
    labels: Sequence[str] = record["labels"] or []
    return record["label"] or ", ".join(labels) or "(no label)"


def as_json(value: Mapping[str, Any]) -> str:
    """As text that is safe to show."""
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)
