"""What is annotated with boxes in an image, and which classes are not: a class that was not annotated is not absent.

For each class, an image is one of four:

- it has boxes of the class;
- *absent*: it is annotated with boxes, and the class is stated to be absent, or is one of those that boxes of its row
  have;
- *unsure*: stated as unknown, or as present without a box: further objects may be there;
- not annotated: its row does not have the class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from med_mat.errors import ExportError
from med_mat.schema import LABEL_SEPARATOR
from med_mat.tags import Positions

if TYPE_CHECKING:
    from med_mat.index import Index

#: Why an image is left out of formats that cannot say that a class is not annotated.
PARTIAL = (
    "some classes are not annotated in its image (choose classes=…, or partial=True to have them taken for absent)"
)
#: Why an image is left out where it has none of the classes that were chosen.
OTHER = "none of the chosen classes is annotated in its image"
#: Columns of the index that this module needs of a record.
COLUMNS = ("image_id", "row", "boxes", "labels", "labels_absent", "labels_unknown")
_SLICE = 10_000  # records


@dataclass(frozen=True, slots=True)
class Object:
    """A box: corners in pixels of the displayed image, origin at its top left corner, xmax and ymax exclusive."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float
    label: str

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """xmin, ymin, xmax, ymax."""
        return self.xmin, self.ymin, self.xmax, self.ymax


@dataclass(frozen=True, slots=True)
class Objects:
    """What is annotated in an image; exact duplicates of box and label count once."""

    boxes: tuple[Object, ...]
    absent: frozenset[str]
    unsure: frozenset[str]

    @property
    def labels(self) -> frozenset[str]:
        """Those of the boxes."""
        return frozenset(one.label for one in self.boxes)

    @property
    def complete(self) -> frozenset[str]:
        """The classes whose objects are all annotated, whether or not there are any."""
        return (self.labels | self.absent) - self.unsure

    def __or__(self, other: Objects) -> Objects:
        """The annotations of two records of one image, combined."""
        boxes = tuple(dict.fromkeys((*self.boxes, *other.boxes)))
        unsure = self.unsure | other.unsure
        return Objects(boxes, (self.absent | other.absent) - {one.label for one in boxes} - unsure, unsure)


def objects(facts: Mapping[str, Any], boxed: Mapping[int, frozenset[str]]) -> Objects:
    """The objects that a record states in its image.

    Args:
        facts: Its columns (:data:`COLUMNS`).
        boxed: The labels of the boxes of each row: see :func:`boxed_labels`.
    """
    if facts["boxes"] is None:
        return Objects((), frozenset(), frozenset(facts["labels"] or ()) | frozenset(facts["labels_unknown"] or ()))
    boxes = tuple(
        dict.fromkeys(
            Object(one["xmin"], one["ymin"], one["xmax"], one["ymax"], one["label"] or "object")
            for one in facts["boxes"]
        )
    )
    found = {one.label for one in boxes}
    unsure = frozenset(facts["labels_unknown"] or ()) | (frozenset(facts["labels"] or ()) - found)
    absent = frozenset(facts["labels_absent"] or ()) | boxed.get(facts["row"], frozenset())
    return Objects(boxes, absent - found - unsure, unsure)


def boxed_labels(mat: Index, rows: Iterable[int]) -> dict[int, frozenset[str]]:
    """The labels that the boxes of rows have anywhere in a build: those that are looked for in each of their images.

    Args:
        mat: The build.
        rows: Numbers of rows.
    """
    wanted = np.array(sorted(rows), dtype=np.int64)
    facts = mat.facts(np.flatnonzero(np.isin(mat.tags.row, wanted)), ("row", "boxes"))
    boxes = facts["boxes"].combine_chunks()
    parents = np.asarray(pc.list_parent_indices(boxes)) if len(boxes) else np.zeros(0, dtype=np.int64)
    labels = pc.fill_null(pc.struct_field(pc.list_flatten(boxes), "label"), "object").dictionary_encode()
    codes, names = np.asarray(labels.indices), labels.dictionary.to_pylist()
    numbers = np.asarray(facts["row"].combine_chunks())[parents]
    found: dict[int, set[str]] = {int(row): set() for row in wanted}
    if len(codes):
        for row, code in np.unique(np.stack((numbers, codes)), axis=1).T.tolist():
            found[row].add(names[code])
    return {row: frozenset(labels_) for row, labels_ in found.items()}


