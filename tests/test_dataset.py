from __future__ import annotations

import json
import os
import pickle
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from workshop import Workshop, no_network

import med_mat
from med_mat import schema
from med_mat.building import Options, build, find
from med_mat.dataset import MedMAT
from med_mat.errors import BuildError, MedMATError, VocabularyError
from med_mat.selection import Selection
from med_mat.strict import yaml_load
from med_mat.taxonomy import AXES, SPLITS, WITHHELD

pytestmark = pytest.mark.usefixtures("arrow_cache")


@pytest.fixture
def mat(workshop: Workshop) -> MedMAT:
    return med_mat.open(workshop.out)


@pytest.fixture
def copy(workshop: Workshop, tmp_path: Path) -> Path:
    """A copy of the build, to damage."""
    return Path(shutil.copytree(workshop.out, tmp_path / "Med-MAT"))


@pytest.fixture
def few(workshop: Workshop, tmp_path: Path) -> MedMAT:
    """A Med-MAT of two sources, one of ultrasound and one of CT."""
    build(find({"busi": None, "head_ct": None}, workshop.raw), tmp_path / "few", Options(jobs=1))
    return med_mat.open(tmp_path / "few")


def of(workshop: Workshop, **values: str) -> list[dict[str, Any]]:
    """The records that have these values."""
    return [one for one in workshop.records if all(one[name] == value for name, value in values.items())]


def part_of(one: dict[str, Any]) -> str:
    """The split of the files that a record lies in."""
    return WITHHELD if one["withheld"] else str(one["split"])


def arrow_files(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "med_mat").glob("*"))


# -------------------------------------------------------------------------------------------------------- load_dataset


@cache
def configurations(out: Path) -> dict[str, dict[str, list[str]]]:
    """Configuration -> split -> patterns, as the README of the build says."""
    front = yaml_load((out / "README.md").read_text("utf-8").split("---\n")[1])
    return {
        entry["config_name"]: {part["split"]: part["path"] for part in entry["data_files"]}
        for entry in front["configs"]
    }


def test_load_dataset_opens_the_folder(workshop: Workshop) -> None:
    train = datasets.load_dataset(str(workshop.out), split="train")
    expected = [one for one in workshop.records if part_of(one) == "train"]
    assert sorted(train["id"]) == sorted(one["id"] for one in expected)
    assert train.features["image"] == train.features["mask"] == datasets.Image()
    assert train.features.to_dict() == datasets.Features.from_dict(schema.features()).to_dict()
    first = train[0]
    assert isinstance(first["image"], Image.Image)
    whole = datasets.load_dataset(str(workshop.out))
    assert set(whole) == {*SPLITS, WITHHELD}
    assert {name: part.num_rows for name, part in whole.items()} == dict(Counter(map(part_of, workshop.records)))


def test_there_is_a_configuration_for_every_source_and_subset(workshop: Workshop) -> None:
    expected = {"default", "index"} | {one["source"] for one in workshop.records}
    expected |= {f"subset-{one['subset']:02d}" for one in workshop.records}
    assert set(configurations(workshop.out)) == expected
    assert set(datasets.get_dataset_config_names(str(workshop.out))) == expected


