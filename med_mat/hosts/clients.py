"""Hosts that are fetched from by a client of their own."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from med_mat.errors import DownloadError
from med_mat.hosts.base import ClientHost, Entry, missing

#: How to let the Kaggle client in.
KAGGLE_TOKEN = (
    "sign in at https://www.kaggle.com, make a token at https://www.kaggle.com/settings/api, and put it into the file "
    "~/.kaggle/access_token or the variable KAGGLE_API_TOKEN (or run 'kaggle auth login')"
)


@dataclass(frozen=True, slots=True)
class Kaggle(ClientHost):
    """A dataset of Kaggle, by ``owner/name``."""

    kind = "kaggle"
    verified = "by Kaggle's client alone: Kaggle publishes no digest"
    sign_in = " and sign in to Kaggle"

    command: tuple[str, ...] = ()  # of the client; empty: the installed one

    def page_of(self, at: str) -> str:
        """The page of the dataset."""
        return f"https://www.kaggle.com/datasets/{at}"

    def effort(self, entry: Entry, access: str) -> int:
        """A token; a copy that goes around the rules of a competition comes last."""
        return 5 if access == "competition" else 1

    def needs(self, at: str) -> str:
        """A token."""
        return KAGGLE_TOKEN

    def archives(self, at: str) -> tuple[str, ...]:
        """As the client calls it."""
        return (f"{at.rstrip('/').rpartition('/')[2]}.zip",)

    def fetch(self, entry: Entry, folder: Path, *, progress: bool) -> None:
        """Run the client as a process."""
        self._run("datasets", entry, folder, progress)

    def refused(self, at: str, said: str) -> str:
        """What to do where the client refuses, by what it said."""
        return f"Open {self.page(at)}; if it wants a token, {KAGGLE_TOKEN}."

    def _run(self, what: str, entry: Entry, folder: Path, progress: bool) -> None:
        command = self.command
        if not command:
            if importlib.util.find_spec("kaggle") is None:
                raise missing("kaggle")
            command = (sys.executable, "-m", "kaggle.cli")
        try:
            done = subprocess.run(
                [*command, what, "download", entry.at, "-p", str(folder), *(() if progress else ("-q",))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if progress else subprocess.PIPE,  # its progress bar
                text=True,
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise DownloadError(f"The Kaggle client cannot be run ({command[0]}: {error.strerror}).") from error
        if done.returncode == 0:
            return
        said = f"{done.stdout or ''}\n{done.stderr or ''}"
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        if "uthenticat" in said or "401" in said or not lines:
            hint = f"To let it in, {KAGGLE_TOKEN}."
        else:
            hint = self.refused(entry.at, said)
        reason = next((line for line in reversed(lines) if "rror" in line or "403" in line or "404" in line), "")
        reason = (reason or (lines[0] if lines else "")).rstrip(".")
        raise DownloadError(f"The Kaggle client did not fetch {entry.at}{f' ({reason})' if reason else ''}. {hint}")


@dataclass(frozen=True, slots=True)
class KaggleCompetition(Kaggle):
    """The data of a competition of Kaggle, by its name."""

    kind = "kaggle-competition"

    def page_of(self, at: str) -> str:
        """The page of the data."""
        return f"https://www.kaggle.com/competitions/{at}/data"

    def effort(self, entry: Entry, access: str) -> int:
        """A token, and rules to accept."""
        return 3

    def needs(self, at: str) -> str:
        """A token, and rules to accept."""
        return f"{KAGGLE_TOKEN}; and accept the rules at https://www.kaggle.com/competitions/{at}/rules"

    def terms(self, at: str, access: str) -> list[str]:
        """The rules."""
        return [f"Accept the rules: https://www.kaggle.com/competitions/{at}/rules."]

    def fetch(self, entry: Entry, folder: Path, *, progress: bool) -> None:
        """Run the client as a process."""
        self._run("competitions", entry, folder, progress)

    def refused(self, at: str, said: str) -> str:
        """The rules were not accepted, perhaps."""
        if "403" in said:
            return f"Accept the rules first: https://www.kaggle.com/competitions/{at}/rules."
        return Kaggle.refused(self, at, said)


@dataclass(frozen=True, slots=True)
class GoogleDrive(ClientHost):
    """A file of Google Drive, by its id."""

    kind = "google-drive"
    verified = "by nothing but https and the size"

    def page_of(self, at: str) -> str:
        """The page of the file."""
        return f"https://drive.google.com/file/d/{at}/view"

    def fetch(self, entry: Entry, folder: Path, *, progress: bool) -> None:
        """By gdown, which knows the form on large files."""
        try:
            import gdown
        except ImportError as error:
            raise missing("gdown") from error
        output = str(folder / entry.files[0]) if len(entry.files) == 1 else f"{folder}/"
        try:
            done = gdown.download(id=entry.at, output=output, quiet=not progress, resume=True)
        except Exception as error:  # gdown lets through whatever requests and the system raise
            raise _failed("Google Drive", entry.at, self.page(entry.at), error) from error
        if done is None:  # older releases
            raise _failed("Google Drive", entry.at, self.page(entry.at), None)


@dataclass(frozen=True, slots=True)
class HuggingFace(ClientHost):
    """A dataset of the Hugging Face Hub, by ``owner/name``."""

    kind = "huggingface"
    verified = "by the size that the Hub gives for each file, by its client"

    endpoint: str | None = None  # None: as huggingface_hub is set up

    def page_of(self, at: str) -> str:
        """The page of the dataset."""
        return f"https://huggingface.co/datasets/{at}"

    def fetch(self, entry: Entry, folder: Path, *, progress: bool) -> None:
        """By huggingface_hub."""
        import huggingface_hub

        try:
            huggingface_hub.snapshot_download(
                entry.at,
                repo_type="dataset",
                local_dir=folder,
                allow_patterns=list(entry.files) or None,
                endpoint=self.endpoint,
            )
        except Exception as error:  # its own errors, those of its HTTP client, those of the system
            raise _failed("Hugging Face", entry.at, self.page(entry.at), error) from error
        shutil.rmtree(folder / ".cache", ignore_errors=True)


def _failed(who: str, at: str, page: str, error: Exception | None) -> DownloadError:
    lines = str(error or "").split("\n")
    reason = f" ({type(error).__name__}: {' '.join(lines[0].split()).rstrip('.:')})" if error is not None else ""
    return DownloadError(
        f"{who} did not hand out {at}{reason}. Open {page}: it may be gone, gated, or asked for too often today."
    )
