"""The facts of rows in the manifest of a build: read strictly, and as far as a later version's go."""

from __future__ import annotations

import json
from typing import Any

import pytest

from med_mat.catalog import RowFacts, load
from med_mat.errors import BuildError

FACTS = {row.number: RowFacts.of(row, source) for source in load().values() for row in source.rows}
MANIFEST = {"rows": {str(number): facts.to_data() for number, facts in FACTS.items()}}


def changed(**facts: Any) -> dict[str, Any]:
    rows: dict[str, Any] = json.loads(json.dumps(MANIFEST["rows"]))
    for name, value in facts.items():
        rows["48"].pop(name) if value is ... else rows["48"].update({name: value})
    return {"rows": rows}


def test_facts_go_through_json() -> None:
    assert RowFacts.of_manifest(json.loads(json.dumps(MANIFEST))) == FACTS


def test_facts_that_a_later_version_has_added_are_passed_over() -> None:
    assert RowFacts.of_manifest(changed(country="EG", consent={"known": True})) == FACTS


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"license": ...}, "rows.48 lacks the key 'license'."),
        ({"triplet": ...}, "rows.48 lacks the key 'triplet'."),
        ({"subset": "24"}, "rows.48.subset must be an integer or null, not '24'. Write it without quotes."),
        ({"redistributable": 0}, "rows.48.redistributable must be true, false or null, not 0."),
        ({"augmented": "no"}, "rows.48.augmented must be true or false, not 'no'."),
        ({"triplet": "US/Breast"}, "rows.48.triplet: 'US/Breast' is not a triplet"),
        ({"annotation": "class"}, "rows.48.annotation: 'class' is not one of classes"),
    ],
)
def test_a_fact_that_is_missing_or_of_another_kind_is_named(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(BuildError) as caught:
        RowFacts.of_manifest(changed(**facts))
    assert str(caught.value).startswith(f"The manifest med_mat.json: {message}")


@pytest.mark.parametrize("rows", [None, [], {"48": None}, {"48": []}, {"x": {}}, {"-1": {}}])
def test_rows_of_another_form_are_refused(rows: Any) -> None:
    with pytest.raises(BuildError, match=r"^The manifest med_mat\.json: rows"):
        RowFacts.of_manifest({"rows": rows})
