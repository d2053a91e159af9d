from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med_mat.catalog import sources
from med_mat.dataset import MedMAT
from med_mat.errors import VocabularyError
from med_mat.selection import (
    EVERYTHING,
    FIELDS,
    MAT,
    MAX_DEPTH,
    NOTHING,
    And,
    CardFields,
    Fields,
    Not,
    Or,
    Pattern,
    Selection,
    field,
)
from med_mat.selection.fields import ATTRIBUTES
from med_mat.taxonomy import AXES
from med_mat.vocabulary import STANDARD

if TYPE_CHECKING:
    from med_mat.selection.algebra import Column

#: The fields that are looked up record by record.
RECORD_FIELDS = [name for name, one in FIELDS.items() if one.level == "record"]
#: Values of each field: of the records, and to ask for.
VALUES: dict[str, list[Any]] = {
    "source": ["busi", "head_ct", 'odd "name", (x)'],
    "row": [1, 7],
    "subset": [24, 3, None],
    "split": ["train", "validation", "test"],
    "license": ["mit", "cc-by-4.0"],
    "access": ["open", "request"],
    "license_certainty": ["confirmed", "reported", "unknown"],
    "redistributable": [True, False, None],
    "labels_redistributable": [True, False, None],
    "commercial": [True, False, None],
    "augmented": [True, False],
    "annotation": ["classes", "boxes"],
    "published_split": ["train", "dev", None],
    "patient": [True, False],
    "age_group": ["0-9", "40-49", "90+", None],
    "sex": ["female", "male", None],
    "device": ["Acme Ray 2", "a, b", None],
    "view": ["AP", "PA", None],
}
LABELS = [
    "Normal",
    "cyst or stone",
    "Not sure",
    "and",
    "'led",
    "[x]",
    "CT/*/*",
    "Well/poorly formed",
    "Other, ill-defined masses",
    "a|b",
    "x & y = !z",
    "back\\slash",
    ' "led"',
]
TRIPLETS = [MAT(m, a, t) for m in ("CT", "MRI") for a in ("Lung", "Brain") for t in ("Cancer", "Cancer Detection")]

ELEMENTS = {"modality": ["CT", "MRI"], "area": ["Lung", "Brain"], "task": ["Cancer", "Cancer Detection"]}

records = st.fixed_dictionaries(
    {
        "mat": st.sampled_from(TRIPLETS),
        "label": st.sets(st.sampled_from(LABELS), max_size=2),
        "width": st.integers(0, 9),
        "height": st.integers(0, 9),
        **{name: st.sampled_from(values) for name, values in VALUES.items()},
    }
)
patterns = st.sampled_from(
    ["*", "!*", "CT/*/*", "!CT/*/*", "CT|MRI/!Brain/*", "*/Lung/Cancer", "*/*/Cancer Detection", "MRI/Lung/!Cancer"]
)
Oracle = Any  # a function of a record: True, False, or None where it is not known


@st.composite
def conditions(draw: st.DrawFn) -> tuple[Selection, Oracle]:
    name = draw(st.sampled_from(["triplet", *FIELDS]))
    if name == "triplet":
        text = draw(patterns)
        return Selection.of(text), lambda one: Pattern.parse(text).matches(one["mat"])
    if name in AXES:
        words = draw(st.lists(st.sampled_from(ELEMENTS[name]), min_size=1, max_size=2))
        return field(name, words), lambda one: getattr(one["mat"], name) in words
    if name in ("width", "height"):
        if draw(st.booleans()):
            sizes = draw(st.lists(st.integers(0, 9), min_size=1, max_size=2))
            return field(name, sizes), lambda one: one[name] in sizes
        low, high = draw(st.sampled_from([(3, None), (None, 6), (2, 7)]))
        return field(name, at_least=low, at_most=high), lambda one: (low or 0) <= one[name] <= (high or 99)
    if name == "label":
        wanted = draw(st.sets(st.sampled_from(LABELS), min_size=1))
        return field("label", wanted), lambda one: bool(wanted & one["label"])
    known = [value for value in VALUES[name] if not (name == "published_split" and value is None)]
    chosen = draw(st.lists(st.sampled_from(known), min_size=1, max_size=2))
    if name in ATTRIBUTES and None not in chosen:
        return field(name, chosen), lambda one: None if one[name] is None else one[name] in chosen
    return field(name, chosen), lambda one: one[name] in chosen


