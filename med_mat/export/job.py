"""What an export format works with: the records of each part, one at a time, and the folder to write to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import xxhash

from med_mat import formats
from med_mat.conventions import Convention
from med_mat.errors import ExportError
from med_mat.export import names
from med_mat.export.place import Place
from med_mat.export.registry import Need
from med_mat.export.turns import Style, Turn, turn
from med_mat.imaging import label_maps
from med_mat.index import Parts
from med_mat.progress import Bar
from med_mat.tags import Positions

if TYPE_CHECKING:
    pass

PARTS = ("train", "validation", "test")
#: Suffix of a stored image by what it is.
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "WEBP": ".webp"}
#: Why a record is left out: it lacks something that the format needs.
REASONS: Mapping[Need, str] = {
    "turn": "it has no question with an answer in this style",
    "boxes": "it is not annotated with boxes",
    "mask": "it has no mask",
    "label": "it does not have exactly one label",
    "options": "its question has no options",
}
TURNED = "boxes answer its question, and not every program applies the orientation in the metadata of its image"
NO_IMAGE = "its image is not in this build (see 'med-mat attach')"
_SPOOL = 64 << 20


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as the build stores it."""

    bytes: bytes
    suffix: str  # by the content, with the dot: ".jpg", ".png", ".gif" or ".webp"
    size: tuple[int, int]  # width and height of the displayed image in pixels, EXIF orientation applied


@dataclass(frozen=True, slots=True)
class Row:
    """A record of an export."""

    id: str
    part: str
    facts: Mapping[str, Any]  # all columns of the index: see :mod:`med_mat.schema`
    image: Picture
    mask: Picture | None  # PNG label map: ``facts["mask_legend"]`` says what its values are
    turn: Turn | None  # in the requested style; None if the record has none


@dataclass(frozen=True)
class Settings:
    """What all formats are asked for."""

    needs: tuple[Need, ...]
    style: Style = "auto"
    boxes: Convention = "pixels"
    seed: int = 0
    progress: bool = True


