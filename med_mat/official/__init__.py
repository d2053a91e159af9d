"""The data that the authors of arXiv 2412.20070 published, JSON with paths of images, with images attached.

Every question is kept as they wrote it, in columns of its own beside ours.

- ``files``: their two layouts -> entries
- ``paths``: their paths -> files of a source; ``images``: a build, or raw folders; ``matching``: entries -> records
- ``attaching``: entries with their records, as a ``datasets.Dataset`` or Parquet; ``labels``: captions -> labels
- ``checking``: what is wrong with their data; ``overlaps``: what their held-out targets share with training data
"""

from med_mat.official.attaching import FIELDS, attach, write
from med_mat.official.checking import FAULTS, Report, check
from med_mat.official.files import Entry, File, find_files
from med_mat.official.images import BuiltImages, RawImages
from med_mat.official.matching import Match, match
from med_mat.official.overlaps import Overlap, overlaps

__all__ = [
    "FAULTS",
    "FIELDS",
    "BuiltImages",
    "Entry",
    "File",
    "Match",
    "Overlap",
    "RawImages",
    "Report",
    "attach",
    "check",
    "find_files",
    "match",
    "overlaps",
    "write",
]
