"""The answers of a model to records, by greedy decoding or by the likelihood of the options; a killed run resumes.

Answers are kept as soon as a batch is answered, under a hash of the weights and of the prompt. Batches are always the
same runs of the same records, since a batch of another length may change the last digit of a likelihood.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from med_mat.errors import EngineError
from med_mat.experiment.finetune import models
from med_mat.experiment.finetune.conversations import Chat, batches, shown
from med_mat.experiment.finetune.settings import Settings
from med_mat.progress import Bar

if TYPE_CHECKING:
    import datasets

#: A text, or a log likelihood per letter.
Answer = str | dict[str, float]
#: Inputs that have one column per token, beside the tokens themselves.
_PER_TOKEN = ("attention_mask", "mm_token_type_ids", "token_type_ids")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a record: what its answer is kept under."""

    id: str
    key: str  # identifies the record's source, row and content
    question: str
    letters: tuple[str, ...]  # of its options; none for an open question


def answer(
    records: datasets.Dataset,
    asked: Sequence[Asked],
    settings: Settings,
    *,
    weights: Path | None,
    kept: Path,
    writer: str,
    share: tuple[int, int] = (0, 1),
    progress: bool = False,
) -> dict[str, Answer]:
    """Answer questions, or read the answers that an earlier call kept.

    Args:
        records: the records in the order of ``asked``, with the column ``image``.
        asked: the questions.
        settings: the settings.
        weights: a checkpoint, or None for the model as published.
        kept: folder of kept answers; tasks may share it.
        writer: name of this process among those that write to it.
        share: number of this process, and how many answer: each answers its own batches.
        progress: whether to show a progress bar.

    Returns:
        Record id -> answer, of all questions whose answers are kept.

    Raises:
        EngineError: the model cannot be loaded, or its tokenizer cannot tell the letters apart.
    """
    processor = models.load_processor(settings)
    chat = Chat(processor)
    folder = kept / models.identity(settings, weights)
    known = read(folder)
    how = f"{settings.predict} {settings.max_new_tokens} {settings.images}"
    keys = [_key(one, chat.prompt(one.question), how) for one in asked]
    number, processes = share
    open_ = [
        run
        for place, run in enumerate(batches(len(asked), settings.predict_batch))
        if place % processes == number and any(keys[one] not in known for one in run)
    ]
    if open_:
        folder.mkdir(parents=True, exist_ok=True)
        predict = _Predictor(settings, chat, weights)
        with ExitStack() as stack:
            bar = stack.enter_context(
                Bar(sum(len(one) for one in open_), desc="Answering", unit="records", shown=progress)
            )
            file = stack.enter_context((folder / f"{writer}.jsonl").open("a", encoding="utf-8"))
            file.write("\n")  # ends a line that a killed process began
            for run in open_:
                images = [shown(image, settings.images) for image in records[run.start : run.stop]["image"]]
                with models.enough_memory("Answering", "predict_batch=1"):
                    found = predict([asked[one] for one in run], images)
                new = {keys[one]: value for one, value in zip(run, found, strict=True)}
                known |= new
                file.write("".join(json.dumps([key, value], ensure_ascii=False) + "\n" for key, value in new.items()))
                file.flush()
                bar.update(len(run))
    return {one.id: known[key] for one, key in zip(asked, keys, strict=True) if key in known}


def read(folder: Path) -> dict[str, Answer]:
    """The kept answers of a folder. A line that a killed process did not finish is ignored."""
    found: dict[str, Answer] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text("utf-8", errors="replace").splitlines():
            try:
                key, value = json.loads(line)
            except (ValueError, TypeError):
                continue
            if isinstance(key, str) and (isinstance(value, str) or _is_scores(value)):
                found.setdefault(key, value)
    return found


def _is_scores(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, float) for one in value.values())


def _key(one: Asked, prompt: str, how: str) -> str:
    parts = json.dumps([one.key, prompt, list(one.letters), how], ensure_ascii=False)
    return hashlib.blake2b(parts.encode(errors="surrogatepass"), digest_size=16).hexdigest()


