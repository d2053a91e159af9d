"""Where a built Med-MAT lies: a folder on this machine, or a dataset on the Hugging Face Hub at one commit."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from med_mat import schema
from med_mat.errors import BuildError, BuildNotFoundError, HubError, MedMATError
from med_mat.files import relative
from med_mat.storage.errors import hub_errors
from med_mat.storage.manifest import check

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MANIFEST = "med_mat.json"
#: What a build writes down before it puts its files in place; it is there only while it does.
JOURNAL = ".build/switch.json"
#: The name of the state of a build, in the manifest as "build" and in the metadata of the index.
BUILD_KEY = b"med_mat.build"
INDEX = "index.parquet"
#: The sha256 of every file of a Med-MAT but this one.
SUMS = "SHA256SUMS"
#: What a push puts beside the index: the columns that opening and selecting read, a twentieth of its bytes.
TAGS = "tags.parquet"
TAGS_COLUMNS = ("row", "split", "label_set", "group", "withheld", "key", "file", "position")
_PATTERN = re.compile(r"[*?]|\[.+\]|::", re.DOTALL)
_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class Folder:
    """A build on this machine."""

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def local(self, name: str) -> Path:
        """A file of the build, on this machine.

        Raises:
            BuildError: it is not there.
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
        del columns  # a whole index costs nothing here
        return self.local(INDEX)

    def open(self, name: str) -> IO[bytes]:
        """A file of the build, opened for reading."""
        return self.local(name).open("rb")

    def read_row_group(
        self, file: IO[bytes], parquet: pq.ParquetFile, group: int, columns: Collection[str]
    ) -> pa.Table:
        """The columns of one row group of an opened file; none means all."""
        del file
        return parquet.read_row_group(group, columns=list(columns) or None)

    @property
    def identity(self) -> str:
        """What tells this build from all others: its absolute path."""
        return str(self.root.resolve())

    def key(self, name: str) -> str:
        """What identifies the content of a file, for the cache."""
        facts = self.local(name).stat()
        return f"{self.identity}/{name}/{facts.st_size}/{facts.st_mtime_ns}"

    def damaged(self, name: str, why: object) -> BuildError:
        """What is to be raised where a file of the build is not what a build writes."""
        return BuildError(
            f"{self.root / name} is damaged, or cannot be read ({why}). {anew(self.root)} "
            f"'med-mat validate --out {self.root}' names all that is damaged."
        )


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A build on the Hugging Face Hub, at one commit: what is pushed later does not show in it."""

    repo_id: str
    commit: str

    def __str__(self) -> str:
        return self.repo_id

    def local(self, name: str) -> Path:
        """A file of the build, downloaded once into the Hub's cache.

        Raises:
            HubError: it is not there, or does not arrive.
        """
        from huggingface_hub import hf_hub_download

        with hub_errors(f"{self.repo_id}/{name}"):
            return Path(hf_hub_download(self.repo_id, name, repo_type="dataset", revision=self.commit))

    def index(self, columns: Iterable[str]) -> Path:
        """A Parquet file that has these columns of the index: a small one, where that has them all.

        Raises:
            HubError: it is not there, or does not arrive.
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        if set(columns) <= set(TAGS_COLUMNS):
            with (
                hub_errors(f"{self.repo_id}/{TAGS}"),
                suppress(EntryNotFoundError),
            ):  # it was not 'med-mat push' that sent it
                return Path(hf_hub_download(self.repo_id, TAGS, repo_type="dataset", revision=self.commit))
        return self.local(INDEX)

    def open(self, name: str) -> IO[bytes]:
        """A file of the build, of which only what is read is fetched.

        Raises:
            HubError: it is not there.
        """
        from huggingface_hub import HfFileSystem

        with hub_errors(f"{self.repo_id}/{name}"):
            file: IO[bytes] = HfFileSystem().open(f"datasets/{self.repo_id}@{self.commit}/{name}", cache_type="none")
            return file

    def read_row_group(
        self, file: IO[bytes], parquet: pq.ParquetFile, group: int, columns: Collection[str]
    ) -> pa.Table:
        """The columns of one row group of an opened file; none means all. Only their bytes are fetched.

        Raises:
            HubError: they do not arrive, or are damaged.
        """
        from med_mat.storage.ranges import read_row_group

        return read_row_group(file, parquet, group, columns)

    @property
    def identity(self) -> str:
        """What tells this build from all others: dataset and commit."""
        return f"{self.repo_id}@{self.commit}"

    def key(self, name: str) -> str:
        """What identifies the content of a file, for the cache."""
        return f"{self.identity}/{name}"

    def damaged(self, name: str, why: object) -> HubError:
        """What is to be raised where a file of the dataset is not what a build writes."""
        return HubError(
            f"{self.repo_id}/{name} is damaged, there or in the Hub's cache on this machine ({why}). Remove it from "
            "the cache (hf cache), and run the same command again."
        )


