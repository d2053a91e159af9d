"""Finds sources in the catalog of this installation."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING

from med_mat.catalog.facts import RowFacts
from med_mat.catalog.known import Catalog
from med_mat.catalog.model import Source
from med_mat.catalog.plugins import with_plugins
from med_mat.catalog.read import check_named, read_card, read_subsets
from med_mat.errors import VocabularyError
from med_mat.selection import FIELDS, And, Field, Selection, conditions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from med_mat.selection import CardFields, Selector


def sources(selector: Selector = None, **fields: Unpack[CardFields]) -> tuple[Source, ...]:
    """The sources with a row that matches a selection, sorted by the number of their first row.

    Args:
        selector: E.g. ``"CT|MRI/Brain/*"``, ``"*/Lung/* & annotation=masks"``; None selects all.
        fields: Further conditions by name, all of which must hold, e.g. ``modality="CT"``, ``access=["open",
            "account"]``, ``redistributable=True``: see :class:`~med_mat.selection.CardFields`.

    Raises:
        VocabularyError: A word is unknown, or a condition needs a build, such as one on the size of images.
    """
    catalog = load()
    facts = {row.number: RowFacts.of(row, source).as_fields() for source in catalog.values() for row in source.rows}
    known = {name: {fact[name] for fact in facts.values()} for name in ("source", "row", "subset", "license")}
    asked = Selection.of(selector) & conditions(fields)
    wanted = asked.bound(catalog.vocabulary, known, "The catalog", "'med-mat sources' without a selection")
    for leaf in wanted.leaves():
        if isinstance(leaf, Field) and FIELDS[leaf.name].level != "card":
            raise VocabularyError(f"{leaf} is a fact of records: it needs a built Med-MAT (med_mat.open(...).where).")
    kept = {number for number, fact in facts.items() if wanted.resolve(fact) is True}
    return tuple(source for source in catalog.values() if any(row.number in kept for row in source.rows))


def without_one(selector: Selector, **fields: Unpack[CardFields]) -> dict[str, tuple[Source, ...]]:
    """If no source matches several conditions: each condition without which some match, with these sources.

    Args:
        selector: As for :func:`sources`.
        fields: As for :func:`sources`.
    """
    wanted = Selection.of(selector) & conditions(fields)
    parts = wanted.parts if isinstance(wanted, And) else ()
    found = {str(part): sources(And.join(one for one in parts if one is not part)) for part in parts}
    return {part: some for part, some in found.items() if some}


@functools.cache
def load() -> Catalog:
    """The catalog of this installation, read once.

    An invalid source of another package is left out, with a warning through :mod:`logging`.

    Raises:
        CardError: A card of Med-MAT itself is invalid.
    """
    subsets = read_subsets((resources.files("med_mat") / "data" / "subsets.yaml").read_text("utf-8"))
    folder = resources.files("med_mat.dataset_cards")
    cards = {
        path.name.removesuffix(".md"): path
        for path in folder.iterdir()
        if path.name.endswith(".md") and path.name == path.name.lower()  # README.md and templates are in upper case
    }
    found = {name: read_card(name, path.read_text("utf-8")) for name, path in cards.items()}
    for source in found.values():
        check_named(source, found, subsets)
    return Catalog(with_plugins(found, subsets), subsets)
