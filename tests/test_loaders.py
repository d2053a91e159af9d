"""One contract over all loaders, on the miniatures that they write themselves."""

from __future__ import annotations

import ast
import hashlib
import io
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from workshop import Workshop, digests

from med_mat.building import Options, build, find
from med_mat.building.consistency import contradiction
from med_mat.building.ledger import MINIATURE_BYTES
from med_mat.building.loader import has_loader, loader_of
from med_mat.catalog import load
from med_mat.demo import miniature
from med_mat.errors import LayoutError
from med_mat.example import Example
from med_mat.layouts.locating import locate, recognise
from med_mat.raw import Miniature, RawFolder

LOADERS = Path(__file__).parents[1] / "loaders"
CATALOG = load()
NAMES = [source.name for source in CATALOG.values() if has_loader(source)]

#: Labels of a card that its miniature does not show, and why.
RARE = {
    "isic_2019": {"Other skin lesion": "UNK, of the test part alone, which has a layout of its own"},
    "covid19_chest_xray_database": {"Lung opacity": "of the release of March 2021, which has a layout of its own"},
    "rfmid_2": dict.fromkeys(
        [
            "Parafoveal telangiectasia",
            "Myelinated nerve fibers",
            "Post-traumatic choroidal rupture",
            "Vitreous hemorrhage",
            "Branch retinal artery occlusion",
            "Plaque",
        ],
        "of release 1.0 alone, which has a layout of its own",
    ),
}
#: Parts of a published split that the miniature's layout does not have.
ABSENT_PARTS = {
    "isic_2019": {"test": "the test part is a download of its own"},
}
#: Sources whose records without a patient are as published, though the card says how patients are known.
SOME_WITHOUT_PATIENT = {
    "augmented_ocular_diseases": "augmented copies alone name their original",
    "chest_xray_pd": "the names of NIH's images alone tell the patient",
    "isic_2018": "lesions are published for the training images alone",
    "isic_2019": "lesion_id is blank for a tenth of the images",
    "multi_label_retinal_diseases": "images of some of its sources have no patient in their name",
}
#: Sources whose miniature shares no patient with the source that numbers its patients, and why.
SHARED_ELSEWHERE = {"coronahack": "it has the older file names, the miniature of pediatric_pneumonia the newer"}

pytestmark = pytest.mark.usefixtures("offline")
each = pytest.mark.parametrize("name", NAMES)


def test_every_source_has_a_loader_and_every_row_and_subset_is_built(workshop: Workshop) -> None:
    assert len(NAMES) == len(load()) == 97
    assert {one["row"] for one in workshop.records} == set(range(1, 110))
    assert {one["subset"] for one in workshop.records} == set(range(1, 54))


def test_each_loader_has_a_card() -> None:
    modules = {path.stem for path in LOADERS.glob("*.py")} - {"__init__"}
    assert modules == set(NAMES)


# --------------------------------------------------------------------------------------------------- the module itself


def tree_of(name: str) -> ast.Module:
    return ast.parse((LOADERS / f"{name}.py").read_text("utf-8"))


@each
def test_the_module_is_short_and_only_parses(name: str) -> None:
    text = (LOADERS / f"{name}.py").read_text("utf-8")
    assert text.count("\n") <= 120
    tree = tree_of(name)
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
        elif isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            assert called not in {"open", "eval", "exec", "print", "read_text", "read_bytes", "iterdir", "rglob"}
            assert called not in {"absolute", "resolve", "stat", "exists", "is_file", "Path"}, "RawFolder does that"
    allowed = {
        *("__future__", "collections", "collections.abc", "dataclasses", "functools", "itertools", "pathlib"),
        *("re", "typing", "med_mat.example", "med_mat.raw"),
    }
    assert imported <= allowed
    for node in tree.body:  # nothing happens at import
        assert isinstance(
            node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.Expr
        )
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant)


@each
def test_the_docstring_shows_the_layout(name: str) -> None:
    module = loader_of(CATALOG[name])
    summary, _, layout = (module.__doc__ or "").partition("\n")
    assert summary.endswith(".")
    assert len(summary) < 120
    lines = [line for line in layout.splitlines() if line.strip()]
    assert len(lines) >= 2
    shown = layout.lower()
    assert re.search(r"\.(png|jpe?g|dcm|dicom|tiff?|bmp|pgm|nii|\*)\b", shown)
    literal = [
        {part for pattern in some for part in re.split(r"[/*?{},]+", pattern.lower()) if len(part) > 3}
        for one in CATALOG[name].layouts
        for some in [(*one.files, part) for part in one.parts] or [one.files]
    ]
    assert any(words and sum(word in shown for word in words) >= len(words) / 2 for words in literal)


@each
def test_it_has_the_two_functions(name: str) -> None:
    module = loader_of(CATALOG[name])
    public = {key for key, value in vars(module).items() if not key.startswith("_") and callable(value)}
    own = {key for key in public if getattr(vars(module)[key], "__module__", "") == module.__name__}
    assert own == {"examples", "miniature"}


# ------------------------------------------------------------------------------------------------------- the miniature


@each
def test_the_miniature_is_always_the_same_to_the_byte(name: str, workshop: Workshop, tmp_path: Path) -> None:
    loader_of(CATALOG[name]).miniature(Miniature(tmp_path / "again"))
    first = digests(workshop.raw / name)
    assert first.pop("SYNTHETIC.txt")
    assert digests(tmp_path / "again") == first


@each
def test_the_miniature_is_small_and_says_what_it_is(name: str, workshop: Workshop) -> None:
    folder = workshop.raw / name
    assert "synthetic" in (folder / "SYNTHETIC.txt").read_text("utf-8")
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in paths) < MINIATURE_BYTES
    assert 8 <= len(paths) < 200


# ------------------------------------------------------------------------------------------------------- being located


@each
def test_it_is_located_wherever_it_lies(name: str, workshop: Workshop, tmp_path: Path) -> None:
    source = CATALOG[name]
    root = locate(source, workshop.raw / name).root
    below = root.relative_to(workshop.raw / name)
    variants = {layout.variant for layout in source.layouts}
    assert locate(source, workshop.raw / name).variant in variants
    assert locate(source, root).root == root  # the folder itself, without what is around it
    moved = tmp_path / "downloads (1)" / "été" / "my copy"
    shutil.copytree(workshop.raw / name, moved)
    for start in (moved, moved.parent):  # named otherwise, and one level too high
        found = locate(source, start)
        assert found.root == moved / below
        assert found.variant in variants
    assert {key: raw.root for key, raw in recognise(tmp_path, CATALOG).items()} == {name: moved / below}
    assert {key: raw.root for key, raw in find({name: None}, tmp_path / "downloads (1)").items()} == {
        name: moved / below
    }


