"""Pages of the model manager as a browser has them open, without a browser: what they show, and what
they ask for by themselves each second."""

from __future__ import annotations

import html
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.cookiejar import CookieJar

LIST = "/models/"
ROW = re.compile(r'<tr id="model-(?P<pk>[0-9a-f-]{36})"(?P<head>[^>]*)>.*?</tr>', re.DOTALL)
FILE = re.compile(r">(\w[\w.-]*)\.gguf")
STATE = re.compile(r'data-state="(\w+)"')
ADDRESS = re.compile(r'hx-get="([^"]+)"')
NOW = re.compile(r'<section id="models-now"[^>]*hx-get="([^"]+)"', re.DOTALL)
PRESENT = re.compile(r'<div id="model-present"[^>]*hx-get="([^"]+)"', re.DOTALL)
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


class Browser:
    """Signed in once somebody was set up by it."""

    def __init__(self, url: str) -> None:
        self._url = url
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(cookies)
        self._token = ""

    def set_up(self, setup_url: str) -> None:
        page, _ = self.ask(setup_url.removeprefix(self._url))
        token = setup_url.partition("token=")[2]
        self.take_token(page)
        self.send("/setup/", token=token, username="ada", password="correct horse battery")

    def take_token(self, page: str) -> None:
        self._token = found(TOKEN, page)

    def send(self, address: str, *, is_htmx: bool = False, **form: str) -> tuple[str, bool]:
        form["csrfmiddlewaretoken"] = self._token
        return self.ask(address, urllib.parse.urlencode(form).encode(), is_htmx=is_htmx)

    def ask(
        self, address: str, data: bytes | None = None, *, is_htmx: bool = False
    ) -> tuple[str, bool]:
        """What came, and whether it makes the page ask for the list."""
        headers = {"HX-Request": "true"} if is_htmx else {}
        request = urllib.request.Request(self._url + address, data, headers)
        try:
            answer = self._opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode()
            return text, "models-changed" in answer.headers.get("HX-Trigger", "")


@dataclass(frozen=True)
class Row:
    """`asks`: the address that it asks each second by itself, "": it does not."""

    pk: str
    state: str
    asks: str


@dataclass
class ListPage:
    """*My models*. `rows` by the names of the files."""

    browser: Browser
    rows: dict[str, Row] = field(default_factory=dict)
    num_lists: int = 0
    _now: str = ""

    def open(self) -> None:
        page, _ = self.browser.ask(LIST)
        self.browser.take_token(page)
        self._take(page)

    def press(self, name: str, button: str) -> None:
        self._take(self.browser.send(f"{LIST}{self.rows[name].pk}/{button}", is_htmx=True)[0])

    def look(self) -> None:
        """What it asks in one second: each row that changes, what is true now, and the list if either
        answer says so."""
        asked = [self._now, *(row.asks for row in self.rows.values() if row.asks)]
        answers = [self.browser.ask(address, is_htmx=True) for address in asked]
        for text, _ in answers:
            self._take(text)
        if any(is_changed for _, is_changed in answers):
            self.num_lists += 1
            self._take(self.browser.ask(LIST, is_htmx=True)[0])

    def _take(self, text: str) -> None:
        """What is in it takes the place of what was shown."""
        for row in ROW.finditer(text):
            asks = ADDRESS.search(row["head"]) if 'hx-trigger="every 1s"' in row["head"] else None
            shown = Row(row["pk"], found(STATE, row[0]), asks[1] if asks else "")
            self.rows[found(FILE, row[0])] = shown
        if now := NOW.search(text):
            self._now = html.unescape(now[1])


@dataclass
class StatusPage:
    """The page of one model."""

    browser: Browser
    address: str
    state: str = ""

    def look(self) -> None:
        text, _ = self.browser.ask(self.address, is_htmx=bool(self.state))
        self.state = found(STATE, text)
        self.address = found(PRESENT, text)


def found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    assert match, f"{pattern.pattern} in {text[:2000]}"
    return match[1]
