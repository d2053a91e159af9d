"""What load_dataset, streaming and med_mat.open make of a pushed set, how little they fetch, and a Hub that lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_client import Built, Client
from hub_server import TOKEN, File, Hub, Repository, Request, serve

import med_mat
from med_mat import catalog, schema
from med_mat.catalog import RowFacts
from med_mat.hub.staging import write_tags
from med_mat.storage.location import TAGS, TAGS_COLUMNS
from med_mat.storage.parquet import open_writer

CHOICE = ("--except", "aptos_2019", "--allow", "busi", "--allow", "kvasir_seg")


@pytest.fixture(scope="module")
def pushed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """What a push leaves on a Hub, with its large objects under the attribute ``objects``."""
    with serve() as hub:
        client = Client(hub, tmp_path_factory.mktemp("home"))
        assert client.med_mat("push", built.out, "org/Med-MAT", *CHOICE).returncode == 0
        return hub.repositories["org/Med-MAT"]


@pytest.fixture
def hub(hub: Hub, pushed: Repository) -> Hub:
    """A Hub with the pushed set, whose log begins now."""
    hub.repositories["org/Med-MAT"] = Repository(
        False, {k: list(v) for k, v in pushed.branches.items()}, dict(pushed.commits)
    )
    hub.objects = {file.sha256: file.content for file in pushed.head().values() if file.lfs}
    return hub


def answer(client: Client, code: str) -> Any:
    """What the code prints last, as JSON."""
    done = client.python(code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def failure(client: Client, code: str = 'import med_mat; med_mat.open("org/Med-MAT")') -> str:
    """The error's name and sentence."""
    caught = """
import sys
from med_mat.errors import MedMATError
try:
    {}
except MedMATError as error:
    print(type(error).__name__ + ": " + str(error))
"""
    done = client.python(caught.format(code))
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return done.stdout


def storage_bytes(hub: Hub) -> int:
    return sum(one.sent for one in hub.log if one.host in hub.storage)


def data_file(built: Built, split: str) -> Path:
    """The only file of row 48 and a split."""
    return next((built.out / "data/busi/048").glob(f"{split}-*.parquet"))


def test_load_dataset_gives_a_subset_and_fetches_its_files_alone(client: Client, built: Built) -> None:
    got = answer(
        client,
        """
import json
from datasets import load_dataset
train = load_dataset("org/Med-MAT", "subset-24", split="train")
print(json.dumps([list(train["id"]), train[0]["image"].size]))
""",
    )
    whole = pq.read_table(data_file(built, "train"))
    assert got[0] == whole["id"].to_pylist()
    assert got[1] == [whole["width"][0].as_py(), whole["height"][0].as_py()]
    shards = {one.path for one in client.hub.asked("/resolve/") if "data/" in one.path}
    assert shards
    assert all("/data/busi/048/" in path for path in shards)


def test_load_dataset_streams(client: Client, built: Built) -> None:
    got = answer(
        client,
        """
import json, os
from datasets import load_dataset
stream = load_dataset("org/Med-MAT", "busi", split="test", streaming=True)
print(json.dumps([[one["id"], one["image"].size] for one in stream]), flush=True)
os._exit(0)  # `datasets` leaves threads of pyarrow behind, which now and then abort an ending interpreter (arrow 45214)
""",
    )
    index = [one for one in pq.read_table(built.out / "index.parquet").to_pylist() if one["source"] == "busi"]
    assert got == [[one["id"], [one["width"], one["height"]]] for one in index if one["split"] == "test"]


def test_streaming_two_columns_leaves_the_pixels_on_the_hub(client: Client, built: Built, tmp_path: Path) -> None:
    name = data_file(built, "train").relative_to(built.out).as_posix()
    small, noise = pq.read_table(built.out / name), np.random.RandomState(0)
    rows = [{**row, "image": {"bytes": noise.bytes(1_000_000), "path": "x.png"}} for row in small.to_pylist()]
    with open_writer(tmp_path / "large.parquet", small.schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=small.schema))
    large = File((tmp_path / "large.parquet").read_bytes(), lfs=True)
    repository = client.hub.repositories["org/Med-MAT"]
    client.hub.objects[large.sha256] = large.content
    repository.commit("main", {**repository.head(), name: large})
    got = answer(
        client,
        """
import json, med_mat
mat = med_mat.open("org/Med-MAT")
stream = mat.select("US/Breast/Cancer", split="train", streaming=True, columns=["id", "label"])
asked = mat.select("US/Breast/Cancer", split="train", streaming=True, columns=["question"], questions="paper")
print(json.dumps([list(stream), list(asked)]))
""",
    )
    assert got[0] == small.select(["id", "label"]).to_pylist()
    mat = med_mat.open(built.out)
    local = mat.questions(mat.where("US/Breast/Cancer", split="train"), "paper")
    assert got[1] == local.select(["question"]).to_pylist() != small.select(["question"]).to_pylist()
    assert storage_bytes(client.hub) < len(large.content) / 50


