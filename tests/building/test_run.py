import hashlib
import json
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from building import CLASS_FOLDERS, Toy, content, ledger, make, records, touch
from PIL import Image

import med_mat
from med_mat.building import Options, build, chunk, find, finish, forecast, plan, stream
from med_mat.catalog import Catalog, load
from med_mat.demo import miniature
from med_mat.errors import BuildError, MedMATError
from med_mat.raw import RawFolder
from med_mat.storage.location import JOURNAL

MakeToy = Callable[..., Toy]
PAIR = ("head_ct", "busi")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "CHUNK_EXAMPLES", 3)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    miniature(tmp_path / "raw", PAIR)
    return tmp_path / "raw"


def file_facts(out: Path) -> dict[str, tuple[int, int]]:
    """Parquet file -> what changes when it is written again."""
    return {
        path.relative_to(out).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in (out / "data").rglob("*.parquet")
    }


def chunks_of(out: Path) -> int:
    """How many chunks a build has."""
    return len(list((out / ".build").glob("*/*.json")))


def rewritten(before: dict[str, tuple[int, int]], out: Path) -> set[tuple[str, str]]:
    """Source and number of the chunks of which a file was written again."""
    changed = (name for name, facts in file_facts(out).items() if before.get(name) != facts)
    return {(name.split("/")[1], name.rpartition("/")[2].split("-")[1]) for name in changed}


@pytest.mark.usefixtures("small_chunks")
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


