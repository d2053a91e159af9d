"""Intel & MobileODT: colposcopy photographs of the cervix, by the type of its transformation zone.

train/train/Type_1/968.jpg           # or train/Type_1/968.jpg; numbers come again in every other folder
additional_Type_1_v2/Type_1/968.jpg  # or Type_1/968.jpg, additional/Type_1/968.jpg; some files are empty
test/test/0.jpg                      # stage 1; or test/0.jpg
test_stg2/0.jpg                      # no labels
fixed_labels_v2.csv                  # filename,old_label,new_label: of additional images alone
removed_files.csv                    # the same columns; new_label is always "remove"
solution_stg1_release.csv            # image_name,Type_1,Type_2,Type_3: one-hot
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example
from med_mat.raw import SPLITS, Miniature, RawFolder, aligned, class_folders, listed_or_skipped, one_hot, spelling

_TYPES = ("Type_1", "Type_2", "Type_3")
_SOLUTION = "solution_stg1_release.csv"


def examples(raw: RawFolder) -> Iterator[Example]:
    yield from class_folders(raw, "train/**/Type_{1,2,3}/*", splits=SPLITS)
    pattern = "{additional*/**/,}Type_{1,2,3}/*"
    written = spelling(pattern)
    added = {image: "/".join(written(image).parts[-2:]) for image in raw.images(pattern)}
    changes = aligned(_changes(raw), added.values())
    for image, name in added.items():
        folder = name.partition("/")[0]
        label = changes.get(name, folder)
        if label == "remove":
            raw.skip(image, "removed_files.csv takes it out")
            continue
        said = None if label == folder else f"{folder}, corrected to {label}"
        yield Example(image, label=label, split="train", raw_label=said, key=f"additional/{name}")
    images = raw.by_name("test/**/*.jpg")
    for row, image in listed_or_skipped(raw, _SOLUTION, images, "image_name", columns=_TYPES):
        with raw.reading(row, image):
            yield Example(image, label=one_hot(row, _TYPES), split="test", key=f"test/{image.name}")
    for image in raw.images("test_stg2/**"):
        raw.skip(image, "a test image of stage 2: its class was never published")


def _changes(raw: RawFolder) -> dict[str, str]:
    """Folder and name of an additional image -> its right class, or "remove", which comes last and so counts."""
    return {
        f"{row['old_label']}/{row['filename']}": row["new_label"]
        for table in raw.glob("{fixed_labels_v2,removed_files}.csv")
        for row in raw.table(table, columns=["filename", "old_label", "new_label"])
    }


def miniature(raw: Miniature) -> None:
    solution = []
    for place, label in enumerate(_TYPES):
        for number in range(4):
            raw.image(f"train/train/{label}/{10 * place + number}.jpg", size=(72, 96), mode="RGB")
            path = f"additional_{label}_v2/{label}/{number}.jpg"
            raw.image(path, size=(96, 72) if number % 2 else (60, 80), mode="RGB")
    for number in range(6):
        raw.image(f"test/test/{number}.jpg", size=(72, 96), mode="RGB")
        solution.append((f"{number}.jpg", *(int(number % 3 == place) for place in range(3))))
    raw.csv(_SOLUTION, [*solution, ("6.jpg", 0, 1, 0)], header="image_name,Type_1,Type_2,Type_3")
    # 0.jpg of Type_1 is of Type_2; the 0.jpg of the other folders, and that of train, are as their folders say
    fixed = [("0.jpg", "Type_1", "Type_2"), ("2.jpg", "Type_3", "Type_1")]
    raw.csv("fixed_labels_v2.csv", fixed, header="filename,old_label,new_label")
    raw.csv("removed_files.csv", [("3.jpg", "Type_2", "remove")], header="filename,old_label,new_label")
    raw.csv("sample_submission.csv", [("0.jpg", 0.17, 0.53, 0.3)], header="image_name,Type_1,Type_2,Type_3")
    raw.text("additional_Type_1_v2/Type_1/5893.jpg", "")
    raw.image("additional_Type_1_v2/Type_1/3068.jpg", size=(72, 96), mode="RGB")
    raw.corrupt("additional_Type_1_v2/Type_1/3068.jpg", keep=0.1)
    raw.color_map("additional_Type_3_v2/Type_3/7.jpg", size=(72, 96), colors=[], background=(0, 255, 0))
    raw.image("test_stg2/0.jpg", size=(72, 96), mode="RGB")
