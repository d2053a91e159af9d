"""Addresses of places that are not on this machine: ``s3://``, ``gs://``, ``hf://``, and ``sftp://``."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from med_mat.errors import UsageError

#: Scheme -> what follows it, for messages.
SCHEMES = {
    "s3": "s3://BUCKET/PATH",
    "gs": "gs://BUCKET/PATH",
    "hf": "hf://datasets/OWNER/NAME",
    "sftp": "sftp://HOST/PATH",
}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_EATEN = re.compile(r"^([a-z0-9]+):/")


class URLPath(PurePosixPath):
    """An address with the operations of a path. ``pathlib`` drops one of the two slashes; as text they are there."""

    def __str__(self) -> str:
        return _EATEN.sub(r"\1://", super().__str__())

    def __fspath__(self) -> str:
        raise TypeError(f"{self} is no path on this machine.")

    @property
    def scheme(self) -> str:
        """``s3``, for example."""
        return self.parts[0].removesuffix(":")

    @property
    def host(self) -> str:
        """The bucket or the host; of the Hub the kind of repository."""
        return self.parts[1]


def is_url(text: object) -> bool:
    """Whether a name has the form of an address, of whatever kind."""
    return isinstance(text, str) and _URL.match(text) is not None


def url(text: str) -> URLPath:
    """An address, checked.

    Raises:
        UsageError: It is of another kind, incomplete, or contains a password or a token. The message does not repeat
            what may be secret.
    """
    match = _URL.fullmatch(text)
    scheme, rest = (match[1].lower(), match[2]) if match else ("", text)
    host, _, path = rest.partition("/")
    if scheme not in SCHEMES:
        raise UsageError(
            f"Addresses that begin with {scheme}:// are not read: expected {', '.join(SCHEMES.values())}, or a folder."
        )
    user = host.rpartition("@")[0]
    if ":" in user or (user and scheme != "sftp") or "?" in rest:
        raise UsageError(
            f"The {scheme}:// address contains what may be a password or a token, which would end up in the history of "
            "the shell and in lists of processes. Write the address without it, and give credentials by the "
            "provider's own means: its environment variables, profiles, keys, or login."
        )
    if not host or any(part in ("", ".", "..") for part in path.rstrip("/").split("/") if path.rstrip("/")):
        raise UsageError(f"{text!r} is not a complete address: expected {SCHEMES[scheme]}.")
    if scheme == "hf" and (host not in ("datasets", "models") or len(path.rstrip("/").split("/")) < 2):
        raise UsageError(f"{text!r} names no repository of the Hub: expected {SCHEMES[scheme]}.")
    return URLPath(f"{scheme}://{rest}")
