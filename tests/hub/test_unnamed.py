"""Names that identify stay at home: nothing that is published without pixels holds them, and everything else works."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hub_client import Built, Client
from hub_server import Hub
from workshop import Workshop, digests, once

import med_mat
from med_mat.building import Options, build, find, sums
from med_mat.building.sides import key
from med_mat.catalog import Catalog, Identifier, Place, load
from med_mat.dataset import MedMAT
from med_mat.demo import miniature
from med_mat.differences import compare
from med_mat.errors import ReadError, SplitError
from med_mat.hub.publication import choose
from med_mat.hub.staging import stage
from med_mat.leakage import linked
from med_mat.nameless import identifies
from med_mat.storage.raw_files import read_index
from med_mat.validate import validate

#: Numbers of patients in file names; ages and findings in raw labels; several scales; volumes.
SOURCES = ("pad_ufes_20", "shenzhen_cxr", "arthrosis", "busi", "head_ct")


@pytest.fixture
def client(hub: Hub, tmp_path: Path) -> Client:
    """A user of the cards as they are."""
    return Client(hub, tmp_path / "home", settled=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Built:
    def make(root: Path) -> None:
        folders = miniature(root / "raw", SOURCES)
        build(find(dict.fromkeys(folders), root / "raw"), root / "out", Options(jobs=1))

    root = once(tmp_path_factory, "names", make)
    return Built(root / "raw", root / "out")


def publish(out: Path, folder: Path, catalog: Catalog | None = None, **options: Any) -> Path:
    """The files of a set without pixels, as a push sends them."""
    manifest = json.loads((out / "med_mat.json").read_text("utf-8"))
    publication = choose(out, manifest, catalog or load(), **{"pixels": "none", **options})
    for name, path in stage(publication, "org/x", folder / "scratch").files.items():
        (folder / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / "set" / name)
    return folder / "set"


@pytest.fixture(scope="module")
def nameless(small: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them without names."""
    folder = tmp_path_factory.mktemp("nameless")
    (folder / "scratch").mkdir()
    return publish(small.out, folder, looked_at(dict.fromkeys(SOURCES)))


def looked_at(found: Mapping[str, tuple[Place, ...] | None]) -> Catalog:
    """The catalog, where what identifies of some sources is told; None: nobody has looked."""
    catalog = load()
    changed = {}
    for name, places in found.items():
        told = None if places is None else tuple(Identifier(where=one, what="it") for one in places)
        changed[name] = replace(catalog[name], identifying=told)
    return Catalog({**catalog, **changed}, catalog.subsets)


