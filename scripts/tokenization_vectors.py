"""Does Minerva tokenize as llama.cpp's own test vectors say?

    .venv/bin/python scripts/tokenization_vectors.py FOLDER

FOLDER holds `ggml-vocab-NAME.gguf` with `.inp` and `.out` beside them, as `vendor/llama.cpp/models`
of the source archive of llama-cpp-python does. Exits with 1 if a text is cut otherwise.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import llama_cpp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from inference.backends.llama.log import LlamaLog
from inference.backends.llama.vocabulary import Vocabulary

SEPARATOR = "\n__ggml_vocab_test__\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, usage="%(prog)s FOLDER")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    files = [path for path in sorted(folder.glob("*.gguf")) if _beside(path, ".out").exists()]
    if not files:
        parser.error(f"there are no vectors in {folder}")
    LlamaLog()  # keeps llama.cpp's notices from the terminal
    wrong = sum(_check(path) for path in files)
    print(f"{len(files)} vocabularies, {wrong} texts cut otherwise")
    sys.exit(bool(wrong))


def _check(path: Path) -> int:
    vocabulary = _vocabulary(path)
    vectors = list(_vectors(path))
    wrong = [text for text, tokens in vectors if _tokens(vocabulary, text) != tokens]
    print(f"{path.stem:32}{len(vectors) - len(wrong):4} of {len(vectors)}")
    for text in wrong:
        print(f"    {text!r}")
    return len(wrong)


def _vocabulary(path: Path) -> Vocabulary:
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        sys.exit(f"llama.cpp cannot read {path}")
    return Vocabulary(model)


def _vectors(path: Path) -> Iterator[tuple[str, list[int]]]:
    texts = _beside(path, ".inp").read_bytes().decode().removesuffix(SEPARATOR).split(SEPARATOR)
    lines = _beside(path, ".out").read_text().splitlines()
    for text, line in zip(texts, lines, strict=True):
        yield text, [int(token) for token in line.split()]


def _tokens(vocabulary: Vocabulary, text: str) -> list[int]:
    """The vectors were made without BOS."""
    tokens = vocabulary.tokenize(text).tolist()
    return tokens[1:] if vocabulary.bos >= 0 and tokens[:1] == [vocabulary.bos] else tokens


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


if __name__ == "__main__":
    main()
