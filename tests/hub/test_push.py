from __future__ import annotations

import json
import os
import random
import signal
import threading
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hub_client import Built, Client, settled
from hub_server import TOKEN, File, Request, serve

from med_mat.errors import HubError, UnknownSourceError
from med_mat.hub.upload import push

CHOICE = ("--except", "aptos_2019", "--allow", "busi", "--allow", "kvasir_seg")
#: A push in commits of three files, so that there are many points to stop at.
SMALL_STEPS = """
import sys
from med_mat.hub import upload
upload.FILES_PER_COMMIT = 3
upload.push(sys.argv[1], "org/Med-MAT", leave_out=["aptos_2019"], allow=["busi", "kvasir_seg"])
"""


def test_what_the_terms_forbid_or_leave_open_is_refused_by_name(built: Built) -> None:
    with pytest.raises(HubError) as caught:
        push(built.out, "org/Med-MAT", catalog=settled())
    text = str(caught.value)
    assert "terms of aptos_2019 forbid" in text
    assert "busi, kvasir_seg" in text
    assert "acrima" not in text
    for hint in ("--pixels allowed", "--except", "--allow"):
        assert hint in text


def test_what_is_forbidden_cannot_be_allowed(built: Built) -> None:
    with pytest.raises(HubError, match="terms of aptos_2019 forbid"):
        push(built.out, "org/Med-MAT", allow=["aptos_2019", "busi", "kvasir_seg"], catalog=settled())


@pytest.mark.parametrize("option", ["only", "leave_out", "without_pixels", "allow"])
def test_a_source_that_the_folder_does_not_hold(built: Built, option: str) -> None:
    given: dict[str, Any] = {option: ["busy"]}
    with pytest.raises(UnknownSourceError, match=r"no source 'busy'\. Did you mean 'busi'"):
        push(built.out, "org/Med-MAT", **given)


def test_nothing_left_to_push(built: Built) -> None:
    with pytest.raises(HubError, match=r"No source of .* is left"):
        push(built.out, "org/Med-MAT", only=["busi"], leave_out=["busi"])


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="no folder"):
        push(tmp_path / "none", "org/Med-MAT")


