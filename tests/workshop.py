"""What tests import by name. A module of its own, since several folders have a conftest.py."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest


@dataclass(frozen=True)
class Workshop:
    """Miniature raw folders of all sources with a loader, and what was built from them. Look, but do not touch."""

    root: Path

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @cached_property
    def hashes(self) -> dict[str, dict[str, str]]:
        """What the raw folders held ``before`` and ``after`` the build: path -> sha256."""
        read: dict[str, dict[str, str]] = json.loads((self.root / "hashes.json").read_text("utf-8"))
        return read

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The rows of the index."""
        rows: list[dict[str, Any]] = pq.read_table(self.out / "index.parquet").to_pylist()
        return rows

    def of(self, source: str) -> list[dict[str, Any]]:
        """The records of one source."""
        return [one for one in self.records if one["source"] == source]

    def ledger(self, source: str) -> dict[str, Any]:
        """The ledger of one source."""
        read: dict[str, Any] = json.loads((self.out / "ledger" / f"{source}.json").read_text("utf-8"))
        return read


def digests(root: Path) -> dict[str, str]:
    """Every file below a folder -> the sha256 of its bytes."""
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@contextmanager
def no_network() -> Iterator[None]:
    """Whatever asks for a connection, or for an address, fails."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("something asked for the network")

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "bind", "sendto"):
            patch.setattr(socket.socket, name, refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        patch.setattr(socket, "create_connection", refuse)
        yield


def heeding_interrupts() -> None:
    """Before a process begins, have it heed Ctrl-C: where the tests run in the background, the shell has it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first worker that asks for it makes, while the others wait."""
    import filelock

    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with filelock.FileLock(f"{folder}.lock"):
        if not Path(f"{folder}.done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            Path(f"{folder}.done").touch()
    return folder
