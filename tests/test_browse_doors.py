"""The web page has no open door: what it refuses, what it bounds, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pages import listening, serving
from workshop import Workshop, heeding_interrupts

from med_mat.browse import guard, serve
from med_mat.browse.guard import Door, Guard

#: Files below these folders that were opened, copied or listed, by whatever way Python has.
WATCHED: dict[str, list[str]] = {}


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if WATCHED and event in ("open", "os.listdir", "os.scandir", "shutil.copyfile", "os.link", "os.symlink"):
        for folder, seen in WATCHED.items():
            seen += [f"{event} {one}" for one in args[:2] if folder in os.fsdecode(one or "")] if _paths(args) else []


def _paths(args: tuple[Any, ...]) -> bool:
    return all(one is None or isinstance(one, str | bytes | os.PathLike) for one in args[:2])


sys.addaudithook(_watch)


# -------------------------------------------------------------------------------------------- any page, behind its door


async def page(scope: Any, receive: Any, send: Any) -> None:
    """A page that says again what it was sent, or speaks for ever."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = (await receive()).get("body", b"")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while scope["path"] == "/ever":
        await send({"type": "http.response.body", "body": b"on\n", "more_body": True})
        await asyncio.sleep(0.05)
    await send({"type": "http.response.body", "body": body})


def _texts(sent: Any) -> Any:
    if not isinstance(sent, list) or not all(isinstance(one, str) for one in sent):
        raise ValueError("not texts")
    return sent


@pytest.fixture
def door() -> Guard:
    return Guard(page, Door(frozenset({"127.0.0.1"}), re.compile("/|/ever"), {"/say": _texts}))


@pytest.fixture
def simple(door: Guard) -> Iterator[str]:
    with serving(door) as address:
        yield address


REFUSED = "That is not what this page's form asks.\n"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/", {}, None, 200),
        ("HEAD", "/", {}, None, 200),
        ("POST", "/say", JSON, '["a"]', 200),
        ("GET", "/other", {}, None, 404),
        ("GET", "/say", {}, None, 404),
        ("GET", "/", {}, "a body", 413),
        ("PUT", "/", {}, None, 405),
        ("OPTIONS", "/say", {"Origin": "http://evil.example"}, None, 403),
        ("POST", "/upload", JSON, "[]", 403),
        ("POST", "/say", {"Content-Type": "multipart/form-data; boundary=x"}, "--x--", 415),
        ("POST", "/say", {}, "[]", 415),
        ("POST", "/say", JSON, '[{"path": "/etc/passwd"}]', 422),
        ("POST", "/say", JSON, "[", 422),
        ("POST", "/say", JSON, "[" * 100_000, 422),
        ("POST", "/say", JSON, b"\xff\xfe", 422),
        ("GET", "/", {"Host": "evil.example"}, None, 400),
        ("GET", "/", {"Host": "127.0.0.1.evil.example"}, None, 400),
        ("GET", "/", {"Host": "127.0.0.1@evil.example"}, None, 400),
        ("GET", "/", {"Origin": "http://evil.example"}, None, 403),
        ("GET", "/", {"Origin": "null"}, None, 403),
        ("GET", "/", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, None, 403),
        ("GET", "/", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, None, 200),
        ("GET", "/", {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, None, 200),
    ],
)
def test_who_and_what_is_let_in(
    simple: str, method: str, path: str, headers: dict[str, str], body: Any, status: int
) -> None:
    answer = requests.request(method, simple + path, headers=headers, data=body, timeout=20)
    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "access-control-allow-origin" not in {name.lower() for name in answer.headers}


def test_its_own_origin_is_let_in(simple: str) -> None:
    assert requests.get(simple, headers={"Origin": simple}, timeout=20).status_code == 200


def test_no_web_socket_is_opened(simple: str) -> None:
    asked = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    asked += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    with _connection(simple) as one:
        one.sendall(asked.encode())
        assert b" 101 " not in one.recv(1000)


def test_the_page_sees_what_was_looked_at_and_nothing_else(simple: str) -> None:
    said = requests.post(f"{simple}/say", headers=JSON, data=b' [ "a" ,\n"\xc3\xa9" ] ', timeout=20)
    assert said.content == json.dumps(["a", "é"]).encode()


def test_a_large_body_is_refused_before_it_has_come(simple: str) -> None:
    head = (
        f"POST /say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {10**10}\r\n\r\n"
    )
    with _connection(simple) as one:
        one.sendall(head.encode())
        assert one.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_large_body_of_unknown_length_is_cut_off(simple: str) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        while sent < 100_000_000:
            sent += 65_536
            yield b"x" * 65_536

    with contextlib.suppress(requests.ConnectionError):  # the other side hangs up on who goes on talking
        assert requests.post(f"{simple}/say", headers=JSON, data=chunks(), timeout=20).status_code == 413
    assert sent < 100_000_000
    assert requests.get(simple, timeout=20).status_code == 200


def test_the_largest_body_is_taken(simple: str) -> None:
    body = json.dumps(["x" * (guard.BODY - 4)])
    assert len(body) == guard.BODY
    assert requests.post(f"{simple}/say", headers=JSON, data=body, timeout=20).status_code == 200
    assert requests.post(f"{simple}/say", headers=JSON, data=body + " ", timeout=20).status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(simple: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PATIENCE", 0.2)
    head = "POST /say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n["
    with _connection(simple) as one:
        one.sendall(head.encode())
        assert one.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_connections_are_bounded_and_those_that_ask_nothing_are_closed(
    door: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "CONNECTIONS", 8)
    monkeypatch.setattr(serve, "IDLE", 2)
    with serving(door) as address, contextlib.ExitStack() as held:
        silent = [held.enter_context(_connection(address)) for _ in range(8)]
        for one in silent[::2]:
            one.sendall(b"GET / HT")  # half a request is none
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


# ------------------------------------------------------------------------------------------------------------ this page


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def address(workshop: Workshop, scratch: Path) -> Iterator[str]:
    with listening(workshop.out, scratch) as address:
        yield address


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file=%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/gradio_api/file={scratch}/../../../../etc/passwd",
        "/gradio_api/file={scratch}/%2e%2e/%2e%2e/etc/passwd",
        "/gradio_api/file={scratch}x/secret",
        "/gradio_api/file={built}/med_mat.json",
        "/gradio_api/file=http://127.0.0.1:1/",
        "/gradio_api/proxy=http://127.0.0.1:1/",
        "/gradio_api/proxy=https://x.hf.space/",
        "/gradio_api/deep_link?session_hash=a",
        "/gradio_api/custom_component/0/client/component/../../../../etc/passwd",
        "/gradio_api/dev/reload",
        "/gradio_api/upload_progress?upload_id=a",
        "/monitoring",
        "/docs",
        "/openapi.json",
        "/file=/etc/passwd",
        "/static/../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/static//etc/passwd",
        "/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%252f..%252f..%252fetc/passwd",
        "/svelte//etc/passwd",
    ],
)
def test_no_file_of_the_machine_is_served(address: str, path: str, workshop: Workshop, scratch: Path) -> None:
    request = requests.Request("GET", address).prepare()
    request.url = address + path.format(scratch=scratch, built=workshop.out)  # as it stands, not tidied up
    answer = requests.Session().send(request, timeout=20)
    assert answer.status_code in (400, 403, 404)
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["upload", "upload/", "component_server", "process_recording", "stream/a", "vibe-edit", "vibe-code", "call/v2/look",
     "call/look", "run/look", "api/look", "run-history/connect"],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["/", "/gradio_api/"])
def test_no_file_is_taken(address: str, prefix: str, path: str, scratch: Path) -> None:
    before = sorted(scratch.rglob("*"))
    for sent in ({"files": {"files": b"x"}}, {"files": {"video": b"x"}}, {"json": {"data": []}}):
        assert requests.post(address + prefix + path, timeout=20, **sent).status_code == 403
    assert sorted(scratch.rglob("*")) == before


def _references(file: Path) -> list[Any]:
    """The ways to name a file that a web library might understand."""
    named = {"path": str(file), "orig_name": file.name, "meta": {"_type": "gradio.FileData"}}
    return [
        str(file), f"file://{file}", named, {**named, "url": f"file://{file}"}, [str(file)], [[named]],
        {"value": named}, {"files": [named], "text": ""}, {"image": named, "caption": None},
        {"__type__": "update", "value": named},
    ]  # fmt: skip


def test_a_file_that_a_visitor_names_is_never_opened(address: str, tmp_path: Path, scratch: Path) -> None:
    """In every field of every function of the page, in every way: not read, not copied, not listed, not given out."""
    secret = tmp_path / "secret.txt"
    secret.write_text("only mine")
    config = requests.get(address + "/config", timeout=20).json()
    plain = {one["id"]: one["props"].get("value") for one in config["components"]}
    WATCHED[str(tmp_path)] = seen = []
    refused = 0
    for function in (one for one in config["dependencies"] if one["backend_fn"]):
        data = [plain[one] for one in function["inputs"]]
        for value in _references(secret):
            for place in range(len(data)):
                said = _asked(address, function["id"], [*data[:place], value, *data[place + 1 :]])
                assert "only mine" not in said
                refused += said == REFUSED
            assert _asked(address, function["id"], [*data, value]) == REFUSED or isinstance(value, str)
    for event in ({"index": value} for value in _references(secret)):
        for function in (one for one in config["dependencies"] if one["api_name"] in ("choose", "tell")):
            said = _asked(address, function["id"], [plain[one] for one in function["inputs"]], event)
            assert "only mine" not in said
    del WATCHED[str(tmp_path)]
    assert not seen
    assert refused > 500
    copies = [file for file in scratch.rglob("*") if file.is_file() and file.read_bytes() == b"only mine"]
    assert not copies


