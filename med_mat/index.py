"""The interface of an opened Med-MAT for splits, plots and reports: the tags of its records, and lookups."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from med_mat.selection import Selection, Selector
from med_mat.tags import Positions, Tags

if TYPE_CHECKING:
    import datasets
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from med_mat.leakage.linked import Linked
    from med_mat.questions import Form
    from med_mat.storage.location import Location
    from med_mat.vocabulary import Vocabulary


class Index(Protocol):
    """The index of a built Med-MAT. :func:`med_mat.open` returns an object that provides it.

    Positions are row numbers of ``index.parquet``, from 0.
    """

    tags: Tags
    manifest: Mapping[str, Any]
    location: Location

    @property
    def linked(self) -> Linked:
        """The duplicate links of the build, and the images whose labels contradict each other."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of Med-MAT, plus the words that the cards of the build's sources declare."""

    @property
    def silent(self) -> npt.NDArray[np.bool_]:
        """(n,) bool, by position: whether the record has no question."""

    def __len__(self) -> int: ...

    def selection(self, selector: Selector = None, /) -> Selection:
        """A selection, checked against the vocabulary of the build."""

    def where(self, selector: Selector = None, /) -> Positions:
        """The positions of the selected records, ascending."""

    def where_rows(self, rows: frozenset[int], selection: Selection, split: str | None = None) -> Positions:
        """The positions of the records of these rows that match a selection, ascending."""

    def facts(self, positions: Positions, columns: Sequence[str]) -> pa.Table:
        """Columns of the index for these records, in their order."""

    def questions(self, positions: Positions, form: Form = "default", /) -> pa.Table:
        """The question columns of these records, in their order."""

    def records(
        self, positions: Positions, *, questions: Form = "default", shuffle: int | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """All columns of these records, one record at a time."""

    def image_sizes(self, positions: Positions) -> npt.NDArray[np.float64]:
        """The approximate bytes of the images of these records, in their order."""

    def take(self, positions: Positions, *, questions: Form = "default") -> datasets.Dataset:
        """The records at these positions, in their order."""

    def experiment(self, definition: Mapping[str, Any], /) -> Any:
        """The :class:`~med_mat.splits.Experiment` of a definition."""


class Asked(Protocol):
    """The form of the questions of an experiment."""

    @property
    def questions(self) -> Form:
        """As for :meth:`med_mat.MedMAT.questions`."""


class Parts(Protocol):
    """An experiment, or any other division of records into parts, given by their positions in the index."""

    @property
    def mat(self) -> Index:
        """The build."""

    @property
    def train_positions(self) -> Positions:
        """The training records."""

    @property
    def validation_positions(self) -> Positions:
        """The records set apart from them for choosing a model."""

    @property
    def test_positions(self) -> Positions:
        """The test records."""

    @property
    def fingerprint(self) -> str:
        """Identifies the records of each part."""

    @property
    def definition(self) -> Mapping[str, Any]:
        """What makes it again."""

    @property
    def options(self) -> Asked:
        """Its options."""
