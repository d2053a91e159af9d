"""Med-MAT: compositional generalization experiments on medical images, from the publishers' own files.

>>> import med_mat
>>> mat = med_mat.open("Med-MAT")                   # a folder that `med-mat build` wrote, or a Hub dataset
>>> train = mat.select("CT/*/Cancer", split="train")  # a plain datasets.Dataset
>>> experiment = mat.related("CT/Lung/Cancer")      # .train, .test, .audit()
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from med_mat.building import build
    from med_mat.catalog import Source, sources
    from med_mat.dataset import MedMAT, open  # noqa: A004 - med_mat.open reads well
    from med_mat.errors import MedMATError
    from med_mat.hub.pixels import attach
    from med_mat.hub.upload import push
    from med_mat.selection import Selection, field
    from med_mat.splits import Audit, Experiment
    from med_mat.taxonomy import MAT, Pattern

__version__ = "0.2.0"

#: Public name -> the module that holds it, imported at first use: `import med_mat` costs next to nothing.
_HOMES = {
    "Audit": "med_mat.splits",
    "Experiment": "med_mat.splits",
    "MAT": "med_mat.taxonomy",
    "MedMAT": "med_mat.dataset",
    "MedMATError": "med_mat.errors",
    "Pattern": "med_mat.taxonomy",
    "Selection": "med_mat.selection",
    "Source": "med_mat.catalog",
    "attach": "med_mat.hub.pixels",
    "build": "med_mat.building",
    "field": "med_mat.selection",
    "open": "med_mat.dataset",
    "push": "med_mat.hub.upload",
    "sources": "med_mat.catalog",
}

__all__ = [
    "MAT",
    "Audit",
    "Experiment",
    "MedMAT",
    "MedMATError",
    "Pattern",
    "Selection",
    "Source",
    "attach",
    "build",
    "field",
    "open",
    "push",
    "sources",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'med_mat' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
