"""What the address of a page says of the records in view. An address may come from anyone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

#: Orders of the records: name in the address -> name on the page.
SORTS: Mapping[str, str] = {
    "": "as built",
    "shuffled": "shuffled",
    "label": "label",
    "id": "id",
    "largest": "largest image first",
    "smallest": "smallest image first",
}
#: Pages beyond this are the last one, however long the number in an address is.
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The records in view; an empty field keeps all.

    Attributes:
        q: a selection as text (:mod:`med_mat.selection`).
        modality, area, task: words of the triplet.
        split: "train", "validation", "test" or "withheld".
        label: part of a label, in any case.
        name: part of an id, in any case.
        sort: a key of :data:`SORTS`.
        page: page of the gallery, from 1.
    """

    q: str = ""
    modality: str = ""
    area: str = ""
    task: str = ""
    split: str = ""
    label: str = ""
    name: str = ""
    sort: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> State:
        """From the query of an address; whatever else is in it is ignored."""
        given = {one.name: query.get(one.name, "").strip() for one in fields(cls)}
        page = given.pop("page")
        number = int(page) if page.isdecimal() and page.isascii() and len(page) <= _MOST_DIGITS else 1
        if given["sort"] not in SORTS:
            given["sort"] = ""
        return cls(**given, page=max(number, 1))

    def but(self, **changes: Any) -> State:
        """The same with changes, on its first page unless a page is among them."""
        return replace(self, **{"page": 1, **changes})

    def query(self, **more: str) -> str:
        """As the query of an address, "" where everything is in view; ``more`` comes first."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        given = {name: value for name, value in own.items() if value != type(self).__dataclass_fields__[name].default}
        return urlencode({**more, **given})

    @property
    def filtered(self) -> bool:
        """Whether any record may be out of view."""
        return self.but(sort="") != State()
