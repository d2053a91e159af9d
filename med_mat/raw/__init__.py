"""Reading raw data and writing miniatures of it: what loaders share. Importing it costs next to nothing."""

from med_mat.raw.boxes import Place, coco, corners, number, polygons, stated_size, voc_boxes
from med_mat.raw.documents import entries, named_entries
from med_mat.raw.folder import FileFacts, RawFolder, VolumeShape
from med_mat.raw.labels import NIH_FINDINGS, joined, multi_hot, one_hot
from med_mat.raw.miniature import Miniature
from med_mat.raw.names import aligned, folded, in_stem, kermany_patient, natural, numbered, spelling
from med_mat.raw.pairs import matched, paired
from med_mat.raw.parts import listed_or_skipped, lookup
from med_mat.raw.people import person, sex_and_age
from med_mat.raw.shapes import SPLITS, class_folders, listed, listed_parts

__all__ = [
    "NIH_FINDINGS",
    "SPLITS",
    "FileFacts",
    "Miniature",
    "Place",
    "RawFolder",
    "VolumeShape",
    "aligned",
    "class_folders",
    "coco",
    "corners",
    "entries",
    "folded",
    "in_stem",
    "joined",
    "kermany_patient",
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
    "polygons",
    "sex_and_age",
    "spelling",
    "stated_size",
    "voc_boxes",
]
