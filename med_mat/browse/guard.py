"""The guard of the web page. Plain ASGI, so that it holds whatever the page is made with.

The page is read-only: a request is judged by its head alone, and one with a body is refused before the body arrives.
Other sites, other host names and web sockets are turned away.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from med_mat.errors import BrowseError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

_HOST = re.compile(r"(\[[0-9a-fA-F:.]*\]|[^:\[\]@/]*)(:[0-9]{1,5})?")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
_SELF = "'self'"


class RefusedError(BrowseError):
    """A request that is not answered, with the status that is sent instead."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Guard:
    """A web application behind its guard, as an ASGI application.

    Args:
        app: the application.
        names: the hosts that it answers to, in lower case, without port; None for every one. Another site that points
            its own name at this machine is turned away.
        frames: origins of pages that may show it in a frame, such as ``https://huggingface.co``.
    """

    def __init__(self, app: App, names: frozenset[str] | None, frames: Sequence[str] = ()) -> None:
        self._app, self._names = app, names
        self._headers = headers(frames)
        self._answers: set[asyncio.Task[None]] = set()
        self._ended = False

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request, or turn it away."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":  # a web socket: an answer other than "accept" is a 403
            await send({"type": "websocket.close", "code": 1008})
        else:
            try:
                self._check(scope)
            except RefusedError as refused:
                await self._say(send, refused.status, str(refused))
            else:
                await self._answer(scope, receive, send)

    def end(self) -> None:
        """End all answers, also those that would go on forever. May be called from any thread."""
        self._ended = True
        for answer in list(self._answers):
            answer.get_loop().call_soon_threadsafe(answer.cancel)

    def _check(self, scope: Any) -> None:
        """Check a request by its head alone.

        Raises:
            RefusedError: it is turned away.
        """
        if self._ended:
            raise RefusedError(503, "The page has ended.")
        _check_sender(scope["headers"], self._names)
        if scope["method"] not in ("GET", "HEAD"):
            raise RefusedError(405, "The page is read-only: it answers GET and HEAD.")
        length = _header(scope["headers"], b"content-length")
        if length not in ("", "0") or _header(scope["headers"], b"transfer-encoding"):
            raise RefusedError(413, "The page takes no body.")

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        begun = done = False

        async def sent(message: Message) -> None:
            nonlocal begun, done
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
            elif message["type"] == "http.response.body":
                done = not message.get("more_body", False)
            await send(message)

        answer = asyncio.ensure_future(self._app(scope, receive, sent))
        self._answers.add(answer)
        try:
            await answer
        except (Exception, asyncio.CancelledError):
            if not self._ended:
                raise
        finally:
            self._answers.discard(answer)
        if self._ended and not done:  # an answer that was cut off ends as a whole one does
            if begun:
                await send({"type": "http.response.body", "body": b""})
            else:
                await self._say(send, 503, "The page has ended.")

    async def _say(self, send: Send, status: int, sentence: str) -> None:
        body = f"{sentence}\n".encode()
        own = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"connection", b"close"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": status, "headers": [*own, *self._headers]})
        await send({"type": "http.response.body", "body": body})


def headers(frames: Sequence[str] = ()) -> list[tuple[bytes, bytes]]:
    """The headers that are sent with every answer.

    Args:
        frames: origins of pages that may show it in a frame.

    Raises:
        BrowseError: one of them is no origin.
    """
    for one in frames:
        if not _ORIGIN.fullmatch(one):
            raise BrowseError(f"{one!r} is no origin of a page: write it like https://huggingface.co.")
    policy = (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        f"frame-ancestors {' '.join([_SELF, *frames])}"
    )
    found = [
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    ]
    return found if frames else [*found, (b"x-frame-options", b"SAMEORIGIN")]


def _check_sender(headers: list[tuple[bytes, bytes]], names: frozenset[str] | None) -> None:
    host = _header(headers, b"host").lower()
    name = _HOST.fullmatch(host)
    if name is None or (names is not None and name[1] not in names):
        raise RefusedError(400, "The page is not served under that host name.")
    origin = _header(headers, b"origin").lower()
    if origin and origin.partition("://")[2] != host:
        raise RefusedError(403, "The page answers no other site.")
    # what a browser says of itself: a link on another site may lead here, its scripts and images may not
    site, mode = _header(headers, b"sec-fetch-site"), _header(headers, b"sec-fetch-mode")
    if site in ("cross-site", "same-site") and mode != "navigate":
        raise RefusedError(403, "The page answers no other site.")


def _header(headers: list[tuple[bytes, bytes]], name: bytes) -> str:
    """The value of a header, "" where it is not sent; of one that is sent twice, something that matches nothing."""
    return ", ".join(value.decode("latin-1") for key, value in headers if key == name)