def both(one: bool | None, two: bool | None) -> bool | None:
    return False if one is False or two is False else None if one is None or two is None else True


def either(one: bool | None, two: bool | None) -> bool | None:
    return other(both(other(one), other(two)))


def other(one: bool | None) -> bool | None:
    return None if one is None else not one


def grown(inner: st.SearchStrategy[tuple[Selection, Oracle]]) -> st.SearchStrategy[tuple[Selection, Oracle]]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(lambda two: (two[0][0] & two[1][0], lambda one: both(two[0][1](one), two[1][1](one)))),
        pairs.map(
            lambda two: (two[0][0] | two[1][0], lambda one: other(both(other(two[0][1](one)), other(two[1][1](one)))))
        ),
        inner.map(lambda one: (~one[0], lambda record: other(one[1](record)))),
    )


selections = st.recursive(conditions(), grown, max_leaves=8)


def answer(selection: Selection, one: dict[str, Any]) -> bool:
    """What a selection says of one record: first from the facts of its row, then from its own."""
    facts = {name: one[name] for name in FIELDS if name not in (*AXES, *RECORD_FIELDS)}
    facts.update(modality=one["mat"].modality, area=one["mat"].area, task=one["mat"].task)
    left = selection.resolve(facts)
    if isinstance(left, bool):
        return left
    assert set(left.fields()) <= set(RECORD_FIELDS)
    return bool(left.mask(columns([one]), 1)[0])


