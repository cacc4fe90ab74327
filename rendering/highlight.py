"""Code to spans with classes. Lexers are imported when their language first appears.

A lexer is regular expressions run on hostile text, and many take the square of its length. So the
list of them is closed, text that does not look like code stays plain, and the rest has a time limit
of processor time, far above what code of that length takes. What was stopped once stays plain.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from markdown_it.common.utils import escapeHtml

if TYPE_CHECKING:
    from pygments.lexer import Lexer
    from pygments.token import _TokenType

MAX_HIGHLIGHTED = 32 * 1024
MAX_LINE = 2_000
MAX_BLANK_LINES = 50
MAX_SECONDS = 0.5
_BLANK_LINES = re.compile(rf"(?:\n[ \t]*){{{MAX_BLANK_LINES},}}")
_NAME = re.compile(r"[A-Za-z0-9+#._-]{1,32}")

# Languages with a lexer: name in the fence → (lexer of Pygments, name shown). Not here: Terraform
# (its lexer does not end on some texts), MATLAB (a single match takes seconds).
LANGUAGES = {
    "bash": ("bash", "Bash"),
    "sh": ("bash", "Shell"),
    "shell": ("bash", "Shell"),
    "zsh": ("bash", "Zsh"),
    "console": ("console", "Console"),
    "powershell": ("powershell", "PowerShell"),
    "bat": ("bat", "Batch"),
    "c": ("c", "C"),
    "h": ("c", "C"),
    "cpp": ("cpp", "C++"),
    "c++": ("cpp", "C++"),
    "csharp": ("csharp", "C#"),
    "c#": ("csharp", "C#"),
    "cs": ("csharp", "C#"),
    "cmake": ("cmake", "CMake"),
    "css": ("css", "CSS"),
    "scss": ("scss", "SCSS"),
    "clojure": ("clojure", "Clojure"),
    "dart": ("dart", "Dart"),
    "diff": ("diff", "Diff"),
    "dockerfile": ("docker", "Dockerfile"),
    "docker": ("docker", "Dockerfile"),
    "elixir": ("elixir", "Elixir"),
    "erlang": ("erlang", "Erlang"),
    "fortran": ("fortran", "Fortran"),
    "go": ("go", "Go"),
    "golang": ("go", "Go"),
    "graphql": ("graphql", "GraphQL"),
    "groovy": ("groovy", "Groovy"),
    "haskell": ("haskell", "Haskell"),
    "hs": ("haskell", "Haskell"),
    "html": ("html", "HTML"),
    "xml": ("xml", "XML"),
    "svg": ("xml", "SVG"),
    "http": ("http", "HTTP"),
    "ini": ("ini", "INI"),
    "java": ("java", "Java"),
    "javascript": ("javascript", "JavaScript"),
    "js": ("javascript", "JavaScript"),
    "jsx": ("javascript", "JSX"),
    "json": ("json", "JSON"),
    "jsonc": ("json", "JSON"),
    "julia": ("julia", "Julia"),
    "kotlin": ("kotlin", "Kotlin"),
    "kt": ("kotlin", "Kotlin"),
    "latex": ("latex", "LaTeX"),
    "tex": ("latex", "TeX"),
    "lisp": ("common-lisp", "Lisp"),
    "lua": ("lua", "Lua"),
    "makefile": ("make", "Makefile"),
    "make": ("make", "Makefile"),
    "nginx": ("nginx", "nginx"),
    "nix": ("nix", "Nix"),
    "objective-c": ("objective-c", "Objective-C"),
    "objc": ("objective-c", "Objective-C"),
    "ocaml": ("ocaml", "OCaml"),
    "perl": ("perl", "Perl"),
    "php": ("php", "PHP"),
    "protobuf": ("protobuf", "Protocol Buffers"),
    "python": ("python", "Python"),
    "py": ("python", "Python"),
    "python3": ("python", "Python"),
    "pycon": ("pycon", "Python console"),
    "r": ("r", "R"),
    "ruby": ("ruby", "Ruby"),
    "rb": ("ruby", "Ruby"),
    "rust": ("rust", "Rust"),
    "rs": ("rust", "Rust"),
    "scala": ("scala", "Scala"),
    "sql": ("sql", "SQL"),
    "swift": ("swift", "Swift"),
    "toml": ("toml", "TOML"),
    "typescript": ("typescript", "TypeScript"),
    "ts": ("typescript", "TypeScript"),
    "tsx": ("typescript", "TSX"),
    "vim": ("vim", "Vim script"),
    "yaml": ("yaml", "YAML"),
    "yml": ("yaml", "YAML"),
    "zig": ("zig", "Zig"),
}


_stopped: deque[tuple[str, str]] = deque(maxlen=32)


def language_of(info: str) -> str:
    """The language that a fence names, in lower case; "" if it names none that can be shown."""
    words = info.split(maxsplit=1)
    match = _NAME.match(words[0].strip("{}.")) if words else None
    return match[0].lower() if match else ""


def label_of(language: str) -> str:
    """What the header of the code block shows."""
    known = LANGUAGES.get(language)
    return known[1] if known else language or "Code"


def highlighted(code: str, language: str) -> str | None:
    """Escaped HTML of `code`, whose text is exactly `code`; None if it took too long."""
    known = LANGUAGES.get(language)
    if known is None or not _looks_like_code(code):
        return escapeHtml(code)
    if (code, language) in _stopped:
        return None
    spans = _spans(code, known[0])
    if spans is None:
        _stopped.append((code, language))
        return None
    return spans


def _looks_like_code(code: str) -> bool:
    if len(code) > MAX_HIGHLIGHTED or _BLANK_LINES.search(code):
        return False
    return max(map(len, code.split("\n"))) <= MAX_LINE


def _spans(code: str, name: str) -> str | None:
    try:
        html = "".join(_span(kind, text) for kind, text in _tokens(code, name))
    except TimeoutError:
        return None
    return html if code.endswith("\n") else html.removesuffix("\n")


def _tokens(code: str, name: str) -> Iterator[tuple[str, str]]:
    """Classes and texts; neighbours of one class are one span: a quarter fewer nodes.

    Lexers expect the last line to have an end. `_spans` takes one that was added off again.
    """
    parts = _lexer(name).get_tokens_unprocessed(code.removesuffix("\n") + "\n")
    for kind, group in groupby(_in_time(parts, len(code)), key=itemgetter(0)):
        yield kind, "".join(text for _, text in group)


def _in_time(
    parts: Iterable[tuple[int, _TokenType, str]], length: int
) -> Iterator[tuple[str, str]]:
    """Raises TimeoutError; also when there are more parts than characters, as in a loop."""
    deadline = time.thread_time() + MAX_SECONDS
    for number, (_, token, text) in enumerate(parts):
        if number > 2 * length + 100 or time.thread_time() > deadline:
            raise TimeoutError
        yield _class_of(token), text


@cache
def _class_of(token: _TokenType) -> str:
    from pygments.token import STANDARD_TYPES

    return next(STANDARD_TYPES[kind] for kind in reversed(token.split()) if kind in STANDARD_TYPES)


@cache
def _lexer(name: str) -> Lexer:
    from pygments.lexers import get_lexer_by_name

    return get_lexer_by_name(name)


def _span(kind: str, text: str) -> str:
    """The line end after a token stays outside, so that the very last one can be taken off."""
    if kind in {"", "w", "p", "n", "o"} or text.isspace():
        return escapeHtml(text)
    inside = text.removesuffix("\n")
    return f'<span class="{kind}">{escapeHtml(inside)}</span>{text[len(inside) :]}'


def span_classes() -> frozenset[str]:
    """Every class that a span of highlighted code can have."""
    from pygments.token import STANDARD_TYPES

    return frozenset(kind for kind in STANDARD_TYPES.values() if kind)
