import hashlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from building import CLASS_FOLDERS, Toy, content, draw, ledger, make, records, touch

import med_mat
from med_mat.building import Options, build, find, plan, run, shard
from med_mat.catalog import Catalog, load
from med_mat.demo import miniature
from med_mat.errors import BuildError, MedMATError
from med_mat.raw import RawFolder

MakeToy = Callable[..., Toy]
PAIR = ("head_ct", "busi")


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "SHARD_EXAMPLES", 3)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    miniature(tmp_path / "raw", PAIR)
    return tmp_path / "raw"


def shard_facts(out: Path) -> dict[str, tuple[int, int]]:
    """Parquet file -> what changes when it is written again."""
    return {
        path.relative_to(out).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in (out / "data").rglob("*.parquet")
    }


def rewritten(before: dict[str, tuple[int, int]], out: Path) -> set[str]:
    return {name for name, facts in shard_facts(out).items() if before.get(name) != facts}


@pytest.mark.usefixtures("small_shards")
def test_workers_and_order_change_no_byte(raw: Path, tmp_path: Path) -> None:
    make(raw, tmp_path / "1", *PAIR)
    expected = content(tmp_path / "1")
    assert sum(name.endswith(".parquet") for name in expected) > 15
    for jobs in (2, 3):
        make(raw, tmp_path / str(jobs), *PAIR[::-1], jobs=jobs)
        assert content(tmp_path / str(jobs)) == expected
    make(raw, tmp_path / "None", *PAIR, jobs=None)
    assert content(tmp_path / "None") == expected


def test_where_the_folders_lie_changes_no_byte(raw: Path, tmp_path: Path) -> None:
    make(raw, tmp_path / "out", *PAIR)
    shutil.copytree(raw, tmp_path / "else" / "where")
    make(tmp_path / "else" / "where", tmp_path / "far" / "away", *PAIR)
    assert content(tmp_path / "far" / "away") == content(tmp_path / "out")


