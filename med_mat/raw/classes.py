"""Makes examples from images sorted into one folder per class, the most common layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from med_mat.example import Example, Split
from med_mat.raw.folder import RawFolder
from med_mat.raw.names import folded, spelling

_Patterns = str | Sequence[str]

#: Publishers' folder names for the parts of a split, in lower case -> our split names.
SPLITS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def class_folders(
    raw: RawFolder,
    pattern: _Patterns,
    *,
    exclude: _Patterns | None = None,
    splits: Mapping[str, Split] | None = None,
    label: Callable[[PurePosixPath], str] = lambda path: path.parent.name,
    patient: Callable[[PurePosixPath], str | None] = lambda path: None,
    raw_label: Callable[[PurePosixPath], str | None] = lambda path: None,
) -> Iterator[Example]:
    """Yields an example for each image in a folder named after its class, such as ``train/glioma/1.jpg``.

    The examples are named by split, class and file, so wrapper folders, which differ between copies, do not matter. Nor
    does the case of folders that the pattern spells out: ``label``, ``patient`` and ``raw_label`` are called with the
    path as the pattern writes it (:func:`med_mat.raw.names.spelling`). The result of ``patient`` is case-folded, since
    its case comes from the disk. Files whose paths differ only in case are named by their paths on disk.

    Args:
        raw: The source's folder.
        pattern: Pattern of the images, e.g. ``"{train,test}/*/*"``.
        exclude: Pattern of images to leave out.
        splits: Folder name in lower case -> split, e.g. :data:`SPLITS`; the innermost matching folder counts.
            None: the publisher has no split.
        label: Returns the raw label for a path.
        patient: Returns the patient for a path, or None.
        raw_label: Returns the publisher's finer label for a path, or None.
    """
    written = spelling(pattern)
    for image in raw.images(pattern, exclude=exclude):
        path = written(image)
        parts = (folded(part) for part in reversed(path.parent.parts))
        split = next((splits[part] for part in parts if part in splits), None) if splits else None
        name, person = label(path), patient(path)
        yield Example(
            image,
            label=name,
            patient=None if person is None else folded(person),
            split=split,
            raw_label=raw_label(path),
            key=str(image) if str(image) in raw.twins else "/".join(filter(None, (split, name, path.name))),
        )