@dataclass
class Job:
    """One export: the records to write, and where. A format reads :meth:`rows` of each part once."""

    out: Place
    experiment: Parts
    positions: Mapping[str, Positions]  # of each part that has records
    settings: Settings
    left_out: dict[str, Counter[str]] = field(default_factory=dict)  # part -> reason -> records
    written: Counter[str] = field(default_factory=Counter)  # part -> records
    notes: Counter[str] = field(default_factory=Counter)  # what was done to images -> how many
    images: set[int] = field(default_factory=set)  # hashes of the ids of the images that are in the export
    _paths: set[int] = field(default_factory=set)  # hashes of the paths of image files
    _files: dict[str, IO[str]] = field(default_factory=dict)  # part -> a member of a JSON object per record
    _last: tuple[str, str] = ("", "")
    _reading: list[Generator[Row, None, None]] = field(default_factory=list)

    @property
    def parts(self) -> tuple[str, ...]:
        """Those of "train", "validation" and "test" that have records."""
        return tuple(self.positions)

    @property
    def style(self) -> Style:
        """The style of the turns."""
        return self.settings.style

    @property
    def info(self) -> Mapping[str, Any]:
        """What the export is of: "fingerprint" and "definition" of the split, and "build"."""
        return {
            "fingerprint": self.experiment.fingerprint,
            "definition": dict(self.experiment.definition),
            "build": self.experiment.mat.manifest["build"],
        }

    def rows(self, part: str) -> Iterator[Row]:
        """The records of a part that have what the format needs, one at a time.

        Those of "train" are shuffled by the seed of the export, since trainers that read a file in order would
        otherwise see one source after another; the others are in the order of the index.
        """
        found = self._read(part)
        self._reading.append(found)
        return found

    def close(self) -> None:
        """Stop reading and writing, and close the files that are read."""
        for one in self._reading:
            one.close()
        self.out.close()

    def _read(self, part: str) -> Generator[Row, None, None]:
        positions = self.positions[part]
        shuffle = self.settings.seed if part == "train" else None
        mat, form = self.experiment.mat, self.experiment.options.questions
        with ExitStack() as stack:
            bar = stack.enter_context(
                Bar(len(positions), desc=f"export {part}", unit="records", shown=self.settings.progress)
            )
            for record in stack.enter_context(closing(mat.records(positions, questions=form, shuffle=shuffle))):
                row = self._row(part, record)
                if isinstance(row, Row):
                    self.written[part] += 1
                    yield row
                else:
                    self._leave_out(part, row)
                bar.update()

    def _row(self, part: str, record: dict[str, Any]) -> Row | str:
        """A record as a row, or why it is left out."""
        image, mask = record.pop("image"), record.pop("mask")
        if image is None or not image["bytes"]:
            return NO_IMAGE
        asked = turn(record, self.settings.style, self.settings.boxes)
        have = {"turn": asked, "boxes": record["boxes"], "mask": mask, "label": record["label"],
                "options": record["options"] or None}  # fmt: skip
        for need in self.settings.needs:
            if have[need] is None:
                return REASONS[need]
        answered_by_boxes = "turn" in self.settings.needs and asked is not None and asked.boxes is not None
        if answered_by_boxes and label_maps.is_turned(image["bytes"], record["id"]):
            return TURNED
        size = (record["width"], record["height"])
        return Row(
            record["id"],
            part,
            record,
            _picture(record["id"], image["bytes"], size),
            None if mask is None else _picture(record["id"], mask["bytes"], size),
            asked,
        )

    def skip(self, row: Row, reason: str) -> None:
        """Leave a record out; the reason is counted and reported."""
        self.written[row.part] -= 1
        self._leave_out(row.part, reason)

    def _leave_out(self, part: str, reason: str) -> None:
        self.left_out.setdefault(part, Counter())[reason] += 1

    def image(self, row: Row, folder: str = "images", *, flat: bool = False, note: str = "") -> str:
        """Write the stored bytes of a record's image, once, and return the path of the file.

        Records of one image, of whatever row or part, share a file.

        Args:
            row: The record.
            folder: A folder of the export.
            flat: Whether the folder has the files themselves, for programs that take its folders for classes.
            note: As for :meth:`file`.

        Returns:
            ``folder/source/name-digits.jpg`` (``folder/source-name-digits.jpg`` if ``flat``): relative to the export,
            with ``/``; the suffix is that of the content.
        """
        path = names.image_path(folder, row.facts["image_id"], row.image.bytes, row.image.suffix, flat=flat)
        self.file(row, path, row.image.bytes, note)
        return path

    def file(self, row: Row, path: str, content: bytes, note: str = "") -> None:
        """Write the file that a record is in, once: for formats that have names or contents of their own.

        Args:
            row: The record.
            path: Relative to the export.
            content: The bytes of the file.
            note: What was done to the image, if it is not the stored one; counted in ``export.json``.
        """
        if (digest := xxhash.xxh3_64_intdigest(path.encode())) not in self._paths:
            self.out.write(path, content)
            self._paths.add(digest)
            if note:
                self.notes[note] += 1
        self.placed(row, path)

    def placed(self, row: Row, path: str) -> None:
        """State which file of the export contains a record, if it was not written by :meth:`image`."""
        self.images.add(xxhash.xxh3_64_intdigest(row.facts["image_id"].encode("utf-8", "surrogatepass")))
        if (row.id, path) != self._last:
            self._last = (row.id, path)
            if row.part not in self._files:
                self._files[row.part] = SpooledTemporaryFile(_SPOOL, "w+", encoding="utf-8")  # noqa: SIM115 - read at the end
            print(f"{json.dumps(row.id)}: {json.dumps(path)}", file=self._files[row.part])

    def files(self, part: str) -> Iterator[str]:
        """For each record of a part, the member ``"id": "file"`` of a JSON object."""
        if part in self._files:
            self._files[part].seek(0)
            yield from (line.rstrip("\n") for line in self._files[part])


def _picture(id_: str, content: bytes, size: tuple[int, int]) -> Picture:
    kind = formats.sniff(content[:512], "")
    if kind not in SUFFIXES:
        raise ExportError(f"The image of {id_} is no JPEG, PNG, GIF or WebP: the build is damaged. Build it again.")
    return Picture(content, SUFFIXES[kind], size)


def positions_of(experiment: Parts) -> dict[str, Positions]:
    """The positions of each part that has records."""
    given = (experiment.train_positions, experiment.validation_positions, experiment.test_positions)
    return {part: np.sort(one) for part, one in zip(PARTS, given, strict=True) if len(one)}
