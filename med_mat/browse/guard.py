"""What stands between the web page and whoever asks it. Plain ASGI, so that it holds whatever the page is made with.

A page says what it gives and what it takes, as data (:class:`Door`); everything else is turned away before the page
sees it: other sites, other names, files, bodies that are too large or too slow, web sockets.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from med_mat.errors import BrowseError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

#: The largest body, in bytes. What the page is asked is a form of a few short texts.
BODY = 256 * 1024
#: How long a body may take to arrive, in seconds.
PATIENCE = 20.0
#: Sent with every answer.
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_HOST = re.compile(r"(\[[0-9a-fA-F:.]*\]|[^:\[\]@/]*)(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Door:
    """What a page gives and takes.

    Attributes:
        names: the hosts that it answers to, in small letters, without port; None for every one. Another site that
            points its own name at this machine is turned away.
        gives: the paths that can be asked for (GET, HEAD).
        takes: the paths that can be sent something (POST). Each reads the JSON that was sent and gives back what the
            page is to see of it; a ValueError refuses it.
    """

    names: frozenset[str] | None
    gives: re.Pattern[str]
    takes: Mapping[str, Callable[[Any], Any]]


class RefusedError(BrowseError):
    """A request that the page does not answer, with the status that is sent instead."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Guard:
    """The page behind its door, as an ASGI application."""

    def __init__(self, page: App, door: Door) -> None:
        self._page, self._door = page, door
        self._answers: set[asyncio.Task[None]] = set()
        self._ended = False

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request, or turn it away."""
        if scope["type"] == "lifespan":
            await self._page(scope, receive, send)
        elif scope["type"] != "http":  # a web socket: an answer other than "accept" is a 403
            await send({"type": "websocket.close", "code": 1008})
        else:
            try:
                scope, receive = await self._let_in(scope, receive)
            except RefusedError as refused:
                await _say(send, refused.status, str(refused))
            else:
                await self._answer(scope, receive, send)

    def end(self) -> None:
        """End all answers, also those that would go on for ever. To be called from any thread."""
        self._ended = True
        for answer in list(self._answers):
            answer.get_loop().call_soon_threadsafe(answer.cancel)

    async def _let_in(self, scope: Any, receive: Receive) -> tuple[Any, Receive]:
        """The request as the page is to see it.

        Raises:
            RefusedError: it is turned away.
        """
        if self._ended:
            raise RefusedError(503, "The page has ended.")
        _check_sender(scope["headers"], self._door.names)
        path = scope["path"]
        if scope["method"] in ("GET", "HEAD"):
            if not self._door.gives.fullmatch(path) or ".." in path:
                raise RefusedError(404, "The page has nothing by that name.")
            if any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]):
                await _body(scope, receive, 0)
            return scope, receive
        if scope["method"] != "POST":
            raise RefusedError(405, "The page knows GET, HEAD and POST.")
        if path not in self._door.takes:
            raise RefusedError(403, "This page takes no files, and nothing but what its own form asks.")
        if _header(scope["headers"], b"content-type").partition(";")[0].strip().lower() != "application/json":
            raise RefusedError(415, "The page takes JSON alone.")
        sent = await _body(scope, receive, BODY)
        try:
            # written anew: what the page reads is what was looked at, not another reading of the same bytes
            seen = json.dumps(self._door.takes[path](json.loads(sent)), allow_nan=False).encode()
        except (ValueError, RecursionError) as error:
            raise RefusedError(422, "That is not what this page's form asks.") from error
        headers = [(k, v) for k, v in scope["headers"] if k not in (b"content-length", b"transfer-encoding")]
        return {**scope, "headers": [*headers, (b"content-length", b"%d" % len(seen))]}, _replayed(seen, receive)

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        begun = done = False

        async def sent(message: Message) -> None:
            nonlocal begun, done
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            elif message["type"] == "http.response.body":
                done = not message.get("more_body", False)
            await send(message)

        answer = asyncio.ensure_future(self._page(scope, receive, sent))
        self._answers.add(answer)
        try:
            await answer
        except (Exception, asyncio.CancelledError):
            if not self._ended:
                raise
        finally:
            self._answers.discard(answer)
        if self._ended and not done:  # what was cut off ends as a whole answer does
            if begun:
                await send({"type": "http.response.body", "body": b""})
            else:
                await _say(send, 503, "The page has ended.")


def _check_sender(headers: list[tuple[bytes, bytes]], names: frozenset[str] | None) -> None:
    host = _header(headers, b"host").lower()
    name = _HOST.fullmatch(host)
    if name is None or (names is not None and name[1] not in names):
        raise RefusedError(400, "This page does not go by that name.")
    origin = _header(headers, b"origin").lower()
    if origin and origin.partition("://")[2] != host:
        raise RefusedError(403, "This page answers no other site.")
    # what a browser says of itself: a link on another site may lead here, its scripts and pictures may not
    site, mode = _header(headers, b"sec-fetch-site"), _header(headers, b"sec-fetch-mode")
    if site in ("cross-site", "same-site") and mode != "navigate":
        raise RefusedError(403, "This page answers no other site.")


def _header(headers: list[tuple[bytes, bytes]], name: bytes) -> str:
    """The value of a header, "" where it is not sent; of one that is sent twice, something that fits nothing."""
    found = [value.decode("latin-1") for key, value in headers if key == name]
    return ", ".join(found)


async def _body(scope: Any, receive: Receive, limit: int) -> bytes:
    """What is sent, of at most so many bytes.

    Raises:
        RefusedError: it is larger, too slow, or breaks off.
    """
    refused = RefusedError(413, f"The page takes no more than {limit:,} bytes at once.")
    length = _header(scope["headers"], b"content-length")
    if length and not (length.isdecimal() and len(length) < 12 and int(length) <= limit):
        raise refused

    async def collected() -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise RefusedError(400, "What was sent breaks off.")
            body += message.get("body", b"")
            if len(body) > limit:
                raise refused
            if not message.get("more_body", False):
                return bytes(body)

    try:
        return await asyncio.wait_for(collected(), PATIENCE)
    except asyncio.TimeoutError as error:
        raise RefusedError(408, f"What was sent did not arrive within {PATIENCE:.0f} seconds.") from error


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A body that was read, then whatever comes after it."""
    left = [body]

    async def again() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return again


async def _say(send: Send, status: int, sentence: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"), *HEADERS]
    body = f"{sentence}\n".encode()
    await send({"type": "http.response.start", "status": status,
                "headers": [*headers, (b"content-length", b"%d" % len(body))]})  # fmt: skip
    await send({"type": "http.response.body", "body": body})
