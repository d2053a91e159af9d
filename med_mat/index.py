"""What splits, plots and reports need of an opened Med-MAT: the tags of its records, and ways to look records up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        """The words of the build: ours, and those that the cards of its sources declare."""

    @property
    def silent(self) -> npt.NDArray[np.bool_]:
        """(n,) Whether a record has nothing to ask, by position."""

    def __len__(self) -> int: ...

    def selection(self, selector: Selector = None, /) -> Selection:
        """A selection, checked against the vocabulary of the build."""

    def where(self, selector: Selector = None, /) -> Positions:
        """The positions of the selected records, ascending."""

    def where_rows(self, rows: frozenset[int], selection: Selection, split: str | None = None) -> Positions:
        """The positions of the records of these rows that a selection keeps, ascending."""

    def facts(self, positions: Positions, columns: Sequence[str]) -> pa.Table:
        """Columns of the index for these records, in their order."""

    def questions(self, positions: Positions, form: Form = "default", /) -> pa.Table:
        """The question columns of these records, in their order."""

    def take(self, positions: Positions, *, questions: Form = "default") -> datasets.Dataset:
        """The records at these positions, in their order."""

    def experiment(self, definition: Mapping[str, Any], /) -> Any:
        """The :class:`~med_mat.splits.Experiment` of a definition."""
