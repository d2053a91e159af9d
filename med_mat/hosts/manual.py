"""Hosts that only a person gets data from."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from med_mat.hosts.base import ManualHost


@dataclass(frozen=True, slots=True)
class Page(ManualHost):
    """A page with a form, an account or an agreement."""

    kind = "page"
    verified = "by you, where the page gives a digest"
    publishers = True

    def page_of(self, at: str) -> str:
        """The page itself."""
        return at

    def terms(self, at: str, access: str) -> list[str]:
        """Ask, or sign in."""
        if access in ("account", "competition", "credentialed"):
            return ["Sign in, where the page asks for it, and accept the terms."]
        return ManualHost.terms(self, at, access)


@dataclass(frozen=True, slots=True)
class PhysioNet(ManualHost):
    """A project of PhysioNet, by ``name/version``."""

    kind = "physionet"
    verified = "by you: sha256sum -c SHA256SUMS.txt, which comes with it"
    publishers = True

    def page_of(self, at: str) -> str:
        """The page of the project."""
        return f"https://physionet.org/content/{at}/"

    def steps(self, at: str, access: str, target: Path, files: Sequence[str]) -> list[str]:
        """Training and an agreement, then wget."""
        return [
            "Sign in, complete the training that the page asks for, and sign its data use agreement.",
            "Download the files: wget -r -N -c -np -nH --cut-dirs=3 --user YOUR_NAME --ask-password "
            f"-P {shlex.quote(str(target))} https://physionet.org/files/{at}/",
        ]
