"""A built Med-MAT: open it, read its index, select records as plain ``datasets`` objects.

Opening reads a few columns of ``index.parquet`` and no image. Selecting uses the index alone; the pixels of a selection
are memory-mapped from one Arrow file per shard, which is created when a shard is first needed and shared by all
selections.
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import time
from collections.abc import Collection, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from med_mat import export as exporting
from med_mat import limits, markup, schema, strict, terms
from med_mat.catalog import vocabulary_of
from med_mat.contamination import comparing
from med_mat.errors import BuildError, HubError, MedMATError, RemoteError, VocabularyError
from med_mat.leakage import linked
from med_mat.leakage.linked import Linked
from med_mat.questions import SEED, Form
from med_mat.questions.view import View
from med_mat.selection import FIELDS, MAT, Selection, conditions
from med_mat.selection.fields import ATTRIBUTES, field_type, positions_in
from med_mat.shortcut import asking
from med_mat.splits import advice, kinds, loading, registry, sampling
from med_mat.storage import copies, shards, windows
from med_mat.storage.location import BUILD_KEY, INDEX, Folder, Location, brief, locate, need, read_index, reading
from med_mat.storage.manifest import missing_images
from med_mat.storage.parquet import parquet_file
from med_mat.tags import COLUMNS, Narrow, Positions, Tags, encode
from med_mat.taxonomy import SPLITS, WITHHELD, did_you_mean
from med_mat.vocabulary import in_order

if TYPE_CHECKING:
    import datasets
    from typing_extensions import Unpack

    from med_mat.index import Parts
    from med_mat.score.answers import Given
    from med_mat.score.result import Result
    from med_mat.selection import Fields, Selector
    from med_mat.vocabulary import Vocabulary

log = logging.getLogger(__name__)

#: A selection of records: a selector, positions in the index, or a mask over all records.
Asked: TypeAlias = "Selector | Positions | npt.NDArray[np.bool_] | Sequence[int]"
#: Types of the arguments of a selection.
_SELECT = {"streaming": bool, "one_per": Literal["record", "image"], "columns": tuple[str, ...]}
_QUESTIONS = {"questions": Form, "seed": int}
#: Seconds to wait between attempts while a build is moving its files into place.
_SWITCHING = (0.05, 0.2, 0.75, 2.0)


def open(where: str | os.PathLike[str], *, revision: str | None = None) -> MedMAT:  # noqa: A001 - med_mat.open reads well
    """Open a built Med-MAT. Only its index is read.

    Args:
        where: A folder that ``med-mat build`` wrote, its address ("s3://bucket/Med-MAT"), or a Hub dataset
            ("org/Med-MAT").
        revision: Branch, tag or commit of the Hub dataset.

    Raises:
        BuildNotFoundError: There is no build, or an unfinished one.
        BuildError: The build is damaged, or has another schema version.
        HubError: The dataset cannot be read from the Hub.
        RemoteError: The address cannot be read.
    """
    for wait in (*_SWITCHING, None):
        location, manifest = locate(where, revision)
        try:
            opened = MedMAT(location, manifest)
            if opened.is_of_one_build():
                return opened
            damage = "it is of another build than the manifest"
        except (HubError, RemoteError):
            raise
        except MedMATError as error:  # of the manifest or a file: the message must name the build
            raise BuildError(str(error) if str(location) in str(error) else f"{where}: {error}") from error
        except (OSError, pa.ArrowException, LookupError, ValueError, TypeError) as error:
            damage = brief(error)
        if wait is None or not isinstance(location, Folder):
            break
        time.sleep(wait)  # a build may be moving its files into place
    raise BuildError(
        f"{where}: its index.parquet is damaged ({damage}). Run 'med-mat build' again: what is finished is kept."
    )


class MedMAT:
    """A built Med-MAT, returned by :func:`open`.

    Every registered experiment is a method: those of this package are declared here, so that type checkers and editors
    know their arguments; those of plug-ins are looked up on access (see :mod:`med_mat.splits.registry`).
    """

    related = kinds.arms.related
    unrelated = kinds.arms.unrelated
    all_related = kinds.arms.all_related
    all_unrelated = kinds.arms.all_unrelated
    all_data = kinds.arms.all_data
    without = kinds.arms.without
    disruption = kinds.arms.disruption
    combinations = kinds.combination.combinations
    combination = kinds.combination.combination
    held_out = kinds.held_out.held_out
    leave_one_out = kinds.held_out.leave_one_out
    leave_source_out = kinds.sources.leave_source_out
    fold = kinds.folds.fold
    folds = kinds.folds.folds
    withhold = kinds.grid.withhold
    withheld = kinds.grid.withheld
    split = kinds.lists.split
    limited = kinds.limited.limited
    scaling = kinds.limited.scaling
    single_task = kinds.tasks.single_task
    multi_task = kinds.tasks.multi_task
    recommend = advice.recommend
    experiment = loading.experiment
    load_split = loading.load
    contamination = comparing.check

    def __init__(self, location: Location, manifest: Mapping[str, Any]) -> None:
        self.location = location
        self.manifest = manifest
        self.tags = Tags.read(location.index(COLUMNS), manifest)
        self._missing = missing_images(manifest, location)  # to warn of; empty once that is done
        self._arrow: dict[str, datasets.Dataset] = {}
        self._narrow: dict[str, Narrow] = {}
        self._views: dict[tuple[Form, int], View] = {}

    if not TYPE_CHECKING:  # for type checkers, unknown names remain errors

        def __getattr__(self, name: str) -> Any:
            """An experiment of a plug-in, by its name."""
            known = registry.experiments()
            if name.startswith("_") or name not in known:
                hint = "" if name.startswith("_") else did_you_mean(name, (*known, *dir(type(self))))
                raise AttributeError(f"A Med-MAT has no attribute {name!r}.{hint}", name=name, obj=self)
            return functools.partial(known[name].make, self)

    def __len__(self) -> int:
        return len(self.tags.row)

    @staticmethod
    def shortcut(experiment: Parts, axis: asking.Axis = "modality", *, seed: int = 0) -> asking.Easy:
        """The test records of an experiment, asked for their modality or area: :func:`med_mat.shortcut.easy`.

        Args:
            experiment: An experiment of this Med-MAT.
            axis: "modality" or "area".
            seed: Of the distractors and of the place of the answer.

        Raises:
            ExportError: Another axis, no test record, or a single word of this axis in the build.
        """
        return asking.easy(experiment, axis, seed=seed)

    def is_of_one_build(self) -> bool:
        """Whether index and manifest were written by the same build."""
        known = pq.read_schema(self.location.index(COLUMNS)).metadata or {}
        return bool(known.get(BUILD_KEY, b"").decode() == self.manifest.get("build", ""))

    def __repr__(self) -> str:
        missing = missing_images(self.manifest, self.location)
        facts = f"{len(self):,} records, {len(self.tags.sources)} sources{'; ' if missing else ''}{missing}"
        return f"MedMAT({str(self.location)!r}: {facts})"

    def _repr_html_(self) -> str:
        grid = self.grid()
        modalities = in_order("modality", (modality for modality, _ in grid))
        areas = in_order("area", (area for _, area in grid))
        counts = [(area, [grid.get((modality, area), 0) for modality in modalities]) for area in areas]
        return markup.block(repr(self), markup.heat("records", modalities, counts))

    @functools.cached_property
    def index(self) -> pa.Table:
        """All columns of all records except the pixels (see :mod:`med_mat.schema`), in the order of the build."""
        with reading(self.location, INDEX):
            return pq.read_table(self.location.local(INDEX))

    @functools.cached_property
    def linked(self) -> Linked:
        """The duplicate links of this build, and the images whose labels contradict each other."""
        return linked.read(self.location)

    def cite(self, selector: Selector = None, **fields: Unpack[Fields]) -> str:
        """The citations of the paper and of each source that has records in a selection, as BibTeX.

        Args:
            selector: As for :meth:`where` (default: all records).
            fields: As for :meth:`where`.

        Raises:
            VocabularyError: As for :meth:`where`.
        """
        return terms.bibtex(terms.of(self.tags, self.where(selector, **fields)))

    @functools.cached_property
    def silent(self) -> npt.NDArray[np.bool_]:
        """(n,) bool, by position in the index: whether the record has no question, so that its ``target`` is null."""
        return np.asarray(read_index(self.location, ("target",))["target"].is_null())

    def score(self, made: Parts | str | os.PathLike[str], answers: Given, **options: Any) -> Result:
        """Score the answers of a model to the test records of a split of this Med-MAT.

        Args:
            made: The split, or the file that it was saved to.
            answers: A file of answers (JSON Lines, CSV, Parquet with ``id`` and ``answer``), a dict from record ids to
                answers, or a list of answers in the order of ``exp.test``.
            options: See :func:`med_mat.score.score`.

        Raises:
            ScoreError: The answers cannot be read, are to other records, or there is nothing to score.
            SplitError: The file is not a split of this Med-MAT.
        """
        from med_mat.score.scoring import score

        split = self.load_split(made) if isinstance(made, str | os.PathLike) else made
        return score(split, answers, **options)

    def _prepare_images(self) -> None:
        """Raise Pillow's limit to the size of the largest image here, and warn, once, if images are missing."""
        from PIL import Image

        if self._missing:
            log.warning("%s: %s.", self.location, self._missing)
            self._missing = ""
        if Image.MAX_IMAGE_PIXELS is not None:
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, self._largest)

    @functools.cached_property
    def _largest(self) -> int:
        """Upper bound of the number of pixels of the largest image."""
        return max((facts["largest"] for facts in self.manifest["sources"].values()), default=0) // limits.PIXEL_BYTES

    @property
    def mats(self) -> tuple[MAT, ...]:
        """The triplets that have records, sorted."""
        return tuple(sorted({row.mat for row in self.tags.facts.values()}))

    def grid(self) -> dict[tuple[str, str], int]:
        """The number of records per (modality, area)."""
        counts: dict[tuple[str, str], int] = {}
        for row, number in zip(*np.unique(self.tags.row, return_counts=True), strict=True):
            mat = self.tags.facts[int(row)].mat
            counts[mat.modality, mat.area] = counts.get((mat.modality, mat.area), 0) + int(number)
        return counts

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of its triplets: that of Med-MAT, plus the words that the cards of its sources declare."""
        return vocabulary_of(self.manifest)

    def values(self, field: str) -> tuple[Any, ...]:
        """The values of a field in these records, sorted and without null, e.g. ``mat.values("label")``.

        Args:
            field: one of :data:`med_mat.selection.FIELDS`.

        Raises:
            VocabularyError: there is no such field.
        """
        one = field_type(field)
        facts = self.tags.facts.values()
        if field == "split":
            found = {SPLITS[split] for split in np.unique(self.tags.runs.split)}
        elif field == "label":
            found = {label for labels in self.tags.labels for label in labels}
        elif one.level == "record":
            found = self._column(field).present()
        else:
            found = {row.as_fields()[field] for row in facts}
        return tuple(sorted(found - {None}))

    def selection(self, selector: Selector = None, **fields: Unpack[Fields]) -> Selection:
        """A selection as a tree, checked against the vocabulary and values of this build.

        Args:
            selector: a pattern as a string, ``MAT``, ``Selection``, or a list of these (a union).
            fields: further conditions by name, combined with "and": see :mod:`med_mat.selection`.

        Raises:
            VocabularyError: a word is neither in the vocabulary nor in this build; the message suggests the closest.
        """
        facts = self.tags.facts.values()
        known: dict[str, Collection[Any]] = {
            "source": {row.source for row in facts},
            "subset": {row.subset for row in facts},
            "row": set(self.tags.facts),
            "label": frozenset().union(*self.tags.labels),
        }
        asked = Selection.of(selector) & conditions(fields)
        known |= {name: set(self.values(name)) for name in ATTRIBUTES if name in asked.fields()}
        return asked.bound(self.vocabulary, known, "This Med-MAT", "mat.values({!r})")

    def where(self, selector: Asked = None, *, withheld: bool = False, **fields: Unpack[Fields]) -> Positions:
        """The positions in the index of the records that meet all conditions, ascending.

        Args:
            selector: triplets and conditions, e.g. ``"CT"``, ``"CT|MRI/Brain/*"``, ``"CT/*/* & source=head_ct &
                width>=256"``; or positions in the index, or a mask over all records: the conditions then apply to
                these records, and positions keep their order.
            withheld: True counts withheld records as train or validation, as in their own source; otherwise they are
                in the split "withheld", as for ``load_dataset``.
            fields: further conditions by name, e.g. ``split="train"``, ``modality=["CT", "MRI"]``, ``label="Glioma"``,
                ``subset=24``: see :class:`med_mat.selection.Fields`.

        Raises:
            VocabularyError: a word is neither in the vocabulary nor in this build; the message suggests the closest.
        """
        strict.arguments({"withheld": bool}, {"withheld": withheld}, "A selection", error=VocabularyError)
        given = positions_in(selector, len(self))
        wanted = self.selection(None if given is not None else cast("Selector", selector), **fields)
        found = self.where_rows(frozenset(self.tags.facts), wanted, withheld=withheld)
        return found if given is None else given[np.isin(given, found)]

    def where_rows(
        self, rows: frozenset[int], selection: Selection, split: str | None = None, *, withheld: bool = False
    ) -> Positions:
        """The positions of the records of these rows that match a selection, in one split or all, ascending.

        Args:
            rows: upstream's row numbers.
            selection: the selection.
            split: "train", "validation", "test", "withheld", or None for all.
            withheld: as for :meth:`where`.
        """
        selection = selection.bound(self.vocabulary)
        runs, known = self.tags.runs, (*SPLITS, WITHHELD)
        shown = runs.split if withheld else np.where(runs.withheld, known.index(WITHHELD), runs.split)
        codes = runs.row * len(known) + shown
        different, of_run = np.unique(codes, return_inverse=True)
        verdicts: dict[bool | Selection, int] = {False: 0, True: 1}  # the others depend on fields of single records
        numbers = []
        for code in different.tolist():
            row, part = divmod(code, len(known))
            verdict: bool | Selection = False
            if row in rows and split in (None, known[part]):
                verdict = selection.resolve({**self.tags.facts[row].as_fields(), "split": known[part]})
            numbers.append(verdicts.setdefault(verdict, len(verdicts)))
        number = np.array(numbers, dtype=np.int64)[of_run]
        if len(verdicts) == 2:
            return runs.positions(number == 1)
        kept, open_ = np.zeros(len(self), dtype=bool), list(verdicts)
        first = np.flatnonzero(np.diff(number, prepend=-1))  # of the runs that follow one another with one verdict
        ends = np.append(runs.start[first[1:]], len(self))
        for start, end, which in zip(runs.start[first].tolist(), ends.tolist(), number[first].tolist(), strict=True):
            verdict = open_[which]
            if isinstance(verdict, bool):
                kept[start:end] = verdict
            else:
                kept[start:end] = verdict.mask(functools.partial(self._matching, slice(start, end)), end - start)
        return np.flatnonzero(kept)

    @overload
    def select(
        self,
        selector: Asked = ...,
        *,
        streaming: Literal[False] = ...,
        columns: Sequence[str] = ...,
        withheld: bool = ...,
        one_per: Literal["record", "image"] = ...,
        questions: Form = ...,
        seed: int = ...,
        **fields: Unpack[Fields],
    ) -> datasets.Dataset: ...
    @overload
    def select(
        self,
        selector: Asked = ...,
        *,
        streaming: Literal[True],
        columns: Sequence[str] = ...,
        withheld: bool = ...,
        one_per: Literal["record", "image"] = ...,
        questions: Form = ...,
        seed: int = ...,
        **fields: Unpack[Fields],
    ) -> datasets.IterableDataset: ...
    def select(
        self,
        selector: Asked = None,
        *,
        streaming: bool = False,
        columns: Sequence[str] = (),
        withheld: bool = False,
        one_per: Literal["record", "image"] = "record",
        questions: Form = "default",
        seed: int = SEED,
        **fields: Unpack[Fields],
    ) -> datasets.Dataset | datasets.IterableDataset:
        """The records that meet the conditions of :meth:`where`, as a plain ``datasets.Dataset``.

        Its ``info`` (license, citation, homepage, description) contains the terms of its sources, and is kept by
        ``map``, ``select`` and ``save_to_disk``. ``push_to_hub`` does not check whether images may be redistributed;
        ``med-mat push`` does.

        Args:
            selector: triplets and conditions, e.g. ``"CT/*/Cancer"``, or positions, whose order is kept unless
                ``streaming``: as for :meth:`where`.
            streaming: True returns an ``IterableDataset`` that reads only the row groups it needs, without a cache.
            columns: the columns to return; none means all. Streaming reads no others.
            withheld: as for :meth:`where`.
            one_per: "image" returns only the first of the records that share an image, such as those of a row of
                classes and a row of masks.
            questions, seed: The form of the questions and their random seed, as for :meth:`questions`.
            fields: further conditions by name, e.g. ``split="train"``: see :meth:`where`.

        Raises:
            VocabularyError: a word is neither in the vocabulary nor in this build, a column does not exist, or an
                argument has the wrong type: ``streaming="no"`` is refused.
        """
        names = [*columns] if isinstance(columns, Collection) and not isinstance(columns, str) else columns
        given = {"streaming": streaming, "one_per": one_per, "columns": names}
        strict.arguments(_SELECT, given, "A selection", error=VocabularyError)
        strict.refuse_unknown(columns, schema.features(), "A selection", "columns", error=VocabularyError)
        positions = self.where(selector, withheld=withheld, **fields)
        if one_per == "image":
            images, _ = encode(self.facts(positions, ("image_id",))["image_id"].dictionary_encode())
            positions = positions[np.sort(np.unique(images, return_index=True)[1])]
        if streaming:
            return self.stream(positions, columns, questions=questions, seed=seed)
        taken = self.take(positions, questions=questions, seed=seed)
        return taken.select_columns(list(columns)) if columns else taken

    def take(self, positions: Positions, *, questions: Form = "default", seed: int = SEED) -> datasets.Dataset:
        """The records at these positions of the index, in that order, memory-mapped.

        Args:
            positions: in the index, in any order.
            questions, seed: As for :meth:`questions`. The pixels are not copied.
        """
        import datasets

        self._prepare_images()
        file, position, names = self.places
        used, codes = np.unique(file[positions], return_inverse=True)
        if not len(used):
            features = datasets.Features.from_dict(schema.features())
            return datasets.Dataset.from_dict({name: [] for name in features}, features=features)
        parts = [self._shard(names[code]) for code in used]
        starts = np.concatenate(([0], np.cumsum([len(part) for part in parts])[:-1]))
        if self._view(questions, seed) is not None:
            asked = self.questions(positions, questions, seed)
            whole = shards.beside(parts, asked, codes, position[positions], f"{questions} {seed}")
        else:
            whole = datasets.concatenate_datasets(parts) if len(parts) > 1 else parts[0]
        return terms.put_terms(whole.select(starts[codes] + position[positions]), self.tags, positions)

    def stream(
        self, positions: Positions, columns: Sequence[str] = (), *, questions: Form = "default", seed: int = SEED
    ) -> datasets.IterableDataset:
        """The records at these positions, read lazily, in the order of the index.

        Args:
            positions: positions in the index, e.g. from :meth:`where`.
            columns: the columns to read; none means all.
            questions, seed: The form of the questions and their random seed, as for :meth:`questions`.
        """
        import datasets

        self._prepare_images()
        features = schema.features()
        found = datasets.IterableDataset.from_generator(
            shards.stream,
            features=datasets.Features.from_dict({name: features[name] for name in columns or features}),
            gen_kwargs=self._reading(np.unique(positions), columns, questions, seed),
        )
        return terms.put_terms(found, self.tags, positions)

    def read(
        self, positions: Positions, columns: Sequence[str] = (), *, questions: Form = "default", seed: int = SEED
    ) -> list[dict[str, Any]]:
        """The records at these positions of the index, in that order, as plain values; an image is bytes and a path.

        Reads only the row groups that contain them, without a copy on disk: suited to a few records.

        Args:
            positions: positions in the index, in any order.
            columns: the columns to read; none means all.
            questions, seed: The form of the questions and their random seed, as for :meth:`questions`.
        """
        self._prepare_images()
        once, back = np.unique(positions, return_inverse=True)
        found = list(shards.stream(**self._reading(once, columns, questions, seed)))
        return [found[place] for place in back.tolist()]

    def records(
        self, positions: Positions, *, questions: Form = "default", seed: int = SEED, shuffle: int | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """All columns of the records, those that only the index has included, one record at a time.

        Suited to going through many records once: row groups are read one after the other, without a copy on disk, and
        memory is bounded.

        Args:
            positions: positions in the index, all different.
            questions, seed: The form of the questions and their random seed, as for :meth:`questions`.
            shuffle: A random seed for the order of the records; None: the order of the index. More than 256 MB of
                records are shuffled by row groups first, and then within windows of that size.
        """
        self._prepare_images()
        once, tags = np.sort(positions), self.tags
        rank = None if shuffle is None else sampling.random_keys(tags, once, shuffle)
        view, why = self._view(questions, seed), self._column("withheld")
        pieces = self._pieces(once, rank)
        if view is not None:
            view.columns(np.unique(tags.row[once]).tolist())  # a card may be missing
        file, place, names = self.places
        for at, record in windows.records(self.location, pieces, view):
            record["label_set"] = tags.label_sets[tags.label[at]]
            record["group"], record["withheld"] = int(tags.group[at]), (*(why.names or ()), None)[why.values[at]]
            record["key"] = int(tags.key[at].view(np.int64))
            record["file"], record["position"] = names[file[at]], int(place[at])
            yield record

    def image_sizes(self, positions: Positions) -> npt.NDArray[np.float64]:
        """(n,) The approximate bytes of each record's image: the mean of its row group, which no image is read for.

        Args:
            positions: positions in the index, all different, in any order.
        """
        once = np.sort(positions)
        sizes = np.zeros(len(once))
        for at, mean in windows.image_sizes(self.location, self._pieces(once, None)):
            sizes[np.searchsorted(once, at)] = mean
        return sizes[np.argsort(np.argsort(positions))]

    def _pieces(self, once: Positions, rank: npt.NDArray[np.uint64] | None) -> list[windows.Piece]:
        """These records, ascending and unique, by the file that contains their pixels."""
        file, position, names = self.places
        keys = self.tags.key.view(np.int64)
        bounds = [*np.flatnonzero(np.diff(file[once], prepend=-1)).tolist(), len(once)]
        return [
            windows.Piece(
                names[file[once[low]]], position[once[low:high]], once[low:high], keys[once[low:high]],
                None if rank is None else rank[low:high],
            )
            for low, high in itertools.pairwise(bounds)
        ]  # fmt: skip

    def export(
        self,
        selector: Asked,
        out: str | os.PathLike[str],
        *,
        questions: Form = "default",
        format: str,  # noqa: A002 - reads well
        **settings: Any,
    ) -> exporting.Exported:
        """Export the selected records as files for another program, in the parts train, validation and test.

        Args:
            selector: As for :meth:`where`. Withheld records are in no part.
            out: The folder to write, as for :func:`med_mat.export.export`.
            questions: The form of the questions, as for :meth:`questions`.
            format: The name of a format.
            settings: As for :func:`med_mat.export.export`.

        Raises:
            VocabularyError: As for :meth:`where`.
            ExportError: As for :func:`med_mat.export.export`.
        """
        chosen = exporting.Selected(self, self.where(selector), exporting.Form(questions))
        return exporting.export(chosen, out, format=format, **settings)

    def questions(self, positions: Positions, form: Form = "default", seed: int = SEED) -> pa.Table:
        """The questions of these records, in that order: the columns of :data:`med_mat.schema.QUESTION_COLUMNS`.

        They are generated from the columns of the index, the cards of the rows, and the seed, without a build or an
        image. Questions of the form "default" with seed 0 are stored in the build, and are read from it.

        Args:
            positions: positions in the index, in any order.
            form: "default"; "row", with distractors from the row's own labels alone; or "paper", by upstream's own
                rules, where options of findings are the sets of labels that occur in the subset in this build.
            seed: random seed, an integer of any size.

        Raises:
            CardError: The card of a source is not installed.
            VocabularyError: The form is unknown, or the seed is not an integer.
        """
        view = self._view(form, seed)
        if view is None:
            return self.facts(positions, schema.QUESTION_COLUMNS)
        numbers = self.tags.row[positions]
        facts = self.facts(positions, view.columns(np.unique(numbers).tolist()))
        return view.ask(numbers.tolist(), self.tags.key[positions].view(np.int64).tolist(), facts)

    def facts(self, positions: Positions, columns: Sequence[str]) -> pa.Table:
        """Columns of the index for these records, in that order. Only the row groups that contain them are read.

        Args:
            positions: positions in the index, in any order.
            columns: columns of the index.
        """
        order = np.argsort(positions, kind="stable")
        ascending, start = positions[order], 0
        with reading(self.location, INDEX), parquet_file(self.location.index(columns)) as parquet:
            need(self.location, INDEX, parquet.schema_arrow, columns)
            found = [parquet.schema_arrow.empty_table().select(list(columns))]
            for group in range(parquet.num_row_groups):
                count = parquet.metadata.row_group(group).num_rows
                low, high = np.searchsorted(ascending, (start, start + count))
                if high > low:
                    part = parquet.read_row_group(group, columns=list(columns)).select(list(columns))
                    found.append(part.take(pa.array(ascending[low:high] - start)))
                start += count
        whole = pa.concat_tables(found)
        return whole if np.array_equal(ascending, positions) else whole.take(pa.array(np.argsort(order)))

    def _view(self, form: Form, seed: int) -> View | None:
        """The view that generates the questions of a form; None if the build stores them."""
        given = strict.arguments(_QUESTIONS, {"questions": form, "seed": seed}, "A selection", error=VocabularyError)
        if given == {"questions": "default", "seed": SEED}:
            return None
        known = (form, given["seed"])
        if known not in self._views:
            self._views[known] = View.of(self.tags, *known)
        return self._views[known]

    def _reading(self, once: Positions, columns: Sequence[str], questions: Form, seed: int) -> dict[str, Any]:
        """The arguments of :func:`med_mat.storage.shards.stream` for these positions, ascending and unique."""
        view = self._view(questions, seed)
        if view is not None:
            view.columns(np.unique(self.tags.row[once]).tolist())  # a card may be missing
        file, position, names = self.places
        stretches = np.split(once, np.flatnonzero(np.diff(file[once])) + 1) if len(once) else ()
        keys = self.tags.key.view(np.int64)
        pieces = [(names[file[one[0]]], position[one], keys[one]) for one in stretches]
        return {"location": self.location, "pieces": pieces, "columns": tuple(columns), "view": view}

    def _matching(self, places: slice, name: str, wanted: Any) -> npt.NDArray[np.bool_]:
        """Which of these records have one of the wanted values, or are within the wanted bounds."""
        if name == "label":
            having = np.array([not wanted.isdisjoint(labels) for labels in self.tags.labels], dtype=bool)
            return having[self.tags.label[places]]
        column = self._column(name)
        return FIELDS[name].matches(column.values[places], column.names or (), wanted)

    def _column(self, name: str) -> Narrow:
        """A column of the index, read once."""
        if name not in self._narrow:
            column = "attributes" if name in ATTRIBUTES else name
            found = read_index(self.location, (column,))[column]
            found = pc.struct_field(found, name) if name in ATTRIBUTES else found
            answer = name in FIELDS and FIELDS[name].type == "answer"
            self._narrow[name] = Narrow.stated(found) if answer else Narrow.of(found)
        return self._narrow[name]

    @functools.cached_property
    def places(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], tuple[str, ...]]:
        """The location of the pixels: for each record the number of its file and its row there; the file names."""
        table = read_index(self.location, ("file", "position"), read_dictionary=["file"])
        codes, names = encode(table["file"])
        return codes, table["position"].to_numpy(), names

    def _shard(self, name: str) -> datasets.Dataset:
        if name not in self._arrow:
            self._arrow[name] = copies.opened(self.location, name)
        return self._arrow[name]
