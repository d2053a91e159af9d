"""Images and what belongs to them: facts by name, masks by name. What has no partner is noted, never lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeVar

from med_mat.raw.folder import RawFolder
from med_mat.raw.names import natural

T = TypeVar("T")


def matched(
    raw: RawFolder, where: PurePosixPath | str, facts: Iterable[tuple[str, T]], images: Mapping[str, PurePosixPath]
) -> Iterator[tuple[T, PurePosixPath]]:
    """What an annotation file says, each with the image that it names, in the file's order.

    A name without an image is noted as missing, an image that no fact names is skipped with that reason.

    Args:
        raw: the folder of the source.
        where: the annotation file.
        facts: pairs of an image's name and what is said of it.
        images: name -> path, as :meth:`RawFolder.by_stem` and :meth:`RawFolder.by_name` give them.
    """
    left = dict(images)
    for name, fact in facts:
        image = images.get(name)
        if image is None:
            raw.miss(name, str(where))
            continue
        left.pop(name, None)
        yield fact, image
    for image in left.values():
        raw.skip(image, f"{PurePosixPath(where).name} does not list it")


def paired(
    raw: RawFolder, images: Mapping[str, PurePosixPath], masks: Mapping[str, PurePosixPath]
) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Each image with the mask of its name, by names in which numbers count as such.

    An image without a mask and a mask without an image are skipped with that reason.

    Args:
        raw: the folder of the source.
        images: name -> path, as :meth:`RawFolder.by_stem` and :meth:`RawFolder.by_name` give them.
        masks: the same for the masks, whose names must be made those of the images.
    """
    for name in sorted(images, key=natural):
        if name in masks:
            yield images[name], masks[name]
        else:
            raw.skip(images[name], "there is no mask of its name")
    for name, mask in masks.items():
        if name not in images:
            raw.skip(mask, "a mask of which there is no image")
