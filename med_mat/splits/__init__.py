"""Compositional generalization (CG) experiments: which records to train on for a target, and the audit of that choice.

The rules are those of arXiv 2412.20070, section 4. Related data shares elements with the target and together covers all
of them; unrelated data shares none; the target's own triplet is never in train; arms that are compared have the same
size. Whole groups (same patient, same image, near-duplicates, across all sources) stay on one side.

- ``interpretation``: the triplets that a row stands for, and their elements
- ``combinations``: the ways to compose a target from other triplets
- ``kinds``: the experiments, one decorated function each; ``registry``: their names, parameters and options
- ``options``: the options of all experiments; ``study``: from rows to positions in the index
- ``sampling``: seeded, balanced sampling; ``divide``: parts by whole groups; ``validation``: the validation part
- ``split``: the records of a split; ``result``: a split that can be audited, saved, cited and repeated
- ``audit``: checks of a split; ``composition``: what arms ask, side by side; ``overlaps``: records in common
- ``saving``, ``loading``: split files and definitions; ``ids``: records by their ids; ``advice``: what to train on
"""

from med_mat.index import Index
from med_mat.splits.audit import Audit
from med_mat.splits.combinations import Combination
from med_mat.splits.composition import compare
from med_mat.splits.options import ExperimentOptions, Options, Rule
from med_mat.splits.overlaps import Overlap, overlap
from med_mat.splits.registry import experiment, experiments
from med_mat.splits.result import Experiment
from med_mat.splits.study import Study

__all__ = [
    "Audit",
    "Combination",
    "Experiment",
    "ExperimentOptions",
    "Index",
    "Options",
    "Overlap",
    "Rule",
    "Study",
    "compare",
    "experiment",
    "experiments",
    "overlap",
]
