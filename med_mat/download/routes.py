"""The routes to a source, from its card: which are automatic, what they need, and the steps of a manual download."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from med_mat.catalog import Download, Source
from med_mat.download.http import is_open
from med_mat.errors import DownloadError
from med_mat.hosts import Host, hosts
from med_mat.hosts.base import ManualHost

#: Kinds of access that need a signature or a request: nothing is downloaded unless a route is named.
_ASKED = frozenset(("request", "credentialed"))


def host_of(download: Download) -> Host:
    """The kind of server that an entry of a card comes from."""
    return hosts()[download.kind]


def page(download: Download) -> str:
    """The page on which a person finds it."""
    return host_of(download).page(download.at)


def verified(download: Download) -> str:
    """How the files of an entry are verified, as a phrase after "verified"."""
    known = [name for name in download.files if name in download.sha256]
    if known and len(known) == len(download.files):
        return "by the sha256 in the card"
    if is_open(download.at):
        rest = "by nothing: it comes over plain http, and only with --allow-http"
    else:
        rest = host_of(download).verified
    return f"{', '.join(known)} by the sha256 in the card, the rest {rest}" if known else rest


@dataclass(frozen=True, slots=True)
class Route:
    """One way to obtain a source."""

    number: int  # for `--route`
    downloads: tuple[Download, ...]  # of one server, fetched together
    steps: tuple[str, ...]  # of a manual download

    @property
    def kind(self) -> str:
        """The kind of its host."""
        return self.downloads[0].kind

    @property
    def host(self) -> Host:
        """The kind of server that it comes from."""
        return host_of(self.downloads[0])

    @property
    def automatic(self) -> bool:
        """Whether Med-MAT downloads it, rather than a person."""
        return not isinstance(self.host, ManualHost)

    @property
    def needs(self) -> str:
        """What a person must have done before, as a sentence; "" for nothing."""
        needs = self.host.needs(self.downloads[0].at)
        if any(is_open(one.at) and not set(one.files) <= one.sha256.keys() for one in self.downloads):
            return "To fetch it, pass --allow-http: it comes over plain http, and no digest of it is known."
        return f"To fetch it, {needs}." if needs else ""

    @property
    def verified(self) -> str:
        """How its files are verified, as a phrase after "verified"."""
        return "; ".join(dict.fromkeys(map(verified, self.downloads)))

    def __str__(self) -> str:
        what = ", ".join(page(one) for one in self.downloads)
        files = [name for one in self.downloads for name in one.files or ()]
        some = f" ({', '.join(files[:4])}{f' and {len(files) - 4} more' if len(files) > 4 else ''})" if files else ""
        return f"route {self.number}: {self.kind} {what}{some}" + ("" if self.automatic else ", by hand")


@dataclass(frozen=True, slots=True)
class Plan:
    """All routes to a source, in the card's order."""

    source: Source
    raw: Path
    routes: tuple[Route, ...]

    @property
    def target(self) -> Path:
        """The folder of the source."""
        return self.raw / self.source.name

    def choose(self, number: int | None = None) -> Route:
        """The route of a number, or the one with the least effort.

        An open server comes before one that needs a token, then the card's order counts. For a source with access on
        request, for credentialed users or under competition rules it is the publisher's own route, never a copy that
        circumvents them.

        Raises:
            DownloadError: there is no such route.
        """
        for route in self.routes:
            if route.number == number:
                return route
        if number is not None or not self.routes:
            raise DownloadError(
                f"The source {self.source.name!r} has no route {number}; it has {len(self.routes)}: "
                f"{'; '.join(map(str, self.routes)) or 'none'}."
            )
        return min(self.routes, key=self._effort)

    def _effort(self, route: Route) -> tuple[int, int]:
        if self.source.access in _ASKED:
            return int(not route.host.publishers), route.number
        return route.host.effort(route.downloads[0], self.source.access), route.number

    def by_hand(self, route: Route) -> bool:
        """Whether a route, if chosen by default, is left to a person."""
        return not route.automatic or self.source.access in _ASKED

    @property
    def unattended(self) -> bool:
        """Whether the default route needs no account, signature or request."""
        if not self.routes:
            return False
        route = self.choose()
        return not self.by_hand(route) and not route.needs


def plan(source: Source, raw: Path) -> Plan:
    """The routes to a source. The network is not used."""
    groups: list[list[Download]] = []
    for download in source.downloads:
        if groups and _together(groups[-1][-1], download):
            groups[-1].append(download)
        else:
            groups.append([download])
    routes = (Route(i, tuple(group), _steps(source, tuple(group), raw)) for i, group in enumerate(groups, start=1))
    return Plan(source, raw, tuple(routes))


def _together(one: Download, other: Download) -> bool:
    """Whether two entries of a card belong to one route: files in one folder of one server."""
    return one.kind == other.kind == "https" and one.at.rpartition("/")[0] == other.at.rpartition("/")[0]


def _steps(source: Source, downloads: tuple[Download, ...], raw: Path) -> tuple[str, ...]:
    target = raw / source.name
    steps = []
    for one in downloads:
        steps.append(f"Open {page(one)}{host_of(one).sign_in}.")
        if one.note:
            steps.append(one.note)
    files = [name for one in downloads for name in one.files]
    steps += host_of(downloads[0]).steps(downloads[0].at, source.access, target, files)
    layouts = [layout.words for layout in source.layouts]
    if layouts:
        steps.append(f"Below {target}, or in a folder inside, must then lie: {'; or '.join(layouts)}.")
    steps.append(next_step(source, raw))
    return tuple(steps)


def next_step(source: Source, raw: Path) -> str:
    """The next command once the source is in place."""
    return f"Then: med-mat build {source.name} --raw {shlex.quote(str(raw))} --out Med-MAT"