def columns(table: list[dict[str, Any]]) -> Column:
    """What a table answers when a selection asks for a field of all its records, or for an axis of their triplets."""

    def column(name: str, wanted: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
        if name in AXES:
            found = [getattr(one["mat"], name) in wanted for one in table]
        elif name == "label":
            found = [bool(wanted & one["label"]) for one in table]
        elif name in ("width", "height"):
            low, high = wanted
            found = [(low or 0) <= one[name] <= (99 if high is None else high) for one in table]
        else:
            found = [one[name] in wanted for one in table]
        return np.array(found, dtype=bool)

    return column


@settings(max_examples=1500)
@given(selections, records)
def test_a_selection_selects_what_it_says(drawn: tuple[Selection, Oracle], one: dict[str, Any]) -> None:
    selection, oracle = drawn
    assert answer(selection, one) == (oracle(one) is True)
    assert answer(~selection, one) == (oracle(one) is False)


@given(selections, st.lists(records, max_size=6))
def test_a_table_is_asked_column_by_column(drawn: tuple[Selection, Oracle], table: list[dict[str, Any]]) -> None:
    selection, oracle = drawn
    mask = selection.mask(columns(table), len(table))
    assert mask.dtype == bool
    assert mask.tolist() == [oracle(one) is True for one in table]


@given(selections, records, st.sets(st.sampled_from([*FIELDS])))
def test_facts_may_come_in_any_order(drawn: tuple[Selection, Oracle], one: dict[str, Any], first: set[str]) -> None:
    selection, oracle = drawn
    facts = {name: one[name] for name in FIELDS if name not in (*AXES, *RECORD_FIELDS)}
    facts.update({axis: getattr(one["mat"], axis) for axis in AXES})
    left = selection.resolve({name: fact for name, fact in facts.items() if name in first})
    assert (left if isinstance(left, bool) else answer(left, one)) == (oracle(one) is True)


@settings(max_examples=1500)
@given(selections, records)
def test_a_selection_survives_its_text(drawn: tuple[Selection, Oracle], one: dict[str, Any]) -> None:
    selection, oracle = drawn
    back = Selection.parse(str(selection))
    assert str(back) == str(selection)
    assert answer(back, one) == (oracle(one) is True)
    assert pickle.loads(pickle.dumps(selection)) == selection
    assert hash(pickle.loads(pickle.dumps(selection))) == hash(selection)


@given(selections, selections, records)
def test_de_morgan(one: tuple[Selection, Oracle], two: tuple[Selection, Oracle], record: dict[str, Any]) -> None:
    assert answer(~(one[0] & two[0]), record) == answer(~one[0] | ~two[0], record)
    assert answer(~(one[0] | two[0]), record) == answer(~one[0] & ~two[0], record)
    assert answer(one[0] & ~one[0], record) is False
    assert answer(one[0] | ~one[0], record) is (one[1](record) is not None)


def test_the_ways_to_write_one_selection() -> None:
    text = 'CT/*/* & !*/*/Cancer & source=busi|head_ct & width>=256 & label="Other, ill-defined masses"'
    made = (
        MAT(modality="CT")
        & ~MAT(task="Cancer")
        & field("source", ["busi", "head_ct"])
        & field("width", at_least=256)
        & field("label", "Other, ill-defined masses")
    )
    assert str(made) == text
    assert Selection.parse(text) == made
    assert Selection.of([MAT("CT", "Lung", "Cancer"), "MRI/Brain/*"]) == Selection.parse("CT/Lung/Cancer, MRI/Brain/*")
    assert MAT("CT", "Lung", "Cancer") | "MRI/Brain/*" == Selection.parse("CT/Lung/Cancer,MRI/Brain/*")
    assert "MRI/Brain/*" & ~Pattern.parse("CT/*/*") == Selection.parse("MRI/Brain/* & !CT/*/*")
    assert str(Selection.parse("(CT/*/*, MRI/*/*)&!(row=3)")) == "(CT/*/*, MRI/*/*) & !row=3"
    assert Selection.of(None) == Selection.parse("*") == EVERYTHING
    assert Selection.of([]) == NOTHING
    assert field("redistributable", [True, None]) == Selection.parse("redistributable=yes|unknown")
    assert field("subset", None) == Selection.parse("subset=none")


def test_lists_are_kept_flat() -> None:
    one, two, three = map(Selection.of, ("CT/*/*", "row=3", "split=train"))
    assert (one & two) & three == one & (two & three) == And((one, two, three))
    assert (one | two) | three == one | (two | three) == Or((one, two, three))
    assert ~~(one & two) == one & two
    assert ~(one & two) == Not(And((one, two)))
    assert one & EVERYTHING == one | NOTHING == one & one == one


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a pattern"),
        ("CT/*/* &", "expected a pattern"),
        ("CT/*/*,,MRI/*/*", "expected a pattern"),
        ("(CT/*/*", r"expected \)"),
        ("CT/*/*)", "expected , or & or the end"),
        ("CT/Lung", "is not a pattern: .* Did you mean 'CT/Lung/\\*'"),
        ("sorce=busi", "no field 'sorce' to select by. Did you mean 'source'"),
        ("split=tran", "is not one of train, validation, test, withheld. Did you mean 'train'"),
        ("access=opne", "Did you mean 'open'"),
        ("row=x", "'x' is not a whole number"),
        ("width>=3|4", "with one number"),
        ("width=>3", "'=>' is not one of = != >= <= > <"),
        ("256<=width<=512", "the field comes first, and each bound stands alone"),
        ("width>1.5", "not a whole number"),
        ("CT and MRI", r"no record is both CT and MRI, each a modality\. For either, write CT \| MRI"),
        ("CT, Lung", r"both or either\? Write CT & Lung, or CT \| Lung"),
        ("split=train & CT | MRI", r"Put parentheses around \(CT \| MRI\)"),
        ("CT|MRI and split=train", r"Put parentheses around \(CT \| MRI\)"),
        ("!CT | MRI", r"write !\(CT \| MRI\)"),
        ("source=busi, head_ct", r"joined by \|, as source=busi\|head_ct"),
        ("split=train or test", r"joined by \|, as split=train\|test"),
        ("label=Polyp and Cancer", r"stands in double quotes, and another condition names its field: .*task=Cancer"),
        ("commercial=true", "not one of yes, no, unknown"),
        ("label in (a", r"expected , or \)"),
        ("subset in []", "expected a value"),
        ("source>=3", "is asked of width and height, with one number, and not of source=3"),
        ("source=", "expected a value"),
        ("source=a|", "expected a value"),
        ('label="open', "expected a value"),
        ('label="a" "b"', "expected , or & or the end"),
        ("!" * 5, "expected a pattern"),
        ("(" * 100_000 + "CT/*/*" + ")" * 100_000, "nest deeper than 32"),
    ],
)
def test_text_that_is_no_selection(text: str, message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        Selection.parse(text)


@given(st.text(alphabet='CT/*|!&(),=<>"\\ source', max_size=30) | st.text(max_size=30))
def test_any_text_is_a_selection_or_one_sentence(text: str) -> None:
    try:
        found = Selection.parse(text)
    except VocabularyError:  # any other error fails the test
        return
    assert Selection.parse(str(found)) == found


def nested(levels: int) -> Selection:
    made = Selection.of("row=1")
    for level in range(levels):
        made = made & "CT/*/*" if level % 2 else ~(made | f"row={level + 2}")
    return made


def test_whatever_can_be_made_can_be_read_back() -> None:
    assert Selection.parse(str(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(VocabularyError, match=f"nests deeper than {MAX_DEPTH}"):
        nested(5_000)


def test_a_selection_says_what_it_asks_for() -> None:
    text = "row=1|2, !(row=3 & CT/*/*), label=x & width>=3 & redistributable=unknown"
    assert Selection.parse(text).fields() == {
        "row": {1, 2, 3},
        "label": {"x"},
        "width": frozenset(),
        "redistributable": {None},
    }
    assert Selection.of("CT/Lung/*").fields() == {}


KNOWN = {"source": ["busi", "head_ct"], "label": ["Glioma", "Polyp", "Not sure"], "subset": [24, 3]}


def meaning(text: str) -> str:
    """The canonical text of a selection that a user types, or the message."""
    try:
        found = Selection.parse(text).bound(STANDARD, KNOWN, "This table", "mat.values({!r})")
    except VocabularyError as error:
        return str(error)
    assert Selection.parse(str(found)) == found
    return str(found)


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("CT", "CT/*/*"),
        ("x-ray", "X-ray/*/*"),
        ("Lung", "*/Lung/*"),
        ("cancer detection", "*/*/Cancer Detection"),
        ("ct/lung/cancer", "CT/Lung/Cancer"),
        ("area=Lung", "*/Lung/*"),
        ("modality=ct|mri", "CT|MRI/*/*"),
        ("task != Cancer", "!*/*/Cancer"),
        ("CT|MRI", "CT|MRI/*/*"),
        ("CT, MRI", "CT/*/*, MRI/*/*"),
        ("CT or MRI", "CT/*/*, MRI/*/*"),
        ("CT || MRI", "CT/*/*, MRI/*/*"),
        ("CT | Lung", "CT/*/*, */Lung/*"),
        ("CT and Lung", "CT/*/* & */Lung/*"),
        ("CT && Lung", "CT/*/* & */Lung/*"),
        ("not CT", "!CT/*/*"),
        ("~CT", "!CT/*/*"),
        ("NOT CT AND (Lung OR split=train)", "!CT/*/* & (*/Lung/*, split=train)"),
        ("CT/*/* | MRI/*/*", "CT/*/*, MRI/*/*"),
        ("!CT/*/*|MRI/*/*", "!CT/*/*, MRI/*/*"),
        ("CT/*/*|MRI", "CT/*/*, MRI/*/*"),
        ("CT|MRI/Brain/*|X-ray/*/*", "CT|MRI/Brain/*, X-ray/*/*"),
        ("CT/Lung|Brain/*", "CT/Brain|Lung/*"),
        ("split=train & CT/*/* | MRI/*/*", "split=train & CT/*/*, MRI/*/*"),
        ("split=train & (CT | MRI)", "split=train & CT|MRI/*/*"),
        ("modality=CT and area=Lung or modality=MRI", "CT/*/* & */Lung/*, MRI/*/*"),
        ("source == busi", "source=busi"),
        ("source!=busi", "!source=busi"),
        ("source=busi | label=Polyp", "source=busi, label=Polyp"),
        ("source=busi | CT/*/*", "source=busi, CT/*/*"),
        ("source=busi|head_ct & CT", "source=busi|head_ct & CT/*/*"),
        ("label in (Polyp, 'Glioma')", "label=Glioma|Polyp"),
        ("subset in [24, 3]", "subset=3|24"),
        ("subset not in (24)", "!subset=24"),
        ("label=[Polyp, Not sure]", "label=Not sure|Polyp"),
        ("label='Polyp' or CT", "label=Polyp, CT/*/*"),
        ("width>256", "width>=257"),
        ("width < 512", "width<=511"),
        ("height=64", "height>=64 & height<=64"),
        ("width<0", "!*"),
    ],
)
def test_what_users_type_first_has_the_obvious_meaning(typed: str, canonical: str) -> None:
    assert meaning(typed) == canonical


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("CT/Lungs/*", "'Lungs' is not a Med-MAT area. Did you mean 'Lung'?"),
        ("Lung/CT/*", "'Lung' is not a Med-MAT modality. It is an area."),
        ("ultrasound", "Did you mean 'US'?"),
        ("modality=ultrasound", "Did you mean 'US'?"),
        ("busi", "Did you mean 'source=busi'?"),
        ("train", "Did you mean 'split=train'?"),
        ("masks", "Did you mean 'annotation=masks'?"),
        ("glioma", "Did you mean 'label=Glioma'?"),
        ("source: busi", "Did you mean 'source=busi'?"),
        ("source is busi", "Did you mean 'source=busi'?"),
        ("CT Lung", "Did you mean 'CT & Lung' (all) or 'CT | Lung' (any)?"),
        ("CT MRI", "Did you mean 'CT | MRI' (any)?"),
        ("*/Lung", "Did you mean '*/Lung/*'?"),
        ("CT/Lung/Cancer/busi", "is not a pattern"),
        ("label=glioma", "This table has no label 'glioma'. Did you mean 'Glioma'?"),
        ("Hand", "'Hand' is not a modality, an area or a task."),
    ],
)
def test_other_texts_are_refused_with_the_right_form(typed: str, right: str) -> None:
    assert right in meaning(typed)


