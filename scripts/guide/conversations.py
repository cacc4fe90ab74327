"""The conversations that the model is trained on: endless, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from guide.displaced import Displacer
from guide.held_out import plain
from guide.noise import typed
from guide.topics import Knowledge, Topic
from guide.wordings import Wording

# How many are of each kind; the rest are questions about a topic.
OFF_TOPIC_SHARE = 0.27
NEAR_MISS_SHARE = 0.11
DISPLACED_SHARE = 0.10
FOLLOW_UP_SHARE = 0.25

SOME_TURN_BEFORE_SHARE = 0.22
MORE_BEFORE_SHARE = 0.3
LONG_PROMPT_SHARE = 0.03
THEN_SHARE = 0.4
AFTER_DECLINED_SHARE = 0.06
NOTHING_MORE_SHARE = 0.06


@dataclass(frozen=True)
class Turn:
    """`follows`: whether the answer can be told from what stands before it; if not, as of "tell me
    more" with nothing before, it is not learned."""

    question: str
    answer: str
    follows: bool = True


@dataclass(frozen=True)
class Conversation:
    """`before`: the turn before the last one, if there was one."""

    last: Turn
    before: Turn | None = None


class Conversations:
    """Draws them one by one."""

    def __init__(self, knowledge: Knowledge, *, seed: int) -> None:
        self._knowledge = knowledge
        self._random = Random(seed)  # noqa: S311  (not a secret)
        self._displacer = Displacer(knowledge)
        self._with_near_misses = [topic for topic in knowledge.topics if topic.near_misses]
        self._with_follow_ups = [topic for topic in knowledge.topics if topic.follow_ups]

    def __iter__(self) -> Iterator[Conversation]:
        while True:
            yield self.draw()

    def draw(self) -> Conversation:
        if self._random.random() < FOLLOW_UP_SHARE:
            return self._followed_up()
        turn = self._some_turn()
        if self._random.random() < SOME_TURN_BEFORE_SHARE:
            return Conversation(turn, before=self._unrelated_turn())
        return Conversation(turn)

    def _unrelated_turn(self) -> Turn:
        if self._random.random() < MORE_BEFORE_SHARE:
            return self._more_of(self._random.choice(self._knowledge.topics))
        return self._some_turn()

    def _some_turn(self) -> Turn:
        kind = self._random.random()
        if kind < OFF_TOPIC_SHARE:
            return self._off_topic_turn()
        if kind < OFF_TOPIC_SHARE + NEAR_MISS_SHARE:
            return self._near_miss()
        if kind < OFF_TOPIC_SHARE + NEAR_MISS_SHARE + DISPLACED_SHARE:
            return self._displaced()
        return self._turn_about(self._random.choice(self._knowledge.topics))

    def _turn_about(self, topic: Topic) -> Turn:
        return Turn(self._asked(topic.questions), topic.answer)

    def _near_miss(self) -> Turn:
        question = self._asked(self._random.choice(self._with_near_misses).near_misses)
        return Turn(question, self._knowledge.off_topic.answer)

    def _displaced(self) -> Turn:
        wording = self._random.choice(self._random.choice(self._knowledge.topics).questions)
        question = wording.sample(self._random, self._knowledge.words)
        displaced = self._displacer.displaced(question, self._random)
        if displaced is None:
            return self._near_miss()
        return Turn(self._typed(displaced), self._knowledge.off_topic.answer)

    def _off_topic_turn(self) -> Turn:
        if self._random.random() >= LONG_PROMPT_SHARE:
            return self._turn_about(self._knowledge.off_topic)
        parts = [
            self._turn_about(self._knowledge.off_topic).question
            for _ in range(self._random.randint(3, 20))
        ]
        return Turn(
            self._random.choice((" ", ". ", "\n")).join(parts), self._knowledge.off_topic.answer
        )

    def _followed_up(self) -> Conversation:
        kind = self._random.random()
        if kind < AFTER_DECLINED_SHARE:
            return self._asked_for_more(self._knowledge.off_topic)
        if kind < AFTER_DECLINED_SHARE + NOTHING_MORE_SHARE:
            return self._asked_twice_for_more()
        if kind < AFTER_DECLINED_SHARE + NOTHING_MORE_SHARE + THEN_SHARE:
            return self._asked_for_another()
        return self._asked_for_more(self._random.choice(self._knowledge.topics))

    def _asked_for_more(self, topic: Topic) -> Conversation:
        return Conversation(Turn(self._more(), topic.more), before=self._turn_about(topic))

    def _asked_twice_for_more(self) -> Conversation:
        before = self._more_of(self._random.choice(self._knowledge.topics))
        return Conversation(Turn(self._more(), self._knowledge.nothing_more), before=before)

    def _asked_for_another(self) -> Conversation:
        while True:
            topic = self._random.choice(self._with_follow_ups)
            follow_up = self._random.choice(topic.follow_ups)
            question = follow_up.wording.sample(self._random, self._knowledge.words)
            if plain(question) not in self._knowledge.held_out_follow_ups:
                answer = self._knowledge.answer_to(follow_up, after=topic)
                asked = self._typed(question)
                return Conversation(Turn(asked, answer), before=self._turn_about(topic))

    def _more_of(self, topic: Topic) -> Turn:
        return Turn(self._more(), topic.more, follows=False)

    def _more(self) -> str:
        wording = self._random.choice(self._knowledge.phrases.more)
        return self._typed(wording.sample(self._random, self._knowledge.words))

    def _asked(self, wordings: Sequence[Wording]) -> str:
        """One of their questions as somebody types it, and none that is held out."""
        while True:
            question = self._random.choice(wordings).sample(self._random, self._knowledge.words)
            asked = self._typed(question)
            if not {plain(question), plain(asked)} & self._knowledge.held_out:
                return asked

    def _typed(self, question: str) -> str:
        return typed(question, self._knowledge, self._random)
