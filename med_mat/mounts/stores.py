"""Object stores and servers: what they list, and bytes of their files, by the file systems of ``fsspec``.

Credentials come from where the provider's own tools look for them (environment, profiles, keys, login), and appear
nowhere. What fails for a moment is tried again; what does not help is told in a sentence.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from med_mat.errors import FolderNotFoundError, MedMATError, MissingExtraError, RemoteError
from med_mat.mounts.urls import URLPath

_PAUSES = (0.2, 0.5, 1.0, 2.0)  # seconds before the next try
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "sftp": "sshfs"}
_MEANS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or 'aws configure'; FSSPEC_S3_ANON=true for a "
    "public bucket",
    "gs": "'gcloud auth application-default login', or GOOGLE_APPLICATION_CREDENTIALS",
    "hf": "'hf auth login', or HF_TOKEN",
    "sftp": "a key in ~/.ssh or the SSH agent, and the host in ~/.ssh/known_hosts ('ssh HOST' once adds it)",
}
_T = TypeVar("_T")


class Entry(NamedTuple):
    """A file as it was listed."""

    size: int
    version: int  # nanoseconds of its modification, or a number that stands for its etag
    tag: str  # its etag; "" if there is none


class Listed(NamedTuple):
    """What a place contains."""

    at: str  # what its file system calls the place; of the Hub, at a commit
    files: dict[str, Entry]  # path below the place ("" if it is a file itself) -> facts


class ChangedError(Exception):
    """A file is not as it was listed."""


def listed(where: URLPath) -> Listed:
    """Every file below a place.

    Raises:
        FolderNotFoundError: There is none.
        RemoteError: It cannot be listed.
        MissingExtraError: The package for such addresses is not installed.
    """
    files = system(where)

    def find() -> Listed:
        at = _at(where)
        files.invalidate_cache()
        found = files.find(at, detail=True)
        return Listed(at, {_below(name, at): _entry(facts) for name, facts in found.items() if _is_file(name, facts)})

    try:
        found = _tried(where, find)
    except FileNotFoundError:
        found = Listed("", {})
    if not found.files:
        raise FolderNotFoundError(f"{where} does not exist, or holds no file. Name the folder in which the files lie.")
    return found


def fetched(where: URLPath, at: str, entry: Entry, start: int, end: int) -> bytes:
    """The bytes of a file from ``start`` to before ``end``.

    Args:
        where: What messages call the file.
        at: What its file system calls it.
        entry: The file as it was listed.
        start: First byte.
        end: End.

    Raises:
        RemoteError: They cannot be had, or the file has changed.
    """

    def get() -> bytes:
        data = _range(where, at, entry, start, end)
        if len(data) != end - start:
            raise EOFError(f"it gave {len(data):,} of {end - start:,} bytes")
        return data

    try:
        return _tried(where, get)
    except (ChangedError, FileNotFoundError):
        raise RemoteError(
            f"{where} has changed, or was removed, since it was listed: run the command again once nobody writes there."
        ) from None


def sent(path: Path, where: URLPath) -> Entry:
    """Copies a file of this machine to an address, and returns its facts there.

    Raises:
        RemoteError: It cannot be sent, or did not arrive whole.
    """
    files, at, size = system(where), _at(where), path.stat().st_size

    def put() -> Entry:
        files.put_file(str(path), at)
        files.invalidate_cache()
        entry = _entry(files.info(at))
        if entry.size != size:
            raise EOFError(f"{entry.size:,} of {size:,} bytes arrived")
        return entry

    try:
        return _tried(where, put)
    except FileNotFoundError:
        raise RemoteError(f"{where} cannot be written: there is no such bucket.") from None


def remove(where: URLPath) -> None:
    """Removes a file at an address.

    Raises:
        RemoteError: It cannot be removed.
    """
    with suppress(FileNotFoundError):
        _tried(where, lambda: system(where).rm_file(_at(where)))


@functools.lru_cache(maxsize=16)
def _opened(scheme: str, host: str) -> Any:
    if scheme == "hf":
        from huggingface_hub import HfFileSystem

        return HfFileSystem()
    try:
        if scheme == "s3":
            from s3fs import S3FileSystem

            return S3FileSystem()
        if scheme == "gs":
            from gcsfs import GCSFileSystem

            return GCSFileSystem()
        from sshfs import SSHFileSystem
    except ImportError as error:
        raise MissingExtraError(
            f"Addresses that begin with {scheme}:// need {_PACKAGES[scheme]}: pip install 'med-mat[{scheme}]'"
        ) from error
    user, _, rest = host.rpartition("@")
    name, _, port = rest.partition(":")
    options: dict[str, Any] = {"username": user} if user else {}
    if port:
        options["port"] = int(port)
    return SSHFileSystem(name, known_hosts=(), **options)  # (): those of ~/.ssh; the default would trust any host


def system(where: URLPath) -> Any:
    """The file system of an address; each process connects once.

    Raises:
        MissingExtraError: Its package is not installed.
        RemoteError: The host cannot be reached.
    """
    return _tried(where, lambda: _opened(where.scheme, where.host if where.scheme == "sftp" else ""))


def _at(where: URLPath) -> str:
    """What the file system calls a place: a dataset of the Hub is read at the commit that is the newest now."""
    if where.scheme == "sftp":
        return "/" + "/".join(where.parts[2:])
    if where.scheme != "hf":
        return "/".join(where.parts[1:])
    from huggingface_hub import HfApi

    found = system(where).resolve_path("/".join(where.parts[1 if where.host == "datasets" else 2 :]))
    commit = HfApi().repo_info(found.repo_id, repo_type=found.repo_type, revision=found.revision).sha
    start = "datasets/" if found.repo_type == "dataset" else ""
    below = f"/{found.path_in_repo}" if found.path_in_repo else ""
    return f"{start}{found.repo_id}@{commit}{below}"


def _is_file(name: str, facts: dict[str, Any]) -> bool:
    return facts["type"] == "file" and not name.endswith("/")  # stores list folders as empty files


def _below(name: str, at: str) -> str:
    return name.removeprefix(at.rstrip("/")).removeprefix("/")


def _entry(facts: dict[str, Any]) -> Entry:
    tag = facts.get("ETag") or facts.get("etag") or facts.get("blob_id") or ""
    time_of = facts.get("LastModified") or facts.get("updated") or facts.get("mtime") or 0
    if tag:  # times of objects are in seconds, and a second write may fall into the same
        version = int.from_bytes(hashlib.blake2b(str(tag).encode(), digest_size=7).digest(), "big")
    elif isinstance(time_of, datetime.datetime):
        version = int(time_of.timestamp()) * 10**9
    else:
        version = int(float(time_of)) * 10**9
    return Entry(int(facts["size"]), version, str(tag))


def _range(where: URLPath, at: str, entry: Entry, start: int, end: int) -> bytes:
    files = system(where)
    if where.scheme == "s3":
        return _s3_range(files, at, entry, start, end)
    if where.scheme == "hf":  # the commit cannot change
        with files.open(at, cache_type="none", size=entry.size) as file:
            file.seek(start)
            return bytes(file.read(end - start))
    if start == 0:
        files.invalidate_cache()
        if _entry(files.info(at)) != entry:
            raise ChangedError
    if where.scheme == "gs":
        return bytes(files.cat_file(at, start=start, end=end))
    with files.open(at, "rb") as file:
        file.seek(start)
        return bytes(file.read(end - start))


def _s3_range(files: Any, at: str, entry: Entry, start: int, end: int) -> bytes:
    """A range of an object, if its etag is still the same; one request."""
    from fsspec.asyn import sync

    bucket, _, key = at.partition("/")

    async def get() -> bytes:
        wanted = {"Range": f"bytes={start}-{end - 1}", "IfMatch": entry.tag}
        answer = await files._call_s3("get_object", Bucket=bucket, Key=key, **wanted)
        async with answer["Body"] as body:
            return bytes(await body.read())

    return bytes(sync(files.loop, get))


def _tried(where: URLPath, act: Callable[[], _T]) -> _T:
    """What a function returns, tried several times if it fails for a moment.

    Raises:
        FileNotFoundError, ChangedError: Nothing is there, or something else.
        RemoteError: Any other failure.
    """
    pauses = () if where.scheme == "hf" else _PAUSES  # its library tries again by itself
    for pause in (*pauses, None):
        try:
            return act()
        except (MedMATError, ChangedError, FileNotFoundError):
            raise
        except Exception as error:
            status = _status(error)
            if status == 404:
                raise FileNotFoundError(str(where)) from error
            if status == 412:
                raise ChangedError from error
            if status in (401, 403):
                raise RemoteError(
                    f"{where}: access is denied. Credentials are taken from {_MEANS[where.scheme]}."
                ) from error
            if status == -1:
                raise RemoteError(
                    f"{where} cannot be read: its host is not known or does not answer. Is the address right, and the "
                    "network up?"
                ) from error
            if pause is None:
                raise RemoteError(
                    f"{where} cannot be read after several tries ({_told(error)}). Run the command again "
                    "later: what is finished is kept."
                ) from error
        time.sleep(pause)
    raise AssertionError


def _status(error: BaseException) -> int:
    """The status of HTTP that an error stands for; -1 if the host is not reached, 0 if none is known."""
    seen: BaseException | None = error
    while seen is not None:
        name = type(seen).__name__
        if isinstance(seen, FileNotFoundError) or name in ("RepositoryNotFoundError", "SFTPNoSuchFile"):
            return 404
        if isinstance(seen, PermissionError) or name in (
            "NoCredentialsError",
            "PermissionDenied",
            "HostKeyNotVerifiable",
        ):
            return 403
        if isinstance(seen, socket.gaierror | ConnectionRefusedError) or name in (
            "EndpointConnectionError",
            "ClientConnectorError",
            "ConnectError",
        ):
            return -1
        response = getattr(seen, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        else:
            status = getattr(response, "status_code", 0)
        if status in (401, 403, 404, 412):
            return int(status)
        seen = seen.__cause__ or seen.__context__
    return 0


def _told(error: BaseException) -> str:
    """The first line of an error, without what may be secret."""
    text = " ".join(str(error).split()).split("?")[0][:200].rstrip(".")
    return f"{type(error).__name__}{text and f': {text}'}"
