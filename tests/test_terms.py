"""The terms of sources travel with their records, and what to cite is told."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from workshop import Workshop

import med_mat
from med_mat import catalog, terms
from med_mat.cli import cli
from med_mat.dataset import MedMAT
from med_mat.errors import MedMATError, VocabularyError
from med_mat.summary import PAPER, YES_NO
from med_mat.terms import Terms, bibtex

pytestmark = pytest.mark.usefixtures("arrow_cache", "offline")


@pytest.fixture(scope="module")
def mat(workshop: Workshop) -> MedMAT:
    return med_mat.open(workshop.out)


def one(source: str = "toy", citation: str = "", homepage: str = "https://example.org/toy") -> Terms:
    return Terms(source, "A toy", "cc-by-4.0", "reported", None, None, None, "Words.", homepage, citation)


def said(info: object, source: str) -> None:
    """An info says all that there is to know of a source's terms."""
    card = catalog.load()[source]
    line = next(text for text in info.description.splitlines() if text.startswith(f"- {source} ("))  # type: ignore[attr-defined]
    assert card.terms in line
    assert f"redistributed: {YES_NO[card.redistributable]}" in line
    assert f"{source}: {card.license} ({card.license_certainty})" in info.license  # type: ignore[attr-defined]
    assert card.homepage in info.homepage.splitlines()  # type: ignore[attr-defined]
    assert PAPER in info.citation  # type: ignore[attr-defined]
    assert card.citation in info.citation if card.citation else f"% {source}: " in info.citation  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------------ what travels


def test_a_selection_says_the_terms_of_its_sources_and_of_no_other(mat: MedMAT) -> None:
    found = mat.select("US/Breast/*", split="train").info
    said(found, "busi")
    assert len(found.description.splitlines()) == 2
    assert "tn3k" not in found.license + found.citation + found.description


def test_every_dataset_that_leaves_says_them(mat: MedMAT) -> None:
    experiment = mat.related("CT/Lung/Cancer")
    positions = mat.where("CT/*/*")
    leaving = [
        experiment.train,
        experiment.test,
        mat.select("CT/*/*"),
        mat.select("CT/*/*", columns=["id", "label"]),
        mat.select("CT/*/*", streaming=True),
        mat.take(positions),
        mat.take(positions[::-1]),
        mat.stream(positions),
    ]
    for dataset in leaving:
        ids = [record["id"] for record in dataset.select_columns(["id"])]
        for source in {name.split("/")[0] for name in ids}:
            said(dataset.info, source)


def test_they_survive_what_is_done_to_it(mat: MedMAT, tmp_path: Path) -> None:
    import datasets

    whole = mat.select("US/Breast/*", split="train", columns=["id", "label"])
    whole.save_to_disk(tmp_path / "saved")
    stream = mat.select("US/Breast/*", split="train", streaming=True, columns=["id", "label"])
    for dataset in (
        whole.select([0, 2]),
        whole.map(lambda record: {"long": len(record["id"])}),
        whole.filter(lambda record: bool(record["label"])),
        whole.shuffle(seed=1).train_test_split(0.5)["test"],
        whole.rename_column("label", "class"),
        datasets.load_from_disk(str(tmp_path / "saved")),
        stream.take(2),
        stream.map(lambda record: record),
        stream.shuffle(seed=1),
    ):
        assert dataset.info.license == whole.info.license != ""
        assert dataset.info.description == whole.info.description
        said(dataset.info, "busi")


def test_joined_datasets_say_the_terms_of_both(mat: MedMAT) -> None:
    import datasets

    joined = datasets.concatenate_datasets([mat.select(source="busi"), mat.select(source="tn3k")])
    for source in ("busi", "tn3k"):
        assert f"- {source} (" in joined.info.description
        assert source in joined.info.license


def test_one_selection_does_not_change_the_terms_of_another(mat: MedMAT) -> None:
    first = mat.select("US/Breast/*", split="test")
    before = first.info.description
    mat.select("US/*/*", split="test")
    assert first.info.description == before
    assert "tn3k" not in mat.select("US/Breast/*", split="test").info.description


def test_records_of_nothing_have_no_terms(mat: MedMAT) -> None:
    assert mat.take(np.zeros(0, dtype=np.int64)).info.license == ""