@dataclass(frozen=True)
class Survey:
    """What an export knows of its images before it reads them: classes, and which records share an image.

    ``classes`` are in the order of their ids: as given, else all labels of boxes in all parts, sorted.
    """

    classes: tuple[str, ...]
    boxed: Mapping[int, frozenset[str]]
    shared: Mapping[str, Objects]  # image_id -> what its records say together, where there are several

    def of(self, facts: Mapping[str, Any]) -> Objects:
        """What is annotated in the image of a record."""
        return self.shared.get(facts["image_id"]) or objects(facts, self.boxed)

    def refused(self, found: Objects, *, partial: bool) -> str | None:
        """Why an image is left out; None if it is not.

        Args:
            found: What is annotated in it.
            partial: Whether it may have classes that are not annotated.
        """
        known = found.complete.union(found.labels)
        if not any(one in known for one in self.classes):
            return OTHER if self.classes else None
        return None if partial or all(one in found.complete for one in self.classes) else PARTIAL

    def boxes(self, found: Objects) -> list[tuple[int, Object]]:
        """The boxes of the classes, each with the position of its class."""
        place = {label: number for number, label in enumerate(self.classes)}
        return [(place[one.label], one) for one in found.boxes if one.label in place]


def survey(mat: Index, positions: Mapping[str, Positions], classes: tuple[str, ...] = ()) -> Survey:
    """Prepare an export of boxes or masks.

    Args:
        mat: The build.
        positions: Of each part.
        classes: Labels in the order of their ids; default: all labels of boxes in these parts, sorted.

    Raises:
        ExportError: A class is given twice, or no box has it.
    """
    every = np.concatenate([np.zeros(0, dtype=np.int64), *positions.values()])
    boxed = boxed_labels(mat, np.unique(mat.tags.row[every]).tolist())
    known: set[str] = set()
    count: Counter[str] = Counter()
    for part in positions.values():
        for low in range(0, len(part), _SLICE):
            facts = mat.facts(part[low : low + _SLICE], ("image_id", "boxes"))
            boxes = facts["boxes"].combine_chunks()
            count.update(facts["image_id"].filter(boxes.is_valid()).to_pylist())
            labels = pc.unique(pc.fill_null(pc.struct_field(pc.list_flatten(boxes), "label"), "object"))
            known.update(labels.to_pylist())
    several = {image for image, number in count.items() if number > 1}
    shared: dict[str, Objects] = {}
    for part in positions.values():
        for low in range(0, len(part), _SLICE) if several else ():
            for one in mat.facts(part[low : low + _SLICE], COLUMNS).to_pylist():
                if one["image_id"] in several and one["boxes"] is not None:
                    said, before = objects(one, boxed), shared.get(one["image_id"])
                    shared[one["image_id"]] = said if before is None else before | said
    return Survey(_chosen(classes, known), boxed, shared)


def _chosen(classes: tuple[str, ...], known: set[str]) -> tuple[str, ...]:
    if len(set(classes)) < len(classes):
        raise ExportError(f"classes of an export must be different, not {LABEL_SEPARATOR.join(classes)}.")
    if strange := [one for one in classes if one not in known]:
        listed = LABEL_SEPARATOR.join(sorted(known)) or "none"
        raise ExportError(f"No box of this split has the label {strange[0]!r}. It has: {listed}.")
    return classes or tuple(sorted(known))
