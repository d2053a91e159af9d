"""Files over HTTP: interrupted, changed, refused, altered, and out of disk."""

import email.utils
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import Server, serve

from med_mat.download.fetch import fetch, is_in_the_open
from med_mat.download.http import Settings, get_json, is_open, open_session
from med_mat.errors import DownloadError, MedMATError
from med_mat.hosts.base import Remote

DATA = random.Random(7).randbytes(100_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
QUICK = Settings(tries=4, pause=0.001, timeout=(5, 5), chunk=4096)


def get(url: str, folder: Path, name: str = "data.bin", **facts: object) -> Path:
    return fetch(Remote(url, name, **facts), folder, settings=QUICK)  # type: ignore[arg-type]


def refusal(url: str, folder: Path, name: str = "data.bin", **facts: object) -> str:
    with pytest.raises(MedMATError) as caught:
        get(url, folder, name, **facts)
    return str(caught.value)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_plain_file(server: Server, tmp_path: Path) -> None:
    url = server.file("/data", DATA)
    path = get(url, tmp_path, size=len(DATA), digests={"sha256": SHA256.upper()})
    assert path.read_bytes() == DATA
    assert leftovers(tmp_path) == ["data.bin"]
    get(url, tmp_path, digests={"sha256": SHA256})
    assert len(server.seen) == 1, "what is there and right is not fetched again"


def test_what_is_there_and_wrong_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"something else")
    assert get(server.file("/data", DATA), tmp_path, size=len(DATA)).read_bytes() == DATA


def test_an_empty_file(server: Server, tmp_path: Path) -> None:
    assert get(server.file("/data", b""), tmp_path).read_bytes() == b""
    assert "empty" in refusal(server.file("/zip", b""), tmp_path, "data.zip")


def test_without_a_length(server: Server, tmp_path: Path) -> None:
    assert get(server.file("/data", DATA, length=False), tmp_path).read_bytes() == DATA


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, len(DATA)), max_size=6),
    validator=st.sampled_from([("etag", '"x"'), ("modified", "Tue, 01 Jan 2019 00:00:00 GMT"), ("", "")]),
    ranges=st.booleans(),
    known=st.booleans(),
)
def test_the_connection_breaks_anywhere(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], validator: tuple[str, str], ranges: bool, known: bool
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    how = {"etag": None, **({validator[0]: validator[1]} if validator[0] else {})}
    facts = {"digests": {"sha256": SHA256}} if known else {}
    with serve() as server:
        url = server.file("/data", DATA, cuts=list(cuts), ranges=ranges, **how)
        for _ in range(len(cuts) + 1):  # a run gives up where several tries bring nothing new
            with suppress(DownloadError):
                path = get(url, folder, **facts)
                break
    assert path.read_bytes() == DATA
    assert leftovers(folder) == ["data.bin"]


def test_resumes_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    url = server.file("/data", DATA, cuts=[40_000])
    assert get(url, tmp_path).read_bytes() == DATA
    first, second = server.ranges("/data")
    assert first is None
    assert second is not None
    assert 36_000 <= int(second[6:-1]) <= 40_000


def test_gives_up_and_goes_on_in_the_next_run(server: Server, tmp_path: Path) -> None:
    url = server.file("/data", DATA, cuts=[50_000, 0, 0, 0, 0, 0, 0])
    message = refusal(url, tmp_path)
    assert "data.bin.incomplete is kept" in message
    server.pages["/data"].cuts.clear()
    server.seen.clear()
    assert get(url, tmp_path).read_bytes() == DATA
    assert server.ranges("/data")[0] not in (None, "bytes=0-")


@pytest.mark.parametrize("before", [{"etag": '"one"'}, {"etag": None, "modified": "Tue, 01 Jan 2019 00:00:00 GMT"}])
def test_the_file_changes_between_two_tries(server: Server, tmp_path: Path, before: dict[str, str]) -> None:
    new = bytes(reversed(DATA))  # of the same length
    url = server.file("/data", DATA, cuts=[50_000, 0, 0, 0, 0, 0], **before)
    refusal(url, tmp_path)
    server.file("/data", new, etag='"two"')
    assert get(url, tmp_path).read_bytes() == new


def test_the_file_changes_and_the_server_ignores_if_range(server: Server, tmp_path: Path) -> None:
    new = bytes(reversed(DATA))
    url = server.file("/data", DATA, cuts=[50_000, 0, 0, 0, 0, 0])
    refusal(url, tmp_path)
    (tmp_path / "data.bin.incomplete.json").write_text(
        json.dumps({"url": url, "size": len(DATA), "etag": '"two"', "modified": None})
    )
    server.file("/data", new, etag='"two"')  # joined with the old half, as far as etags tell
    assert get(url, tmp_path, digests={"sha256": hashlib.sha256(new).hexdigest()}).read_bytes() == new


def test_a_range_that_was_not_asked_for(server: Server, tmp_path: Path) -> None:
    url = server.file("/data", DATA, cuts=[50_000], liar=7)
    assert get(url, tmp_path).read_bytes() == DATA
    assert server.ranges("/data")[-1] is None, "begun anew"


