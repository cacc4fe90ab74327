"""Text that tries to act. Every payload in every place, whole and cut in the middle of anything."""

from __future__ import annotations

import re
from itertools import product

import nh3
import pytest
from hypothesis import given, settings

from rendering import StreamRenderer, render_markdown
from rendering.sanitise import sanitise
from tests.rendering.markdown_texts import markdown_texts
from tests.rendering.page_elements import PageElements

ADDRESSES = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "&#106;avascript:alert(1)",
    "&#x6A;avascript&colon;alert(1)",
    "javascript&#58;alert(1)",
    "\x01javascript:alert(1)",
    "%6Aavascript:alert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:image/svg+xml;base64,PHN2Zy8+",
    "file:///etc/passwd",
    "//evil.example/x",
    "/sign-out/",
    "#message",
    "?next=/",
    "http:evil.example",
    "https:///evil.example",
    "http:\\\\evil.example",
    "https://user:word@evil.example/",
    "https://good.example@evil.example/",
    "https://[::1",
    "https://good.example%2F@evil.example",
    "ws://evil.example",
    "blob:https://evil.example/1",
    "mailto:",
]
MARKUP = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math><annotation-xml encoding='text/html'><script>alert(1)</script></annotation-xml></math>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<form action=/sign-out/ method=post><button>x</button></form>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<div hx-get=/models/ hx-trigger=load>x</div>",
    "<div data-hx-post=/sign-out/ hx-on:load=alert(1)>x</div>",
    "<a href=javascript:alert(1)>x</a>",
    "<a id=main name=location>x</a>",
    "<div style='position:fixed;inset:0;background:url(https://evil.example)'>x</div>",
    "<input name=csrfmiddlewaretoken autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "</code></pre></div><script>alert(1)</script>",
    "</textarea></title></style><script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "' autofocus onfocus=alert(1) '",
    '<pre><code class="language-x"><button class="copy-code">',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "\ud83d<script>\udc00",
    "<table><tr><td><p>x<table>",
]
ADDRESS_PLACES = [
    "[x]({0})",
    "[x](<{0}>)",
    "![x]({0})",
    "[![x]({0})]({0})",
    "<{0}>",
    "[x][r]\n\n[r]: {0}",
    "[r]: {0}\n\n[x][r]",
    "[r]: <{0}> 'title'\n\n![x][r]",
    "see {0} there",
    "$\\href{{{0}}}{{x}}$",
]
MARKUP_PLACES = [
    "{0}",
    "words {0} words",
    "`{0}`",
    "```html\n{0}\n```",
    "```{0}\nx\n```",
    "    {0}",
    "- {0}",
    "> {0}",
    "# {0}",
    "| a |\n|---|\n| {0} |",
    "**{0}**",
    "[{0}](https://ok.example)",
    '[x](https://ok.example "{0}")',
    "[x](https://ok.example/{0})",
    "![{0}](https://ok.example/x.png)",
    "$\\text{{{0}}}$",
    "\\[\n{0}\n\\]",
    "- [x] {0}",
    "[^1]\n\n[^1]: {0}",
]
PAYLOADS = [
    *(place.format(address) for place, address in product(ADDRESS_PLACES, ADDRESSES)),
    *(place.format(markup) for place, markup in product(MARKUP_PLACES, MARKUP)),
]


def test_there_are_enough_payloads():
    assert len(set(PAYLOADS)) >= 800


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payload_becomes_inert_html(payload):
    PageElements(render_markdown(payload))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_every_frame_of_a_streamed_payload_is_inert(payload):
    renderer = StreamRenderer()
    for character in payload:
        renderer.feed(character)
        rendered = renderer.take()
        PageElements("".join(rendered.blocks) + rendered.tail)
    PageElements("".join(renderer.finish().blocks))


@pytest.mark.parametrize(
    ("place", "address"), list(product(ADDRESS_PLACES, [a for a in ADDRESSES if a != "mailto:"]))
)
def test_a_bad_address_is_never_a_link(place, address):
    assert not PageElements(render_markdown(place.format(address))).addresses


@pytest.mark.parametrize("markup", MARKUP)
def test_sanitiser_alone_makes_raw_markup_inert(markup):
    PageElements(sanitise(markup.encode(errors="replace").decode()))


def test_script_and_javascript_links_are_shown_as_text():
    page = PageElements(render_markdown("<script>alert(1)</script> [x](javascript:alert(2))"))

    assert page.text == "<script>alert(1)</script> [x](javascript:alert(2))"


@settings(max_examples=300, deadline=None)
@given(markdown_texts())
def test_any_text_becomes_inert_well_formed_html(text):
    PageElements(render_markdown(text))


@settings(max_examples=300, deadline=None)
@given(markdown_texts())
def test_html_is_the_same_when_a_parser_has_read_and_written_it(text):
    """So what a stream put into the page is what a reload puts there."""
    rendered = str(render_markdown(text))

    assert reparsed(rendered) == rendered


def reparsed(html: str) -> str:
    """Through the HTML parser of nh3 (html5ever), which keeps here whatever it finds."""
    return nh3.clean(
        html,
        tags=set(re.findall(r"<([a-z][a-z0-9]*)", html)),
        clean_content_tags=set(),
        generic_attribute_prefixes={""},
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )
