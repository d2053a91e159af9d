"""Map-style datasets for PyTorch: classification, detection and segmentation; unknown labels are not treated as absent.

::

    from torch.utils.data import DataLoader
    from med_mat.torch import Classification, collate

    train = Classification(experiment, "train", transform=transform)
    test = Classification(experiment, "test", transform=transform)       # the same classes, in the same order
    loader = DataLoader(train, batch_size=32, shuffle=True, num_workers=2, collate_fn=collate)

Images are decoded when they are read, upright, as RGB (or gray, by option). PyTorch is imported at first use.
Torchvision is not needed, but where it is installed, boxes, masks and images are its ``tv_tensors``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pyarrow.compute as pc

from med_mat import strict
from med_mat.errors import MissingExtraError, UsageError
from med_mat.export.labels import chosen, is_single, labels_of, labels_of_rows, multi_hot
from med_mat.export.objects import COLUMNS, Objects, boxed_labels, objects
from med_mat.imaging import label_maps
from med_mat.imaging.label_maps import Color
from med_mat.tags import Positions

if TYPE_CHECKING:
    from types import ModuleType

    from med_mat.index import Index, Parts

__all__ = ["Classification", "Detection", "Segmentation", "collate"]

Part = Literal["train", "validation", "test"]
#: Labels in their order; or those of the training part, or of all parts, sorted.
Classes = Sequence[str] | Literal["train", "all"]
PARTS = ("train", "validation", "test")
_LABELS = ("id", "row", "label", "labels", "labels_absent", "labels_unknown", "image")


class _Images:
    """Records of a part, read one by one or in batches. Pickles, so that workers may be spawned."""

    #: Columns that are read.
    _columns: tuple[str, ...] = ()

    def __init__(self, data: Parts | Index, part: Part | Positions, color: Color, kept: str | None = None) -> None:
        strict.arguments({"color": Color}, {"color": color}, type(self).__name__, error=UsageError)
        self._torch, self._color = torch(), color
        self._mat, self._parts = _parts(data, part)
        positions = self._parts[part] if isinstance(part, str) else self._parts["given"]
        if kept is not None:  # those that have a value in this column
            positions = positions[np.asarray(pc.is_valid(self._mat.facts(positions, (kept,))[kept]))]
        self.positions: Positions = positions

    def _open(self) -> None:
        """The last step of making: afterwards nothing of the build is kept but what workers need."""
        import datasets

        records = self._mat.take(self.positions).select_columns(list(self._columns))
        for name in {"image", "mask"} & {*self._columns}:
            records = records.cast_column(name, datasets.Image(decode=False))
        self._records = records
        del self._mat, self._parts, self._torch

    def _rows(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """Records by their places among the positions, read together."""
        columns = self._records[[int(place) for place in places]] if len(places) else {}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _image(self, record: Mapping[str, Any]) -> Any:
        return label_maps.upright(record["image"], record["id"], self._color)


class Classification(_Images):
    """Images with their class: an int, or a multi-hot vector where records have several labels.

    An item is ``(image, target)``. ``image`` is a Pillow image passed through ``transform``; without one, float32 of
    shape (3, height, width), or (1, height, width) in gray, from 0 to 1. ``target`` is the number of the class, -1 for
    a label that is not among the classes; or, with ``multi_label``, int8 of shape (classes,): 1 present, 0 absent, -1
    unknown.

    Attributes:
        classes: Labels in the order of their numbers.
        multi_label: Whether targets are vectors.
        positions: Of the items, in the index.
    """

    _columns = _LABELS

    def __init__(
        self,
        data: Parts | Index,
        part: Part | Positions = "train",
        *,
        classes: Classes = "train",
        multi_label: bool | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        color: Color = "RGB",
    ) -> None:
        """Prepare the records of a part.

        Args:
            data: An experiment, or anything with parts (:class:`med_mat.index.Parts`); or an opened Med-MAT.
            part: "train", "validation" or "test"; or positions in the index.
            classes: Labels in their order; "train" or "all": those of the training part, or of all parts, sorted. With
                positions of an opened Med-MAT, both are those of the positions.
            multi_label: Whether targets are vectors (default: if a record of any part has several labels).
            transform: Of the Pillow image.
            target_transform: Of the target.
            color: "RGB" or "L" (gray).

        Raises:
            MissingExtraError: PyTorch is not installed.
            UsageError: There is no such part, or it has no records.
            ExportError: A class is given twice, or no record has it.
        """
        super().__init__(data, part, color)
        every = np.concatenate(list(self._parts.values()))
        self.classes = _classes(classes, lambda one: labels_of(self._mat, one), self._parts)
        self.multi_label = not is_single(self._mat, every) if multi_label is None else multi_label
        self._of_row = labels_of_rows(self._mat, self.positions)
        self._transform, self._target_transform = transform, target_transform
        self._open()

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        """The items of a batch, which a ``DataLoader`` asks for."""
        return [self._item(record) for record in self._rows(indices)]

    def _item(self, record: Mapping[str, Any]) -> tuple[Any, Any]:
        image, target = self._image(record), self._target(record)
        shown = _tensor(image) if self._transform is None else self._transform(image)
        return shown, target if self._target_transform is None else self._target_transform(target)

    def _target(self, record: Mapping[str, Any]) -> Any:
        if self.multi_label:
            return torch().tensor(multi_hot(record, self.classes, self._of_row), dtype=torch().int8)
        return self.classes.index(record["label"]) if record["label"] in self.classes else -1


class _Annotated(_Images):
    """Images with what is annotated in them; the records of one image are one item."""

    def __init__(
        self,
        data: Parts | Index,
        part: Part | Positions,
        classes: Classes,
        transforms: Callable[[Any, Any], Any] | None,
        color: Color,
        kept: str,
    ) -> None:
        super().__init__(data, part, color, kept)
        self.classes = _classes(classes, lambda one: _boxed(self._mat, one), self._parts)
        self._boxed = boxed_labels(self._mat, np.unique(self._mat.tags.row[self.positions]).tolist())
        self._transforms = transforms
        if len(self.positions):
            names = self._mat.facts(self.positions, ("image_id",))["image_id"].combine_chunks().dictionary_encode()
            codes = np.asarray(names.indices)  # in the order in which images appear
            self._order = np.argsort(codes, kind="stable")
            self._start = np.searchsorted(codes[self._order], np.arange(len(names.dictionary) + 1))
        else:
            self._order, self._start = np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
        self._open()

    def __len__(self) -> int:
        return len(self._start) - 1

    def _read(self, index: int) -> tuple[list[dict[str, Any]], Objects]:
        """The records of an item, and what they say together."""
        place = range(len(self))[int(index)]
        places = self._order[self._start[place] : self._start[place + 1]].tolist()
        records = self._rows(places)
        found = objects(records[0], self._boxed)
        for other in records[1:]:
            found |= objects(other, self._boxed)
        return records, found

    def _done(self, image: Any, target: Any) -> tuple[Any, Any]:
        return (image, target) if self._transforms is None else self._transforms(image, target)


class Detection(_Annotated):
    """Images with boxes, as torchvision's detectors take them; records that are not annotated with boxes are left out.

    An item is ``(image, target)``: the image as float32 of shape (3, height, width) from 0 to 1, and a dict of

    - ``boxes``: float32 (n, 4), xmin, ymin, xmax, ymax in pixels of the upright image, origin at its top left corner
    - ``labels``: int64 (n,), the number of the class in ``classes``, from 1: 0 is the background
    - ``masks``: bool (n, height, width), if asked for: the pixels of each box that its label covers
    - ``area``: float32 (n,), in square pixels; ``iscrowd``: int64 (n,), 0
    - ``image_id``: int, the number of the item; ``id``: the id of the (first) record
    - ``annotated``: bool (classes,), whether all objects of the class are annotated, whether or not there are any:
      where it is false, an image without a box of the class is not a negative

    Boxes of labels that are not among the classes are left out. Exact duplicates count once.

    Attributes:
        classes: Labels; the first has the number 1.
        positions: Of the records, in the index.
    """

    _columns = ("id", *COLUMNS, "image", "mask", "mask_legend")

    def __init__(
        self,
        data: Parts | Index,
        part: Part | Positions = "train",
        *,
        classes: Classes = "train",
        masks: bool = False,
        transforms: Callable[[Any, Any], Any] | None = None,
        color: Color = "RGB",
    ) -> None:
        """Prepare the records of a part.

        Args:
            data, part, classes, color: As for :class:`Classification`; the classes are labels of boxes.
            masks: Whether to return masks; records that have none are left out.
            transforms: Of image and target together, e.g. of ``torchvision.transforms.v2``.

        Raises:
            MissingExtraError, UsageError, ExportError: As for :class:`Classification`.
        """
        self._masks = masks
        super().__init__(data, part, classes, transforms, color, "mask_legend" if masks else "boxes")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from med_mat.export.merged import joined, part_of

        module = torch()
        records, found = self._read(index)
        image = self._image(records[0])
        known = {label: number for number, label in enumerate(self.classes, 1)}
        boxes = [one for one in found.boxes if one.label in known]
        corners = module.tensor([one.corners for one in boxes], dtype=module.float32).reshape(-1, 4)
        target = {
            "boxes": _boxes(corners, image.size),
            "labels": module.tensor([known[one.label] for one in boxes], dtype=module.int64),
            "area": (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1]),
            "iscrowd": module.zeros(len(boxes), dtype=module.int64),
            "image_id": range(len(self))[int(index)],
            "id": records[0]["id"],
            "annotated": module.tensor([one in found.complete for one in self.classes], dtype=module.bool),
        }
        if self._masks:
            regions = joined((one["mask"], one["mask_legend"], one["id"]) for one in records)
            nothing = np.zeros((image.height, image.width), dtype=np.bool_)
            drawn = [part_of(regions.get(one.label, nothing), one, found.boxes) for one in boxes]
            stacked = np.stack(drawn) if drawn else np.zeros((0, image.height, image.width), dtype=np.bool_)
            target["masks"] = _mask(module.from_numpy(stacked))
        return self._done(_image(_tensor(image)), target)


class Segmentation(_Annotated):
    """Images with a mask for each class; records without masks are left out.

    An item is ``(image, mask)``: the image as float32 of shape (3, height, width) from 0 to 1, and int8 of shape
    (classes, height, width): 1 where the label covers a pixel, 0 where it does not, and -1 where that is not known,
    since the class is not, or not completely, annotated in the image. Classes may overlap.

    Attributes:
        classes: Labels in the order of the channels.
        positions: Of the records, in the index.
    """

    _columns = ("id", *COLUMNS, "image", "mask", "mask_legend")

    def __init__(
        self,
        data: Parts | Index,
        part: Part | Positions = "train",
        *,
        classes: Classes = "train",
        transforms: Callable[[Any, Any], Any] | None = None,
        color: Color = "RGB",
    ) -> None:
        """Prepare the records of a part.

        Args:
            data, part, classes, color: As for :class:`Classification`; the classes are labels of masks.
            transforms: Of image and mask together, e.g. of ``torchvision.transforms.v2``.

        Raises:
            MissingExtraError, UsageError, ExportError: As for :class:`Classification`.
        """
        super().__init__(data, part, classes, transforms, color, "mask_legend")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from med_mat.export.merged import joined

        records, found = self._read(index)
        image = self._image(records[0])
        regions = joined((one["mask"], one["mask_legend"], one["id"]) for one in records)
        drawn = np.empty((len(self.classes), image.height, image.width), dtype=np.int8)
        for number, label in enumerate(self.classes):
            drawn[number] = 0 if label in found.complete else -1
            if label in regions:
                drawn[number][regions[label]] = 1
        return self._done(_image(_tensor(image)), _mask(torch().from_numpy(drawn)))


def collate(batch: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """A batch of items, for ``DataLoader(collate_fn=collate)``, with workers of either kind.

    Args:
        batch: Items ``(image, target)``.

    Returns:
        Images and targets: tensors of one shape are stacked and numbers become a tensor; images of different sizes,
        dicts, None and everything else remain a list.
    """
    images, targets = zip(*batch, strict=True)
    return _together(list(images)), _together(list(targets))


def _together(values: list[Any]) -> Any:
    module = torch()
    if all(isinstance(one, module.Tensor) for one in values) and len({(one.shape, one.dtype) for one in values}) == 1:
        if module.utils.data.get_worker_info() is None or type(values[0]) is not module.Tensor:
            return module.stack(values)
        # in memory that the main process shares: a batch is not copied once more to get there
        shape = (len(values), *values[0].shape)
        shared = values[0].untyped_storage()._new_shared(len(values) * values[0].nbytes, device="cpu")
        batch = module.empty(0, dtype=values[0].dtype).set_(shared, 0, shape)
        return module.stack(values, out=batch)
    if all(isinstance(one, int | float) for one in values):
        return module.tensor(values)
    return values


def torch() -> ModuleType:
    """PyTorch.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("med_mat.torch needs PyTorch: pip install torch.") from error
    return cast("ModuleType", torch)


