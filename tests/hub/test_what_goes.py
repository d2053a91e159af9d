"""What a push sends of each source, as terms and user say; and what it says before it does."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hub_client import Built, Client, settled

from med_mat.catalog import Catalog, load
from med_mat.errors import HubError
from med_mat.hub.publication import Publication, choose
from med_mat.hub.upload import push

ALLOW = ("--allow", "busi", "--allow", "kvasir_seg")


def chosen(built: Built, catalog: Catalog | None = None, **options: Any) -> Publication:
    manifest = json.loads((built.out / "med_mat.json").read_text("utf-8"))
    return choose(built.out, manifest, catalog or settled(), **options)


def goes(publication: Publication) -> dict[str, str]:
    return {one.source.name: one.goes for one in publication.decisions}


def with_terms(**terms: tuple[bool | None, bool | None]) -> Catalog:
    """The catalog, with other answers for images and labels of some sources."""
    catalog = load()
    changed = {
        name: replace(catalog[name], redistributable=images, labels_redistributable=labels)
        for name, (images, labels) in terms.items()
    }
    return Catalog({**catalog, **changed}, catalog.subsets)


def data_sources(files: Any) -> set[str]:
    return {name.split("/")[1] for name in files if name.startswith("data/")}


def test_allowed_takes_of_each_source_what_may_go(built: Built) -> None:
    catalog = with_terms(acrima=(True, True), busi=(False, True), aptos_2019=(True, False), kvasir_seg=(None, True))
    assert goes(chosen(built, catalog, pixels="allowed")) == {
        "acrima": "with pixels",
        "busi": "without pixels",
        "aptos_2019": "left out",
        "kvasir_seg": "without pixels",
    }
    assert goes(chosen(built, catalog, pixels="allowed", allow=["aptos_2019", "busi", "kvasir_seg"])) == {
        "acrima": "with pixels",
        "busi": "without pixels",
        "aptos_2019": "left out",
        "kvasir_seg": "with pixels",
    }


def test_none_takes_records_of_every_source_or_refuses(built: Built) -> None:
    catalog = with_terms(acrima=(True, True), busi=(False, True), aptos_2019=(None, True), kvasir_seg=(False, True))
    assert set(goes(chosen(built, catalog, pixels="none")).values()) == {"without pixels"}
    catalog = with_terms(busi=(True, False), aptos_2019=(None, True), kvasir_seg=(False, None))
    with pytest.raises(
        HubError, match=r"The terms of busi forbid to redistribute labels.* labels of kvasir_seg may .* not known"
    ):
        chosen(built, catalog, pixels="none")
    with pytest.raises(HubError, match="The terms of busi forbid to redistribute labels"):
        chosen(built, catalog, pixels="none", allow=["busi", "kvasir_seg"])
    found = goes(chosen(built, catalog, pixels="none", allow=["kvasir_seg"], leave_out=["busi"]))
    assert found["kvasir_seg"] == "without pixels"
    assert found["busi"] == "left out"


def test_allowed_refuses_only_where_nothing_is_left(built: Built) -> None:
    catalog = with_terms(acrima=(None, None), busi=(False, False))
    with pytest.raises(HubError, match=r"No source of .* is left to push\. acrima: whether labels .* busi: its terms"):
        chosen(built, catalog, pixels="allowed", only=["acrima", "busi"])


def test_labels_that_terms_forbid_to_pass_on_never_go() -> None:
    """Whatever is wanted, and whatever the user says may go."""
    closed = [one.name for one in load().values() if one.labels_redistributable is False]
    assert {"vindr_mammo", "vindr_spinexr", "vindr_pcxr"} <= set(closed)
    assert {one.name for one in load().values() if one.access in ("credentialed", "request")} <= set(closed)
    manifest = {"sources": {name: {"records": 1, "synthetic": False} for name in ["acrima", *closed]}}
    found = choose(Path("x"), manifest, load(), pixels="allowed", allow=closed)
    assert [one.name for one in found.sources] == ["acrima"]
    for name in closed:
        ways: list[dict[str, Any]] = [{"pixels": "none"}, {"pixels": "all"}, {"without_pixels": [name]}]
        for given in ways:
            with pytest.raises(HubError, match=f"terms of {name} forbid to redistribute labels"):
                choose(Path("x"), manifest, load(), only=["acrima", name], allow=[name], **given)


@pytest.mark.parametrize("given", [True, False, "busi"])
def test_without_pixels_is_names_of_sources(built: Built, given: Any) -> None:
    with pytest.raises(HubError, match=r'collection of names of sources.* pixels="none"'):
        push(built.out, "org/x", without_pixels=given)


def test_pixels_is_one_of_three_words(built: Built) -> None:
    wrong: Any = "nune"
    with pytest.raises(HubError, match=r"one of allowed, none, all, not 'nune'\. Did you mean 'none'"):
        push(built.out, "org/x", pixels=wrong)


def test_the_demonstration_may_be_pushed_whole(client: Client, drawn: Built) -> None:
    done = client.med_mat("push", drawn.out, "org/demo")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all("with pixels" in line and "synthetic" in line for line in lines[1:5])
    files = client.hub.files("org/demo")
    assert data_sources(files) == {"acrima", "busi", "aptos_2019", "kvasir_seg"}
    assert all(files[name] == (drawn.out / name).read_bytes() for name in files if name.startswith("data/"))


def test_a_dry_run_prints_the_table_and_the_sums_alone(client: Client, built: Built) -> None:
    done = client.med_mat("push", built.out, "org/x", "--pixels", "allowed", "--allow", "busi", "--dry-run")
    assert done.returncode == 0, done.stderr
    head, *lines, sums = done.stdout.splitlines()
    assert head.split() == ["source", "goes", "records", "MB", "license", "images", "labels", "why"]
    told = {line.split()[0]: line for line in lines}
    assert {name: "with pixels" in line for name, line in told.items()} == {
        "acrima": True, "busi": True, "aptos_2019": False, "kvasir_seg": False,
    }  # fmt: skip
    assert "allowed by you" in told["busi"]
    assert "forbid to redistribute labels" in told["aptos_2019"]
    assert "not known" in told["kvasir_seg"]
    assert sums.startswith("2 sources: ")
    assert not client.hub.repositories


def test_the_table_comes_before_anything_is_sent(client: Client, built: Built) -> None:
    code = """
