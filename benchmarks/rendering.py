"""Markdown while it streams: the cost of many small takes against one rendering of the whole.

Both parts show growth: twice the text should cost about twice the time, streamed or not.
"""

from __future__ import annotations

from functools import partial

from benchmarks.django_site import set_up

set_up()

from benchmarks.measuring import median_seconds, print_ratios  # noqa: E402
from rendering import StreamRenderer, render_markdown  # noqa: E402

SECTION = """## Section

A paragraph with *emphasis*, `code`, and a [link](https://example.org/), long enough to wrap.

- one item
- another **item**

| a | b |
|---|--:|
| x | 1 |

```python
def area(radius: float) -> float:
    return 3.14 * radius**2
```

"""
TOKEN = 4
TOKENS_IN_A_TICK = 2


def stream(text: str) -> None:
    """As a page gets it at 50 tokens/s: about two tokens in each tick of 40 ms."""
    renderer = StreamRenderer()
    step = TOKEN * TOKENS_IN_A_TICK
    for start in range(0, len(text), step):
        renderer.feed(text[start : start + step])
        renderer.take()
    renderer.finish()


def main() -> None:
    whole = {f"{n} sections": SECTION * n for n in (5, 10, 20)}
    print_ratios(
        "Whole", {name: median_seconds(partial(render_markdown, t)) for name, t in whole.items()}
    )
    print_ratios(
        "Streamed, in ticks of two tokens",
        {name: median_seconds(partial(stream, t), runs=3) for name, t in whole.items()},
    )
    fences = {f"one fence of {n} KiB": "```\n" + "x = 1\n" * (n * 170) for n in (8, 16, 32)}
    print_ratios(
        "Streamed, one open block",
        {name: median_seconds(partial(stream, t), runs=3) for name, t in fences.items()},
    )


if __name__ == "__main__":
    main()
