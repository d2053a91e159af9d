"""What may be passed on: every answer of a card, whatever is wanted, whatever the user says."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from med_mat.catalog import Source, load
from med_mat.errors import HubError
from med_mat.permission import check_all_may_go, decide, entry, table

ANSWERS = (True, False, None)
every = pytest.mark.parametrize(
    ("images", "labels", "wanted", "allowed"),
    [*product(ANSWERS, ANSWERS, ("all", "allowed", "none"), (False, True))],
)


def source(images: bool | None, labels: bool | None, name: str = "busi") -> Source:
    return replace(load()["busi"], name=name, redistributable=images, labels_redistributable=labels)


def may(answer: bool | None, allowed: bool) -> bool:
    return answer is True or (answer is None and allowed)


@every
def test_nothing_goes_that_the_terms_forbid_nor_what_they_leave_open_unless_allowed(
    images: bool | None, labels: bool | None, wanted: Any, allowed: bool
) -> None:
    found = decide(source(images, labels), wanted, allowed=allowed)
    assert (found.goes == "left out") == (not may(labels, allowed))
    pixels = may(labels, allowed) and may(images, allowed) and wanted != "none"
    assert (found.goes == "with pixels") == pixels
    assert found.why


@every
def test_what_is_asked_for_and_may_not_go_is_refused(
    images: bool | None, labels: bool | None, wanted: Any, allowed: bool
) -> None:
    one = decide(source(images, labels), wanted, allowed=allowed)
    asked = (labels,) if wanted == "none" else (labels, images)
    if all(may(answer, allowed) for answer in asked):
        check_all_may_go([one])
        return
    with pytest.raises(HubError, match="busi") as caught:
        check_all_may_go([one])
    text = str(caught.value)
    assert "--pixels allowed" in text
    assert "--except" in text
    assert ("--allow SOURCE" in text) == (None in asked and not allowed), "no way is told that leads nowhere"
    assert ("--without-pixels-of" in text) == may(labels, allowed)
    assert ("forbid" in text) == (False in asked)


@every
def test_what_med_mat_drew_goes_as_it_is_wanted(
    images: bool | None, labels: bool | None, wanted: Any, allowed: bool
) -> None:
    found = decide(source(images, labels), wanted, synthetic=True, allowed=allowed)
    assert found.goes == ("without pixels" if wanted == "none" else "with pixels")
    assert "synthetic" in found.why
    check_all_may_go([found])


def test_the_table_says_for_each_source_what_goes_and_why() -> None:
    decisions = [
        decide(source(True, True, "one"), "allowed"),
        decide(source(False, True, "two"), "allowed"),
        decide(source(None, None, "three"), "allowed"),
        decide(source(None, None, "four"), "allowed", allowed=True),
        decide(source(False, False, "five"), "allowed", synthetic=True),
    ]
    entries = [entry(one, 1234, 0 if one.goes == "left out" else 5_600_000) for one in decisions]
    head, *lines = table(entries).splitlines()
    assert head.split() == ["source", "goes", "records", "MB", "licence", "images", "labels", "why"]
    assert [line.split()[0] for line in lines] == ["one", "two", "three", "four", "five"]
    start = head.index("images")
    told = [(line[start:].split()[:2], line[start:].split(maxsplit=2)[2]) for line in lines]
    assert told == [
        (["yes", "yes"], "its terms allow it"),
        (["no", "yes"], "its terms forbid that images are passed on"),
        (
            ["unknown", "unknown"],
            "whether labels may be passed on is not known; whether images may be passed on is not known",
        ),
        (["unknown", "unknown"], "you allow it: of labels and images it is not known"),
        (["no", "no"], "synthetic: drawn by Med-MAT"),
    ]
    assert ["with pixels" in line for line in lines] == [True, False, False, True, True]
    assert ["left out" in line for line in lines] == [False, False, True, False, False]
    assert ["5.6" in line for line in lines] == [True, True, False, True, True]
    assert all("1,234" in line for line in lines)
