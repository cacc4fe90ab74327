"""The engine loop: drain the inbox, schedule, decode, sample, emit.

1. One thread runs `run`; it alone touches the model's context and owns every sequence.
2. Everything else reaches it through the inbox: announced and prepared sequences, cancels.
3. A sequence ends in exactly one terminal event, emitted by `_end`, whatever happens.
4. `cancel` may be called from any thread. It posts to the inbox first and looks at
   `_interruptible` afterwards; the loop publishes `_interruptible` first and looks at the inbox
   afterwards. So a cancel is either seen before a long decode starts, or interrupts it.
5. An interrupted or failed decode leaves the others as they were before it: what it may have
   left in the KV cache is dropped, and the step is repeated without the sequence that is gone.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable
from queue import Empty, SimpleQueue

from inference.backends.base import BatchEntry, DecodeResult, LoadedModel
from inference.engine.embedder import Embedder
from inference.engine.pace import PrefillPace
from inference.engine.posts import (
    Announced,
    Cancelled,
    Post,
    Prepared,
    PreparedInputs,
    Refused,
)
from inference.engine.scheduler import Chunk, Scheduler
from inference.engine.separator import Part
from inference.engine.sequence import Prompt, Sequence, SequenceStatus
from inference.engine.speculation import Drafter, Speculation
from inference.engine.tool_calls import Call
from inference.errors import InferenceError
from inference.types import (
    Delta,
    Embedding,
    Event,
    Failed,
    Finished,
    FinishReason,
    Pooling,
    Prefill,
    Queued,
    SampledToken,
    Shortened,
    TokenLogprob,
    ToolCall,
)

logger = logging.getLogger(__name__)

Emit = Callable[[str, Event], None]


class Engine:
    """Computes completions for several sequences at once; `num_…` may be read from any thread.

    `flush` is called once a step, after all that was emitted in it. `shelf_bytes`: for copies of
    ended sequences. `drafter`: guesses what comes next, where that pays.
    """

    def __init__(
        self,
        model: LoadedModel,
        *,
        emit: Emit,
        clock: Callable[[], float],
        flush: Callable[[], None] = lambda: None,
        shelf_bytes: int = 0,
        drafter: Drafter | None = None,
    ) -> None:
        self._model = model
        self._emit = emit
        self._flush = flush
        self._clock = clock
        self._inbox: SimpleQueue[Post] = SimpleQueue()
        self._sequences: dict[str, Sequence] = {}
        self._interruptible: frozenset[str] = frozenset()
        self._pace = PrefillPace(largest=model.token_budget, decode_seconds=model.decode_seconds)
        self.scheduler = Scheduler(
            num_cells=model.num_cells,
            num_slots=model.num_slots,
            max_sequences=model.max_sequences,
            token_budget=model.token_budget,
            pace=self._pace,
            cache=model,
            shelf_bytes=shelf_bytes,
        )
        self._speculation = _speculation(model, drafter)
        self._embedder = Embedder(model.make_embedding_model)
        self._began_at = 0.0
        self.num_steps = 0

    # -- from any thread ----------------------------------------------------------------------

    def post(self, post: Post) -> None:
        self._inbox.put(post)

    def cancel(self, sequence_id: str) -> None:
        self._inbox.put(Cancelled(sequence_id))
        if sequence_id in self._interruptible:
            self._model.interrupt()

    @property
    def num_running(self) -> int:
        return len(self.scheduler.running)

    @property
    def num_waiting(self) -> int:
        return len(self._sequences) - self.num_running

    # -- the loop -----------------------------------------------------------------------------

    def run(self) -> None:
        while True:
            if not self.step():
                self._take(self._inbox.get())

    def step(self) -> bool:
        """One pass. False when there was nothing to do."""
        self._drain()
        chunks = self._scheduled()
        self._report_positions()
        if chunks:
            self._compute(chunks)
            self.num_steps += 1
        has_embedded = self._embed(num_streams=len(chunks))
        self._flush()
        return self.scheduler.tidy() or bool(chunks) or has_embedded

    def _scheduled(self) -> list[Chunk]:
        """A step with a prompt in it is long enough without drafts."""
        chunks = self.scheduler.schedule()
        self._began_at = self._clock()
        if self._speculation is None or any(chunk.is_prefill for chunk in chunks):
            return chunks
        num_free = self.scheduler.num_free_cells
        return self._speculation.with_drafts(chunks, num_free=num_free)

    def _drain(self) -> None:
        while True:
            try:
                self._take(self._inbox.get_nowait())
            except Empty:
                return

    def _take(self, post: Post) -> None:
        match post:
            case Announced(sequence):
                self._sequences.setdefault(sequence.sequence_id, sequence)
            case Prepared(sequence_id, prompt):
                self._enqueue(self._sequences.get(sequence_id), prompt)
            case PreparedInputs(sequence_id, inputs, pooling):
                self._enqueue_inputs(self._sequences.get(sequence_id), inputs, pooling)
            case Refused(sequence_id, error):
                self._fail(self._sequences.get(sequence_id), error)
            case Cancelled(sequence_id):
                self._finish(self._sequences.get(sequence_id), FinishReason.CANCELLED)

    def _enqueue(self, sequence: Sequence | None, prompt: Prompt) -> None:
        if sequence is None or sequence.status is not SequenceStatus.PREPARING:
            return  # cancelled while its prompt was being prepared
        sequence.take_prompt(prompt)
        sequence.sampler = self._model.make_sampler(sequence.sampling, grammar=prompt.grammar)
        self.scheduler.add(sequence)
        if prompt.num_dropped_messages:
            self._emit(sequence.sequence_id, Shortened(prompt.num_dropped_messages))

    def _enqueue_inputs(
        self, sequence: Sequence | None, inputs: tuple[array[int], ...], pooling: Pooling | None
    ) -> None:
        if sequence is None or sequence.status is not SequenceStatus.PREPARING:
            return
        sequence.take_inputs(inputs)
        try:
            self._embedder.add(sequence, inputs, pooling)
        except InferenceError as error:
            self._fail(sequence, error)

    def _report_positions(self) -> None:
        for sequence in self.scheduler.moved():
            self._emit(sequence.sequence_id, Queued(sequence.position))

    # -- one step -----------------------------------------------------------------------------

    def _compute(self, chunks: list[Chunk]) -> None:
        self._model.clear_interrupt()
        self._interruptible = _interruptible(chunks)
        if self._inbox.empty():
            self._settle(chunks, self._decode(chunks))
        self._interruptible = frozenset()

    def _decode(self, chunks: list[Chunk]) -> DecodeResult:
        result = self._model.decode([_entry(chunk) for chunk in chunks])
        if result is DecodeResult.DONE:
            self._record(chunks, self._clock() - self._began_at)
        return result

    def _record(self, chunks: list[Chunk], seconds: float) -> None:
        if self._speculation is not None and not any(chunk.is_prefill for chunk in chunks):
            self._speculation.record(chunks, seconds)
        if any(chunk.draft for chunk in chunks):
            return
        prefills = [chunk.end - chunk.start for chunk in chunks if chunk.is_prefill]
        num_streams = len(chunks) - len(prefills)
        self._pace.record(num_streams=num_streams, prompt_tokens=sum(prefills), seconds=seconds)

    def _settle(self, chunks: list[Chunk], result: DecodeResult) -> None:
        if result is DecodeResult.DONE:
            self._advance(chunks)
            return
        for chunk in chunks:
            self.scheduler.roll_back(chunk)
        if result is DecodeResult.INTERRUPTED:
            return
        if result is DecodeResult.FAILED or not self.scheduler.free_cells():
            self._fail_all(chunks)

    def _advance(self, chunks: list[Chunk]) -> None:
        for index, chunk in enumerate(chunks):
            sequence = chunk.sequence
            if sequence.completion_tokens == 0:
                self._emit(sequence.sequence_id, Prefill(chunk.end, sequence.prompt_tokens))
            if not chunk.completes:
                self.scheduler.computed(chunk)
                continue
            try:
                self._take_tokens(chunk, index)
            except InferenceError as error:  # what it is held to has become too much
                self.scheduler.roll_back(chunk)
                self._fail(sequence, error)

    def _take_tokens(self, chunk: Chunk, index: int) -> None:
        """The next token; and the one after it, as long as the draft had guessed right."""
        sequence, reason, num_right = chunk.sequence, None, 0
        while reason is None:
            token = self._sample(sequence, index, place=num_right)
            reason = self._take_token(sequence, token, index, place=num_right)
            if reason or num_right == len(chunk.draft) or token != chunk.draft[num_right]:
                break
            num_right += 1
        self.scheduler.computed(chunk, num_right=num_right)
        if self._speculation is not None:
            self._speculation.note(chunk, num_right=num_right)
        if reason is not None:
            self._finish(sequence, reason)

    def _sample(self, sequence: Sequence, index: int, *, place: int) -> int:
        assert sequence.sampler is not None
        return self._model.sample(index, sequence.sampler, place=place)

    def _take_token(
        self, sequence: Sequence, token: int, index: int, *, place: int
    ) -> FinishReason | None:
        """Why the sequence ends with it, or None if it goes on."""
        if self._model.is_end(token):
            return FinishReason.STOP
        piece = sequence.markers.get(token) or self._model.piece(token)
        if sequence.sampling.logprobs is not None:
            sequence.sampled.append(self._sampled(sequence, token, index, place=place))
        self._show(sequence, sequence.append(token, piece, now=self._clock()))
        return sequence.finish_reason(context_window=self._model.context_window)

    def _sampled(self, sequence: Sequence, token: int, index: int, *, place: int) -> SampledToken:
        count = sequence.sampling.logprobs or 0
        chosen, *top = [
            TokenLogprob(self._model.piece(one), logprob)
            for one, logprob in self._model.logprobs(index, token, count=count, place=place)
        ]
        return SampledToken(chosen, tuple(top))

    # -- embeddings ---------------------------------------------------------------------------

    def _embed(self, *, num_streams: int) -> bool:
        """A batch of inputs, no longer than a prompt's part beside so many streams."""
        owners = self._embedder.begin(most=self._pace.chunk(num_streams=num_streams))
        if not owners:
            return False
        self._model.clear_interrupt()
        self._interruptible = owners
        if self._inbox.empty():
            self._settle_inputs(owners, self._embedder.decode())
        self._interruptible = frozenset()
        self.num_steps += 1
        return True

    def _settle_inputs(self, owners: frozenset[str], result: DecodeResult) -> None:
        if result is DecodeResult.DONE:
            for one in self._embedder.finished():
                sequence = one.sequence
                self._emit(sequence.sequence_id, Embedding(one.index, one.normalised()))
                if one.is_last:
                    self._finish(sequence, FinishReason.STOP)
        elif result is not DecodeResult.INTERRUPTED:
            for owner in owners:
                self._fail(self._sequences.get(owner), _uncomputable())

    # -- ends ---------------------------------------------------------------------------------

    def _show(self, sequence: Sequence, parts: list[Part]) -> None:
        for part in parts:
            self._emit(sequence.sequence_id, _event_of(sequence, part))

    def _finish(self, sequence: Sequence | None, reason: FinishReason) -> None:
        if sequence is None:
            return  # it has ended already
        self._show(sequence, sequence.rest(reason))
        if sequence.num_calls and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS
        timings = sequence.timings(self._clock())
        self._end(sequence, Finished(reason, sequence.usage, timings, sequence.matched_stop))

    def _fail(self, sequence: Sequence | None, error: InferenceError) -> None:
        if sequence is None:
            return
        usage = sequence.usage if sequence.prompt_tokens else None
        self._end(sequence, Failed(error.info, usage, sequence.timings(self._clock())))

    def _fail_all(self, chunks: list[Chunk]) -> None:
        logger.error("decode failed sequences=%d", len(chunks))
        for chunk in chunks:
            self._fail(chunk.sequence, _uncomputable())

    def _end(self, sequence: Sequence, event: Finished | Failed) -> None:
        del self._sequences[sequence.sequence_id]
        self.scheduler.remove(sequence, stays=isinstance(event, Finished))
        self._embedder.remove(sequence)
        if self._speculation is not None:
            self._speculation.forget(sequence)
        if sequence.sampler is not None:
            sequence.sampler.close()
        self._emit(sequence.sequence_id, event)