def test_all_are_recognised_side_by_side_whatever_their_folders_are_called(workshop: Workshop, tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        (tmp_path / f"disk {number % 3}").mkdir(exist_ok=True)
        (tmp_path / f"disk {number % 3}" / f"set {number}").symlink_to(workshop.raw / name)
    assert recognise(tmp_path, CATALOG) == {}  # links to folders are not followed
    for number, name in enumerate(NAMES):
        place = tmp_path / f"disk {number % 3}" / f"set {number}"
        place.unlink()
        shutil.copytree(workshop.raw / name, place)
    found = recognise(tmp_path, CATALOG)
    assert list(found) == NAMES
    for number, name in enumerate(NAMES):
        assert found[name].root.is_relative_to(tmp_path / f"disk {number % 3}" / f"set {number}")


@each
def test_an_empty_copy_is_refused_with_what_was_expected(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(LayoutError) as caught:
        locate(CATALOG[name], tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert f"med-mat show {name}" in str(caught.value)
    assert CATALOG[name].layouts[0].words in str(caught.value)


# ------------------------------------------------------------------------------------------------------- the examples


def examples(name: str, folder: Path) -> tuple[list[Example], RawFolder]:
    raw = locate(CATALOG[name], folder)
    return list(loader_of(CATALOG[name]).examples(raw)), raw


@each
def test_examples_come_in_one_order_whatever_the_disk_says(name: str, workshop: Workshop, tmp_path: Path) -> None:
    first, raw = examples(name, workshop.raw / name)
    assert examples(name, workshop.raw / name)[0] == first
    assert list(loader_of(CATALOG[name]).examples(raw)) == first, "a second run over the same RawFolder"
    for path in sorted((workshop.raw / name).rglob("*"), reverse=True):  # another order on disk, another root
        if path.is_file():
            copy = tmp_path / "copy" / path.relative_to(workshop.raw / name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    assert examples(name, tmp_path / "copy")[0] == first


@each
def test_examples_are_lazy_and_hold_paths_below_the_root(name: str, workshop: Workshop) -> None:
    raw = locate(CATALOG[name], workshop.raw / name)
    iterator = loader_of(CATALOG[name]).examples(raw)
    assert iter(iterator) is iterator
    names = set()
    for example in iterator:
        for path in example.files:
            assert isinstance(path, PurePosixPath)
            assert not path.is_absolute()
            assert ".." not in path.parts
            assert str(path) in raw.files
        assert example.name not in names
        assert str(workshop.root) not in repr(example)
        names.add(example.name)


@each
def test_every_label_of_an_example_is_on_the_card(name: str, workshop: Workshop) -> None:
    known = {raw for row in CATALOG[name].rows for raw in row.labels}
    for example in examples(name, workshop.raw / name)[0]:
        said = {example.label} - {None} | set(example.labels) | {box.label for box in example.boxes or ()}
        assert said <= known


# ----------------------------------------------------------------------------------------------------------- the build


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+|[0-9]+", text.casefold()))


@each
def test_the_card_says_where_its_files_identify(name: str, workshop: Workshop) -> None:
    source = CATALOG[name]
    found = examples(name, workshop.raw / name)[0]
    known = [example for example in found if example.patient is not None]
    if known:
        assert source.identifying, "it is known whose images these are, so something says it"
    if known and all(words_of(str(example.patient)) <= words_of(str(example.path)) for example in known):
        assert source.identifies("file names")
    if any(re.search(r"(?i)\b(fe)?male\b|\b\d+ ?(y|yrs?|years?)\b", example.raw_label or "") for example in found):
        assert source.identifies("raw labels")


@each
def test_the_ledger_balances(name: str, workshop: Workshop) -> None:
    ledger = workshop.ledger(name)
    assert ledger["found"] == ledger["written"] + ledger["skipped"]
    assert ledger["written"] == len(workshop.of(name)) >= 6
    assert ledger["skipped"] == len(ledger["quarantine"])
    files = ledger["files"]
    assert files["found"] == files["images"] + files["annotations"] + files["skipped"]
    root = locate(CATALOG[name], workshop.raw / name).root
    assert files["found"] == sum(path.is_file() for path in root.rglob("*"))
    assert len(ledger["skipped_files"]) == files["skipped"]
    for path, reason in ledger["skipped_files"].items():
        assert (root / path).is_file()
        assert len(reason) > 10
    for entry in ledger["quarantine"]:
        assert set(entry) == {"id", "path", "reason"}
        assert len(entry["reason"]) > 10
    assert ledger["synthetic"] is True
    assert ledger["skipped"] <= ledger["written"] / 4, "most of a miniature is sound"


@each
def test_every_row_of_the_card_has_records(name: str, workshop: Workshop) -> None:
    source = CATALOG[name]
    counts = Counter(one["row"] for one in workshop.of(name))
    assert set(counts) == {row.number for row in source.rows}
    for one in workshop.of(name):
        row = source.row(one["row"])
        assert (one["modality"], one["area"], one["task"]) == (row.mat.modality, row.mat.area, row.mat.task)
        assert one["subset"] == row.subset
        assert one["license"] == source.license


@each
def test_every_label_of_the_card_occurs(name: str, workshop: Workshop) -> None:
    rare = RARE.get(name, {})
    for row in CATALOG[name].rows:
        records = [one for one in workshop.of(name) if one["row"] == row.number]
        seen = {label for one in records for label in one["labels"]}
        assert seen <= set(row.names)
        assert set(row.names) - seen == set(rare) & set(row.names)
        for one in records:
            states = [*one["labels"], *one["labels_absent"], *one["labels_unknown"]]
            assert len(set(states)) == len(states)
            if row.kind in ("classes", "grades"):
                assert one["labels"] == [one["label"]]
                assert not one["labels_absent"]
            else:
                assert one["label"] is None
                assert set(states) == set(row.names)
    text = CATALOG[name].prose + repr(CATALOG[name].errata)
    for label in rare:
        assert label in text or any(
            raw in text for row in CATALOG[name].rows for raw, n in row.labels.items() if n == label
        )


@each
def test_ids_are_unique_and_hold_source_and_row(name: str, workshop: Workshop) -> None:
    ids = [one["id"] for one in workshop.of(name)]
    assert len(set(ids)) == len(ids)
    for one in workshop.of(name):
        assert one["id"].startswith(f"{name}/{one['row']}/")
        assert "\\" not in one["id"]


@each
def test_the_split_is_that_of_the_card(name: str, workshop: Workshop) -> None:
    source = CATALOG[name]
    published = set(source.published_split) - set(ABSENT_PARTS.get(name, {}))
    records = workshop.of(name)
    assert {one["published_split"] for one in records} == (published or {None})
    held_out = published & {"validation", "test"}
    if not held_out:
        assert workshop.ledger(name)["split"] == "seeded 9:1 by group (seed 0)"
        sides = defaultdict(set)
        for one in records:
            for key in ("patient", "sha256", "group"):
                if one[key] is not None:
                    sides[key, one[key]].add(one["split"])
        assert all(len(split) == 1 for split in sides.values()), "a patient or a file on both sides"
        assert {one["split"] for one in records} <= {"train", "test"}
        tested = sum(one["split"] == "test" for one in records)
        assert tested <= len(records) / 2
    else:
        assert workshop.ledger(name)["split"] == "published"
        only_validation = held_out == {"validation"}
        for one in records:
            meant = "test" if only_validation and one["published_split"] == "validation" else one["published_split"]
            assert one["split"] == (meant or "train")
    assert any(one["split"] == "train" for one in records)


@each
def test_patients_are_there_where_the_card_says_so(name: str, workshop: Workshop) -> None:
    patients = [one["patient"] for one in workshop.of(name)]
    if not CATALOG[name].patients:
        assert set(patients) == {None}
        return
    assert None not in patients or name in SOME_WITHOUT_PATIENT
    raw_patients = {example.patient for example in examples(name, workshop.raw / name)[0]} - {None}
    written = {one for one in patients if one is not None}
    assert len(written) > 1
    assert written <= set(range(len(raw_patients))), "numbers in the order of first appearance, and nothing else"


def test_sources_share_patients_and_groups_where_the_card_says_so_and_nowhere_else(workshop: Workshop) -> None:
    numbering = {name: CATALOG[name].patients_of for name in NAMES}
    named = {name: examples(name, workshop.raw / name)[0] for name in NAMES if CATALOG[name].patients}
    numbered = {
        name: list(dict.fromkeys(one.patient for one in found if one.patient is not None))
        for name, found in named.items()
    }
    holders: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    groups: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for one in workshop.records:
        if one["patient"] is not None:
            patient = (numbering[one["source"]], numbered[one["source"]][one["patient"]])
            holders[patient].add(one["source"])
            groups[patient].add(one["group"])
    assert all(len(numbers) == 1 for numbers in groups.values())
    for name, whose in numbering.items():
        shared = any({name, whose} <= sources for sources in holders.values())
        assert shared == (bool(CATALOG[name].patients) and name not in SHARED_ELSEWHERE)


# ---------------------------------------------------------------------------------------------- pictures, boxes, masks


def pictures(workshop: Workshop, name: str) -> list[dict[str, Any]]:
    """The records of a source with their pixels."""
    rows = []
    for path in sorted((workshop.out / "data" / name).rglob("*.parquet")):
        rows += pq.read_table(path).to_pylist()
    return rows


@each
def test_pictures_boxes_and_masks_fit(name: str, workshop: Workshop) -> None:
    source = CATALOG[name]
    drawn = 0
    for one in pictures(workshop, name):
        with Image.open(io.BytesIO(one["image"]["bytes"])) as image:
            image.load()
            assert image.format in ("PNG", "JPEG", "WEBP", "GIF")
            size = image.size
            if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):
                size = size[::-1]
        assert size == (one["width"], one["height"])
        kind = source.row(one["row"]).kind
        assert contradiction(one) is None
        for box in one["boxes"] or ():
            assert 0 <= box["xmin"] < box["xmax"] <= one["width"]
            assert 0 <= box["ymin"] < box["ymax"] <= one["height"]
            assert box["label"] in one["labels"]
        if kind not in ("boxes", "masks"):
            if not any(row.kind in ("boxes", "masks") for row in source.rows):
                continue
            assert (one["boxes"], one["mask"], one["mask_legend"]) == (None, None, None), "another row has them"
            continue
        drawn += len(one["boxes"])
        if kind == "masks" and one["labels"]:
            assert one["mask"] is not None
        if one["mask"] is None:
            assert one["mask_legend"] is None
            continue
        with Image.open(io.BytesIO(one["mask"]["bytes"])) as mask:
            assert mask.format == "PNG"
            assert mask.size == size
            values = set(np.unique(np.asarray(mask)).tolist()) - {0}
        assert values == {entry["value"] for entry in one["mask_legend"]}
        named = {label for entry in one["mask_legend"] for label in entry["labels"]}
        assert named <= set(one["labels"])
        assert all(entry["labels"] for entry in one["mask_legend"])
        assert one["mask"]["path"].endswith("_mask.png")
    if any(row.kind in ("boxes", "masks") for row in source.rows):
        assert drawn >= 6


@each
def test_bytes_are_the_publishers_where_nothing_was_done(name: str, workshop: Workshop) -> None:
    hashes = set(workshop.hashes["before"].values())
    for one in pictures(workshop, name):
        assert one["sha256"] in hashes
        if one["transform"] == "none":
            assert hashlib.sha256(one["image"]["bytes"]).hexdigest() == one["sha256"]
            assert "/" not in one["image"]["path"]


@each
def test_questions_are_asked_of_every_record(name: str, workshop: Workshop) -> None:
    for one in workshop.of(name):
        assert one["question"].strip()
        assert one["open_question"].strip()
        if one["answer"]:
            right = one["options"]["ABCD".index(one["answer"])]
            assert right == one["open_answer"]
            if one["label"] is not None:
                assert right == one["label"]
            assert 2 <= len(set(one["options"])) == len(one["options"]) <= 4
            for letter, option in zip("ABCD", one["options"], strict=False):
                assert f"{letter}: {option}" in one["question"]
        else:
            assert one["options"] == []
            assert one["label"] is None


# --------------------------------------------------------------------------------------------------------- side effects


def test_the_raw_folders_are_as_they_were(workshop: Workshop) -> None:
    assert workshop.hashes["after"] == workshop.hashes["before"]
    assert digests(workshop.raw) == workshop.hashes["before"]


@each
def test_a_build_leaves_no_trace_elsewhere_and_is_the_same_alone(
    name: str, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, elsewhere = tmp_path / "raw", tmp_path / "elsewhere"
    shutil.copytree(workshop.raw / name, raw / name)
    for folder in ("home", "cwd", "tmp"):
        (elsewhere / folder).mkdir(parents=True)
    monkeypatch.chdir(elsewhere / "cwd")
    monkeypatch.setenv("HOME", str(elsewhere / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere / "tmp"))
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in raw.rglob("*")}
    found = find({name: None}, raw)
    build(found, tmp_path / "out", Options(jobs=1))
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in raw.rglob("*")} == before
    assert not [path for path in elsewhere.rglob("*") if path.is_file()]
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "out", "elsewhere"}
    # built alone its questions may have other options; pixels, labels, boxes, masks and splits are the same
    # and so, elsewhere, are what is withheld and the files that follow from it
    ignored = {"question", "options", "answer", "target", "group", "withheld", "file", "position"}
    alone = pq.read_table(tmp_path / "out" / "index.parquet").to_pylist()
    kept, known = (
        {one["id"]: {key: value for key, value in one.items() if key not in ignored} for one in found_ones}
        for found_ones in (alone, workshop.of(name))
    )
    assert kept == known
    again = build(found, tmp_path / "out", Options(jobs=1))
    assert again.kept == len(list((tmp_path / "out" / ".build" / name).glob("*.json")))


def test_the_miniature_command_writes_below_its_folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    assert list(miniature(tmp_path / "raw", ["busi"])) == ["busi"]
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["busi"]
    assert not list((tmp_path / "cwd").iterdir())
