"""What people write by hand is read as it stands, or refused in a sentence that names the place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from med_mat.errors import BuildError, CardError
from med_mat.selection import MAT
from med_mat.strict import named, read, yaml_load


@dataclass(frozen=True)
class Part:
    name: str
    size: int | None = None


@dataclass(frozen=True)
class Whole:
    number: int
    share: float
    open: bool
    mat: MAT = field(metadata={"key": "triplet"})
    word: Literal["near", "far"]
    parts: tuple[Part, ...] = ()
    names: Mapping[str, str | int] = field(default_factory=dict)


GOOD: dict[str, Any] = {
    "number": 1,
    "share": 0.5,
    "open": False,
    "triplet": "CT/Lung/Cancer",
    "word": "far",
    "parts": [{"name": "a", "size": 2}, {"name": "b"}, {"name": "c", "size": None}],
    "names": {"x": "y", "z": 3},
}


def test_data_of_the_right_kind_are_read() -> None:
    parts = (Part("a", 2), Part("b"), Part("c"))
    assert read(Whole, GOOD, "It") == Whole(
        1, 0.5, False, MAT("CT", "Lung", "Cancer"), "far", parts, {"x": "y", "z": 3}
    )
    assert read(Whole, {**GOOD, "share": 1}, "It").share == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nummer": 1}, "It has an unknown key 'nummer'. Did you mean 'number'? Known: number, share, open, triplet"),
        ({"mat": "CT/Lung/Cancer"}, "It has an unknown key 'mat'."),
        ({5: 1}, "It has an unknown key 5. Known: number"),
        ({"number": "48"}, "It: number must be an integer, not '48'. Write it without quotes."),
        ({"number": "many"}, "It: number must be an integer, not 'many'."),
        ({"number": True}, "It: number must be an integer, not True."),
        ({"number": 1.0}, "It: number must be an integer, not 1.0."),
        ({"number": None}, "It: number must be an integer, not None."),
        ({"share": True}, "It: share must be a number, not True."),
        ({"open": 0}, "It: open must be true or false, not 0."),
        ({"open": "no"}, "It: open must be true or false, not 'no'."),
        ({"triplet": "CT/Lung"}, "It: triplet: 'CT/Lung' is not a triplet: expected MODALITY/AREA/TASK"),
        ({"triplet": 5}, "It: triplet must be a triplet, not 5."),
        ({"triplet": {"task": "COVID"}}, "It: triplet must be a triplet, not {'task': 'COVID'}."),
        ({"word": "fra"}, "It: word: 'fra' is not one of near, far. Did you mean 'far'?"),
        ({"word": True}, "It: word: True is not one of near, far."),
        ({"parts": {}}, "It: parts must be a list, not {}."),
        ({"parts": ["a"]}, "It: parts[0] must be a mapping with the keys name, size, not 'a'."),
        ({"parts": [{"nam": "a"}]}, "It: parts[0] has an unknown key 'nam'. Did you mean 'name'? Known: name, size."),
        ({"parts": [{"size": 1}]}, "It: parts[0] lacks the key 'name'."),
        ({"parts": [{"name": False}]}, "It: parts[0].name must be a string, not False. Write it in quotes."),
        ({"parts": [{"name": "a", "size": "b"}]}, "It: parts[0].size must be an integer or null, not 'b'."),
        (
            {"names": {False: "a"}},
            "It: names has the key False, which is not a string in YAML: write it in quotes.",
        ),
        ({"names": {"a": None}}, "It: names.a must be a string or an integer, not None."),
        ({"names": "x" * 200}, "It: names must be a mapping, not 'xxxx"),
    ],
)
def test_a_fault_is_a_sentence_that_names_the_place(change: dict[Any, Any], message: str) -> None:
    with pytest.raises(CardError) as caught:
        read(Whole, {**GOOD, **change}, "It")
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("name", "known", "where", "message"),
    [
        ("yolo", ("coco", "yolov8"), "", "There is no format 'yolo'. Did you mean 'yolov8'? Known: coco, yolov8."),
        ("zzz", ("coco", "voc"), "The file", "The file: there is no format 'zzz'. Known: coco, voc."),
        (3, ("coco",), "", "There is no format 3. Known: coco."),
        ([], ("coco",), "", "There is no format []. Known: coco."),
        ("x", (), "", "There is no format 'x'. Known: none."),
    ],
)
def test_a_name_that_is_not_known_is_told_with_the_nearest(
    name: object, known: tuple[str, ...], where: str, message: str
) -> None:
    things = {one: one.upper() for one in known}
    assert all(named(one, things, "format", error=BuildError) == one.upper() for one in known)
    with pytest.raises(BuildError) as caught:
        named(name, things, "format", error=BuildError, where=where)
    assert str(caught.value) == message


def test_a_missing_key_is_named() -> None:
    for name in ("number", "share", "open", "triplet", "word"):
        with pytest.raises(BuildError, match=f"^It lacks the key '{name}'\\.$"):
            read(Whole, {key: value for key, value in GOOD.items() if key != name}, "It", error=BuildError)


def test_what_a_later_version_adds_is_passed_over_where_that_is_asked_for() -> None:
    more = {**GOOD, "country": "EG", "parts": [{"name": "a", "size": 2, "weight": 1}]}
    assert read(Whole, more, "It", newer=True).parts == (Part("a", 2),)
    with pytest.raises(CardError, match="unknown key 'country'"):
        read(Whole, more, "It")
    with pytest.raises(CardError, match="number must be"):
        read(Whole, {**more, "number": "1"}, "It", newer=True)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([one.name for one in fields(Whole)]), PLAIN)
def test_a_value_is_kept_or_refused_and_never_converted(name: str, value: Any) -> None:
    key = "triplet" if name == "mat" else name
    try:
        found = getattr(read(Whole, {**GOOD, key: value}, "It"), name)
    except CardError:
        with pytest.raises(CardError, match=f"^It: {key}"):
            read(Whole, {**GOOD, key: value}, "It")
        return
    if isinstance(value, list):
        assert len(found) == len(value)
    else:
        assert str(found) == value if name == "mat" else found == value
    assert not isinstance(found, bool) or name == "open"


@given(PLAIN)
def test_yaml_is_read_as_pyyaml_reads_it(data: Any) -> None:
    text = yaml.safe_dump(data, allow_unicode=True)
    if "&id" not in text:
        assert yaml_load(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "has the key 'a' twice in one mapping: see line 3"),
        ("x:\n  - {a: 1, a: 1}", "has the key 'a' twice in one mapping: see line 2"),
        ("x:\n  y:\n    a: 1\n    'a': 1", "has the key 'a' twice in one mapping: see line 4"),
        ("1: a\n1: b", "has the key 1 twice"),
        ('{"a": 1, "a": 2}', "has the key 'a' twice"),
    ],
)
def test_a_key_that_stands_twice_is_refused(text: str, message: str) -> None:
    with pytest.raises(CardError, match=f"^The page {message}"):
        yaml_load(text, "The page")
    assert yaml_load("a: {b: 1}\nc: {b: 1}") == {"a": {"b": 1}, "c": {"b": 1}}
