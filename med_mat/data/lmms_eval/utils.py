"""Functions of a lmms-eval task that Med-MAT wrote: the prompt, the score of an answer, and the figures.

Answers are read by the parser of ``med_mat.score``, a copy of which is beside this file, since the extractor of
lmms-eval returns a wrong letter for many longer answers. Nothing here needs Med-MAT.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
#: What ``datasets.load_dataset`` reads; the tasks name the folders in it.
DATA = str(HERE / "data")


def _parser() -> Any:
    """The module ``parsing.py`` beside this file; lmms-eval executes this file once for each function that it needs."""
    name = f"med_mat_parsing_of_{abs(hash(str(HERE)))}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / "parsing.py")
        if spec is None or spec.loader is None:
            raise ImportError(f"{HERE} lacks parsing.py: export the task again.")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


parse = _parser().parse


def doc_to_visual(doc: Any) -> list[Any]:
    """The image, for simple models."""
    return [doc["image"].convert("RGB")]


def doc_to_text(doc: Any, lmms_eval_specific_kwargs: Any = None) -> str:
    """The question with its options, and how to answer."""
    asked = lmms_eval_specific_kwargs or {}
    return f"{asked.get('pre_prompt', '')}{doc['question']}{asked.get('post_prompt', '')}"


def doc_to_messages(doc: Any, lmms_eval_specific_kwargs: Any = None) -> list[dict[str, Any]]:
    """The image and the question, for chat models."""
    content = [
        {"type": "image", "url": doc_to_visual(doc)[0]},
        {"type": "text", "text": doc_to_text(doc, lmms_eval_specific_kwargs)},
    ]
    return [{"role": "user", "content": content}]


def process_results(doc: Any, results: list[str]) -> dict[str, Any]:
    """The score of an answer.

    The items of ``accuracy`` are in per cent, as is their mean, so that the errors beside it have its unit.
    ``paired_score`` is 0 or 1: the comparison with ``--baseline`` multiplies it by 100.
    """
    found = parse(results[0] if results else "", doc["options"])
    right = found.letter == doc["answer"]
    item = {name: doc[name] for name in ("id", "split", "triplet", "group", "answer")}
    item |= {"letter": found.letter, "score": 100.0 * right}
    return {"accuracy": item, "unparsed": {"letter": found.letter, "how": found.how}, "paired_score": float(right)}


def mean_score(items: list[dict[str, Any]]) -> float:
    """Accuracy in per cent."""
    return float(sum(one["score"] for one in items) / len(items)) if items else 0.0


def count_unparsed(items: list[dict[str, Any]]) -> str:
    """The answers without a letter; text, for a number would be compared with the baseline's accuracy."""
    return f"{sum(one['letter'] is None for one in items)} of {len(items)}"
