"""A real runner before servers that misbehave: text that came stays, words are said, nothing hangs."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from inference.messages import Embed, Ending, Loaded, LoadFailed, Start, Tokenize
from inference.types import (
    Called,
    ChatMessage,
    Delta,
    Embedding,
    FinishReason,
    ModelSpec,
    OutputFormat,
    RawPrompt,
    RemoteEndpoint,
    SamplingParams,
    Tokens,
    Tool,
    ToolCall,
)
from tests.inference.remote.evil_server import EvilServer, Handler, evil_server
from tests.process.runner_process import (
    RunnerProcess,
    failed,
    finished,
    relaying,
    text_of,
)

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

KEY = "sk-not-to-be-seen"
LAB = "The server “Lab”"


@pytest.fixture
def server() -> Iterator[EvilServer]:
    with evil_server() as server:
        yield server


@pytest.fixture
def runner(server: EvilServer) -> Iterator[RunnerProcess]:
    with relaying(endpoint_of(server), silence_seconds=1.0) as runner:
        yield runner


def endpoint_of(server: EvilServer, **fields: Any) -> RemoteEndpoint:
    given = {"base_url": server.base_url, "model": "owl", "key": KEY, "server_name": "Lab"}
    return RemoteEndpoint(**(given | fields))


def refused(server: EvilServer, **fields: Any) -> str:
    """Why it is not loaded."""
    runner = RunnerProcess()
    try:
        endpoint = endpoint_of(server, **fields)
        spec = ModelSpec(model_id="1", name="owl", path="", remote=endpoint)
        loaded = runner.load_spec(spec)
    finally:
        runner.close()
    assert isinstance(loaded, LoadFailed)
    return loaded.error.message


def last_words(runner: RunnerProcess) -> Ending:
    """What the runner says before it exits by itself."""
    while not isinstance(report := runner.receive(), Ending):
        pass
    assert runner.process.wait(30) == 1
    return report


def start_both(runner: RunnerProcess) -> None:
    """One that says "this" and one that says "other", each with its first words."""
    for name in ("this", "other"):
        runner.start(name, name)
    runner.read_until(lambda: runner.has("this", Delta) and runner.has("other", Delta))


# -- loading --------------------------------------------------------------------------------------


def test_loading_asks_the_server_and_finds_the_model(server):
    server.models = [{"id": "owl", "owned_by": "vllm", "max_model_len": 4096}]
    runner = RunnerProcess()
    try:
        endpoint = endpoint_of(server)
        loaded = runner.load_spec(ModelSpec(model_id="1", name="o", path="", remote=endpoint))
    finally:
        runner.close()

    assert isinstance(loaded, Loaded)
    assert loaded.device == "Another server: Lab"
    assert loaded.engine == "Remote server (vLLM)"
    assert loaded.context_window == 4096
    assert server.requests[0][1]["Authorization"] == f"Bearer {KEY}"


def test_a_model_that_is_no_longer_there_is_told_with_what_is(server):
    assert refused(server, model="eagle").startswith(
        f"{LAB} has no model “eagle” any more. It has: “owl”."
    )


def test_a_server_that_is_not_there_is_told(server):
    assert refused(server, base_url="http://127.0.0.1:1/v1").startswith(f"{LAB} cannot be reached")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda h: h.send_body(b"<html>502</html>", status=502, type="text/html"), "status 502"),
        (lambda h: h.send_body(b"<html>Login</html>", type="text/html"), "no JSON"),
        (lambda h: h.send_json({"error": {"message": "bad key"}}, status=401), "says: bad key"),
        (lambda h: h.send_json({"data": None}), "does not tell its models"),
        (lambda h: h.send_json([]), "does not tell its models"),
        (lambda h: h.send_json({"data": [None, 1, {"id": None}, {"id": 7}]}), "It has: none"),
        (lambda h: h.send_body(b"", status=307, Location="http://169.254.169.254/"), "elsewhere"),
        (lambda h: h.send_body(b"[" * 100_000), "no JSON"),
        (lambda h: h.send_body(b"x", Content_Encoding="gzip"), "packs its answers"),
        (lambda h: h.send_body(b" " * (8 * 1024 * 1024 + 1)), "larger than any honest one"),
        (lambda h: h.cut(), "broke off the connection"),
    ],
)
def test_a_server_that_tells_its_models_badly_is_refused_in_words(server, answer, words):
    server.models_answer = answer

    message = refused(server)

    assert words in message
    assert message.startswith(LAB)
    assert "<" not in message


def test_the_key_goes_to_no_other_origin(server):
    with evil_server() as other:
        server.models_answer = lambda h: h.send_body(
            b"", status=302, Location=f"{other.base_url}/models"
        )

        refused(server)

        assert other.requests == []


def test_a_proxy_of_the_environment_is_not_asked(server, monkeypatch):
    with evil_server() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base_url.removesuffix("/v1"))
        with relaying(endpoint_of(server)) as runner:
            assert text_of(runner.complete()).strip() == server.text

        assert proxy.requests == []


def test_the_key_stands_in_no_log_and_no_list_of_processes(server):
    runner = RunnerProcess()
    try:
        spec = ModelSpec(model_id="1", name="owl", path="", remote=endpoint_of(server))
        runner.load_spec(spec)
        server.answer = lambda h: h.send_json({"error": "no"}, status=401)
        end = failed(runner.complete())
        listed = subprocess.run(["ps", "axeww"], capture_output=True, text=True).stdout
        runner.connection.close()
        _, log = runner.process.communicate(timeout=30)
    finally:
        runner.close()

    assert KEY not in f"{end} {listed} {log.decode()} {spec!r}"
    assert "relaying generation=one" in log.decode()


# -- what is asked --------------------------------------------------------------------------------


def test_a_request_is_put_in_the_words_of_the_api(server, runner):
    messages = (
        ChatMessage("system", "Be brief."),
        ChatMessage("assistant", "", (Called("c1", "find", '{"of": "owls"}'),)),
        ChatMessage("tool", "Three.", call_id="c1"),
        ChatMessage("user", "So?"),
    )
    sampling = SamplingParams(
        temperature=0.5,
        top_p=0.9,
        seed=7,
        max_tokens=20,
        stop=("End",),
        logprobs=2,
        presence_penalty=0.5,
        logit_bias=((5, -1.0),),
        output=OutputFormat(json_schema='{"type": "object"}'),
    )
    runner.send(Start("one", messages, sampling, tools=(Tool("find", "Finds."),)))
    runner.read_to_end("one")

    (body,) = server.bodies
    assert body["messages"][1]["tool_calls"] == [
        {
            "id": "c1",
            "type": "function",
            "function": {"name": "find", "arguments": '{"of": "owls"}'},
        }
    ]
    assert body["messages"][2] == {"role": "tool", "content": "Three.", "tool_call_id": "c1"}
    assert body["tools"][0]["function"]["name"] == "find"
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    said = {name: body.get(name) for name in ("temperature", "top_p", "seed", "max_tokens", "stop")}
    assert said == {"temperature": 0.5, "top_p": 0.9, "seed": 7, "max_tokens": 20, "stop": ["End"]}
    assert (body["logprobs"], body["top_logprobs"], body["logit_bias"]) == (True, 2, {"5": -1.0})
    assert "top_k" not in body
    assert "frequency_penalty" not in body


@pytest.mark.parametrize(
    ("owner", "field"),
    [("llamacpp", "repeat_penalty"), ("vllm", "repetition_penalty"), ("somebody", None)],
)
def test_other_fields_go_to_servers_that_are_known_to_take_them(server, owner, field):
    server.models[0]["owned_by"] = owner
    with relaying(endpoint_of(server)) as runner:
        runner.complete("Hi", SamplingParams(top_k=7, repeat_penalty=1.2))

    (body,) = server.bodies
    assert body.get("top_k") == (7 if field else None)
    assert {name: value for name, value in body.items() if value == 1.2} == (
        {field: 1.2} if field else {}
    )


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(mirostat=2),
        SamplingParams(dry_multiplier=0.5),
        SamplingParams(xtc_probability=0.5),
        SamplingParams(output=OutputFormat(grammar='root ::= "a"')),
        SamplingParams(temperature=-1.0),
        SamplingParams(stop=("",)),
    ],
)
def test_what_the_server_is_not_known_to_do_is_refused_before_it_is_asked(server, runner, sampling):
    assert failed(runner.complete("Hi", sampling)).error.code == "invalid_request"
    assert server.bodies == []
    assert text_of(runner.complete()).strip() == server.text


def test_a_raw_prompt_is_completed(server, runner):
    def complete(handler: Handler) -> None:
        handler.begin()
        handler.event({"choices": [{"text": " there"}]})
        handler.event({"choices": [{"text": "!", "finish_reason": "length"}]})
        handler.end()

    server.answer = complete
    runner.send(Start("one", (), SamplingParams(max_tokens=2), prompt=RawPrompt("Hello")))
    runner.read_to_end("one")

    assert server.requests[-1][0] == "/v1/completions"
    assert server.bodies[-1]["prompt"] == "Hello"
    assert text_of(runner.of("one")) == " there!"
    end = finished(runner.of("one"))
    assert end.reason is FinishReason.LENGTH
    assert (end.usage.completion_tokens, end.usage.is_exact) == (2, False)


# -- what comes -----------------------------------------------------------------------------------


def thinks_and_calls(handler: Handler) -> None:
    handler.begin()
    handler.write(b": a comment\r\n\r\nevent: message\r\nid: 1\r\n")
    handler.piece(reasoning_content="Let me ")
    handler.piece(reasoning="think.")
    handler.piece("Look:")
    for index, name in enumerate(("find", "count")):
        call = {"index": index, "id": f"c{index}", "type": "function"}
        handler.piece(tool_calls=[{**call, "function": {"name": name, "arguments": ""}}])
        for bit in ('{"of": ', '"owls"}'):
            handler.piece(tool_calls=[{"index": index, "function": {"arguments": bit}}])
    handler.piece(reason="tool_calls")
    handler.end()


def test_thinking_text_and_tool_calls_are_told_apart(server, runner):
    server.answer = thinks_and_calls

    events = runner.complete()

    deltas = [event for event in events if isinstance(event, Delta)]
    assert "".join(one.text for one in deltas if one.is_reasoning) == "Let me think."
    assert "".join(one.text for one in deltas if not one.is_reasoning) == "Look:"
    calls = [event for event in events if isinstance(event, ToolCall)]
    arguments = '{"of": "owls"}'
    assert calls == [ToolCall(0, "find", arguments), ToolCall(1, "count", arguments)]
    assert finished(events).reason is FinishReason.TOOL_CALLS


def whole(handler: Handler) -> None:
    message = {"role": "assistant", "content": "All at once."}
    handler.send_json(
        {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
    )


def no_done(handler: Handler) -> None:
    handler.begin()
    handler.piece("All at once.", reason="stop")
    handler.end(done=False)


def no_reason(handler: Handler) -> None:
    handler.begin(type="text/html; charset=utf-7")
    handler.piece("All at once.")
    handler.end()


def nulls(handler: Handler) -> None:
    handler.begin(type="application/octet-stream")
    handler.event({"choices": None, "usage": None})
    handler.event({"choices": [{"delta": None, "logprobs": 7}]})
    handler.event({"choices": [{"delta": {"content": 5, "tool_calls": [None, {"function": 1}]}}]})
    handler.piece("All at once.", tool_calls=None, reasoning_content=None)
    handler.event(
        {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": -1}}
    )
    handler.end()


def byte_by_byte(handler: Handler) -> None:
    handler.begin()
    for byte in b'\xef\xbb\xbfdata:{"choices":[{"delta":{"content":"All at once."},"finish_reason":"stop"}]}\r\n\r\n':
        handler.write(bytes([byte]))
    handler.end()


@pytest.mark.parametrize("answer", [whole, no_done, no_reason, nulls, byte_by_byte])
def test_an_answer_in_another_form_is_read_all_the_same(server, runner, answer):
    server.answer = answer

    events = runner.complete()

    assert text_of(events) == "All at once."
    assert finished(events).reason is FinishReason.STOP


def streamed(*events: bytes) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.begin()
        for event in events:
            handler.write(event)
        handler.end(done=False)

    return answer


def endless_line(handler: Handler) -> None:
    handler.begin()
    handler.write(b"data: ")
    for _ in range(100):
        handler.write(b"x" * 1024 * 1024)


def endless_text(handler: Handler) -> None:
    handler.begin()
    while True:
        handler.piece("x" * 512 * 1024)


def bad_call(handler: Handler) -> None:
    handler.begin()
    handler.piece(tool_calls=[{"index": 0, "function": {"name": "a b", "arguments": "{"}}])
    handler.piece(reason="tool_calls")
    handler.end()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (endless_line, "more at once than any honest one"),
        (endless_text, "longer than any honest one"),
        (bad_call, "a tool call that makes no sense"),
        (streamed(b"data: {no json\n\n"), "a part of it is no JSON"),
        (streamed(b"data: [1]\n\n"), "a part of it is no object"),
        (streamed(b"data: " + b"[" * 100_000 + b"\n\n"), "a part of it is no JSON"),
        (
            streamed(b'data: {"error": {"message": "out of\\nmemory"}}\n\n'),
            "It says: out of memory",
        ),
        (lambda h: h.send_body(b"<html>hi</html>", type="text/event-stream"), "a web page"),
        (
            lambda h: h.send_body(b"<html>Bad</html>", status=502, type="text/html"),
            "with status 502.",
        ),
        (
            lambda h: h.send_json({"error": {"message": "no such field"}}, status=400),
            "no such field",
        ),
        (
            lambda h: h.send_json({"detail": "<b>who</b> are you?"}, status=401),
            "says: who are you?",
        ),
        (lambda h: h.send_json({"message": "x" * 5000}, status=500), "xxx…"),
        (lambda h: h.send_body(b"", status=404), "does not know the model"),
        (lambda h: h.send_body(b"", status=302, Location="http://127.0.0.1:1/"), "sends elsewhere"),
        (lambda h: h.begin(Content_Encoding="gzip"), "packs its answers"),
    ],
)
def test_nonsense_fails_its_answer_in_words_and_nothing_else(server, runner, answer, words):
    server.answer = answer

    error = failed(runner.complete()).error

    assert error.code == "remote_refused"
    assert words in error.message
    assert error.message.startswith(LAB)
    assert "<" not in error.message
    assert len(error.message) < 600
    server.answer = None
    assert text_of(runner.complete()).strip() == server.text


def test_when_to_come_again_is_told(server, runner):
    server.answer = lambda h: h.send_json({"error": "slow down"}, status=429, Retry_After="17")

    error = failed(runner.complete()).error

    assert error.facts == {"status": 429, "retry_after": 17}
    assert "slow down" in error.message


def test_silence_in_mid_answer_fails_it_and_the_text_stays(server, runner):
    def hang(handler: Handler) -> None:
        handler.begin()
        handler.piece("Owls ")
        handler.wait()

    server.answer = hang

    events = runner.complete()

    assert text_of(events) == "Owls "
    assert "nothing for 1 s in the middle of its answer" in failed(events).error.message
    assert server.was_left.wait(30)
    server.answer = None
    assert text_of(runner.complete()).strip() == server.text


@pytest.mark.parametrize("is_begun", [False, True])
def test_cancel_closes_the_connection(server, runner, is_begun):
    def hang(handler: Handler) -> None:
        if is_begun:
            handler.begin()
            handler.piece("Owls ")
        handler.wait()

    server.answer = hang
    runner.start("one")
    runner.read_until(lambda: runner.has("one", Delta) if is_begun else len(server.bodies) == 1)

    runner.cancel("one")
    runner.read_to_end("one")

    assert finished(runner.of("one")).reason is FinishReason.CANCELLED
    assert server.was_left.wait(30)


@pytest.fixture
def breaking(server: EvilServer) -> threading.Event:
    """Once it is set, "this" breaks off after a word; what else is asked then gets more of them."""
    go = threading.Event()

    def answer(handler: Handler) -> None:
        handler.begin()
        handler.piece("Owls ")
        go.wait(30)
        if handler.body["messages"][0]["content"] == "this":
            handler.cut()
        elif server.models_answer is Handler.cut:
            handler.wait()
        else:
            handler.piece("see well.", reason="stop")
            handler.end()

    server.answer = answer
    return go


@pytest.mark.parametrize("end", [Handler.cut, lambda handler: handler.end(done=False)])
def test_an_answer_that_breaks_off_fails_with_the_reason_and_its_text(server, runner, end):
    def answer(handler: Handler) -> None:
        handler.begin()
        handler.piece("Owls ")
        end(handler)

    server.answer = answer
    events = runner.complete()

    assert text_of(events) == "Owls "
    assert failed(events).error.code == "remote_unreachable"
    assert failed(events).error.message.startswith(f"{LAB} broke off")


def test_it_ends_no_other_answer_while_the_server_is_there(server, runner, breaking):
    start_both(runner)
    breaking.set()
    runner.read_to_end("this", "other")

    assert failed(runner.of("this")).error.code == "remote_unreachable"
    assert runner.text("other") == "Owls see well."
    assert finished(runner.of("other")).reason is FinishReason.STOP
    server.answer = None
    assert text_of(runner.complete()).strip() == server.text


def test_with_the_server_all_answers_end_and_so_does_the_runner(server, runner, breaking):
    start_both(runner)
    server.models_answer = Handler.cut
    breaking.set()
    last = last_words(runner)

    assert last.error.code == "remote_unreachable"
    assert last.error.message.startswith(f"{LAB} broke off")
    assert runner.text("this") == runner.text("other") == "Owls "
    assert failed(runner.of("this")).error == last.error
    assert failed(runner.of("other")).error == last.error


def test_a_server_that_breaks_off_each_time_ends_the_runner(server, runner):
    server.answer = Handler.cut
    for _ in range(2):
        assert failed(runner.complete()).error.code == "remote_unreachable"
    server.answer = None
    assert text_of(runner.complete()).strip() == server.text

    server.answer = Handler.cut
    for number in range(2):
        runner.start(str(number))
        runner.read_to_end(str(number))
    runner.start("third")
    assert last_words(runner).error.message.startswith(f"{LAB} broke off")


def test_answers_that_are_cut_off_together_count_once(server, runner, breaking):
    names = [f"answer {number}" for number in range(6)]
    for name in names:
        runner.start(name, "this")
    runner.read_until(lambda: all(runner.has(name, Delta) for name in names))
    breaking.set()
    runner.read_to_end(*names)
    server.answer = None

    assert {failed(runner.of(name)).error.code for name in names} == {"remote_unreachable"}
    assert text_of(runner.complete()).strip() == server.text


def test_a_server_that_is_gone_ends_the_runner(server, runner):
    server.close()

    runner.start("one")

    assert last_words(runner).error.message.startswith(f"{LAB} cannot be reached")
    assert failed(runner.of("one")).error.code == "remote_unreachable"


def test_several_are_answered_at_once(server, runner):
    together = threading.Barrier(8)

    def meet(handler: Handler) -> None:
        together.wait(30)
        handler.begin()
        handler.piece(handler.body["messages"][0]["content"], reason="stop")
        handler.end()

    server.answer = meet
    names = [f"number {one}" for one in range(8)]
    for name in names:
        runner.start(name, name)
    runner.read_to_end(*names)

    assert [runner.text(name) for name in names] == names


def test_a_runner_that_waits_shows_that_its_loop_goes_round(server, runner):
    server.answer = Handler.wait
    runner.start("one")
    runner.read_until(lambda: len(server.bodies) == 1)
    steps = runner.heartbeats[-1].num_steps

    runner.read_until(lambda: runner.heartbeats[-1].num_steps > steps + 1)

    assert runner.heartbeats[-1].num_running == 1


# -- embeddings and tokens ------------------------------------------------------------------------


def test_embeddings_come_in_order_with_length_one(server, runner):
    def embed(handler: Handler) -> None:
        inputs = handler.body["input"]
        data = [{"index": i, "embedding": [3.0, 4 * len(one)]} for i, one in enumerate(inputs)]
        handler.send_json({"data": data[::-1], "usage": {"prompt_tokens": len(inputs)}})

    server.answer = embed
    runner.send(Embed("one", ("a",) * 20))
    runner.read_to_end("one")

    vectors = [event for event in runner.of("one") if isinstance(event, Embedding)]
    assert [one.index for one in vectors] == list(range(20))
    assert memoryview(vectors[0].vector).cast("f").tolist() == pytest.approx([0.6, 0.8])
    assert finished(runner.of("one")).usage.prompt_tokens == 20
    assert [len(body["input"]) for body in server.bodies] == [16, 4]


@pytest.mark.parametrize(
    "said", [{}, {"data": []}, {"data": [{"embedding": ["x"]}]}, {"data": [{"embedding": [1e999]}]}]
)
def test_embeddings_that_make_no_sense_are_refused(server, runner, said):
    server.answer = lambda h: h.send_json(said)
    runner.send(Embed("one", ("owls",)))
    runner.read_to_end("one")

    assert "embeddings make no sense" in failed(runner.of("one")).error.message


def test_texts_are_split_where_the_server_can(server):
    server.models[0]["owned_by"] = "llamacpp"
    server.answer = lambda h: h.send_json(
        {"tokens": [{"id": 3, "piece": "ow"}, {"id": 4, "piece": [255]}]}
    )
    with relaying(endpoint_of(server)) as runner:
        runner.send(Tokenize("one", text="owls"))
        runner.read_to_end("one")

    assert server.requests[-1][0] == "/tokenize"
    (tokens,) = [event for event in runner.of("one") if isinstance(event, Tokens)]
    assert (tokens.tokens, tokens.pieces) == ((3, 4), (b"ow", b"\xff"))


def test_where_it_cannot_this_is_said(runner):
    runner.send(Tokenize("one", text="owls"))
    runner.read_to_end("one")

    assert "no way known" in failed(runner.of("one")).error.message
