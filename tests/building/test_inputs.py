"""A build is a function of its code too: what a changed module, seed or option makes anew, and what it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import pytest
from building import content, make
from PIL import Image

from med_mat.building import Options, find, forecast, inputs, libraries
from med_mat.demo import miniature

PNG, DICOM = "head_ct", "vindr_mammo"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source of PNG and one of DICOM, both with a table; to look at and never to change."""
    top = tmp_path_factory.mktemp("inputs")
    miniature(top / "raw", [PNG, DICOM])
    make(top / "raw", top / "out", PNG, DICOM)
    return top


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """What makes a module look changed wherever a digest is over it."""

    def changed(name: str) -> None:
        original = inputs.module_digests

        def digests(roots: Iterable[str], *, without: Collection[str] = ()) -> dict[str, str]:
            found = original(roots, without=without)
            return {**found, name: "changed"} if name in found else found

        monkeypatch.setattr(inputs, "module_digests", digests)

    return changed


def ahead(top: Path, name: str, **options: object) -> tuple[str, set[str]]:
    """What a build would do with all images of a source, and which modules are the reason."""
    found = find({name: None}, top / "raw")
    told = forecast(found, top / "out", Options(jobs=1, **options))[name]  # type: ignore[arg-type]
    (need,) = (need for need in ("decode", "copy", "keep") if getattr(told, need))
    return need, told.stale


def test_nothing_changed_remakes_nothing(built: Path) -> None:
    assert ahead(built, PNG) == ("keep", set())
    assert ahead(built, DICOM) == ("keep", set())


@pytest.mark.parametrize("module", ["med_mat.imaging.dicom", "med_mat.imaging.windowing"])
def test_a_changed_decoder_or_window_remakes_no_source_that_does_not_need_it(
    built: Path, change: Callable[[str], None], module: str
) -> None:
    change(module)
    assert ahead(built, PNG) == ("keep", set())
    assert ahead(built, DICOM) == ("decode", {module})


@pytest.mark.parametrize("module", ["med_mat.imaging.decoding", "med_mat.imaging.hashing"])
def test_what_all_pixels_pass_through_remakes_all(built: Path, change: Callable[[str], None], module: str) -> None:
    change(module)
    assert ahead(built, PNG) == ("decode", {module})
    assert ahead(built, DICOM) == ("decode", {module})


@pytest.mark.parametrize(
    "module", ["med_mat.questions.asking", "med_mat.imaging.annotations", "med_mat.building.record", "med_mat.schema"]
)
def test_questions_and_annotations_are_made_anew_over_stored_images(
    built: Path, change: Callable[[str], None], module: str
) -> None:
    change(module)
    assert ahead(built, PNG) == ("copy", {module})
    assert ahead(built, DICOM) == ("copy", {module})


def test_a_changed_loader_remakes_its_own_source_alone(built: Path, change: Callable[[str], None]) -> None:
    change(f"med_mat.loaders.{PNG}")
    assert ahead(built, PNG) == ("copy", {f"med_mat.loaders.{PNG}"})
    assert ahead(built, DICOM) == ("keep", set())


def test_what_reads_tables_remakes_the_records_of_all_that_read_tables(
    built: Path, change: Callable[[str], None]
) -> None:
    change("med_mat.raw.tables")
    assert ahead(built, PNG) == ("copy", {"med_mat.raw.tables"})


@pytest.mark.parametrize(
    "module", ["med_mat.building.run", "med_mat.splits.audit", "med_mat.browse.app", "med_mat.cli"]
)
def test_what_no_record_passes_through_remakes_nothing(built: Path, change: Callable[[str], None], module: str) -> None:
    change(module)
    assert ahead(built, PNG) == ("keep", set())


def test_another_seed_decodes_nothing_and_another_check_all(built: Path) -> None:
    assert ahead(built, PNG, seed=5)[0] == "keep"
    assert ahead(built, PNG, check="header")[0] == "decode"


def test_stored_images_with_new_records_give_the_same_bytes_as_decoding(
    built: Path, tmp_path: Path, change: Callable[[str], None]
) -> None:
    make(built / "raw", tmp_path / "out", PNG, DICOM)
    change("med_mat.questions.asking")
    report = make(built / "raw", tmp_path / "out", PNG, DICOM)
    assert (report.kept, report.copied) == (0, 2)
    assert report.stale == {PNG: ("med_mat.questions.asking",), DICOM: ("med_mat.questions.asking",)}
    make(built / "raw", tmp_path / "fresh", PNG, DICOM)
    assert content(tmp_path / "out") == content(tmp_path / "fresh")


