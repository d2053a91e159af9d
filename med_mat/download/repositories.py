"""What repositories hold: their listings over public JSON APIs, and the clients of those that want one.

Listings are read defensively: what is missing or of another kind than expected is no reason for a traceback.
"""

from __future__ import annotations

import importlib.util
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from med_mat.catalog import Download
from med_mat.download.fetch import Remote, Settings, get_json, missing
from med_mat.errors import DownloadError

if TYPE_CHECKING:
    import requests

#: How to let the Kaggle client in.
KAGGLE_TOKEN = (
    "sign in at https://www.kaggle.com, make a token at https://www.kaggle.com/settings/api, and put it into the file "
    "~/.kaggle/access_token or the variable KAGGLE_API_TOKEN (or run 'kaggle auth login')"
)
_PAGES = 1000  # of a listing, at most


@dataclass(frozen=True, slots=True)
class Bases:
    """Where the APIs are. Tests put a local server here."""

    zenodo: str = "https://zenodo.org/api"
    figshare: str = "https://api.figshare.com/v2"
    mendeley: str = "https://data.mendeley.com/public-api"
    github: str = "https://api.github.com"
    huggingface: str | None = None  # None: as huggingface_hub is set up
    kaggle: tuple[str, ...] | None = None  # the command of its client; None: the installed one


def page(download: Download) -> str:
    """The page on which a person finds it."""
    at = download.at
    if "://" in at:
        return at
    identifier, version = _identifier(at)
    pages = {
        "kaggle": f"https://www.kaggle.com/datasets/{at}",
        "kaggle-competition": f"https://www.kaggle.com/competitions/{at}/data",
        "zenodo": f"https://zenodo.org/records/{identifier}",
        "figshare": f"https://doi.org/{at}"
        if at.startswith("10.")
        else f"https://figshare.com/articles/dataset/_/{at}",
        "mendeley": f"https://data.mendeley.com/datasets/{identifier}" + (f"/{version}" if version else ""),
        "huggingface": f"https://huggingface.co/datasets/{at}",
        "github": f"https://github.com/{at}",
        "google-drive": f"https://drive.google.com/file/d/{at}/view",
        "physionet": f"https://physionet.org/content/{at}/",
    }
    return pages.get(download.kind, at)


def listing(download: Download, session: requests.Session, bases: Bases, settings: Settings) -> tuple[Remote, ...]:
    """The files to fetch over HTTP: those that the card names, or all where it names none.

    Raises:
        DownloadError: the repository does not answer as expected, or does not hold what the card names.
    """
    found = _LISTINGS[download.kind](download, lambda url: get_json(url, session, settings), bases)
    where = page(download)
    return tuple(
        replace(one, page=where, digests={**one.digests, **_lowered(_sha256(download, one.name))}) for one in found
    )


def _sha256(download: Download, name: str) -> dict[str, str]:
    known = (download.sha256 or {}).get(name)
    return {"sha256": known} if known else {}


def _lowered(known: Mapping[str, str]) -> dict[str, str]:
    return {kind: digest.lower() for kind, digest in known.items()}


_Ask = Callable[[str], Any]


def _https(download: Download, ask: _Ask, bases: Bases) -> list[Remote]:
    """A file by its address, or several of one folder."""
    if download.at.endswith("/"):
        return [Remote(download.at + quote(name), name) for name in download.files]
    path = unquote(urlsplit(download.at).path).rstrip("/")
    name = download.files[0] if len(download.files) == 1 else posixpath.basename(path)
    return [Remote(download.at, name or "download")]


def _zenodo(download: Download, ask: _Ask, bases: Bases) -> list[Remote]:
    record, _ = _identifier(download.at)
    answer = _mapping(ask(f"{bases.zenodo}/records/{record}"))
    found = []
    for entry in _entries(answer.get("files")):
        name = _text(entry, "key", "filename")
        if not name:
            continue
        links = _mapping(entry.get("links"))
        url = _text(links, "self", "content", "download")
        url = url or f"{bases.zenodo}/records/{record}/files/{quote(name)}/content"
        found.append(Remote(url, name, _number(entry, "size", "filesize"), _digests(entry.get("checksum"))))
    if not found:
        rights = _text(_mapping(answer.get("metadata")), "access_right") or _text(
            _mapping(answer.get("access")), "files"
        )
        raise DownloadError(
            f"Zenodo shows no files of the record {record}"
            + (f" (access: {rights})" if rights else "")
            + f". Open {page(download)}, and ask for access there if it is offered."
        )
    return _chosen(download, found)


def _figshare(download: Download, ask: _Ask, bases: Bases) -> list[Remote]:
    article, version = _identifier(download.at)
    url = f"{bases.figshare}/articles/{article}" + (f"/versions/{version}" if version else "") + "/files"
    found: list[Remote] = []
    for number in range(1, _PAGES):
        entries = list(_entries(ask(f"{url}?page={number}&page_size=100")))
        before = len(found)
        for entry in entries:
            name, link = _text(entry, "name"), _text(entry, "download_url")
            if name and link and not entry.get("is_link_only"):
                md5 = _text(entry, "computed_md5", "supplied_md5")
                found.append(Remote(link, name, _number(entry, "size"), _digests(f"md5:{md5}")))
        if len(entries) < 100 or len(found) == before:
            break
    return _chosen(download, found)


def _mendeley(download: Download, ask: _Ask, bases: Bases) -> list[Remote]:
    data_set, version = _identifier(download.at)
    version = version or "1"
    whole = Remote(f"{bases.mendeley}/zip/{data_set}/download/{version}", f"{data_set}-{version}.zip")
    if whole.name in download.files:
        return [whole]
    found = []
    for entry in _entries(ask(f"{bases.mendeley}/datasets/{data_set}/files?folder_id=root&version={version}")):
        name, content = _text(entry, "filename", "name"), _mapping(entry.get("content_details"))
        link = _text(content, "download_url") or _text(entry, "download_url")
        if name and link:
            size = _number(entry, "size") or _number(content, "size")
            found.append(Remote(link, name, size, _digests(f"sha256:{_text(content, 'sha256_hash')}")))
    names = {one.name.lower() for one in found}
    if download.files and not all(name.lower() in names for name in download.files):
        return [whole]  # they lie in folders, which the listing of the root does not show
    if not download.files and list(_entries(ask(f"{bases.mendeley}/datasets/{data_set}/folders/{version}"))):
        return [whole]
    return _chosen(download, found)


def _github(download: Download, ask: _Ask, bases: Bases) -> list[Remote]:
    """Files of a release where the card names such; else the whole repository as it is now."""
    repository = download.at.removeprefix("https://github.com/").strip("/")
    api = f"{bases.github}/repos/{repository}"
    commit = _text(_mapping(ask(f"{api}/commits/HEAD")), "sha")
    if not commit:
        raise DownloadError(f"GitHub names no commit of {repository}. Open {page(download)}.")
    archive = Remote(f"{api}/zipball/{commit}", f"{repository.rpartition('/')[2]}-{commit[:7]}.zip", strip=1)
    if not download.files:
        return [archive]
    tree = _mapping(ask(f"{api}/git/trees/{commit}?recursive=1"))
    paths = [path for path in (_text(entry, "path") for entry in _entries(tree.get("tree"))) if path]
    held = {*paths, *(posixpath.basename(path) for path in paths)}
    lacking = [name for name in download.files if name not in held]
    if not lacking or tree.get("truncated"):
        return [archive]
    assets = [
        Remote(link, name, _number(asset, "size"), _digests(asset.get("digest")))
        for release in _entries(ask(f"{api}/releases?per_page=100"))
        for asset in _entries(release.get("assets"))
        if (name := _text(asset, "name")) and (link := _text(asset, "browser_download_url"))
    ]
    named = {asset.name: asset for asset in reversed(assets)}  # of the newest release
    if all(name in named for name in lacking):
        chosen = [named[name] for name in lacking]
        return chosen if len(lacking) == len(download.files) else [*chosen, archive]
    raise DownloadError(
        f"Neither the files nor the releases of {page(download)} hold {', '.join(lacking)}: its README may say where "
        "they are. Download them by hand."
    )


_LISTINGS: Mapping[str, Callable[[Download, _Ask, Bases], list[Remote]]] = {
    "https": _https,
    "zenodo": _zenodo,
    "figshare": _figshare,
    "mendeley": _mendeley,
    "github": _github,
}
#: Kinds that come over HTTP, by :func:`listing`.
LISTED = frozenset(_LISTINGS)


# ---- clients


