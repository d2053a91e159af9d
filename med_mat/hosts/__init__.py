"""The servers that sources come from: one class for each kind, and the registry of all of them.

Other packages add kinds by entry points of the group ``med_mat.routes``, each of which names a subclass of
:class:`~med_mat.hosts.base.ListedHost`, :class:`~med_mat.hosts.base.ClientHost` or
:class:`~med_mat.hosts.base.ManualHost` that is made without arguments::

    [project.entry-points."med_mat.routes"]
    dataverse = "my_package.dataverse:Dataverse"

A card then may name the kind under ``download:``.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from importlib import metadata
from typing import Annotated

from med_mat.hosts.base import Host
from med_mat.hosts.clients import GoogleDrive, HuggingFace, Kaggle, KaggleCompetition
from med_mat.hosts.listed import Figshare, GitHub, Https, Mendeley, Zenodo
from med_mat.hosts.manual import Page, PhysioNet

__all__ = ["PLUGINS", "Host", "HostKind", "hosts", "kinds"]

_LOGGER = logging.getLogger(__name__)
#: Entry points by which other packages add kinds of hosts.
PLUGINS = "med_mat.routes"
_OURS = (
    *(Kaggle, KaggleCompetition, Https, Zenodo, Figshare, Mendeley, HuggingFace, GitHub, GoogleDrive),
    *(PhysioNet, Page),
)


@functools.cache
def hosts() -> Mapping[str, Host]:
    """Every host, by its kind: those of Med-MAT, then those of other packages."""
    found: dict[str, Host] = {kind.kind: kind() for kind in _OURS}
    for point in sorted(metadata.entry_points(group=PLUGINS), key=lambda point: (point.name, point.value)):
        package = point.dist.name if point.dist else point.value
        try:
            host = point.load()()
            problem = _problem(host, found)
        except Exception as error:  # other people's code may raise anything
            problem = f"{point.value} cannot be used: {type(error).__name__}: {error}."
        if problem:
            _LOGGER.warning("The route %r of the package %r is left out. %s", point.name, package, problem)
        else:
            found[host.kind] = host
    return found


def _problem(host: object, found: Mapping[str, Host]) -> str:
    """Why an entry point does not name a host that can be used; "" if it does."""
    if not isinstance(host, Host):
        return f"It makes a {type(host).__name__}, where a med_mat.hosts.Host is expected."
    if host.kind in found:
        return f"There is already a host of the kind {host.kind!r}."
    return ""


def kinds() -> tuple[str, ...]:
    """The kinds that a card may name under ``download:``."""
    return tuple(hosts())


#: One of :func:`kinds`.
HostKind = Annotated[str, kinds]
