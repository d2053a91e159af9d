"""The location of a built Med-MAT: a local folder, a dataset on the Hugging Face Hub at one commit, or an address."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

from med_mat import schema
from med_mat.errors import BuildError, BuildNotFoundError, HubError, MedMATError
from med_mat.files import relative, replacing
from med_mat.mounts import cache
from med_mat.mounts.remote import RemoteMount, remote
from med_mat.mounts.urls import URLPath, is_url, url
from med_mat.storage.errors import hub_errors
from med_mat.storage.manifest import check

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MANIFEST = "med_mat.json"
#: The journal of a build that is moving its files into place; it exists only during that step.
JOURNAL = ".build/switch.json"
#: The metadata key of the index for the id of the state of a build; the manifest contains the same id as "build".
BUILD_KEY = b"med_mat.build"
INDEX = "index.parquet"
#: The file with the sha256 of every other file of a Med-MAT.
SUMS = "SHA256SUMS"
#: A file that a push adds next to the index: the columns for opening and selecting, a twentieth of its size.
TAGS = "tags.parquet"
TAGS_COLUMNS = ("row", "split", "label_set", "group", "withheld", "key", "file", "position")
_PATTERN = re.compile(r"[*?]|\[.+\]|::", re.DOTALL)
_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class Folder:
    """A build in a local folder."""

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def local(self, name: str) -> Path:
        """The local path of a file of the build.

        Raises:
            BuildError: the file does not exist.
        """
        path = self.root / relative_name(self, name)
        if not path.is_file():
            raise BuildError(
                f"{self.root.absolute()} lacks {name}. If it was built again since it was opened, open it again; else "
                "run 'med-mat build' again: what is finished is kept."
            )
        return path

    def index(self, columns: Iterable[str]) -> Path:
        """A Parquet file that has these columns of the index."""
        del columns  # locally, the whole index is available
        return self.local(INDEX)

    def open(self, name: str) -> IO[bytes]:
        """Open a file of the build for reading."""
        return self.local(name).open("rb")

    def read_row_group(
        self, file: IO[bytes], parquet: pq.ParquetFile, group: int, columns: Collection[str]
    ) -> pa.Table:
        """Read columns of one row group of an open file; none means all."""
        del file
        return parquet.read_row_group(group, columns=list(columns) or None)

    @property
    def identity(self) -> str:
        """The identity of the build: its absolute path."""
        return str(self.root.resolve())

    def key(self, name: str) -> str:
        """What identifies the content of a file, for the cache."""
        facts = self.local(name).stat()
        return f"{self.identity}/{name}/{facts.st_size}/{facts.st_mtime_ns}"

    def damaged(self, name: str, why: object) -> BuildError:
        """The error to raise if a file of the build is damaged."""
        return BuildError(
            f"{self.root / name} is damaged, or cannot be read ({why}). {anew(self.root)} "
            f"'med-mat validate --out {self.root}' names all that is damaged."
        )


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A build on the Hugging Face Hub, at one commit: later pushes do not affect it."""

    repo_id: str
    commit: str

    def __str__(self) -> str:
        return self.repo_id

    def local(self, name: str) -> Path:
        """The local path of a file of the build, downloaded once into the Hub's cache.

        Raises:
            HubError: the file does not exist, or cannot be downloaded.
        """
        from huggingface_hub import hf_hub_download

        with hub_errors(f"{self.repo_id}/{name}"):
            return Path(hf_hub_download(self.repo_id, name, repo_type="dataset", revision=self.commit))

    def index(self, columns: Iterable[str]) -> Path:
        """A Parquet file that has these columns of the index: the small file of tags if that has all of them.

        Raises:
            HubError: the file does not exist, or cannot be downloaded.
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        if set(columns) <= set(TAGS_COLUMNS):
            with (
                hub_errors(f"{self.repo_id}/{TAGS}"),
                suppress(EntryNotFoundError),
            ):  # missing if the files were not uploaded by 'med-mat push'
                return Path(hf_hub_download(self.repo_id, TAGS, repo_type="dataset", revision=self.commit))
        return self.local(INDEX)

    def open(self, name: str) -> IO[bytes]:
        """Open a file of the build for reading; only the bytes that are read are downloaded.

        Raises:
            HubError: the file does not exist.
        """
        from huggingface_hub import HfFileSystem

        with hub_errors(f"{self.repo_id}/{name}"):
            file: IO[bytes] = HfFileSystem().open(f"datasets/{self.repo_id}@{self.commit}/{name}", cache_type="none")
            return file

    def read_row_group(
        self, file: IO[bytes], parquet: pq.ParquetFile, group: int, columns: Collection[str]
    ) -> pa.Table:
        """Read columns of one row group of an open file; none means all. Only their bytes are downloaded.

        Raises:
            HubError: they cannot be downloaded, or are damaged.
        """
        from med_mat.storage.ranges import read_row_group

        return read_row_group(file, parquet, group, columns)

    @property
    def identity(self) -> str:
        """The identity of the build: dataset and commit."""
        return f"{self.repo_id}@{self.commit}"

    def key(self, name: str) -> str:
        """What identifies the content of a file, for the cache."""
        return f"{self.identity}/{name}"

    def damaged(self, name: str, why: object) -> HubError:
        """The error to raise if a file of the dataset is damaged."""
        return HubError(
            f"{self.repo_id}/{name} is damaged, there or in the Hub's cache on this machine ({why}). Remove it from "
            "the cache (hf cache), and run the same command again."
        )


@dataclass(frozen=True, slots=True)
class Address:
    """A build in object storage or on a server, as it was listed: a change there is an error."""

    mount: RemoteMount

    def __str__(self) -> str:
        return str(self.mount.root)

    def local(self, name: str) -> Path:
        """The local path of a file of the build, downloaded once into the cache of Med-MAT.

        Raises:
            BuildError: the file does not exist.
            RemoteError: it cannot be downloaded.
        """
        path = cache.folder("files") / f"{cache.key(self.key(name))}{PurePosixPath(name).suffix}"
        if not path.is_file():
            with (
                replacing(path, lasting=False) as temporary,
                self.mount.open(name) as source,
                temporary.open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)
        return path

    def index(self, columns: Iterable[str]) -> Path:
        """A Parquet file that has these columns of the index: the small file of tags if that has all of them."""
        small = set(columns) <= set(TAGS_COLUMNS) and self.mount.is_file(TAGS)
        return self.local(TAGS if small else INDEX)

    def open(self, name: str) -> IO[bytes]:
        """Open a file of the build for reading; only the blocks that are read are downloaded.

        Raises:
            BuildError: the file does not exist.
        """
        self.key(name)
        return io.BufferedReader(cast(io.RawIOBase, self.mount.open(name)))

    def read_row_group(
        self, file: IO[bytes], parquet: pq.ParquetFile, group: int, columns: Collection[str]
    ) -> pa.Table:
        """Read columns of one row group of an open file; none means all."""
        del file
        return parquet.read_row_group(group, columns=list(columns) or None)

    @property
    def identity(self) -> str:
        """The identity of the build: its address."""
        return str(self)

    def key(self, name: str) -> str:
        """What identifies the content of a file, for the cache.

        Raises:
            BuildError: the file does not exist.
        """
        if not self.mount.is_file(name):
            raise BuildError(f"{self} lacks {name}: was everything that 'med-mat build' wrote copied there?")
        facts = self.mount.stat(name)
        return f"{self}/{name}/{facts.st_size}/{facts.st_mtime_ns}"

    def damaged(self, name: str, why: object) -> BuildError:
        """The error to raise if a file of the build is damaged."""
        return BuildError(f"{self}/{name} is damaged, or cannot be read ({why}): copy it there again.")


Location = Folder | HubRepository | Address


def taken_for_pattern(folder: str | os.PathLike[str]) -> bool:
    """Whether ``load_dataset`` interprets the path of a folder as a pattern, or as a path inside an archive.

    It then finds no files, or files of other folders (https://github.com/huggingface/datasets/issues/7468).
    """
    return _PATTERN.search(str(Path(folder).absolute())) is not None


@contextmanager
def reading(location: Location, name: str) -> Iterator[None]:
    """Turn errors while reading a damaged file of a build into a message about that file.

    Raises:
        BuildError, HubError: the file is damaged.
    """
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise location.damaged(name, brief(error)) from error
    except OSError as error:
        if isinstance(error, MedMATError) or (error.errno is None and type(error) is not OSError):
            raise  # already a message, or a network error
        raise location.damaged(name, error.strerror or brief(error)) from error


def need(location: Location, name: str, found: pa.Schema, columns: Iterable[str]) -> None:
    """Check that a file of a build has the given columns.

    Raises:
        BuildError, HubError: columns are missing.
    """
    if absent := [column for column in columns if column not in found.names]:
        raise location.damaged(name, f"it lacks the columns {', '.join(absent)}")


def read_index(location: Location, columns: Collection[str], **options: Any) -> pa.Table:
    """Read columns of the index; the options are those of ``pyarrow.parquet.read_table``.

    Raises:
        BuildError, HubError: the index is missing or damaged.
    """
    import pyarrow.parquet as pq

    with reading(location, INDEX):
        table = pq.read_table(location.index(columns), columns=list(columns), **options)
    need(location, INDEX, table.schema, columns)
    return table


def anew(folder: Path) -> str:
    """A sentence saying what to do about damaged files of a Med-MAT in a folder."""
    if (folder / ".build").is_dir():
        return "Run the same 'med-mat build' again: damaged files are rebuilt, all others are kept."
    return (
        "No build can continue without the folder .build: download damaged files again, or build into another folder."
    )


def relative_name(location: Location, name: str) -> PurePosixPath:
    """The name of a file from an index or a manifest, as a path that stays inside the build.

    Raises:
        BuildError: the path leads out of the build.
    """
    try:
        return relative(name)
    except ValueError as error:
        raise BuildError(f"{location} names a file {name!r}, which no build writes: it {error}.") from None


def brief(error: Exception) -> str:
    """The first line of an error message of a library, without its final period."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def locate(where: str | os.PathLike[str], revision: str | None = None) -> tuple[Location, Mapping[str, Any]]:
    """Find a built Med-MAT, and read its manifest.

    Args:
        where: a folder that ``med-mat build`` wrote, its address ("s3://bucket/Med-MAT"), or a Hub dataset
            ("org/Med-MAT").
        revision: a branch, tag or commit of the Hub dataset; it is resolved to a commit once.

    Raises:
        BuildError: there is no build, an unfinished one, or one with another schema version.
        HubError: the dataset cannot be read from the Hub.
        RemoteError: the address cannot be read.
    """
    if where == "":
        raise BuildError("The name of a Med-MAT is empty: name a folder or a Hub dataset; '.' is the current folder.")
    location = _location(where, revision)
    try:
        manifest = json.loads(location.local(MANIFEST).read_text("utf-8"))
        version, maker = manifest["schema"], manifest["med_mat"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise BuildError(
            f"{where}: its {MANIFEST} is missing, or not one that 'med-mat build' wrote ({error}). Build it again."
        ) from error
    if version != schema.VERSION:
        raise BuildError(
            f"{where} was built with record schema {version}, this Med-MAT reads {schema.VERSION}: "
            f"build it again, or install the Med-MAT that made it ({maker})."
        )
    check(manifest, f"The manifest {MANIFEST} of {location}")
    return location, manifest


def _location(where: str | os.PathLike[str], revision: str | None) -> Location:
    if isinstance(where, URLPath) or is_url(where):
        return _address(url(str(where)), revision)
    folder = Path(where)
    if folder.is_dir():
        if not (folder / MANIFEST).is_file():
            state = (
                "an unfinished build: run the same 'med-mat build' again"
                if (folder / ".build").is_dir()
                else f"no Med-MAT: expected {MANIFEST} and {INDEX} in it, as 'med-mat build' writes them"
            )
            raise BuildNotFoundError(f"{folder.absolute()} contains {state}.")
        return Folder(folder)
    if not _REPO_ID.fullmatch(str(where)):
        raise BuildNotFoundError(
            f"There is no folder {folder.absolute()}. Name a folder that 'med-mat build' wrote, or a Hub dataset "
            "such as 'org/Med-MAT'."
        )
    from huggingface_hub import HfApi

    with hub_errors(f"the dataset {str(where)!r} (there is no folder of that name either)"):
        commit = HfApi().dataset_info(str(where), revision=revision).sha
    if not re.fullmatch(r"[0-9a-f]{40}", str(commit)):
        raise HubError(f"The Hub did not say which commit {where} is at: it gave {commit!r}. Try again later.")
    return HubRepository(str(where), str(commit))


def _address(where: URLPath, revision: str | None) -> Location:
    if where.scheme == "hf" and where.host == "datasets" and len(where.parts) == 4:
        repo_id, _, at = "/".join(where.parts[2:]).partition("@")
        return _location(repo_id, revision or at or None)
    if revision is not None:
        raise BuildError(f"{where} has no revisions: leave out revision={revision!r}.")
    location = Address(remote(where))
    if not location.mount.is_file(MANIFEST):
        raise BuildNotFoundError(f"{where} contains no Med-MAT: expected {MANIFEST} and {INDEX} in it.")
    return location
