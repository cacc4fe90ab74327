"""How good the guide is: the figures of its manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Protocol

from guide.by_llama_cpp import LlamaCppAnswers
from guide.cases import Case, Kind, cases
from guide.conversations import Conversations
from guide.gguf_file import read_gguf
from guide.tokenizer import SPECIAL_TOKENS, Codec
from guide.topics import Knowledge

REQUIRED = {Kind.QUESTION: 0.80, Kind.OFF_TOPIC: 0.95, Kind.FOLLOW_UP: 0.90, Kind.CARD: 1.0}
SAMPLED_QUESTIONS = 20_000
ODD_STRINGS = 1_000
# Logits. Q8_0 rounds what it multiplies, by about this much in the end.
TIE = 0.1
ODD_CHARACTERS = (
    "abcXYZ 0123456789 \t\n\r.,;:!?'\"`~@#$%^&*()[]{}<>|/\\-_=+ éÄßøçñłΩжשعहิไ中文字日本語한국어"
    "\u00a0\u200b\u200d\u2028\u3000\ufeff\ufffd\u0000\u0007\u0301"
    "\U0001f600\U0001f469\U0001f1e9\U0001f3fd\U00010348½²Ⅳ٣—\u201c\u201d\u2019…€"
)


class OtherEngine(Protocol):
    def __call__(self, prompt: list[int]) -> list[int]: ...

    def lead(self, prompt: list[int], other: list[int]) -> float:
        """See `TorchAnswers`."""
        ...


@dataclass(frozen=True)
class Score:
    right: int
    total: int

    @property
    def share(self) -> float:
        return self.right / self.total

    def __str__(self) -> str:
        return f"{self.share:6.1%}  ({self.right} of {self.total})"


@dataclass(frozen=True)
class Report:
    """`scores` by kind. `same_text`: answers that the other engine gives too, None if there was no
    other; `leads`: by how many logits it preferred its own where they differ. `same_tokens`: texts
    that llama.cpp and the tokenizers library cut alike."""

    scores: dict[Kind, Score]
    same_text: Score | None
    leads: list[float]
    same_tokens: Score
    mistakes: list[str]

    @property
    def is_good_enough(self) -> bool:
        """Engines round differently, so a tie may be decided one way or the other."""
        is_right = all(self.scores[kind].share >= share for kind, share in REQUIRED.items())
        is_same = all(lead <= TIE for lead in self.leads)
        return is_right and is_same and self.same_tokens.right == self.same_tokens.total

    def named(self) -> dict[str, tuple[Score, float]]:
        """Each figure with the share that is required."""
        named = {kind.value: (self.scores[kind], share) for kind, share in REQUIRED.items()}
        if self.same_text:
            named["llama.cpp answers as PyTorch"] = (self.same_text, 1.0)
        return named | {"llama.cpp tokenises as tokenizers": (self.same_tokens, 1.0)}

    def lines(self) -> Iterator[str]:
        for name, (score, required) in self.named().items():
            yield f"{name:34} {score}   required {required:.0%}"
        for lead in self.leads:
            yield f"  an answer differs where PyTorch's token leads by {lead:.3f} logits"


def evaluate(
    path: Path, knowledge: Knowledge, *, held_out: str = "final", other: OtherEngine | None = None
) -> Report:
    """llama.cpp answers every case. `held_out`: see `cases`. `other`: an engine to compare with."""
    codec = Codec(read_gguf(path).tokenizer)
    llama_cpp = LlamaCppAnswers(path)
    tried = cases(knowledge, held_out)
    prompts = [codec.prompt(case.conversation) for case in tried]
    said = [llama_cpp(prompt) for prompt in prompts]
    pairs = zip(prompts, said, strict=True)
    differing = [pair for pair in pairs if other and other(pair[0]) != pair[1]]
    return Report(
        scores=_scores(tried, said, codec),
        same_text=Score(len(said) - len(differing), len(said)) if other else None,
        leads=[other.lead(*pair) for pair in differing] if other else [],
        same_tokens=_same_tokens(knowledge, codec, llama_cpp),
        mistakes=[
            _mistake(case, codec.decode(tokens))
            for case, tokens in zip(tried, said, strict=True)
            if not _is_right(case, tokens, codec)
        ],
    )


def _scores(tried: list[Case], said: list[list[int]], codec: Codec) -> dict[Kind, Score]:
    total, right = Counter[Kind](), Counter[Kind]()
    for case, tokens in zip(tried, said, strict=True):
        total[case.kind] += 1
        right[case.kind] += _is_right(case, tokens, codec)
    return {kind: Score(right[kind], total[kind]) for kind in REQUIRED}


def _is_right(case: Case, tokens: list[int], codec: Codec) -> bool:
    return codec.decode(tokens) == case.conversation.last.answer


def _mistake(case: Case, said: str) -> str:
    return f"{case.kind}: {case.conversation.last.question!r} → {said[:60]!r}"


def _same_tokens(knowledge: Knowledge, codec: Codec, by_llama_cpp: LlamaCppAnswers) -> Score:
    texts = list(_texts(knowledge))
    same = sum(codec.encode(text) == by_llama_cpp.tokenize(text) for text in texts)
    return Score(same, len(texts))


def _texts(knowledge: Knowledge) -> Iterator[str]:
    """Every answer, every wording once and many more times, every held-out line, odd strings."""
    yield from knowledge.answers
    yield from _each_wording(knowledge)
    for conversation in islice(Conversations(knowledge, seed=1), SAMPLED_QUESTIONS):
        yield conversation.last.question
    for name in ("tuning", "final"):
        yield from (case.conversation.last.question for case in cases(knowledge, name))
    yield from odd_strings(ODD_STRINGS, seed=1)


def _each_wording(knowledge: Knowledge) -> Iterator[str]:
    random = Random(1)  # noqa: S311  (not a secret)
    for topic in (*knowledge.topics, knowledge.off_topic):
        followed_up = tuple(follow_up.wording for follow_up in topic.follow_ups)
        for wording in (*topic.questions, *topic.near_misses, *followed_up):
            yield wording.sample(random, knowledge.words)


def odd_strings(count: int, *, seed: int) -> Iterable[str]:
    """Many scripts, controls, combining marks, numbers, special tokens, in any order."""
    random = Random(seed)  # noqa: S311  (not a secret)
    pieces = (*ODD_CHARACTERS, *SPECIAL_TOKENS, "'s", "'LL", "   ", "don't", "\r\n")
    for _ in range(count):
        yield "".join(random.choices(pieces, k=random.randint(1, 60)))
