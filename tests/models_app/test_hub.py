"""What the hub says is checked before it is used or shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_app.hub.answers import Model, decoded, repository_of
from models_app.hub.client import MAX_ANSWER_BYTES, Hub
from models_app.hub.errors import Gated, HubNonsense, HubUnreachable, NotFound
from models_app.hub.names import is_safe_path
from models_app.hub.quality import recommended
from models_app.hub.reference import Reference, is_repository, parse_reference
from models_app.hub.repository import Capability, HubFile, Kind, Repository
from models_app.hub.search import Format, Licence, Search, Size, Sort, Task
from tests.models_app import evil_hub as evil
from tests.models_app.evil_hub import EvilHub, Handler

NAME = "owls/Night-1B-GGUF"


@pytest.fixture
def server() -> Iterator[EvilHub]:
    with evil.evil_hub() as hub:
        hub.add(NAME, {"night-Q4_K_M.gguf": b"x" * 100, "README.md": b"#"})
        yield hub


@pytest.fixture
def hub(server: EvilHub) -> Hub:
    return Hub(server.address, token="hub-token")


def repository_of_files(*names: str, sizes: dict[str, int] | None = None) -> Repository:
    files = (HubFile(name, (sizes or {}).get(name, 10), "sha256:" + "0" * 64) for name in names)
    return Repository(NAME, evil.REVISION, tuple(files))


# -- what people type --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("small owl model", Reference(words="small owl model")),
        (f"  {NAME} ", Reference(repository=NAME)),
        (f"{NAME}:Q4_K_M", Reference(repository=NAME, quant="Q4_K_M")),
        (f"https://huggingface.co/{NAME}", Reference(repository=NAME)),
        (f"huggingface.co/{NAME}/", Reference(repository=NAME)),
        (f"hf.co/{NAME}:Q8_0", Reference(repository=NAME, quant="Q8_0")),
        (
            f"https://huggingface.co/{NAME}/blob/main/a/b.gguf?download=true",
            Reference(repository=NAME, file="a/b.gguf"),
        ),
        (f"https://evil.example/{NAME}", Reference(words=f"https://evil.example/{NAME}")),
        ("https://huggingface.co/", Reference(words="https://huggingface.co/")),
        ("a/b/c", Reference(words="a/b/c")),
        ("../..", Reference(words="../..")),
        ("http://[::1", Reference(words="http://[::1")),
        ("", Reference()),
    ],
)
def test_a_name_is_told_from_words(text, expected):
    assert parse_reference(text) == expected


@given(st.text(max_size=400))
def test_whatever_is_typed_is_words_or_a_safe_name(text: str):
    reference = parse_reference(text)

    assert not reference.repository or is_repository(reference.repository)
    assert is_safe_path(reference.repository or "a/b")


@given(st.text(max_size=300))
def test_a_safe_path_stays_below_its_folder(name: str):
    if is_safe_path(name):
        assert not name.startswith("/")
        assert not {"..", ".", ""} & set(name.split("/"))
        assert not set(name) & set('\\:*?"<>|\0\n')


# -- variants ----------------------------------------------------------------------------------------


def test_files_are_grouped_into_what_can_be_downloaded():
    shown = repository_of_files(
        "night-Q8_0.gguf",
        "night.Q4_K_M.gguf",
        "BF16/night-BF16-00001-of-00002.gguf",
        "BF16/night-BF16-00002-of-00002.gguf",
        "Q6_K/night-Q6_K-00001-of-00002.gguf",
        "night-UD-IQ1_S.gguf",
        "mmproj-night-F16.gguf",
        "imatrix.gguf",
        "README.md",
        "../evil-Q4_0.gguf",
        "plain.gguf",
        sizes={"night-Q8_0.gguf": 30},
    )

    labels = {variant.label: len(variant.files) for variant in shown.variants}
    assert labels == {"Q8_0": 1, "Q4_K_M": 1, "BF16": 2, "UD-IQ1_S": 1, "plain": 1}
    assert shown.variants[-1].label == "Q8_0"
    assert [file.name for file in shown.projectors] == ["mmproj-night-F16.gguf"]
    assert shown.variant("q4_k_m") == shown.variant("Q4_K_M") is not None
    assert shown.variant("Q2_K") is None


def test_two_files_of_one_quantisation_go_by_their_names():
    shown = repository_of_files("small-Q4_0.gguf", "large-Q4_0.gguf")

    assert sorted(variant.label for variant in shown.variants) == ["large-Q4_0", "small-Q4_0"]


@pytest.mark.parametrize(
    ("labels", "best"),
    [
        (["Q2_K", "Q4_K_M", "Q5_K_M", "Q8_0"], "Q8_0"),
        (["Q2_K", "Q4_K_M", "IQ4_XS"], "Q4_K_M"),
        (["Q2_K", "Q4_0", "Q5_0"], "Q4_0"),
        (["Q2_K", "Q3_K_M"], "Q2_K"),
        ([], None),
    ],
)
def test_one_is_recommended(labels, best):
    sizes = {f"m-{label}.gguf": 10 + at for at, label in enumerate(labels)}
    found = recommended(repository_of_files(*sizes, sizes=sizes).variants)

    assert (found.label if found else None) == best


@pytest.mark.parametrize(
    ("names", "tags", "kind"),
    [
        (["a-Q4_0.gguf", "model.safetensors"], (), Kind.GGUF),
        (["model.safetensors", "pytorch_model.bin"], ("mlx",), Kind.MLX),
        (["model-00001-of-00002.safetensors"], (), Kind.SAFETENSORS),
        (["pytorch_model.bin"], (), Kind.PICKLE),
        (["MODEL.PTH"], ("mlx",), Kind.PICKLE),
        (["README.md"], ("gguf",), Kind.NONE),
    ],
)
def test_what_a_repository_holds_is_told_from_its_files(names, tags, kind):
    found = repository_of_files(*names)

    assert replace(found, tags=tags).kind is kind


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mlx-community/Qwen3-4B-4bit", "Qwen3 4B"),
        ("owls/Night-8B-Instruct-MLX-8bit", "Night 8B Instruct"),
        ("owls/Night-8B-Instruct-bf16", "Night 8B Instruct"),
        ("owls/Phi-3.5-mini-instruct-GPTQ-Int4", "Phi 3.5 mini instruct"),
        ("owls/Llama-3.2-3B", "Llama 3.2 3B"),
    ],
)
def test_the_same_model_is_searched_for_by_its_name_without_the_format(name, words):
    assert replace(repository_of_files(), name=name).plain_name == words


# -- answers ------------------------------------------------------------------------------------------


def test_a_search_and_a_repository(hub, server):
    server.add("cats/Day-1B-GGUF", {})

    assert [one.name for one in hub.search(Search(words="night"))] == [NAME]
    shown = hub.repository(NAME)
    assert (shown.revision, shown.license, shown.num_parameters) == (
        evil.REVISION,
        "apache-2.0",
        1_000_000_000,
    )
    assert shown.variants[0].files[0].checksum.startswith("sha256:")
    assert server.requests[0][2]["Authorization"] == "Bearer hub-token"


def names_found(hub: Hub, **search: Any) -> list[str]:
    return [one.name.partition("/")[2] for one in hub.search(Search(**search))]


@pytest.fixture
def several(server: EvilHub) -> EvilHub:
    server.made.clear()
    for number, size in enumerate((500_000_000, 8 * 10**9, 70 * 10**9)):
        facts = {"downloads": 10 - number, "likes": number, "trending": number % 2}
        created = f"2026-0{number + 1}-01T00:00:00.000Z"
        server.add(f"owls/M{number}", {}, gguf={"total": size}, created=created, **facts)
    server.add("owls/Eye", {}, task="image-text-to-text")
    server.add("owls/Near", {}, task="sentence-similarity", downloads=5)
    server.add("owls/Next", {}, task="feature-extraction", downloads=7)
    server.add("owls/Fast-4B-4bit", {}, gguf=None, tags=("mlx",), license="MIT")
    return server


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ({"words": "m", "sort": Sort.DOWNLOADS}, ["M0", "M1", "M2"]),
        ({"words": "m", "sort": Sort.LIKES}, ["M2", "M1", "M0"]),
        ({"words": "m", "sort": Sort.NEWEST}, ["M2", "M1", "M0"]),
        ({"words": "m", "sort": Sort.TRENDING}, ["M1", "M0", "M2"]),
        ({"words": "m", "size": Size.SMALL}, ["M0"]),
        ({"words": "m", "size": Size.MEDIUM}, ["M1"]),
        ({"words": "m", "size": Size.HUGE}, ["M2"]),
        ({"words": "m", "size": Size.FITS, "most_parameters": 9 * 10**9}, ["M0", "M1"]),
        ({"words": "m", "size": Size.FITS}, ["M0", "M1", "M2"]),
        ({"task": Task.VISION}, ["Eye"]),
        ({"task": Task.EMBEDDINGS}, ["Next", "Near"]),
        ({"format": Format.MLX}, ["Fast-4B-4bit"]),
    ],
)
def test_filters_and_orders_reach_the_hub(hub, several, search, names):
    assert names_found(hub, **search) == names


def chatting(server: EvilHub, name: str, template: str, **facts: Any) -> None:
    server.add(
        f"owls/{name}",
        {},
        gguf={"chat_template": template},
        tags=("gguf", "conversational"),
        **facts,
    )


def test_tools_and_reasoning_are_told_by_chat_templates(hub, server):
    chatting(server, "Handy", "{% if tools %}")
    chatting(server, "Thoughtful", "<think>", downloads=9)
    chatting(server, "Both", "{{ tools }}<think>")
    server.add("owls/Unsaid", {}, tags=("gguf", "conversational"))

    assert names_found(hub, task=Task.TOOLS) == ["Handy", "Both"]
    assert names_found(hub, task=Task.REASONING) == ["Both", "Thoughtful"]


def test_more_are_looked_at_where_the_hub_cannot_filter(hub, server):
    for number in range(100):
        chatting(server, f"M{number}", "{{ tools }}" if number % 3 == 0 else "plain")

    assert len(names_found(hub, task=Task.TOOLS)) == 30
    assert len(names_found(hub, task=Task.TOOLS, num_asked=60)) == 34


def test_permissive_licences_are_found_together(hub, server):
    for name, license in [("A", "apache-2.0"), ("M", "mit"), ("G", "gemma"), ("L", "llama3.2")]:
        chatting(server, name, "x", license=license, likes=ord(name))

    found = names_found(hub, licence=Licence.PERMISSIVE, sort=Sort.LIKES)

    assert found == ["M", "A", "Night-1B-GGUF"]


def test_a_mirror_that_knows_no_licences_is_filtered_here(hub, server):
    facts = [
        server.made[NAME].facts(f"owls/{name}", blobs=False) | {"cardData": {"license": license}}
        for name, license in [("B", "BSD-3-Clause"), ("O", "other"), ("N", None)]
    ]
    server.api_answer = lambda handler: handler.send_json(facts)

    assert names_found(hub, licence=Licence.PERMISSIVE) == ["B", "N"]


def test_a_mirror_that_does_not_filter_by_size_is_filtered_here(hub, several):
    facts = [made.facts(name, blobs=False) for name, made in several.made.items()]
    several.api_answer = lambda handler: handler.send_json(facts)

    found = names_found(hub, size=Size.MEDIUM)

    assert set(found) == {"M1", "Fast-4B-4bit"}


def test_no_more_are_taken_than_were_asked_for(hub, server):
    facts = server.made[NAME].facts(NAME, blobs=False)
    many = [facts | {"id": f"owls/M{number}"} for number in range(500)]
    server.api_answer = lambda handler: handler.send_json(many)

    assert len(hub.search(Search())) == 30


@pytest.mark.parametrize("show", ["", "x", "-1", "9" * 5000, "٣", "31.5"])
def test_an_address_that_makes_no_sense_is_a_plain_search(show):
    query = {"format": "exe", "size": "zebra", "task": "x", "sort": "<", "show": show}

    search = Search.of(query, words="night")

    assert search.address == Search(words="night", num_asked=search.num_asked).address
    assert 30 <= search.num_asked <= 120


def test_a_search_is_kept_in_its_address():
    search = Search(
        "a b&c", Format.MLX, Size.LARGE, Task.VISION, Licence.PERMISSIVE, Sort.LIKES, 60
    )

    assert Search.of(dict(parse_qsl(search.address)), words="a b&c") == search


@pytest.mark.parametrize(
    ("facts", "capabilities"),
    [
        ({"gguf": {"chat_template": "{{ messages }}"}}, ["chat"]),
        ({"gguf": {"chat_template": "{% if tools %}<think>"}}, ["chat", "tools", "reasoning"]),
        ({"task": "image-text-to-text", "gguf": None}, ["vision"]),
        ({"task": "feature-extraction", "gguf": {"chat_template": "x"}}, ["embeddings"]),
        ({"gguf": {"chat_template": 7}}, []),
    ],
)
def test_what_a_model_can_is_told_from_its_task_and_its_template(hub, server, facts, capabilities):
    server.add(NAME, {"m-Q4_0.gguf": b"x"}, **facts)

    assert hub.repository(NAME).capabilities == tuple(map(Capability, capabilities))


def test_what_is_not_there_and_what_is_no_name(hub):
    with pytest.raises(NotFound):
        hub.repository("owls/nothing")
    with pytest.raises(NotFound):
        hub.repository("../../etc")


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (403, {"X_Error_Code": "GatedRepo"}, Gated),
        (401, {"X_Error_Code": "RepoNotFound"}, NotFound),
        (404, {}, NotFound),
        (429, {}, HubUnreachable),
        (503, {}, HubUnreachable),
        (302, {"Location": "http://127.0.0.1:1/"}, HubNonsense),
        (418, {}, HubNonsense),
    ],
)
def test_each_status_has_its_error(hub, server, status, headers, error):
    server.api_answer = lambda handler: handler.send_bytes(b"", status=status, **headers)

    with pytest.raises(error):
        hub.repository(NAME)


def test_a_renamed_repository_is_told_by_its_new_name(hub, server):
    server.api_answer = lambda handler: handler.send_bytes(
        b"", status=307, Location="/api/models/owls/Dusk-1B-GGUF?blobs=true"
    )

    with pytest.raises(NotFound, match="owls/Dusk-1B-GGUF now"):
        hub.repository(NAME)


def test_an_answer_without_an_end_is_left(hub, server):
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(MAX_ANSWER_BYTES // 2**20 + 8):
            handler.wfile.write(b" " * 2**20)

    server.api_answer = endless

    with pytest.raises(HubNonsense, match="larger"):
        hub.search(Search(words="night"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"null",
        b'{"id": 3}',
        b'{"id": []}',
        b"\xff",
        b"[" * 100_000,
        b'"text"',
        b"<html>",
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(hub, server, body):
    server.api_answer = lambda handler: handler.send_bytes(body)

    with pytest.raises(HubNonsense):
        hub.repository(NAME)


def test_another_repository_than_was_asked_for_is_refused(hub, server):
    facts = server.made[NAME].facts("owls/Other", blobs=True)
    server.api_answer = lambda handler: handler.send_json(facts)

    with pytest.raises(HubNonsense, match="another repository"):
        hub.repository(NAME)


texts = st.text("aZ9_./\\<\0\n\u202e\ud7ff🦉", max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
FIELDS = (
    "sha",
    "gguf",
    "createdAt",
    "trendingScore",
    "pipeline_tag",
    "cardData",
    "siblings",
    "tags",
    "downloads",
    "gated",
    "lastModified",
)


@given(changes=st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4))
def test_any_fields_end_in_a_repository_or_in_a_refusal(changes: dict[str, Any]):
    facts = evil.Made({"m-Q4_0.gguf": b"x"}).facts(NAME, blobs=True) | changes
    try:
        shown = repository_of(decoded(json.dumps(facts).encode(), Model))
    except HubNonsense:
        return
    assert all(file.size > 0 for file in shown.files)
    assert all(is_safe_path(file.name) for one in shown.variants for file in one.files)
