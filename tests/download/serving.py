"""A real HTTP server on 127.0.0.1 that can be told to misbehave."""

from __future__ import annotations

import io
import json
import re
import socket
import struct
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Page:
    """What is served at one path."""

    body: bytes = b""
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    type: str = "application/octet-stream"
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # answered first, one a request
    cuts: list[int] = field(default_factory=list)  # bytes of an answer after which the connection breaks, one a request
    redirect: str | None = None
    length: bool = True  # whether the length is announced
    liar: int = 0  # added to where a 206 says that it begins
    delay: float = 0.0  # seconds between two kilobytes


@dataclass
class Server:
    """Paths and what they serve; ``seen`` has what was asked for: path and range."""

    base: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    seen: list[tuple[str, str | None]] = field(default_factory=list)

    def file(self, path: str, body: bytes, **how: Any) -> str:
        self.pages[path] = Page(body, **how)
        return self.base + path

    def json(self, path: str, answer: Any) -> str:
        return self.file(path, json.dumps(answer).encode(), type="application/json")

    def ranges(self, path: str) -> list[str | None]:
        return [asked for one, asked in self.seen if one == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.site.seen.append((self.path, self.headers.get("Range")))
        page = self.site.pages.get(self.path)
        if page is None:
            self._send(404, {}, b"no such page")
        elif page.refusals:
            status, headers = page.refusals.pop(0)
            self._send(status, headers, b"refused")
        elif page.redirect is not None:
            self._send(302, {"Location": page.redirect}, b"")
        else:
            self._file(page)

    def _file(self, page: Page) -> None:
        headers = {"Content-Type": page.type}
        if page.etag:
            headers["ETag"] = page.etag
        if page.modified:
            headers["Last-Modified"] = page.modified
        status, start = 200, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        unchanged = self.headers.get("If-Range") in (None, page.etag, page.modified)
        if asked and page.ranges and unchanged:
            start = int(asked[1])
            if start >= len(page.body):
                self._send(416, {"Content-Range": f"bytes */{len(page.body)}"}, b"")
                return
            status = 206
            headers["Content-Range"] = f"bytes {start + page.liar}-{len(page.body) - 1}/{len(page.body)}"
        self._send(status, headers, page.body[start:], page)

    def _send(self, status: int, headers: dict[str, str], body: bytes, page: Page | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if page is None or page.length:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        cut = page.cuts.pop(0) if page is not None and page.cuts else None
        with suppress(OSError):  # the client went away
            if page is not None and page.delay:
                self._drip(body, page.delay)
            else:
                self.wfile.write(body if cut is None else body[:cut])
            self.wfile.flush()
        if cut is not None:
            with suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.shutdown(socket.SHUT_WR)
            self.close_connection = True

    def _drip(self, body: bytes, delay: float) -> None:
        wait = threading.Event()
        for start in range(0, len(body), 1024):
            self.wfile.write(body[start : start + 1024])
            self.wfile.flush()
            wait.wait(delay)


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """Clients that go away are no news."""


@contextmanager
def serve() -> Iterator[Server]:
    """A server for the time of a block."""
    site = Server()
    handler = type("Handler", (_Handler,), {"site": site})
    with _Http(("127.0.0.1", 0), handler) as http:
        site.base = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield site
        finally:
            http.shutdown()
            thread.join()
