"""What lies in a folder, and the step that helps."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from med_mat import cli as cli_module
from med_mat import doctor as module
from med_mat.building import build, find
from med_mat.building.ledger import NOTICE
from med_mat.building.loader import loader_of
from med_mat.catalog import Catalog, load
from med_mat.cli import cli
from med_mat.demo import miniature
from med_mat.doctor import Finding, contents, diagnose, healthy, to_text
from med_mat.example import Example
from med_mat.layouts import archives
from med_mat.layouts.archives import members
from med_mat.mounts.folder import FolderMount
from med_mat.raw import RawFolder
from med_mat.shell import printable, quote

NAMES = ("busi", "head_ct", "nih_chestxray14", "isic_2019")


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini")
    miniature(folder, NAMES)
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


@pytest.fixture
def put(mini: Path, raw: Path) -> Callable[..., Path]:
    """Copies a miniature, without the notice that it is one where it is to pass for real."""

    def copied(name: str, to: str, *, real: bool = False) -> Path:
        shutil.copytree(mini / name, raw / to)
        if real:
            (raw / to / NOTICE).unlink()
        return raw / to

    return copied


def by_source(folder: Path, **options: object) -> dict[str, Finding]:
    return {one.source or one.state: one for one in diagnose(folder, load(), **options)}  # type: ignore[arg-type]


def doctor(*arguments: str | Path, code: int) -> Result:
    result = CliRunner().invoke(cli, ["doctor", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def examples_of(name: str, folder: Path) -> list[Example]:
    return list(loader_of(load()[name]).examples(find({name: None}, folder)[name]))


def zipped(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.name != NOTICE:
                archive.write(file, file.relative_to(folder))
    return path


# ------------------------------------------------------------------------------------------------------ whole sources


def test_every_miniature_is_found_complete_and_its_command_builds_it(tmp_path: Path) -> None:
    where = miniature(tmp_path)
    found = diagnose(tmp_path, load())
    assert {one.source for one in found} == set(where)
    assert all(one.state == "found" and one.complete for one in found), to_text(found)
    for one in found:
        assert one.where == str(find({one.source: where[one.source]}, None)[one.source].root)
        assert one.steps == (f"med-mat build {quote(f'{one.source}={one.where}')} --out Med-MAT",)
    assert (
        doctor(tmp_path, code=0).output.rstrip().endswith(f"{len(where)} sources found, {len(where)} of them complete.")
    )


def test_renamed_wrapped_and_twice(put: Callable[..., Path], raw: Path) -> None:
    put("busi", "ultra sound/new/er")
    put("busi", "z second")
    put("head_ct", "HEAD_CT")
    busi, head = sorted(diagnose(raw, load()), key=lambda one: one.source)
    assert (busi.source, head.source) == ("busi", "head_ct")
    assert busi.complete
    assert head.complete
    assert "z second" in busi.where  # the shallower one, which --raw reads
    assert find({}, raw)["busi"].root == Path(busi.where)
    (copy,) = (note for note in busi.notes if "another copy" in note)
    assert "ultra sound/new/er" in copy
    assert "(18 images); to read that: med-mat build" in copy


def test_a_folder_that_fits_two_sources_as_well_is_asked_about(put: Callable[..., Path], raw: Path) -> None:
    busi = load()["busi"]
    catalog = Catalog({"busi": busi, "twin": replace(busi, name="twin")}, load().subsets)
    where = put("busi", "mine") / "Dataset_BUSI_with_GT"
    (one,) = diagnose(raw, catalog)
    assert (one.state, one.source, one.where) == ("unclear", "", str(where))
    assert one.notes == ("it fits the layouts of busi and twin: which one is it?",)
    assert one.steps == (f"mv {where} {raw / 'busi'}", f"mv {where} {raw / 'twin'}")
    subprocess.run(["bash", "-c", one.steps[1]], check=True)
    assert [one.source for one in diagnose(raw, catalog) if one.state == "found"] == ["twin"]


def test_the_folder_may_be_the_source_itself_or_lie_inside_it(put: Callable[..., Path], raw: Path) -> None:
    put("busi", "busi")
    inside = raw / "busi/Dataset_BUSI_with_GT"
    (only,) = diagnose(inside, load())
    assert (only.source, only.where, only.complete) == ("busi", str(inside), True)
    found = diagnose(inside / "benign", load())
    assert any(str(inside) in step for one in found for step in one.steps)


def test_images_are_counted_by_the_loader_against_the_card(put: Callable[..., Path], raw: Path) -> None:
    put("busi", "busi", real=True)
    one = by_source(raw)["busi"]
    assert (one.images, one.expected, one.complete) == (18, 780, False)
    counts = {**load()["busi"].counts, "images": 18}
    catalog = Catalog({"busi": replace(load()["busi"], counts=counts)}, load().subsets)
    (exact,) = diagnose(raw, catalog)
    assert exact.complete
    quick = by_source(raw, tables=False)["busi"]
    assert quick.images == 37  # masks among them, and it says so
    assert any("masks among them" in note for note in quick.notes)


def test_images_that_a_table_names_and_that_are_not_there(put: Callable[..., Path], raw: Path) -> None:
    folder = put("isic_2019", "isic", real=True)
    gone = next(folder.rglob("ISIC_*.jpg"))
    gone.unlink()
    one = by_source(raw)["isic_2019"]
    assert any(gone.stem in name for name in one.missing)
    assert not one.complete


def test_against_the_index_of_an_earlier_build(put: Callable[..., Path], raw: Path, tmp_path: Path) -> None:
    folder = put("busi", "busi") / "Dataset_BUSI_with_GT"
    build(find({"busi": None}, raw), tmp_path / "out")
    assert by_source(raw, against=tmp_path / "out")["busi"].complete
    (folder / "benign/benign (1).png").unlink()
    (folder / "benign/benign (2)_mask.png").write_bytes(b"cut")
    (folder / "benign/🩺.png").write_bytes(b"new")
    one = by_source(raw, against=tmp_path / "out")["busi"]
    assert one.missing == ("benign/benign (1).png",)
    assert one.altered == ("benign/benign (2)_mask.png",)
    assert one.extra == ("benign/🩺.png",)
    assert not one.complete
    # a build that lies in the folder itself is no raw data, and its index is used
    shutil.copytree(tmp_path / "out", raw / "Med-MAT")
    found = by_source(raw)
    assert found["build"].where == str(raw / "Med-MAT")
    assert found["busi"].altered == one.altered


# ----------------------------------------------------------------------------------------------- what "complete" means


def counted(name: str, **counts: object) -> Catalog:
    """The catalog in which a source has other counts."""
    source = load()[name]
    return Catalog({**load(), name: replace(source, counts={**source.counts, **counts})}, load().subsets)


def test_pointers_in_place_of_images_are_named_and_nothing_is_complete(put: Callable[..., Path], raw: Path) -> None:
    folder = put("busi", "busi")
    for number, image in enumerate(folder.rglob("*.png")):
        image.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{number:064x}\nsize 12345\n")
    one = by_source(raw)["busi"]
    assert not one.complete
    assert any("Git LFS pointer" in note and "git lfs pull" in note for note in one.notes)
    doctor(raw, code=1)


def test_masks_that_are_pointers_while_the_images_are_there(put: Callable[..., Path], raw: Path) -> None:
    for mask in put("busi", "busi").rglob("benign*_mask.png"):
        mask.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert not by_source(raw)["busi"].complete


def test_what_no_row_needs_may_lack_and_is_named(put: Callable[..., Path], raw: Path) -> None:
    folder = put("busi", "busi", real=True)
    for mask in folder.rglob("*_mask*.png"):
        mask.unlink()
    (one,) = diagnose(raw, counted("busi", images=18))
    assert (one.state, one.images, one.complete) == ("found", 18, False)
    assert one.missing == ("benign/benign*_mask.png", "malignant/malignant*_mask.png", "normal/normal*_mask.png")
    assert one.steps[-1].startswith("med-mat build busi=")
    assert build(find({"busi": None}, raw), raw.parent / "out").written == 18


@pytest.mark.parametrize(
    ("certainty", "images", "complete"),
    [
        ("high", 18, True),
        ("high", 19, False),  # one lacks
        ("medium", 18, True),
        ("medium", 19, False),  # one of nineteen is more than a doubt
        ("low", 30, True),
        ("low", 40, False),  # by more than half no count is off
    ],
)
def test_complete_is_what_holds_as_many_images_as_the_card_is_sure_of(
    put: Callable[..., Path], raw: Path, certainty: str, images: int, complete: bool
) -> None:
    put("busi", "busi", real=True)
    (one,) = diagnose(raw, counted("busi", images=images, certainty=certainty))
    assert one.complete is complete
    assert complete or any("the card counts" in note for note in one.notes)


def test_images_that_give_no_record_by_design_are_not_missing(put: Callable[..., Path], raw: Path) -> None:
    put("busi", "busi", real=True)
    (one,) = diagnose(raw, counted("busi", images=20, unread=2))
    assert one.complete
    assert any("2 further images of a whole copy give no record" in note for note in one.notes)


def test_the_parts_of_a_published_split_are_counted_where_the_card_has_their_totals(
    put: Callable[..., Path], raw: Path
) -> None:
    put("isic_2019", "isic", real=True)
    found = {part: Counter(one.split for one in examples_of("isic_2019", raw))[part] for part in ("train", "test")}
    whole = counted("isic_2019", images=sum(found.values()), splits=found)
    assert next(one for one in diagnose(raw, whole) if one.source == "isic_2019").complete
    more = counted("isic_2019", images=sum(found.values()), splits={**found, "train": found["train"] + 1})
    one = next(one for one in diagnose(raw, more) if one.source == "isic_2019")
    assert not one.complete
    assert f"train: {found['train']:,} of {found['train'] + 1:,} images" in one.notes


def test_rows_of_images_that_the_publisher_never_shipped_are_a_note(put: Callable[..., Path], raw: Path) -> None:
    folder = put("head_ct", "head_ct", real=True)
    table = next(folder.rglob("labels.csv"))
    table.write_text(table.read_text() + "999, 1\n")
    here = len({one.path for one in examples_of("head_ct", raw)})
    (one,) = diagnose(raw, counted("head_ct", images=here))
    assert (one.complete, one.missing) == (True, ())
    assert any("further images, which the publisher does not ship" in note for note in one.notes)


def test_an_edition_is_measured_by_its_own_count(put: Callable[..., Path], raw: Path) -> None:
    put("busi", "busi", real=True)
    source = load()["busi"]
    edition = replace(source, layouts=(replace(source.layouts[0], images=18, edition="small"),))
    (one,) = diagnose(raw, Catalog({"busi": edition}, load().subsets))
    assert (one.expected, one.complete) == (18, True)


def test_bad_rows_and_guesses_are_told(put: Callable[..., Path], raw: Path) -> None:
    folder = put("head_ct", "head_ct")
    table = next(folder.rglob("labels.csv"))
    table.write_bytes(table.read_bytes() + b"005, 1, \xe9\n")
    one = by_source(raw)["head_ct"]
    assert any("1 rows of its tables cannot be read: labels.csv, line" in note for note in one.notes)
    assert any("cp1252, which is a guess" in note for note in one.notes)


# ------------------------------------------------------------------------------------------------------- nearly there


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sample_submission.csv", "image_name,Type_1\n0.jpg,0.3\n"),
        ("metadata.csv", "a,b\n1,2\n"),
        ("train.csv", "a,b\n1,2\n"),
        ("labels.csv", "name,kind\n1,2\n"),
    ],
)
def test_a_lone_table_of_anybody_names_no_source(raw: Path, name: str, text: str) -> None:
    (raw / "mine").mkdir()
    (raw / "mine" / name).write_text(text)
    (only,) = diagnose(raw, load())
    assert (only.state, only.source) == ("unknown", "")


TABLES_ALONE = (
    "aptos_2019",
    "head_ct",
    "isic_2019",
    "indiana_cxr",
    "nih_chestxray_sample",
    "fitzpatrick17k",
    "coronahack",
)


@pytest.mark.parametrize("name", TABLES_ALONE)
def test_a_publishers_table_alone_names_its_source_whatever_it_is_called(name: str, raw: Path) -> None:
    (folder,) = miniature(raw.parent / "whole", [name]).values()
    for table in folder.rglob("*.csv"):
        (raw / "mine").mkdir(exist_ok=True)
        shutil.copy(table, raw / "mine" / table.name)
    found = {one.source: one for one in diagnose(raw, load()) if one.source}
    assert found.keys() == {name}
    assert found[name].state == "partial"
    assert found[name].missing


def test_the_number_of_images_and_the_name_of_the_folder_tell_a_source(raw: Path) -> None:
    hep2 = replace(load()["hep2"], counts={**load()["hep2"].counts, "images": 150})
    catalog = Catalog({**load(), "hep2": hep2}, load().subsets)
    for number in range(150):
        path = raw / "cells/data/training" / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (one,) = diagnose(raw, catalog)
    assert (one.state, one.source, one.missing) == ("partial", "hep2", ("gt_training.csv",))
    (raw / "cells").rename(raw / "HEp2 (1)")
    (one,) = diagnose(raw, load())
    assert (one.source, one.missing) == ("hep2", ("gt_training.csv",))


def test_one_source_in_several_sizes_is_one_finding(put: Callable[..., Path], raw: Path) -> None:
    for size in ("1024", "224", "512"):
        put("busi", f"sizes/{size}")
    (one,) = diagnose(raw, load())
    assert sum("another copy" in note for note in one.notes) == 2
    assert "it lies here 3 times: --raw reads this one" in one.notes
    assert healthy([one])


def test_a_table_once_more_above_its_source_is_no_second_finding(raw: Path) -> None:
    (folder,) = miniature(raw.parent / "whole", ["nih_chestxray_sample"]).values()
    place = find({"nih_chestxray_sample": folder}, None)["nih_chestxray_sample"].root
    shutil.copytree(place / "images", raw / "sample/images")
    for to in (raw, raw / "sample"):
        shutil.copy(place / "sample_labels.csv", to)
    (one,) = diagnose(raw, load())
    assert (one.state, one.where) == ("found", str(raw / "sample"))
    assert not any(step.startswith("mv ") for step in one.steps)


def test_what_can_be_built_of_an_unproven_folder_is_said_with_its_command(put: Callable[..., Path], raw: Path) -> None:
    folder = put("isic_2019", "isic_2019")
    inner = next(folder.rglob("ISIC_*.jpg")).parent
    inner.rename(inner.with_name("pictures"))
    one = by_source(raw)["isic_2019"]
    assert one.state == "partial"
    assert not any("can be built" in note for note in one.notes)  # no image is where the loader looks


def test_a_part_that_no_row_reads_is_told_by_its_name(raw: Path) -> None:
    path = raw / "dataset2-master/dataset2-master/images/TRAIN/EOSINOPHIL/_0_1.jpeg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    (one,) = diagnose(raw, load())
    assert any("(blood_cell_images) that no row reads" in note for note in one.notes)


def test_what_lies_one_level_off_is_moved_by_the_commands(put: Callable[..., Path], raw: Path) -> None:
    folder = put("isic_2019", "some folder")
    images = next(folder.rglob("ISIC_*.jpg")).parent
    table = next(folder.rglob("*GroundTruth.csv"))
    flat = raw / "flat it's"
    flat.mkdir()
    for path in (*images.glob("*.jpg"), table):
        shutil.copy(path, flat)
    shutil.copy(folder / NOTICE, flat)
    shutil.rmtree(folder)
    one = by_source(raw)["isic_2019"]
    assert (one.state, one.complete) == ("partial", False)
    assert one.missing == ("ISIC_2019_Training_Input/ISIC_*.jpg",)
    for step in one.steps:
        if not step.startswith("med-mat"):
            subprocess.run(["bash", "-c", step], check=True)
    again = by_source(raw)["isic_2019"]
    assert (again.state, again.complete) == ("found", True)


def test_part_of_a_layout_and_an_empty_folder(put: Callable[..., Path], raw: Path) -> None:
    folder = put("nih_chestxray14", "chest")
    shutil.rmtree(folder / "images")
    (raw / "busi").mkdir()
    found = by_source(raw)
    assert found["nih_chestxray14"].missing == ("images/000*_*.png",)
    assert "the folder is empty" in found["busi"].notes
    doctor(raw, code=1)


def test_a_source_that_is_not_there_is_downloaded_where_that_needs_no_person(
    mini: Path, put: Callable[..., Path], raw: Path
) -> None:
    # of an open server, twice; of Kaggle, which wants a token; of a page, which wants a signature
    for name in ("ACRIMA", "kvasir_seg", "brain_tumor_mri", "vindr_spinexr"):
        (raw / name).mkdir()
    (raw / "kvasir_seg/read me.txt").write_bytes(b"x")
    found = by_source(raw)
    for name in ("acrima", "kvasir_seg"):
        assert found[name].steps == (f"med-mat download {name} --raw {quote(str(raw))}", f"med-mat show {name}")
    for name in ("brain_tumor_mri", "vindr_spinexr"):
        assert found[name].steps == (f"med-mat show {name}",)
    # where it is there in part, is packed, or may be called otherwise, nothing is fetched anew
    shutil.rmtree(raw / "kvasir_seg")
    shutil.rmtree(put("isic_2019", "isic_2019") / "ISIC_2019_Training_Input")
    (raw / "busi").mkdir()
    zipped(raw / "busi/busi.zip", mini / "busi")
    (raw / "kvasir_seg").mkdir()
    (raw / "kvasir_seg/1.jpg").write_bytes(b"x")
    found = by_source(raw)
    assert {found[name].complete for name in ("isic_2019", "busi", "kvasir_seg")} == {False}
    assert not any("download" in step for name in ("isic_2019", "busi", "kvasir_seg") for step in found[name].steps)


def test_common_names_alone_resemble_nothing(raw: Path) -> None:
    for name in ("train/images/1.jpg", "test/images/2.jpg", "train.csv", "labels.csv", "val/normal/3.png"):
        (raw / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / "mine" / name).write_bytes(b"x")
    (only,) = diagnose(raw, load())
    assert (only.state, only.files) == ("unknown", 5)
    assert not healthy([only])


# ----------------------------------------------------------------------------------------------------------- archives


def test_an_archive_is_known_by_what_it_holds_and_built_by_the_command(mini: Path, raw: Path) -> None:
    zipped(raw / "archive (1).zip", mini / "busi")
    with tarfile.open(raw / "x.tar.gz", "w:gz") as archive:
        archive.add(mini / "head_ct", "wrapped")
    before = sorted(raw.rglob("*"))
    found = by_source(raw)
    assert sorted(raw.rglob("*")) == before
    assert {found["busi"].state, found["head_ct"].state} == {"found"}
    assert (
        found["busi"].steps[-1]
        == f"med-mat build {quote(f'busi={raw}/archive (1).zip/Dataset_BUSI_with_GT')} --out Med-MAT"
    )
    assert found["head_ct"].steps[-1] == f"med-mat build head_ct={raw}/x.tar.gz/wrapped --out Med-MAT"
    assert find({"head_ct": raw / "x.tar.gz" / "wrapped"}, None)["head_ct"].images()
    for name in ("archive (1).zip", "x.tar.gz"):
        shutil.unpack_archive(raw / name, raw / name.partition(".")[0])
    again = diagnose(raw, load())
    assert {one.source for one in again if one.state == "found"} == {"busi", "head_ct"}
    assert all(one.complete for one in again if one.state == "archive")  # the archive is merely still there


def test_an_archive_that_cannot_be_listed_is_known_by_its_name(raw: Path) -> None:
    (raw / "PH2Dataset (2).rar").write_bytes(b"Rar!\x1a\x07\x00")
    (raw / "train.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")
    (raw / "archive.zip").write_bytes(b"PK\x05\x06" + bytes(18))  # empty, and so may be of many
    found = by_source(raw)
    assert found["ph2"].steps[0].startswith("unar -o ")
    assert found["intel_mobileodt"].steps[0].startswith("7z x ")
    assert any("by its name it may be" in note for note in found["unknown"].notes)


def test_parts_that_are_not_there_yet(put: Callable[..., Path], raw: Path) -> None:
    folder = put("nih_chestxray14", "nih")
    with tarfile.open(folder / "images_01.tar.gz", "w:gz") as archive:
        archive.add(folder / "images", "images")
    shutil.rmtree(folder / "images")
    (folder / "images_02.tar.gz").write_bytes(b"\n<!DOCTYPE html><html>")
    read, broken = (one for one in diagnose(raw, load()) if one.source == "nih_chestxray14")
    assert read.state == "found"
    assert "read in place from images_01.tar.gz" in read.notes
    assert broken.state == "archive"
    assert any("a web page: download it again" in note for note in broken.notes)
    assert not any("tar -xf" in step for step in broken.steps)


def test_the_path_may_be_an_archive(mini: Path, raw: Path) -> None:
    (one,) = diagnose(zipped(raw / "b.zip", mini / "busi"), load())
    assert (one.source, one.state) == ("busi", "found")
    assert "read in place from b.zip" in one.notes
    (raw / "PH2Dataset.rar").write_bytes(b"Rar!\x1a\x07\x00")
    (rar,) = diagnose(raw / "PH2Dataset.rar", load())
    assert (rar.source, rar.missing) == ("ph2", ())


def test_the_same_folder_gives_the_same_lines_whatever_the_order_of_sets(raw: Path) -> None:
    for name in ("one", "two/three", "four", "five/six/seven", "eight"):
        (raw / name).mkdir(parents=True)
        (raw / name / "archive.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    said = {
        subprocess.run(
            [sys.executable, "-c", "from med_mat.cli import main; main()", "doctor", str(raw)],
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "123"
    }
    assert len(said) == 1
    assert said.pop().count(b"archive.zip") == 5


@pytest.mark.parametrize("cut", [10, 200, -30])
@pytest.mark.parametrize("name", ["b.zip", "b.tar", "b.tar.gz"])
def test_archives_that_are_cut_short(mini: Path, raw: Path, name: str, cut: int) -> None:
    path = raw / name
    if name == "b.zip":
        zipped(path, mini / "busi")
    else:
        with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as archive:
            archive.add(mini / "busi", "busi")
    path.write_bytes(path.read_bytes()[:cut])
    found = members(path)
    assert found.fault or name == "b.tar"  # a tar that ends early after a whole member cannot be told
    assert diagnose(raw, load())


@pytest.mark.parametrize("name", ["/etc/passwd", "../../x.png", "a/../../x.png", "C:\\x.png", "..\\x.png"])
def test_names_that_lead_out_are_told_and_no_command_unpacks_them(mini: Path, raw: Path, name: str) -> None:
    with zipfile.ZipFile(zipped(raw / "b.zip", mini / "busi"), "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")
    with tarfile.open(raw / "t.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, name
        tar.addfile(link)
    assert "lead out" in members(raw / "b.zip").fault
    assert "2 of its names lead out" in members(raw / "t.tar").fault
    one = by_source(raw)["busi"]
    assert not any("unzip" in step for step in one.steps)


def test_bombs_and_endless_lists_of_names_are_not_read_to_their_end(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = raw / "bomb.zip"
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("a.png", b"x")
    data = bytearray(bomb.read_bytes())
    at = data.rfind(b"PK\x01\x02") + 24  # the size of the member, in the list of names
    data[at : at + 4] = (4_000_000_000).to_bytes(4, "little")
    bomb.write_bytes(data)
    assert "a bomb" in members(bomb).fault
    zeros = raw / "zeros.tar.gz"
    with tarfile.open(zeros, "w:gz", compresslevel=1) as tar:
        big = tarfile.TarInfo("big.png")
        big.size = 200 << 20
        tar.addfile(big, io.BytesIO(bytes(200 << 20)))
        tar.addfile(tarfile.TarInfo("after.png"))
    begun = time.monotonic()
    found = members(zeros)
    assert time.monotonic() - begun < 5
    assert not found.whole
    assert "after.png" not in found.names
    monkeypatch.setattr(archives, "MAX_NAMES", 100)
    monkeypatch.setattr(archives, "MAX_LIST_BYTES", 10_000)
    with zipfile.ZipFile(raw / "many.zip", "w") as archive:
        for number in range(1000):
            archive.writestr(f"{number}.png", b"")
    with tarfile.open(raw / "many.tar", "w") as tar:
        for number in range(1000):
            tar.addfile(tarfile.TarInfo(f"{number}.png"))
    assert members(raw / "many.zip").note == "its list of names is too long to be read"
    assert len(members(raw / "many.tar").names) == 100
    assert diagnose(raw, load())


# ---------------------------------------------------------------------------------------------------------- odd trees


def test_links_out_unreadable_folders_and_weird_names(put: Callable[..., Path], raw: Path, tmp_path: Path) -> None:
    put("busi", "🩺 ‮ultra\nsound; rm -rf")
    outside = tmp_path / "outside"
    shutil.copytree(raw / "🩺 ‮ultra\nsound; rm -rf", outside)
    (raw / "link").symlink_to(outside)
    (raw / "loop").symlink_to(raw)
    (raw / "dangling").symlink_to(raw / "nowhere")
    (raw / os.fsdecode(b"not \xff utf-8")).mkdir()
    os.mkfifo(raw / "pipe.zip")
    found = diagnose(raw, load())
    (busi,) = (one for one in found if one.source)
    assert busi.complete
    links = {Path(one.where).name: one.steps for one in found if one.state == "link"}
    assert links["link"] == (f"med-mat doctor {outside}",)
    text = to_text(found)
    assert "\nsound" not in text
    assert "\x1b" not in text
    # the command names the folder, whatever it is called
    step = busi.steps[0].replace("med-mat build", "printf %s").replace(" --out Med-MAT", "")
    said = subprocess.run(["bash", "-c", step], check=True, capture_output=True).stdout
    assert said.decode() == f"busi={busi.where}"
    json.loads(doctor(raw, "--json", code=0).output)


def test_a_folder_that_cannot_be_opened(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (raw / "closed").mkdir()
    real = os.scandir

    def refused(path: str | Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refused)
    (one,) = diagnose(raw, load())
    assert (one.state, one.steps) == ("unreadable", (f"chmod u+rx {raw / 'closed'}",))
    assert not healthy([one])


def test_a_path_too_long_to_be_named_is_told_and_the_rest_is_found(
    put: Callable[..., Path], raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(put("busi", "busi"))
    for _ in range(30):
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)
    found = diagnose(raw, load())
    (busi,) = (one for one in found if one.source)
    assert busi.complete
    (deep,) = (one for one in found if one.state == "unreadable")
    assert deep.notes == ("the folder cannot be opened: File name too long",)
    assert deep.steps == ()


def test_a_loader_that_stumbles_does_not_end_the_diagnosis(
    put: Callable[..., Path], raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put("head_ct", "head")
    next(folder.rglob("labels.csv")).write_bytes(b"\x00\xff\xfe")
    put("busi", "busi")
    from med_mat.loaders import busi

    monkeypatch.setattr(busi, "examples", lambda raw: 1 / 0)
    found = by_source(raw)
    assert any(note.startswith("its loader stops: ") for note in found["head_ct"].notes)
    assert any("ZeroDivisionError" in note for note in found["busi"].notes)
    assert not found["head_ct"].complete
    assert not found["busi"].complete


def test_printable_and_quoted() -> None:
    assert printable("a\x1b[31m\n🩺") == "a\\x1b[31m\\n🩺"
    for text in ("plain", "it's", "a b", "$(x)", "-rf", "new\nline'\\", "\udcff"):
        said = subprocess.run(["bash", "-c", f"printf %s {quote(text)}"], check=True, capture_output=True).stdout
        assert said == os.fsencode(text)


@pytest.mark.parametrize("path", ["nowhere", "file.txt"])
def test_mistakes_are_answered_in_a_sentence(
    raw: Path, path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (raw / "file.txt").write_bytes(b"")
    monkeypatch.setattr(sys, "argv", ["med-mat", "doctor", str(raw / path)])
    with pytest.raises(SystemExit) as caught:
        cli_module.main()
    said = capsys.readouterr().err
    assert caught.value.code == 1
    assert "is not a folder" in said
    assert "Traceback" not in said


def test_an_empty_folder_is_no_success(raw: Path) -> None:
    assert diagnose(raw, load()) == ()
    assert "No source" in doctor(raw, code=1).output
    assert module.to_json(()) == []


# --------------------------------------------------------------------------------- names that promise what is not there


def cut_tiff(path: Path) -> None:
    Image.effect_noise((300, 300), 50).save(path, "TIFF")
    path.write_bytes(path.read_bytes()[:40_000])  # its directory comes last
    data = io.BytesIO()
    Image.effect_noise((300, 300), 50).save(data, "TIFF", compression="tiff_lzw")
    path.write_bytes(data.getvalue()[: len(data.getvalue()) // 2])


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.write_bytes(b""), "is empty: download it again"),
        (lambda path: path.write_bytes(bytes(5000)), "is no image of a known format"),
        (lambda path: path.write_bytes(b"<!DOCTYPE html><html><body>Log in</body></html>"), "a web page, not an image"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "a Git LFS pointer"),
        (cut, "download it again"),
        (cut_tiff, "download it again"),
    ],
)
def test_what_lies_in_the_place_of_images_is_named(
    put: Callable[..., Path], raw: Path, spoil: Callable[[Path], object], told: str
) -> None:
    for image in put("busi", "busi").rglob("*.png"):
        spoil(image)
    one = by_source(raw)["busi"]
    assert not one.complete
    (note,) = (note for note in one.notes if told in note)
    assert "benign (1).png" in note
    assert note.endswith("others may be the same")
    doctor(raw, code=1)


def test_one_bad_file_among_sound_ones_is_left_to_the_build(put: Callable[..., Path], raw: Path) -> None:
    (next(put("busi", "busi").rglob("benign (1).png"))).write_bytes(b"")
    assert by_source(raw)["busi"].complete


@pytest.mark.parametrize("name", NAMES)
def test_sound_images_of_every_format_are_not_doubted(put: Callable[..., Path], raw: Path, name: str) -> None:
    assert list(contents.wrong(RawFolder(put(name, name)), sorted(RawFolder(raw / name).files))) == []


def refuse(monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """Lets nobody open files of a kind."""
    original = FolderMount.open

    def refused(self: FolderMount, path: Any) -> Any:
        if str(path).endswith(suffix):
            raise PermissionError(errno.EACCES, "Permission denied", f"{self.root}/{path}")
        return original(self, path)

    monkeypatch.setattr(FolderMount, "open", refused)


def test_images_that_may_not_be_read(put: Callable[..., Path], raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put("busi", "busi")
    refuse(monkeypatch, ".png")
    note = next(iter(contents.wrong(RawFolder(folder), sorted(RawFolder(folder).files))))
    assert "may not be read: Permission denied. Allow it: chmod u+r " in note


def test_a_table_that_may_not_be_read_is_not_downloaded_again(
    put: Callable[..., Path], raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put("isic_2019", "isic_2019")
    refuse(monkeypatch, ".csv")
    notes = " ".join(by_source(raw)["isic_2019"].notes)
    assert "chmod u+r " in notes
    assert "Download it again" not in notes
    assert folder.is_dir()
