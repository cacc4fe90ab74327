"""Whether the server still computes something: what an aborted answer must not make it do."""

from __future__ import annotations

import json
import time
from urllib.request import Request, urlopen


def becomes_idle(url: str, key: str) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if num_running(url, key) == 0:
            return True
        time.sleep(0.05)
    return False


def num_running(url: str, key: str) -> int:
    asked = Request(f"{url}/v1/stats", headers={"Authorization": f"Bearer {key}"})
    with urlopen(asked) as answer:
        return sum(model["running"] for model in json.load(answer)["models"])
