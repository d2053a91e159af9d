"""The catalog of this installation, and the sources that a selection keeps."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from med_mat.catalog.facts import RowFacts
from med_mat.catalog.known import Catalog
from med_mat.catalog.model import Source
from med_mat.catalog.plugins import with_plugins
from med_mat.catalog.read import check_named, read_card, read_subsets
from med_mat.errors import VocabularyError

if TYPE_CHECKING:
    from med_mat.selection import Selection, Selector


def sources(
    selector: Selector = None,
    *,
    access: str | Sequence[str] | None = None,
    redistributable: bool | None = None,
    commercial: bool | None = None,
) -> tuple[Source, ...]:
    """The sources that have a row which a selection keeps, by number of their first row.

    Args:
        selector: e.g. ``"CT|MRI/Brain/*"``, ``"*/Lung/* & annotation=masks"``; None selects all.
        access: one of ``open``, ``account``, ``competition``, ``request``, ``credentialed``, or several.
        redistributable: True or False keeps the sources whose terms are known to allow or to forbid that their images
            are passed on.
        commercial: the same of commercial use.

    Raises:
        VocabularyError: a word is unknown, or asks for what only a build knows, such as the size of an image.
    """
    from med_mat.selection import CARD_FIELDS, Field

    wanted = _wanted(selector, {"access": access, "redistributable": redistributable, "commercial": commercial})
    for leaf in wanted.leaves():
        if isinstance(leaf, Field) and leaf.name not in CARD_FIELDS:
            raise VocabularyError(f"{leaf} is a fact of records: it needs a built Med-MAT (med_mat.open(...).where).")
    catalog = load()
    facts = {row.number: RowFacts.of(row, source).as_fields() for source in catalog.values() for row in source.rows}
    known = {name: {fact[name] for fact in facts.values()} for name in ("source", "row", "subset", "license")}
    wanted.check(known, "The catalog")
    kept = {number for number, fact in facts.items() if wanted.resolve(fact) is True}
    return tuple(source for source in catalog.values() if any(row.number in kept for row in source.rows))


def without_one(selector: Selector, **terms: Any) -> dict[str, tuple[Source, ...]]:
    """Where a selection of several conditions keeps no source: each one without which it keeps some, and these.

    Args:
        selector: as for :func:`sources`.
        terms: the same.
    """
    from med_mat.selection import And

    wanted = _wanted(selector, terms)
    parts = wanted.parts if isinstance(wanted, And) else ()
    found = {str(part): sources(And.join(one for one in parts if one is not part)) for part in parts}
    return {part: some for part, some in found.items() if some}


def _wanted(selector: Selector, terms: Mapping[str, Any]) -> Selection:
    """A selection, and conditions on terms; None is no condition."""
    from med_mat.selection import Selection, field

    asked = (field(name, value) for name, value in terms.items() if value is not None)
    return functools.reduce(operator.and_, asked, Selection.of(selector))


@functools.cache
def load() -> Catalog:
    """The catalog of this installation, read once.

    A source of another package that is not in order is left out, with a warning through :mod:`logging`.

    Raises:
        CardError: a card of Med-MAT itself is not in order.
    """
    subsets = read_subsets((resources.files("med_mat") / "data" / "subsets.yaml").read_text("utf-8"))
    folder = resources.files("med_mat.dataset_cards")
    cards = {
        path.name.removesuffix(".md"): path
        for path in folder.iterdir()
        if path.name.endswith(".md") and path.name == path.name.lower()  # README.md and templates are upper case
    }
    found = {name: read_card(name, path.read_text("utf-8")) for name, path in cards.items()}
    for source in found.values():
        check_named(source, found, subsets)
    return Catalog(with_plugins(found, subsets), subsets)
