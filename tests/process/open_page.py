"""The models page as a browser has it open, without a browser: what it shows, and what it asks for."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.cookiejar import CookieJar

ROW = re.compile(r'<tr id="model-(?P<pk>[0-9a-f-]{36})".*?</tr>', re.DOTALL)
STATE = re.compile(r'data-state="(\w+)"')
SEEN = re.compile(r"/models/now\?seen=(\w+)")
TITLE = re.compile(r'class="model-path">([\w-]+)\.gguf')
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
STOP_POLLING = 286


@dataclass(frozen=True)
class Shown:
    """A row. `asks`: it changes, and asks for itself each second."""

    pk: str
    state: str
    asks: bool


@dataclass
class OpenPage:
    """`history`: the rows by the titles of their models, from the moment on at which they were shown."""

    url: str
    history: list[tuple[float, dict[str, Shown]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self._browser = urllib.request.build_opener(cookies)
        self._token = ""
        self._seen = ""

    def sign_up(self, setup_url: str) -> None:
        _, page = self._ask(setup_url)
        password = "correct horse battery"
        form = {
            "csrfmiddlewaretoken": _found(TOKEN, page),
            "token": setup_url.partition("token=")[2],
            "username": "Ada",
            "password": password,
        }
        self._ask(self.url + "/setup/", form)

    def open(self) -> None:
        _, page = self._ask(self.url + "/models/")
        self._token = _found(TOKEN, page)
        self._take(page)

    @property
    def rows(self) -> dict[str, Shown]:
        return self.history[-1][1]

    def press(self, title: str, button: str) -> None:
        """Its answer is that row, or the list."""
        address = f"{self.url}/models/{self.rows[title].pk}/{button}"
        _, page = self._ask(address, {"csrfmiddlewaretoken": self._token})
        self._take(page)

    def look(self) -> None:
        """What the page asks for each second."""
        for row in list(self.rows.values()):
            if row.asks:
                self._take_row(row)
        changed, page = self._ask(f"{self.url}/models/now?seen={self._seen}")
        self._seen = _found(SEEN, page)
        if changed:
            self._take_list()

    def _take_row(self, row: Shown) -> None:
        changed, page = self._ask(f"{self.url}/models/{row.pk}/")
        self._take(page)
        if changed:
            self._take_list()

    def _take_list(self) -> None:
        self._take(self._ask(self.url + "/models/")[1])

    def _take(self, page: str) -> None:
        """Rows that are in it take the place of what was shown."""
        found = {_found(TITLE, row[0]): _shown(row) for row in ROW.finditer(page)}
        before = self.rows if self.history else {}
        self.history.append((time.monotonic(), before | found))
        if "models/now?seen=" in page:
            self._seen = _found(SEEN, page)

    def _ask(self, address: str, form: dict[str, str] | None = None) -> tuple[bool, str]:
        """Whether the whole list is to be asked for, and what came."""
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        headers = {"HX-Request": "true"} if "/models/" in address and self.history else {}
        request = urllib.request.Request(address, data, headers)
        try:
            answer = self._browser.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return "models-changed" in answer.headers.get("HX-Trigger", ""), answer.read().decode()


def _shown(row: re.Match[str]) -> Shown:
    return Shown(row["pk"], _found(STATE, row[0]), 'hx-trigger="every 1s"' in row[0])


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    assert match, f"{pattern.pattern} in {text[:2000]}"
    return match[1]
