"""The cards of a build: what the Hub and mlcroissant make of them."""

from __future__ import annotations

import json
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
from med_mat.building.card import COUNTED, SPLITS, write_cards


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
    import mlcroissant

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
    import mlcroissant

    assert not mlcroissant.Dataset(str(tmp_path / "croissant.json")).metadata.issues.errors
