"""Images and what belongs to them: facts by name, masks by name. What has no partner is noted, never lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeVar

from med_mat.raw.folder import RawFolder
from med_mat.raw.names import aligned, folded, natural, respelled

T = TypeVar("T")


def matched(
    raw: RawFolder, where: PurePosixPath | str, facts: Iterable[tuple[str, T]], images: Mapping[str, PurePosixPath]
) -> Iterator[tuple[T, PurePosixPath]]:
    """What an annotation file says, each with the image that it names, in the file's order.

    Names that differ in case or normal form alone are one, where no other is like them. A name without an image is
    noted as missing, an image that no fact names is skipped with that reason. An image that was skipped while its facts
    were read, for one of them, is left out.

    Args:
        raw: the folder of the source.
        where: the annotation file.
        facts: pairs of an image's name and what is said of it.
        images: name -> path, as :meth:`RawFolder.by_stem` and :meth:`RawFolder.by_name` give them.
    """
    left, stated = dict(images), list(facts)
    meant = respelled((name for name, _ in stated), images)
    for name, fact in stated:
        key = meant.get(name)
        if key is None:
            raw.miss(name, str(where))
            continue
        left.pop(key, None)
        if not raw.is_skipped(images[key]):
            yield fact, images[key]
    skip_unlisted(raw, left, f"{PurePosixPath(where).name} does not list it")


def skip_unlisted(raw: RawFolder, images: Mapping[str, PurePosixPath], reason: str) -> None:
    """Skip the images that no annotation names, for that reason; another where it may be named in another case."""
    missed = {folded(name) for name in raw.missing} if images else set()
    for name, image in images.items():
        unsure = "; a name that differs in case is listed, and of several which are alike none is guessed"
        raw.skip(image, reason + unsure if folded(name) in missed else reason)


def paired(
    raw: RawFolder, images: Mapping[str, PurePosixPath], masks: Mapping[str, PurePosixPath]
) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Each image with the mask of its name, by names in which numbers count as such.

    Names that differ in case or normal form alone are one, where no other is like them. An image without a mask and a
    mask without an image are skipped with that reason.

    Args:
        raw: the folder of the source.
        images: name -> path, as :meth:`RawFolder.by_stem` and :meth:`RawFolder.by_name` give them.
        masks: the same for the masks, whose names must be made those of the images.
    """
    masks = aligned(masks, images)
    for name in sorted(images, key=natural):
        if name in masks:
            yield images[name], masks[name]
        else:
            raw.skip(images[name], "there is no mask of its name")
    for name, mask in masks.items():
        if name not in images:
            raw.skip(mask, "a mask of which there is no image")
