"""Listings of repositories, as they are published and as they should not be."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from serving import Server

from med_mat.catalog import Download
from med_mat.download.http import Settings, get_json, open_session
from med_mat.download.routes import page
from med_mat.errors import DownloadError, MedMATError, MissingExtraError
from med_mat.hosts import clients
from med_mat.hosts.base import Remote
from med_mat.hosts.clients import GoogleDrive, HuggingFace, Kaggle, KaggleCompetition
from med_mat.hosts.listed import Figshare, GitHub, Https, Mendeley, Zenodo

QUICK = Settings(tries=2, pause=0.001, timeout=(5, 5))
MD5, SHA256 = "0" * 32, "a" * 64


def ask(server: Server, kind: Any, at: str, *files: str, **facts: Any) -> tuple[Remote, ...]:
    session = open_session()
    every = [Https(), *(one(f"{server.base}/{one.kind}") for one in (Zenodo, Figshare, Mendeley, GitHub))]
    host = {one.kind: one for one in every}[kind]
    return host.remotes(Download(kind, at, files, **facts), lambda url: get_json(url, session, QUICK))


def zenodo(server: Server, *names: str) -> None:
    files = [
        {"key": name, "size": 5, "checksum": f"md5:{MD5}", "links": {"self": f"{server.base}/z/{name}/content"}}
        for name in names
    ]
    server.json("/zenodo/records/1214456", {"files": files, "metadata": {"access_right": "open"}})


def test_zenodo(server: Server) -> None:
    zenodo(server, "A.zip", "B.zip", "C.zip")
    found = ask(server, "zenodo", "1214456", "B.zip", "a.zip", sha256={"A.zip": SHA256.upper()})
    assert [one.name for one in found] == ["B.zip", "A.zip"]
    assert found[0] == Remote(
        f"{server.base}/z/B.zip/content", "B.zip", 5, {"md5": MD5}, "https://zenodo.org/records/1214456"
    )
    assert found[1].digests == {"md5": MD5, "sha256": SHA256}
    assert len(ask(server, "zenodo", "10.5281/zenodo.1214456")) == 3


def test_zenodo_as_its_newer_api_answers(server: Server) -> None:
    entries = {"A.zip": {"key": "A.zip", "size": 7, "checksum": f"md5:{MD5}", "links": {"content": "http://x/y"}}}
    server.json("/zenodo/records/7", {"files": {"entries": entries}})
    assert ask(server, "zenodo", "7")[0].url == "http://x/y"


def test_zenodo_restricted(server: Server) -> None:
    server.json("/zenodo/records/5793241", {"metadata": {"access_right": "restricted"}})
    with pytest.raises(DownloadError, match=r"restricted\). Open https://zenodo.org/records/5793241"):
        ask(server, "zenodo", "5793241", "0.zip")


def test_another_file_than_the_card_says(server: Server) -> None:
    zenodo(server, *(f"{i}.zip" for i in range(12)))
    with pytest.raises(DownloadError, match=r"does not list X.zip. It lists 0.zip.* and 4 more"):
        ask(server, "zenodo", "1214456", "0.zip", "X.zip")


def test_figshare(server: Server) -> None:
    files = [
        {"name": f"{i}.png", "size": i, "download_url": f"{server.base}/f/{i}", "computed_md5": MD5} for i in range(150)
    ]
    files[3]["is_link_only"] = True
    files[4] |= {"computed_md5": "", "supplied_md5": "1" * 32}
    server.json("/figshare/articles/19688169/files?page=1&page_size=100", files[:100])
    server.json("/figshare/articles/19688169/files?page=2&page_size=100", files[100:])
    found = ask(server, "figshare", "10.6084/m9.figshare.19688169")
    assert len(found) == 149
    assert (found[0].name, found[0].digests, found[3].digests) == ("0.png", {"md5": MD5}, {"md5": "1" * 32})
    server.json("/figshare/articles/2070109/versions/2/files?page=1&page_size=100", files[:1])
    assert ask(server, "figshare", "10.6084/m9.figshare.2070109.v2", "0.png")[0].size == 0


def mendeley(server: Server, folders: list[Any]) -> None:
    content = {"download_url": f"{server.base}/m/A", "sha256_hash": SHA256, "size": 9}
    server.json(
        "/mendeley/datasets/jctsfj2sfn/files?folder_id=root&version=1",
        [{"filename": "A.zip", "size": 9, "content_details": content}],
    )
    server.json("/mendeley/datasets/jctsfj2sfn/folders/1", folders)


def test_mendeley(server: Server) -> None:
    mendeley(server, [])
    at = "10.17632/jctsfj2sfn.1"
    (found,) = ask(server, "mendeley", at)
    assert (found.name, found.size, found.digests) == ("A.zip", 9, {"sha256": SHA256})
    assert found.page == "https://data.mendeley.com/datasets/jctsfj2sfn/1"
    assert ask(server, "mendeley", at, "a.ZIP") == (found,)


def test_mendeley_with_folders_comes_as_one_zip(server: Server) -> None:
    mendeley(server, [{"id": "1", "name": "images"}])
    at = "10.17632/jctsfj2sfn.1"
    whole = f"{server.base}/mendeley/zip/jctsfj2sfn/download/1"
    for files in ((), ("jctsfj2sfn-1.zip",), ("in a folder.zip",)):
        assert [(one.url, one.name) for one in ask(server, "mendeley", at, *files)] == [(whole, "jctsfj2sfn-1.zip")]


def github(server: Server, *paths: str, truncated: bool = False) -> None:
    server.json("/github/repos/me/it/commits/HEAD", {"sha": "abcdef0123"})
    tree = [{"path": path, "type": "blob"} for path in paths]
    server.json("/github/repos/me/it/git/trees/abcdef0123?recursive=1", {"tree": tree, "truncated": truncated})
    asset = {"name": "data_1.0.zip", "size": 3, "digest": f"sha256:{SHA256}", "browser_download_url": "http://x/a"}
    old = {**asset, "browser_download_url": "http://x/old"}
    server.json("/github/repos/me/it/releases?per_page=100", [{"assets": [asset]}, {"assets": [old]}])


def test_github(server: Server) -> None:
    github(server, "labels.csv", "picture/a.rar", "Data", "Data/1.png")
    whole = (f"{server.base}/github/repos/me/it/zipball/abcdef0123", "it-abcdef0.zip", 1)
    for files in ((), ("labels.csv",), ("a.rar", "picture/a.rar"), ("Data",)):
        assert [(one.url, one.name, one.strip) for one in ask(server, "github", "me/it", *files)] == [whole]
    (asset,) = ask(server, "github", "https://github.com/me/it", "data_1.0.zip")
    assert (asset.url, asset.size, asset.digests) == ("http://x/a", 3, {"sha256": SHA256})
    assert [one.name for one in ask(server, "github", "me/it", "data_1.0.zip", "labels.csv")] == [
        "data_1.0.zip",
        "it-abcdef0.zip",
    ]
    with pytest.raises(DownloadError, match=r"Neither the files nor the releases .*me/it hold no.zip"):
        ask(server, "github", "me/it", "no.zip")


def test_https(server: Server) -> None:
    (one,) = ask(server, "https", "https://x.org/a/Data%20Set.zip?dl=1")
    assert one.name == "Data Set.zip"
    (one,) = ask(server, "https", "https://x.org/download?id=3", "A.zip", sha256={"A.zip": SHA256})
    assert (one.name, one.digests) == ("A.zip", {"sha256": SHA256})
    found = ask(server, "https", "https://x.org/2016/", "A b.zip", "B.csv")
    assert [one.url for one in found] == ["https://x.org/2016/A%20b.zip", "https://x.org/2016/B.csv"]


ODD: list[Any] = [None, 7, "text", [], {}, [None], [[]], [{}], {"files": 7}, {"files": [7, None]}, {"entries": []}]
ODD += [{"files": [{"key": 7}]}, [{"name": 1}], {"sha": 1}, {"files": [{"key": "a", "links": 3, "size": "big"}]}]


@pytest.mark.parametrize("answer", ODD, ids=repr)
@pytest.mark.parametrize("kind", ["zenodo", "figshare", "mendeley", "github"])
def test_answers_of_another_kind(server: Server, answer: Any, kind: str) -> None:
    for path in (
        "/zenodo/records/5",
        "/figshare/articles/5/files?page=1&page_size=100",
        "/mendeley/datasets/5/files?folder_id=root&version=1",
        "/mendeley/datasets/5/folders/1",
        "/github/repos/5/commits/HEAD",
    ):
        server.json(path, answer)
    with suppress(MedMATError):
        found = ask(server, kind, "5")
        assert all(isinstance(one.url, str) and one.name for one in found)


@pytest.mark.parametrize("kind", ["zenodo", "figshare", "mendeley", "github"])
def test_nothing_of_that_number(server: Server, kind: str) -> None:
    with pytest.raises(DownloadError, match=r"is not there \(404\)"):
        ask(server, kind, "99")


def client(folder: Path, text: str) -> tuple[str, ...]:
    """The Kaggle client, played by a script; its command."""
    script = folder / "kaggle.py"
    script.write_text(f"import sys\nfrom pathlib import Path\narguments = sys.argv[1:]\n{text}")
    return sys.executable, str(script)


def test_kaggle(tmp_path: Path) -> None:
    command = client(tmp_path, "Path(arguments[4], 'archive.zip').write_text(' '.join(arguments))")
    (tmp_path / "to").mkdir()
    Kaggle(command).fetch(Download("kaggle", "me/it"), tmp_path / "to", progress=False)
    assert (tmp_path / "to/archive.zip").read_text() == f"datasets download me/it -p {tmp_path / 'to'} -q"
    KaggleCompetition(command).fetch(Download("kaggle-competition", "it"), tmp_path / "to", progress=False)
    assert (tmp_path / "to/archive.zip").read_text().startswith("competitions download it -p ")


@pytest.mark.parametrize(
    ("kind", "said", "advice"),
    [
        ("kaggle", "Authentication required to call the Kaggle API.", "KAGGLE_API_TOKEN"),
        ("kaggle", "", "KAGGLE_API_TOKEN"),
        ("kaggle", "404 Client Error: Not Found for url", "https://www.kaggle.com/datasets/it"),
        ("kaggle-competition", "403 Client Error: Forbidden", "https://www.kaggle.com/competitions/it/rules"),
    ],
)
def test_kaggle_refuses(tmp_path: Path, kind: Any, said: str, advice: str) -> None:
    host = {"kaggle": Kaggle, "kaggle-competition": KaggleCompetition}[kind](
        client(tmp_path, f"sys.exit({said!r} or 1)")
    )
    with pytest.raises(DownloadError) as caught:
        host.fetch(Download(kind, "it"), tmp_path, progress=False)
    assert advice in str(caught.value)
    assert said[:20] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", [Kaggle(), GoogleDrive()])
def test_a_client_that_is_not_installed(tmp_path: Path, host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'med-mat\[download\]'"):
        host.fetch(Download(host.kind, "it"), tmp_path, progress=False)


def test_google_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    calls: list[dict[str, Any]] = []
    monkeypatch.setitem(sys.modules, "gdown", SimpleNamespace(download=lambda **how: calls.append(how)))
    with pytest.raises(DownloadError, match=r"https://drive.google.com/file/d/1reH/view"):
        GoogleDrive().fetch(Download("google-drive", "1reH"), tmp_path, progress=False)
    assert calls == [{"id": "1reH", "output": f"{tmp_path}/", "quiet": True, "resume": True}]


def test_hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[Any] = []

    def snapshot(repo: str, **how: Any) -> None:
        asked.append((repo, how))
        (how["local_dir"] / ".cache").mkdir()
        if repo == "no/such":
            raise RuntimeError("404 Client Error.\n\nRepository Not Found")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    for name in "ab":
        (tmp_path / name).mkdir()
    HuggingFace("http://x").fetch(Download("huggingface", "me/it", ("A.rar",)), tmp_path / "a", progress=False)
    assert asked[0][1] | {"local_dir": 0} == {
        "repo_type": "dataset",
        "local_dir": 0,
        "allow_patterns": ["A.rar"],
        "endpoint": "http://x",
    }
    assert list((tmp_path / "a").iterdir()) == []
    with pytest.raises(DownloadError, match=r"404 Client Error\)\. Open https://huggingface.co/datasets/no/such"):
        HuggingFace().fetch(Download("huggingface", "no/such"), tmp_path / "b", progress=False)


def test_pages() -> None:
    assert page(Download("physionet", "vindr-mammo/1.0.0")) == "https://physionet.org/content/vindr-mammo/1.0.0/"
    assert page(Download("figshare", "10.6084/m9.figshare.7")) == "https://doi.org/10.6084/m9.figshare.7"
    assert page(Download("page", "https://x.org/")) == "https://x.org/"
