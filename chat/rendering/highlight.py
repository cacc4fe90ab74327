"""Code to spans with classes. Lexers are imported when their language first appears."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from markdown_it.common.utils import escapeHtml

if TYPE_CHECKING:
    from pygments.lexer import Lexer

MAX_HIGHLIGHTED = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9+#._-]{1,32}")

# Languages with a lexer: name in the fence → (lexer of Pygments, name shown). A closed list,
# because a lexer is regular expressions run on hostile text; the tests try each of these.
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
    "matlab": ("matlab", "MATLAB"),
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
    "terraform": ("terraform", "Terraform"),
    "hcl": ("terraform", "HCL"),
    "toml": ("toml", "TOML"),
    "typescript": ("typescript", "TypeScript"),
    "ts": ("typescript", "TypeScript"),
    "tsx": ("typescript", "TSX"),
    "vim": ("vim", "Vim script"),
    "yaml": ("yaml", "YAML"),
    "yml": ("yaml", "YAML"),
    "zig": ("zig", "Zig"),
}


def language_of(info: str) -> str:
    """The language that a fence names, in lower case; "" if it names none that can be shown."""
    words = info.split(maxsplit=1)
    match = _NAME.match(words[0].strip("{}.")) if words else None
    return match[0].lower() if match else ""


def label_of(language: str) -> str:
    """What the header of the code block shows."""
    known = LANGUAGES.get(language)
    return known[1] if known else language or "Code"


def highlighted(code: str, language: str) -> str:
    """Escaped HTML of `code`; the text in it is exactly `code`."""
    known = LANGUAGES.get(language)
    if known is None or len(code) > MAX_HIGHLIGHTED:
        return escapeHtml(code)
    return "".join(_span(kind, text) for kind, text in _tokens(code, known[0]))


def _tokens(code: str, name: str) -> list[tuple[str, str]]:
    """Neighbours of one class are one span: a quarter fewer nodes."""
    from pygments.token import STANDARD_TYPES

    merged: list[tuple[str, str]] = []
    for _, token, text in _lexer(name).get_tokens_unprocessed(code):
        kind = next(
            STANDARD_TYPES[each] for each in reversed(token.split()) if each in STANDARD_TYPES
        )
        if merged and merged[-1][0] == kind:
            merged[-1] = (kind, merged[-1][1] + text)
        else:
            merged.append((kind, text))
    return merged


@cache
def _lexer(name: str) -> Lexer:
    from pygments.lexers import get_lexer_by_name

    return get_lexer_by_name(name)


def _span(kind: str, text: str) -> str:
    plain = kind in {"", "w", "p", "n", "o"} or text.isspace()
    return escapeHtml(text) if plain else f'<span class="{kind}">{escapeHtml(text)}</span>'


def span_classes() -> frozenset[str]:
    """Every class that a span of highlighted code can have."""
    from pygments.token import STANDARD_TYPES

    return frozenset(kind for kind in STANDARD_TYPES.values() if kind)
