"""Hosts whose files are listed by a public JSON API, or known by their addresses."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from med_mat.errors import DownloadError
from med_mat.hosts.base import (
    Ask,
    Entry,
    ListedHost,
    Remote,
    chosen,
    digests,
    entries,
    identifier,
    mapping,
    number,
    text,
)

_PAGES = 1000  # of a listing, at most


@dataclass(frozen=True, slots=True)
class Https(ListedHost):
    """A file by its address, or several of one folder."""

    kind = "https"
    verified = "by nothing but https and the size"

    def page_of(self, at: str) -> str:
        """The address itself."""
        return at

    def listing(self, entry: Entry, ask: Ask) -> list[Remote]:
        """Nothing is asked."""
        if entry.at.endswith("/"):
            return [Remote(entry.at + quote(name), name) for name in entry.files]
        path = unquote(urlsplit(entry.at).path).rstrip("/")
        name = entry.files[0] if len(entry.files) == 1 else posixpath.basename(path)
        return [Remote(entry.at, name or "download")]


@dataclass(frozen=True, slots=True)
class Zenodo(ListedHost):
    """A record of Zenodo, by number or DOI."""

    kind = "zenodo"
    verified = "by the md5 that Zenodo's API gives for each file"
    publishers = True

    api: str = "https://zenodo.org/api"

    def page_of(self, at: str) -> str:
        """The page of the record."""
        return f"https://zenodo.org/records/{identifier(at)[0]}"

    def listing(self, entry: Entry, ask: Ask) -> list[Remote]:
        """The files of the record."""
        record, _ = identifier(entry.at)
        answer = mapping(ask(f"{self.api}/records/{record}"))
        found = []
        for one in entries(answer.get("files")):
            name = text(one, "key", "filename")
            if not name:
                continue
            url = text(mapping(one.get("links")), "self", "content", "download")
            url = url or f"{self.api}/records/{record}/files/{quote(name)}/content"
            found.append(Remote(url, name, number(one, "size", "filesize"), digests(one.get("checksum"))))
        if not found:
            rights = text(mapping(answer.get("metadata")), "access_right") or text(
                mapping(answer.get("access")), "files"
            )
            raise DownloadError(
                f"Zenodo shows no files of the record {record}"
                + (f" (access: {rights})" if rights else "")
                + f". Open {self.page(entry.at)}, and ask for access there if it is offered."
            )
        return chosen(entry, found, self.page(entry.at))


@dataclass(frozen=True, slots=True)
class Figshare(ListedHost):
    """An article of figshare, by number or DOI, with a version or without."""

    kind = "figshare"
    verified = "by the md5 that figshare's API gives for each file"
    publishers = True

    api: str = "https://api.figshare.com/v2"

    def page_of(self, at: str) -> str:
        """The page of the article."""
        return f"https://doi.org/{at}" if at.startswith("10.") else f"https://figshare.com/articles/dataset/_/{at}"

    def listing(self, entry: Entry, ask: Ask) -> list[Remote]:
        """The files of the article, page by page."""
        article, version = identifier(entry.at)
        url = f"{self.api}/articles/{article}" + (f"/versions/{version}" if version else "") + "/files"
        found: list[Remote] = []
        for page in range(1, _PAGES):
            answer = list(entries(ask(f"{url}?page={page}&page_size=100")))
            before = len(found)
            for one in answer:
                name, link = text(one, "name"), text(one, "download_url")
                if name and link and not one.get("is_link_only"):
                    md5 = text(one, "computed_md5", "supplied_md5")
                    found.append(Remote(link, name, number(one, "size"), digests(f"md5:{md5}")))
            if len(answer) < 100 or len(found) == before:
                break
        return chosen(entry, found, self.page(entry.at))


@dataclass(frozen=True, slots=True)
class Mendeley(ListedHost):
    """A dataset of Mendeley Data, by DOI; in folders it comes as one zip."""

    kind = "mendeley"
    verified = "by the sha256 that Mendeley's API gives for each file; by nothing but https where it comes as one zip"
    publishers = True

    api: str = "https://data.mendeley.com/public-api"

    def page_of(self, at: str) -> str:
        """The page of the dataset."""
        dataset, version = identifier(at)
        return f"https://data.mendeley.com/datasets/{dataset}" + (f"/{version}" if version else "")

    def listing(self, entry: Entry, ask: Ask) -> list[Remote]:
        """The files at the top of the dataset, or the zip of all of it."""
        dataset, version = identifier(entry.at)
        version = version or "1"
        whole = Remote(f"{self.api}/zip/{dataset}/download/{version}", f"{dataset}-{version}.zip")
        if whole.name in entry.files:
            return [whole]
        found = []
        for one in entries(ask(f"{self.api}/datasets/{dataset}/files?folder_id=root&version={version}")):
            name, content = text(one, "filename", "name"), mapping(one.get("content_details"))
            link = text(content, "download_url") or text(one, "download_url")
            if name and link:
                size = number(one, "size") or number(content, "size")
                found.append(Remote(link, name, size, digests(f"sha256:{text(content, 'sha256_hash')}")))
        names = {one.name.lower() for one in found}
        if entry.files and not all(name.lower() in names for name in entry.files):
            return [whole]  # they lie in folders, which the listing of the root does not show
        if not entry.files and list(entries(ask(f"{self.api}/datasets/{dataset}/folders/{version}"))):
            return [whole]
        return chosen(entry, found, self.page(entry.at))


@dataclass(frozen=True, slots=True)
class GitHub(ListedHost):
    """Files of a release of a repository if an entry names such, else the whole repository as it is now."""

    kind = "github"
    verified = "by the digest that GitHub's API gives for a file of a release; by nothing but https for the repository"

    api: str = "https://api.github.com"

    def page_of(self, at: str) -> str:
        """The page of the repository."""
        return f"https://github.com/{at}"

    def effort(self, entry: Entry, access: str) -> int:
        """A whole repository often is code, with some of the data."""
        return 0 if entry.files else 2

    def archives(self, at: str) -> tuple[str, ...]:
        """As the button "Download ZIP" calls them."""
        name = at.rstrip("/").rpartition("/")[2]
        return tuple(f"{name}-{branch}.zip" for branch in ("main", "master"))

    def listing(self, entry: Entry, ask: Ask) -> list[Remote]:
        """Files of releases, and the repository where it has what is wanted."""
        repository, page = entry.at.removeprefix("https://github.com/").strip("/"), self.page(entry.at)
        api = f"{self.api}/repos/{repository}"
        commit = text(mapping(ask(f"{api}/commits/HEAD")), "sha")
        if not commit:
            raise DownloadError(f"GitHub names no commit of {repository}. Open {page}.")
        archive = Remote(f"{api}/zipball/{commit}", f"{repository.rpartition('/')[2]}-{commit[:7]}.zip", strip=1)
        if not entry.files:
            return [archive]
        tree = mapping(ask(f"{api}/git/trees/{commit}?recursive=1"))
        paths = [path for path in (text(one, "path") for one in entries(tree.get("tree"))) if path]
        held = {*paths, *(posixpath.basename(path) for path in paths)}
        lacking = [name for name in entry.files if name not in held]
        if not lacking or tree.get("truncated"):
            return [archive]
        assets = [
            Remote(link, name, number(asset, "size"), digests(asset.get("digest")))
            for release in entries(ask(f"{api}/releases?per_page=100"))
            for asset in entries(release.get("assets"))
            if (name := text(asset, "name")) and (link := text(asset, "browser_download_url"))
        ]
        named = {asset.name: asset for asset in reversed(assets)}  # of the newest release
        if all(name in named for name in lacking):
            found = [named[name] for name in lacking]
            return found if len(lacking) == len(entry.files) else [*found, archive]
        raise DownloadError(
            f"Neither the files nor the releases of {page} hold {', '.join(lacking)}: its README may say where they "
            "are. Download them by hand."
        )
