"""Makes the bundled loaders and cards importable where Python runs inside a checkout.

An installation contains them as ``med_mat.loaders`` and ``med_mat.dataset_cards``. In a checkout they are folders next
to the package, which is the one that Python imports when started there.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path

_PACKAGES = ("loaders", "dataset_cards")


def register() -> None:
    """Registers the folders next to the package as its subpackages if it does not contain them itself."""
    package = sys.modules["med_mat"]  # Python imports a package before the modules in it
    beside = str(Path(__file__).parents[2])
    for name in _PACKAGES:
        full = f"med_mat.{name}"
        if full in sys.modules or PathFinder.find_spec(full, package.__path__) is not None:
            continue
        spec = PathFinder.find_spec(full, [beside])  # before an editable installation of another checkout
        if spec is not None and spec.loader is not None:
            sys.modules[full] = module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            setattr(package, name, module)