@pytest.mark.usefixtures("small_shards")
def test_a_second_run_reuses_every_shard_and_changes_no_byte(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert make(raw, out, *PAIR).reused == 0
    before, facts = content(out), shard_facts(out)
    report = make(raw, out, *PAIR)
    assert report.reused == len(list((out / ".build").rglob("*.json")))
    assert report.written == len(records(out))
    assert content(out) == before
    assert shard_facts(out) == facts


@pytest.mark.usefixtures("small_shards")
def test_a_changed_file_rebuilds_its_own_shard_alone(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(raw, out, *PAIR)
    facts = shard_facts(out)
    image = raw / "head_ct/head_ct/head_ct/005.png"
    (raw / "head_ct/head_ct/head_ct/006.png").replace(image)  # other pixels under a known name
    shutil.copy(image, raw / "head_ct/head_ct/head_ct/006.png")
    touch(image)
    report = make(raw, out, *PAIR)
    assert len(rewritten(facts, out)) in (1, 2)  # the two may lie in two shards
    assert report.reused == len(list((out / ".build").rglob("*.json"))) - len(rewritten(facts, out))
    make(raw, tmp_path / "clean", *PAIR)
    assert content(out) == content(tmp_path / "clean")


@pytest.mark.usefixtures("small_shards")
def test_a_changed_mask_rebuilds_the_shard_of_its_image(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(raw, out, *PAIR)
    facts = shard_facts(out)
    folder = raw / "busi/Dataset_BUSI_with_GT/benign"
    shutil.copy(folder / "benign (2).png", folder / "benign (2)_mask.png")
    touch(folder / "benign (2)_mask.png")
    make(raw, out, *PAIR)
    assert {name.split("/")[1] for name in rewritten(facts, out)} == {"busi"}
    assert len({name.rsplit("/", 1)[1] for name in rewritten(facts, out)}) == 1
    make(raw, tmp_path / "clean", *PAIR)
    assert content(out) == content(tmp_path / "clean")


@pytest.mark.usefixtures("small_shards")
def test_a_file_that_is_gone_is_gone_from_the_build(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw(*(f"{label}/{n}.png" for label in "ab" for n in range(8)))
    source.build()
    for n in range(6):
        (source.raw / "a" / f"{n}.png").unlink()
    source.build()
    assert len(records(source.out)) == 10
    source.build(source.out.with_name("clean"))
    assert content(source.out) == content(source.out.with_name("clean"))


def test_a_file_that_goes_bad_goes_from_the_records_to_the_ledger(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "a/2.png")
    source.build()
    (source.raw / "a/2.png").write_bytes(b"")
    source.build()
    assert [one["id"] for one in records(source.out)] == ["toy/48/a/1.png"]
    assert ledger(source.out)["skipped_files"] == {"a/2.png": "a/2.png: the file is empty."}
    files = {path.name for path in (source.out / "data").rglob("*.parquet")}
    assert files == {Path(one["file"]).name for one in records(source.out)}


def test_a_source_that_is_added_later_leaves_the_first_as_it_is(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(raw, out, "busi")
    facts = shard_facts(out)
    make(raw, out, "head_ct")
    assert {name: shard_facts(out)[name] for name in facts} == facts
    assert {one["source"] for one in records(out)} == set(PAIR)
    make(raw, tmp_path / "both", *PAIR)
    assert content(out) == content(tmp_path / "both")


def test_other_options_build_again(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(raw, out, "busi")
    assert make(raw, out, "busi", seed=1).reused == 0
    assert all(one["pixel_hash"] and one["perceptual_hash"] for one in records(out))
    assert make(raw, out, "busi", seed=1, check="header").reused == 0
    assert make(raw, out, "busi", seed=1, check="header", on_error="skip").reused == 2
    assert not any(one["pixel_hash"] or one["perceptual_hash"] for one in records(out))
    assert json.loads((out / "med_mat.json").read_text())["sources"]["busi"]["split"] == "seeded 9:1 (seed 1)"


def test_an_edited_card_builds_again(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "b/2.png")
    source.build()
    (row,) = source.source.rows
    edited = replace(source, source=replace(source.source, rows=(replace(row, labels={"a": "Cyst", "b": "Tumor"}),)))
    assert edited.build().reused == 0
    assert {one["label"] for one in records(source.out)} == {"Cyst", "Tumor"}


def test_labels_that_another_source_adds_to_the_subset_are_asked_for_too(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png")
    source.build()
    assert {option for one in records(source.out) for option in one["options"]} == {"Benign", "Malignant"}
    (row,) = source.source.rows
    other = replace(
        source.source, name="other", rows=(replace(row, number=4800, source="other", labels={"c": "Cyst"}),)
    )
    catalog = Catalog({"toy": source.source, "other": other}, load().subsets)
    report = build({"toy": RawFolder(source.raw, "any")}, source.out, Options(jobs=1), catalog=catalog)
    assert report.reused == 0
    assert {option for one in records(source.out) for option in one["options"]} == {"Benign", "Malignant", "Cyst"}


def test_the_manifest_is_written_last(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    written: list[str] = []
    replace_file = Path.replace

    def noted(self: Path, target: Path) -> Path:
        written.append(target.relative_to(out).as_posix())
        return replace_file(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    make(raw, out, *PAIR)
    assert written[-1] == "med_mat.json"
    assert written.count("med_mat.json") == 1
    assert set(written) == set(content(out))


@pytest.mark.parametrize("broken", ["write_index", "write_cards"])
def test_a_build_without_its_manifest_is_not_opened_and_can_be_finished(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    out = tmp_path / "out"
    make(raw, tmp_path / "clean", *PAIR)
    make(raw, out, "busi")

    def fails(*_: object, **__: object) -> None:
        raise BuildError("stopped here.")

    with monkeypatch.context() as patch:
        patch.setattr(run, broken, fails)
        with pytest.raises(BuildError, match="stopped here"):
            make(raw, out, *PAIR)
    with pytest.raises(BuildError, match="unfinished build"):
        med_mat.open(out)
    make(raw, out, *PAIR)
    assert content(out) == content(tmp_path / "clean")


def test_a_source_that_cannot_be_read_leaves_a_finished_build_as_it_was(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(raw, out, *PAIR)
    before = content(out)
    table = raw / "head_ct/labels.csv"
    table.write_text(table.read_text().replace("hemorrhage", "bleeding"))
    with pytest.raises(MedMATError, match="no column 'hemorrhage'"):
        make(raw, out, "head_ct")
    assert content(out) == before
    assert len(med_mat.open(out)) == 55


@pytest.mark.usefixtures("small_shards")
def test_a_rebuild_that_stopped_halfway_is_no_part_of_a_later_build_of_another_source(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    make(raw, out, "head_ct")
    for image in (raw / "head_ct/head_ct/head_ct").iterdir():
        touch(image)
    calls = 0
    original = shard.write_shard

    def stops(*arguments: object) -> shard.Result:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise BuildError("stopped here.")
        return original(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_shard", stops)
        with pytest.raises(BuildError, match="stopped here"):
            make(raw, out, "head_ct")
    make(raw, out, "busi")
    assert {one["source"] for one in records(out)} == {"busi"}
    make(raw, out, "head_ct")
    make(raw, tmp_path / "clean", *PAIR)
    assert content(out) == content(tmp_path / "clean")


def test_a_shard_that_was_replaced_before_the_build_stopped_is_not_taken_for_the_old_one(
    toy: MakeToy, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = toy(CLASS_FOLDERS)
    draw(source.raw / "a/1.png", 200)
    source.build()
    before = content(source.out)
    image = source.raw / "a/1.png"
    old, facts = image.read_bytes(), image.stat()

    def stops(path: Path, data: bytes) -> None:
        raise BuildError(f"{path.name} is not written.")

    for shade in range(199):  # until the new shard is as long as the old one
        draw(image, shade)
        with monkeypatch.context() as patch:
            patch.setattr(shard, "write_atomically", stops)
            with pytest.raises(BuildError, match="is not written"):
                source.build()
        half = {name: data for name, data in content(source.out).items() if name.endswith(".parquet")}
        if all(len(data) == len(before[name]) for name, data in half.items()):
            break
    name = "data/toy/048/train-00000.parquet"
    assert half[name] != before[name]
    assert len(half[name]) == len(before[name])
    image.write_bytes(old)
    os.utime(image, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    source.build()
    assert content(source.out) == before


def test_raising_stops_at_the_first_bad_file_and_keeps_what_is_done(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["busi", "brain_tumor_mri"])
    out = tmp_path / "out"
    with pytest.raises(MedMATError, match=r"Tr-gl_0013\.jpg.*'skip' for on_error"):
        make(tmp_path / "raw", out, "brain_tumor_mri", on_error="raise")
    assert not list(out.rglob("*.tmp"))
    assert not (out / "med_mat.json").exists()
    report = make(tmp_path / "raw", out, "brain_tumor_mri")
    assert report.skipped == 1
    with pytest.raises(MedMATError, match=r"Tr-gl_0013\.jpg"):  # also where an earlier run has skipped it
        make(tmp_path / "raw", out, "brain_tumor_mri", on_error="raise")


def test_sources_are_recognised_below_a_folder(raw: Path, tmp_path: Path) -> None:
    (raw / "busi").rename(raw / "ultrasound of the breast")
    found = find({}, raw)
    assert list(found) == ["head_ct", "busi"]
    build(found, tmp_path / "out", Options(jobs=1))
    assert {one["source"] for one in records(tmp_path / "out")} == set(PAIR)


def png(shades: list[list[int]]) -> bytes:
    """A grey PNG whose bytes depend on no library: its pixels are stored, not compressed."""
    lines = b"".join(b"\0" + bytes(line) for line in shades)
    stored = b"\x78\x01\x01" + struct.pack("<HH", len(lines), len(lines) ^ 0xFFFF) + lines
    stored += struct.pack(">I", zlib.adler32(lines))
    header = struct.pack(">IIBBBBB", len(shades[0]), len(shades), 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", stored), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


#: Not the questions: their words are data that other tests look after.
GOLDEN_COLUMNS = (
    "id", "source", "row", "subset", "modality", "area", "task", "split", "published_split", "label", "labels",
    "labels_absent", "labels_unknown", "raw_label", "boxes", "mask_legend", "patient", "sha256", "width", "height",
    "transform", "group", "file", "position",
)  # fmt: skip
GOLDEN = "93df45b3b4abbdef14fee0dd44958b0bf5f7bbe7db3a583acd8aafa261f16bda"


def test_the_same_raw_files_give_the_same_records_as_ever(toy: MakeToy) -> None:
    source = toy("""
    for image in raw.images("*/*"):
        yield Example(image, label=image.parent.name, boxes=(Box(1, 0, 3, 2, "a"),), patient=image.stem)
""")
    for number in range(40):
        path = source.raw / "ab"[number % 2] / f"{number // 2:02d}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png([[number, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, number // 3]]))
    source.build()
    rows = [[one[name] for name in GOLDEN_COLUMNS] for one in records(source.out)]
    digest = hashlib.sha256(json.dumps(rows).encode())
    for path in sorted((source.out / "data").rglob("*.parquet")):
        for image in pq.read_table(path, columns=["image"])["image"].to_pylist():
            digest.update(image["bytes"] + image["path"].encode())
    # if this fails, the same raw files now give another dataset: users' splits and ids change. If that is
    # meant, raise med_mat.schema.VERSION or the version of Med-MAT, and then put the new digest here
    assert digest.hexdigest() == GOLDEN


@pytest.mark.parametrize("damage", ["cut", "deleted"])
@pytest.mark.parametrize("pattern", ["data/busi/097/train-*.parquet", "index.parquet", ".build/busi/train-*.json"])
def test_what_was_damaged_since_is_written_again(raw: Path, tmp_path: Path, damage: str, pattern: str) -> None:
    out = tmp_path / "out"
    make(raw, out, *PAIR)
    before = content(out)
    for path in out.glob(pattern):
        if damage == "cut":
            path.write_bytes(path.read_bytes()[:50])
        else:
            path.unlink()
    assert content(out) != before
    make(raw, out, *PAIR)
    assert content(out) == before