def test_every_configuration_holds_its_records(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    # what load_dataset does for all configurations at once, it need not do anew for each of the 150
    module = datasets.load.dataset_module_factory(str(workshop.out))

    def factory(path: str, **_: Any) -> Any:
        assert path == str(workshop.out)
        return replace(module, builder_kwargs=dict(module.builder_kwargs))

    monkeypatch.setattr(datasets.load, "dataset_module_factory", factory)
    for name, parts in configurations(workshop.out).items():
        if name in ("default", "index"):
            continue

        def belongs(one: dict[str, Any], name: str = name) -> bool:
            return name in (one["source"], f"subset-{one['subset']:02d}")

        loaded = datasets.load_dataset(str(workshop.out), name, columns=["id", "split"])
        expected = Counter(part_of(one) for one in workshop.records if belongs(one))
        assert set(loaded) == set(parts) == set(expected)
        for split, part in loaded.items():
            assert split == WITHHELD or set(part["split"]) == {split}
            ids = {one["id"] for one in workshop.records if belongs(one) and part_of(one) == split}
            assert set(part["id"]) == ids
            assert part.num_rows == len(ids)


def test_the_index_configuration(workshop: Workshop) -> None:
    index = datasets.load_dataset(str(workshop.out), "index", split="all")
    assert index.num_rows == len(workshop.records)
    assert index.column_names == [name for name, _ in schema.INDEX_FIELDS]
    assert index.to_list() == workshop.records


def test_streaming_from_load_dataset(workshop: Workshop) -> None:
    for name in ("default", "busi", "subset-24", "index"):
        split = "records" if name == "index" else "train"
        streamed = datasets.load_dataset(str(workshop.out), name, split=split, streaming=True)
        loaded = datasets.load_dataset(str(workshop.out), name, split=split)
        assert [one["id"] for one in streamed] == loaded["id"][:]
        assert streamed.features == loaded.features


# ------------------------------------------------------------------------------------------------------------- opening


def test_opening_reads_the_index_alone(copy: Path, workshop: Workshop) -> None:
    shutil.move(copy / "data", copy / "elsewhere")
    for name in ("ledger.json", "README.md", "LICENSES.md"):
        (copy / name).unlink()
    shutil.rmtree(copy / "ledger")
    shutil.rmtree(copy / ".build")
    with no_network():
        mat = med_mat.open(str(copy))
        assert len(mat) == len(workshop.records)
        assert mat.index.to_pylist() == workshop.records
        assert sum(mat.grid().values()) == len(mat)
        assert len(mat.where("CT/*/*", split="train", label="COVID-19")) == len(
            [
                o
                for o in workshop.records
                if o["modality"] == "CT" and part_of(o) == "train" and "COVID-19" in o["labels"]
            ]
        )
        experiment = mat.related("CT/Lung/Cancer")
        assert experiment.audit().shared["groups"] == 0
    with pytest.raises(BuildError, match=r"lacks data/ct_kidney/002/.*; else run 'med-mat build' again"):
        mat.select("CT/Kidney/*")
    with pytest.raises(BuildError, match="lacks data/ct_kidney"):
        list(mat.select("CT/Kidney/*", streaming=True))


def test_opening_opens_no_data_file(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = pq.ParquetFile.__init__

    def spy(self: Any, source: Any, *args: Any, **kwargs: Any) -> None:
        opened.append(str(source))
        real(self, source, *args, **kwargs)

    monkeypatch.setattr(pq.ParquetFile, "__init__", spy)
    mat = med_mat.open(workshop.out)
    mat.where("*", label="Normal")
    assert not [name for name in opened if "/data/" in name]
    mat.select("US/*/*")
    read = {name.split("/data/")[1].split("/")[0] for name in opened if "/data/" in name}
    assert read == {one["source"] for one in workshop.records if one["modality"] == "US"}


def test_what_an_open_build_says_of_itself(mat: MedMAT, workshop: Workshop) -> None:
    sources = {one["source"] for one in workshop.records}
    expected = f"{len(workshop.records):,} records, {len(sources)} sources"
    assert repr(mat) == f"MedMAT({str(workshop.out)!r}: {expected})"
    triplets = {(one["modality"], one["area"], one["task"]) for one in workshop.records}
    assert {(m.modality, m.area, m.task) for m in mat.mats} == triplets
    assert list(mat.mats) == sorted(mat.mats)
    assert mat.grid() == dict(Counter((one["modality"], one["area"]) for one in workshop.records))
    assert set(mat.tags.sources) == {one["source"] for one in workshop.records}
    assert pickle.loads(pickle.dumps(mat)).where("CT/*/*").tolist() == mat.where("CT/*/*").tolist()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda out: shutil.rmtree(out), r"^There is no folder .*Med-MAT\. Name a folder that 'med-mat build' wrote"),
        (
            lambda out: (out / "med_mat.json").unlink(),
            r"contains an unfinished build: run the same 'med-mat build' again",
        ),
        (
            lambda out: ((out / "med_mat.json").unlink(), shutil.rmtree(out / ".build")),
            r"contains no Med-MAT: expected med_mat\.json and index\.parquet",
        ),
        (lambda out: (out / "med_mat.json").write_text("{"), r"med_mat\.json is missing, or not one that"),
        (lambda out: (out / "med_mat.json").write_text("[]"), r"med_mat\.json is missing, or not one that"),
        (lambda out: (out / "med_mat.json").write_text("{}"), r"med_mat\.json is missing, or not one that"),
        (lambda out: (out / "index.parquet").unlink(), r"lacks index\.parquet"),
        (lambda out: os.truncate(out / "index.parquet", 1000), r"index\.parquet is damaged"),
        (lambda out: pq.write_table(pa.table({"id": ["x"]}), out / "index.parquet"), r"index\.parquet is damaged"),
    ],
)
def test_what_cannot_be_opened_is_one_sentence(copy: Path, damage: Callable[[Path], Any], message: str) -> None:
    damage(copy)
    with pytest.raises(BuildError, match=message) as caught:
        med_mat.open(copy)
    assert "Med-MAT" in str(caught.value)


