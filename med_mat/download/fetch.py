"""Download one file over HTTP: resumed after an interruption, verified, and renamed once it is complete.

A partial file is called ``<name>.incomplete``; ``<name>.incomplete.json`` beside it records which version of the file
on the server it belongs to, so that bytes of two versions are never joined.
"""

from __future__ import annotations

import email.utils
import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from med_mat import __version__, formats
from med_mat.download.unpack import MAGIC, is_archive, safe_path
from med_mat.errors import DownloadError
from med_mat.files import flush, write_atomically
from med_mat.hosts.base import Remote, missing

if TYPE_CHECKING:
    import requests
    import tenacity

_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
_RESERVE = 64 << 20  # bytes of disk to leave free
_JSON = 64 << 20  # no listing is longer


@dataclass(frozen=True, slots=True)
class Settings:
    """Retries and timeouts."""

    tries: int = 6  # in a row, none of which brought anything new
    pause: float = 1.0  # seconds before the second try; doubled each time, up to a minute
    patience: float = 300.0  # the longest that a server may ask to wait
    timeout: tuple[float, float] = (20.0, 90.0)  # to connect, and between two bytes
    chunk: int = 1 << 16  # what a broken connection loses at most
    progress: bool = False
    allow_http: bool = False  # fetch what is sent in the open, and of which no digest is known


class _Again(Exception):  # noqa: N818 - it is a wish, no error
    """A failed attempt that is worth repeating."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


def open_session() -> requests.Session:
    """A session that follows redirects to http and https only, never from https to http, never to an invalid URL.

    Raises:
        MissingExtraError: requests is not installed.
    """
    try:
        import requests
    except ImportError as error:
        raise missing("requests") from error

    class Session(requests.Session):
        def get_redirect_target(self, resp: Any) -> str | None:
            target: str | None = super().get_redirect_target(resp)
            if target is not None:
                old, new = urlsplit(resp.url).scheme, _scheme(target, resp.url)
                if new not in ("http", "https") or (old, new) == ("https", "http"):
                    raise DownloadError(f"{resp.url} redirects to {target!r}, which is not followed: it must be https.")
            return target

    session = Session()
    session.headers["User-Agent"] = f"med-mat/{__version__}"
    return session


def _scheme(target: str, url: str) -> str:
    """The scheme of where an address redirects to.

    Raises:
        DownloadError: that is no address.
    """
    try:
        parts = urlsplit(urljoin(url, target))
        parts.port  # noqa: B018 - it is read when it is asked for, and may be no number
    except ValueError as error:
        raise DownloadError(f"{url} redirects to {target!r}, which is no address ({error}).") from error
    if not parts.hostname and parts.scheme in ("http", "https"):
        raise DownloadError(f"{url} redirects to {target!r}, which is no address (it names no server).")
    return parts.scheme


def get_json(url: str, session: requests.Session, settings: Settings) -> Any:
    """The answer of a JSON API.

    Raises:
        DownloadError: it cannot be reached, refuses, or does not answer with JSON.
    """

    def once() -> Any:
        with _answer(session, url, {"Accept": "application/json"}, settings) as response:
            _turn_down(response, url, page="")
            body = b""
            for chunk in response.iter_content(1 << 20):
                body += chunk
                if len(body) > _JSON:
                    raise DownloadError(f"{url} answers with more than {_JSON:,} bytes, which no listing has.")
            return body

    body = _patiently(once, url, settings, lambda: 0)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DownloadError(f"{url} does not answer with JSON: {_start(body)}.") from error


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
        _patiently(transfer.once, remote.url, settings, lambda: transfer.reached, kept=transfer.part)
    _sync(transfer.part)
    transfer.part.replace(target)
    transfer.note.unlink(missing_ok=True)
    return target


def is_in_the_open(remote: Remote) -> bool:
    """Whether a file comes over plain http and no digest is known, so that tampering would go unnoticed."""
    return is_open(remote.url) and not remote.digests


def is_open(url: str) -> bool:
    """Whether a URL is plain http to another machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # no address at all, which is told where it is asked for
        return False
    return parts.scheme == "http" and not (host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host))


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
            raise _Again(wrong)
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
        with _answer(self.session, url, headers, self.settings) as response:
            if response.status_code == 416 and have:
                self._drop()
                raise _Again("the server has no such range")
            _turn_down(response, url, self.remote.page)
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
            raise _Again("the server answers with another part than was asked for")
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
                    raise _Again(f"the connection broke off ({type(error).__name__})") from error
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
            raise _Again(f"the connection broke off after {have:,} of {wanted:,} bytes")
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
                f"{self.remote.url} is no {Path(name).suffix} file: {_start(start)}. Open {place} in a browser."
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
def _answer(
    session: requests.Session, url: str, headers: Mapping[str, str], settings: Settings
) -> Iterator[requests.Response]:
    """The response to one request, its body still unread."""
    import requests
    from urllib3.exceptions import HTTPError

    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise DownloadError(f"{url} is no address to fetch from: {error}.") from error
    if scheme not in ("http", "https"):
        raise DownloadError(f"{url} is not fetched: only http and https are.")
    try:
        response = session.get(url, headers=dict(headers), stream=True, timeout=settings.timeout)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, ValueError) as error:
        raise DownloadError(f"{url} is no address to fetch from: {error}.") from error
    except requests.exceptions.TooManyRedirects as error:
        raise DownloadError(f"{url} redirects in circles. Open it in a browser.") from error
    except (requests.RequestException, HTTPError) as error:
        raise _Again(f"no connection ({_cause(error)})") from error
    try:
        yield response
    except requests.RequestException as error:  # while the body is read
        raise _Again(f"the connection broke off ({_cause(error)})") from error
    finally:
        response.close()