def texts(value: Any) -> Iterator[str]:
    """Every text within a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


def cells(path: Path) -> str:
    """Every text of a Parquet file, its metadata included."""
    table = pq.read_table(path)
    unique: set[str] = set()
    for column in table.columns:
        plain = not str(column.type).startswith(("list", "struct"))
        unique.update(texts((column.unique() if plain else column).to_pylist()))
    return "\n".join([*unique, str(table.schema.metadata)])


def everything(folder: Path) -> str:
    """Every byte and every cell below a folder."""
    parts = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        parts.append(path.relative_to(folder).as_posix())
        parts.append(path.read_bytes().decode("latin-1"))
        parts += [cells(path)] if path.suffix == ".parquet" else []
    return "\n".join(parts)


def test_no_byte_and_no_cell_of_the_repository_holds_the_number_of_a_patient(
    client: Client, small: Built, tmp_path: Path
) -> None:
    done = client.med_mat("push", small.out, "org/x", "--without-pixels")
    assert done.returncode == 0, done.stderr
    assert "PAT_" in everything(small.out / "data" / "pad_ufes_20"), "the build holds it"
    for name, content in client.hub.files("org/x").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert "PAT_" not in everything(tmp_path)
    commits = client.hub.repositories["org/x"].commits.values()
    sent = [*client.hub.objects.values(), *(file.content for files in commits for file in files.values())]
    assert not any(b"PAT_" in content for content in sent)
    client.med_mat("push", small.out, "org/x", "--without-pixels", "--names")
    (tmp_path / "named.parquet").write_bytes(client.hub.files("org/x")["files/pad_ufes_20.parquet"])
    assert "PAT_" in cells(tmp_path / "named.parquet"), "unless asked for"


def test_the_list_of_files_is_of_what_is_sent_and_holds_no_name(small: Built, nameless: Path) -> None:
    checked = sums.check(nameless)
    assert checked.ok, str(checked)
    listed, at_home = sums.read(nameless), sums.read(small.out)
    assert set(listed) == {path.relative_to(nameless).as_posix() for path in nameless.rglob("*") if path.is_file()} - {
        "SHA256SUMS"
    }
    assert not set(listed.values()) & set(at_home.values()), "not even the sha256 of a file with names"
    text = (nameless / "SHA256SUMS").read_text("utf-8")
    for source in SOURCES:
        files = read_index(small.out / "files" / f"{source}.parquet").files.to_pylist()
        stems = {PurePosixPath(one["path"]).stem for one in files if one["role"] in ("image", "mask")}
        assert stems
        assert not [stem for stem in stems if len(stem) > 4 and stem in text]


def test_no_name_of_any_source_goes(workshop: Workshop, tmp_path: Path) -> None:
    """Over all sources: neither the path nor the name of an image, of sources whose file names identify."""
    (tmp_path / "scratch").mkdir()
    folder = publish(workshop.out, tmp_path)
    manifest = json.loads((folder / "med_mat.json").read_text("utf-8"))
    ledger = json.loads((folder / "ledger.json").read_text("utf-8"))
    links = pq.read_table(folder / "duplicates.parquet").to_pylist()
    index = pq.read_table(folder / "index.parquet")
    hidden = {one.name: identifies(one) for one in load().values() if one.name in manifest["sources"]}
    assert manifest["without_names"] == {name: list(places) for name, places in hidden.items() if places}
    found = []
    for source, places in hidden.items():
        if "file names" not in places:
            continue
        paths = read_index(workshop.out / "files" / f"{source}.parquet").files
        images = [path for path, role in zip(paths["path"].to_pylist(), paths["role"].to_pylist(), strict=True)
                  if role in ("image", "mask")]  # fmt: skip
        own = index.filter(np.array([one == source for one in index["source"].to_pylist()]))
        published = "\n".join(
            [
                *texts(own.to_pylist()),
                *texts([link for link in links if source in (link["first_source"], link["second_source"])]),
                *(cells(path) for path in sorted((folder / "data" / source).rglob("*.parquet"))),
                cells(folder / "files" / f"{source}.parquet"),
                json.dumps(ledger["sources"][source]),
                (folder / "cards" / f"{source}.md").read_text("utf-8"),
                (folder / "LICENSES.md").read_text("utf-8"),
            ]
        )
        names = set(images) | {PurePosixPath(path).name for path in images}
        found += [(source, name) for name in sorted(names) if name in published]
    assert found == []


def test_nothing_of_a_patient_is_told_by_keys_that_can_be_tried(small: Built, nameless: Path) -> None:
    named = pq.read_table(small.out / "index.parquet", columns=["id", "key"])
    tried = {key(one) for one in named["id"].to_pylist()}
    assert not tried & set(pq.read_table(nameless / "index.parquet")["key"].to_pylist())


def test_raw_labels_go_as_far_as_the_card_lists_them(small: Built, nameless: Path) -> None:
    catalog = load()
    whole, bare = (
        pq.read_table(one / "index.parquet", columns=["source", "raw_label"]).to_pylist()
        for one in (small.out, nameless)
    )
    free = 0
    for said, told in zip(whole, bare, strict=True):
        rows = catalog[said["source"]].rows
        words = {raw for row in rows for raw in row.labels}
        words |= {f"{part}/{raw}" for row in rows for part in row.scales for raw in row.labels}
        listed = words.issuperset(said["raw_label"].split("|"))
        assert told["raw_label"] == (said["raw_label"] if listed else None)
        free += not listed
    assert free, "some say more than the card lists"


def test_only_what_identifies_is_left_out(small: Built, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    catalog = looked_at(
        {"pad_ufes_20": ("file names",), "shenzhen_cxr": ("raw labels",), "busi": (), "arthrosis": ("pixels",),
         "head_ct": ("tables",)}
    )  # fmt: skip
    folder = publish(small.out, tmp_path, catalog)
    rows = pq.read_table(folder / "index.parquet").to_pylist()
    whole = {one["id"]: one for one in pq.read_table(small.out / "index.parquet").to_pylist()}
    for one in rows:
        if one["source"] == "pad_ufes_20":
            assert one["path"] is None
            assert one["id"] not in whole
            assert one["raw_label"] is not None
        else:
            names = ("id", "image_id", "path", *(["raw_label"] if one["source"] != "shenzhen_cxr" else []))
            assert [one[name] for name in names] == [whole[one["id"]][name] for name in names]
    assert None in [one["raw_label"] for one in rows if one["source"] == "shenzhen_cxr"]
    manifest = json.loads((folder / "med_mat.json").read_text("utf-8"))
    assert manifest["without_names"] == {
        "pad_ufes_20": ["file names"], "head_ct": ["tables"], "shenzhen_cxr": ["raw labels"],
    }  # fmt: skip
    readme = (folder / "README.md").read_text("utf-8")
    assert "Without file names" in readme
    mat = med_mat.attach(folder, small.raw, tmp_path / "out", catalog=catalog)
    assert digests(tmp_path / "out" / "data") == digests(small.out / "data")
    assert len(mat) == len(rows)


def test_records_with_pixels_keep_their_names(small: Built, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    folder = publish(small.out, tmp_path, looked_at(dict.fromkeys(SOURCES)), pixels="all", without_pixels=["busi"])
    rows = pq.read_table(folder / "index.parquet", columns=["source", "path"]).to_pylist()
    assert {one["source"] for one in rows if one["path"] is None} == {"busi"}


def test_keys_questions_and_draws_are_the_same_without_names(small: Built, nameless: Path, tmp_path: Path) -> None:
    attached = med_mat.attach(nameless, small.raw, tmp_path / "out", catalog=looked_at(dict.fromkeys(SOURCES)))
    assert digests(tmp_path / "out" / "data") == digests(small.out / "data")
    assert attached.index["id"].equals(med_mat.open(small.out).index["id"]), "all names are back"
    every = np.arange(len(attached))
    asked = []
    for mat in (med_mat.open(small.out), med_mat.open(nameless), attached):
        made = make_split(mat)
        asked.append(
            (
                mat.tags.key.tolist(),
                [mat.questions(every, form, seed).to_pylist() for form in ("default", "paper") for seed in (0, 7)],
                (made.train_positions.tolist(), made.test_positions.tolist()),
            )
        )
    assert asked[0] == asked[1] == asked[2]


def make_split(mat: MedMAT) -> Any:
    return mat.split(train="source=busi & split=train", test="source=busi & split=test", validation=0.2)


@pytest.mark.parametrize("suffix", [".parquet", ".json"])
def test_a_saved_split_opens_with_names_and_without(small: Built, nameless: Path, tmp_path: Path, suffix: str) -> None:
    named, bare = med_mat.open(small.out), med_mat.open(nameless)
    for here, there in ((named, bare), (bare, named)):
        made = make_split(here)
        made.save(tmp_path / f"split{suffix}")
        back = there.load_split(tmp_path / f"split{suffix}")
        for part in ("train_positions", "validation_positions", "test_positions"):
            assert getattr(back, part).tolist() == getattr(made, part).tolist()


def test_a_list_of_ids_without_names_opens_where_the_names_are(small: Built, nameless: Path, tmp_path: Path) -> None:
    named, bare = med_mat.open(small.out), med_mat.open(nameless)
    made = make_split(bare)
    made.save(tmp_path / "split.csv")
    back = named.split(train=tmp_path / "split.csv", test=tmp_path / "split.csv")
    assert back.test_positions.tolist() == made.test_positions.tolist()
    make_split(named).save(tmp_path / "named.csv")
    with pytest.raises(SplitError, match=r"lies here without file names: attach .* save the split as \.parquet"):
        bare.split(train=tmp_path / "named.csv", test=tmp_path / "named.csv")


def test_links_and_audits_work_without_names(small: Built, nameless: Path) -> None:
    named, bare = (med_mat.open(one) for one in (small.out, nameless))
    one, other = (linked.read(mat.location) for mat in (named, bare))
    assert one.first.tolist() == other.first.tolist()
    assert one.second.tolist() == other.second.tolist()
    assert one.contested.tolist() == other.contested.tolist()
    assert make_split(bare).audit().to_json() is not None


def test_indexes_without_names_compare_by_content(small: Built, nameless: Path) -> None:
    named, bare = ({"busi": read_index(one / "files" / "busi.parquet")} for one in (small.out, nameless))
    assert all(one.ok for one in compare(named, bare))
    assert all(one.ok for one in compare(bare, bare))
    fewer = bare["busi"]._replace(files=bare["busi"].files.slice(1))
    assert not all(one.ok for one in compare(named, {"busi": fewer}))
    with pytest.raises(ReadError, match="published without file names"):
        validate(small.raw / "busi", bare["busi"])


def test_upstreams_entries_are_not_looked_for_without_names(nameless: Path, caplog: pytest.LogCaptureFixture) -> None:
    from med_mat.official.images import BuiltImages as Held

    with caplog.at_level(logging.WARNING):
        assert Held(med_mat.open(nameless)).paths(48) is None
    assert "holds busi without file names" in caplog.text


def test_another_file_of_the_same_size_is_found_by_its_content(
    small: Built, nameless: Path, tmp_path: Path, tamper: Callable[[Path], None]
) -> None:
    raw = Path(shutil.copytree(small.raw, tmp_path / "raw"))
    used = pq.read_table(small.out / "index.parquet", filters=[("source", "=", "pad_ufes_20")])["path"][0].as_py()
    path = next(iter(raw.rglob(f"**/{used}")))
    tamper(path)
    with pytest.raises(med_mat.errors.HubError, match=f"not published, such as .*{path.name}: found"):
        med_mat.attach(nameless, raw, tmp_path / "out", sources=["pad_ufes_20"])


@pytest.fixture
def tamper() -> Callable[[Path], None]:
    """Change the last byte of a file before the end of its pixels."""

    def change(path: Path) -> None:
        data = bytearray(path.read_bytes())
        place = data.rindex(b"IEND") - 9
        data[place] ^= 1
        path.write_bytes(bytes(data))

    return change
