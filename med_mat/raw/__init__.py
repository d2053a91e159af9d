"""The loader kit: reads raw folders, tables and annotation files, and writes miniatures. Cheap to import."""

from med_mat.mounts.base import FileFacts
from med_mat.raw.boxes import Place, corners, number, stated_size
from med_mat.raw.classes import SPLITS, class_folders
from med_mat.raw.documents import entries, named_entries
from med_mat.raw.folder import RawFolder, VolumeShape
from med_mat.raw.joins import listed, listed_or_skipped, listed_parts, lookup, matched, paired
from med_mat.raw.labels import joined, multi_hot, one_hot
from med_mat.raw.miniature import Miniature
from med_mat.raw.names import aligned, folded, in_stem, natural, numbered, spelling
from med_mat.raw.people import person, sex_and_age

__all__ = [
    "SPLITS",
    "FileFacts",
    "Miniature",
    "Place",
    "RawFolder",
    "VolumeShape",
    "aligned",
    "class_folders",
    "corners",
    "entries",
    "folded",
    "in_stem",
    "joined",
    "listed",
    "listed_or_skipped",
    "listed_parts",
    "lookup",
    "matched",
    "multi_hot",
    "named_entries",
    "natural",
    "number",
    "numbered",
    "one_hot",
    "paired",
    "person",
    "sex_and_age",
    "spelling",
    "stated_size",
]
