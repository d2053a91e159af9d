"""Refuses a cluster on which a build would not give the bytes that it gives here, before anything is built.

Each worker must have the same code and libraries as this process, and see the raw folders and the output folder.
"""

from __future__ import annotations

import functools
import platform
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

from med_mat import __version__, formats
from med_mat.building import cluster, libraries
from med_mat.building.fingerprint import combined, module_digests
from med_mat.errors import BuildError
from med_mat.files import temporary_path, write_atomically
from med_mat.mounts.base import Mount
from med_mat.raw.folder import RawFolder

#: What writes chunks on a worker; everything that it imports is compared.
_ENTRY = "med_mat.building.chunk"
_CODE = "code of Med-MAT"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a worker has."""

    versions: Mapping[str, str]
    unseen: tuple[PurePath, ...]  # the raw folders of which it does not see the files that are here
    answer: str  # the file that it wrote beside the question; "" if it does not see the question, or why it could not


@functools.cache
def versions() -> dict[str, str]:
    """The versions of everything that the bytes of a build depend on: Python, Med-MAT, its code, its libraries."""
    every = formats.needs()
    return {
        "Python": platform.python_version(),
        "Med-MAT": __version__,
        _CODE: combined(module_digests([_ENTRY]))[:12],
        **libraries.of_pixels(every),
        **libraries.of_records(every),
    }


def look(question: Path, token: str, samples: Mapping[Mount, tuple[str, int]]) -> Seen:
    """What this process has, and what it sees.

    Args:
        question: a file in the output folder.
        token: its content.
        samples: raw folder -> one of its files and the size of that, in bytes.
    """
    answer = ""
    try:
        if question.read_text("utf-8") == token:
            answer = str(temporary_path(question.with_name(f"{question.name} {secrets.token_hex(8)}")))
            Path(answer).write_text(token, "utf-8")
    except OSError as error:
        answer = "" if isinstance(error, FileNotFoundError) and not answer else f"! {error.strerror or error}"
    unseen = []
    for mount, (path, size) in samples.items():
        try:
            seen = mount.stat(path).st_size == size
        except Exception:
            seen = False
        if not seen:
            unseen.append(mount.root)
    return Seen(versions(), tuple(unseen), answer)


def check(engine: cluster.Engine, raw: Mapping[str, RawFolder], out: Path) -> None:
    """Check all workers of a cluster.

    Args:
        engine: the cluster.
        raw: source name -> its raw folder.
        out: the output folder, which exists.

    Raises:
        BuildError: it has no worker, or one of them has other versions or does not see a folder.
    """
    question, token = temporary_path(out.absolute() / ".build" / "question"), secrets.token_hex(16)
    write_atomically(question, token.encode())
    try:
        samples = {
            folder.mount: (path, facts.size)
            for folder in raw.values()
            for path, facts in islice(folder.files.items(), 1)
        }
        answers = engine.everywhere(look, question, token, samples)
        if not answers:
            raise BuildError("The cluster has no worker: start one, for example with 'dask worker' or 'ray start'.")
        for worker, seen in sorted(answers.items()):
            _check(worker, seen, token, out)
    finally:
        question.unlink(missing_ok=True)


def demand(expected: Mapping[str, str]) -> None:
    """Refuse to work in this process if it has other versions: workers may join a cluster while a build runs.

    Raises:
        BuildError: it has.
    """
    if expected != versions():
        raise BuildError(f"Worker {platform.node()} joined the cluster. {_differences(expected, versions())}")


def _differences(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """A sentence on the versions of a worker, and what to do; "" if it has the same."""
    names = [name for name in here if there.get(name) != here[name]]
    told = ", ".join(f"{name} {there.get(name, 'absent')} (here: {here[name]})" for name in names)
    return told and (
        f"It would not give the bytes that this machine gives: it has {told}. Install the same versions there."
    )


def _check(worker: str, seen: Seen | BaseException, token: str, out: Path) -> None:
    if isinstance(seen, BaseException):
        raise BuildError(
            f"Worker {worker} cannot run Med-MAT {__version__} ({type(seen).__name__}: {seen}): install the same "
            "version there, with the same extras."
        )
    if differences := _differences(versions(), seen.versions):
        raise BuildError(f"Worker {worker} cannot help. {differences}")
    if seen.unseen:
        raise BuildError(
            f"Worker {worker} does not see the files in {seen.unseen[0]}: the raw folders must be on a file system "
            "that all workers share, under the same path."
        )
    if not seen.answer or seen.answer.startswith("! "):
        why = seen.answer.removeprefix("! ")
        cannot = f"cannot write to {out.absolute()}: {why}" if why else f"does not see {out.absolute()}"
        raise BuildError(
            f"Worker {worker} {cannot}. The output folder must be on a file system that all workers share, under "
            "the same path."
        )
    try:
        same = Path(seen.answer).read_text("utf-8") == token
    except OSError:
        same = False
    Path(seen.answer).unlink(missing_ok=True)
    if not same:
        raise BuildError(
            f"What worker {worker} writes to {out.absolute()} does not arrive here: is it the same folder?"
        )
