"""A Hub on loopback: repositories, commits, LFS and ranges, spoken to by the real ``huggingface_hub`` client.

Large files live on a second host, as on the Hub, so that a token sent there would show. A test can make any request go
wrong (:attr:`Hub.faults`) and counts what was asked and sent (:attr:`Hub.log`).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "hf_the_token_of_the_writer"
PAGE = 50  # entries of a tree per page


@dataclass(frozen=True)
class File:
    """A file of a commit."""

    content: bytes
    lfs: bool

    @property
    def oid(self) -> str:
        content = self.content
        if self.lfs:
            content = f"version https://git-lfs\noid sha256:{self.sha256}\nsize {len(self.content)}\n".encode()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid


@dataclass
class Repository:
    """What was pushed, commit by commit."""

    private: bool
    branches: dict[str, list[str]] = field(default_factory=dict)
    commits: dict[str, dict[str, File]] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, File]) -> str:
        oid = hashlib.sha1(f"{branch} {len(self.commits)}".encode()).hexdigest()
        self.commits[oid] = files
        self.branches.setdefault(branch, []).append(oid)
        return oid

    def resolve(self, revision: str) -> str | None:
        revision = unquote(revision)
        return (
            self.branches[revision][-1] if revision in self.branches else revision if revision in self.commits else None
        )

    def head(self, branch: str = "main") -> dict[str, File]:
        return self.commits[self.branches[branch][-1]]


@dataclass(frozen=True)
class Request:
    """One request, and how many bytes of content went each way."""

    method: str
    path: str
    host: str
    token: str | None
    received: int = 0
    sent: int = 0
    status: int = 0


Fault = Callable[[Request], "int | str | None"]


@dataclass
class Hub:
    """The state of the server.

    ``faults`` are asked in turn about each request: a number is the status to answer with, "cut" breaks the connection
    in the middle of the content, "short" ends it early, an address redirects there, None is no fault.
    """

    multipart_from: int = 200_000
    chunk: int = 65_536
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    arrivals: list[str] = field(default_factory=list)  # sha256 of each object that arrived whole
    log: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    parts: dict[tuple[str, int], bytes] = field(default_factory=dict)
    endpoint: str = ""
    storage: str = ""  # where large files are
    lock: threading.RLock = field(default_factory=threading.RLock)

    def fault(self, request: Request) -> int | str | None:
        return next((found for found in (fault(request) for fault in self.faults) if found is not None), None)

    def asked(self, text: str) -> list[Request]:
        """The requests whose address has ``text`` in it."""
        return [one for one in self.log if text in one.path]

    def files(self, repo_id: str) -> dict[str, bytes]:
        """What the main branch holds."""
        return {name: file.content for name, file in self.repositories[repo_id].head().items()}


@contextmanager
def serve(**settings: Any) -> Iterator[Hub]:
    """A Hub, for the time of a test."""
    hub = Hub(**settings)

    class Handler(_Handler):
        state = hub

    servers = [ThreadingHTTPServer((host, 0), Handler) for host in ("127.0.0.1", "127.0.0.2")]
    hub.endpoint, hub.storage = (f"http://{server.server_address[0]}:{server.server_address[1]}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # the client was killed
            self.close_connection = True

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _answer(self) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.request_facts = Request(self.command, self.path, self.headers["Host"], token)
        self.fault = self.state.fault(self.request_facts)
        body = self._body()
        if body is None:
            return
        if isinstance(self.fault, int):
            self._send(self.fault, {"error": "as asked"})
        elif isinstance(self.fault, str) and self.fault.startswith("http"):
            self._send(302, b"", {"Location": self.fault})
        else:
            with self.state.lock:
                answer = self._route(urlsplit(self.path), body, token)
            self._send(*answer)

    def _body(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        length = int(self.headers.get("Content-Length") or 0)
        if self.fault == "cut" and self.command in ("PUT", "POST"):
            self.rfile.read(length // 2)
            self._note(0, length // 2, 0)
            self.connection.close()
            self.close_connection = True
            return None
        data = self.rfile.read(length)
        self.request_facts = Request(**{**vars(self.request_facts), "received": len(data)})
        return data if len(data) == length else None

    def _send(self, status: int, content: Any = b"", headers: dict[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        headers = {"Content-Length": str(len(data)), **(headers or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            data = b""
        if self.fault in ("cut", "short") and data:
            data = data[: len(data) // 2]
            self.close_connection = True
        self.wfile.write(data)
        self._note(status, self.request_facts.received, len(data))

    def _note(self, status: int, received: int, sent: int) -> None:
        facts = {**vars(self.request_facts), "status": status, "received": received, "sent": sent}
        self.state.log.append(Request(**facts))

    def _route(self, url: Any, body: bytes, token: str | None) -> tuple[Any, ...]:
        path = url.path
        query = parse_qs(url.query)
        if path == "/api/whoami-v2":
            return (200, {"name": "writer", "orgs": []}) if token == TOKEN else (401, {"error": "who?"})
        if path == "/api/validate-yaml":
            return _validate(json.loads(body)["content"])
        if path == "/api/repos/create":
            return self._create(json.loads(body), token)
        if path.startswith("/storage/"):
            return self._storage(path, body)
        for pattern in (
            r"/api/datasets/([^/]+/[^/]+)/(preupload|commit|branch|tree|paths-info|revision)/([^/]+)(?:/(.*))?",
            r"/api/datasets/([^/]+/[^/]+)()()()",
            r"/datasets/([^/]+/[^/]+)\.git/(info/lfs/objects/batch)()()",
            r"/datasets/([^/]+/[^/]+)/(resolve)/([^/]+)/(.*)",
        ):
            if match := re.fullmatch(pattern, path):
                repo_id, action, revision, rest = match.groups()
                repository = self.state.repositories.get(repo_id)
                if repository is None or (repository.private and token != TOKEN):
                    return _absent("RepoNotFound", 401 if token is None else 404)
                writing = self.command in ("POST", "PUT") and action != "paths-info"
                if writing and token != TOKEN:
                    return 403, {"error": "no right to write"}
                return self._repository(
                    repo_id, repository, action or "revision", revision or "main", rest, body, query
                )
        return 404, {"error": f"no such address: {path}"}

    def _create(self, wanted: dict[str, Any], token: str | None) -> tuple[Any, ...]:
        if token != TOKEN:
            return 401, {"error": "who?"}
        repo_id = f"{wanted['organization']}/{wanted['name']}"
        if repo_id in self.state.repositories:
            return 409, {"error": "it is there", "url": f"{self.state.endpoint}/datasets/{repo_id}"}
        repository = self.state.repositories[repo_id] = Repository(
            bool(wanted.get("private")) or wanted.get("visibility") == "private"
        )
        repository.commit("main", {".gitattributes": File(b"*.parquet filter=lfs\n", lfs=False)})
        return 200, {"url": f"{self.state.endpoint}/datasets/{repo_id}", "name": repo_id, "id": "1"}

    def _repository(
        self,
        repo_id: str,
        repository: Repository,
        action: str,
        revision: str,
        rest: str | None,
        body: bytes,
        query: Any,
    ) -> tuple[Any, ...]:
        if action == "info/lfs/objects/batch":
            return 200, {"transfer": "basic", "objects": [self._plan(one) for one in json.loads(body)["objects"]]}
        if action == "branch":
            if unquote(revision) in repository.branches:
                return 409, {"error": "it is there"}
            repository.branches[unquote(revision)] = [repository.branches["main"][-1]]
            return 200, {}
        oid = repository.resolve(revision)
        if oid is None:
            return _absent("RevisionNotFound")
        files = repository.commits[oid]
        if action == "preupload":
            return 200, {"files": [_mode(one, files) for one in json.loads(body)["files"]]}
        if action == "commit":
            return self._commit(repo_id, repository, unquote(revision), dict(files), body)
        if action == "revision":
            siblings = [{"rfilename": name} for name in files]
            facts = {"id": repo_id, "sha": oid, "private": repository.private, "siblings": siblings, "tags": [],
                     "gated": False, "disabled": False, "downloads": 0, "likes": 0}  # fmt: skip
            return 200, facts
        if action == "tree":
            return self._tree(repo_id, revision, files, unquote(rest or ""), query)
        if action == "paths-info":
            found = parse_qs(body.decode()).get("paths", []) if body[:1] != b"{" else json.loads(body)["paths"]
            folders = {"/".join(name.split("/")[:n]) for name in files for n in range(1, name.count("/") + 1)}
            entries = [_entry(name, files[name]) for name in found if name in files]
            return 200, entries + [_folder(name) for name in found if name in folders]
        return self._resolve(oid, files, unquote(rest or ""))

    def _plan(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """What the client shall do to send an object."""
        oid, size = wanted["oid"], wanted["size"]
        if oid in self.state.objects:
            return {"oid": oid, "size": size}
        place = f"{self.state.storage}/storage/{oid}"
        upload: dict[str, Any] = {"href": place}
        if size >= self.state.multipart_from:
            chunk = self.state.chunk
            parts = {str(n + 1): f"{place}/{n + 1}" for n in range(-(-size // chunk))}
            upload = {"href": f"{place}/complete", "header": {"chunk_size": str(chunk), **parts}}
        verify = {"href": f"{self.state.endpoint}/storage/verify"}
        return {"oid": oid, "size": size, "actions": {"upload": upload, "verify": verify}}

    def _storage(self, path: str, body: bytes) -> tuple[Any, ...]:
        _, _, oid, *rest = path.split("/")
        if oid == "verify":
            wanted = json.loads(body)
            return (200, {}) if wanted["oid"] in self.state.objects else (404, {"error": "it did not arrive"})
        if self.command in ("GET", "HEAD"):
            return self._ranges(self.state.objects[oid], {"ETag": f'"{oid}"'})
        if rest == ["complete"]:
            parts = sorted((n, data) for (one, n), data in self.state.parts.items() if one == oid)
            body = b"".join(data for _, data in parts)
        elif rest:
            self.state.parts[oid, int(rest[0])] = body
            return 200, b"", {"ETag": hashlib.md5(body).hexdigest()}
        if hashlib.sha256(body).hexdigest() != oid:
            return 400, {"error": "it is damaged"}
        self.state.objects[oid] = body
        self.state.arrivals.append(oid)
        return 200, {}

    def _commit(
        self, repo_id: str, repository: Repository, branch: str, files: dict[str, File], body: bytes
    ) -> tuple[Any, ...]:
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = File(b64decode(value["content"]), lfs=False)
            elif operation["key"] == "lfsFile":
                if value["oid"] not in self.state.objects:
                    return 400, {"error": f"{value['path']} did not arrive"}
                files[value["path"]] = File(self.state.objects[value["oid"]], lfs=True)
            elif operation["key"] == "deletedFile":
                del files[value["path"]]
        oid = repository.commit(branch, files)
        return 200, {"commitUrl": f"{self.state.endpoint}/datasets/{repo_id}/commit/{oid}", "commitOid": oid}

    def _tree(self, repo_id: str, revision: str, files: dict[str, File], folder: str, query: Any) -> tuple[Any, ...]:
        start = int(query.get("cursor", ["0"])[0])
        below = f"{folder}/" if folder else ""
        names = sorted(name for name in files if name.startswith(below))
        if folder and not names:
            return _absent("EntryNotFound")
        folders = sorted({"/".join(name.split("/")[:n]) for name in names for n in range(1, name.count("/") + 1)})
        entries = [_folder(name) for name in folders if name.startswith(below)]
        entries += [_entry(name, files[name]) for name in names]
        if query.get("recursive", ["False"])[0].lower() != "true":
            entries = [one for one in entries if "/" not in one["path"].removeprefix(below)]
        headers = {}
        if start + PAGE < len(entries):
            address = f"{self.state.endpoint}/api/datasets/{repo_id}/tree/{revision}" + (f"/{folder}" if folder else "")
            kept = "&".join(f"{key}={value[0]}" for key, value in query.items() if key != "cursor")
            headers["Link"] = f'<{address}?{kept}&cursor={start + PAGE}>; rel="next"'
        return 200, entries[start : start + PAGE], headers

    def _resolve(self, commit: str, files: dict[str, File], name: str) -> tuple[Any, ...]:
        file = files.get(name)
        if file is None:
            return _absent("EntryNotFound", headers={"X-Repo-Commit": commit})
        headers = {"X-Repo-Commit": commit, "ETag": f'"{file.etag}"'}
        if not file.lfs:
            return self._ranges(file.content, headers)
        linked = {"X-Linked-Size": str(len(file.content)), "X-Linked-ETag": f'"{file.etag}"'}
        return 302, b"", {**headers, **linked, "Location": f"{self.state.storage}/storage/{file.sha256}"}

    def _ranges(self, content: bytes, headers: dict[str, str]) -> tuple[Any, ...]:
        headers = {**headers, "Accept-Ranges": "bytes"}
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if match is None:
            return 200, content, headers
        start = int(match[1]) if match[1] else max(0, len(content) - int(match[2]))
        stop = min(int(match[2]) + 1 if match[1] and match[2] else len(content), len(content))
        if start >= len(content):
            return 416, b"", {"Content-Range": f"bytes */{len(content)}"}
        return 206, content[start:stop], {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}


def _absent(code: str, status: int = 404, headers: dict[str, str] | None = None) -> tuple[Any, ...]:
    return status, {"error": code}, {"X-Error-Code": code, "X-Error-Message": code, **(headers or {})}


def _validate(text: str) -> tuple[Any, ...]:
    try:
        front = yaml.safe_load(text.split("---\n")[1])
        sound = isinstance(front, dict) and isinstance(front["license"], str)
    except (yaml.YAMLError, IndexError, KeyError) as error:
        return 400, {"errors": [{"message": str(error)}], "warnings": []}
    return (200, {"errors": [], "warnings": []}) if sound else (400, {"errors": [{"message": "?"}], "warnings": []})


def _mode(wanted: dict[str, Any], files: dict[str, File]) -> dict[str, Any]:
    name = wanted["path"]
    lfs = name.endswith(".parquet") or wanted["size"] > 10_000_000
    there = files.get(name)
    return {
        "path": name,
        "uploadMode": "lfs" if lfs else "regular",
        "shouldIgnore": False,
        "oid": None if there is None else there.etag,
    }


def _entry(name: str, file: File) -> dict[str, Any]:
    lfs = {"lfs": {"oid": file.sha256, "size": len(file.content), "pointerSize": 130}} if file.lfs else {}
    return {"type": "file", "path": name, "size": len(file.content), "oid": file.oid, **lfs}


def _folder(name: str) -> dict[str, Any]:
    return {"type": "directory", "path": name, "oid": hashlib.sha1(name.encode()).hexdigest(), "size": 0}
