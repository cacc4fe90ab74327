"""A LoadedModel without a model, for what a real one can't be made to show: a failing decode, an
exact cache size, an interrupt at an exact moment. Next token = last token + 1; token 0 ends."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

from inference.backends.base import BatchEntry, DecodeResult, EmbeddingModel, SavedState
from inference.types import OutputFormat, SamplingParams

END = 0


class ScriptedSampler:
    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class ScriptedModel:
    """`cache[slot]` are the tokens it holds; computing at a wrong position is an error."""

    chat_template = ""
    bos_text = ""
    eos_text = ""
    device = "CPU"
    engine = "scripted"
    num_layers = 1
    num_gpu_layers = 0
    vocabulary_size = 256
    decode_seconds = 0.001
    num_outputs = 64
    can_cut = True
    generates = True
    embedding_window = 100

    def __init__(
        self,
        *,
        num_cells: int = 1000,
        max_sequences: int = 4,
        num_slots: int | None = None,
        token_budget: int = 64,
    ) -> None:
        self.context_window = num_cells
        self.num_cells = num_cells
        self.max_sequences = max_sequences
        self.num_slots = num_slots or max_sequences
        self.token_budget = token_budget
        self.cache: dict[int, list[int]] = {}
        self.cells: dict[int, list[object]] = {}
        self.batches: list[list[BatchEntry]] = []
        self.samplers: list[ScriptedSampler] = []
        self.before_decode: Callable[[], DecodeResult | None] = lambda: None
        self.interrupted = False
        self.forgets_parts = True
        self.last_token = 255

    @property
    def num_cached_tokens(self) -> int:
        """Cells that are taken: what several slots share is there once."""
        return len({cell for cells in self.cells.values() for cell in cells})

    def tokenize(self, text: str) -> array[int]:
        return array("i", list(text.encode()))

    def tokenize_input(self, text: str) -> array[int]:
        return self.tokenize(text)

    def piece(self, token: int) -> bytes:
        return bytes([token])

    def is_end(self, token: int) -> bool:
        return token == END

    def make_grammar(self, wanted: OutputFormat) -> str:
        raise AssertionError("no test asks for it")

    def make_embedding_model(self) -> EmbeddingModel:
        raise AssertionError("no test asks for it")

    def make_sampler(self, sampling: SamplingParams, *, grammar: str = "") -> ScriptedSampler:
        self.samplers.append(ScriptedSampler())
        return self.samplers[-1]

    def decode(self, batch: Sequence[BatchEntry]) -> DecodeResult:
        self.batches.append(list(batch))
        result = self.before_decode()
        if result is not None:
            return result
        for entry in batch:
            self.hold(entry)
        assert self.num_cached_tokens <= self.num_cells, "more cells than there are"
        return DecodeResult.INTERRUPTED if self.interrupted else DecodeResult.DONE

    def hold(self, entry: BatchEntry) -> None:
        cached = self.cache.setdefault(entry.slot, [])
        assert len(cached) == entry.position, "a position was skipped or computed twice"
        cached.extend(entry.tokens)
        self.cells.setdefault(entry.slot, []).extend(object() for _ in entry.tokens)

    def sample(self, index: int, sampler: object, *, place: int = 0) -> int:
        last = self.read(index, place)[-1]
        return END if last == self.last_token else last + 1

    def read(self, index: int, place: int) -> list[int]:
        """The tokens before the one that is sampled in this place of an entry."""
        entry = self.batches[-1][index]
        assert place < entry.samples
        end = entry.position + len(entry.tokens) - entry.samples + place + 1
        return self.cache[entry.slot][:end]

    def logprobs(
        self, index: int, token: int, *, count: int, place: int = 0
    ) -> list[tuple[int, float]]:
        return [(token, -0.5), *((other, -1.0 - other) for other in range(count))]

    def forget(self, slot: int, *, position: int = 0) -> bool:
        if position and not self.forgets_parts:
            return False
        del self.cache.setdefault(slot, [])[position:]
        del self.cells.setdefault(slot, [])[position:]
        return True

    def share(self, slot: int, other: int, *, length: int) -> bool:
        assert not self.cache.get(other), "sharing with a slot that is taken"
        if self.forgets_parts:
            self.cache[other] = self.cache[slot][:length]
            self.cells[other] = self.cells[slot][:length]
            assert len(self.cells[other]) == length, "sharing what is not computed"
        return self.forgets_parts

    def save(self, slot: int, *, most: int) -> SavedState | None:
        held = self.cache[slot]
        return SavedState(len(held), list(held)) if len(held) <= most else None

    def restore(self, slot: int, state: SavedState) -> bool:
        assert not self.cache.get(slot), "restoring to a slot that is taken"
        held = state.data
        assert isinstance(held, list)
        if self.num_cached_tokens + len(held) > self.num_cells:
            return False
        self.cache[slot] = list(held)
        self.cells[slot] = [object() for _ in held]
        return True

    def interrupt(self) -> None:
        self.interrupted = True

    def clear_interrupt(self) -> None:
        self.interrupted = False

    def close(self) -> None:
        pass
