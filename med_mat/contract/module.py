"""What a loader promises as a module: short, documented, and nothing but a parser."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

from med_mat.contract.promise import Subject, promise

#: Lines of the longest loader.
LONGEST = 120
_IMPORTS = frozenset(
    (
        *("__future__", "collections", "collections.abc", "dataclasses", "functools", "itertools", "pathlib"),
        *("re", "typing", "med_mat.example", "med_mat.raw"),
    )
)
_IO = frozenset(
    (
        *("open", "eval", "exec", "print", "read_text", "read_bytes", "iterdir", "rglob"),
        *("absolute", "resolve", "stat", "exists", "is_file", "Path"),
    )
)
_TOP = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
_IMAGE = re.compile(r"\.(png|jpe?g|dcm|dicom|tiff?|bmp|pgm|nii|nrrd|mh[ad]|\*)\b")
_LONGEST_SUMMARY = 120
_WORD = 4  # letters, at least, of a name that a layout spells out


@promise(f"The loader has at most {LONGEST} lines and only parses: RawFolder does the reading.", "loader")
def only_parses(subject: Subject) -> Iterator[str]:
    """No input or output of its own, no libraries, nothing at import."""
    text = inspect.getsource(subject.module)
    if text.count("\n") > LONGEST:
        yield f"It has {text.count(chr(10))} lines: move what other loaders do too into a function, or use med_mat.raw."
    own = subject.module.__name__.partition(".")[0]
    for node in ast.walk(tree := ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in _imported(node):
                if name not in _IMPORTS and (own == "med_mat" or name.partition(".")[0] != own):
                    yield f"Line {node.lineno} imports {name}. A loader needs med_mat.example and med_mat.raw alone."
        elif isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called in _IO:
                yield f"Line {node.lineno} calls {called}: ask the RawFolder instead, which also notes what was read."
    for node in tree.body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not isinstance(node, _TOP) and not docstring:
            yield f"Line {node.lineno} runs when the loader is imported: put it into a function."


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules that a statement imports, but for those beside the loader."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [] if node.level else [node.module or ""]


@promise("The loader's docstring says what the source is and shows its layout.", "loader")
def documented(subject: Subject) -> Iterator[str]:
    """One sentence, a blank line, the tree."""
    summary, _, layout = (subject.module.__doc__ or "").partition("\n")
    if not summary.endswith(".") or len(summary) >= _LONGEST_SUMMARY:
        yield f"Its first line must be one sentence of less than {_LONGEST_SUMMARY} characters, not {summary!r}."
    shown = layout.lower()
    if sum(map(bool, map(str.strip, layout.splitlines()))) < 2 or not _IMAGE.search(shown):
        yield "After it, the tree must be shown as it lies on the disk: two lines or more, with the images' suffix."
    spelled = [
        {word for pattern in some for word in re.split(r"[/*?{},]+", pattern.lower()) if len(word) >= _WORD}
        for one in subject.source.layouts
        for some in [(*one.files, part) for part in one.parts] or [one.files]
    ]
    if not any(words and sum(word in shown for word in words) >= len(words) / 2 for words in spelled):
        yield "The tree is to show the names by which a layout of the card recognizes the source."


@promise("The loader defines examples(raw), and miniature(raw) unless its images cannot be imitated.", "loader")
def two_functions(subject: Subject) -> Iterator[str]:
    """Nothing else is public."""
    public = {key: value for key, value in vars(subject.module).items() if not key.startswith("_") and callable(value)}
    own = {key for key, value in public.items() if getattr(value, "__module__", "") == subject.module.__name__}
    for name in sorted(own - {"examples", "miniature"}):
        yield f"{name} is private to the loader: call it _{name}."
    if "examples" not in public:
        yield "It lacks the function examples(raw), which yields one Example for each image."


PROMISES = (only_parses, documented, two_functions)
