"""Trains the guide on a CPU: some half an hour on two cores.

The loss counts tokens of answers only: of the last one, and those that choose the one before it. All
answers are known by heart after some hundred steps, and from then on the few tokens that *choose* the
answer would drown among those that only recite it. So most answers are cut after the tokens that tell
them from each other, and recited tokens weigh less.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F

from guide.conversations import Conversation, Conversations
from guide.gguf_file import Weights
from guide.model import Llama
from guide.recipe import Recipe
from guide.shape import Shape
from guide.tokenizer import Codec
from guide.topics import Knowledge

POOL = 2048


@dataclass(frozen=True)
class Document:
    """`choosing`: where the tokens stand, in prompt and answer, that tell an answer from all others,
    and how much these count."""

    prompt: list[int]
    answer: list[int]
    choosing: list[tuple[slice, float]]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True)
class Batch:
    """All: rows by length. `targets`: the token that follows; `weights`: how much it counts."""

    tokens: Tensor
    targets: Tensor
    weights: Tensor


def train(
    knowledge: Knowledge,
    codec: Codec,
    shape: Shape,
    recipe: Recipe,
    *,
    weights: Weights | None = None,
) -> Llama:
    """Returns the model in evaluation mode, with 32-bit weights. Prints how far it is. `weights`: to
    begin with, of a model with the same shape and tokenizer; None: at random."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    model = Llama(shape)
    if weights is not None:
        model.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    optimizer = _optimizer(model, recipe)
    batches = Batches(knowledge, codec, recipe)
    progress = Progress(recipe.steps)
    for step in range(recipe.steps):
        _set_rate(optimizer, _rate(step, recipe))
        batch = batches.next(whole_share=_whole_share(step, recipe))
        loss = _loss(model, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        progress.count(step, loss, batch.tokens.numel())
    model.eval()
    return model


def _optimizer(model: Llama, recipe: Recipe) -> torch.optim.Optimizer:
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.peak_rate, betas=(0.9, 0.98), fused=True)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _rate(step: int, recipe: Recipe) -> float:
    """Up in a line, down to nothing along a cosine."""
    if step < recipe.warm_up_steps:
        return recipe.peak_rate * (step + 1) / recipe.warm_up_steps
    done = (step - recipe.warm_up_steps) / (recipe.steps - recipe.warm_up_steps)
    return recipe.peak_rate * (1 + math.cos(math.pi * done)) / 2


def _whole_share(step: int, recipe: Recipe) -> float:
    return next(share for end, share in recipe.whole_shares if step < end * recipe.steps)


def _loss(model: Llama, batch: Batch) -> Tensor:
    counted = batch.weights > 0
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=_has_fast_bfloat16()):
        logits = model.logits(model(batch.tokens)[counted])
    losses = F.cross_entropy(logits.float(), batch.targets[counted], reduction="none")
    weights = batch.weights[counted]
    return (losses * weights).sum() / weights.sum()


def _has_fast_bfloat16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Batches:
    """Conversations of about one length together, so that little of a batch is padding."""

    def __init__(self, knowledge: Knowledge, codec: Codec, recipe: Recipe) -> None:
        self._conversations = iter(Conversations(knowledge, seed=recipe.seed))
        self._random = Random(recipe.seed)  # noqa: S311  (not a secret)
        self._codec = codec
        self._recipe = recipe
        answers = [codec.answer(text) for text in knowledge.answers]
        self._num_choosing = {tuple(each): _num_choosing(each, answers) for each in answers}
        self._declines = codec.answer(knowledge.off_topic.answer)
        self._ready: list[list[Document]] = []

    def next(self, *, whole_share: float) -> Batch:
        if not self._ready:
            self._ready.extend(self._pool(whole_share))
        return _padded(self._ready.pop(), self._recipe.recited_weight)

    def _pool(self, whole_share: float) -> list[list[Document]]:
        conversations = islice(self._conversations, POOL)
        documents = [self._document(each, whole_share) for each in conversations]
        batches = list(_batches(sorted(documents, key=len), self._recipe.tokens_per_step))
        self._random.shuffle(batches)
        return batches

    def _document(self, conversation: Conversation, whole_share: float) -> Document:
        prompt = self._prompt(conversation)
        answer = self._codec.answer(conversation.last.answer)
        choosing = [self._choosing(answer, len(prompt))]
        if (before := conversation.before) and before.follows:
            at = self._codec.first_answer(prompt)
            choosing.append(self._choosing(self._codec.answer(before.answer), at))
        if self._random.random() >= whole_share:
            answer = answer[: self._num_choosing[tuple(answer)]]
        return Document(prompt, answer, choosing)

    def _choosing(self, answer: list[int], at: int) -> tuple[slice, float]:
        weight = self._recipe.declining_weight if answer == self._declines else 1.0
        return slice(at, at + self._num_choosing[tuple(answer)]), weight

    def _prompt(self, conversation: Conversation) -> list[int]:
        if self._random.random() >= self._recipe.dropout_share:
            return self._codec.prompt(conversation)
        return self._codec.prompt_with_dropout(
            conversation, dropout=self._recipe.dropout, random=self._random
        )


def _num_choosing(answer: list[int], answers: list[list[int]]) -> int:
    """Of the shortest beginning that no other answer has."""
    for length in range(1, len(answer)):
        if sum(other[:length] == answer[:length] for other in answers) == 1:
            return length
    return len(answer)


def _batches(documents: list[Document], tokens_per_step: int) -> Iterator[list[Document]]:
    batch: list[Document] = []
    for document in documents:  # ascending, so that the newest is the longest
        if batch and len(document) * (len(batch) + 1) > tokens_per_step:
            yield batch
            batch = []
        batch.append(document)
    yield batch


def _padded(documents: list[Document], recited_weight: float) -> Batch:
    """Padding stands at the end, where attention that only looks back never meets it."""
    length = max(len(document) for document in documents) - 1
    tokens = torch.zeros((len(documents), length), dtype=torch.long)
    targets = torch.zeros((len(documents), length), dtype=torch.long)
    weights = torch.zeros((len(documents), length))
    for row, document in enumerate(documents):
        ids = [*document.prompt, *document.answer]
        end = len(ids) - 1
        tokens[row, :end] = torch.tensor(ids[:-1])
        targets[row, :end] = torch.tensor(ids[1:])
        weights[row, len(document.prompt) - 1 : end] = recited_weight
        for (
            choosing,
            weight,
        ) in document.choosing:  # a token is foretold where the one before it stands
            weights[row, choosing.start - 1 : choosing.stop - 1] = weight
    return Batch(tokens, targets, weights)


class Progress:
    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._started_at = time.monotonic()
        self._tokens = 0
        self._losses: list[float] = []

    def count(self, step: int, loss: Tensor, tokens: int) -> None:
        self._tokens += tokens
        self._losses.append(float(loss.detach()))
        if (step + 1) % 100 == 0 or step + 1 == self._steps:
            self._report(step + 1)

    def _report(self, done: int) -> None:
        seconds = time.monotonic() - self._started_at
        mean = sum(self._losses) / len(self._losses)
        self._losses.clear()
        left = seconds / done * (self._steps - done) / 60
        print(
            f"step {done:5}/{self._steps}  loss {mean:.4f}  "
            f"{self._tokens / seconds:6.0f} tokens/s  {left:4.1f} min left",
            flush=True,
        )
