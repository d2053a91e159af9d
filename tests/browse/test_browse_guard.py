"""The guard of the web page: who and what is refused, what is bounded, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pages import serving
from workshop import Workshop, heeding_interrupts

from med_mat.browse import serve
from med_mat.browse.guard import Guard, headers
from med_mat.errors import BrowseError


async def page(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers, or speaks forever."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while scope["path"] == "/ever":
        await send({"type": "http.response.body", "body": b"on\n", "more_body": True})
        await asyncio.sleep(0.05)
    await send({"type": "http.response.body", "body": b"here"})


@pytest.fixture
def door() -> Guard:
    return Guard(page, frozenset({"127.0.0.1"}))


@pytest.fixture
def simple(door: Guard) -> Iterator[str]:
    with serving(door) as address:
        yield address


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [
        ("GET", {}, None, 200),
        ("HEAD", {}, None, 200),
        ("GET", {"Content-Length": "0"}, None, 200),
        ("GET", {}, "a body", 413),
        ("POST", JSON, "[]", 405),
        ("POST", {"Content-Type": "multipart/form-data; boundary=x"}, "--x--", 405),
        ("PUT", {}, None, 405),
        ("DELETE", {}, None, 405),
        ("TRACE", {}, None, 405),
        ("OPTIONS", {"Origin": "http://evil.example"}, None, 403),
        ("GET", {"Host": "evil.example"}, None, 400),
        ("GET", {"Host": "127.0.0.1.evil.example"}, None, 400),
        ("GET", {"Host": "127.0.0.1@evil.example"}, None, 400),
        ("GET", {"Host": ""}, None, 400),
        ("GET", {"Origin": "http://evil.example"}, None, 403),
        ("GET", {"Origin": "null"}, None, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, None, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, None, 200),
        ("GET", {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, None, 200),
    ],
)
def test_who_and_what_is_let_in(simple: str, method: str, headers: dict[str, str], body: Any, status: int) -> None:
    answer = requests.request(method, simple, headers=headers, data=body, timeout=20)
    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "access-control-allow-origin" not in {name.lower() for name in answer.headers}


def test_its_own_origin_is_let_in(simple: str) -> None:
    assert requests.get(simple, headers={"Origin": simple}, timeout=20).status_code == 200


def test_a_site_that_is_named_may_show_it_in_a_frame() -> None:
    framed = dict(headers(["https://huggingface.co"]))
    assert b"frame-ancestors 'self' https://huggingface.co" in framed[b"content-security-policy"]
    assert b"x-frame-options" not in framed
    for bad in ("huggingface.co", "https://a.example; script-src *", "*", "https://a.example/path", ""):
        with pytest.raises(BrowseError, match="is no origin of a page: write it like https://huggingface"):
            headers([bad])


def test_no_web_socket_is_opened(simple: str) -> None:
    asked = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    asked += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    with _connection(simple) as one:
        one.sendall(asked.encode())
        assert b" 101 " not in one.recv(1000)


def test_a_large_body_is_refused_before_it_has_come(simple: str) -> None:
    head = (
        f"POST /say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {10**10}\r\n\r\n"
    )
    with _connection(simple) as one:
        one.sendall(head.encode())
        assert one.recv(1000).startswith(b"HTTP/1.1 405 ")


def test_a_large_body_of_unknown_length_is_cut_off(simple: str) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        while sent < 100_000_000:
            sent += 65_536
            yield b"x" * 65_536

    with contextlib.suppress(requests.ConnectionError):  # the other side hangs up on who goes on talking
        assert requests.post(f"{simple}/say", headers=JSON, data=chunks(), timeout=20).status_code == 405
    assert sent < 100_000_000
    assert requests.get(simple, timeout=20).status_code == 200


def test_a_body_is_never_waited_for(simple: str) -> None:
    head = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n["
    with _connection(simple) as one:
        one.sendall(head.encode())
        assert one.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_connections_are_bounded_and_those_that_ask_nothing_are_closed(
    door: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "CONNECTIONS", 8)
    monkeypatch.setattr(serve, "IDLE", 2)
    with serving(door) as address, contextlib.ExitStack() as held:
        silent = [held.enter_context(_connection(address)) for _ in range(8)]
        for one in silent[::2]:
            one.sendall(b"GET / HT")  # half a request is no request
        talking = requests.get(f"{address}/ever", stream=True, timeout=20)
        assert talking.status_code == 503
        for one in silent:
            assert one.recv(10) == b"", "it is closed"
        assert requests.get(address, timeout=20).status_code == 200
        talking = requests.get(f"{address}/ever", stream=True, timeout=20)
        time.sleep(4)
        assert next(talking.iter_content(3)) == b"on\n", "an answer under way is not idle"
        talking.close()


def test_an_answer_without_end_ends_with_the_page(door: Guard) -> None:
    with serving(door) as address:
        answer = requests.get(f"{address}/ever", stream=True, timeout=20)
        assert next(answer.iter_content(3)) == b"on\n"
        start = time.monotonic()
    assert time.monotonic() - start < 5
    assert set(answer.iter_lines()) <= {b"on"}, "it ends whole, not with a broken connection"


def _connection(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


#: The command, on a page whose thumbnails take forever if the first argument says so.
PROGRAM = """
import sys, time
from med_mat import cli
from med_mat.browse import thumbnails
if sys.argv.pop(1) == "slow":
    thumbnails.rendered = lambda *_: time.sleep(300)
cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("pace", ["fast", "slow"])
def test_a_signal_ends_it_while_it_answers(workshop: Workshop, tmp_path: Path, end: signal.Signals, pace: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", PROGRAM, pace, "browse", str(workshop.out), "--port", str(port), "--no-open"]
    run = subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeding_interrupts,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            with contextlib.suppress(requests.ConnectionError):
                assert requests.get(address, timeout=60).status_code == 200
                break
            assert run.poll() is None, run.communicate()
            time.sleep(0.1)
        (private,) = tmp_path.glob("med-mat-browse-*")
        assert private.stat().st_mode & 0o777 == 0o700
        name = workshop.records[0]["id"]
        with contextlib.suppress(requests.ReadTimeout):
            requests.get(f"{address}/thumbnail", params={"id": name}, timeout=2)
        start = time.monotonic()
        run.send_signal(end)
        out, err = run.communicate(timeout=60)
        assert time.monotonic() - start < 15
    finally:
        run.kill()
    assert run.returncode in (0, 128 + end)
    assert "Ctrl-C ends it" in out
    assert "Traceback" not in err, err
    assert not list(tmp_path.glob("med-mat-*"))
