"""A user of the Hub: the real client in a process of its own, since it reads its settings but once."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from hub_server import TOKEN, Hub

from med_mat import catalog
from med_mat.catalog import Catalog, Source, find

#: What these tests take for the terms, whatever the cards come to say: whether images may be passed on, and labels.
#: The second has masks, the last boxes and masks.
TERMS: dict[str, tuple[bool | None, bool | None]] = {
    "acrima": (True, True),
    "busi": (None, None),
    "aptos_2019": (False, False),
    "kvasir_seg": (None, None),
}
SOURCES = tuple(TERMS)


def with_terms(source: Source) -> Source:
    """A source with these terms, where it has some; and nobody has looked at what identifies."""
    if source.name not in TERMS:
        return source
    images, labels = TERMS[source.name]
    return replace(source, redistributable=images, labels_redistributable=labels, identifying=None)


def settled() -> Catalog:
    """The catalog with these terms."""
    found = catalog.load()
    return Catalog({name: with_terms(source) for name, source in found.items()}, found.subsets)


def settle() -> None:
    """Have this process read the cards with these terms."""
    read = find.read_card
    find.read_card = lambda name, text: with_terms(read(name, text))


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
    settled: bool = True  # whether the terms are those of these tests, and not those of the cards
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
        terms = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import hub_client; hub_client.settle()"
        )
        command = [sys.executable, "-c", f"{terms}\n{code}" if self.settled else code, *map(str, arguments)]
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
