"""Brain Tumor MRI Images 17 Classes: MRI slices in six groups of findings, each in up to three sequences.

Glioma (Astrocitoma, Ganglioglioma, Glioblastoma, Oligodendroglioma, Ependimoma) T1/1.jpg      # also T1C+, T2
Meningioma (de Baixo Grau, Atípico, Anaplásico, Transicional) T1C+/1.jpg
NORMAL T2/1.jpeg                                                        # no NORMAL T1C+
Neurocitoma (Central - Intraventricular, Extraventricular) T2/1.jpg
Outros Tipos de Lesões (Abscessos, Cistos, Encefalopatias Diversas) T1/1.png
Schwannoma (Acustico, Vestibular - Trigeminal) T1/1.jpg                 # accents may be damaged
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, class_folders

_GROUPS = (
    "Glioma (Astrocitoma, Ganglioglioma, Glioblastoma, Oligodendroglioma, Ependimoma)",
    "Meningioma (de Baixo Grau, Atípico, Anaplásico, Transicional)",
    "NORMAL",
    "Neurocitoma (Central - Intraventricular, Extraventricular)",
    "Outros Tipos de Lesões (Abscessos, Cistos, Encefalopatias Diversas)",
    "Schwannoma (Acustico, Vestibular - Trigeminal)",
)
_BY_WORD = {group.split()[0].lower(): group for group in _GROUPS}


def examples(raw: RawFolder) -> Iterator[Example]:
    return class_folders(raw, [f"{group.split()[0]}*/**" for group in _GROUPS], label=_label)


def _label(path: PurePosixPath) -> str:
    """The folder as its publisher writes it, known by its first word and by the sequence, which have no accents."""
    folder = path.parts[0]
    found = re.match(r"([a-z]+).*[ _](T1C\+|T1|T2)\s*$", folder, re.IGNORECASE)
    group = _BY_WORD.get(found[1].lower()) if found else None
    return f"{group} {found[2].upper()}" if found and group else folder


def miniature(raw: Miniature) -> None:
    for group in _GROUPS:
        for sequence in ("T1", "T2") if group == "NORMAL" else ("T1", "T1C+", "T2"):
            folder = f"{group} {sequence}"
            if folder.startswith("Meningioma") and sequence == "T2":
                folder = folder.replace("í", "i\u0301").replace("á", "a\u0301")  # as macOS writes accents
            if folder.startswith("Outros") and sequence == "T2":
                folder = folder.replace("õ", "├╡")  # as some tools unpack them
            for number in (1, 3):
                raw.image(f"{folder}/{number}.jpg", size=(80, 96), mode="L")
            raw.image(f"{folder}/2.{'png' if sequence == 'T1C+' else 'jpeg'}", size=(96, 96), mode="RGB")
    raw.corrupt(f"{_GROUPS[0]} T2/1.jpg")
