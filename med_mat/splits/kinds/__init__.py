"""The experiments, each a decorated function: see :mod:`med_mat.splits.registry`.

All take the index of an opened Med-MAT, a target, and the options of :class:`~med_mat.splits.Options`. A target is a
triplet (``"CT/Lung/Cancer"``), a pattern, or a selection of rows (``"CT/Lung/State & subset=3"``).
All raise :class:`~med_mat.errors.SplitError` if the build has no test record of the target, lacks one of its elements
(the message names the sources that provide it), or has fewer training records than ``size``.
"""

from med_mat.splits.kinds import arms, combination, folds, grid, held_out, limited, lists, sources, tasks

__all__ = ["arms", "combination", "folds", "grid", "held_out", "limited", "lists", "sources", "tasks"]