def _tensor(image: Any) -> Any:
    """A Pillow image as float32 of shape (channels, height, width), from 0 to 1."""
    channels = image.split()
    values = np.empty((len(channels), image.height, image.width), np.float32)
    for plane, channel in zip(values, channels, strict=True):  # by plane: several times as fast as turning the axes
        np.divide(np.asarray(channel), np.float32(255), out=plane)
    return torch().from_numpy(values)


def _tv() -> ModuleType | None:
    """``torchvision.tv_tensors``; None if torchvision is not installed, or is of another build than PyTorch."""
    try:
        from torchvision import tv_tensors
    except (ImportError, RuntimeError):
        return None
    return cast("ModuleType", tv_tensors)


def _image(pixels: Any) -> Any:
    tv = _tv()
    return pixels if tv is None else tv.Image(pixels)


def _mask(pixels: Any) -> Any:
    tv = _tv()
    return pixels if tv is None else tv.Mask(pixels)


def _boxes(corners: Any, size: tuple[int, int]) -> Any:
    tv = _tv()
    if tv is None:
        return corners
    return tv.BoundingBoxes(corners, format="XYXY", canvas_size=(size[1], size[0]))


def _parts(data: Any, part: Any) -> tuple[Index, dict[str, Positions]]:
    """The build, and the positions of each part; those that were given are the part "given"."""
    is_build = hasattr(data, "tags")
    if not is_build and not all(hasattr(data, f"{name}_positions") for name in PARTS):
        raise UsageError(f"A dataset for PyTorch is made from an experiment or an opened Med-MAT, not from {data!r}.")
    found = {} if is_build else {name: np.asarray(getattr(data, f"{name}_positions")) for name in PARTS}
    if isinstance(part, str):
        if part not in found:
            known = "positions in its index" if is_build else f"one of {', '.join(PARTS)}"
            raise UsageError(f"There is no part {part!r} of {data!r}: give {known}.")
        if not len(found[part]):
            raise UsageError(f"The part {part!r} of {data!r} has no records.")
    else:
        positions = np.asarray(part)
        if positions.ndim != 1 or (len(positions) and positions.dtype.kind not in "iu"):
            raise UsageError("Positions in the index are a list or an array of integers.")
        found["given"] = positions.astype(np.int64)
    return data if is_build else data.mat, found


def _classes(
    wanted: Classes, known: Callable[[Positions], Sequence[str]], parts: Mapping[str, Positions]
) -> tuple[str, ...]:
    every = known(np.concatenate(list(parts.values())))
    if isinstance(wanted, str):
        if wanted not in ("train", "all"):
            raise UsageError(f'classes are "train", "all" or a list of labels, not {wanted!r}.')
        return tuple(known(parts["train"])) if wanted == "train" and "train" in parts else tuple(every)
    return chosen(tuple(wanted), every)


def _boxed(mat: Index, positions: Positions) -> list[str]:
    """The labels of the boxes of records, sorted."""
    boxes = mat.facts(positions, ("boxes",))["boxes"]
    return sorted(set(_labels(boxes)))


def _labels(boxes: Any) -> Iterator[str]:
    for chunk in boxes.chunks:
        yield from pc.unique(pc.fill_null(pc.struct_field(pc.list_flatten(chunk), "label"), "object")).to_pylist()