Location = Folder | HubRepository


def taken_for_pattern(folder: str | os.PathLike[str]) -> bool:
    """Whether ``load_dataset`` takes the path of a folder for a pattern, or for one inside an archive.

    It then finds no files, or those of other folders (https://github.com/huggingface/datasets/issues/7468).
    """
    return _PATTERN.search(str(Path(folder).absolute())) is not None


@contextmanager
def reading(location: Location, name: str) -> Iterator[None]:
    """Whatever a damaged file of a build makes its readers raise becomes a sentence on that file.

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
            raise  # a sentence already, or the network's
        raise location.damaged(name, error.strerror or brief(error)) from error


def need(location: Location, name: str, found: pa.Schema, columns: Iterable[str]) -> None:
    """Whether a file of a build has the columns that a build writes.

    Raises:
        BuildError, HubError: it lacks some.
    """
    if absent := [column for column in columns if column not in found.names]:
        raise location.damaged(name, f"it lacks the columns {', '.join(absent)}")


def read_index(location: Location, columns: Collection[str], **options: Any) -> pa.Table:
    """Columns of the index; the options are those of ``pyarrow.parquet.read_table``.

    Raises:
        BuildError, HubError: it is not there, or damaged.
    """
    import pyarrow.parquet as pq

    with reading(location, INDEX):
        table = pq.read_table(location.index(columns), columns=list(columns), **options)
    need(location, INDEX, table.schema, columns)
    return table


def anew(folder: Path) -> str:
    """What to do about damaged files of a Med-MAT in a folder, as a sentence."""
    if (folder / ".build").is_dir():
        return "Run the same 'med-mat build' again: what is damaged is made anew, what is whole is kept."
    return "No build goes on here, for there is no .build: fetch what is damaged again, or build into another folder."


def relative_name(location: Location, name: str) -> PurePosixPath:
    """The name of a file of a build, which stays in it, whatever an index or a manifest says.

    Raises:
        BuildError: it does not.
    """
    try:
        return relative(name)
    except ValueError as error:
        raise BuildError(f"{location} names a file {name!r}, which no build writes: it {error}.") from None


def brief(error: Exception) -> str:
    """The first line of what a library says, without a full stop."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def locate(where: str | os.PathLike[str], revision: str | None = None) -> tuple[Location, Mapping[str, Any]]:
    """A built Med-MAT, and its manifest.

    Args:
        where: a folder that ``med-mat build`` wrote, or a Hub dataset ("org/Med-MAT").
        revision: a branch, tag or commit of the Hub dataset; it is resolved to a commit once.

    Raises:
        BuildError: nothing there, an unfinished build, or one of another schema version.
        HubError: the Hub does not give it.
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
    folder = Path(where)
    if folder.is_dir():
        if not (folder / MANIFEST).is_file():
            state = (
                "an unfinished build: run the same 'med-mat build' again"
                if (folder / ".build").is_dir()
                else f"no Med-MAT: expected {MANIFEST} and {INDEX} in it, as 'med-mat build' writes them"
            )
            raise BuildNotFoundError(f"{folder.absolute()} holds {state}.")
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