def test_arguments_that_select_nothing_or_two_things_are_refused_with_the_right_form() -> None:
    assert str(Selection.of(["CT", "MRI"])) == "CT/*/*, MRI/*/*"
    assert str(field("modality", ["CT", "mri"])) == "CT|MRI/*/*"
    with pytest.raises(VocabularyError, match=r"Write 'CT & Lung & Cancer' or 'CT \| Lung \| Cancer'"):
        Selection.of(("CT", "Lung", "Cancer"))
    with pytest.raises(VocabularyError, match=r"give conditions by name, as in select\(modality='CT'\)"):
        Selection.of({"modality": "CT"})
    with pytest.raises(VocabularyError, match="Did you mean 'Lung'"):
        Selection.of(MAT(area="Lungs"), STANDARD)


def test_values_that_nothing_has_are_refused_with_the_nearest() -> None:
    asked = Selection.parse("!source=busi & subset=24|none & label=x")
    assert asked.bound(STANDARD, {"source": ["busi", "head_ct"], "subset": {24, 3}}, "This table") == asked
    with pytest.raises(
        VocabularyError, match=r"^This table has no source 'busi'\. Did you mean 'bus'\? It has: a, bus\.$"
    ):
        asked.bound(STANDARD, {"source": ["bus", "a"]}, "This table")
    with pytest.raises(
        VocabularyError, match=r"^This table has no subset '24'\. Did you mean '4'\? It has: 4, 10, 100\.$"
    ):
        asked.bound(STANDARD, {"subset": {100, 4, 10}}, "This table")


