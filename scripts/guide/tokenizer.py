"""The guide's own byte-level BPE, and how a conversation becomes tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import islice
from pathlib import Path
from random import Random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from guide.conversations import Conversation, Conversations
from guide.topics import Knowledge

VOCABULARY_SIZE = 1536
END_OF_TEXT, IM_START, IM_END = SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SAMPLED_CONVERSATIONS = 100_000

# Capital letters are another alphabet to so small a model: a prompt reaches it in lower case.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'user' %}{{ message['content'] | lower | trim }}"
    "{% else %}{{ message['content'] }}{% endif %}{{ '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def train_tokenizer(knowledge: Knowledge, *, seed: int) -> Tokenizer:
    """Learned from the answers and from a sample of the questions."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(knowledge, seed), trainer)
    return tokenizer


def _corpus(knowledge: Knowledge, seed: int) -> Iterable[str]:
    sampled = islice(Conversations(knowledge, seed=seed), SAMPLED_CONVERSATIONS)
    for conversation in sampled:
        yield conversation.last.question
        yield conversation.last.answer


Encode = Callable[[str], list[int]]


class Codec:
    """Text to tokens and back. `dropout`: the share of tokens of a prompt that is split again, so
    that the model also knows a word by its pieces (BPE dropout: Provilkov et al., 2020)."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        vocabulary = tokenizer.get_vocab()
        self.im_start, self.im_end = vocabulary[IM_START], vocabulary[IM_END]
        self._known: dict[str, list[int]] = {}

    @classmethod
    def read(cls, path: Path) -> Codec:
        return cls(Tokenizer.from_file(str(path)))

    def encode(self, text: str) -> list[int]:
        """Special tokens in the text are recognised, as by llama.cpp in the product."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=False))

    def answer(self, text: str) -> list[int]:
        return [*self._remembered(text), self.im_end]

    def prompt(self, conversation: Conversation) -> list[int]:
        """As CHAT_TEMPLATE writes it, up to where the answer begins."""
        return self._prompt(conversation, self.encode)

    def first_answer(self, prompt: list[int]) -> int:
        """Where the answer of the turn before begins in a prompt that has one."""
        return prompt.index(self.im_start, 1) + 1 + len(self._remembered("assistant\n"))

    def prompt_with_dropout(
        self, conversation: Conversation, *, dropout: float, random: Random
    ) -> list[int]:
        return self._prompt(
            conversation, lambda text: self._split(self.encode(text), dropout, random)
        )

    def _prompt(self, conversation: Conversation, encode: Encode) -> list[int]:
        tokens: list[int] = []
        if before := conversation.before:
            tokens += self._message("user", encode(_templated(before.question)))
            tokens += self._message("assistant", self._remembered(before.answer))
        tokens += self._message("user", encode(_templated(conversation.last.question)))
        return [*tokens, self.im_start, *self._remembered("assistant\n")]

    def _message(self, role: str, content: list[int]) -> list[int]:
        start = [self.im_start, *self._remembered(f"{role}\n")]
        return [*start, *content, self.im_end, *self._remembered("\n")]

    def _remembered(self, text: str) -> list[int]:
        if text not in self._known:
            self._known[text] = self.encode(text)
        return self._known[text]

    def _split(self, tokens: list[int], share: float, random: Random) -> list[int]:
        pieces: list[int] = []
        for token in tokens:
            if token in self._halves and random.random() < share:
                pieces += self._split(list(self._halves[token]), share, random)
            else:
                pieces.append(token)
        return pieces

    @cached_property
    def _halves(self) -> dict[int, tuple[int, int]]:
        """Which two tokens each merged one consists of."""
        vocabulary = self.tokenizer.get_vocab()
        return {
            vocabulary[left + right]: (vocabulary[left], vocabulary[right])
            for left, right in merges_of(self.tokenizer)
        }


def _templated(question: str) -> str:
    """What CHAT_TEMPLATE makes of it."""
    return question.lower().strip()


def merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """In order of rank, in the byte-level alphabet."""
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(left, right) for left, right in merges]