def test_the_index_is_a_configuration(client: Client, built: Built) -> None:
    code = """
import json
from datasets import load_dataset
print(json.dumps(len(load_dataset("org/Med-MAT", "index", split="all"))))
"""
    index = pq.read_table(built.out / "index.parquet", columns=["source"])["source"].to_pylist()
    assert answer(client, code) == len([name for name in index if name != "aptos_2019"])


def test_opening_fetches_manifest_and_tags_alone(client: Client) -> None:
    answer(client, 'import json, med_mat; print(json.dumps(len(med_mat.open("org/Med-MAT"))))')
    assert {one.path.rpartition("/")[2] for one in client.hub.asked("/resolve/")} == {"med_mat.json", TAGS}
    assert storage_bytes(client.hub) == len(client.hub.files("org/Med-MAT")[TAGS])


def test_opening_two_million_records(client: Client, tmp_path: Path) -> None:
    count, rows = 2_000_000, [row for row in catalog.load().rows if row.subset]
    random = np.random.RandomState(0)
    number = np.sort(random.randint(0, len(rows), count))
    position = np.arange(count)
    shard = position // 2_048
    values = {
        "row": pa.array(np.array([row.number for row in rows])[number], pa.int16()),
        "split": pa.array(["train", "test"]).take(pa.array((shard % 10 == 0).astype(int))),
        "label_set": pa.array([f"Label {n}; Label {n + 1}" for n in range(200)]).take(
            pa.array(random.randint(0, 200, count))
        ),
        "group": pa.array(random.randint(0, count, count), pa.int32()),
        "withheld": pa.nulls(count, pa.string()),
        "key": pa.array(random.randint(-(2**63), 2**63 - 1, count)),
        "file": pa.array([f"data/x/001/train-{n:05d}.parquet" for n in range(shard[-1] + 1)]).take(pa.array(shard)),
        "position": pa.array(position % 2_048, pa.int32()),
    }
    pq.write_table(pa.table(values), tmp_path / "index.parquet")
    tags = write_tags(tmp_path / "index.parquet", tmp_path / TAGS).read_bytes()
    facts = catalog.load()
    manifest = {
        "med_mat": "0",
        "schema": schema.VERSION,
        "build": "",
        "records": count,
        "sources": {},
        "near_duplicates": {"threshold": 21},
        "rows": {row.number: RowFacts.of(row, facts[row.source]).to_data() for row in rows},
    }
    repository = client.hub.repositories["org/large"] = Repository(private=False)
    repository.commit("main", {"med_mat.json": File(json.dumps(manifest).encode(), False), TAGS: File(tags, True)})
    client.hub.objects[File(tags, True).sha256] = tags
    assert answer(client, 'import json, med_mat; print(json.dumps(len(med_mat.open("org/large"))))') == count
    assert sum(one.sent for one in client.hub.log) <= 60e6
    assert len(client.hub.log) <= 10


def test_a_set_that_something_else_sent_opens_by_its_index(client: Client) -> None:
    repository = client.hub.repositories["org/Med-MAT"]
    repository.commit("main", {name: file for name, file in repository.head().items() if name != TAGS})
    assert answer(client, 'import json, med_mat; print(json.dumps(len(med_mat.open("org/Med-MAT"))))') > 0
    assert client.hub.asked("index.parquet")


def test_streaming_one_triplet_fetches_from_its_files_alone(client: Client, built: Built) -> None:
    got = answer(
        client,
        """
import json, med_mat
mat = med_mat.open("org/Med-MAT")
stream = mat.select("US/Breast/Cancer", split="test", streaming=True)
print(json.dumps([[one["id"], one["image"].size] for one in stream]))
""",
    )
    shard = data_file(built, "test")
    table = pq.read_table(shard)
    sizes = zip(table["width"].to_pylist(), table["height"].to_pylist(), strict=True)
    assert got == [[name, list(size)] for name, size in zip(table["id"].to_pylist(), sizes, strict=True)]
    shards = {one.path.partition("/data/")[2] for one in client.hub.asked("/resolve/") if "/data/" in one.path}
    assert shards == {f"busi/048/{shard.name}"}
    footer = 65_536  # what pyarrow reads of the end of a file before it knows more
    assert storage_bytes(client.hub) <= shard.stat().st_size + footer + len(client.hub.files("org/Med-MAT")[TAGS])


