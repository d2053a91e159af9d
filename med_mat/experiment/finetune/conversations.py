"""What a model reads: the conversation of each record, with its image, as the chat template of the model prints it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Conversation = dict[str, Any]

_GRAY = (128, 128, 128)


def safe_text(text: str, specials: Sequence[str]) -> str:
    """A text in which no special token of a model is left, such as ``<image>``: its second character is set apart.

    A special token in a question would count as an image, or end the question.
    """
    for token in sorted((one for one in specials if len(one) > 1), key=len, reverse=True):
        text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


@dataclass(frozen=True, slots=True)
class Chat:
    """How the chat template of a processor prints questions and answers."""

    processor: Any

    @property
    def specials(self) -> tuple[str, ...]:
        """The special tokens of the tokenizer, as texts."""
        return tuple(self.processor.tokenizer.all_special_tokens)

    def question(self, text: str) -> Conversation:
        """The turn of the user: the image, then the question."""
        content = [{"type": "image"}, {"type": "text", "text": safe_text(text, self.specials)}]
        return {"role": "user", "content": content}

    def answer(self, text: str) -> Conversation:
        """The turn of the model, with an end mark if the template prints none: without, a model learns no end."""
        mark = "" if self._ends else self.processor.tokenizer.eos_token
        return {
            "role": "assistant",
            "content": [{"type": "text", "text": safe_text(text, self.specials) + mark}],
        }

    def prompt(self, question: str) -> str:
        """A question as the model reads it, up to where its answer begins."""
        return self._printed([self.question(question)], add_generation_prompt=True)

    def completion(self, question: str, answer: str) -> str:
        """An answer as the model is to write it, end mark included."""
        whole = self._printed([self.question(question), self.answer(answer)])
        prompt = self.prompt(question)
        return whole[len(prompt) :] if whole.startswith(prompt) else answer

    @property
    def _ends(self) -> bool:
        return _prints_an_end(self.processor, self.processor.chat_template)

    def _printed(self, messages: list[Conversation], **options: Any) -> str:
        return str(self.processor.apply_chat_template(messages, tokenize=False, **options))


@functools.lru_cache(maxsize=8)
def _prints_an_end(processor: Any, _template: Any) -> bool:
    """Whether the chat template ends an answer with a token that stops the generation."""
    words = processor.tokenizer
    messages = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Q"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "A"}]},
    ]
    printed = processor.apply_chat_template(messages, tokenize=False)
    return re.search(rf"{re.escape(words.eos_token)}\s*\Z", printed) is not None


@dataclass(frozen=True, slots=True)
class Prepare:
    """The transform of a training set: turns of records as TRL's columns, one image each. It can be sent to workers."""

    chat: Chat
    turns: Mapping[str, tuple[str, str]]  # record id -> question, target
    images: str = "own"  # or "gray": see :func:`shown`

    def __call__(self, batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        """The columns ``prompt``, ``completion`` and ``images`` of a batch of records."""
        asked = [self.turns[one] for one in batch["id"]]
        return {
            "prompt": [[self.chat.question(question)] for question, _ in asked],
            "completion": [[self.chat.answer(target)] for _, target in asked],
            "images": [[shown(image, self.images)] for image in batch["image"]],
        }


def shown(image: Any, images: str) -> Any:
    """What a model sees of an image: it in RGB, or with "gray" nothing but its size."""
    from PIL import Image

    return image.convert("RGB") if images == "own" else Image.new("RGB", image.size, _GRAY)


def batches(count: int, size: int) -> Iterator[range]:
    """The numbers below a count in runs of a size."""
    for start in range(0, count, size):
        yield range(start, min(start + size, count))
