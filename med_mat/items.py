"""One source read from its publisher's files without a build: images, labels, boxes and masks, one by one."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from med_mat.catalog import Source, load
from med_mat.errors import MedMATError, ReadError
from med_mat.selection import MAT

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from med_mat.building.outcomes import OnError, Skip
    from med_mat.imaging.decoding import Check
    from med_mat.mounts.choice import Place
    from med_mat.raw import RawFolder


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One image under one task, as a build would record it.

    ``record`` has the columns of :mod:`med_mat.schema` but for those that a build of several sources adds (such as
    ``group``); the properties give the most used of them.
    """

    record: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Item({self.id!r}, {self.mat}, labels={self.labels})"

    @property
    def id(self) -> str:
        """Stable id: source, row, and the name inside the source."""
        return str(self.record["id"])

    @property
    def row(self) -> int:
        """Number of the row that it belongs to."""
        return int(self.record["row"])

    @property
    def mat(self) -> MAT:
        """Its triplet."""
        return MAT(self.record["modality"], self.record["area"], self.record["task"])

    @property
    def image(self) -> Image:
        """The image, decoded at each call, in the orientation in which it is displayed."""
        from PIL import Image, ImageOps

        with Image.open(io.BytesIO(self.record["image"]["bytes"])) as image:
            return ImageOps.exif_transpose(image)

    @property
    def label(self) -> str | None:
        """The human label of a row of classes or grades; None in rows of other kinds."""
        label: str | None = self.record["label"]
        return label

    @property
    def labels(self) -> list[str]:
        """The human labels that are present. Those that are absent and unknown are in ``record``."""
        return list(self.record["labels"])

    @property
    def boxes(self) -> list[dict[str, Any]] | None:
        """Boxes with xmin, ymin, xmax, ymax (pixels of ``image``, origin top left) and label; None: not annotated."""
        boxes: list[dict[str, Any]] | None = self.record["boxes"]
        return boxes

    @property
    def masks(self) -> dict[str, NDArray[Any]] | None:
        """Human label -> mask of ``image``: bool, height x width. None: not annotated, or nothing could be drawn."""
        import numpy as np
        from PIL import Image

        if self.record["mask"] is None:
            return None
        with Image.open(io.BytesIO(self.record["mask"]["bytes"])) as file:
            values = np.asarray(file)
        marked: dict[str, list[int]] = {}
        for entry in self.record["mask_legend"]:
            for label in entry["labels"]:
                marked.setdefault(label, []).append(entry["value"])
        return {label: np.isin(values, numbers) for label, numbers in marked.items()}

    @property
    def patient(self) -> int | None:
        """Number of the patient within the source, in order of first appearance; None: not published."""
        patient: int | None = self.record["patient"]
        return patient

    @property
    def published_split(self) -> str | None:
        """train, validation or test, as the publisher divides the source; None: it does not."""
        split: str | None = self.record["published_split"]
        return split


@dataclass(eq=False)
class Items:
    """The items of one source, read anew at each iteration, in the loader's order; memory holds one image at a time.

    What could not be read is named, as in the ledger of a build: ``skipped`` (with ``id``, ``path`` and ``reason``),
    and of the files ``missing`` and ``faults``. All are complete after an iteration that ran to its end.
    """

    source: Source
    folder: RawFolder
    check: Check = "decode"
    on_error: OnError = "skip"
    skipped: list[Skip] = field(default_factory=list, repr=False)

    @property
    def missing(self) -> Mapping[str, str]:
        """Image that is not in the folder -> the table that names it."""
        return self.folder.missing

    @property
    def faults(self) -> Mapping[str, str]:
        """File and line of a row of a table that could not be read -> why."""
        return self.folder.faults

    def __repr__(self) -> str:
        return f"Items({self.source.name!r}, {str(self.folder.root)!r})"

    def __iter__(self) -> Iterator[Item]:
        """With ``on_error="raise"``, the first image that has no record raises a ReadError."""
        from med_mat.building import faults, plan
        from med_mat.building.loader import examples_of
        from med_mat.building.outcomes import Setting, Skip, outcomes
        from med_mat.building.record import rows_served
        from med_mat.imaging.decoding import FileCache
        from med_mat.limits import MAX_FILE
        from med_mat.questions import Questioner

        catalog, cache = load(), FileCache()
        subsets = {row.subset for row in self.source.rows}
        questioner = Questioner([row for row in catalog.rows if row.subset in subsets])
        setting = Setting(
            self.folder.mount, Path(), self.source, questioner, self.check, self.on_error, max_file=MAX_FILE
        )
        examples = examples_of(self.source)
        found = plan.survey(self.source, self.folder, examples, seed=0)
        refused = plan.Refused()
        self.skipped = []
        for chunk in plan.chunks(self.source, self.folder, examples, found, refused):
            for example, placed in chunk.examples:
                try:
                    made = list(outcomes(example, placed, setting, cache, {}))
                except MedMATError:
                    raise
                except Exception as error:  # a decoder fails on a hostile file: it costs its own records alone
                    reason = faults.of_file(example, error)
                    rows = rows_served(example, self.source.rows)
                    made = [
                        Skip(f"{row.source}/{row.number}/{example.name}", str(example.path), reason) for row in rows
                    ]
                for outcome in made:
                    if not isinstance(outcome, Skip):
                        yield Item(outcome)
                        continue
                    if self.on_error == "raise":
                        raise ReadError(f"{outcome.reason} (on_error='skip' names it in .skipped and goes on)")
                    self.skipped.append(outcome)
        for example, reason in refused.entries:
            self.skipped.append(Skip(f"{self.source.name}/{example.name}", str(example.path), reason))


def examples(
    source: str, folder: Place | str, *, check: Check = "decode", on_error: OnError = "skip", follow: bool = True
) -> Items:
    """The examples of one source, read from its publisher's files without a build.

    >>> for item in med_mat.examples("busi", "/data/Dataset_BUSI_with_GT"):
    ...     item.image, item.label, item.boxes, item.masks

    Args:
        source: its name, as :func:`med_mat.sources` lists it, or that of a plug-in.
        folder: where it lies: its root, or a folder up to four levels above; a folder, an archive, or an address.
        check: "decode" decodes every image before it is yielded, and skips what cannot be decoded; "header" trusts
            images whose container is sound, which is faster.
        on_error: "skip" names what cannot be read in ``skipped`` and goes on; "raise" raises.
        follow: whether links may lead out of the folder.

    Returns:
        An iterable of :class:`Item`: one for each image and row of the source that it serves.

    Raises:
        UnknownSourceError: no source has that name.
        LayoutError: the folder does not hold it; the message says what was expected and what is there.
        RemoteError: the address cannot be read.
    """
    from med_mat.building.loader import examples_of
    from med_mat.layouts.locating import locate

    catalog = load()
    known = catalog[source]
    for name, value, allowed in (("check", check, ("decode", "header")), ("on_error", on_error, ("skip", "raise"))):
        if value not in allowed:
            raise ReadError(f"{name} is {value!r}, and must be one of {', '.join(allowed)}.")
    return Items(known, locate(known, folder, examples_of(known), catalog, follow=follow), check, on_error)