class _Predictor:
    """A loaded model that answers batches of questions."""

    def __init__(self, settings: Settings, chat: Chat, weights: Path | None) -> None:
        import torch

        models.quietly()
        self._settings, self._chat = settings, chat
        dtype = torch.bfloat16 if models.bf16(settings) else torch.float32
        self._device = _device()
        self._model = models.load_model(settings, weights=weights, dtype=dtype).to(self._device).eval()
        self._dtype = dtype

    def __call__(self, asked: Sequence[Asked], images: Sequence[Any]) -> list[Answer]:
        """The answers to questions about one image each."""
        likely = [one for one in range(len(asked)) if self._settings.predict == "likelihood" and asked[one].letters]
        spoken = [one for one in range(len(asked)) if one not in likely]
        found: dict[int, Answer] = {}
        for places in (likely, spoken):
            answers = self._likelihoods if places is likely else self._greedy
            if places:
                part: Sequence[Answer] = answers([asked[one] for one in places], [images[one] for one in places])
                found |= zip(places, part, strict=True)
        return [found[one] for one in range(len(asked))]

    def _inputs(self, asked: Sequence[Asked], images: Sequence[Any]) -> Any:
        prompts = [self._chat.prompt(one.question) for one in asked]
        made = self._chat.processor(
            images=[[image] for image in images],
            text=prompts,
            padding=True,
            padding_side="left",  # an answer begins right behind its question
            add_special_tokens=False,  # the chat template has them
            return_tensors="pt",
        )
        return made.to(self._device, dtype=self._dtype)

    def _generate(self, inputs: Any, **options: Any) -> Any:
        import torch

        greedy = {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}
        words = self._chat.processor.tokenizer
        with torch.inference_mode():
            return self._model.generate(**inputs, **greedy, pad_token_id=words.pad_token_id, **options)

    def _greedy(self, asked: Sequence[Asked], images: Sequence[Any]) -> list[str]:
        inputs = self._inputs(asked, images)
        length = inputs["input_ids"].shape[1]
        made = self._generate(inputs, max_new_tokens=self._settings.max_new_tokens)
        texts = self._chat.processor.tokenizer.batch_decode(made[:, length:], skip_special_tokens=True)
        return [text.strip() for text in texts]

    def _likelihoods(self, asked: Sequence[Asked], images: Sequence[Any]) -> list[dict[str, float]]:
        """The log likelihood of each letter, up to a constant per question: all begin alike up to one token."""
        import torch

        inputs = self._inputs(asked, images)
        length = inputs["input_ids"].shape[1]
        begun, last = self._letter_tokens(asked)
        made = self._generate(
            inputs,
            max_new_tokens=len(begun) + 1,
            min_new_tokens=len(begun) + 1,
            output_logits=True,
            return_dict_in_generate=True,
            prefix_allowed_tokens_fn=_forced(length, begun, self._chat.processor.tokenizer.vocab_size),
        )
        scores = torch.log_softmax(made.logits[len(begun)].double(), dim=-1).cpu()
        if not torch.isfinite(scores[:, list(last.values())]).all():
            raise EngineError(
                f"{self._settings.model} gives likelihoods that are no numbers, for one of {asked[0].id} and the "
                f"{len(asked) - 1} records after it: its weights are damaged, or need precision=float32."
            )
        return [
            {letter: float(scores[place, last[letter]]) for letter in one.letters} for place, one in enumerate(asked)
        ]

    def _letter_tokens(self, asked: Sequence[Asked]) -> tuple[list[int], dict[str, int]]:
        """The tokens that an answer of one letter begins with, whatever the letter, and the token of each letter.

        Raises:
            EngineError: two letters have the same tokens.
        """
        words, question = self._chat.processor.tokenizer, asked[0].question
        letters = sorted({letter for one in asked for letter in one.letters})
        texts = {letter: self._chat.completion(question, letter) for letter in letters}
        tokens = {letter: words(text, add_special_tokens=False)["input_ids"] for letter, text in texts.items()}
        begun = _shared_prefix(list(tokens.values())) if len(letters) > 1 else []
        last = {letter: ids[len(begun)] for letter, ids in tokens.items() if len(ids) > len(begun)}
        if len(set(last.values())) < len(letters):
            raise EngineError(
                f"The tokenizer of {self._settings.model} does not tell the letters {', '.join(letters)} apart by one "
                "token: use predict=greedy."
            )
        return begun, last


def _shared_prefix(tokens: list[list[int]]) -> list[int]:
    """The tokens that all sequences begin with."""
    shared = []
    for column in zip(*tokens, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return shared


def _forced(length: int, begun: list[int], vocabulary: int) -> Any:
    """What ``generate`` may write: the given tokens behind a prompt, then any."""
    anything = list(range(vocabulary))
    return lambda _batch, ids: [begun[len(ids) - length]] if len(ids) - length < len(begun) else anything


def _device() -> Any:
    from accelerate import PartialState

    return PartialState().device
