"""CBIS-DDSM, JPEG edition: scanned mammograms with biopsy-proven masses and calcifications.

csv/mass_case_description_train_set.csv      # one row per abnormality: patient_id,…,pathology,…,image file path,…
csv/calc_case_description_test_set.csv       # four of them; some path cells end in a line break
csv/dicom_info.csv                           # one row per JPEG: image_path,…,SeriesDescription (some blank)
jpeg/1.3.6.1.4.1.9590.100.1.2.<…>/1-263.jpg  # the folder is the series; crops and region masks often share one
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from med_mat.example import Attributes, Example
from med_mat.raw import Miniature, RawFolder, folded, lookup

_GRAVITY = {"MALIGNANT": 1, "BENIGN": 2, "BENIGN_WITHOUT_CALLBACK": 3}  # 0: any other word, for the build to refuse
_KINDS = {"cropped images": "a crop of an abnormality", "roi mask images": "the mask of an abnormality"}


def examples(raw: RawFolder) -> Iterator[Example]:
    described = lookup(raw, "csv/dicom_info.csv", "image_path", "SeriesDescription")
    kinds = {_end(PurePosixPath(path)): kind.lower() for path, kind in described.items()}
    cases = _cases(raw)
    left = dict.fromkeys(cases)
    for image in raw.images("jpeg/*/*.jpg"):
        series, kind = image.parts[1], kinds.get(_end(image), "")
        if kind in _KINDS:
            raw.skip(image, f"{_KINDS[kind]}: only whole mammograms are read")
            continue
        if kind not in ("", "full mammogram images") or series not in cases:
            raw.skip(image, "no case table names its series as a whole mammogram")
            continue
        left.pop(series, None)
        rows = cases[series]
        words = [f"{row['abnormality type']} {row['abnormality id']}: {row['pathology']}" for row in rows]
        yield Example(
            image,
            label=min((row["pathology"] for row in rows), key=lambda word: _GRAVITY.get(word, 0)),
            patient=rows[0]["patient_id"],
            split="test" if any(row["part"] == "test" for row in rows) else "train",
            raw_label="|".join(words),
            attributes=Attributes.of(view=rows[0].get("image view")),
        )
    for series in left:
        raw.miss(f"jpeg/{series}", f"csv/{cases[series][0]['table']}")


def _cases(raw: RawFolder) -> dict[str, list[Mapping[str, str]]]:
    """Series of a whole mammogram -> the rows of its abnormalities, each with its table and part."""
    columns = ["patient_id", "pathology", "abnormality id", "abnormality type", "image file path"]
    found: defaultdict[str, list[Mapping[str, str]]] = defaultdict(list)
    for table in raw.glob("csv/{mass,calc}_case_description_{train,test}_set.csv"):
        part = folded(table.stem).split("_")[-2]
        for row in raw.table(table, columns=columns):
            series = PurePosixPath(row["image file path"]).parent.name
            found[series].append({**row, "table": table.name, "part": part})
    return dict(found)


def _end(path: PurePosixPath) -> str:
    """Series and name: what is before them differs between the table and the disk."""
    return folded("/".join(path.parts[-2:]))


def miniature(raw: Miniature) -> None:
    stem = "1.3.6.1.4.1.9590.100.1.2"
    facts: list[tuple[object, ...]] = []
    tables: defaultdict[tuple[str, str], list[tuple[object, ...]]] = defaultdict(list)

    def jpeg(series: str, name: str, kind: str, size: tuple[int, int] = (60, 100)) -> None:
        raw.image(f"jpeg/{series}/{name}", size=size, mode="RGB" if name == "1-015.jpg" else "L")
        facts.append((f"CBIS-DDSM/jpeg/{series}/{name}", kind, series))

    words = ["", *_GRAVITY]
    # patient, then how grave each abnormality is
    plan = ["112", "21", "22", "33", "42", "513", "632", "12", "71", "83"]
    for number, (patient, *grave) in enumerate(map(list, plan)):
        kind, density, shapes = "mass", "breast_density", "mass shape,mass margins"
        if number > 5:
            kind, density, shapes = "calc", "breast density", "calc type,calc distribution"
        part = "test" if number in (4, 7, 8) else "train"  # patient 1: masses in train, calcifications in test
        case = f"{kind.title()}-{'Test' if part == 'test' else 'Training'}_P_0000{patient}_LEFT_CC"
        study, full, cut = (f"{stem}.{number + 100}.{place}" for place in range(3))
        jpeg(full, f"1-{number * 3:03d}.jpg", "" if number == 3 else "full mammogram images")
        for place, pathology in enumerate(map(int, grave), 1):
            parts = [f"{case}_{place}/{study}/{cut}/00000{file}.dcm\n" for file in (0, 1)]
            paths = (f"{case}/{study}/{full}/000000.dcm", *(reversed(parts) if number == 2 else parts))  # some swapped
            name = "mass" if kind == "mass" else "calcification"
            finding = (f"P_0000{patient}", 3, "LEFT", "CC", place, name, "OVAL", "N/A", 4)
            tables[kind, part].append((*finding, words[pathology], 4, *paths))
            jpeg(cut, f"{place}-{number:03d}.jpg", "" if number == 5 else "cropped images", size=(24, 24))
            jpeg(cut, f"{place + 4}-{number:03d}.jpg", "ROI mask images")
        header = f"patient_id,{density},left or right breast,image view,abnormality id,abnormality type,{shapes},"
        header += "assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path"
        raw.csv(f"csv/{kind}_case_description_{part}_set.csv", tables[kind, part], header=header)
    jpeg(f"{stem}.900.1", "1-900.jpg", "full mammogram images")  # in no case table
    raw.corrupt(f"jpeg/{stem}.108.1/1-024.jpg")
    raw.csv("csv/dicom_info.csv", facts, header="image_path,SeriesDescription,SeriesInstanceUID")
    raw.csv("csv/meta.csv", [], header="SeriesInstanceUID,StudyInstanceUID,Modality,SeriesDescription")
