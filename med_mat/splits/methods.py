"""The experiments as methods of a built Med-MAT. Heavy modules are imported when a method is called."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from med_mat.dataset import MedMAT
    from med_mat.leakage.linked import Linked
    from med_mat.selection import Fields, Selector
    from med_mat.splits import Combination, Experiment
    from med_mat.splits.advice import Recommendation
    from med_mat.splits.own import Records


class Experiments:
    """What :class:`~med_mat.dataset.MedMAT` can split. Options are those of :class:`~med_mat.splits.Options`."""

    @property
    def _mat(self) -> MedMAT:
        return cast("MedMAT", self)

    @functools.cached_property
    def linked(self) -> Linked:
        """What is linked in this build, and what contradicts: see :class:`med_mat.leakage.linked.Linked`."""
        from med_mat.leakage import linked

        return linked.read(self._mat.location)

    def cite(self, selector: Selector = None, **fields: Unpack[Fields]) -> str:
        """The citations of the paper and of each source that has records in a selection, as BibTeX.

        Args:
            selector: as for :meth:`~med_mat.dataset.MedMAT.where`; None: all records.
            fields: as for :meth:`~med_mat.dataset.MedMAT.where`.

        Raises:
            VocabularyError: as for :meth:`~med_mat.dataset.MedMAT.where`.
        """
        from med_mat import terms

        return terms.bibtex(terms.of(self._mat.tags, self._mat.where(selector, **fields)))

    def related(self, target: Selector, **options: Any) -> Experiment:
        """Train on data that shares elements with the target: see :func:`med_mat.splits.arms.related`."""
        from med_mat.splits import arms

        return arms.related(self._mat, target, **options)

    def unrelated(self, target: Selector, **options: Any) -> Experiment:
        """Train on as much data that shares no element: see :func:`med_mat.splits.arms.unrelated`."""
        from med_mat.splits import arms

        return arms.unrelated(self._mat, target, **options)

    def all_related(self, target: Selector, **options: Any) -> Experiment:
        """Train on everything that shares an element: see :func:`med_mat.splits.arms.all_related`."""
        from med_mat.splits import arms

        return arms.all_related(self._mat, target, **options)

    def all_unrelated(self, target: Selector, **options: Any) -> Experiment:
        """Train on everything that shares no element: see :func:`med_mat.splits.arms.all_unrelated`."""
        from med_mat.splits import arms

        return arms.all_unrelated(self._mat, target, **options)

    def all_data(self, target: Selector, **options: Any) -> Experiment:
        """Train on everything but the target: see :func:`med_mat.splits.arms.all_data`."""
        from med_mat.splits import arms

        return arms.all_data(self._mat, target, **options)

    def without(self, target: Selector, axis: str, **options: Any) -> Experiment:
        """Related data without one of the target's elements: see :func:`med_mat.splits.arms.without`."""
        from med_mat.splits import arms

        return arms.without(self._mat, target, axis, **options)

    def disruption(self, target: Selector, **options: Any) -> dict[str, Experiment]:
        """The paper's six arms at one size: see :func:`med_mat.splits.arms.disruption`."""
        from med_mat.splits import arms

        return arms.disruption(self._mat, target, **options)

    def combinations(self, target: Selector, **options: Any) -> tuple[Combination, ...]:
        """Every way to compose the target from two or three parts: see :func:`med_mat.splits.arms.combinations`."""
        from med_mat.splits import arms

        return arms.combinations(self._mat, target, **options)

    def combination(self, target: Selector, parts: Sequence[Selector], **options: Any) -> Experiment:
        """Train on these parts alone: see :func:`med_mat.splits.arms.combination`."""
        from med_mat.splits import arms

        return arms.combination(self._mat, target, parts, **options)

    def held_out(self, target: Selector, **options: Any) -> Experiment:
        """Train on everything that does not hold the target: see :func:`med_mat.splits.arms.held_out`."""
        from med_mat.splits import arms

        return arms.held_out(self._mat, target, **options)

    def leave_one_out(
        self, over: Literal["triplet", "modality", "area", "task", "source"] = "triplet", **options: Any
    ) -> Iterator[Experiment]:
        """One experiment per triplet, word or source: see :func:`med_mat.splits.arms.leave_one_out`."""
        from med_mat.splits import arms

        return arms.leave_one_out(self._mat, over, **options)

    def leave_source_out(self, target: Selector, source: str, **options: Any) -> Experiment:
        """Test on one source, train on the others: see :func:`med_mat.splits.sources.leave_source_out`."""
        from med_mat.splits.sources import leave_source_out

        return leave_source_out(self._mat, target, source, **options)

    def folds(self, target: Selector, k: int = 5, **options: Any) -> list[Experiment]:
        """Test every record of the target once, by whole groups: see :func:`med_mat.splits.folds.folds`."""
        from med_mat.splits.folds import folds

        return folds(self._mat, target, k, **options)

    def split(self, *, train: Records, test: Records, **options: Any) -> Experiment:
        """Train and test on one's own lists of records: see :func:`med_mat.splits.own.split`."""
        from med_mat.splits.own import split

        return split(self._mat, train=train, test=test, **options)

    def limited(self, target: Selector, n: int, **options: Any) -> Experiment:
        """A little target data beside an arm: see :func:`med_mat.splits.arms.limited`."""
        from med_mat.splits import arms

        return arms.limited(self._mat, target, n, **options)

    def scaling(self, target: Selector, sizes: Sequence[int], **options: Any) -> list[Experiment]:
        """One arm at growing sizes: see :func:`med_mat.splits.arms.scaling`."""
        from med_mat.splits import arms

        return arms.scaling(self._mat, target, sizes, **options)

    def single_task(self, target: Selector, **options: Any) -> Experiment:
        """Train on the target itself: see :func:`med_mat.splits.arms.single_task`."""
        from med_mat.splits import arms

        return arms.single_task(self._mat, target, **options)

    def multi_task(self, target: Selector = None, **options: Any) -> Experiment:
        """Train on all in-distribution subsets: see :func:`med_mat.splits.arms.multi_task`."""
        from med_mat.splits import arms

        return arms.multi_task(self._mat, target, **options)

    def recommend(self, target: Selector, budget: int | None = None, **options: Any) -> Recommendation:
        """What to train on for a target: see :func:`med_mat.splits.advice.recommend`."""
        from med_mat.splits.advice import recommend

        return recommend(self._mat, target, budget, **options)

    def experiment(self, definition: Mapping[str, Any] | str | os.PathLike[str]) -> Experiment:
        """Make an experiment from its definition or its YAML or JSON: see :func:`med_mat.splits.file.experiment`."""
        from med_mat.splits.file import experiment

        return experiment(self._mat, definition)

    def load_split(self, path: str | os.PathLike[str]) -> Experiment:
        """Open a saved split, if the records are the same: see :func:`med_mat.splits.file.load`."""
        from med_mat.splits.file import load

        return load(self._mat, path)
