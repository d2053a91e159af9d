"""A build is a function of its code too: what a changed module, seed or option makes anew, and what it does not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import pytest
from building import content, make

from med_mat.building import Options, find, forecast, inputs
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


@pytest.mark.parametrize("module", ["med_mat.raw.dicom", "med_mat.raw.planes"])
def test_a_changed_decoder_or_window_remakes_no_source_that_does_not_need_it(
    built: Path, change: Callable[[str], None], module: str
) -> None:
    change(module)
    assert ahead(built, PNG) == ("keep", set())
    assert ahead(built, DICOM) == ("decode", {module})


@pytest.mark.parametrize("module", ["med_mat.image", "med_mat.leakage.fingerprint"])
def test_what_all_pixels_pass_through_remakes_all(built: Path, change: Callable[[str], None], module: str) -> None:
    change(module)
    assert ahead(built, PNG) == ("decode", {module})
    assert ahead(built, DICOM) == ("decode", {module})


@pytest.mark.parametrize(
    "module", ["med_mat.questions.asking", "med_mat.annotations", "med_mat.building.record", "med_mat.schema"]
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
    "module", ["med_mat.building.run", "med_mat.splits.audit", "med_mat.browse.page", "med_mat.cli"]
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
