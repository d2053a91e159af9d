"""The dataset published by the authors of arXiv 2412.20070 (JSON with image paths), with images attached.

Their questions are kept as published, in separate columns next to ours.

- ``files``: reads their two JSON layouts into entries
- ``paths``: maps their paths to files of a source; ``images``: images of a build or of raw folders
- ``matching``: maps entries to records; ``labels``: splits captions into labels
- ``attaching``: entries with their records, as a ``datasets.Dataset`` or Parquet
- ``checking``: errors in their data; ``overlaps``: images shared by their held-out targets and training data
"""

from med_mat.official.attaching import FIELDS, attach, write
from med_mat.official.checking import FAULTS, Report, check
from med_mat.official.files import Entry, File, find_files
from med_mat.official.images import BuiltImages, RawImages
from med_mat.official.matching import Match, match
from med_mat.official.overlaps import SharedImages, overlaps

__all__ = [
    "FAULTS",
    "FIELDS",
    "BuiltImages",
    "Entry",
    "File",
    "Match",
    "RawImages",
    "Report",
    "SharedImages",
    "attach",
    "check",
    "find_files",
    "match",
    "overlaps",
    "write",
]
