"""A self-contained HTML page of pairs of images, side by side, without external resources."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable

from med_mat.imaging.opened import pillow

#: Pixels of the longer side of an image on the page.
THUMBNAIL = 320
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: light-dark(#555, #aaa); --alarm: light-dark(#a40000, #ff9d8f) }
body { font: 1rem/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1rem }
h1 { font-size: 1.5rem; margin: 0 0 .25rem }
p { margin: 0 0 1rem }
table { border-collapse: collapse; margin: 0 0 1rem }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .75rem; text-align: left }
td.number { text-align: right }
ol { display: grid; gap: 1rem; list-style: none; padding: 0 }
ol { grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)) }
li { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem }
h2 { font-size: 1rem; margin: 0 0 .5rem }
div { display: grid; gap: .75rem; grid-template-columns: 1fr 1fr }
figure { margin: 0; min-width: 0 }
img, .none { aspect-ratio: 1; background: #000; display: block; object-fit: contain; width: 100% }
.none { align-content: center; background: var(--line); text-align: center }
figcaption { font-size: .85rem; margin-top: .35rem; overflow-wrap: anywhere }
figcaption span { color: var(--soft); display: block }
.apart { color: var(--alarm); font-weight: 600 }
"""


def page(title: str, head: str, items: Iterable[str], above: str = "") -> str:
    """The page.

    Args:
        title: plain text.
        head: a paragraph of plain text.
        items: of :func:`item`.
        above: HTML between the paragraph and the pairs.
    """
    listed = "\n".join(items)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{html.escape(title)}</h1>\n<p>{html.escape(head)}</p>\n{above}<ol>\n{listed}\n</ol>\n"
        "</main>\n</body>\n</html>\n"
    )


def item(title: str, figures: Iterable[str]) -> str:
    """A pair under a title of plain text; ``figures`` are of :func:`figure`."""
    return f"<li>\n<h2>{html.escape(title)}</h2>\n<div>{''.join(figures)}</div>\n</li>"


def figure(picture: str | None, alt: str, caption: str) -> str:
    """An image with a caption.

    Args:
        picture: of :func:`data_uri`; None says that there is no image.
        alt: plain text that stands for the image.
        caption: HTML.
    """
    shown = f'<img src="{picture}" alt="{html.escape(alt)}">' if picture else '<p class="none">no image</p>'
    return f"<figure>{shown}<figcaption>{caption}</figcaption></figure>"


def data_uri(data: bytes) -> str:
    """The bytes of an image as a small JPEG in a data URI."""
    from PIL import Image, ImageOps

    with pillow():
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