def test_nobody_learns_whether_a_file_is_there(address: str, tmp_path: Path) -> None:
    config = requests.get(address + "/config", timeout=20).json()
    plain = {one["id"]: one["props"].get("value") for one in config["components"]}
    (look,) = (one for one in config["dependencies"] if one["api_name"] == "look")
    (tmp_path / "is").write_text("only mine")
    for there, absent in zip(_references(tmp_path / "is"), _references(tmp_path / "no"), strict=True):
        both = [_asked(address, look["id"], [one, *[plain[n] for n in look["inputs"]][1:]]) for one in (there, absent)]
        assert len({re.sub(r"is\b|no\b|[0-9.e-]+", "", one) for one in both}) == 1


def test_the_watch_sees_what_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "seen.txt"
    WATCHED[str(tmp_path)] = seen = []
    file.write_text("seen")
    shutil.copyfile(file, tmp_path / "copy.txt")
    list(tmp_path.iterdir())
    del WATCHED[str(tmp_path)]
    listed = "os.listdir" if sys.version_info < (3, 13) or any("os.listdir" in one for one in seen) else "os.scandir"
    assert {one.split()[0] for one in seen} == {"open", "shutil.copyfile", listed}


def test_what_the_page_itself_made_is_given_out(address: str, scratch: Path) -> None:
    config = requests.get(address + "/config", timeout=20).json()
    plain = {one["id"]: one["props"].get("value") for one in config["components"]}
    (write,) = (one for one in config["dependencies"] if one["api_name"] == "write")
    said = _asked(address, write["id"], [plain[one] for one in write["inputs"]])
    made = dict.fromkeys(re.findall(r'"path": *"([^"]+)"', said))
    assert [Path(one).name for one in made] == ["split.parquet", "audit.json"]
    for one in made:
        assert Path(one).is_relative_to(scratch)
        answer = requests.get(f"{address}/gradio_api/file={one}", timeout=20)
        assert answer.status_code == 200
        assert answer.content == Path(one).read_bytes()


def _asked(address: str, function: int, data: list[Any], event: Any = None) -> str:
    """What a function of the page answers: a refusal, or all that it says, without names drawn by chance."""
    session = uuid.uuid4().hex
    body = {"data": data, "fn_index": function, "session_hash": session, "event_data": event}
    joined = requests.post(address + "/gradio_api/queue/join", json=body, timeout=20)
    if joined.status_code != 200:
        return joined.text
    said = ""
    for line in requests.get(
        f"{address}/gradio_api/queue/data?session_hash={session}", timeout=60, stream=True
    ).iter_lines():
        if b"process_completed" in line or b"unexpected_error" in line:
            said = json.dumps(json.loads(line.decode().removeprefix("data: ")).get("output"))
            break
    return said


# ------------------------------------------------------------------------------------------------------------- its end

#: The command, on a page whose pictures take for ever if the second argument says so.
PROGRAM = """
import sys, time
from med_mat import cli
from med_mat.browse import views
if sys.argv.pop(1) == "slow":
    views.gallery = lambda *_: time.sleep(300)
cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("pace", ["fast", "slow"])
def test_a_signal_ends_it_with_a_tab_open(workshop: Workshop, tmp_path: Path, end: signal.Signals, pace: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    others = tmp_path / "others"
    (others / "deep").mkdir(parents=True)
    (others / "deep" / "their.txt").write_text("theirs")
    command = [sys.executable, "-c", PROGRAM, pace, "browse", str(workshop.out), "--port", str(port), "--no-open"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "GRADIO_TEMP_DIR": str(others)}
    run = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeding_interrupts,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            with contextlib.suppress(requests.ConnectionError):
                config = requests.get(f"{address}/config", timeout=60).json()
                break
            assert run.poll() is None, run.communicate()
            time.sleep(0.1)
        (private,) = tmp_path.glob("med-mat-browse-*")
        assert private.stat().st_mode & 0o777 == 0o700
        assert requests.get(f"{address}/gradio_api/file={others}/deep/their.txt", timeout=20).status_code == 404
        tab = requests.get(f"{address}/gradio_api/heartbeat/{uuid.uuid4().hex}", stream=True, timeout=60)
        assert next(tab.iter_content(4)) == b"data"
        (look,) = (one for one in config["dependencies"] if one["api_name"] == "look")
        asked = {"data": ["*", "any", "all", 1], "fn_index": look["id"], "session_hash": "a"}
        assert requests.post(f"{address}/gradio_api/queue/join", json=asked, timeout=20).status_code == 200
        answer = requests.get(f"{address}/gradio_api/queue/data?session_hash=a", stream=True, timeout=60).iter_lines()
        for line in answer:
            if b"process_starts" in line:
                break
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