# ----------------------------------------------------------------------------------------------------------- libraries


@pytest.fixture
def upgrade(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What makes a library look upgraded; gives how that is told."""
    real = libraries.version

    def upgraded(name: str) -> str:
        monkeypatch.setattr(libraries, "version", lambda one: "99" if one == name else real(one))
        return f"{name} {real(name)} -> 99"

    return upgraded


@pytest.mark.parametrize(
    ("library", "png", "dicom"),
    [
        ("pyarrow", "copy", "copy"),
        ("PNG encoding", "keep", "decode"),
        ("picture hashes", "decode", "decode"),
        ("pydicom", "keep", "decode"),
        ("numpy", "keep", "decode"),
        ("nibabel", "keep", "keep"),
        ("JPEG decoding", "keep", "keep"),
        ("pillow", "keep", "keep"),
        ("python-gdcm", "keep", "keep"),
    ],
)
def test_a_library_remakes_only_what_it_may_make_otherwise(
    built: Path, upgrade: Callable[[str], str], library: str, png: str, dicom: str
) -> None:
    told = upgrade(library)
    assert ahead(built, PNG) == (png, set() if png == "keep" else {told})
    assert ahead(built, DICOM) == (dicom, set() if dicom == "keep" else {told})


def test_the_manifest_says_which_libraries_each_source_depends_on(built: Path, upgrade: Callable[[str], str]) -> None:
    def recorded(out: Path) -> dict[str, dict[str, str]]:
        sources = json.loads((out / "med_mat.json").read_text("utf-8"))["sources"]
        return {name: facts["libraries"] for name, facts in sources.items()}

    before = recorded(built / "out")
    assert set(before[PNG]) == {"picture hashes", "pyarrow"}
    assert set(before[DICOM]) == {"PNG encoding", "numpy", "picture hashes", "pyarrow", "pydicom"}
    out = built / "again"
    make(built / "raw", out, PNG, DICOM)
    upgrade("pydicom")
    report = make(built / "raw", out, DICOM)
    assert report.stale == {DICOM: (f"pydicom {before[DICOM]['pydicom']} -> 99",)}
    assert recorded(out) == {PNG: before[PNG], DICOM: {**before[DICOM], "pydicom": "99"}}


def test_masks_are_encoded_anew_over_stored_images(tmp_path: Path, upgrade: Callable[[str], str]) -> None:
    miniature(tmp_path / "raw", ["busi"])
    make(tmp_path / "raw", tmp_path / "out", "busi")
    told = upgrade("PNG encoding")
    assert ahead(tmp_path, "busi") == ("copy", {told})


def test_a_jpeg_that_is_not_decoded_depends_on_what_writes_parquet_alone(tmp_path: Path) -> None:
    miniature(tmp_path / "raw", ["ct_kidney"])
    make(tmp_path / "raw", tmp_path / "out", "ct_kidney", check="header")
    manifest = json.loads((tmp_path / "out" / "med_mat.json").read_text("utf-8"))
    assert list(manifest["sources"]["ct_kidney"]["libraries"]) == ["pyarrow"]


@pytest.mark.parametrize("name", libraries._PROBES)
def test_what_a_library_does_is_the_same_each_time(name: str) -> None:
    assert libraries.version.__wrapped__(name) == libraries.version.__wrapped__(name)


def test_another_decoder_of_one_subsampling_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    before = libraries.version.__wrapped__("JPEG decoding")
    seen = set()
    original = Image.open

    def opened(file: Any) -> Image.Image:
        picture = original(file)
        sampling = tuple(part[1:3] for part in picture.layer)
        seen.add((picture.mode, sampling[0], bool(picture.info.get("progressive"))))
        if sampling[0] == (1, 2):
            picture.load()
            picture.putpixel((5, 5), (1, 2, 3))
        return picture

    monkeypatch.setattr(Image, "open", opened)
    assert libraries.version.__wrapped__("JPEG decoding") != before
    assert seen >= {("RGB", sampling, False) for sampling in ((1, 1), (2, 1), (2, 2), (1, 2), (4, 1))}
    assert seen >= {("RGB", (2, 2), True), ("L", (1, 1), False), ("L", (1, 1), True)}


def test_another_packing_of_png_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    before = libraries.version.__wrapped__("PNG encoding")
    monkeypatch.setattr("med_mat.imaging.stored.PNG_PACKING", {"compress_level": 5})
    assert libraries.version.__wrapped__("PNG encoding") != before
