import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from building import CLASS_FOLDERS, Toy, content, ledger, make, reasons, records

from med_mat.building import find
from med_mat.building.ledger import MINIATURE_BYTES, NOTICE, OUTSIDE, Ledger
from med_mat.demo import miniature
from med_mat.errors import BuildError
from med_mat.raw import Miniature

MakeToy = Callable[..., Toy]
SOURCES = ("head_ct", "hep2", "busi", "brain_tumor_mri", "ct_kidney")
OTHERS = ("aptos_2019", "isic_2019", "covid_ct", "chest_ct_scan", "ct_of_brain")


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ten")
    miniature(folder / "raw", SOURCES + OTHERS + OTHERS)
    make(folder / "raw", folder / "out", *SOURCES, *OTHERS)
    return folder


@pytest.mark.parametrize("name", SOURCES + OTHERS)
def test_found_is_written_and_skipped_for_records_and_files(ten: Path, name: str) -> None:
    account = ledger(ten / "out", name)
    assert account["written"] == sum(one["source"] == name for one in records(ten / "out")) > 0
    assert account["skipped"] == len(account["quarantine"]) == sum(account["skipped_by_reason"].values())
    assert account["found"] == account["written"] + account["skipped"]
    files = account["files"]
    assert files["found"] == files["images"] + files["annotations"] + files["skipped"]
    assert files["skipped"] == len(account["skipped_files"]) == sum(files["skipped_by_reason"].values())


@pytest.mark.parametrize("name", SOURCES + OTHERS)
def test_every_file_on_the_disk_is_found(ten: Path, name: str) -> None:
    root = find({name: None}, ten / "raw")[name].root
    here = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    account = ledger(ten / "out", name)
    assert account["files"]["found"] == len(here)
    assert here.issuperset(account["skipped_files"])
    assert all(account["skipped_files"].values())


def test_the_whole_is_the_sum_of_its_sources(ten: Path) -> None:
    whole = json.loads((ten / "out/ledger.json").read_text("utf-8"))
    for key in ("found", "written", "skipped"):
        assert whole[key] == sum(ledger(ten / "out", name)[key] for name in SOURCES + OTHERS)
    assert set(whole["sources"]) == {*SOURCES, *OTHERS}


def test_miniatures_are_called_synthetic(ten: Path) -> None:
    assert all(ledger(ten / "out", name)["synthetic"] for name in SOURCES + OTHERS)
    assert "Synthetic images" in (ten / "out/README.md").read_text("utf-8")


def test_real_folders_are_not_called_synthetic(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png")
    source.build()
    assert ledger(source.out)["synthetic"] is False
    assert "Synthetic" not in (source.out / "README.md").read_text("utf-8")


def test_real_files_in_the_folder_of_a_miniature_are_not_called_synthetic(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png")
    (source.raw / NOTICE).write_text("synthetic", "utf-8")
    source.build()
    assert ledger(source.out)["synthetic"] is True
    (source.raw / "a/volume.raw").write_bytes(bytes(MINIATURE_BYTES))
    source.build()
    assert ledger(source.out)["synthetic"] is False
    manifest = json.loads((source.out / "med_mat.json").read_text("utf-8"))
    assert manifest["sources"]["toy"]["synthetic"] is False, "its terms hold where it is pushed"


def test_each_file_has_one_fate(toy: MakeToy) -> None:
    source = toy("""
    list(raw.table("labels.csv"))
    for image in raw.images("*/*", exclude="*_mask*"):
        masks = [BinaryMask(mask, "a") for mask in raw.siblings(image, f"{image.stem}_mask.png")]
        yield Example(image, label=image.parent.name, masks=masks or None)
    raw.skip("notes.txt", "nobody needs it")
    raw.miss("gone.png", "labels.csv")
""")
    source.draw("a/1.png", "a/1_mask.png", "b/2.png", "b/broken.png", "c/3.png")
    Miniature(source.raw).corrupt("b/broken.png", keep=0.5)
    Miniature(source.raw).csv("labels.csv", [(1,)], header="id")
    for name in ("notes.txt", "more.txt", ".DS_Store"):
        (source.raw / name).write_text("x")
    source.build()
    account = ledger(source.out)
    assert account["files"] == {
        "found": 9,
        "images": 2,
        "annotations": 2,
        "skipped": 5,
        "skipped_by_reason": account["files"]["skipped_by_reason"],
    }
    assert account["skipped_files"].pop("b/broken.png").startswith("b/broken.png: ")
    assert "'c' is not among" in account["skipped_files"].pop("c/3.png")
    assert account["skipped_files"] == {"notes.txt": "nobody needs it", "more.txt": OUTSIDE, ".DS_Store": "hidden file"}
    assert account["missing"] == {"gone.png": "labels.csv"}


def test_skips_are_counted_by_reason(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png", "c/1.png", "c/2.png", "c/3.png", "d/1.png")
    source.build()
    assert sorted(ledger(source.out)["skipped_by_reason"].values()) == [1, 3]
    assert len(reasons(source.out)) == 4


def test_an_archive_left_in_the_raw_folder_is_accounted_for_and_not_opened(toy: MakeToy) -> None:
    source = toy(CLASS_FOLDERS)
    source.draw("a/1.png")
    with zipfile.ZipFile(source.raw / "a/download.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b/2.png", (source.raw / "a/1.png").read_bytes())
        archive.writestr("zeros.png", bytes(50 << 20))
    source.build()
    assert [one["id"] for one in records(source.out)] == ["toy/48/a/1.png"]
    assert ledger(source.out)["skipped_files"] == {"a/download.zip": OUTSIDE}


def test_an_account_that_does_not_balance_is_our_fault_and_says_so() -> None:
    account = Ledger("busi", "", "published", "header", False, found=3, written=2)
    account.files = {"found": 0, "images": 0, "annotations": 0, "skipped": 0}
    with pytest.raises(BuildError, match=r"does not balance: 3 records found, 2 accounted for.*report"):
        account.check()


def test_a_run_that_keeps_a_chunk_gives_the_same_ledger(toy: MakeToy) -> None:
    from building import row

    source = toy(
        """
    for image in raw.images():
        yield Example(image, boxes=(Box(-5, 0, 9, 9, "a"),))
""",
        row(97, "boxes", {"a": "Benign"}),
    )
    source.draw("1.png")
    source.build()
    first = content(source.out)
    assert ledger(source.out)["notes"] == {"boxes clipped to the image": 1}
    assert source.build().kept == 1
    assert content(source.out) == first
