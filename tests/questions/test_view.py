"""Questions made of an index: the same as a build stores, and others beside the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from workshop import Workshop

import med_mat
from med_mat import schema
from med_mat.catalog import Catalog, load
from med_mat.dataset import MedMAT
from med_mat.errors import CardError, VocabularyError
from med_mat.questions import LETTERS, Form
from med_mat.questions.view import FACTS, View

FORMS: tuple[Form, ...] = ("paper", "row")


@pytest.fixture
def mat(workshop: Workshop, arrow_cache: Path) -> MedMAT:
    return med_mat.open(workshop.out)


def recomputed(mat: MedMAT, form: Form = "default", seed: int = 0) -> pa.Table:
    """What all records ask, from the index and the cards alone."""
    view = View.of(mat.tags, form, seed)
    return view.ask(mat.index["row"].to_pylist(), mat.index["key"].to_pylist(), mat.index.select(list(FACTS)))


def test_the_index_gives_the_questions_that_the_build_stored(mat: MedMAT) -> None:
    stored, found = mat.questions(np.arange(len(mat))), recomputed(mat)
    for name in schema.QUESTION_COLUMNS:
        assert found[name].to_pylist() == stored[name].to_pylist(), name
    assert found.schema.equals(stored.schema)


@pytest.mark.parametrize("form", FORMS)
def test_records_alone_ask_what_they_ask_among_all(mat: MedMAT, form: Form) -> None:
    every = recomputed(mat, form, 7)
    some = np.random.default_rng(0).permutation(len(mat))[:200]
    assert mat.questions(some, form, 7).to_pylist() == every.take(pa.array(some)).to_pylist()
    assert mat.questions(some[:0], form).num_rows == 0


@pytest.mark.parametrize("form", ["default", *FORMS])
def test_every_form_is_sound(mat: MedMAT, form: Form) -> None:
    for one, record in zip(mat.questions(np.arange(len(mat)), form).to_pylist(), mat.index.to_pylist(), strict=True):
        assert one["question"]
        assert one["target"] == (one["answer"] or one["open_answer"])
        if one["options"]:
            assert one["options"][LETTERS.index(one["answer"])] == one["open_answer"]
            assert len(set(one["options"])) == len(one["options"]) <= 4
        else:
            assert one["answer"] is None
            assert one["question"] == one["open_question"]
        if record["label"] is not None:
            assert one["open_answer"] == record["label"]


@pytest.mark.parametrize("form", FORMS)
def test_selections_in_another_form_differ_in_their_questions_alone(mat: MedMAT, form: Form) -> None:
    rng = np.random.default_rng(1)
    positions = rng.permutation(len(mat))[:120]
    positions = np.concatenate((positions, positions[:5]))  # a record that is taken twice
    usual, other = mat.take(positions), mat.take(positions, questions=form)
    asked = mat.questions(positions, form)
    assert other.column_names == usual.column_names
    assert other.features == usual.features
    raw = [one.with_format("arrow")[:] for one in (usual, other)]
    for name in usual.column_names:
        expected = asked[name] if name in schema.QUESTION_COLUMNS else raw[0][name]
        assert raw[1][name].to_pylist() == expected.to_pylist(), name
    assert raw[0]["question"].to_pylist() != raw[1]["question"].to_pylist()

    read = mat.read(positions, questions=form)
    assert [list(one) for one in read[:1]] == [usual.column_names]
    assert [{name: one[name] for name in asked.column_names} for one in read] == asked.to_pylist()
    once = np.unique(positions)
    streamed = list(mat.stream(once, ("id", "target"), questions=form))
    assert [one["target"] for one in streamed] == mat.questions(once, form)["target"].to_pylist()
    assert [list(one) for one in streamed[:1]] == [["id", "target"]]


def test_select_takes_the_form_and_the_seed(mat: MedMAT) -> None:
    where = mat.where("X-ray/Lung/*", split="train")
    for form in FORMS:
        taken = mat.select("X-ray/Lung/*", split="train", questions=form, seed=3)
        assert taken["question"][:] == mat.questions(where, form, 3)["question"].to_pylist()
        streamed = mat.select("X-ray/Lung/*", split="train", questions=form, seed=3, streaming=True)
        assert [one["question"] for one in streamed] == taken["question"][:]
    seeds = [mat.select("X-ray/Lung/*", split="train", seed=seed)["question"][:] for seed in (0, 1, 2**64)]
    assert seeds[0] == mat.select("X-ray/Lung/*", split="train")["question"][:]
    assert seeds[0] != seeds[1]
    assert seeds[0] != seeds[2]


def test_no_pixel_is_copied(mat: MedMAT) -> None:
    positions = mat.where(source=["busi", "nih_chestxray14"])
    usual, other = mat.take(positions), mat.take(positions, questions="paper")
    images = [list(one.data["image"].chunks) for one in (usual, other)]
    found = [
        {buffer.address for chunk in chunks for buffer in chunk.buffers() if buffer is not None} for chunks in images
    ]
    assert found[0] == found[1]
    assert found[0]


def test_a_selection_is_known_again_to_the_cache_of_datasets(mat: MedMAT) -> None:
    positions = mat.where(source="busi")
    prints = [
        mat.take(positions, questions=form, seed=seed)._fingerprint
        for form, seed in (("paper", 0), ("paper", 0), ("paper", 1), ("row", 0), ("default", 0))
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4


def test_options_of_the_papers_form_occur_in_the_subset(mat: MedMAT) -> None:
    """Those of findings are sets of labels that records of this build bear, of whatever split and source."""
    chest = mat.where(subset=31)
    facts = mat.index.take(pa.array(chest)).select(["labels", "label"]).to_pylist()
    occur = {tuple(sorted(name.casefold() for name in one["labels"])) for one in facts if one["labels"]}
    single = (row for row in load().rows if row.subset == 31 and row.kind == "classes")
    occur |= {tuple(sorted(name.casefold().split(", "))) for row in single for name in row.names}
    offered = {option for options in mat.questions(chest, "paper")["options"].to_pylist() for option in options}
    assert offered
    assert {tuple(sorted(option.casefold().split(", "))) for option in offered} <= occur


def test_a_source_whose_card_is_not_installed_is_named(mat: MedMAT, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = load()
    without = Catalog({name: source for name, source in catalog.items() if name != "busi"}, catalog.subsets)
    monkeypatch.setattr("med_mat.questions.view.load", lambda: without)
    busi, head = mat.where(source="busi", row=48), mat.where(source="head_ct")
    for ask in (mat.questions, lambda where, form: mat.take(where, questions=form)):
        with pytest.raises(CardError, match="Row 48 has records of the source 'busi', whose card is not installed"):
            ask(busi, "paper")
        assert ask(head, "paper")
        assert ask(busi, "default")
    with pytest.raises(CardError, match="'busi'"):
        mat.stream(busi, questions="row")


def test_other_forms_and_seeds_are_refused(mat: MedMAT) -> None:
    where = mat.where(source="busi")
    with pytest.raises(VocabularyError, match="'papers' is not one of default, paper, row"):
        mat.questions(where, "papers")  # type: ignore[arg-type]
    with pytest.raises(VocabularyError, match="seed must be an integer"):
        mat.take(where, seed="3")  # type: ignore[arg-type]