def with_client(download: Download, folder: Path, bases: Bases, settings: Settings) -> None:
    """Fetch by the repository's own client, which resumes by itself, into a folder.

    Raises:
        DownloadError: the client refuses; the message says what it needs.
        MissingExtraError: the client is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if download.kind == "huggingface":
        _huggingface(download, folder, bases)
    elif download.kind == "google-drive":
        _google_drive(download, folder, settings)
    else:
        _kaggle(download, folder, bases, settings)


def _kaggle(download: Download, folder: Path, bases: Bases, settings: Settings) -> None:
    command = bases.kaggle
    if command is None:
        if importlib.util.find_spec("kaggle") is None:
            raise missing("kaggle")
        command = (sys.executable, "-m", "kaggle.cli")
    what = "competitions" if download.kind == "kaggle-competition" else "datasets"
    quiet = () if settings.progress else ("-q",)
    try:
        done = subprocess.run(
            [*command, what, "download", download.at, "-p", str(folder), *quiet],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if settings.progress else subprocess.PIPE,  # its progress bar
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise DownloadError(f"The Kaggle client cannot be run ({command[0]}: {error.strerror}).") from error
    if done.returncode == 0:
        return
    said = f"{done.stdout or ''}\n{done.stderr or ''}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if "uthenticat" in said or "401" in said or not lines:
        hint = f"To let it in, {KAGGLE_TOKEN}."
    elif what == "competitions" and "403" in said:
        hint = f"Accept the rules first: https://www.kaggle.com/competitions/{download.at}/rules."
    else:
        hint = f"Open {page(download)}; if it wants a token, {KAGGLE_TOKEN}."
    reason = next((line for line in reversed(lines) if "rror" in line or "403" in line or "404" in line), "")
    reason = reason or (lines[0] if lines else "")
    raise DownloadError(
        f"The Kaggle client did not fetch {download.at}{f' ({reason.rstrip(chr(46))})' if reason else ''}. {hint}"
    )


def _google_drive(download: Download, folder: Path, settings: Settings) -> None:
    try:
        import gdown
    except ImportError as error:
        raise missing("gdown") from error
    name = download.files[0] if len(download.files) == 1 else None
    output = str(folder / name) if name else f"{folder}/"
    try:
        done = gdown.download(id=download.at, output=output, quiet=not settings.progress, resume=True)
    except Exception as error:  # gdown lets through whatever requests and the system raise
        raise _client_failed("Google Drive", download, error) from error
    if done is None:  # older releases
        raise _client_failed("Google Drive", download, None)


def _huggingface(download: Download, folder: Path, bases: Bases) -> None:
    import huggingface_hub

    try:
        huggingface_hub.snapshot_download(
            download.at,
            repo_type="dataset",
            local_dir=folder,
            allow_patterns=list(download.files) or None,
            endpoint=bases.huggingface,
        )
    except Exception as error:  # its own errors, those of its HTTP client, those of the system
        raise _client_failed("Hugging Face", download, error) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def _client_failed(who: str, download: Download, error: Exception | None) -> DownloadError:
    lines = str(error or "").split("\n")
    reason = f" ({type(error).__name__}: {' '.join(lines[0].split()).rstrip('.:')})" if error is not None else ""
    return DownloadError(
        f"{who} did not hand out {download.at}{reason}. Open {page(download)}: it may be gone, gated, or asked for too "
        "often today."
    )


# ---- reading answers


def _identifier(at: str) -> tuple[str, str]:
    """The identifier inside a DOI, an address or itself, and the version, where one is named."""
    plain = at.rstrip("/")
    match = re.search(r"(?:figshare|zenodo|17632/|datasets/|records?/|articles/)[./]?(\w+)(?:[./]v?(\d+))?$", plain)
    if match is None:
        match = re.fullmatch(r"(\w+)(?:\.v?(\d+))?", plain)
    return (match[1], match[2] or "") if match else (plain, "")


def _chosen(download: Download, found: Sequence[Remote]) -> list[Remote]:
    """Those that the card names, or all."""
    if not found:
        raise DownloadError(f"{page(download)} lists no files that can be fetched. Open it in a browser.")
    if not download.files:
        return list(found)
    named = {one.name.lower(): one for one in reversed(found)}
    lacking = [name for name in download.files if name.lower() not in named]
    if lacking:
        there = ", ".join(one.name for one in found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
        raise DownloadError(
            f"{page(download)} does not list {', '.join(lacking)}. It lists {there}: look there which is meant, and "
            "download it by hand."
        )
    return [named[name.lower()] for name in download.files]


def _entries(answer: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list, also of one that lies under a usual key."""
    if isinstance(answer, dict):
        answer = next((answer[key] for key in ("entries", "files", "results", "data") if key in answer), [])
        if isinstance(answer, dict):
            answer = list(answer.values())
    for entry in answer if isinstance(answer, list) else ():
        if isinstance(entry, dict):
            yield entry


def _mapping(answer: Any) -> Mapping[str, Any]:
    return answer if isinstance(answer, dict) else {}


def _text(entry: Mapping[str, Any], *keys: str) -> str:
    return next((entry[key] for key in keys if isinstance(entry.get(key), str) and entry[key]), "")


def _number(entry: Mapping[str, Any], *keys: str) -> int | None:
    return next((entry[key] for key in keys if type(entry.get(key)) is int and entry[key] >= 0), None)


def _digests(text: Any) -> dict[str, str]:
    """``md5:…`` or ``sha256:…`` as a mapping; empty where it is neither."""
    match = re.fullmatch(r"(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})", text.lower()) if isinstance(text, str) else None
    if match is None:
        return {}
    kind, _, digest = match[1].partition(":")
    return {kind: digest}