def test_an_open_set_stays_at_its_commit(client: Client, built: Built) -> None:
    repository = client.hub.repositories["org/Med-MAT"]
    started = repository.branches["main"][-1]

    def change(request: Request) -> None:
        if "/resolve/" in request.path and len(repository.branches["main"]) < 4:
            repository.commit("main", {".gitattributes": File(b"", lfs=False)})

    client.hub.faults = [change]
    got = answer(
        client,
        """
import json, med_mat
mat = med_mat.open("org/Med-MAT")
print(json.dumps([mat.location.commit, len(mat.select("US/Breast/*", split="test"))]))
""",
    )
    assert got[0] == started
    assert got[1] > 0


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "log in with 'hf auth login'"),
        (403, "your token may not do that"),
        (404, "nothing of that name is there"),
        (429, "the Hub asks for a pause"),
        (500, "the Hub has trouble"),
    ],
)
def test_a_hub_that_refuses_to_say_what_it_has(client: Client, status: int, sentence: str) -> None:
    client.hub.faults = [lambda _: status]
    told = failure(client)
    assert told.startswith("HubError: the dataset 'org/Med-MAT'")
    assert sentence in told


def test_a_dataset_or_a_branch_that_is_not_there(client: Client) -> None:
    assert "nothing of that name is there" in failure(client, 'import med_mat; med_mat.open("org/none")')
    assert "nothing of that name is there" in failure(
        client, 'import med_mat; med_mat.open("org/Med-MAT", revision="x")'
    )


def test_no_network(client: Client) -> None:
    client.settings["HF_ENDPOINT"] = "http://127.0.0.1:9"
    assert "the Hub cannot be reached" in failure(client)


def test_offline_is_said(client: Client) -> None:
    client.settings["HF_HUB_OFFLINE"] = "1"
    assert "HF_HUB_OFFLINE is set" in failure(client)


def test_a_file_that_arrives_in_pieces_is_put_together(client: Client) -> None:
    seen: list[str] = []

    def short(request: Request) -> str | None:
        if request.host in client.hub.storage and request.method == "GET" and len(seen) < 2:
            seen.append(request.path)
            return "short"
        return None

    client.hub.faults = [short]
    assert answer(client, 'import json, med_mat; print(json.dumps(len(med_mat.open("org/Med-MAT"))))') > 0
    assert len(seen) == 2


def test_an_object_that_is_not_what_the_commit_names_is_refused(client: Client) -> None:
    tags = client.hub.repositories["org/Med-MAT"].head()[TAGS]
    client.hub.objects[tags.sha256] = tags.content[:-9]
    told = failure(client)
    assert told.startswith("HubError: org/Med-MAT/tags.parquet: ")
    assert "it arrived incomplete" in told


def test_a_redirect_to_another_host_does_not_get_the_token(client: Client) -> None:
    with serve() as stranger:
        client.hub.faults = [
            lambda request: f"{stranger.endpoint}/caught" if "/resolve/" in request.path else None,
        ]
        told = failure(client)
        assert told.startswith(("HubError", "BuildError"))
        assert all(one.token is None for one in stranger.log)
        assert all(TOKEN not in one.path for one in stranger.log)


@pytest.mark.parametrize(
    "manifest",
    [b"{", b"[]", b'{"schema": 2}', b"[" * 100_000, b"\xff\xfe", b'{"med_mat": "9", "schema": 999}'],
    ids=["cut", "list", "no version", "deep", "no text", "other schema"],
)
def test_a_manifest_that_is_none(client: Client, manifest: bytes) -> None:
    repository = client.hub.repositories["org/Med-MAT"]
    repository.commit("main", {**repository.head(), "med_mat.json": File(manifest, lfs=False)})
    assert failure(client).startswith("BuildError: org/Med-MAT")


def test_an_index_that_leads_out_of_the_set(client: Client) -> None:
    repository = client.hub.repositories["org/Med-MAT"]
    tags = pq.read_table(pa.BufferReader(repository.head()[TAGS].content))
    place = tags.column_names.index("file")
    tags = tags.set_column(place, "file", pa.array(["../../../../etc/passwd"] * len(tags)))
    sink = pa.BufferOutputStream()
    pq.write_table(tags, sink)
    content = sink.getvalue().to_pybytes()
    assert tags.column_names == list(TAGS_COLUMNS)
    client.hub.objects[File(content, True).sha256] = content
    repository.commit("main", {**repository.head(), TAGS: File(content, lfs=True)})
    code = 'import med_mat; list(med_mat.open("org/Med-MAT").select("US/Breast/*", streaming={}))'
    assert "Error: " in failure(client, code.format(True))
    assert "Error: " in failure(client, code.format(False))


def test_a_card_that_would_swell_is_not_read_to_open(client: Client) -> None:
    bomb = "---\na: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{one}: &{one} [{','.join([f'*{before}'] * 9)}]\n" for before, one in zip("abcdefgh", "bcdefghi", strict=True)
    )
    repository = client.hub.repositories["org/Med-MAT"]
    repository.commit("main", {**repository.head(), "README.md": File(f"{bomb}---\n".encode(), lfs=False)})
    assert answer(client, 'import json, med_mat; print(json.dumps(len(med_mat.open("org/Med-MAT"))))') > 0
    assert not client.hub.asked("README.md")