def test_what_the_build_knew_of_a_licence_is_said_where_the_card_is_not_installed(
    mat: MedMAT, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = catalog.load()["busi"]
    cards = {name: card for name, card in catalog.load().items() if name != "busi"}
    monkeypatch.setattr(catalog, "load", lambda: cards)
    (found,) = terms.of(mat.tags, mat.where("US/Breast/*"))
    assert (found.license, found.certainty) == (built.license, built.license_certainty)
    assert "not installed" in str(found)
    assert "% busi: no page is known" in mat.cite("US/Breast/*")


# ------------------------------------------------------------------------------------------------------ what to cite


def keys(text: str) -> list[str]:
    return re.findall(r"^@\w+\{([^,]+),", text, re.MULTILINE)


def test_an_experiment_cites_the_paper_then_its_sources(mat: MedMAT) -> None:
    experiment = mat.related("CT/Lung/Cancer")
    text = experiment.cite()
    assert text.startswith(PAPER)
    assert keys(text) == ["cai2025exploring", "soares2020sarscov2", "zhao2020covidct"]
    silent = text[text.index("% No citation is known") :].splitlines()[1:]
    assert [line.split(":")[0] for line in silent] == ["% chest_ct_scan", "% ct_of_brain"]
    assert "chest_ct_scan" not in bibtex(terms.of(mat.tags, experiment.train_positions))


def test_a_whole_build_cites_every_source_once(mat: MedMAT) -> None:
    text = mat.cite()
    found = keys(text)
    assert len(found) == len({key.casefold() for key in found})
    assert text.count("{") == text.count("}")
    assert found.count("tschandl2018ham10000") == 1  # of two sources
    titles = [terms._work(body) for _, _, body in terms._entries(text)[0]]
    assert len(titles) == len(set(titles)) == len(found)
    for source in catalog.load().values():
        for key in keys(source.citation):
            body = next(body for _, name, body in terms._entries(source.citation)[0] if name == key)
            assert terms._work(body) in titles
        if not source.citation:
            assert f"% {source.name}: {source.homepage}" in text


def test_a_selection_is_cited_as_a_selection_is_made(mat: MedMAT) -> None:
    assert mat.cite("US/Breast/*") == mat.cite(source="busi")
    with pytest.raises(VocabularyError, match="busi"):
        mat.cite(source="bussi")


def test_one_work_of_two_sources_is_cited_once_and_two_works_of_one_key_both() -> None:
    same = "@article{a2020,\n  title = {On {X}-rays},\n  year = {2020}\n}"
    spelt = '@article{b2020, year = 2020, title = "On x-rays"}'
    other = "@misc{A2020, title = {Something else}, note = {braces {in {braces}}}}"
    text = bibtex([one("s1", same), one("s2", spelt), one("s3", other), one("s4", same)])
    assert keys(text) == ["cai2025exploring", "a2020", "A2020-s3"]
    assert "braces {in {braces}}" in text


def test_what_is_no_bibtex_becomes_a_comment() -> None:
    text = bibtex([one("s1", "Smith et al. (smith@example.org)\nA book"), one("s2", homepage="mailto:me@example.org")])
    assert keys(text) == ["cai2025exploring"]
    assert "% s1: Smith et al. (smith(at)example.org)\n% s1: A book" in text
    assert "% s2: mailto:me(at)example.org" in text
    broken = bibtex([one("s1", "@article{open, title = {never closed")])
    assert keys(broken) == ["cai2025exploring"]
    assert "@" not in broken.removeprefix(PAPER)


def test_the_order_is_that_of_rows_whatever_the_order_of_records(mat: MedMAT) -> None:
    positions = mat.where("CT|US/*/*")
    shuffled = np.random.default_rng(0).permutation(positions)
    assert terms.of(mat.tags, positions) == terms.of(mat.tags, shuffled)
    first = [min(row.number for row in mat.tags.facts.values() if row.source == found.source)
             for found in terms.of(mat.tags, positions)]  # fmt: skip
    assert first == sorted(first)


def test_the_command_prints_what_to_cite(workshop: Workshop, mat: MedMAT) -> None:
    for arguments, selector in (((), None), (("US/*/*",), "US/*/*")):
        result = CliRunner().invoke(cli, ["cite", str(workshop.out), *arguments])
        assert result.exit_code == 0
        assert result.output == mat.cite(selector) + "\n"


@pytest.mark.parametrize("suffix", [".parquet", ".json", ".csv", ".txt"])
def test_the_command_cites_a_split_file_without_the_build(mat: MedMAT, tmp_path: Path, suffix: str) -> None:
    made, path = mat.related("CT/Lung/Cancer"), tmp_path / f"split{suffix}"
    if suffix == ".txt":
        positions = np.concatenate([made.train_positions, made.test_positions])
        path.write_text("\n".join(mat.index["id"].take(positions).to_pylist()), "utf-8")
    else:
        made.save(path)
    result = CliRunner().invoke(cli, ["cite", str(path)])
    assert result.exit_code == 0
    assert result.output == made.cite() + "\n"
    refused = CliRunner().invoke(cli, ["cite", str(path), "CT/*/*"])
    assert refused.exit_code == 2
    assert "all of which is cited" in refused.output


@pytest.mark.parametrize(
    ("text", "why"), [("not an id", "not the id of a record"), ("bussi/48/a.png", "Did you mean 'busi'"), ("", "no id")]
)
def test_a_list_of_ids_that_cannot_be_cited_is_refused_in_a_sentence(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "ids.txt"
    path.write_text(text, "utf-8")
    result = CliRunner().invoke(cli, ["cite", str(path)])
    assert isinstance(result.exception, MedMATError)
    assert why in str(result.exception)


def test_the_built_card_says_what_may_go_and_what_to_cite(workshop: Workshop) -> None:
    text = (workshop.out / "README.md").read_text("utf-8")
    assert "`med-mat push`" in text
    assert PAPER in text
    assert PAPER in (workshop.out / "croissant.json").read_text("utf-8").encode().decode("unicode_escape")


def test_terms_cost_no_scan_of_texts(workshop: Workshop, mat: MedMAT, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has opened an index learns them without reading it again."""
    monkeypatch.setattr(pq, "read_table", None)
    assert len(terms.of(mat.tags, np.arange(len(mat)))) == len(mat.tags.sources)