@pytest.mark.parametrize("version", [0, schema.VERSION + 1, "1", None])
def test_another_schema_version_is_refused(copy: Path, version: object) -> None:
    manifest = json.loads((copy / "med_mat.json").read_text("utf-8"))
    (copy / "med_mat.json").write_text(json.dumps({**manifest, "schema": version, "med_mat": "9.8.7"}), "utf-8")
    with pytest.raises(BuildError, match=rf"record schema {version}, this Med-MAT reads {schema.VERSION}:.*9\.8\.7"):
        med_mat.open(copy)


# ----------------------------------------------------------------------------------------------------------- selecting

WORDS = ["CT/*/*", "CT|MRI/Brain/*", "!X-ray/*/*", "*/*/Cancer", "*/!Lung/*", "Co/*/*", "US/Breast/Cancer"]
LABELS = ["Normal", "COVID-19", "Benign", "Malignant", "Cyst", "Pneumothorax", "Liver", "Polyp"]
NAMES = ["busi", "ct_kidney", "covid_ct", "chestx_det", "head_ct"]


@pytest.fixture(scope="module")
def opened(workshop: Workshop) -> MedMAT:
    return med_mat.open(workshop.out)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pattern=st.none() | st.lists(st.sampled_from(WORDS), max_size=3),
    split=st.none() | st.sampled_from(SPLITS) | st.lists(st.sampled_from(SPLITS), min_size=1, max_size=3),
    labels=st.none() | st.lists(st.sampled_from(LABELS), min_size=1, max_size=3),
    source=st.none() | st.sampled_from(NAMES) | st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
    subset=st.none() | st.lists(st.sampled_from([24, 2, 3, 31, 43]), min_size=1, max_size=3),
    row=st.none()
    | st.sampled_from([48, 97, 4, 102])
    | st.lists(st.sampled_from([48, 97, 4, 102]), min_size=1, max_size=2),
)
def test_where_is_a_filter_over_the_records(
    workshop: Workshop, opened: MedMAT, pattern: Any, split: Any, labels: Any, source: Any, subset: Any, row: Any
) -> None:
    known = {label for one in workshop.records for label in one["labels"]}
    labels = None if labels is None else [label for label in labels if label in known] or ["Normal"]

    def listed(value: Any) -> list[Any]:
        return value if isinstance(value, list) else [value]

    selection = Selection.of(pattern)
    expected = []
    triplets = [(one["modality"], one["area"], one["task"]) for one in workshop.records]
    chosen = {one for one in set(triplets) if selection.resolve(dict(zip(AXES, one, strict=True)))}
    for position, (triplet, one) in enumerate(zip(triplets, workshop.records, strict=True)):
        fits = triplet in chosen
        fits &= split is None or part_of(one) in listed(split)
        fits &= labels is None or any(label in one["labels"] for label in labels)
        fits &= source is None or one["source"] in listed(source)
        fits &= subset is None or one["subset"] in listed(subset)
        fits &= row is None or one["row"] in listed(row)
        if fits:
            expected.append(position)
    found = opened.where(pattern, split=split, label=labels, source=source, subset=subset, row=row)
    assert found.tolist() == expected
    assert found.dtype == np.int64


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"split": "tran"}, r"split='tran' is not one of train, validation, test, withheld\. Did you mean 'train'\?"),
        ({"split": ["train", "val"]}, r"split='val' is not one of"),
        ({"label": "covid-19"}, r"no label 'covid-19'\. Did you mean 'COVID-19'\?"),
        ({"source": "bussi"}, r"no source 'bussi'\. Did you mean 'busi'\?"),
        ({"subset": 99}, r"no subset '99'\. Did you mean '9'\?.* mat\.values\('subset'\) lists them"),
        ({"row": 300}, r"no row '300'\. Did you mean '30'\?.* mat\.values\('row'\) lists them"),
        ({"size": 300}, r"no field 'size' to select by"),
        ({"selector": "Ultrasound/*/*"}, r"'Ultrasound' is not a Med-MAT modality\. Did you mean 'US'\?"),
    ],
)
def test_an_unknown_word_is_one_sentence(opened: MedMAT, conditions: dict[str, Any], message: str) -> None:
    for ask in (opened.where, opened.select):
        with pytest.raises(VocabularyError, match=message) as caught:
            ask(**conditions)
        assert isinstance(caught.value, MedMATError)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"streaming": "no"}, "^A selection: streaming must be true or false, not 'no'"),
        ({"withheld": "no"}, "^A selection: withheld must be true or false, not 'no'"),
        ({"one_per": "file"}, "^A selection: one_per: 'file' is not one of record, image"),
        ({"columns": "image"}, "^A selection: columns must be a list, not 'image'"),
        ({"columns": ["labell"]}, "^A selection: columns has an unknown key 'labell'. Did you mean 'label'"),
    ],
)
def test_an_argument_of_a_selection_is_of_its_kind(opened: MedMAT, given: dict[str, Any], message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        opened.select("*", **given)


def test_a_source_that_is_known_but_not_built(few: MedMAT) -> None:
    for ask in (few.where, few.select):
        with pytest.raises(VocabularyError, match=r"no source 'acrima'.* It has: busi, "):
            ask(source="acrima")
        with pytest.raises(VocabularyError, match=r"no row '1'\. It has: "):
            ask(row=1)


def test_numbers_of_numpy_are_numbers(opened: MedMAT) -> None:
    assert opened.where(subset=np.int64(24)).tolist() == opened.where(subset=24).tolist()
    assert opened.where(row=np.array([48, 97])).tolist() == opened.where(row=[48, 97]).tolist()


def test_a_selection_is_a_plain_dataset(mat: MedMAT, workshop: Workshop) -> None:
    selected = mat.select("CT/*/Cancer", split="train")
    expected = [
        one
        for one in workshop.records
        if one["modality"] == "CT" and one["task"] == "Cancer" and part_of(one) == "train"
    ]
    assert type(selected) is datasets.Dataset
    assert selected.features == datasets.Features.from_dict(schema.features())
    assert selected["id"][:] == [one["id"] for one in expected]
    plain = selected.remove_columns(["image", "mask"])
    dropped = ("label_set", "group", "withheld", "key", "file", "position")
    assert plain.to_list() == [{k: v for k, v in one.items() if k not in dropped} for one in expected]
    picture = selected[0]["image"]
    assert isinstance(picture, Image.Image)
    assert picture.size == (expected[0]["width"], expected[0]["height"])


def test_all_that_one_does_with_a_dataset(mat: MedMAT, workshop: Workshop) -> None:
    selected = mat.select("US/Breast/*")
    assert sum(1 for _ in selected) == len(selected) == workshop.ledger("busi")["written"] > 0
    assert [one["id"] for one in selected] == selected["id"][:]
    assert selected[-1]["id"] == selected["id"][-1]
    assert selected[[3, 1]]["id"] == [selected["id"][3], selected["id"][1]]
    arrays = selected.select_columns(["row", "image"]).with_format("numpy")
    assert arrays[0]["image"].ndim in (2, 3)
    selected.set_format("numpy", columns=["row", "width"])
    batch = selected[:4]
    assert batch["row"].dtype.kind == "i"
    assert batch["width"].shape == (4,)
    selected.reset_format()
    small = selected.select(range(3)).map(lambda one: {"area_px": one["width"] * one["height"]})
    assert small[0]["area_px"] == selected[0]["width"] * selected[0]["height"]
    assert small[0]["image"].size == selected[0]["image"].size
    benign = of(workshop, source="busi", label="Benign")
    assert len(selected.filter(lambda label: label == "Benign", input_columns="label")) == len(benign) > 0
    assert selected.shuffle(seed=1).sort("id")["id"][:] == sorted(selected["id"])
    assert set(selected.train_test_split(test_size=5, seed=0)) == {"train", "test"}
    assert selected.unique("source") == ["busi"]
    assert selected.cast_column("image", datasets.Image(decode=False))[0]["image"]["bytes"][:4] == b"\x89PNG"
    kidney = of(workshop, modality="CT", area="Kidney")
    both = datasets.concatenate_datasets([selected, mat.select("CT/Kidney/*")])
    assert both["id"][:] == selected["id"][:] + [one["id"] for one in kidney]
    assert kidney


def test_what_a_data_loader_does(mat: MedMAT) -> None:
    selected = mat.select("CT/*/*", split="train")
    again = pickle.loads(pickle.dumps(selected))  # sent to a worker
    order = np.random.default_rng(0).permutation(len(selected))
    seen = []
    for start in range(0, len(order), 8):
        batch = again.__getitems__(order[start : start + 8].tolist())  # what torch asks for
        assert all(isinstance(one["image"], Image.Image) for one in batch)
        seen += [one["id"] for one in batch]
    assert sorted(seen) == sorted(selected["id"])
    assert seen == [selected["id"][int(i)] for i in order]


def test_take_keeps_the_order_it_is_given(mat: MedMAT, workshop: Workshop) -> None:
    positions = np.random.default_rng(3).permutation(len(mat))[:120]
    positions = np.concatenate([positions, positions[:5]])
    assert mat.take(positions)["id"][:] == [workshop.records[i]["id"] for i in positions]


def test_an_empty_selection(mat: MedMAT, few: MedMAT) -> None:
    assert "validation" not in set(few.index["split"].to_pylist())
    assert not few.where("MRI/*/*").size
    for selected in (mat.select("Co/Skin/*"), few.select("MRI/*/*"), mat.select([])):
        assert type(selected) is datasets.Dataset
        assert len(selected) == 0
        assert selected.features == datasets.Features.from_dict(schema.features())
        assert list(selected) == []
    assert list(mat.select("Co/Skin/*", streaming=True)) == []
    assert list(few.select("MRI/*/*", streaming=True)) == []


def test_single_records_are_read_in_the_order_asked_for(mat: MedMAT, arrow_cache: Path) -> None:
    positions = np.random.default_rng(0).permutation(len(mat))[:40]
    read = mat.read(positions)
    assert [one["id"] for one in read] == mat.index["id"].take(pa.array(positions)).to_pylist()
    taken = mat.take(positions).cast_column("image", datasets.Image(decode=False))
    assert [one["image"]["bytes"] for one in read] == [one["bytes"] for one in taken["image"]]
    assert mat.read(positions[:0]) == []
    assert [one["id"] for one in mat.read(positions[[3, 1, 3]])] == [read[3]["id"], read[1]["id"], read[3]["id"]]


def test_streaming_is_the_same(mat: MedMAT) -> None:
    for conditions in ({"selector": "CT|MRI/*/*"}, {"label": "Normal", "split": ["train", "test"]}, {"source": "busi"}):
        streamed = mat.select(**conditions, streaming=True)
        mapped = mat.select(**conditions)
        assert isinstance(streamed, datasets.IterableDataset)
        assert streamed.features == mapped.features
        count = 0
        for one, other in zip(streamed, mapped, strict=True):
            pixels, others = (np.asarray(record.pop("image")) for record in (one, other))
            assert np.array_equal(pixels, others)
            masks = [record.pop("mask") for record in (one, other)]
            assert (masks[0] is None) == (masks[1] is None)
            assert masks[0] is None or masks[0].tobytes() == masks[1].tobytes()
            assert one == other
            count += 1
        assert count == len(mapped) > 0
    ids = {one["id"] for one in mat.select("CT/*/*", streaming=True).shuffle(seed=0, buffer_size=20)}
    assert ids == set(mat.select("CT/*/*")["id"])
    assert [one["id"] for one in mat.select("CT/*/*", streaming=True).take(3)] == mat.select("CT/*/*")["id"][:3]


def test_streaming_needs_no_cache(mat: MedMAT, workshop: Workshop, arrow_cache: Path) -> None:
    ultrasound = of(workshop, modality="US")
    assert len(list(mat.select("US/*/*", streaming=True))) == len(ultrasound) > 0
    assert not [path for path in arrow_cache.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_streams_are_divided_among_workers(mat: MedMAT) -> None:
    streamed = mat.select("CT/*/*", streaming=True)
    assert streamed.num_shards > 4
    parts = [[one["id"] for one in streamed.shard(3, index)] for index in range(3)]
    assert sorted(one for part in parts for one in part) == sorted(mat.select("CT/*/*")["id"])


# ------------------------------------------------------------------------------------------------------------ the cache


def test_selections_share_one_arrow_file_per_shard(mat: MedMAT, workshop: Workshop, arrow_cache: Path) -> None:
    mat.select("CT/*/*", split="train")
    first = {path: path.stat().st_mtime_ns for path in (arrow_cache / "med_mat").iterdir()}
    used = {one["file"] for one in workshop.records if one["modality"] == "CT" and part_of(one) == "train"}
    assert len(first) == len(used)
    kept = [
        mat.select("CT/Lung/*", split="train"),
        mat.select("*/*/Cancer", split="train", source=["ct_of_brain", "chest_ct_scan"]),
        mat.select("CT/*/*", label="Normal", split="train"),
        mat.select(row=[2, 5], split="train").shuffle(seed=0, keep_in_memory=True),
        med_mat.open(workshop.out).select("CT/*/*", split="train"),
        *(mat.related("CT/Lung/Cancer", size=size, seed=size).train for size in (5, 10, 15)),
    ]
    for selected in kept:
        assert len(selected) > 0
        assert isinstance(selected[0]["image"], Image.Image)
        files = {entry["filename"] for entry in selected.cache_files}
        assert files <= {str(path) for path in first}
    assert {path: path.stat().st_mtime_ns for path in (arrow_cache / "med_mat").iterdir()} == first
    assert [path for path in arrow_cache.rglob("*") if path.is_file() and path.parent.name != "med_mat"] == []


def test_selections_hold_no_pixels_in_memory(mat: MedMAT) -> None:
    everything = mat.select()
    before = pa.total_allocated_bytes()
    selections = [mat.select(split=split) for split in (*SPLITS, WITHHELD) for _ in range(5)]
    pixels = sum(len(one["bytes"]) for one in everything.cast_column("image", datasets.Image(decode=False))["image"])
    assert pixels > 2_000_000
    assert pa.total_allocated_bytes() - before < pixels / 2
    assert sum(map(len, selections)) == 5 * len(everything)


def test_a_changed_build_gets_a_new_arrow_file(copy: Path, arrow_cache: Path) -> None:
    mat = med_mat.open(copy)
    assert mat.select(row=48, split="test")[0]["source"] == "busi"
    before = arrow_files(arrow_cache)
    file = next((copy / "data/busi/048").glob("test-*.parquet"))
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 10**9))
    assert med_mat.open(copy).select(row=48, split="test")[0]["source"] == "busi"
    assert set(before) < set(arrow_files(arrow_cache))


def test_threads_do_not_spoil_the_arrow_files(workshop: Workshop, arrow_cache: Path) -> None:
    def read(_: int) -> list[str]:
        selected = med_mat.open(workshop.out).select("CT|US/*/*")
        return [str(selected[i]["image"].size) + selected[i]["id"] for i in range(0, len(selected), 9)]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(read, range(8)))
    assert all(result == results[0] for result in results)
    assert not [name for name in arrow_files(arrow_cache) if not name.endswith(".arrow")]


def test_an_interrupted_copy_leaves_nothing(
    mat: MedMAT, workshop: Workshop, arrow_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetFile, "iter_batches", stop)
        with pytest.raises(KeyboardInterrupt):
            mat.select("US/*/*")
    assert arrow_files(arrow_cache) == []
    assert len(mat.select("US/*/*")) == len(of(workshop, modality="US")) > 0
