"""Reading raw data and writing miniatures of it: what loaders share. Importing it costs next to nothing."""

from med_mat.raw.boxes import coco, corners, number, polygons, voc_boxes
from med_mat.raw.folder import FileFacts, RawFolder, Volume
from med_mat.raw.labels import joined, multi_hot, one_hot
from med_mat.raw.miniature import Miniature
from med_mat.raw.names import natural

__all__ = [
    "FileFacts",
    "Miniature",
    "RawFolder",
    "Volume",
    "coco",
    "corners",
    "joined",
    "multi_hot",
    "natural",
    "number",
    "one_hot",
    "polygons",
    "voc_boxes",
]