def test_of_many_values_a_message_names_the_nearest_and_how_to_list_all() -> None:
    many = {"label": [f"Finding {number:03}" for number in range(480)] + ["Glioma", "Ganglioma"]}
    with pytest.raises(VocabularyError) as caught:
        Selection.parse("label=Gliom").bound(STANDARD, many, "This Med-MAT", "mat.values({!r})")
    assert str(caught.value) == (
        "This Med-MAT has no label 'Gliom'. Did you mean 'Glioma'? Also near: 'Ganglioma'. There are 482; "
        "mat.values('label') lists them."
    )


def test_the_typed_fields_are_those_of_the_table() -> None:
    assert set(Fields.__annotations__) == set(FIELDS)
    assert set(CardFields.__annotations__) == {name for name, one in FIELDS.items() if one.level == "card"}
    assert [name for name, one in FIELDS.items() if one.type == "element"] == list(AXES)


@pytest.mark.slow
def test_type_checkers_know_the_fields(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        "import med_mat\n"
        "mat = med_mat.open('x')\n"
        "mat.select('CT', split='train', modality=['CT', 'MRI'], subset=24, commercial=True, width=512)\n"
        "mat.where(mat.where('CT'), label='Glioma')\n"
        "med_mat.sources(access=['open'], area='Lung', redistributable=None)\n"
        "mat.select(splitt='train')\n"
        "mat.where(width=[1.5])\n"
        "med_mat.sources(split='train')\n",
        "utf-8",
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports", "silent", "--cache-dir", str(tmp_path / "cache"),
         "--config-file", str(root / "pyproject.toml"), str(snippet)],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = [line.split(":") for line in done.stdout.splitlines() if line.startswith(str(snippet))]
    wrong = {int(number) for _, number, level, *_ in said if level == " error"}
    assert wrong == {6, 7, 8}, done.stdout


