"""A user of the Hub: the real client in a process of its own, since it reads its settings but once."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from hub_server import TOKEN, Hub

#: May be passed on; not known, with masks; forbidden; not known, with boxes and masks.
SOURCES = ("acrima", "busi", "aptos_2019", "kvasir_seg")


@dataclass(frozen=True)
class Built:
    """Raw folders and what was built from them. Look, but do not touch."""

    raw: Path
    out: Path


@dataclass(frozen=True)
class Client:
    """A user of the Hub."""

    hub: Hub
    home: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        return kept | {
            "HF_ENDPOINT": self.hub.endpoint,
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            **self.settings,
        }

    def start(self, code: str, *arguments: object) -> subprocess.Popen[str]:
        """Python code, in a process of its own."""
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def python(self, code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """The same, until it ends."""
        process = self.start(code, *arguments)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def med_mat(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """The command line."""
        return self.python("import sys; from med_mat.cli import main; main()", *arguments)
