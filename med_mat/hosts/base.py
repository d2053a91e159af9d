"""What a kind of host tells of itself, and what it is asked to do."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from med_mat.errors import DownloadError, MissingExtraError

#: Asks a JSON API for an address, and returns its answer.
Ask = Callable[[str], Any]


class Entry(Protocol):
    """An entry under ``download:`` of a card."""

    @property
    def at(self) -> str:
        """Slug, DOI, repository or URL, as its kind says."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are wanted; all if there are none."""

    @property
    def sha256(self) -> Mapping[str, str]:
        """File to digest, as far as known."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One file on a server, and what is known of it."""

    url: str
    name: str  # path that it gets, relative to the folder of the downloads
    size: int | None = None
    digests: Mapping[str, str] = field(default_factory=dict)  # "sha256" or "md5" -> hexadecimal
    page: str = ""  # where a person finds it
    strip: int = 0  # wrapper folders inside that are not the publisher's


class Host(ABC):
    """A kind of server. A route of a card names its kind."""

    kind: ClassVar[str]
    #: How what arrives is verified if the card knows no digest; completes "verified …".
    verified: ClassVar[str]
    #: Whether its pages are publishers' own: what is given out on request is asked for there.
    publishers: ClassVar[bool] = False
    #: What is added to the step of a person that opens its page.
    sign_in: ClassVar[str] = ""

    def page(self, at: str) -> str:
        """The page on which a person finds an entry."""
        return at if "://" in at else self.page_of(at)

    @abstractmethod
    def page_of(self, at: str) -> str:
        """The same, where the entry is not an address itself."""

    def effort(self, entry: Entry, access: str) -> int:
        """How much it asks of a person, to choose between routes: 0, nothing, to 5, the last resort."""
        return 0

    def needs(self, at: str) -> str:
        """What a person must have done before it can be fetched, as a phrase after "To fetch it,"; "" for nothing."""
        return ""

    def terms(self, at: str, access: str) -> list[str]:
        """What a person does on the page before anything can be downloaded.

        Args:
            at: the entry.
            access: how the card says that the source is given out.
        """
        return ["Ask for access as the page says, and wait for the answer."] if access == "request" else []

    def steps(self, at: str, access: str, target: Path, files: Sequence[str]) -> list[str]:
        """What a person does once the page is open.

        Args:
            at: the first entry of the route.
            access: how the card says that the source is given out.
            target: the folder that the source gets.
            files: those of the whole route; empty for all.
        """
        wanted = ", ".join(files) or "the data set"
        return [*self.terms(at, access), f"Download {wanted} into {target}, and unpack archives there."]

    def archives(self, at: str) -> tuple[str, ...]:
        """What a browser or the host's own client calls an archive of everything; for a file that lies around."""
        return ()


class ListedHost(Host):
    """A host with an address for every file, which comes over HTTP."""

    @abstractmethod
    def listing(self, entry: Entry, ask: Ask) -> list[Remote]:
        """The files of an entry: those that it names, or all.

        Raises:
            DownloadError: the host does not answer as expected, or does not hold what the entry names.
        """

    def remotes(self, entry: Entry, ask: Ask) -> tuple[Remote, ...]:
        """The same, with the digests that the card knows."""
        known = {name: {"sha256": digest.lower()} for name, digest in entry.sha256.items()}
        return tuple(
            replace(one, page=self.page(entry.at), digests={**one.digests, **known.get(one.name, {})})
            for one in self.listing(entry, ask)
        )


class ClientHost(Host):
    """A host with a client of its own."""

    @abstractmethod
    def fetch(self, entry: Entry, folder: Path, *, progress: bool) -> None:
        """Fetch the files of an entry into a folder that is there; the client resumes by itself.

        Raises:
            DownloadError: the client refuses; the message says what it needs.
            MissingExtraError: the client is not installed.
        """


class ManualHost(Host):
    """A host that only a person gets data from."""

    def effort(self, entry: Entry, access: str) -> int:
        """A person does it all."""
        return 4


def missing(package: str) -> MissingExtraError:
    """The error for a package that is not installed."""
    return MissingExtraError(f"Downloading this needs the package {package}: pip install 'med-mat[download]'.")


# ---- reading answers: what is missing or of another type than expected is no reason for a traceback


def identifier(at: str) -> tuple[str, str]:
    """The identifier inside a DOI, an address or itself, and the version, where one is named."""
    plain = at.rstrip("/")
    match = re.search(r"(?:figshare|zenodo|17632/|datasets/|records?/|articles/)[./]?(\w+)(?:[./]v?(\d+))?$", plain)
    if match is None:
        match = re.fullmatch(r"(\w+)(?:\.v?(\d+))?", plain)
    return (match[1], match[2] or "") if match else (plain, "")


def chosen(entry: Entry, found: Sequence[Remote], page: str) -> list[Remote]:
    """Those files that the entry names, or all.

    Raises:
        DownloadError: one is not there.
    """
    if not found:
        raise DownloadError(f"{page} lists no files that can be fetched. Open it in a browser.")
    if not entry.files:
        return list(found)
    named = {one.name.lower(): one for one in reversed(found)}
    lacking = [name for name in entry.files if name.lower() not in named]
    if lacking:
        there = ", ".join(one.name for one in found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
        raise DownloadError(
            f"{page} does not list {', '.join(lacking)}. It lists {there}: look there which is meant, and download it "
            "by hand."
        )
    return [named[name.lower()] for name in entry.files]


def entries(answer: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list, also of one under a usual key."""
    if isinstance(answer, dict):
        answer = next((answer[key] for key in ("entries", "files", "results", "data") if key in answer), [])
        if isinstance(answer, dict):
            answer = list(answer.values())
    for entry in answer if isinstance(answer, list) else ():
        if isinstance(entry, dict):
            yield entry


def mapping(answer: Any) -> Mapping[str, Any]:
    """An object; empty if it is something else."""
    return answer if isinstance(answer, dict) else {}


def text(entry: Mapping[str, Any], *keys: str) -> str:
    """The first text that is there under one of the keys; "" if there is none."""
    return next((entry[key] for key in keys if isinstance(entry.get(key), str) and entry[key]), "")


def number(entry: Mapping[str, Any], *keys: str) -> int | None:
    """The first whole number from 0 on under one of the keys."""
    return next((entry[key] for key in keys if type(entry.get(key)) is int and entry[key] >= 0), None)


def digests(found: Any) -> dict[str, str]:
    """``md5:…`` or ``sha256:…`` as a mapping; empty if it is neither."""
    match = re.fullmatch(r"(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})", found.lower()) if isinstance(found, str) else None
    if match is None:
        return {}
    kind, _, digest = match[1].partition(":")
    return {kind: digest}
