"""A small build with options, open questions, boxes and masks."""

from __future__ import annotations

from pathlib import Path

import pytest
from workshop import no_network, once

import med_mat
from med_mat.building import Options, build, find
from med_mat.demo import miniature

SOURCES = (
    *("chest_ct_scan", "sars_cov_2_ct", "covid_ct", "ct_of_brain"),  # what CT/Lung/Cancer is composed of
    *("chestx_det", "isic_2016", "rim_one_dl", "busi"),  # boxes and masks
)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the build. Look, but do not touch."""

    def make(root: Path) -> None:
        with no_network():
            miniature(root / "raw", SOURCES)
            build(find(dict.fromkeys(SOURCES), root / "raw"), root / "out", Options(jobs=1))

    return once(tmp_path_factory, "exported", make) / "out"


@pytest.fixture(scope="session")
def mat(built: Path) -> med_mat.MedMAT:
    return med_mat.open(built)
