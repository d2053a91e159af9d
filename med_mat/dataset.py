"""A built Med-MAT: open it, look at its index, select records as plain ``datasets`` objects.

Opening reads a few columns of ``index.parquet`` and no image. Selecting touches the index alone; the pixels of a
selection are memory-mapped from one Arrow file per shard, made when a shard is first needed and shared by all
selections.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import schema
from med_mat.errors import BuildError, VocabularyError
from med_mat.taxonomy import MAT, Patterns, Selector, nearest

if TYPE_CHECKING:
    import datasets

    from med_mat.splits import Experiment

SPLITS = ("train", "validation", "test")
_TAGS = ("source", "row", "subset", "modality", "area", "task", "split", "label", "group", "file", "position")
_BATCH_ROWS = 64


@dataclass(frozen=True, slots=True)
class Folder:
    """A build on this machine."""

    root: Path

    def local(self, name: str) -> Path:
        """A file of the build, on this machine.

        Raises:
            BuildError: it is not there.
        """
        path = self.root / name
        if not path.is_file():
            raise BuildError(
                f"{self.root.absolute()} lacks {name}. Run 'med-mat build' again: what is finished is kept."
            )
        return path

    def key(self, name: str) -> str:
        """What identifies the content of a file, for the cache."""
        facts = self.local(name).stat()
        return f"{self.root.resolve()}/{name}/{facts.st_size}/{facts.st_mtime_ns}"


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A build on the Hugging Face Hub, at one commit."""

    repo_id: str
    commit: str

    def local(self, name: str) -> Path:
        """A file of the build, downloaded once into the Hub's cache."""
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self.repo_id, name, repo_type="dataset", revision=self.commit))

    def key(self, name: str) -> str:
        """What identifies the content of a file, for the cache."""
        return f"{self.repo_id}@{self.commit}/{name}"


Location = Folder | HubRepository


