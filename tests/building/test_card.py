"""The cards of a build: what the Hub and mlcroissant make of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from workshop import Workshop

from med_mat import catalog
from med_mat.building import Options, build, find
from med_mat.building.card import write_cards
from med_mat.building.configurations import PARTS, configurations
from med_mat.building.configurations import front_matter as written
from med_mat.building.counts import COUNTED
from med_mat.taxonomy import SPLITS


def front_matter(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def test_every_card_is_one_of_the_hubs(workshop: Workshop) -> None:
    from huggingface_hub import DatasetCard, DatasetCardData

    pages = sorted((workshop.out / "cards").glob("*.md"))
    assert [page.stem for page in pages] == sorted({record["source"] for record in workshop.records})
    for page in [workshop.out / "README.md", *pages]:
        card = DatasetCard.load(page)
        assert isinstance(card.data, DatasetCardData)
        assert card.data.license
        assert card.data.task_categories
        assert card.data.size_categories in (["n<1K"], ["1K<n<10K"], ["10K<n<100K"])
        assert yaml.safe_load(card.data.to_yaml()) == front_matter(page.read_text("utf-8"))


def test_every_file_of_the_build_is_in_a_configuration(workshop: Workshop) -> None:
    configs = {
        one["config_name"]: one for one in front_matter((workshop.out / "README.md").read_text("utf-8"))["configs"]
    }

    def files(name: str) -> set[Path]:
        paths = [part["path"] for part in configs[name]["data_files"]]
        patterns = [path for one in paths for path in ([one] if isinstance(one, str) else one)]
        return {path for pattern in patterns for path in workshop.out.glob(pattern)}

    assert files("default") == set(workshop.out.glob("data/*/*/*.parquet"))
    assert files("busi") == set(workshop.out.glob("data/busi/*/*.parquet"))
    assert {name for name in configs if not name.startswith("subset-")} == {
        "default",
        "index",
        *(record["source"] for record in workshop.records),
    }


def test_the_front_matter_is_short_whatever_is_built() -> None:
    sources = list(catalog.load().values())
    files = [
        f"data/{source.name}/{row.number:03d}/{part}-00000-1a2b3c4d.parquet"
        for source in sources
        for row in source.rows
        for part in PARTS
        if part != "validation" or "validation" in source.published_split
    ]
    found = configurations(sources, files)
    text = written({"configs": found})
    assert len(text.encode()) < 50_000
    assert front_matter(text) == {"configs": found}


def test_the_card_says_first_what_a_reader_must_know(workshop: Workshop) -> None:
    text = (workshop.out / "README.md").read_text("utf-8").split("---\n", 2)[2]
    order = [
        "**Synthetic images.**",
        "records from",
        "load_dataset(",
        "**Leakage.**",
        "## Configurations",
        "## Sources",
    ]
    places = [text.index(one) for one in order]
    assert places == sorted(places)
    assert len(text.encode()) < 30_000


def test_every_link_of_the_pages_leads_somewhere(workshop: Workshop) -> None:
    for page in [workshop.out / "README.md", workshop.out / "LICENSES.md", *(workshop.out / "cards").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / link).is_file(), (page, link)


def test_the_card_lists_every_source_once_per_modality_with_its_counts(workshop: Workshop) -> None:
    text = (workshop.out / "README.md").read_text("utf-8")
    sections = re.findall(r"<summary><b>.*?</b> \((.*?)\): .*?</summary>\n\n(.*?)\n\n</details>", text, re.DOTALL)
    for modality, section in sections:
        own = [one for one in workshop.records if one["modality"] == modality]
        lines = [line.split(" | ") for line in section.splitlines()[2:]]
        assert {line[1].strip("`") for line in lines} == {one["source"] for one in own}
        assert len(lines) == len({one["source"] for one in own})
        counted = sum(int(cell.replace(",", "")) for line in lines for cell in line[3:7] if cell.strip())
        assert counted == len(own)
    assert {modality for modality, _ in sections} == {one["modality"] for one in workshop.records}


def card_of(workshop: Workshop, out: Path, *names: str, **options: Any) -> str:
    """The Hub card of a build of some of the sources of the workshop."""
    index = pq.read_table(workshop.out / "index.parquet", columns=[*COUNTED, "file"])
    own = index.filter(pa.compute.is_in(index["source"], pa.array(names)))
    ledgers = json.loads((workshop.out / "ledger.json").read_text("utf-8"))["sources"]
    files = own["file"].unique().to_pylist()
    sources = [catalog.load()[name] for name in names]
    write_cards(out, sources, own.drop_columns(["file"]), files, {name: ledgers[name] for name in names}, **options)
    return (out / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    "names", [("busi",), ("busi", "kvasir_seg"), ("chest_ct_scan", "covid_ct", "head_ct", "ct_of_brain")], ids=len
)
@pytest.mark.usefixtures("arrow_cache", "offline")
def test_the_python_of_a_card_runs_on_its_dataset(
    workshop: Workshop, tmp_path: Path, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    build(find(dict.fromkeys(names), workshop.raw), tmp_path / "Med-MAT", Options(jobs=1))
    text = (tmp_path / "Med-MAT" / "README.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    said: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), said)
    assert len(said["train"])
    assert ("experiment" in said) == (len(names) == 4)
    if "experiment" in said:
        said["experiment"].audit()


def test_without_images_the_card_says_how_to_attach_them_before_all_else(workshop: Workshop, tmp_path: Path) -> None:
    names = ("acrima", "busi", "kvasir_seg", "hep2", "palm", "tn3k", "jsiec")
    some = card_of(workshop, tmp_path, *names, name="org/Set", hosted=True, without_pixels=["busi", "palm"])
    notice = next(line for line in some.splitlines() if "**Without images.**" in line)
    assert "`busi`, `palm`" in notice
    assert "med-mat attach org/Set --raw" in notice
    assert some.index(notice) < some.index("records from")
    assert some.count("*(no images)*") == 2
    many = card_of(workshop, tmp_path, *names, without_pixels=names[1:])
    assert "6 of the 7 sources (marked [below](#sources))" in many
    every = card_of(workshop, tmp_path, *names, without_pixels=names)
    assert "null in the records of all sources" in every
    assert "no images" not in every


def test_a_card_has_a_picture_or_a_table_of_the_grid(workshop: Workshop, tmp_path: Path) -> None:
    table = card_of(workshop, tmp_path, "busi", "head_ct")
    assert "| **Breast** |  | 35 |" in table
    picture = card_of(workshop, tmp_path, "busi", "head_ct", picture="grid.png")
    assert "](grid.png)" in picture
    assert "**Breast**" not in picture


def test_what_a_source_withholds_is_on_its_page(workshop: Workshop) -> None:
    withheld = Counter(one["source"] for one in workshop.records if one["withheld"])
    assert withheld
    for name in {one["source"] for one in workshop.records}:
        page = (workshop.out / "cards" / f"{name}.md").read_text("utf-8")
        assert (f"Withheld: {withheld[name]:,} records" in page) == (name in withheld)


def test_the_counts_are_those_of_the_index(workshop: Workshop) -> None:
    page = (workshop.out / "cards" / "busi.md").read_text("utf-8")
    counts = Counter((one["row"], one["split"], one["label"]) for one in workshop.of("busi") if one["row"] == 48)
    for label in ("Benign", "Malignant", "Normal"):
        numbers = " | ".join(str(counts[48, split, label]) for split in SPLITS)
        assert f"| {label} | {numbers} |" in page.partition("## Row 97")[0]
    ledger = workshop.ledger("busi")
    assert f"{ledger['found']} found = {ledger['written']} written + {ledger['skipped']} skipped" in page


def test_a_record_with_several_labels_counts_for_each(workshop: Workshop) -> None:
    page = (workshop.out / "cards" / "rfmid_2.md").read_text("utf-8")
    records = [one for one in workshop.of("rfmid_2") if len(one["labels"]) > 1]
    assert records
    label = records[0]["labels"][1]
    numbers = [sum(label in one["labels"] for one in workshop.of("rfmid_2") if one["split"] == s) for s in SPLITS]
    assert f"| {label} | {' | '.join(map(str, numbers))} |" in page


def test_terms_citation_overlaps_and_errata_are_told(workshop: Workshop) -> None:
    for source in catalog.load().values():
        page = (workshop.out / "cards" / f"{source.name}.md").read_text("utf-8")
        assert source.terms in page
        assert source.citation.strip() in page
        assert all(f"`{other}`" in page for other in source.overlaps)
        assert page.count("upstream says") >= len(source.errata)


def test_hostile_words_stay_words(tmp_path: Path, workshop: Workshop) -> None:
    hostile = "<script>alert(1)</script> | [x](javascript:1) \n# head `code`"
    source = catalog.load()["busi"]
    row = replace(source.rows[0], labels={"benign": hostile})
    index = pq.read_table(workshop.out / "index.parquet", columns=list(COUNTED))
    own = index.filter(pa.compute.equal(index["row"], row.number))
    own = own.set_column(own.column_names.index("label_set"), "label_set", pa.array([hostile] * len(own)))
    ledger = json.loads((workshop.out / "ledger.json").read_text("utf-8"))["sources"]["busi"]
    ledger = {**ledger, "skipped_by_reason": {hostile: 1}}
    write_cards(tmp_path, [replace(source, rows=(row,))], own, ["data/busi/048/train-00000.parquet"], {"busi": ledger})
    page = (tmp_path / "cards" / "busi.md").read_text("utf-8")
    assert "<script>" not in page.replace("\\<script\\>", "")
    assert "\n# head" not in page
    assert r"\[x\](javascript:1)" in page


def test_mlcroissant_reads_every_record_as_load_dataset_does(workshop: Workshop) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="it is not installed on Python 3.10: see setup.cfg")

    dataset = mlcroissant.Dataset(str(workshop.out / "croissant.json"))
    assert not dataset.metadata.issues.errors
    records = {one["records/id"].decode(): one for one in dataset.records("records")}
    assert set(records) == {one["id"] for one in workshop.records}
    for wanted in workshop.of("kvasir_seg"):
        got = records[wanted["id"]]
        assert got["records/image"].size == (wanted["width"], wanted["height"])
        assert got["records/mask"].size == (wanted["width"], wanted["height"])
        assert [label.decode() for label in got["records/labels"]] == wanted["labels"]
        boxes = [{key.rpartition("/")[2]: value for key, value in box.items()} for box in got["records/boxes"]]
        assert [box["xmin"] for box in boxes] == pytest.approx([box["xmin"] for box in wanted["boxes"]])
    assert sum(1 for _ in dataset.records("index")) == len(workshop.records)


def test_a_hosted_set_describes_its_repository(tmp_path: Path, workshop: Workshop) -> None:
    source = catalog.load()["busi"]
    index = pq.read_table(workshop.out / "index.parquet", columns=list(COUNTED))
    own = index.filter(pa.compute.equal(index["source"], "busi"))
    ledgers = {"busi": json.loads((workshop.out / "ledger.json").read_text("utf-8"))["sources"]["busi"]}
    write_cards(tmp_path, [source], own, ["data/busi/048/train-00000.parquet"], ledgers,
                name="org/Set", hosted=True, without_pixels=["busi"])  # fmt: skip
    croissant = json.loads((tmp_path / "croissant.json").read_text("utf-8"))
    assert croissant["distribution"][0]["contentUrl"] == "https://huggingface.co/datasets/org/Set"
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert 'load_dataset("org/Set"' in readme
    assert "med-mat attach org/Set" in readme
    mlcroissant = pytest.importorskip("mlcroissant", reason="it is not installed on Python 3.10: see setup.cfg")

    assert not mlcroissant.Dataset(str(tmp_path / "croissant.json")).metadata.issues.errors
