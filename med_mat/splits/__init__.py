"""Compositional generalization (CG) experiments: which records to train on for a target, and the proof.

The rules are those of arXiv 2412.20070, section 4: related data shares elements with the target and together holds
every one of them; unrelated data shares none; the target's own triplet is never in train; compared arms have the same
size. Whole groups (same patient, same picture, near-duplicate, over all sources) stay on one side.

- ``reading``: which triplets a row stands for, and which elements these hold
- ``combinations``: the ways to compose a target from others
- ``arms``: the experiments by name
- ``options``: what an experiment can be told
- ``study``: from rows to positions in the index; ``draw``: seeded, balanced sampling
- ``audit``: the proof; ``composition``: what arms ask, side by side
- ``sources``: one source left out; ``folds``: k folds by group; ``own``: own lists; ``repeated``: other seeds
- ``divide``: parts of whole groups; ``validation``: what is set apart from train
- ``advice``: what to train on; ``file``: splits on disk; ``ids``: records by their ids
"""

from med_mat.splits.audit import Audit
from med_mat.splits.combinations import Combination
from med_mat.splits.composition import compare
from med_mat.splits.experiment import Experiment
from med_mat.splits.options import Options
from med_mat.splits.repeated import Overlap, overlap

__all__ = ["Audit", "Combination", "Experiment", "Options", "Overlap", "compare", "overlap"]