def _speculation(model: LoadedModel, drafter: Drafter | None) -> Speculation | None:
    if drafter is None or not model.can_cut:
        return None
    return Speculation(
        drafter,
        decode_seconds=model.decode_seconds,
        num_outputs=model.num_outputs,
        context_window=model.context_window,
    )


def _uncomputable() -> InferenceError:
    return InferenceError("The model could not compute this. Try again.")


def _event_of(sequence: Sequence, part: Part) -> Delta | ToolCall:
    if isinstance(part, Call):
        return ToolCall(sequence.num_calls - 1, part.name, part.arguments)
    sampled, sequence.sampled = tuple(sequence.sampled), []
    return Delta(part.text, sequence.completion_tokens, part.is_reasoning, sampled)


def _entry(chunk: Chunk) -> BatchEntry:
    sequence = chunk.sequence
    tokens = sequence.tokens[chunk.start : chunk.end] + chunk.draft
    samples = 1 + len(chunk.draft) if chunk.completes else 0
    return BatchEntry(sequence.slot, chunk.start, tokens, samples)


def _interruptible(chunks: list[Chunk]) -> frozenset[str]:
    """Whose cancel is worth losing the step for: a prompt's, or the only sequence there is."""
    worth = chunks if len(chunks) == 1 else [chunk for chunk in chunks if chunk.is_prefill]
    return frozenset(chunk.sequence.sequence_id for chunk in worth)
