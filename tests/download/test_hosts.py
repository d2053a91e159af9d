"""The registry of hosts: what every one tells of itself, and one that another package adds."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from serving import Server, zipped

from med_mat import catalog, hosts, plugins
from med_mat.catalog import Download, Layout, read_card
from med_mat.download import download, plan
from med_mat.download.http import Settings
from med_mat.errors import CardError
from med_mat.hosts.base import ClientHost, ListedHost, ManualHost

Install = Callable[..., None]
OURS = tuple(hosts.hosts())
CARD = (Path(__file__).parents[1] / "plugin" / "toy_sources" / "toy_wrist.md").read_text("utf-8")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs entry points for the time of a test."""

    def entry_points(*found: EntryPoint) -> None:
        monkeypatch.setattr(plugins.metadata, "entry_points", lambda group: found if group == hosts.PLUGINS else ())
        hosts.hosts.cache_clear()

    yield entry_points
    monkeypatch.undo()
    hosts.hosts.cache_clear()


@pytest.mark.parametrize("kind", OURS)
def test_every_host_tells_what_a_plan_needs(kind: str, tmp_path: Path) -> None:
    host = hosts.hosts()[kind]
    assert host.kind == kind
    assert isinstance(host, ListedHost | ClientHost | ManualHost)
    assert host.verified.startswith("by ")
    assert host.page("https://x.org/7") == "https://x.org/7"
    assert isinstance(host.page("owner/name"), str)
    steps = host.steps("owner/name", "open", tmp_path, ("a.zip",))
    assert all(step.endswith((".", "/")) for step in steps)
    assert str(tmp_path) in steps[-1]
    for access in ("open", "account", "competition", "request", "credentialed"):
        assert 0 <= host.effort(Download(kind, "owner/name"), access) <= 5
    assert all(name.endswith(".zip") for name in host.archives("owner/name"))


def test_a_card_names_a_kind_that_there_is() -> None:
    with pytest.raises(CardError, match=r"download\[0\]\.kind: 'zenodoo' is not one of kaggle.* Did you mean 'zenodo'"):
        read_card("toy_wrist", CARD.replace("kind: https", "kind: zenodoo"))
    assert {way.kind for source in catalog.load().values() for way in source.downloads} <= set(OURS)


HOST = """
    from dataclasses import dataclass
    from med_mat.hosts.base import ListedHost, Remote, entries, text

    @dataclass(frozen=True)
    class Dataverse(ListedHost):
        kind = "dataverse"
        verified = "by the md5 that the API gives for each file"
        api: str = "BASE"

        def page_of(self, at):
            return f"https://dataverse.example/{at}"

        def listing(self, entry, ask):
            found = entries(ask(f"{self.api}/{entry.at}"))
            return [Remote(f"{self.api}/files/{text(one, 'name')}", text(one, "name")) for one in found]
"""


def test_a_host_is_one_class_of_another_package(
    server: Server, tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.json("/7", {"files": [{"name": "toy.zip"}]})
    server.file("/files/toy.zip", zipped({"images/1.png": b"x"}))
    (tmp_path / "more_hosts.py").write_text(textwrap.dedent(HOST).replace("BASE", server.base))
    monkeypatch.syspath_prepend(str(tmp_path))
    install(EntryPoint("dataverse", "more_hosts:Dataverse", hosts.PLUGINS))
    assert hosts.kinds() == (*OURS, "dataverse")
    card = CARD.replace("kind: https", "kind: dataverse").replace("https://example.org/toy-wrist.zip", "7")
    source = read_card("toy_wrist", card.replace("files: [toy-wrist.zip]", "files: []"))
    source = replace(source, layouts=(Layout("published", ("images/*.png",)),))
    ways = plan(source, tmp_path / "raw")
    assert str(ways.routes[0]) == "route 1: dataverse https://dataverse.example/7"
    assert ways.routes[0].verified == "by the md5 that the API gives for each file"
    download(ways, ways.choose(), settings=Settings(tries=1))
    assert (tmp_path / "raw" / "toy_wrist" / "images" / "1.png").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no_such_module:X", "cannot be used: ModuleNotFoundError"),
        ("pathlib:Path", "It makes a PosixPath, where a med_mat.hosts.Host is expected"),
        ("med_mat.hosts.listed:Zenodo", "There is already a host of the kind 'zenodo'"),
        ("med_mat.hosts.base:ListedHost", "cannot be used: TypeError"),
    ],
)
def test_a_host_that_is_not_in_order_is_left_out(
    install: Install, caplog: pytest.LogCaptureFixture, value: str, why: str
) -> None:
    install(EntryPoint("bad", value, hosts.PLUGINS))
    assert hosts.kinds() == OURS
    assert why in caplog.text