def open(where: str | os.PathLike[str], *, revision: str | None = None) -> MedMAT:  # noqa: A001 - med_mat.open reads well
    """Open a built Med-MAT. Only its index is read.

    Args:
        where: a folder that ``med-mat build`` wrote, or a Hub dataset ("org/Med-MAT").
        revision: a branch, tag or commit of the Hub dataset.

    Raises:
        BuildError: nothing there, an unfinished build, or one of another schema version.
    """
    folder = Path(where)
    location: Location
    if folder.is_dir():
        location = Folder(folder)
        if not (folder / "med_mat.json").is_file():
            state = (
                "an unfinished build: run the same 'med-mat build' again"
                if (folder / ".build").is_dir()
                else ("no Med-MAT: expected med_mat.json and index.parquet in it, as 'med-mat build' writes them")
            )
            raise BuildError(f"{folder.absolute()} holds {state}.")
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", str(where)) and not str(where).startswith("."):
        location = _hub(str(where), revision)
    else:
        raise BuildError(
            f"There is no folder {folder.absolute()}. Name a folder that 'med-mat build' wrote, or a Hub dataset "
            "such as 'org/Med-MAT'."
        )
    try:
        manifest = json.loads(location.local("med_mat.json").read_text("utf-8"))
        version, maker = manifest["schema"], manifest["med_mat"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BuildError(
            f"{where}: its med_mat.json is missing, or not one that 'med-mat build' wrote ({error}). Build it again."
        ) from error
    if version != schema.VERSION:
        raise BuildError(
            f"{where} was built with record schema {version}, this Med-MAT reads {schema.VERSION}: "
            f"build it again, or install the Med-MAT that made it ({maker})."
        )
    try:
        return MedMAT(location, manifest)
    except (OSError, pa.ArrowInvalid, LookupError) as error:
        raise BuildError(
            f"{where}: its index.parquet is damaged ({error}). Run 'med-mat build' again: what is finished is kept."
        ) from error


class MedMAT:
    """A built Med-MAT; made by :func:`open`."""

    def __init__(self, location: Location, manifest: Mapping[str, Any]) -> None:
        self.location = location
        self.manifest = manifest
        self.tags = Tags.read(location.local("index.parquet"))
        self._arrow: dict[str, datasets.Dataset] = {}

    def __len__(self) -> int:
        return len(self.tags.row)

    def __repr__(self) -> str:
        where = self.location.root if isinstance(self.location, Folder) else self.location.repo_id
        return f"MedMAT({str(where)!r}: {len(self):,} records, {len(self.tags.sources)} sources)"

    @functools.cached_property
    def index(self) -> pa.Table:
        """Every column of every record but the pixels (see :mod:`med_mat.schema`), in the order of the build."""
        return pq.read_table(self.location.local("index.parquet"))

    @property
    def mats(self) -> tuple[MAT, ...]:
        """The triplets that have records, sorted."""
        return tuple(sorted(set(self.tags.mats.values())))

    def grid(self) -> dict[tuple[str, str], int]:
        """The number of records per (modality, area)."""
        counts: dict[tuple[str, str], int] = {}
        for row, number in zip(*np.unique(self.tags.row, return_counts=True), strict=True):
            mat = self.tags.mats[int(row)]
            counts[mat.modality, mat.area] = counts.get((mat.modality, mat.area), 0) + int(number)
        return counts

    def where(
        self,
        pattern: Selector = None,
        *,
        split: str | Sequence[str] | None = None,
        labels: str | Sequence[str] | None = None,
        source: str | Sequence[str] | None = None,
        subset: int | Sequence[int] | None = None,
        row: int | Sequence[int] | None = None,
    ) -> npt.NDArray[np.int64]:
        """The positions in the index of the records that fulfil every given condition, ascending.

        Args:
            pattern: triplets, e.g. ``"CT|MRI/Brain/*"``.
            split: train, validation or test.
            labels: human labels; a record is kept that has at least one of them.
            source: names of sources.
            subset: upstream's subset numbers.
            row: upstream's row numbers.

        Raises:
            VocabularyError: a word that neither the vocabularies nor this build knows; it suggests the nearest.
        """
        tags = self.tags
        patterns = Patterns.of(pattern)
        rows = {number for number, mat in tags.mats.items() if patterns.matches(mat)}
        for wanted, column, name in ((source, tags.source_of, "source"), (subset, tags.subset_of, "subset")):
            if wanted is not None:
                chosen = _known(wanted, set(column.values()), name)
                rows &= {number for number in rows if column[number] in chosen}
        if row is not None:
            rows &= _known(row, set(tags.mats), "row")
        keep = np.zeros(max(tags.mats, default=0) + 1, dtype=bool)
        keep[list(rows)] = True
        mask = keep[tags.row]
        if split is not None:
            chosen_splits = np.zeros(len(SPLITS), dtype=bool)
            chosen_splits[[SPLITS.index(name) for name in _known(split, set(SPLITS), "split")]] = True
            mask &= chosen_splits[tags.split]
        if labels is not None:
            mask &= self._has_label(labels)
        return np.flatnonzero(mask)

    @overload
    def select(
        self, pattern: Selector = ..., *, streaming: Literal[False] = ..., **conditions: Any
    ) -> datasets.Dataset: ...
    @overload
    def select(
        self, pattern: Selector = ..., *, streaming: Literal[True], **conditions: Any
    ) -> datasets.IterableDataset: ...
    def select(
        self, pattern: Selector = None, *, streaming: bool = False, **conditions: Any
    ) -> datasets.Dataset | datasets.IterableDataset:
        """The records that fulfil the conditions of :meth:`where`, as a plain ``datasets.Dataset``.

        Args:
            pattern: triplets, e.g. ``"CT/*/Cancer"``.
            streaming: True gives an ``IterableDataset`` that reads only the row groups it needs, without a cache.
            conditions: split, labels, source, subset, row: see :meth:`where`.
        """
        positions = self.where(pattern, **conditions)
        return self.stream(positions) if streaming else self.take(positions)

    def take(self, positions: npt.NDArray[np.int64]) -> datasets.Dataset:
        """The records at these positions of the index, in that order, memory-mapped."""
        import datasets

        files = self.tags.file[positions]
        used, codes = np.unique(files, return_inverse=True)
        if not len(used):
            features = datasets.Features.from_dict(schema.features())
            return datasets.Dataset.from_dict({name: [] for name in features}, features=features)
        parts = [self._shard(self.tags.files[code]) for code in used]
        starts = np.concatenate(([0], np.cumsum([len(part) for part in parts])[:-1]))
        whole = datasets.concatenate_datasets(parts) if len(parts) > 1 else parts[0]
        return whole.select(starts[codes] + self.tags.position[positions])

    def stream(self, positions: npt.NDArray[np.int64]) -> datasets.IterableDataset:
        """The records at these positions of the index, read as they are asked for; the order is the index's."""
        import datasets

        files = self.tags.file[positions]
        pieces = [
            (self.tags.files[code], self.tags.position[positions[files == code]].tolist()) for code in np.unique(files)
        ]
        return datasets.IterableDataset.from_generator(
            _stream,
            features=datasets.Features.from_dict(schema.features()),
            gen_kwargs={"location": self.location, "pieces": pieces},
        )

    def related(self, target: str | MAT, **options: Any) -> Experiment:
        """Train on data that shares elements with the target triplet: see :func:`med_mat.splits.related`."""
        from med_mat import splits

        return splits.related(self, target, **options)

    def all_related(self, target: str | MAT, **options: Any) -> Experiment:
        """Train on everything that shares an element with the target: see :func:`med_mat.splits.all_related`."""
        from med_mat import splits

        return splits.all_related(self, target, **options)

    def unrelated(self, target: str | MAT, **options: Any) -> Experiment:
        """Train on data that shares no element with the target: see :func:`med_mat.splits.unrelated`."""
        from med_mat import splits

        return splits.unrelated(self, target, **options)

    def _has_label(self, labels: str | Sequence[str]) -> npt.NDArray[np.bool_]:
        column = pq.read_table(self.location.local("index.parquet"), columns=["labels"])["labels"].combine_chunks()
        flat = column.flatten()
        wanted = _known(labels, set(pc.unique(flat).to_pylist()), "label")
        hits = pc.is_in(flat, pa.array(sorted(wanted), pa.string()))
        mask = np.zeros(len(column), dtype=bool)
        mask[np.asarray(pc.list_parent_indices(column))[np.asarray(hits)]] = True
        return mask

    def _shard(self, name: str) -> datasets.Dataset:
        import datasets

        if name not in self._arrow:
            self._arrow[name] = datasets.Dataset.from_file(str(_arrow_file(self.location, name)))
        return self._arrow[name]


@dataclass(frozen=True, slots=True)
class Tags:
    """The columns that selecting and splitting need, as arrays over all records: a few bytes per record."""

    row: npt.NDArray[np.int16]
    split: npt.NDArray[np.uint8]  # position in SPLITS
    label: npt.NDArray[np.int32]  # code; -1 where a record has a set of labels
    label_names: tuple[str, ...]
    group: npt.NDArray[np.int32]  # code
    file: npt.NDArray[np.int32]  # position in files
    files: tuple[str, ...]
    position: npt.NDArray[np.int32]  # within the file
    mats: Mapping[int, MAT]  # row number -> triplet
    source_of: Mapping[int, str]
    subset_of: Mapping[int, int | None]

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that have records."""
        return tuple(dict.fromkeys(self.source_of.values()))

    @classmethod
    def read(cls, path: Path) -> Tags:
        """From ``index.parquet``."""
        words = [name for name in _TAGS if name not in ("row", "subset", "position")]
        table = pq.read_table(path, columns=list(_TAGS), read_dictionary=words)
        row = table["row"].to_numpy().astype(np.int16)
        _, firsts = np.unique(row, return_index=True)  # a row has one source, subset and triplet
        names = ["row", "source", "subset", "modality", "area", "task"]
        rows = [entry for first in np.sort(firsts) for entry in table.select(names).slice(first, 1).to_pylist()]
        split, split_names = _encode(table["split"])
        label, label_names = _encode(table["label"])
        group, _ = _encode(table["group"])
        file, files = _encode(table["file"])
        order = np.array([SPLITS.index(name) for name in split_names], dtype=np.uint8)
        return cls(
            row=row,
            split=order[split] if len(order) else split.astype(np.uint8),
            label=label,
            label_names=label_names,
            group=group,
            file=file,
            files=files,
            position=table["position"].to_numpy(),
            mats={entry["row"]: MAT(entry["modality"], entry["area"], entry["task"]) for entry in rows},
            source_of={entry["row"]: entry["source"] for entry in rows},
            subset_of={entry["row"]: entry["subset"] for entry in rows},
        )


def _encode(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """Codes, -1 for null, and what they stand for."""
    array = column.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # no chunk at all
        return np.zeros(0, dtype=np.int32), ()
    return np.asarray(pc.fill_null(array.indices, -1)).astype(np.int32), tuple(array.dictionary.to_pylist())


def _known(wanted: Any, known: set[Any], what: str) -> set[Any]:
    values = {wanted} if isinstance(wanted, str | Integral) else set(wanted)
    for value in sorted(values - known, key=str):
        guess = next((one for one in known if str(one) == str(value)), None)  # '24' for 24
        if guess is None and isinstance(value, str):
            guess = nearest(value, (one for one in known if isinstance(one, str)))
        hint = "" if guess is None else f" Did you mean {guess!r}?"
        raise VocabularyError(
            f"This Med-MAT has no {what} {value!r}.{hint} It has: {', '.join(sorted(map(str, known)))}."
        )
    return values


def _hub(repo_id: str, revision: str | None) -> HubRepository:
    from huggingface_hub import HfApi

    try:
        info = HfApi().dataset_info(repo_id, revision=revision)
    except Exception as error:  # without a network, whatever the HTTP client of the day raises
        raise BuildError(
            f"{repo_id!r} is no folder here, and the Hub did not give a dataset of that name: {error}"
        ) from error
    return HubRepository(repo_id, str(info.sha))


def _arrow_file(location: Location, name: str) -> Path:
    """The Arrow copy of a shard, in the cache of ``datasets``; made row group by row group, and renamed when whole."""
    import datasets

    digest = hashlib.blake2b(location.key(name).encode(), digest_size=16).hexdigest()
    path = Path(datasets.config.HF_DATASETS_CACHE) / "med_mat" / f"{digest}.arrow"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with (
            pq.ParquetFile(location.local(name)) as parquet,
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_stream(sink, parquet.schema_arrow) as writer,
        ):
            for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
                writer.write_batch(batch)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _stream(location: Location, pieces: list[tuple[str, list[int]]]) -> Iterator[dict[str, Any]]:
    for name, positions in pieces:
        with pq.ParquetFile(location.local(name)) as parquet:
            start = 0
            wanted = set(positions)
            for group in range(parquet.num_row_groups):
                count = parquet.metadata.row_group(group).num_rows
                inside = [position - start for position in range(start, start + count) if position in wanted]
                if inside:
                    yield from parquet.read_row_group(group).take(inside).to_pylist()
                start += count
