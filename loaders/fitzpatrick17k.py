"""Fitzpatrick 17k: clinical photographs of 114 skin conditions in nine classes, with skin types.

fitzpatrick17k.csv                   # md5hash,…,label,nine_partition_label,…,qc,url,url_alphanum; addresses die
data/finalfitz17k/5e82a45bc5d78bd24ae9202d194423f8.jpg    # named by md5hash; or finalfitz17k/
images/httpwwwdermaamincomsiteimages1.jpg                 # fetched by users: by md5hash or by url_alphanum
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from med_mat.example import Example
from med_mat.raw import Miniature, RawFolder, folded, listed

_COLUMNS = ("md5hash", "label", "nine_partition_label", "qc")


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_stem("{data/finalfitz17k,finalfitz17k,images}/*.jpg")
    there = set(map(folded, images))
    for row, image in listed(raw, "fitzpatrick17k.csv", images, lambda row: _stem(row, there), columns=_COLUMNS):
        if row["qc"].startswith("3"):
            raw.skip(image, f"its label is wrong, as the authors say (qc: {row['qc']})")
            continue
        yield Example(
            image, label=row["nine_partition_label"], raw_label=row["label"], key=f"{row['md5hash']}{image.suffix}"
        )


def _stem(row: Mapping[str, str], there: Set[str]) -> str:
    """The name of a row's photograph: by the hash, or by the address, with one suffix or two."""
    address = row.get("url_alphanum", "")
    names = (row["md5hash"], address, address.removesuffix(".jpg"))
    return next((name for name in names if folded(name) in there), row["md5hash"])


def miniature(raw: Miniature) -> None:
    conditions = {
        "drug induced pigmentary changes": ("inflammatory", "non-neoplastic"),
        "squamous cell carcinoma": ("malignant epidermal", "malignant"),
        "ehlers danlos syndrome": ("genodermatoses", "non-neoplastic"),
        "dermatofibroma": ("benign dermal", "benign"),
        "seborrheic keratosis": ("benign epidermal", "benign"),
        "malignant melanoma": ("malignant melanoma", "malignant"),
        "congenital nevus": ("benign melanocyte", "benign"),
        "mycosis fungoides": ("malignant cutaneous lymphoma", "malignant"),
        "kaposi sarcoma": ("malignant dermal", "malignant"),
    }
    rows: list[tuple[object, ...]] = []
    for number in range(29):
        condition, (nine, three) = list(conditions.items())[number % 9]
        name = f"{(number + 1) * 104729**6:032x}"
        url = "" if number == 19 else f"https://www.dermaamin.com/site/images/clinical-pic/{number}.jpg"
        flat = f"httpwwwdermaamincomsiteimagesclinical-pic{number}.jpg" if url else ""
        if url:
            raw.image(f"data/finalfitz17k/{name}.jpg", size=(80 + number, 72), mode="L" if number == 4 else "RGB")
        skin = -1 if number == 5 else number % 6 + 1
        qc = {2: "1 Diagnostic", 18: "3 Wrongly labelled"}.get(number, "")
        rows.append((name, skin, skin, condition, nine, three, qc, url, flat))
    raw.corrupt(f"data/finalfitz17k/{rows[0][0]}.jpg")  # a download that broke off
    raw.csv(
        "fitzpatrick17k.csv",
        rows,
        header="md5hash,fitzpatrick_scale,fitzpatrick_centaur,label,nine_partition_label,three_partition_label,qc,url,"
        "url_alphanum",
    )
    raw.image("data/finalfitz17k/cover.jpg", mode="RGB")  # in no row
