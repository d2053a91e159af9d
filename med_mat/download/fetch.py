"""Download one file over HTTP: resumed after an interruption, verified, and renamed once it is complete.

A partial file is called ``<name>.incomplete``; ``<name>.incomplete.json`` beside it records which version of the file
on the server it belongs to, so that bytes of two versions are never joined.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from med_mat import formats
from med_mat.download.http import Again, Settings, answer, is_open, open_session, patiently, start_of, turn_down
from med_mat.download.unpack import MAGIC, is_archive, safe_path
from med_mat.errors import DownloadError
from med_mat.files import flush, write_atomically
from med_mat.hosts.base import Remote

if TYPE_CHECKING:
    import requests

_RESERVE = 64 << 20  # bytes of disk to leave free


def fetch(
    remote: Remote, folder: Path, session: requests.Session | None = None, settings: Settings | None = None
) -> Path:
    """Download one file into a folder, resuming an earlier attempt. A file that is complete and correct is kept.

    Raises:
        DownloadError: it cannot be fetched, is not what was expected, or there is no room. Names the file.
        MissingExtraError: the extra ``download`` is not installed.
    """
    session, settings = session or open_session(), settings or Settings()
    if is_in_the_open(remote) and not settings.allow_http:
        raise DownloadError(
            f"{remote.url} is not fetched: it comes over plain http and no digest of it is known, so whoever sits "
            "between could change images and labels unseen. --allow-http fetches it all the same."
        )
    target = folder / safe_path(remote.name, remote.url)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and not _mistake(target, remote):
        return target
    transfer = _Transfer(remote, target, session, settings)
    with transfer.bar:
        patiently(transfer.once, remote.url, settings, lambda: transfer.reached, kept=transfer.part)
    _sync(transfer.part)
    transfer.part.replace(target)
    transfer.note.unlink(missing_ok=True)
    return target


def is_in_the_open(remote: Remote) -> bool:
    """Whether a file comes over plain http and no digest is known, so that tampering would go unnoticed."""
    return is_open(remote.url) and not remote.digests


def digests(path: Path, kinds: set[str]) -> dict[str, str]:
    """The digests of a file, by kind."""
    hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            for one in hashes.values():
                one.update(chunk)
    return {kind: one.hexdigest() for kind, one in hashes.items()}


def _mistake(path: Path, remote: Remote) -> str:
    """What is wrong with a complete file; "" for nothing."""
    size = path.stat().st_size
    if remote.size is not None and size != remote.size:
        return f"has {size:,} bytes, and {remote.size:,} were expected"
    found = digests(path, set(remote.digests))
    for kind, wanted in remote.digests.items():
        if found[kind] != wanted.lower():
            return f"has the {kind} {found[kind]}, and {wanted.lower()} was expected"
    return ""


class _Transfer:
    """The state of one file's download over several attempts."""

    def __init__(self, remote: Remote, target: Path, session: requests.Session, settings: Settings) -> None:
        from med_mat.progress import Bar

        self.remote, self.target, self.session, self.settings = remote, target, session, settings
        self.part = target.with_name(target.name + ".incomplete")
        self.note = target.with_name(target.name + ".incomplete.json")
        self.reached = 0  # the most bytes that any try had
        self.mended = False  # whether a wrong result was already thrown away once
        self.bar = Bar(desc=target.name, unit="B", shown=settings.progress)

    def once(self) -> None:
        """One attempt: request what is missing, and write it."""
        known = self._known()
        have = self.part.stat().st_size if self.part.exists() else 0
        validator = known.get("etag") or known.get("modified")
        if have and (known.get("url") != self.remote.url or not (validator or self.remote.digests)):
            have = 0  # nothing would tell whether the file is still the same
        resumed = have
        if not (have and have == known.get("size")):
            have = self._ask(have, known, validator)
        wrong = _mistake(self.part, self.remote)
        if wrong and resumed and not self.mended:  # perhaps two states were joined after all
            self.mended = True
            self._drop()
            raise Again(wrong)
        if wrong:
            self._drop()
            raise DownloadError(
                f"{self.remote.url} is not the file that is known: it {wrong}. Its publisher may have replaced it, or "
                f"it was altered on its way; nothing is kept. See {self.remote.page or self.remote.url}."
            )

    def _ask(self, have: int, known: Mapping[str, Any], validator: str | None) -> int:
        url = self.remote.url
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if validator:
                headers["If-Range"] = validator
        with answer(self.session, url, headers, self.settings) as response:
            if response.status_code == 416 and have:
                self._drop()
                raise Again("the server has no such range")
            turn_down(response, url, self.remote.page)
            have = self._agree(response, have, known)
            total = self._total(response, have)
            self._room((total or self.remote.size or 0) - have)
            if not have:
                self._remember(response, total)
            return self._write(response, have, total)

    def _agree(self, response: requests.Response, have: int, known: Mapping[str, Any]) -> int:
        """Where the response starts: at our offset, or at 0."""
        if response.status_code != 206:
            return 0
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        etag = _strong(response)
        same = match and (match[2] == "*" or known.get("size") in (None, int(match[2])))
        if not match or int(match[1]) != have or not same or (etag and known.get("etag") not in (None, etag)):
            self._drop()
            raise Again("the server answers with another part than was asked for")
        return have

    def _total(self, response: requests.Response, have: int) -> int | None:
        length = response.headers.get("Content-Length", "")
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("identity", "") and not self.target.name.lower().endswith((".gz", ".tgz")):
            raise DownloadError(f"{self.remote.url} comes with the encoding {encoding!r}, which was not asked for.")
        if not length.isdecimal():
            return None
        total = have + int(length)
        if self.remote.size is not None and total != self.remote.size:
            self._drop()
            raise DownloadError(
                f"{self.remote.url} is not the file that is known: it has {total:,} bytes, and {self.remote.size:,} "
                f"were expected. Its publisher may have replaced it: see {self.remote.page or self.remote.url}."
            )
        return total

    def _room(self, needed: int) -> None:
        free = shutil.disk_usage(self.target.parent).free
        if needed > 0 and needed + _RESERVE > free:
            raise DownloadError(
                f"{self.target.name} needs {needed:,} bytes more, and {self.target.parent} has {free:,} left. Make "
                "room, or choose another disk with --raw; what has arrived is kept."
            )

    def _write(self, response: requests.Response, have: int, total: int | None) -> int:
        from urllib3.exceptions import HTTPError

        self.bar.reset(total=total or self.remote.size)
        self.bar.update(have)
        with _disk(self.part):
            file = self.part.open("r+b" if have else "wb", buffering=0)
        with file:
            file.seek(have)
            while True:
                try:
                    chunk = response.raw.read(self.settings.chunk, decode_content=False)
                except (HTTPError, OSError) as error:
                    raise Again(f"the connection broke off ({type(error).__name__})") from error
                if not chunk:
                    break
                if not have:
                    self._sniff(chunk)
                with _disk(self.part):
                    _write_all(file, chunk)
                have += len(chunk)
                self.reached = max(self.reached, have)
                self.bar.update(len(chunk))
        if not have and not total:
            self._sniff(b"")
        wanted = total if total is not None else self.remote.size
        if wanted is not None and have < wanted:
            raise Again(f"the connection broke off after {have:,} of {wanted:,} bytes")
        return have

    def _sniff(self, start: bytes) -> None:
        """Refuse a web page in place of a file, and an archive without the signature of its format."""
        name = self.target.name.lower()
        place = self.remote.page or self.remote.url
        if formats.is_web_page(start) and not name.endswith((".html", ".htm", ".xml")):
            self._drop()
            raise DownloadError(
                f"{self.remote.url} answers with a web page instead of {self.target.name}: a login, a form, or a "
                f"notice that it has moved. Open {place} in a browser and download it there."
            )
        offset, kinds = MAGIC.get(Path(name).suffix, (0, ()))
        if kinds and not start[offset:].startswith(kinds) and (is_archive(name) or not name.endswith(".gz")):
            self._drop()
            raise DownloadError(
                f"{self.remote.url} is no {Path(name).suffix} file: {start_of(start)}. Open {place} in a browser."
            )

    def _known(self) -> dict[str, Any]:
        try:
            known = json.loads(self.note.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _remember(self, response: requests.Response, total: int | None) -> None:
        known = {
            "url": self.remote.url,
            "size": total,
            "etag": _strong(response),
            "modified": response.headers.get("Last-Modified"),
        }
        self.part.unlink(missing_ok=True)  # never the bytes of one state with the note of another
        with _disk(self.note):
            write_atomically(self.note, json.dumps(known).encode())

    def _drop(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _strong(response: requests.Response) -> str | None:
    """The entity tag, if it identifies every byte."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else None


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turn write errors into a sentence."""
    try:
        yield
    except OSError as error:
        raise DownloadError(
            f"{path} cannot be written: {error.strerror or error}. Make room, or choose another disk with --raw; what "
            "has arrived is kept, and the same command goes on from there."
        ) from error


def _write_all(file: Any, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _sync(path: Path) -> None:
    with _disk(path):
        flush(path)
