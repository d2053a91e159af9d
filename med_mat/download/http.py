"""HTTP with patience: sessions, JSON answers, refusals as sentences, and attempts that are repeated."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from med_mat import __version__
from med_mat.errors import DownloadError
from med_mat.hosts.base import missing

if TYPE_CHECKING:
    import requests
    import tenacity

_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
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


class Again(Exception):  # noqa: N818 - it is a wish, no error
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
        with answer(session, url, {"Accept": "application/json"}, settings) as response:
            turn_down(response, url, page="")
            body = b""
            for chunk in response.iter_content(1 << 20):
                body += chunk
                if len(body) > _JSON:
                    raise DownloadError(f"{url} answers with more than {_JSON:,} bytes, which no listing has.")
            return body

    body = patiently(once, url, settings, lambda: 0)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DownloadError(f"{url} does not answer with JSON: {start_of(body)}.") from error


def is_open(url: str) -> bool:
    """Whether a URL is plain http to another machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # no address at all, which is told where it is asked for
        return False
    return parts.scheme == "http" and not (host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host))


@contextmanager
def answer(
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
        raise Again(f"no connection ({_cause(error)})") from error
    try:
        yield response
    except requests.RequestException as error:  # while the body is read
        raise Again(f"the connection broke off ({_cause(error)})") from error
    finally:
        response.close()


def _cause(error: BaseException) -> str:
    return type(error).__name__


def turn_down(response: requests.Response, url: str, page: str) -> None:
    """Raise unless the status is that of a file."""
    status = response.status_code
    if status in (200, 206):
        return
    after = _retry_after(response)
    place = page or url
    if status in _AGAIN or (status == 403 and after is not None):
        raise Again(f"the server answers {status} {response.reason}", after)
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


def patiently(once: Any, url: str, settings: Settings, reached: Any, kept: Path | None = None) -> Any:
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
        stop=stop, wait=wait, retry=tenacity.retry_if_exception_type(Again), reraise=True, sleep=time.sleep
    )
    try:
        return retrying(once)
    except Again as error:
        if (error.after or 0) > settings.patience:
            hint = f"it asks to wait {error.after:,.0f} seconds: come back then"
        else:
            hint = "try again later"
        some = kept is not None and kept.exists() and kept.stat().st_size
        hint += f"; {kept} is kept, and the same command goes on from there" if some else ""
        raise DownloadError(f"{url} could not be fetched, for {error}; {hint}.") from error


def _asked(state: tenacity.RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.after if isinstance(error, Again) else None


def start_of(data: bytes) -> str:
    """How it begins, for a message."""
    return f"it begins with {data[:24]!r}" if data else "it is empty"
