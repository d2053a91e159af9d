"""When two records of one picture contradict each other, and which links are told of."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from med_mat import catalog
from med_mat.catalog import Row, Upstream
from med_mat.leakage.contradictions import COLUMNS, SCHEMA, Contested, Stated, contradict, count, settle
from med_mat.questions import Synonyms
from med_mat.selection import MAT
from med_mat.taxonomy import AnnotationKind

WORDS = Upstream("", "", "", "", "")


def row(number: int, kind: AnnotationKind, *names: str) -> Row:
    return Row(
        number, f"source_{number}", MAT("CT", "Lung", "State"), None, kind, {name: name for name in names}, WORDS
    )


ROWS = {
    one.number: one
    for one in (
        row(1, "classes", "Melanoma", "Nevus", "Seborrheic keratosis", "Pigmented benign keratosis"),
        row(2, "classes", "Benign", "Malignant"),
        row(3, "classes", "Normal", "Pneumonia"),
        row(4, "classes", "COVID-19", "No COVID-19"),
        row(5, "classes", "Normal", "COVID-19", "Lung opacity"),
        row(6, "findings", "No finding", "Pneumonia", "Nodule", "Mass", "Fracture"),
        row(7, "boxes", "Fracture", "Nodule"),
        row(8, "grades", "Grade 1", "Grade 2", "Grade 3"),
        row(9, "grades", "Grade 1", "Grade 2", "Grade 3", "Grade 4"),
        row(10, "grades", "Grade 1", "Grade 2", "Grade 3"),
        row(11, "classes", "No tumor", "Glioma"),
        row(12, "classes", "Normal", "Hemorrhage"),
        row(13, "findings", "No finding", "Hernia"),
        row(14, "classes", "Age-related macular degeneration", "No age-related macular degeneration"),
        row(15, "findings", "Drusen", "Age-related macular degeneration"),
        row(16, "classes", "Glaucoma", "Cataract", "Diabetic retinopathy"),
        row(17, "classes", "Covidlike", "COVID-19", "Normal"),
    )
}  # fmt: skip


def one_of(number: int, label: str) -> Stated:
    return Stated(number, label, frozenset({label}), frozenset())


def some(number: int, present: str = "", absent: str = "") -> Stated:
    return Stated(
        number, None, frozenset(filter(None, present.split("; "))), frozenset(filter(None, absent.split("; ")))
    )


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # one row of classes or grades: the publisher gives an image one label
        (one_of(1, "Melanoma"), one_of(1, "Nevus"), True),
        (one_of(1, "Melanoma"), one_of(1, "Melanoma"), False),
        (one_of(1, "Seborrheic keratosis"), one_of(1, "Pigmented benign keratosis"), True),
        (one_of(8, "Grade 1"), one_of(8, "Grade 2"), True),
        # one row of findings or boxes: what one states to be there, and another not to be
        (some(6, "Mass", "Fracture"), some(6, "Fracture", "Mass"), True),
        (some(6, "Mass", "Fracture"), some(6, "Mass; Nodule", "Fracture"), False),
        (some(7, "Fracture"), some(7, "", "Fracture; Nodule"), True),
        # unknown contradicts nothing
        (some(6, "Mass"), some(6), False),
        # two rows of classes: only what both know
        (one_of(4, "COVID-19"), one_of(5, "Normal"), True),
        (one_of(4, "No COVID-19"), one_of(5, "COVID-19"), True),
        (one_of(4, "No COVID-19"), one_of(3, "Pneumonia"), False),
        (one_of(4, "No COVID-19"), one_of(5, "Normal"), False),
        (one_of(3, "Pneumonia"), one_of(5, "Lung opacity"), False),
        (one_of(3, "Pneumonia"), one_of(5, "COVID-19"), False),
        (one_of(3, "Normal"), one_of(5, "Lung opacity"), True),
        (one_of(1, "Melanoma"), one_of(2, "Benign"), True),
        (one_of(1, "Melanoma"), one_of(2, "Malignant"), False),
        (one_of(1, "Nevus"), one_of(2, "Benign"), False),
        (one_of(11, "No tumor"), one_of(12, "Hemorrhage"), False),
        (one_of(11, "Glioma"), one_of(12, "Normal"), False),
        (one_of(16, "Glaucoma"), one_of(14, "Age-related macular degeneration"), False),
        # grades: of one scale
        (one_of(8, "Grade 1"), one_of(9, "Grade 2"), False),
        (one_of(8, "Grade 1"), one_of(10, "Grade 2"), True),
        # classes and findings
        (one_of(3, "Pneumonia"), some(6, "Nodule", "Pneumonia"), True),
        (one_of(3, "Pneumonia"), some(6, "Nodule"), False),
        (one_of(3, "Normal"), some(6, "Pneumonia"), True),
        (one_of(3, "Normal"), some(6, "Fracture", "Pneumonia"), False),
        (one_of(3, "Pneumonia"), some(6, "No finding", "Pneumonia; Nodule; Mass; Fracture"), True),
        (one_of(14, "No age-related macular degeneration"), some(15, "Drusen"), False),
        (one_of(14, "No age-related macular degeneration"), some(15, "Age-related macular degeneration"), True),
        (one_of(16, "Glaucoma"), some(15, "Age-related macular degeneration"), False),
        # findings of two rows
        (some(6, "Fracture", "Nodule"), some(7, "Nodule", "Fracture"), True),
        (some(6, "Mass"), some(7, "", "Nodule"), False),
        (some(6, "No finding", "Mass"), some(13, "Hernia", "No finding"), False),
        # a row that nobody has a card of
        (one_of(99, "Melanoma"), one_of(1, "Nevus"), False),
    ],
)
def test_two_records_of_one_picture(first: Stated, second: Stated, expected: bool) -> None:
    assert contradict(first, second, ROWS, Synonyms()) is expected
    assert contradict(second, first, ROWS, Synonyms()) is expected


def test_no_row_of_the_catalog_contradicts_itself() -> None:
    synonyms, rows = Synonyms(), {one.number: one for one in catalog.load().rows}
    for number, one in rows.items():
        if one.kind in ("classes", "grades"):
            for name in one.names:
                assert not contradict(one_of(number, name), one_of(number, name), rows, synonyms)


@dataclass(frozen=True)
class Picture:
    """A record of a made-up index."""

    name: str
    stated: Stated
    split: str = "train"
    path: str = ""
    look: str | None = None

    @property
    def source(self) -> str:
        return f"source_{self.stated.row}"

    @property
    def id(self) -> str:
        return f"{self.source}/{self.stated.row}/{self.name}"


def index(*pictures: Picture) -> pa.Table:
    kinds = {"row": pa.int16(), "labels": pa.list_(pa.string()), "labels_absent": pa.list_(pa.string())}
    return pa.table(
        {
            name: pa.array([_value(one, name) for one in pictures], kinds.get(name, pa.string()))
            for name in COLUMNS
        }
    )  # fmt: skip


def _value(one: Picture, name: str) -> Any:
    facts = {
        "id": one.id, "image_id": f"{one.source}/{one.name}", "source": one.source, "path": one.path or one.name,
        "row": one.stated.row, "split": one.split, "label": one.stated.label, "labels": sorted(one.stated.present),
        "labels_absent": sorted(one.stated.absent), "perceptual_hash": one.look,
    }  # fmt: skip
    return facts[name]


def link(first: Picture, second: Picture, reason: str = "same file", *, known: bool = False, kind: str = "same picture"
         ) -> dict[str, Any]:  # fmt: skip
    return {
        "first": first.id, "second": second.id, "first_source": first.source, "second_source": second.source,
        "reason": reason, "distance": 9 if reason.startswith("near") else None, "score": None, "kind": kind,
        "known": known,
    }  # fmt: skip


def table(*links: dict[str, Any]) -> pa.Table:
    kinds = [one for one in SCHEMA if one.name != "contradictory"]
    return pa.Table.from_pylist(list(links), pa.schema([*kinds, pa.field("known", pa.bool_())]))


def told(links: pa.Table) -> list[tuple[str, str]]:
    """The pairs that contradict."""
    return [(one["first"], one["second"]) for one in links.to_pylist() if one["contradictory"]]


A = Picture("a", one_of(1, "Melanoma"))
B = Picture("b", one_of(1, "Nevus"))
C = Picture("c", one_of(1, "Nevus"), "test")


def settled(records: list[Picture], *links: dict[str, Any]) -> pa.Table:
    return settle(table(*links), index(*records), ROWS.values())


def test_equal_pictures_under_two_classes_contradict() -> None:
    found = settled([A, B, C], link(A, B))
    assert found.schema == SCHEMA
    assert told(found) == [(A.id, B.id)]
    assert not told(settled([B, C], link(B, C)))


def test_what_is_near_to_a_picture_under_two_classes_contradicts_one_of_them() -> None:
    found = settled([A, B, C], link(A, B), link(B, C, "near"))
    assert told(found) == [(A.id, B.id), (A.id, C.id)]
    assert found["distance"].to_pylist() == [None, 9]


def test_nothing_linked_is_nothing_told() -> None:
    found = settled([A, B])
    assert (found.schema, found.num_rows) == (SCHEMA, 0)
    assert count(found, index(A, B)) == {}


@pytest.mark.parametrize("reason", ["near", "near, turned", "transformed"])
def test_copies_that_are_not_equal_contradict_but_for_one_patient_or_scan(reason: str) -> None:
    assert told(settled([A, B], link(A, B, reason))) == [(A.id, B.id)]
    assert not settled([A, B], link(A, B, reason, known=True)).num_rows
    assert not told(settled([A, B], link(A, B, "same scan", kind="same scan")))
    assert not told(settled([A, C], link(A, C, reason, known=True)))


def test_a_published_id_is_one_picture_only_where_the_two_look_the_same() -> None:
    look, other = "f" * 64, "0" * 64
    for second, expected in ((look, True), ("7" + look[1:], True), (other, False), (None, False)):
        pair = replace(A, look=look), replace(B, look=second)
        assert bool(told(settled([*pair], link(*pair, "shared id")))) is expected


def test_slices_of_one_file_never_contradict() -> None:
    slices = [replace(one, path=f"volume.nii#slice={number}") for number, one in enumerate((A, B))]
    assert not told(settled(slices, link(*slices, "same pixels", known=True)))


def test_links_within_a_patient_stay_where_they_say_something() -> None:
    same = replace(A, name="z")
    assert not settled([A, same], link(A, same, known=True)).num_rows
    assert settled([A, replace(same, split="test")], link(A, replace(same, split="test"), known=True)).num_rows == 1
    assert told(settled([A, B], link(A, B, known=True))) == [(A.id, B.id)]
    # a further copy of a picture under two classes is told of too, whatever its own label
    third = replace(B, name="d")
    assert settled([A, B, third], link(A, B, known=True), link(B, third, known=True)).num_rows == 2


def test_a_contradiction_without_a_link_of_its_own_gets_one() -> None:
    """Copies hang together by n - 1 links, which may all lead to one that says nothing."""
    hub = Picture("h", some(6))
    first, second = (
        Picture(name, stated) for name, stated in (("m", one_of(1, "Melanoma")), ("n", one_of(1, "Nevus")))
    )
    found = settled([first, second, hub], link(first, hub), link(second, hub))
    assert told(found) == [(first.id, second.id)]
    assert found.num_rows == 3


def test_the_records_that_contradict_are_named_not_the_image_of_another_row() -> None:
    """An image gives a record to each row, and a link names one of them."""
    one, other = (Picture(name, some(6, "Mass")) for name in "ab")
    boxes = [Picture("a", some(7, "Nodule")), Picture("b", some(7, "", "Nodule"))]
    records = index(one, other, *boxes)
    images = ["source_6/a", "source_6/b"] * 2
    at = records.schema.get_field_index("image_id")
    records = records.set_column(at, "image_id", pa.array(images))
    found = settle(table(link(one, other)), records, ROWS.values())
    assert told(found) == [(boxes[0].id, boxes[1].id)]


def test_what_a_source_is_told() -> None:
    records = [A, B, replace(C, stated=one_of(2, "Malignant"))]
    links = settled(records, link(A, B), link(B, records[2], "near"))
    found = count(links, index(*records))
    assert found["source_1"] == Contested(
        2, 1, {"same file": 1, "near": 1}, "source_1/1/a (Melanoma) = source_1/1/b (Nevus)"
    )
    assert str(found["source_1"]) == (
        "one image, two labels: 2 pairs, 1 of them between different splits, first: "
        "source_1/1/a (Melanoma) = source_1/1/b (Nevus)"
    )
    assert str(found["source_2"]).startswith("one image, two labels: 1 pair, 1 of them")


@given(st.randoms())
def test_links_are_the_same_whatever_the_order_of_records_and_links(random: Any) -> None:
    records = [A, B, C, replace(A, name="d"), Picture("m", some(6, "Mass")), Picture("n", some(6, "", "Mass"))]
    links = [link(A, B), link(B, C, "near"), link(A, records[3], known=True), link(*records[4:], "transformed")]
    expected = settled(records, *links)
    assert len(told(expected)) == 3
    random.shuffle(records), random.shuffle(links)
    assert settled(records, *links).equals(expected)


states = st.sampled_from(
    [one_of(1, "Melanoma"), one_of(1, "Nevus"), one_of(2, "Benign"), some(6, "Mass"), some(6, "", "Mass")]
)


@given(st.lists(st.tuples(states, st.integers(0, 2)), min_size=2, max_size=9), st.randoms())
def test_every_dispute_over_equal_pictures_is_told(made: list[tuple[Stated, int]], random: Any) -> None:
    """Whatever tree of links joins the copies of a picture: each two states that contradict each other are told of."""
    records = [Picture(f"p{number}", stated) for number, (stated, _) in enumerate(made)]
    by_picture: dict[int, list[Picture]] = {}
    for one, (_, picture) in zip(records, made, strict=True):
        by_picture.setdefault(picture, []).append(one)
    links = [
        link(copies[random.randrange(place)], copies[place], known=random.random() < 0.5)
        for copies in by_picture.values()
        for place in range(1, len(copies))
    ]
    found = settle(table(*links), index(*records), ROWS.values())
    stated = {one.id: (one.stated, picture) for one, (_, picture) in zip(records, made, strict=True)}
    synonyms = Synonyms()
    disputes = {
        (picture, frozenset({one.stated, other.stated}))
        for picture, copies in by_picture.items()
        for one, other in itertools.combinations(copies, 2)
        if contradict(one.stated, other.stated, ROWS, synonyms)
    }
    assert {(stated[a][1], frozenset({stated[a][0], stated[b][0]})) for a, b in told(found)} == disputes
    for a, b in told(found):
        assert stated[a][1] == stated[b][1]