def _cause(error: BaseException) -> str:
    return type(error).__name__


def _turn_down(response: requests.Response, url: str, page: str) -> None:
    """Raise unless the status is that of a file."""
    status = response.status_code
    if status in (200, 206):
        return
    after = _retry_after(response)
    place = page or url
    if status in _AGAIN or (status == 403 and after is not None):
        raise _Again(f"the server answers {status} {response.reason}", after)
    if status in (401, 403):
        raise DownloadError(
            f"{url} refuses access ({status}): it may want an account, consent to terms, or a person. Open {place}."
        )
    if status in (404, 410):
        raise DownloadError(f"{url} is not there ({status}). Open {place} to see whether it has moved.")
    raise DownloadError(f"{url} answers {status} {response.reason}. Open {place}.")


def _retry_after(response: requests.Response) -> float | None:
    """How many seconds the server asks us to wait."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _patiently(once: Any, url: str, settings: Settings, reached: Any, kept: Path | None = None) -> Any:
    """Call ``once`` until it needs no other attempt, or too many in a row brought nothing new."""
    try:
        import tenacity
    except ImportError as error:
        raise missing("tenacity") from error
    backoff = tenacity.wait_random_exponential(multiplier=settings.pause, max=60)
    barren = [0, 0]  # tries in a row without progress; bytes reached

    def stop(state: tenacity.RetryCallState) -> bool:
        now = reached()
        barren[0] = 1 if now > barren[1] else barren[0] + 1
        barren[1] = max(now, barren[1])
        after = _asked(state)
        return barren[0] >= settings.tries or (after or 0) > settings.patience

    def wait(state: tenacity.RetryCallState) -> float:
        after = _asked(state)
        return float(backoff(state)) if after is None else after

    retrying = tenacity.Retrying(
        stop=stop, wait=wait, retry=tenacity.retry_if_exception_type(_Again), reraise=True, sleep=time.sleep
    )
    try:
        return retrying(once)
    except _Again as error:
        if (error.after or 0) > settings.patience:
            hint = f"it asks to wait {error.after:,.0f} seconds: come back then"
        else:
            hint = "try again later"
        some = kept is not None and kept.exists() and kept.stat().st_size
        hint += f"; {kept} is kept, and the same command goes on from there" if some else ""
        raise DownloadError(f"{url} could not be fetched, for {error}; {hint}.") from error


def _asked(state: tenacity.RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.after if isinstance(error, _Again) else None


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


def _start(data: bytes) -> str:
    """How it begins, for a message."""
    return f"it begins with {data[:24]!r}" if data else "it is empty"