@pytest.mark.usefixtures("small_chunks")
def test_a_second_run_reuses_every_chunk_and_changes_no_byte(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert make(raw, out, *PAIR).kept == 0
    before, facts = content(out), file_facts(out)
    report = make(raw, out, *PAIR)
    assert report.kept == chunks_of(out)
    assert report.written == len(records(out))
    assert content(out) == before
    assert file_facts(out) == facts


@pytest.mark.usefixtures("small_chunks")
def test_a_changed_file_rebuilds_its_own_chunk_alone(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(raw, out, *PAIR)
    facts = file_facts(out)
    image = raw / "head_ct/head_ct/head_ct/005.png"
    (raw / "head_ct/head_ct/head_ct/006.png").replace(image)  # other pixels under a known name
    shutil.copy(image, raw / "head_ct/head_ct/head_ct/006.png")
    touch(image)
    report = make(raw, out, *PAIR)
    assert report.kept in (chunks_of(out) - 1, chunks_of(out) - 2)  # the two may lie in two chunks
    assert {source for source, _ in rewritten(facts, out)} == {"head_ct"}
    make(raw, tmp_path / "clean", *PAIR)
    assert content(out) == content(tmp_path / "clean")


@pytest.mark.usefixtures("small_chunks")
def test_a_changed_mask_rebuilds_the_chunk_of_its_image(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(raw, out, *PAIR)
    facts = file_facts(out)
    folder = raw / "busi/Dataset_BUSI_with_GT/benign"
    with Image.open(folder / "benign (2)_mask.png") as mask:
        mask.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "benign (2)_mask.png")
    touch(folder / "benign (2)_mask.png")
    report = make(raw, out, *PAIR)
    assert {source for source, _ in rewritten(facts, out)} == {"busi"}
    assert (report.kept, report.copied) == (chunks_of(out) - 1, 1), "the image itself is not decoded again"
    make(raw, tmp_path / "clean", *PAIR)
    assert content(out) == content(tmp_path / "clean")


@pytest.mark.usefixtures("small_chunks")
def test_a_file_that_is_gone_is_gone_from_the_build(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw(*(f"{label}/{n}.png" for label in "ab" for n in range(8)))
    source.build()
    before = content(source.out)
    for n in range(6):
        (source.raw / "a" / f"{n}.png").unlink()
    with pytest.raises(BuildError, match=r"6 records of 16 .* would no longer be there: .*toy/48/a/0\.png"):
        source.build()
    assert {name: data for name, data in content(source.out).items() if "/next/" not in name} == before
    source.build(allow_fewer=True)
    assert len(records(source.out)) == 10
    source.build(source.out.with_name("clean"))
    assert content(source.out) == content(source.out.with_name("clean"))


def test_a_file_that_goes_bad_goes_from_the_records_to_the_ledger(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "a/2.png")
    source.build()
    (source.raw / "a/2.png").write_bytes(b"")
    source.build(allow_fewer=True)
    assert [one["id"] for one in records(source.out)] == ["toy/48/a/1.png"]
    assert ledger(source.out)["skipped_files"] == {"a/2.png": "a/2.png: the file is empty."}
    files = {path.name for path in (source.out / "data").rglob("*.parquet")}
    assert files == {Path(one["file"]).name for one in records(source.out)}


def test_a_source_that_is_added_later_leaves_the_first_as_it_is(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(raw, out, "busi")
    facts = file_facts(out)
    make(raw, out, "head_ct")
    assert {name: file_facts(out)[name] for name in facts} == facts
    assert {one["source"] for one in records(out)} == set(PAIR)
    make(raw, tmp_path / "both", *PAIR)
    assert content(out) == content(tmp_path / "both")


def test_other_options_build_again(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(raw, out, "busi")
    again = make(raw, out, "busi", seed=1)
    assert (again.kept, again.moved) == (1, 1), "another seed moves records and decodes nothing"
    assert all(one["pixel_hash"] and one["perceptual_hash"] for one in records(out))
    assert make(raw, out, "busi", seed=1, check="header").kept == 0
    assert make(raw, out, "busi", seed=1, check="header", on_error="skip").kept == 1
    assert not any(one["pixel_hash"] or one["perceptual_hash"] for one in records(out))
    assert json.loads((out / "med_mat.json").read_text())["sources"]["busi"]["split"] == "seeded 9:1 by group (seed 1)"


def test_an_edited_card_builds_again(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "b/2.png")
    source.build()
    (row,) = source.source.rows
    edited = replace(source, source=replace(source.source, rows=(replace(row, labels={"a": "Cyst", "b": "Tumor"}),)))
    report = edited.build()
    assert (report.kept, report.copied) == (0, 1), "the images themselves are not decoded again"
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
    assert report.kept == 0
    assert {option for one in records(source.out) for option in one["options"]} == {"Benign", "Malignant", "Cyst"}


def test_the_manifest_takes_its_place_last(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    placed: list[str] = []
    replace_file = Path.replace

    def noted(self: Path, target: Path) -> Path:
        placed.append(target.relative_to(out).as_posix())
        return replace_file(self, target)

    monkeypatch.setattr(Path, "replace", noted)
    make(raw, out, *PAIR)
    placed = [name for name in placed if not name.startswith(".build/next/") and name != JOURNAL]
    assert placed[-1] == "med_mat.json"
    assert placed.count("med_mat.json") == 1
    assert set(placed) == set(content(out))


@pytest.mark.parametrize("broken", ["settle", "write_index", "write_cards", "switch"])
def test_a_build_that_fails_leaves_the_old_one_whole_and_can_be_finished(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    out = tmp_path / "out"
    make(raw, tmp_path / "clean", *PAIR)
    make(raw, out, "busi")
    before = content(out)

    def fails(*_: object, **__: object) -> None:
        raise BuildError("stopped here.")

    with monkeypatch.context() as patch:
        patch.setattr(finish, broken, fails)
        with pytest.raises(BuildError, match="stopped here"):
            make(raw, out, *PAIR)
    assert {name: data for name, data in content(out).items() if not name.startswith(".build/next/")} == before
    assert len(med_mat.open(out)) == 35
    make(raw, out, *PAIR)
    assert content(out) == content(tmp_path / "clean")


def test_a_first_build_that_fails_is_not_opened(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise BuildError("stopped here.")

    monkeypatch.setattr(finish, "write_index", fails)
    with pytest.raises(BuildError, match="stopped here"):
        make(raw, tmp_path / "out", *PAIR)
    with pytest.raises(BuildError, match="unfinished build"):
        med_mat.open(tmp_path / "out")


def test_a_switch_that_was_killed_is_finished_by_the_next_build(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    make(raw, tmp_path / "clean", *PAIR)
    make(raw, out, "busi")
    replace_file, moved = Path.replace, 0

    def stops(self: Path, target: Path) -> Path:
        nonlocal moved
        if "/next/" in self.as_posix() and "/next/" not in target.as_posix():
            moved += 1
            if moved == 5:
                raise KeyboardInterrupt
        return replace_file(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stops)
        with pytest.raises(KeyboardInterrupt):
            make(raw, out, *PAIR)
    assert (out / JOURNAL).is_file()
    make(raw, out, "busi")  # finishes it first
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


@pytest.mark.usefixtures("small_chunks")
def test_a_rebuild_that_stopped_halfway_is_no_part_of_a_later_build_of_another_source(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    make(raw, out, "head_ct")
    before = [one for one in records(out) if one["source"] == "head_ct"]
    images = raw / "head_ct/head_ct/head_ct"
    for image in images.iterdir():
        image.write_bytes((images / "000.png").read_bytes())
        touch(image)
    calls = 0
    original = chunk.write_chunk

    def stops(*arguments: object) -> chunk.Result:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise BuildError("stopped here.")
        return original(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(stream, "write_chunk", stops)
        with pytest.raises(BuildError, match="stopped here"):
            make(raw, out, "head_ct")
    make(raw, out, "busi")
    kept = [one for one in records(out) if one["source"] == "head_ct"]
    assert [one["sha256"] for one in kept] == [one["sha256"] for one in before], "the old records stay whole"
    make(raw, out, "head_ct")
    make(raw, tmp_path / "clean", *PAIR)
    assert content(out) == content(tmp_path / "clean")


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


def test_sources_are_recognized_below_a_folder(raw: Path, tmp_path: Path) -> None:
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
    "transform", "group", "position",
)  # fmt: skip
GOLDEN = "873fbfc5c6e25ee7622492eaaf8e8a16ee7bfc38c8ee4c9cade8e1da1d4c0ba5"


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
@pytest.mark.parametrize("pattern", ["data/busi/097/train-*.parquet", "index.parquet", ".build/busi/*.json"])
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


def test_a_dry_run_tells_what_would_be_decoded_copied_and_kept(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw(*(f"{label}/{n}.png" for label in "ab" for n in range(4)))

    def ahead(one: Toy) -> dict[str, object]:
        told = forecast({"toy": RawFolder(one.raw, "any")}, one.out, Options(jobs=1), catalog=one.catalog)["toy"]
        return {name: getattr(told, name) for name in ("decode", "copy", "keep")}

    assert ahead(source) == {"decode": 8, "copy": 0, "keep": 0}
    assert not source.out.exists()
    source.build()
    assert ahead(source) == {"decode": 0, "copy": 0, "keep": 8}
    (row,) = source.source.rows
    edited = replace(source, source=replace(source.source, rows=(replace(row, labels={"a": "Cyst", "b": "Tumor"}),)))
    assert ahead(edited) == {"decode": 0, "copy": 8, "keep": 0}
    touch(source.raw / "a/1.png")
    assert ahead(source) == {"decode": 8, "copy": 0, "keep": 0}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": "0"}, "^A build: seed must be an integer, not '0'"),
        ({"seed": True}, "^A build: seed must be an integer"),
        ({"check": "decod"}, "^A build: check: 'decod' is not one of .*Did you mean 'decode'"),
        ({"on_error": "ignore"}, "^A build: on_error: 'ignore' is not one of"),
        ({"jobs": "2"}, "^A build: jobs must be an integer or null"),
        ({"jobs": 0}, "^A build: jobs must be .*, not 0"),
        ({"allow_fewer": "no"}, "^A build: allow_fewer must be true or false, not 'no'"),
    ],
)
def test_an_option_of_a_build_is_of_its_kind(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BuildError, match=message):
        Options(**given)
