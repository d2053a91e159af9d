"""Servers on loopback: S3 (moto), a wire in front of it on which answers go wrong, and SFTP (asyncssh)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3

from med_mat.mounts import stores

#: The method and the path of a request -> a status to answer with, "half" of the content announced, or "cut" before
#: its end; None is no fault.
Fault = Callable[[str, str], "int | str | None"]


@dataclass(frozen=True)
class Store:
    """An S3 store."""

    port: int

    @property
    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            region_name="us-east-1",
        )

    def empty(self) -> None:
        """Leaves one empty bucket."""
        from moto.backends import get_backend

        for account in get_backend("s3").values():
            account.reset()
        self.client.create_bucket(Bucket="bucket")

    def put(self, folder: Path, at: str = "") -> None:
        """Uploads a folder."""
        client = self.client
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                client.put_object(Bucket="bucket", Key=at + path.relative_to(folder).as_posix(), Body=path.read_bytes())


@contextmanager
def store() -> Iterator[Store]:
    """An S3 store."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield Store(server.get_host_and_port()[1])
    finally:
        server.stop()


@dataclass
class Wire:
    """What lies between a client and a store."""

    store: Store
    port: int = 0
    faults: list[Fault] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)  # method and path of each request

    def asked(self, text: str) -> int:
        """How often something was asked for."""
        return sum(text in path and method == "GET" for method, path in self.log)


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """A wire to the store at a port."""
    state = Wire(Store(port))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

        def forward(self) -> None:
            state.log.append((self.command, self.path))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = next((one for one in (f(self.command, self.path) for f in state.faults) if one is not None), None)
            if isinstance(fault, int):
                self.send_response(fault)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            connection = HTTPConnection("127.0.0.1", port)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            connection.request(self.command, self.path, body, headers | {"Host": self.headers["Host"]})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            half = content[: len(content) // 2]
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            length = answer.headers["Content-Length"] if self.command == "HEAD" else len(content)
            self.send_header("Content-Length", str(len(half) if fault == "half" else length))
            self.end_headers()
            self.wfile.write(half if fault else content)
            if fault == "cut":
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def fresh() -> None:
    """Forgets connections to stores."""
    from s3fs import S3FileSystem

    stores._opened.cache_clear()
    S3FileSystem.clear_instance_cache()


@contextmanager
def sftp(root: Path, home: Path) -> Iterator[int]:
    """An SFTP server of a folder, which the key in ``home/.ssh`` opens; its port."""
    import asyncssh

    (home / ".ssh").mkdir(parents=True, mode=0o700)
    host_key, user_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    user_key.write_private_key(home / ".ssh" / "id_ed25519")
    (home / ".ssh" / "id_ed25519").chmod(0o600)
    user_key.write_public_key(home / ".ssh" / "allowed")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=str(home / ".ssh" / "allowed"),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(root)),
        )

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    port = server.get_port()
    public = host_key.export_public_key().decode().strip()
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}\n")
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
