"""What packages add by name: modules of this package, and entry points of others.

An entry point that cannot be used is left out with a warning that names it and its package, so that a broken package
harms nobody else.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterator
from importlib import metadata
from types import ModuleType
from typing import Any

log = logging.getLogger(__name__)


def modules(package: str) -> Iterator[ModuleType]:
    """Import the modules of a package of Med-MAT, by name.

    Args:
        package: Its dotted name.
    """
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        yield importlib.import_module(f"{package}.{module.name}")


def named(
    group: str, what: str, problem: Callable[[metadata.EntryPoint, Any], str]
) -> Iterator[tuple[metadata.EntryPoint, Any]]:
    """The objects that the entry points of a group name, in the order of their names, and which can be used.

    Args:
        group: Group of entry points, such as "med_mat.exports".
        what: What is named, for the warning, such as "export format".
        problem: Why an object cannot be used, as a sentence; "" if it can.
    """
    for point in sorted(metadata.entry_points(group=group), key=lambda point: (point.name, point.value)):
        try:
            found = point.load()
            wrong = problem(point, found)
        except Exception as error:  # code of other packages may raise anything
            wrong = f"{point.value} cannot be used: {type(error).__name__}: {error}."
        if wrong:
            package = point.dist.name if point.dist else point.value
            log.warning("The %s %r of the package %r is left out. %s", what, point.name, package, wrong)
        else:
            yield point, found
