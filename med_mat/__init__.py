"""Med-MAT: compositional generalization experiments on medical images, from the publishers' own files.

>>> import med_mat
>>> mat = med_mat.open("Med-MAT")                   # a folder that `med-mat build` wrote, or a Hub dataset
>>> train = mat.select("CT/*/Cancer", split="train")  # a plain datasets.Dataset
>>> experiment = mat.related("CT/Lung/Cancer")      # .train, .test, .audit()
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from med_mat import (
        catalog,
        conventions,
        errors,
        example,
        experiment,
        export,
        official,
        paper,
        plot,
        questions,
        raw,
        schema,
        score,
        selection,
        splits,
        taxonomy,
    )
    from med_mat.building import build
    from med_mat.catalog import Source, sources
    from med_mat.dataset import MedMAT, open  # noqa: A004 - med_mat.open reads well
    from med_mat.errors import MedMATError
    from med_mat.hub.pixels import attach
    from med_mat.hub.upload import push
    from med_mat.items import Item, examples
    from med_mat.selection import MAT, Pattern, Selection, field
    from med_mat.splits import Audit, Experiment

__version__ = "0.2.0"

#: Public name -> the module that holds it, imported at first use: `import med_mat` costs next to nothing.
_HOMES = {
    "Audit": "med_mat.splits",
    "Experiment": "med_mat.splits",
    "Item": "med_mat.items",
    "MAT": "med_mat.selection",
    "MedMAT": "med_mat.dataset",
    "MedMATError": "med_mat.errors",
    "Pattern": "med_mat.selection",
    "Selection": "med_mat.selection",
    "Source": "med_mat.catalog",
    "attach": "med_mat.hub.pixels",
    "build": "med_mat.building",
    "examples": "med_mat.items",
    "field": "med_mat.selection",
    "open": "med_mat.dataset",
    "push": "med_mat.hub.upload",
    "sources": "med_mat.catalog",
}

#: The names above, and modules such as ``med_mat.paper``, which are imported at first use too. No module has the name
#: of a function: importing it would put the module in the function's place.
__all__ = [
    "MAT",
    "Audit",
    "Experiment",
    "Item",
    "MedMAT",
    "MedMATError",
    "Pattern",
    "Selection",
    "Source",
    "attach",
    "build",
    "catalog",
    "conventions",
    "errors",
    "example",
    "examples",
    "experiment",
    "export",
    "field",
    "official",
    "open",
    "paper",
    "plot",
    "push",
    "questions",
    "raw",
    "schema",
    "score",
    "selection",
    "sources",
    "splits",
    "taxonomy",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'med_mat' has no attribute {name!r}; it has {', '.join(__dir__())}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
