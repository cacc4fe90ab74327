"""The reader of GGUF headers: right for good files, and a sentence for every other input."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.errors import ModelFileInvalid
from inference.gguf_header import read_header
from inference.gguf_metadata import MAX_TEXT_BYTES, one_line
from tests.inference.gguf_files import (
    ARRAY,
    BOOL,
    F16,
    FLOAT32,
    INT32,
    LLAMA,
    Q4_0,
    Q4_K,
    Q8_0,
    STRING,
    UINT8,
    UINT64,
    File,
    array_pair,
    pair,
    string_pair,
    tensor,
    text,
    u32_pair,
)
from tests.made_models import write_random_model, write_scripted_model

INT64_MAX = 2**63 - 1
ONE_TENSOR = {"tensors": (tensor("a", (8, 4)),), "data": bytes(128)}


@pytest.fixture(scope="session")
def made_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scripted_model(tmp_path_factory.mktemp("made") / "made.gguf", "Hello there.")


def refusal(path: Path) -> ModelFileInvalid:
    with pytest.raises(ModelFileInvalid) as caught:
        read_header(path)
    sentence = str(caught.value)
    assert str(path) not in sentence
    assert sentence.isprintable()
    assert len(sentence) < 300
    assert sentence.endswith(".")
    return caught.value


# -- good files -------------------------------------------------------------------------------------


def test_a_header_says_what_the_model_is(tmp_path):
    header = read_header(File().write(tmp_path / "a.gguf"))

    assert (header.architecture, header.name, header.kind) == ("llama", "Tiny", "model")
    assert (header.context_length, header.block_count, header.embedding_length) == (2048, 2, 64)
    assert (header.num_heads, header.num_kv_heads) == (8, 4)
    assert (header.num_tensors, header.num_parameters) == (2, 48)
    assert (header.tokenizer_model, header.chat_template) == ("gpt2", "{{ messages }}")
    assert header.size == (tmp_path / "a.gguf").stat().st_size
    assert header.split is None


@pytest.mark.parametrize("version", [2, 3])
def test_both_versions_in_use_are_read(tmp_path, version):
    assert read_header(File(version=version).write(tmp_path / "a.gguf")).num_parameters == 48


def test_quantization_is_what_the_file_says_even_if_guessed(tmp_path):
    for number, name in ((15, "Q4_K_M"), (7 | 1024, "Q8_0"), (0, "F32"), (18, "Q6_K")):
        file = File(pairs=(*LLAMA, u32_pair("general.file_type", number)))
        assert read_header(file.write(tmp_path / "a.gguf")).quantization == name


def test_quantization_is_the_type_of_most_parameters_when_the_file_does_not_say(tmp_path):
    tensors = (tensor("small", (32,)), tensor("large", (256, 4), Q4_K, offset=128))

    header = read_header(File(tensors=tensors, data=bytes(128 + 576)).write(tmp_path / "a.gguf"))

    assert header.quantization == "Q4_K"


def test_an_unknown_file_type_falls_back_to_the_tensors(tmp_path):
    file = File(pairs=(*LLAMA, u32_pair("general.file_type", 999)))

    assert read_header(file.write(tmp_path / "a.gguf")).quantization == "F32"


def test_head_counts_may_differ_by_layer(tmp_path):
    heads = array_pair("llama.attention.head_count_kv", INT32, 3, struct.pack("<3i", 2, 8, 4))

    header = read_header(File(pairs=(*LLAMA[:6], heads, *LLAMA[7:])).write(tmp_path / "a.gguf"))

    assert header.num_kv_heads == 8


def test_keys_may_come_in_any_order(tmp_path):
    header = read_header(File(pairs=LLAMA[::-1]).write(tmp_path / "a.gguf"))

    assert (header.architecture, header.context_length) == ("llama", 2048)


def test_a_part_of_a_split_model_says_which(tmp_path):
    u16 = [pair(f"split.{k}", 2, struct.pack("<H", v)) for k, v in (("no", 1), ("count", 3))]
    tensors = pair("split.tensors.count", INT32, struct.pack("<i", 291))

    split = read_header(File(pairs=(*u16, tensors)).write(tmp_path / "a.gguf")).split

    assert split is not None
    assert (split.index, split.count, split.num_tensors) == (1, 3, 291)


def test_an_own_alignment_is_followed(tmp_path):
    file = File(
        pairs=(*LLAMA, u32_pair("general.alignment", 256)),
        tensors=(tensor("a", (8,)), tensor("b", (8,), offset=256)),
        data=bytes(288),
        alignment=256,
    )

    assert read_header(file.write(tmp_path / "a.gguf")).num_parameters == 16


def test_a_file_may_hold_nothing_at_all(tmp_path):
    header = read_header(File(pairs=(), tensors=(), data=b"").write(tmp_path / "a.gguf"))

    assert (header.architecture, header.num_tensors, header.quantization) == ("", 0, "")


def test_a_dimension_of_zero_is_allowed(tmp_path):
    file = File(tensors=(tensor("a", (8, 0)),), data=b"")

    assert read_header(file.write(tmp_path / "a.gguf")).num_parameters == 0


def test_the_last_tensor_need_not_be_padded(tmp_path):
    file = File(tensors=(tensor("a", (3,)),), data=bytes(12))

    assert read_header(file.write(tmp_path / "a.gguf")).num_parameters == 3


def test_a_vocabulary_is_passed_over_without_being_kept(tmp_path):
    words = b"".join(text(f"token {number}") for number in range(150_000))
    scores = struct.pack("<150000f", *range(150_000))
    vocabulary = (
        array_pair("tokenizer.ggml.tokens", STRING, 150_000, words),
        array_pair("tokenizer.ggml.scores", FLOAT32, 150_000, scores),
    )
    path = File(pairs=(*LLAMA[:3], *vocabulary, *LLAMA[3:])).write(tmp_path / "a.gguf")

    tracemalloc.start()
    header = read_header(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert header.chat_template == "{{ messages }}"
    assert peak < 2 * 1024**2


def test_a_chat_template_may_have_64_kib_and_not_one_byte_more(tmp_path):
    for length, is_kept in ((MAX_TEXT_BYTES, True), (MAX_TEXT_BYTES + 1, False)):
        template = string_pair("tokenizer.chat_template", "x" * length)
        header = read_header(File(pairs=(*LLAMA[:8], template)).write(tmp_path / "a.gguf"))

        assert len(header.chat_template) == (length if is_kept else 0)
        assert header.chat_template_too_long is not is_kept


def test_a_name_is_one_line_of_bounded_text_whatever_was_written(tmp_path):
    wild = "\x00<b>Tiny\u202e\n\tname\x1b[31m" + "x" * 1000
    file = File(pairs=(LLAMA[0], string_pair("general.name", wild), *LLAMA[2:]))

    name = read_header(file.write(tmp_path / "a.gguf")).name

    assert name.startswith("<b>Tiny name [31mxxx")
    assert len(name) == 200
    assert name.isprintable()


def test_bytes_that_are_no_utf_8_do_not_matter(tmp_path):
    file = File(pairs=(LLAMA[0], string_pair("general.name", b"Ti\xffny\xf0\x9f"), *LLAMA[2:]))

    assert read_header(file.write(tmp_path / "a.gguf")).name.startswith("Ti")


def test_our_reader_agrees_with_the_gguf_package_on_good_files(tmp_path, made_model):
    models = [made_model, write_random_model(tmp_path / "random.gguf", layers=3)]
    for path in models:
        header, theirs = read_header(path), gguf.GGUFReader(path)

        def said(key: str, theirs: gguf.GGUFReader = theirs) -> object:
            field = theirs.get_field(key)
            assert field is not None
            return field.contents()

        assert header.architecture == said("general.architecture")
        assert header.name == said("general.name")
        assert header.chat_template == said("tokenizer.chat_template")
        assert header.tokenizer_model == said("tokenizer.ggml.model")
        assert header.context_length == said(f"{header.architecture}.context_length")
        assert header.block_count == said(f"{header.architecture}.block_count")
        assert header.embedding_length == said(f"{header.architecture}.embedding_length")
        assert header.num_heads == said(f"{header.architecture}.attention.head_count")
        assert header.num_tensors == len(theirs.tensors)
        assert header.num_parameters == sum(int(one.n_elements) for one in theirs.tensors)


@pytest.mark.parametrize("number", sorted(set(gguf.GGML_QUANT_SIZES) - {9}))
def test_sizes_of_tensor_types_agree_with_the_gguf_package(tmp_path, number):
    block, block_bytes = gguf.GGML_QUANT_SIZES[number]
    whole = File(tensors=(tensor("a", (block, 3), int(number)),), data=bytes(3 * block_bytes))
    cut = File(tensors=whole.tensors, data=whole.data[:-1])

    assert read_header(whole.write(tmp_path / "a.gguf")).num_parameters == 3 * block
    assert "cut off" in str(refusal(cut.write(tmp_path / "b.gguf")))


# -- not a GGUF file --------------------------------------------------------------------------------

OTHER_FILES = {
    "text": (b"Dear diary,\nno model today.\n", "text file"),
    "text of many languages": (("Привет, мир. 世界 " * 60).encode()[:512], "text file"),
    "web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
    "git lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    "zip or pytorch": (b"PK\x03\x04" + bytes(60), "ZIP archive or a PyTorch model"),
    "old ggml": (b"tjgg\x03\x00\x00\x00" + bytes(60), "old GGML format"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not a GGUF model"),
    "safetensors": (struct.pack("<Q", 80) + b'{"__metadata__":{}}', "not a GGUF model"),
    "wrong magic": (File(magic=b"GGUX").content(), "not a GGUF model"),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_another_kind_of_file_is_called_what_it_is(tmp_path, kind):
    content, words = OTHER_FILES[kind]
    (tmp_path / "a.gguf").write_bytes(content)

    assert words in str(refusal(tmp_path / "a.gguf"))


def test_an_empty_file_and_one_of_zeros_may_still_be_coming(tmp_path):
    for content in (b"", b"GG", bytes(4096)):
        (tmp_path / "a.gguf").write_bytes(content)

        assert refusal(tmp_path / "a.gguf").facts["reason"] == "truncated"


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (0, "version 0"),
        (1, "version 1"),
        (4, "version 4"),
        (2**32 - 1, "version 4,294,967,295"),
        (0x03000000, "big-endian"),
        (0x02000000, "big-endian"),
    ],
)
def test_a_version_that_cannot_be_read_is_explained(tmp_path, version, words):
    assert words in str(refusal(File(version=version).write(tmp_path / "a.gguf")))


def test_what_is_no_regular_file_is_refused_without_blocking(tmp_path):
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "loop.gguf").symlink_to("loop.gguf")
    paths = {
        tmp_path / "pipe.gguf": "not a regular file",
        tmp_path: "a folder",
        tmp_path / "absent.gguf": "no longer there",
        tmp_path / "loop.gguf": "could not be read",
        tmp_path / "a\0b.gguf": "could not be read",
        tmp_path / ("x" * 300): "could not be read",
        Path("/dev/zero"): "not a regular file",
    }

    for path, words in paths.items():
        assert words in str(refusal(path))


def test_a_file_that_may_not_be_read_says_so(tmp_path):
    path = File().write(tmp_path / "a.gguf")
    path.chmod(0)

    # Permissions do not bind root, so somebody else has to try.
    code = (
        "import os, sys; from pathlib import Path\n"
        "from inference.gguf_header import read_header\n"
        "os.getuid() or os.setuid(65534)\n"
        "try: read_header(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == path.owner() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o711)
    said = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )

    assert said.stdout.startswith("ModelFileInvalid Minerva is not allowed to read this file")


# -- damaged headers --------------------------------------------------------------------------------

DAMAGED = {
    # header
    "a wild number of tensors": (File(num_tensors=2**62), "4,611,686,018,427,387,904 tensors"),
    "a number of tensors that is negative when signed": (File(num_tensors=2**64 - 1), "tensors"),
    "more tensors than fit into the file": (File(num_tensors=1000), "cut off"),
    "a wild number of keys": (File(num_pairs=2**63), "metadata keys"),
    "more keys than fit into the file": (File(num_pairs=5000), "cut off"),
    "fewer tensors than claimed": (File(num_tensors=3), ""),
    "fewer keys than claimed": (File(num_pairs=len(LLAMA) + 1), ""),
    # keys and values
    "a key of wild length": (
        File(pairs=(struct.pack("<Q", 2**60) + b"k" * 64,)),
        "a metadata key is",
    ),
    "an empty key": (File(pairs=(string_pair("", "x" * 50),)), "a metadata key is 0 bytes"),
    "a key of 513 bytes": (File(pairs=(string_pair("k" * 513, "x"),)), "513 bytes"),
    "a value of unknown type": (File(pairs=(pair("k", 13, bytes(8)),)), "unknown type 13"),
    "a value of wild type": (File(pairs=(pair("k", 2**32 - 1, bytes(8)),)), "unknown type"),
    "a key that comes twice": (File(pairs=(*LLAMA, LLAMA[2])), "“llama.context_length” twice"),
    "a text of wild length": (
        File(pairs=(pair("general.name", STRING, struct.pack("<Q", 2**63) + b"x" * 64),)),
        "cut off",
    ),
    "a text that goes past the end": (
        File(pairs=(pair("any", STRING, struct.pack("<Q", 100_000) + b"x" * 64),)),
        "cut off",
    ),
    "an array of arrays": (File(pairs=(array_pair("k", ARRAY, 1, bytes(64)),)), "unknown type 9"),
    "an array of unknown type": (File(pairs=(array_pair("k", 99, 1, bytes(64)),)), "type 99"),
    "an array of wild length": (
        File(pairs=(array_pair("k", UINT8, 2**64 - 1, bytes(64)),)),
        "cut off",
    ),
    "an array whose size overflows 64 bits": (
        File(pairs=(array_pair("k", UINT64, 2**61 + 1, bytes(64)),)),
        "cut off",
    ),
    "an array of texts of wild length": (
        File(pairs=(array_pair("k", STRING, 2**61, bytes(64)),)),
        "“k” claims to have",
    ),
    "an array of texts that is longer than the file": (
        File(pairs=(array_pair("k", STRING, 1000, text("x") * 8),)),
        "cut off",
    ),
    "a text of wild length in an array": (
        File(
            pairs=(
                array_pair("k", STRING, 2, text("x") + struct.pack("<Q", 2**64 - 1) + bytes(64)),
            )
        ),
        "cut off",
    ),
    "an alignment of zero": (File(pairs=(u32_pair("general.alignment", 0),)), "alignment is 0"),
    "an alignment that is no power of two": (
        File(pairs=(u32_pair("general.alignment", 13),)),
        "alignment is 13",
    ),
    "an alignment of the wrong type": (
        File(pairs=(pair("general.alignment", UINT64, struct.pack("<Q", 32)),)),
        "alignment is 32",
    ),
    "an alignment that is text": (
        File(pairs=(string_pair("general.alignment", "32"),)),
        "“general.alignment” is not a whole number",
    ),
    "a wild alignment": (File(pairs=(u32_pair("general.alignment", 2**31 - 1),)), "alignment is"),
    "an architecture that is a number": (
        File(pairs=(u32_pair("general.architecture", 1),)),
        "“general.architecture” is not text",
    ),
    "a name that is an array": (
        File(pairs=(array_pair("general.name", STRING, 1, text("x")),)),
        "“general.name” is not text",
    ),
    "a chat template that is an array": (
        File(pairs=(array_pair("tokenizer.chat_template", STRING, 1, text("x")),)),
        "“tokenizer.chat_template” is not text",
    ),
    "a chat template that is a yes": (
        File(pairs=(pair("tokenizer.chat_template", BOOL, b"\1"),)),
        "is not text",
    ),
    "a context length that is text": (
        File(pairs=(LLAMA[0], string_pair("llama.context_length", "2048"))),
        "“llama.context_length” is not a whole number",
    ),
    "a context length that is a fraction": (
        File(pairs=(LLAMA[0], pair("llama.context_length", FLOAT32, struct.pack("<f", 2.5)))),
        "is not a whole number",
    ),
    "a context length below zero": (
        File(pairs=(LLAMA[0], pair("llama.context_length", INT32, struct.pack("<i", -1)))),
        "“llama.context_length” cannot be -1",
    ),
    "a context length beyond 32 bits": (
        File(pairs=(LLAMA[0], pair("llama.context_length", UINT64, struct.pack("<Q", 2**63)))),
        "cannot be 9,223,372,036,854,775,808",
    ),
    "a file type that is text": (
        File(pairs=(string_pair("general.file_type", "Q4"),)),
        "“general.file_type” is not a whole number",
    ),
    "a number of heads that is text": (
        File(pairs=(LLAMA[0], array_pair("llama.attention.head_count", FLOAT32, 1, bytes(4)))),
        "“llama.attention.head_count” is not a whole number",
    ),
    "a part beyond the number of parts": (
        File(pairs=(u32_pair("split.no", 7), u32_pair("split.count", 3))),
        "part 8 of 3",
    ),
    "a wild number of parts": (File(pairs=(u32_pair("split.count", 70_000),)), "cannot be 70,000"),
    # tensors
    "a tensor name of wild length": (
        File(tensors=(struct.pack("<Q", 2**63) + b"a" * 64,)),
        "a tensor's name is",
    ),
    "a tensor name of 64 bytes": (File(tensors=(tensor("n" * 64, (8,)),)), "64 bytes long"),
    "five dimensions": (File(tensors=(tensor("a", (1, 1, 1, 1, 1)),)), "5 dimensions"),
    "a wild number of dimensions": (
        File(tensors=(text("a") + struct.pack("<I", 2**32 - 1) + bytes(64),)),
        "4,294,967,295 dimensions",
    ),
    "a dimension below zero": (File(tensors=(tensor("a", (2**64 - 1,)),)), "impossible shape"),
    "a product of dimensions beyond 64 bits": (
        File(tensors=(tensor("a", (2**32, 2**32)),)),
        "impossible shape",
    ),
    "a product that only a zero makes small": (
        File(tensors=(tensor("a", (2**62, 2**62, 0)),)),
        "impossible shape",
    ),
    "a size in bytes beyond 64 bits": (
        File(tensors=(tensor("a", (2**62,)),)),
        "impossible size",
    ),
    "a size that wraps to nothing when padded": (
        File(tensors=(tensor("a", (INT64_MAX // 4,)),)),
        "impossible size",
    ),
    "sizes that overflow together": (
        File(tensors=(tensor("a", (2**60,)), tensor("b", (2**60,), offset=2**62))),
        "impossible size",
    ),
    "a tensor of unknown type": (File(tensors=(tensor("a", (8,), 43),)), "unknown type 43"),
    "a tensor of wild type": (File(tensors=(tensor("a", (8,), 2**31),)), "unknown type"),
    "a tensor of a removed type": (File(tensors=(tensor("a", (32,), 4),)), "unknown type 4"),
    "rows that are no whole blocks": (File(tensors=(tensor("a", (33,), Q4_0),)), "rows of tensor"),
    "a number without dimensions in blocks": (File(tensors=(tensor("a", (), Q8_0),)), "rows of"),
    "an offset that is not aligned": (
        File(tensors=(tensor("a", (8,), offset=1),)),
        "not where it should be",
    ),
    "a wild offset": (File(tensors=(tensor("a", (8,), offset=2**64 - 1),)), "not where"),
    "a gap between tensors": (
        File(tensors=(tensor("a", (8,)), tensor("b", (8,), offset=64)), data=bytes(96)),
        "not where it should be",
    ),
    "tensors that overlap": (
        File(tensors=(tensor("a", (32,)), tensor("b", (32,), offset=32)), data=bytes(256)),
        "not where it should be",
    ),
    "a tensor that comes twice": (
        File(tensors=(tensor("a", (8,)), tensor("a", (8,), offset=32))),
        "the tensor “a” twice",
    ),
    "data that ends one byte early": (
        File(tensors=(tensor("a", (8,)),), data=bytes(31)),
        "cut off",
    ),
    "no data": (File(data=b""), "cut off"),
    "data smaller than an own alignment needs": (
        File(
            pairs=(u32_pair("general.alignment", 2**30),),
            tensors=(tensor("a", (8,)),),
            data=bytes(4096),
        ),
        "cut off",
    ),
    "names that would do harm if they were shown": (
        File(tensors=(tensor("\x1b[2J\u202e<script>", (8,), 99),)),
        "“[2J <script>”",
    ),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_header_is_refused_with_what_is_wrong(tmp_path, damage):
    file, words = DAMAGED[damage]

    assert words in str(refusal(file.write(tmp_path / "a.gguf")))


def test_a_file_cut_off_anywhere_says_so(tmp_path):
    whole = File().content()
    for length in range(1, len(whole)):
        (tmp_path / "a.gguf").write_bytes(whole[:length])

        error = refusal(tmp_path / "a.gguf")

        assert error.facts["reason"] == "truncated"


def test_a_file_cut_off_in_its_data_says_how_much_is_there(tmp_path, made_model):
    content = made_model.read_bytes()
    (tmp_path / "a.gguf").write_bytes(content[:-1000])

    error = refusal(tmp_path / "a.gguf")

    there, expected = error.facts["size"], error.facts["expected"]
    assert there == len(content) - 1000
    assert len(content) - 32 < int(expected) <= len(content)
    assert f"{there:,} of {expected:,} bytes" in str(error)


def test_more_strings_than_any_vocabulary_has_are_not_gone_through(tmp_path):
    path = tmp_path / "a.gguf"
    File(pairs=(array_pair("k", STRING, 4_000_001, b""),), tensors=()).write(path)
    os.truncate(path, 2**33)

    assert "claims to have 4,000,001 entries" in str(refusal(path))


def test_a_header_may_not_be_endless(tmp_path):
    path = tmp_path / "a.gguf"
    File(pairs=(array_pair("k", UINT8, 2**40, b""), *LLAMA), tensors=()).write(path)
    os.truncate(path, 2**41)

    assert "header is longer than any model's" in str(refusal(path))


def test_many_small_arrays_are_not_all_kept(tmp_path):
    arrays = [array_pair(f"k{number}", UINT8, 4096, bytes(4096)) for number in range(200)]
    path = File(pairs=(*arrays, *LLAMA)).write(tmp_path / "a.gguf")

    tracemalloc.start()
    header = read_header(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert header.architecture == "llama"
    assert peak < 2 * 1024**2


# -- anything ---------------------------------------------------------------------------------------

HEADER_LENGTH = 4096


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Where bytes are overwritten, and with what: single bytes and numbers that mean trouble."""
    trouble = st.sampled_from(
        [struct.pack("<Q", n) for n in (0, 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)]
    )
    piece = st.one_of(st.binary(min_size=1, max_size=4), trouble)
    place = st.integers(min_value=0, max_value=HEADER_LENGTH)
    return draw(st.lists(st.tuples(place, piece), min_size=1, max_size=6))


