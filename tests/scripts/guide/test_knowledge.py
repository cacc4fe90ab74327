from __future__ import annotations

from collections import Counter
from itertools import islice

from guide import held_out
from guide.cases import Kind, cases
from guide.conversations import Conversations
from guide.displaced import Displacer
from guide.held_out import plain
from guide.noise import typed

from chat.suggestions import GUIDE_SUGGESTIONS


def test_every_topic_has_many_wordings_and_no_two_have_the_same(knowledge):
    lines = Counter(
        wording.line
        for topic in (*knowledge.topics, knowledge.off_topic)
        for wording in topic.questions
    )

    assert [topic.name for topic in knowledge.topics if len(topic.questions) < 80] == []
    assert [line for line, count in lines.items() if count > 1] == []


def test_no_two_answers_are_alike(knowledge):
    assert len(set(knowledge.answers)) == len(knowledge.answers)


def test_each_card_names_the_topic_that_answers_it(knowledge):
    assert {card.topic for card in GUIDE_SUGGESTIONS} <= knowledge.by_name.keys()


def test_the_same_seed_gives_the_same_conversations(knowledge):
    first = list(islice(Conversations(knowledge, seed=7), 500))

    assert list(islice(Conversations(knowledge, seed=7), 500)) == first
    assert list(islice(Conversations(knowledge, seed=8), 500)) != first


def test_conversations_end_in_every_answer(knowledge):
    drawn = islice(Conversations(knowledge, seed=1), 30_000)

    assert {conversation.last.answer for conversation in drawn} == set(knowledge.answers)


def test_what_is_typed_is_in_lower_case(knowledge, rng):
    typings = {typed("What's the GPU for", knowledge, rng) for _ in range(200)}

    assert all(text == text.lower() for text in typings)
    assert len(typings) > 50


def test_what_is_held_out_is_never_trained(knowledge):
    drawn = islice(Conversations(knowledge, seed=3), 100_000)
    trained = {plain(each.last.question) for each in drawn if each.before is None}
    held_out = [
        plain(case.conversation.last.question)
        for case in cases(knowledge, "final")
        if case.kind in (Kind.QUESTION, Kind.OFF_TOPIC)
    ]

    assert len(held_out) > 700
    assert [question for question in held_out if question in trained] == []


def test_a_follow_up_that_is_held_out_is_never_trained_after_its_topic(knowledge):
    drawn = islice(Conversations(knowledge, seed=3), 20_000)
    trained = {
        (each.before.answer, plain(each.last.question)) for each in drawn if each.before is not None
    }
    held_out = [
        (case.conversation.before.answer, plain(case.conversation.last.question))
        for case in cases(knowledge, "final")
        if case.kind is Kind.FOLLOW_UP
        and case.conversation.before is not None
        and case.conversation.last.answer in {topic.answer for topic in knowledge.topics}
    ]

    assert len(held_out) > 30
    assert [each for each in held_out if each in trained] == []


def test_a_follow_up_leads_to_another_topic_or_to_more_of_its_own(knowledge):
    topic = knowledge.by_name["share-a-chat"]
    answers = {knowledge.answer_to(one, after=topic) for one in topic.follow_ups}

    assert topic.more in answers
    assert knowledge.by_name["more-users"].answer in answers
    assert topic.answer not in answers


def test_an_answer_that_nothing_before_it_tells_is_not_learned(knowledge):
    """As of “tell me more” with nothing before it."""
    more = {topic.more for topic in knowledge.topics}
    befores = [each.before for each in islice(Conversations(knowledge, seed=2), 2_000)]

    assert {one.follows for one in befores if one and one.answer in more} == {False}
    assert {one.follows for one in befores if one and one.answer not in more} == {True}


def test_the_two_sets_of_held_out_questions_have_nothing_in_common(knowledge):
    tuning, final = (
        {
            plain(question)
            for lines in held_out.read(name).values()
            for question in lines["questions"]
        }
        for name in held_out.NAMES
    )

    assert tuning & final == set()


def test_a_displaced_question_keeps_its_frame_and_loses_its_subject(knowledge, rng):
    displacer = Displacer(knowledge)

    displaced = {displacer.displaced("how do i delete a chat", rng) for _ in range(50)}

    assert len(displaced) > 40
    assert all(text and text.startswith("how do i delete a ") for text in displaced)
    assert not any("chat" in str(text).split() for text in displaced)


def test_a_question_without_a_subject_is_not_displaced(knowledge, rng):
    assert Displacer(knowledge).displaced("how are you", rng) is None
