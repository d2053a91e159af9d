"""A :class:`~med_mat.contamination.Contamination` as text, Markdown, JSON, and an HTML page with the images."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from med_mat import gallery, markdown
from med_mat.contamination import images
from med_mat.contamination.comparing import Build, Contamination
from med_mat.imaging.hashing import BITS
from med_mat.shell import printable

_HEAD = ("source", "split", "part", "records", "found", "images", "doubtful", "how")
_NUMBERS = ("records", "found", "images", "doubtful")


def told(found: Contamination) -> str:
    """A summary in sentences."""
    words = [
        f"{found.matched():,} of {len(found.names):,} images of {found.reference} are in {found.build}, "
        f"{found.matched('split'):,} of them in its training records."
    ]
    if found.pairs["part"].null_count < found.pairs.num_rows:
        words.append(f"{found.matched('part'):,} are in the training part of the experiment.")
    if found.doubtful:
        words.append(
            f"{found.doubtful:,} of the matches are doubtful: hashes are close, but the aligned images are not alike."
        )
    if found.unread:
        name, why = next(iter(found.unread.items()))
        words.append(f"{len(found.unread):,} could not be read, the first of them {name} ({why.rstrip('.')}).")
    if found.unhashed:
        words.append(
            f"{found.unhashed:,} records of the build have no hashes, and were compared as files only: it was built "
            "with '--check header'."
        )
    if not found.transformed:
        words.append("Copies that are rotated by other than 90 degrees, shifted or zoomed were not searched for.")
    return " ".join(words)


def _rows(found: Contamination) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the table of cells, without the column of parts if there are none."""
    cells = found.cells()
    kept = [name for name in _HEAD if name != "part" or any(one["part"] for one in cells)]
    rows = []
    for one in cells:
        how = ", ".join(f"{name} {count:,}" for name, count in one["reasons"].items())
        texts = one | {"how": how, "part": one["part"] or ""}
        rows.append(tuple(f"{texts[name]:,}" if isinstance(texts[name], int) else texts[name] for name in kept))
    return tuple(kept), rows


def to_text(found: Contamination, limit: int = 20) -> str:
    """The summary, the table per source and split, and the first pairs."""
    head, rows = _rows(found)
    lines = [printable(told(found))]
    if rows:
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (head, *rows)
        ]
    shown = _shown(found, limit)
    lines += [f"{_why(one)}: {printable(one['image'])} = {printable(one['id'])} ({one['split']})" for one in shown]
    return "\n".join(lines)


def to_markdown(found: Contamination) -> str:
    """The summary and the table per source and split, as Markdown."""
    head, rows = _rows(found)
    cells = [[markdown.escape(cell) for cell in row] for row in rows]
    table = markdown.table(head, cells, right=_NUMBERS) if rows else ""
    title = f"# Images of {markdown.escape(found.reference)}"
    return "\n\n".join(filter(None, [title, markdown.escape(told(found)), table])) + "\n"


def to_json(found: Contamination) -> dict[str, Any]:
    """Everything as JSON data: ``pairs`` has every match, those that are not verified too."""
    return {
        "build": found.build,
        "reference": found.reference,
        "images": len(found.names),
        "images_found": found.matched(),
        "images_in_train": found.matched("split"),
        "images_doubtful": found.doubtful,
        "transformed_copies_searched": found.transformed,
        "records_without_hashes": found.unhashed,
        "unread": found.unread,
        "cells": found.cells(),
        "pairs": [
            {**one, "score": None if one["score"] is None else round(one["score"], 3)}
            for one in found.pairs.drop_columns(["position"]).to_pylist()
        ],
    }


def to_page(found: Contamination, mat: Build, limit: int = 200) -> str:
    """A self-contained HTML page: the table, and the first pairs with the two images side by side.

    Args:
        found: the result.
        mat: the build that it is of.
        limit: pairs that are shown.
    """
    shown = _shown(found, limit)
    theirs = images.load(Path(found.reference), [one["image"] for one in shown])
    places = np.array([one["position"] for one in shown], np.int64)
    ours = {
        one["id"]: record["image"]["bytes"]
        for one, record in zip(shown, mat.read(places, columns=("image",)), strict=True)
        if record["image"] is not None and record["image"]["bytes"]
    }
    head, rows = _rows(found)
    cells = "".join(
        f"<tr>{''.join(_cell(name, cell) for name, cell in zip(head, row, strict=True))}</tr>\n" for row in rows
    )
    table = f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>\n{cells}</table>\n" if rows else ""
    title = f"Images of {found.reference} in {found.build}"
    return gallery.page(
        title, f"{told(found)} {len(shown):,} pairs are shown.", (_item(one, theirs, ours) for one in shown), table
    )


def _cell(name: str, text: str) -> str:
    number = ' class="number"' if name in _NUMBERS else ""
    return f"<td{number}>{html.escape(text)}</td>"


def _item(one: Mapping[str, Any], theirs: Mapping[str, bytes], ours: Mapping[str, bytes]) -> str:
    part = f", {one['part']} part" if one["part"] else ""
    split = f"{html.escape(one['split'])}{part}"
    marked = f'<b class="apart">{split}</b>' if "train" in (one["split"], one["part"]) else split
    captions = (
        f"{html.escape(one['image'])}",
        f"{html.escape(one['source'])}, {marked}<span>{html.escape(one['id'])}</span>",
    )
    data = (theirs.get(one["image"]), ours.get(one["id"]))
    figures = [
        gallery.figure(gallery.data_uri(picture) if picture else None, alt, caption)
        for picture, alt, caption in zip(data, (one["image"], one["id"]), captions, strict=True)
    ]
    return gallery.item(_why(one), figures)


def _shown(found: Contamination, limit: int) -> list[dict[str, Any]]:
    """The first pairs, one for each image and image of the build, the doubtful ones last."""
    pairs = found.pairs.append_column("order", pa.array(np.arange(found.pairs.num_rows)))
    firsts = pairs.group_by(["image", "image_id"]).aggregate([("order", "min")])["order_min"]
    once = pairs.take(pa.array(np.sort(np.asarray(firsts))))
    order = np.argsort(~np.asarray(once["verified"]), kind="stable")[:limit]
    return list(once.take(pa.array(order)).to_pylist())


def _why(one: Mapping[str, Any]) -> str:
    facts = [f"{one['distance']} of {BITS} bits differ"] if one["distance"] is not None else []
    facts += [f"similarity {one['score']:.2f}"] if one["score"] is not None else []
    doubt = "" if one["verified"] else "doubtful: "
    return f"{doubt}{one['reason']}" + (f" ({', '.join(facts)})" if facts else "")