def test_numbers_and_words_may_come_from_arrays() -> None:
    assert field("row", np.array([48, 97])) == field("row", ["48", 97]) == Selection.parse("row=97|48|048")
    assert field("source", np.array(["a", "b"])) == field("source", iter("ab")) == field("source", {"a": 1, "b": 2})
    assert field("width", at_least=np.int32(3)) == Selection.parse("width>=3")


def test_long_texts_are_read_in_one_pass() -> None:
    assert str(Selection.parse(", ".join(["row=1"] * 50_000))) == "row=1"
    assert str(Selection.parse("!" * 100_001 + "row=1")) == "!row=1"
    with pytest.raises(VocabularyError):
        Selection.parse('"' * 100_001)


@pytest.mark.parametrize("value", [[], 3, True, b"x"])
def test_values_of_the_wrong_kind(value: Any) -> None:
    with pytest.raises(VocabularyError):
        field("source", value)
    with pytest.raises(VocabularyError):
        field("row", "many")
    with pytest.raises(VocabularyError, match="selects nothing"):
        Selection.of(3)  # type: ignore[arg-type]


def test_sources_are_asked_in_the_same_words() -> None:
    assert {s.name for s in sources("*/Breast/* & annotation=masks")} == {"busi"}
    assert sources("access=open") == sources(access="open")
    with pytest.raises(VocabularyError, match=r"width>=3 is a fact of records: it needs a built Med-MAT"):
        sources("CT/*/* & width>=3")
    with pytest.raises(VocabularyError, match="split=train is a fact of records"):
        sources("!*, split=train")
    with pytest.raises(VocabularyError, match=r"The catalog has no source 'bussi'\. Did you mean 'busi'"):
        sources("source=bussi")
    assert sources("CT") == sources(modality="CT") == sources("CT/*/*")
    with pytest.raises(VocabularyError, match=r"Did you mean 'source=busi'"):
        sources("busi")
    with pytest.raises(VocabularyError, match=r"no field 'modalty' to select by\. Did you mean 'modality'"):
        sources(modalty="CT")  # type: ignore[call-arg]


