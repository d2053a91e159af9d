"""The catalog of all sources, rows and subsets, read from ``dataset_cards/`` and ``data/subsets.yaml``.

Nothing here imports a loader or touches an image. A source is one raw dataset as its publisher ships it; a row is one
of upstream's numbered entries (a source under one task), or one of a later source; a subset is one of the 53 aggregated
subsets.
"""

from med_mat.catalog import checkout
from med_mat.catalog.facts import RowFacts, declared_words, vocabulary_of
from med_mat.catalog.find import load, sources, without_one
from med_mat.catalog.known import Catalog
from med_mat.catalog.model import (
    UPSTREAM_ROWS,
    Certainty,
    Download,
    Erratum,
    Identifier,
    LabeledBy,
    Labeler,
    Layout,
    LicenseRead,
    Place,
    Row,
    Scale,
    SharedId,
    Source,
    Split,
    StatedBy,
    Subset,
    Upstream,
    Verified,
)
from med_mat.catalog.plugins import PLUGINS
from med_mat.catalog.read import read_card, read_subsets

checkout.register()  # also in worker processes: unpickling a Source imports this package

__all__ = [
    "PLUGINS",
    "UPSTREAM_ROWS",
    "Catalog",
    "Certainty",
    "Download",
    "Erratum",
    "Identifier",
    "LabeledBy",
    "Labeler",
    "Layout",
    "LicenseRead",
    "Place",
    "Row",
    "RowFacts",
    "Scale",
    "SharedId",
    "Source",
    "Split",
    "StatedBy",
    "Subset",
    "Upstream",
    "Verified",
    "declared_words",
    "load",
    "read_card",
    "read_subsets",
    "sources",
    "vocabulary_of",
    "without_one",
]