import sys
from med_mat.hub.upload import push
push(sys.argv[1], "org/x", pixels="allowed", show=lambda text: sys.exit(text.splitlines()[0][:6]))
"""
    done = client.python(code, built.out)
    assert done.stderr.strip() == "source"
    assert {one.method for one in client.hub.log} <= {"GET", "HEAD"}


@pytest.fixture
def full(client: Client, built: Built) -> Client:
    """A repository that holds three sources with pixels."""
    assert client.med_mat("push", built.out, "org/x", "--except", "aptos_2019", *ALLOW).returncode == 0
    return client


def test_what_a_repository_holds_and_may_not_is_told_with_the_way_to_be_rid_of_it(full: Client, built: Built) -> None:
    repository = full.hub.repositories["org/x"]
    before = repository.branches["main"][-1]
    told = full.med_mat("push", built.out, "org/x", "--pixels", "allowed", "--dry-run")
    assert "org/x holds records of busi, kvasir_seg, which this push does not publish" in told.stdout
    assert repository.branches["main"][-1] == before
    done = full.med_mat("push", built.out, "org/x", "--pixels", "allowed")
    assert done.returncode == 0, done.stderr
    assert "earlier commits still hold them" in done.stdout
    assert "HfApi().super_squash_history('org/x', repo_type='dataset')" in done.stdout
    assert data_sources(repository.head()) == {"acrima"}
    assert data_sources(repository.commits[before]) == {"acrima", "busi", "kvasir_seg"}, "as it says"
    again = full.med_mat("push", built.out, "org/x", "--pixels", "allowed")
    assert "super_squash_history" not in again.stdout, "the newest state holds them no more"


def test_pixels_and_names_that_go_are_told(full: Client, built: Built) -> None:
    bare = ("push", built.out, "org/x", "--pixels", "none", "--except", "aptos_2019", *ALLOW)
    done = full.med_mat(*bare)
    assert done.returncode == 0, done.stderr
    assert (
        "org/x holds images of acrima, busi, kvasir_seg and file names of acrima, busi, kvasir_seg, which"
        in done.stdout
    )
    assert "super_squash" not in full.med_mat(*bare).stdout
    named = full.med_mat(*bare, "--names")
    assert named.returncode == 0
    assert "super_squash" not in named.stdout
    assert "org/x holds file names of acrima, busi, kvasir_seg, which" in full.med_mat(*bare).stdout


def test_a_branch_that_is_made_begins_as_the_main_one_is(full: Client, built: Built) -> None:
    done = full.med_mat("push", built.out, "org/x", "--pixels", "allowed", "--revision", "try/1")
    assert done.returncode == 0, done.stderr
    assert "super_squash_history('org/x', branch='try/1', repo_type='dataset')" in done.stdout
    assert data_sources(full.hub.repositories["org/x"].head("try/1")) == {"acrima"}


def test_a_manifest_that_somebody_else_wrote_hides_nothing(full: Client, built: Built) -> None:
    from hub_server import File

    repository = full.hub.repositories["org/x"]
    for text in (b"{", b"[]", b'{"without_pixels": [], "without_names": 3}'):
        repository.commit("main", {**repository.head(), "med_mat.json": File(text, lfs=False)})
        told = full.med_mat("push", built.out, "org/x", "--pixels", "none", "--only", "acrima", "--dry-run")
        assert told.returncode == 0, told.stderr
        assert "records of busi, kvasir_seg and images of acrima and file names of acrima" in told.stdout


def test_the_call_that_squashes_is_one_of_the_hubs_client() -> None:
    from huggingface_hub import HfApi

    inspect.signature(HfApi.super_squash_history).bind(HfApi, "org/x", branch="main", repo_type="dataset")