@pytest.mark.usefixtures("arrow_cache")
def test_a_build_answers_as_its_records_do(workshop: Any) -> None:
    import med_mat

    mat: MedMAT = med_mat.open(workshop.out)

    def kept(text: str, oracle: Any) -> None:
        assert mat.where(text).tolist() == [i for i, one in enumerate(workshop.records) if oracle(one)], text

    kept("CT/*/* & split=test", lambda one: one["modality"] == "CT" and one["split"] == "test")
    kept("width>=100 & !X-ray/*/*", lambda one: one["width"] >= 100 and one["modality"] != "X-ray")
    kept("width>=50 & width<=64 & height<=80", lambda one: 50 <= one["width"] <= 64 and one["height"] <= 80)
    kept("label=Normal|Pneumonia", lambda one: bool({"Normal", "Pneumonia"} & set(one["labels"])))
    kept("!label=Normal", lambda one: "Normal" not in one["labels"])
    kept("patient=yes", lambda one: one["patient"] is not None)
    kept("patient=no & source=busi", lambda one: one["patient"] is None and one["source"] == "busi")
    kept("published_split=train, source=busi", lambda one: one["published_split"] == "train" or one["source"] == "busi")
    kept("!(published_split=train, source=busi)",
         lambda one: not (one["published_split"] == "train" or one["source"] == "busi"))  # fmt: skip
    kept("annotation=masks & license=mit, subset=24", lambda one: one["subset"] == 24 or (
        one["license"] == "mit" and mat.tags.facts[one["row"]].annotation == "masks"))  # fmt: skip
    assert (
        mat.where("CT/*/*", split="train", source="head_ct").tolist()
        == mat.where("CT/*/* & split=train & source=head_ct").tolist()
    )
    with pytest.raises(VocabularyError, match=r"no source 'bussi'\. Did you mean 'busi'"):
        mat.where("source=bussi")
    with pytest.raises(VocabularyError, match="no label 'normal'") as caught:
        mat.where(label="normal")
    assert f"There are {len(mat.values('label'))}; mat.values('label') lists them." in str(caught.value)
    assert mat.values("split") == ("test", "train", "validation")
    assert mat.values("source") == tuple(sorted(mat.tags.sources))
    assert {48, 97} <= set(mat.values("row"))
    assert mat.values("patient") == (False, True)

    ct = mat.where("CT")
    assert np.array_equal(mat.where(ct, split="test"), mat.where("CT", split="test"))
    assert mat.where(ct[::-1].tolist()).tolist() == ct[::-1].tolist()
    assert np.array_equal(mat.where(np.isin(np.arange(len(mat)), ct)), ct)
    assert mat.select(ct[:3])["id"] == mat.index["id"].take(ct[:3]).to_pylist()
    for wrong, why in (([len(mat)], "The positions reach from"), (np.ones(3, dtype=bool), "a mask of the shape"),
                       (np.array([0.5]), "An array of float64")):  # fmt: skip
        with pytest.raises(VocabularyError, match=why):
            mat.where(wrong)  # type: ignore[arg-type]
