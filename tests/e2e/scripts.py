"""What the scripted models of the browser tests say, word for word."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PLAIN = "Grüß dich. This text comes from a real engine 🦉, token by token, and ends here."

MARKDOWN = r"""# A heading

A paragraph with *emphasis*, **strong**, `code` and a [link](https://example.org/page).

- first
- second
  - nested **item**
- third

1. one
2. two

| model | size |
| :---- | ---: |
| small | 1 GB |
| large | 40 GB |

```python
def area(radius: float) -> float:
    return 3.14159 * radius**2  # <b>not bold</b>
```

> A quotation over
> two lines.

Inline maths \(a^2 + b^2 = c^2\) and a display:

$$\int_0^1 x^2 \, dx = \frac{1}{3}$$

The end: ünïcödé, 日本語, 🦉."""

HOSTILE = (
    "<script>document.title='owned'</script>\n\n"
    "<img src=x onerror=\"document.title='owned'\">\n\n"
    "[click](javascript:document.title='owned') ![pixel](http://127.0.0.1:9/pixel.png)\n\n"
    '<a href="#" hx-post="/models/">button</a> <b>bold</b>'
)

LONG = "\n\n".join(
    f"Paragraph {number}: the quick brown fox jumps over the lazy dog and runs on, "
    f"past the {number}th tree, until the river stops it."
    for number in range(1, 41)
)


THOUGHT = "The user greets me.\nSo I greet back <b>kindly</b>."
THINKING = f"<think>\n{THOUGHT}\n</think>\n\nGood *evening*."


@dataclass(frozen=True)
class Script:
    text: str
    options: dict[str, Any] = field(default_factory=dict)


SLOW = {"layers": 8, "width": 512}
SCRIPTS = {
    "plain": Script(PLAIN),
    "markdown": Script(MARKDOWN),
    "hostile": Script(HOSTILE),
    "long": Script(LONG, SLOW),
    "thinking": Script(THINKING),
}
