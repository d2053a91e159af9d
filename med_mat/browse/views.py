"""What the page shows, made from the index and, for the records in sight alone, from their row groups.

Everything that becomes HTML is escaped here: labels, file names and questions may hold anything.
"""

from __future__ import annotations

import base64
import html
import io
import json
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from med_mat.dataset import MedMAT
from med_mat.errors import MedMATError, VocabularyError
from med_mat.leakage import report
from med_mat.plot import audit_grid, encoded, label_balance, thumbnail
from med_mat.selection import And, Or, Selection, Triplets
from med_mat.tags import Positions
from med_mat.taxonomy import AREAS, MODALITIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from med_mat.splits import Audit, Experiment

PAGE = 24  # records in the gallery
PAIRS = 8
SIDE = 224  # pixels of a thumbnail
SURROUND = "dark"  # what fills its square looks well on a light page too; light does not on a dark one
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
        (thumbnail(record, side=SIDE, theme=SURROUND), f"{number}. {_label(record)}")
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
    more = ("annotation", "access", "redistributable", "labels_redistributable", "commercial")
    return {
        **plain,
        **{name: getattr(facts, name) for name in more},
        "group": int(mat.tags.group[position]),
        "position": position,
    }


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


def pictures(audit: Audit) -> str:
    """Train against test in the MAT grid, and the balance of their labels, as HTML images.

    Each is drawn for a light and for a dark page: a style sheet chooses by ``data-theme``.
    """
    labels, against = audit.train_labels, audit.test_labels
    sizes = f"{sum(audit.train.values()):,} records to train, {sum(audit.test.values()):,} to test"
    drawn: dict[str, Callable[[str], Figure]] = {
        f"The MAT grid, train against test: {sizes}": lambda theme: audit_grid(audit, theme=theme),
        "The balance of labels, train against test": lambda theme: label_balance(labels, against=against, theme=theme),
    }
    return "".join(
        f'<div tabindex="0" role="group" aria-label="{html.escape(alt.partition(",")[0], quote=True)}">'
        + "".join(
            _picture(encoded(draw(theme), ".svg"), alt, "image/svg+xml", f' data-theme="{theme}"')
            for theme in ("light", "dark")
        )
        + "</div>"
        for alt, draw in drawn.items()
    )


def linked(mat: MedMAT, reason: str, between: bool) -> pa.Table:
    """The links between duplicates, of one reason or "any"."""
    return report.links(mat, between=between, reasons=[] if reason == "any" else [reason])


def partners(links: pa.Table, source: str | None = None) -> dict[str, int]:
    """The sources that have links, with any source or with this one, and how many; the most first."""
    found: Counter[str] = Counter()
    for sides, reasons in report.counts(links).items():
        if source is None or source in sides:
            others = {side for side in sides if side != source} or {sides[0]}
            found.update(dict.fromkeys(others, reasons.total()))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def between_sources(links: pa.Table, one: str | None, other: str | None = None) -> pa.Table:
    """The links of a source, or between two (of which both may be the same); None is any."""
    first, second = links["first_source"], links["second_source"]
    if one is None:
        return links
    if other is None:
        return links.filter(pc.or_(pc.equal(first, one), pc.equal(second, one)))
    straight = pc.and_(pc.equal(first, one), pc.equal(second, other))
    return links.filter(pc.or_(straight, pc.and_(pc.equal(first, other), pc.equal(second, one))))


def pairs(mat: MedMAT, links: pa.Table, page: int) -> str:
    """One page of links, from 0, as HTML. Only the pictures on it are read."""
    shown = report.pairs(mat, links.slice(page * PAIRS, PAIRS))
    sides = [one for pair in shown for one in (pair.first, pair.second)]
    records = dict(zip(sides, mat.read(np.array([one.place for one in sides], dtype=np.int64)), strict=True))
    parts = []
    for pair in shown:
        both = "".join(_side(one, records[one]) for one in (pair.first, pair.second))
        against = ": their labels contradict each other" if pair.contradictory else ""
        parts.append(f"<article><h3>{html.escape(pair.why)}{against}</h3><div>{both}</div></article>")
    return "".join(parts) or "<p>No pair of records.</p>"


def sentence(error: Exception) -> str:
    """What went wrong, for the page: our own sentences, and the kind of anything else."""
    return str(error) if isinstance(error, MedMATError) else f"This did not work ({type(error).__name__})."


def _side(side: report.Side, record: Mapping[str, Any]) -> str:
    buffer = io.BytesIO()
    thumbnail(record, side=SIDE, theme=SURROUND).save(buffer, "WEBP", quality=80)
    picture = _picture(buffer.getvalue(), f"{side.labels or 'no label'}, {side.source}", "image/webp")
    words = "<br>".join(
        html.escape(text) for text in (side.labels or "(no label)", f"{side.source}, {side.split}", side.id)
    )
    return f"<figure>{picture}<figcaption>{words}</figcaption></figure>"


def _picture(data: bytes, alt: str, kind: str, more: str = "") -> str:
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img alt="{html.escape(alt, quote=True)}" src="{source}"{more}>'


def _label(record: Mapping[str, Any]) -> str:
    labels: Sequence[str] = record["labels"] or []
    return record["label"] or ", ".join(labels) or "(no label)"


def as_json(value: Mapping[str, Any]) -> str:
    """As text that is safe to show."""
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)
