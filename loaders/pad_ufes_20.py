"""PAD-UFES-20: smartphone photographs of skin lesions with one of six diagnoses.

metadata.csv                         # patient_id,lesion_id,…,diagnostic,…,img_id,biopsed
images/                              # not in all copies
    imgs_part_1.zip
    imgs_part_1/PAT_8_15_820.png     # or imgs_part_1/imgs_part_1/; RGB or RGBA
    imgs_part_2/PAT_587_1117_880.png # which part follows no rule
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Attributes, Example
from med_mat.raw import Miniature, RawFolder, listed

_COLUMNS = (
    "patient_id,lesion_id,smoke,drink,background_father,background_mother,age,pesticide,gender,skin_cancer_history,"
    "cancer_history,has_piped_water,has_sewage_system,fitspatrick,region,diameter_1,diameter_2,diagnostic,itch,grew,"
    "hurt,changed,bleed,elevation,img_id,biopsed"
)


def examples(raw: RawFolder) -> Iterator[Example]:
    images = raw.by_name("{images/**,imgs_part_*/**}/*.png")
    for row, image in listed(raw, "metadata.csv", images, "img_id", columns=["patient_id", "diagnostic"]):
        stated = Attributes.of(age=row.get("age"), sex=row.get("gender"))
        patient = row["patient_id"] or None
        yield Example(image, label=row["diagnostic"], patient=patient, key=image.name, attributes=stated)
    for archive in raw.glob("**/imgs_part_*.zip"):
        raw.skip(archive, "an archive: its images are read where it is unpacked, and are missing where it is not")


def miniature(raw: Miniature) -> None:
    labels = ("BCC", "ACK", "NEV", "SEK", "SCC", "MEL")
    rows = []
    for number in range(19):
        lesion = number // 2  # some are photographed twice
        patient = lesion // 2 + 8
        name = f"PAT_{patient}_{lesion + 15}_{820 - 37 * number}.png"
        label = labels[lesion % 6]
        if number < 18:
            path = f"images/imgs_part_{number * 5 % 3 + 1}/{name}"
            raw.image(path, size=(70 + number,) * 2, mode="RGBA" if number % 5 == 2 else "RGB")
        known = ("False", "UNK", "", "", 55, "", "FEMALE") if number % 3 else ("",) * 7
        marks = ("True", "UNK", "False", "False", "False", "True")
        rows.append((f"PAT_{patient}", lesion + 15, *known, *("",) * 5, "NECK", "", "", label, *marks, name, "True"))
    raw.csv("metadata.csv", rows, header=_COLUMNS)
    raw.image("images/imgs_part_1/PAT_2000_4000_1.png", mode="RGB")  # not in the table