def reads_or_refuses(path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        header = read_header(path)
    except ModelFileInvalid as error:
        assert 0 < len(str(error)) < 300
        assert str(error).isprintable()
    else:
        assert one_line(header.name, limit=200) == header.name
        assert header.num_parameters <= header.size * 8
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


@settings(
    max_examples=1500, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=mutations(), cut=st.none() | st.integers(min_value=0, max_value=HEADER_LENGTH))
def test_a_mutated_model_is_read_or_refused_and_nothing_else(tmp_path, made_model, changes, cut):
    content = bytearray(made_model.read_bytes())
    for place, piece in changes:
        content[place : place + len(piece)] = piece
    path = tmp_path / "a.gguf"
    path.write_bytes(content[:cut])

    reads_or_refuses(path)


@settings(
    max_examples=500, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=2000), has_magic=st.booleans())
def test_any_bytes_are_read_or_refused_and_nothing_else(tmp_path, content, has_magic):
    path = tmp_path / "a.gguf"
    path.write_bytes((b"GGUF\3\0\0\0" if has_magic else b"") + content)

    reads_or_refuses(path)


@settings(
    max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pairs=st.lists(
        st.tuples(
            st.sampled_from(["general.name", "split.no", "split.count", "llama.block_count", "k"]),
            st.integers(min_value=0, max_value=14),
            st.binary(max_size=40),
        ),
        max_size=6,
    ),
    shape=st.lists(st.integers(min_value=0, max_value=2**64 - 1), max_size=5),
    tensor_type=st.integers(min_value=0, max_value=45),
)
def test_well_formed_nonsense_is_read_or_refused_and_nothing_else(
    tmp_path, pairs, shape, tensor_type
):
    keys = [pair(*one) for one in pairs]
    file = File(pairs=(LLAMA[0], *keys), tensors=(tensor("a", shape, tensor_type),))

    reads_or_refuses(file.write(tmp_path / "a.gguf"))


def test_reading_imports_neither_numpy_nor_a_loader():
    code = (
        "import sys, inference.gguf_model\n"
        "print(sorted({'numpy', 'gguf', 'llama_cpp', 'mmap', 'django'} & set(sys.modules)))"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"


def test_f16_counts_two_bytes_a_parameter(tmp_path):
    file = File(tensors=(tensor("a", (16, 2), F16),), data=bytes(64))

    assert read_header(file.write(tmp_path / "a.gguf")).num_parameters == 32