def test_a_dry_run_sends_nothing(client: Client, built: Built) -> None:
    done = client.med_mat("push", built.out, "org/Med-MAT", *CHOICE, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would be sent" in done.stdout
    assert not client.hub.repositories
    assert {one.method for one in client.hub.log} <= {"GET", "HEAD"}


def test_the_repository_holds_the_build_and_speaks_of_its_own_sources(client: Client, built: Built) -> None:
    done = client.med_mat("push", built.out, "org/Med-MAT", *CHOICE)
    assert done.returncode == 0, done.stderr
    files = client.hub.files("org/Med-MAT")
    shards = [path.relative_to(built.out).as_posix() for path in built.out.glob("data/*/*/*.parquet")]
    assert {name for name in files if name.startswith("data/")} == {n for n in shards if "aptos" not in n}
    for name in files:
        if name.startswith("data/"):
            assert files[name] == (built.out / name).read_bytes()
    assert not any("aptos" in name for name in files)
    for name in ("README.md", "LICENSES.md", "croissant.json", "med_mat.json", "ledger.json", "cards/busi.md"):
        assert name in files
        assert b"aptos" not in files[name].lower()
    assert b'load_dataset("org/Med-MAT"' in files["README.md"]
    assert b"](grid.png)" in files["README.md"]
    assert files["grid.png"].startswith(b"\x89PNG")
    manifest = json.loads(files["med_mat.json"])
    index = _table(files["index.parquet"])
    whole = pq.read_table(built.out / "index.parquet")
    assert index.equals(whole.filter(pc.not_equal(whole["source"], "aptos_2019")))
    assert manifest["records"] == len(index) == sum(one["records"] for one in manifest["sources"].values())
    assert manifest["without_pixels"] == {}
    assert len(client.hub.repositories["org/Med-MAT"].commits) == 2, "one commit after the one that made it"


def test_a_second_push_sends_nothing_and_makes_no_commit(client: Client, built: Built) -> None:
    assert client.med_mat("push", built.out, "org/Med-MAT", *CHOICE).returncode == 0
    commits, arrivals = len(client.hub.repositories["org/Med-MAT"].commits), len(client.hub.arrivals)
    again = client.med_mat("push", built.out, "org/Med-MAT", *CHOICE)
    assert "\n3 sources: 0 files (0.0 MB) sent" in again.stdout
    assert len(client.hub.repositories["org/Med-MAT"].commits) == commits
    assert len(client.hub.arrivals) == arrivals


def test_large_files_go_in_parts(built: Built, tmp_path: Path) -> None:
    with serve(multipart_from=20_000, chunk=9_000) as hub:
        assert Client(hub, tmp_path).med_mat("push", built.out, "org/Med-MAT", *CHOICE).returncode == 0
        assert hub.asked("/complete")
        files = hub.files("org/Med-MAT")
    assert all(files[name] == (built.out / name).read_bytes() for name in files if name.startswith("data/"))


def test_a_fuller_push_then_a_smaller_one_removes_what_is_stale_and_leaves_the_users_files(
    client: Client, built: Built
) -> None:
    assert client.med_mat("push", built.out, "org/Med-MAT", *CHOICE).returncode == 0
    repository = client.hub.repositories["org/Med-MAT"]
    repository.commit("main", {**repository.head(), "images/logo.png": File(b"logo", lfs=False)})
    assert client.med_mat("push", built.out, "org/Med-MAT", "--only", "acrima").returncode == 0
    names = set(repository.head())
    assert "images/logo.png" in names
    assert {name.split("/")[1] for name in names if name.startswith("data/")} == {"acrima"}
    assert {name for name in names if name.startswith(("cards/", "files/"))} == {
        "cards/acrima.md",
        "files/acrima.parquet",
    }


def test_a_branch_and_a_private_repository(client: Client, built: Built) -> None:
    done = client.med_mat("push", built.out, "org/x", "--only", "acrima", "--revision", "try/1", "--private")
    assert done.returncode == 0, done.stderr
    repository = client.hub.repositories["org/x"]
    assert repository.private
    assert "README.md" in repository.head("try/1")
    assert "README.md" not in repository.head("main")


def test_without_pixels_no_pixel_arrives(client: Client, built: Built) -> None:
    done = client.med_mat("push", built.out, "org/bare", "--without-pixels", "--names", *CHOICE)
    assert done.returncode == 0, done.stderr
    shards = {name: data for name, data in client.hub.files("org/bare").items() if name.startswith("data/")}
    assert len(shards) == sum("aptos" not in path.as_posix() for path in built.out.glob("data/*/*/*.parquet"))
    pixels = [
        value["bytes"]
        for name in shards
        for column in ("image", "mask")
        for value in pq.read_table(built.out / name, columns=[column])[column].to_pylist()
        if value is not None
    ]
    assert len(pixels) > 80
    for name, data in shards.items():
        bare, whole = _table(data), pq.read_table(built.out / name)
        assert bare["image"].null_count == bare["mask"].null_count == len(bare)
        assert bare.drop_columns(["image", "mask"]).equals(whole.drop_columns(["image", "mask"]))
    sent = [*client.hub.objects.values(), *client.hub.files("org/bare").values()]
    assert not any(picture[:200] in data for picture in pixels for data in sent)
    assert b"Without images" in client.hub.files("org/bare")["README.md"]


def test_some_sources_without_pixels(client: Client, built: Built) -> None:
    options = [text for name in ("busi", "kvasir_seg") for text in ("--without-pixels-of", name)]
    done = client.med_mat("push", built.out, "org/mixed", *options, *CHOICE)
    assert done.returncode == 0, done.stderr
    files = client.hub.files("org/mixed")
    manifest = json.loads(files["med_mat.json"])
    assert set(manifest["without_pixels"]) == {"busi", "kvasir_seg"}
    for name, data in files.items():
        if name.startswith("data/"):
            table = _table(data)
            assert table["image"].null_count == (0 if "acrima" in name else len(table))


def test_killed_at_random_points_and_resumed_nothing_is_sent_twice(client: Client, built: Built) -> None:
    hub = client.hub
    random_points = random.Random(0)
    kills = 0
    for _ in range(200):
        before = len(hub.log)
        stop_at = before + random_points.randrange(2, 40)
        ready = threading.Event()
        running: list[Any] = []

        def kill(
            request: Request, stop_at: int = stop_at, ready: threading.Event = ready, running: Any = running
        ) -> None:
            if len(hub.log) >= stop_at:
                ready.wait(10)
                os.kill(running[0].pid, signal.SIGKILL)

        hub.faults = [kill] if kills < 8 else []
        process = client.start(SMALL_STEPS, built.out)
        running.append(process)
        ready.set()
        process.communicate(timeout=300)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        kills += 1
        repository = hub.repositories.get("org/Med-MAT")
        if repository is not None:
            assert "README.md" not in repository.head(), "a card is there before its data"
    assert kills >= 3
    assert len(hub.arrivals) == len(set(hub.arrivals)), "a file was sent twice"
    with serve() as quiet:
        other = Client(quiet, client.home)
        assert other.med_mat("push", built.out, "org/Med-MAT", *CHOICE).returncode == 0
        assert hub.files("org/Med-MAT") == quiet.files("org/Med-MAT")


def test_no_commit_has_a_card_ahead_of_its_data(client: Client, built: Built) -> None:
    assert client.python(SMALL_STEPS, built.out).returncode == 0
    commits = list(client.hub.repositories["org/Med-MAT"].commits.values())
    assert len(commits) > 5
    for files in commits:
        if "README.md" in files or "med_mat.json" in files:
            named = set(_table(files["index.parquet"].content)["file"].to_pylist())
            assert named <= set(files)


@pytest.mark.parametrize("fault", ["cut", 500, 503, 429])
def test_a_line_that_breaks_now_and_then(client: Client, built: Built, fault: int | str) -> None:
    seen: set[str] = set()

    def once_each(request: Request) -> int | str | None:
        if request.method != "PUT" or request.path in seen or len(seen) >= 3:
            return None
        seen.add(request.path)
        return fault

    client.hub.faults = [once_each]
    done = client.med_mat("push", built.out, "org/Med-MAT", "--only", "acrima", "--only", "busi", "--allow", "busi")
    assert done.returncode == 0, done.stderr
    assert seen
    files = client.hub.files("org/Med-MAT")
    assert all(files[name] == (built.out / name).read_bytes() for name in files if name.startswith("data/"))
    assert len(client.hub.arrivals) == len(set(client.hub.arrivals))


def test_the_token_goes_to_the_hub_alone(client: Client, built: Built) -> None:
    assert client.med_mat("push", built.out, "org/Med-MAT", *CHOICE).returncode == 0
    elsewhere = [one for one in client.hub.log if one.host not in client.hub.endpoint]
    assert elsewhere
    assert all(one.token is None for one in elsewhere)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(401, "hf auth login"), (403, "your token may not"), (404, "check the name"), (413, "more than the Hub takes")],
)
def test_a_hub_that_refuses_is_told_in_a_sentence(client: Client, built: Built, status: int, sentence: str) -> None:
    client.hub.faults = [lambda request: status if request.method == "POST" else None]
    done = client.med_mat("push", built.out, "org/Med-MAT", *CHOICE)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert f"status {status}" in done.stderr
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stderr


def test_the_storage_refuses_and_its_signed_address_is_not_shown(client: Client, built: Built) -> None:
    client.hub.faults = [lambda request: 403 if request.method == "PUT" else None]
    done = client.med_mat("push", built.out, "org/Med-MAT", "--only", "acrima")
    assert done.returncode == 1
    assert "status 403" in done.stderr
    assert "/storage/" not in done.stderr
    assert "README.md" not in client.hub.files("org/Med-MAT")
    client.hub.faults = []
    assert client.med_mat("push", built.out, "org/Med-MAT", "--only", "acrima").returncode == 0


def _table(data: bytes) -> Any:
    import pyarrow as pa

    return pq.read_table(pa.BufferReader(data))