def test_killed_before_the_last_rename(server: Server, tmp_path: Path) -> None:
    url = server.file("/data", DATA)
    (tmp_path / "data.bin.incomplete").write_bytes(DATA)
    note = {"url": url, "size": len(DATA), "etag": '"one"', "modified": None}
    (tmp_path / "data.bin.incomplete.json").write_text(json.dumps(note))
    assert get(url, tmp_path).read_bytes() == DATA
    assert not server.seen


@pytest.mark.parametrize("note", ["", "[]", "{", '{"url": 1}'])
def test_a_note_that_says_nothing(server: Server, tmp_path: Path, note: str) -> None:
    (tmp_path / "data.bin.incomplete").write_bytes(b"of unknown origin")
    (tmp_path / "data.bin.incomplete.json").write_text(note)
    assert get(server.file("/data", DATA), tmp_path).read_bytes() == DATA


def test_longer_than_the_server_now_has(server: Server, tmp_path: Path) -> None:
    url = server.file("/data", DATA)
    (tmp_path / "data.bin.incomplete").write_bytes(DATA * 2)
    note = {"url": url, "size": None, "etag": '"one"', "modified": None}
    (tmp_path / "data.bin.incomplete.json").write_text(json.dumps(note))
    assert get(url, tmp_path).read_bytes() == DATA


def test_a_wrong_size(server: Server, tmp_path: Path) -> None:
    message = refusal(server.file("/data", DATA), tmp_path, size=len(DATA) + 1)
    assert "100,000 bytes, and 100,001 were expected" in message
    assert leftovers(tmp_path) == []
    message = refusal(server.file("/data", DATA, length=False), tmp_path, size=len(DATA) - 1)
    assert "99,999 were expected" in message
    assert leftovers(tmp_path) == []


def test_a_wrong_sha256(server: Server, tmp_path: Path) -> None:
    message = refusal(server.file("/data", DATA), tmp_path, digests={"sha256": "0" * 64})
    assert SHA256 in message
    assert "0" * 64 in message
    assert leftovers(tmp_path) == []
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><title>Sign in</title>",
        b"\n  <HTML><body>Google Drive can't scan this file",
        b"\xef\xbb\xbf<!doctype HTML>",
        b'<?xml version="1.0"?><!-- moved --><html>',
    ],
)
@pytest.mark.parametrize("name", ["data.zip", "labels.csv"])
def test_a_web_page_instead_of_a_file(server: Server, tmp_path: Path, body: bytes, name: str) -> None:
    message = refusal(server.file("/data", body), tmp_path, name, page="https://example.org/page")
    assert "web page" in message
    assert "https://example.org/page" in message
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tgz", "a.tar", "a.rar", "a.7z", "a.tar.xz", "a.tar.bz2"])
def test_no_archive_at_all(server: Server, tmp_path: Path, name: str) -> None:
    assert "it begins with b'{" in refusal(server.file("/data", b'{"error": "quota"}' * 99), tmp_path, name)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "word"), [(404, "not there"), (410, "not there"), (403, "account"), (401, "account")]
)
def test_refusals_are_final(server: Server, tmp_path: Path, status: int, word: str) -> None:
    assert word in refusal(server.file("/data", DATA, refusals=[(status, {})] * 9), tmp_path)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_refusals(server: Server, tmp_path: Path, status: int) -> None:
    url = server.file("/data", DATA, refusals=[(status, {})] * 3)
    assert get(url, tmp_path).read_bytes() == DATA
    server.file("/data", DATA, refusals=[(status, {})] * 9)
    (tmp_path / "data.bin").unlink()
    assert str(status) in refusal(url, tmp_path)
    assert len(server.seen) == 4 + QUICK.tries


