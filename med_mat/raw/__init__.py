"""Reading raw data and writing miniatures of it: what loaders share. Importing it costs next to nothing."""

from med_mat.raw.boxes import coco, corners, number, polygons, voc_boxes
from med_mat.raw.folder import FileFacts, RawFolder, Volume
from med_mat.raw.labels import joined, multi_hot, one_hot
from med_mat.raw.miniature import Miniature
from med_mat.raw.names import natural
from med_mat.raw.shapes import SPLITS, class_folders, listed

__all__ = [
    "SPLITS",
    "FileFacts",
    "Miniature",
    "RawFolder",
    "Volume",
    "class_folders",
    "coco",
    "corners",
    "joined",
    "listed",
    "multi_hot",
    "natural",
    "number",
    "one_hot",
    "polygons",
    "voc_boxes",
]
