"""The page as a Hugging Face Space: the files of a Space of the kind ``docker``."""

from __future__ import annotations

import json
import re
from pathlib import Path

from med_mat import __version__
from med_mat.errors import BrowseError
from med_mat.files import write_atomically

#: The site that shows a Space in a frame.
HUB = "https://huggingface.co"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_PORT = 7860
_README = """\
---
title: Med-MAT
sdk: docker
app_port: {port}
pinned: false
license: apache-2.0
short_description: Records, statistics and splits of a Med-MAT
datasets:
- {where}
---

# Med-MAT

The web page of [Med-MAT](https://huggingface.co/datasets/{where}), read-only: records, statistics, a split builder with
its audit, duplicates. `med-mat browse {where}` shows the same page on your own machine.

The Dockerfile installs med-mat {version} from a wheel beside it (`pip wheel --no-deps .` in a checkout makes one), or
else from the package index. A private dataset needs the secret `HF_TOKEN` in the settings of the Space.
"""
_DOCKERFILE = """\
FROM python:3.12-slim
RUN useradd --create-home --uid 1000 user
USER user
WORKDIR /home/user/app
ENV PATH=/home/user/.local/bin:$PATH
COPY --chown=user README.md *.whl ./
RUN pip install --no-cache-dir --user --find-links . "med-mat[browse]=={version}"
EXPOSE {port}
CMD {command}
"""


def files(where: str) -> dict[str, str]:
    """The files of a Space that shows a dataset of the Hub, by name.

    Args:
        where: its id, such as "org/Med-MAT".

    Raises:
        BrowseError: it is no id of a dataset on the Hub.
    """
    if not _REPOSITORY.fullmatch(where):
        raise BrowseError(f"A Space shows a dataset on the Hub, such as org/Med-MAT, and {where!r} is no id of one.")
    command = ["med-mat", "browse", where, "--host", "0.0.0.0", "--port", str(_PORT), "--no-open", "--embed-in", HUB]
    return {
        "README.md": _README.format(where=where, port=_PORT, version=__version__),
        "Dockerfile": _DOCKERFILE.format(command=json.dumps(command), port=_PORT, version=__version__),
    }


def write(where: str, folder: Path) -> list[Path]:
    """Write these files into a folder, and say where they lie; it is made where it is missing.

    Raises:
        BrowseError: as for :func:`files`.
        WriteError: the system does not take them.
    """
    written = []
    for name, text in files(where).items():
        write_atomically(folder / name, text.encode())
        written.append(folder / name)
    return written
