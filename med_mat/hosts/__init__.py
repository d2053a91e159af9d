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
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Annotated, Any

from med_mat import plugins
from med_mat.hosts.base import Host
from med_mat.hosts.clients import GoogleDrive, HuggingFace, Kaggle, KaggleCompetition
from med_mat.hosts.listed import Figshare, GitHub, Https, Mendeley, Zenodo
from med_mat.hosts.manual import Page, PhysioNet

__all__ = ["PLUGINS", "Host", "HostKind", "hosts", "kinds"]

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

    def problem(point: EntryPoint, kind: Any) -> str:
        host = kind()
        if not isinstance(host, Host):
            return f"It makes a {type(host).__name__}, where a med_mat.hosts.Host is expected."
        return f"There is already a host of the kind {host.kind!r}." if host.kind in found else ""

    for _, kind in plugins.named(PLUGINS, "route", problem):
        found[kind.kind] = kind()
    return found


def kinds() -> tuple[str, ...]:
    """The kinds that a card may name under ``download:``."""
    return tuple(hosts())


#: One of :func:`kinds`.
HostKind = Annotated[str, kinds]
