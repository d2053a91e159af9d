"""What a card promises beyond what the reader of cards enforces: facts that fit each other, and a page for people."""

from __future__ import annotations

import re
from collections.abc import Iterator

from med_mat.contract.promise import Subject, promise

#: The sections of a card's prose, in order.
SECTIONS = ("Layout", "Labels", "What the build changes", "Pitfalls", "Terms", "How sure we are")
_TASKS = {
    "classes": "image-classification",
    "grades": "image-classification",
    "findings": "image-classification",
    "boxes": "object-detection",
    "masks": "image-segmentation",
}
_SHORTEST_SECTION = 20


@promise("The card names the Hub's tasks of its rows, the tag 'medical', and a home page.", "card")
def described(subject: Subject) -> Iterator[str]:
    """Facts that the Hub and a reader look for."""
    source = subject.source
    wanted = {_TASKS[row.kind] for row in source.rows} | {"visual-question-answering"}
    for task in sorted(wanted - set(source.task_categories)):
        yield f"task_categories lacks {task}: add it."
    if "medical" not in source.tags:
        yield "tags lacks medical: add it."
    if not re.fullmatch(r"https?://\S+", source.homepage):
        yield f"homepage is {source.homepage!r}: give the URL of the publisher's page."
    for name, text in (("summary", source.summary), ("terms", source.terms)):
        if not text.strip().endswith(".") or "\n" in text:
            yield f"{name} is {text!r}: write one sentence or more, without line breaks, that end with a period."


@promise("The card's license and what may be redistributed do not contradict each other.", "card")
def licensed(subject: Subject) -> Iterator[str]:
    """Licence, access and redistribution."""
    source = subject.source
    if (source.license == "unknown") != (source.license_certainty == "unknown"):
        yield (
            f"license is {source.license!r} and license_certainty {source.license_certainty!r}: both are unknown, or "
            "neither is."
        )
    if (source.license == "unknown") != (source.license_read is None):
        yield "license_read says who states a license, where, and when that was read: give it for every known one."
    if source.redistributable and source.license == "unknown":
        yield "redistributable is true and the license unknown: what nobody has read is null."
    if source.access == "credentialed" and source.redistributable is not False:
        yield "access is credentialed, so redistributable is false."
    if source.license.startswith("cc-by-nc") and source.commercial is not False:
        yield f"license is {source.license}, so commercial is false."
    if "-nd-" in source.license and (source.redistributable, source.labels_redistributable) != (False, False):
        yield f"license is {source.license}: a build makes derivatives, so redistributable and its labels' are false."


@promise("Labels are words: a raw label as the files spell it, and the human label in a doctor's words.", "card")
def labeled(subject: Subject) -> Iterator[str]:
    """Human labels."""
    for row in subject.source.rows:
        if not row.labels:
            yield f"row {row.number} has no label: list those that it is about."
        for human in row.names:
            if human != human.strip() or "_" in human or "  " in human or human[:1].islower() or human.isdigit():
                yield f"labels: {human!r} is no label for people. Write words with one capital, such as 'Lung opacity'."


@promise("Each layout is a set of patterns below the source's root that no other source has.", "card")
def laid_out(subject: Subject) -> Iterator[str]:
    """Layouts."""
    source = subject.source
    if not source.layouts:
        yield "layout is empty: give the patterns of the files by which the source is recognized."
    theirs = {
        frozenset(pattern.lower() for pattern in (*layout.files, *layout.parts)): other.name
        for other in subject.catalog.values()
        for layout in other.layouts
        if other.name != source.name
    }
    for layout in source.layouts:
        same = theirs.get(frozenset(pattern.lower() for pattern in (*layout.files, *layout.parts)))
        if same:
            yield f"layout {layout.variant} is that of {same}: name a file or folder that this source alone has."
        if not layout.files and not layout.parts:
            yield f"layout {layout.variant} has neither files nor parts: nothing identifies it."
        for pattern in (*layout.patterns, *layout.beside):
            if pattern.startswith(("/", "./", "~")) or ".." in pattern or "\\" in pattern:
                yield f"layout {layout.variant}: {pattern!r} must be relative to the source's root, with / in it."
            if not re.search("[A-Za-z]{2}", pattern):
                yield f"layout {layout.variant}: {pattern!r} fits anything: spell out a name or a suffix."


@promise("The card's prose has all its sections, and shows the layout as a tree.", "card")
def prose(subject: Subject) -> Iterator[str]:
    """The page for people."""
    text = re.sub(r"(?ms)^```.*?^```$", "", subject.source.prose)
    if not text.startswith("# "):
        yield "The prose must begin with a title: '# Name of the source'."
    found = tuple(re.findall(r"(?m)^## (.*)$", text))
    if found != SECTIONS:
        yield f"The sections of the prose are {', '.join(found) or 'none'}. Expected: {', '.join(SECTIONS)}."
    for section in re.split(r"(?m)^## ", re.sub(r"(?m)^```\w*$", "", subject.source.prose))[1:]:
        title, _, body = section.partition("\n")
        if len(body.strip()) <= _SHORTEST_SECTION:
            yield f"The section {title!r} is empty: say it, or say that it is not known."
    layout = subject.source.prose.partition("## Layout")[2].partition("\n## ")[0]
    if "```" not in layout:
        yield "The section 'Layout' is to show the folder as a tree, between two lines of ```."
    if re.search(r"\bTODO\b|\bFIXME\b", subject.source.prose):
        yield "Something is still marked TODO."


@promise("Overlaps are stated in sentences, and patient numbers of another source count as one.", "card")
def overlapping(subject: Subject) -> Iterator[str]:
    """Overlaps with other sources."""
    source = subject.source
    for other, what in source.overlaps.items():
        if not what.strip().endswith("."):
            yield f"overlaps: what is shared with {other} must be a sentence, not {what!r}."
    if source.patients_of != source.name and not (source.patients and source.patients_of in source.overlaps):
        yield f"patients_of names {source.patients_of}: say under 'patients' how, and name it under 'overlaps' too."


PROMISES = (described, licensed, labeled, laid_out, prose, overlapping)