def test_waits_as_long_as_it_is_asked_to(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    date = email.utils.formatdate(time.time() + 50, usegmt=True)
    refusals = [(429, {"Retry-After": "7"}), (403, {"Retry-After": "8"}), (503, {"Retry-After": date})]
    assert get(server.file("/data", DATA, refusals=refusals), tmp_path).read_bytes() == DATA
    assert waits[:2] == [7, 8]
    assert 40 < waits[2] <= 50
    url = server.file("/late", DATA, refusals=[(429, {"Retry-After": "86400"})])
    assert "86,400 seconds" in refusal(url, tmp_path, "late.bin")


def test_nobody_answers(tmp_path: Path) -> None:
    with serve() as server:
        url = server.base
    assert "no connection" in refusal(f"{url}/data", tmp_path)


def test_redirects(server: Server, tmp_path: Path) -> None:
    server.file("/data", DATA)
    assert get(server.file("/old", b"", redirect="/data"), tmp_path).read_bytes() == DATA
    assert "circles" in refusal(server.file("/round", b"", redirect="/round"), tmp_path, "round.bin")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x", "gopher://x"])
def test_redirects_elsewhere_are_refused(server: Server, tmp_path: Path, target: str) -> None:
    message = refusal(server.file("/data", b"", redirect=target), tmp_path)
    assert "not followed" in message
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "target",
    [
        "http://[::1",
        "http://[x]/",
        "http://a:b/",
        "http://127.0.0.1:99999/",
        "http://",
        "http://\u2100.org/",
        "//[",
        "\\\\",
    ],
)
def test_redirects_to_what_is_no_address_are_refused(server: Server, tmp_path: Path, target: str) -> None:
    message = refusal(server.file("/data", b"", redirect=target), tmp_path)
    assert "\n" not in message
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "target", ["http://[::1", "https://[", "http://127.0.0.1:port/x", "//[x", "https://", "https://a]b/"]
)
def test_redirects_to_no_address_are_a_sentence(server: Server, tmp_path: Path, target: str) -> None:
    message = refusal(server.file("/data", b"", redirect=target), tmp_path)
    assert "no address" in message
    assert f"{server.base}/data redirects to" in message
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("url", ["http://example.org/data.zip", "HTTP://192.0.2.1/data", "http://127.example.org/x"])
def test_what_anybody_could_change_on_its_way_is_refused(tmp_path: Path, url: str) -> None:
    if not url.startswith("http://127."):
        message = refusal(url, tmp_path)
        assert "plain http" in message
        assert "--allow-http" in message
    assert is_open(url)
    assert is_in_the_open(Remote(url, "x"))
    assert not is_in_the_open(Remote(url, "x", digests={"sha256": SHA256}))
    assert not is_in_the_open(Remote(url.lower().replace("http:", "https:"), "x"))


def test_plain_http_is_fetched_where_a_digest_is_known_or_one_says_so(tmp_path: Path) -> None:
    url = "http://192.0.2.1/data"  # leads nowhere, and the test lets no connection out
    with pytest.raises(AssertionError, match="asked for"):
        get(url, tmp_path, digests={"sha256": SHA256})
    with pytest.raises(AssertionError, match="asked for"):
        fetch(Remote(url, "data"), tmp_path, settings=replace(QUICK, allow_http=True))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8/x", "http://localhost/x", "http://[::1]/x", "https://x.org/y"])
def test_nobody_sits_between_here_and_here(url: str) -> None:
    assert not is_open(url)


@pytest.mark.parametrize("url", ["http://[::1", "file:///etc/passwd", "ftp://127.0.0.1/x", "", "http://", "no address"])
def test_other_schemes_are_refused(tmp_path: Path, url: str) -> None:
    refusal(url, tmp_path)


@pytest.mark.parametrize("name", ["../evil.zip", "/etc/evil", "a/../../b", "C:\\evil", "a\0b", ""])
def test_names_that_lead_out(server: Server, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inside"
    refusal(server.file("/data", DATA), folder, name)
    assert sorted(tmp_path.rglob("*")) == []


def test_unasked_compression(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.file("/data", DATA, refusals=[(200, {"Content-Encoding": "gzip"})])
    assert "encoding" in refusal(url, tmp_path)


def test_json(server: Server) -> None:
    session = open_session()
    assert get_json(server.json("/good", {"a": [1]}), session, QUICK) == {"a": [1]}
    for body in (b"<html>", b"", b"{", b"[" * 100_000):
        with pytest.raises(DownloadError, match="does not answer with JSON"):
            get_json(server.file("/bad", body), session, QUICK)


SCRIPT = """
import resource, sys
from pathlib import Path
from med_mat.download.fetch import fetch
from med_mat.download.http import Settings
from med_mat.hosts.base import Remote
from med_mat.errors import MedMATError
url, folder, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    fetch(Remote(url, "data.bin"), Path(folder), settings=Settings(tries=3, pause=0.001, chunk=4096))
except MedMATError as error:
    sys.exit(f"Error: {error}")
"""


def test_no_disk_space(server: Server, tmp_path: Path) -> None:
    url = server.file("/data", DATA)
    command = [sys.executable, "-c", SCRIPT, url, str(tmp_path)]
    full = subprocess.run([*command, "30000"], capture_output=True, text=True, check=False)
    assert full.returncode == 1
    assert full.stderr.startswith("Error: ")
    assert "cannot be written" in full.stderr
    assert full.stderr.count("\n") == 1
    assert (tmp_path / "data.bin.incomplete").stat().st_size == 30_000
    assert get(url, tmp_path).read_bytes() == DATA
    assert server.ranges("/data")[-1] == "bytes=30000-"


def test_too_little_disk_space_is_seen_before(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert "needs 100,000 bytes more" in refusal(server.file("/data", DATA), tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_kill_and_go_on(server: Server, tmp_path: Path, seed: int) -> None:
    url = server.file("/data", DATA, delay=0.01)
    part = tmp_path / "data.bin.incomplete"
    child = subprocess.Popen([sys.executable, "-c", SCRIPT, url, str(tmp_path), "0"])
    wanted = random.Random(seed).randrange(1, 60_000)
    limit = time.monotonic() + 20
    while (not part.exists() or part.stat().st_size < wanted) and time.monotonic() < limit:
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "data.bin").exists()
    server.pages["/data"].delay = 0
    assert get(url, tmp_path).read_bytes() == DATA
    assert server.ranges("/data")[-1] not in (None, "bytes=0-")
