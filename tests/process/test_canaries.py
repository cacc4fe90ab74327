"""Random operations of two members and the administrator at once: no answer has a byte of another's.

A thousand of them, other ones in each run; CANARY_ROUNDS=5 makes 5,000.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.process.api_process import ApiProcess
from tests.process.canary_actor import Actor, Seen
from tests.process.canary_world import ADMINISTRATOR, MEMBERS, known, make_world, scripts

pytestmark = [pytest.mark.process, pytest.mark.timeout(1500)]

ROUNDS = int(os.environ.get("CANARY_ROUNDS", "1"))
NUM_OPERATIONS = {MEMBERS[0]: 440 * ROUNDS, MEMBERS[1]: 440 * ROUNDS, ADMINISTRATOR: 120 * ROUNDS}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    offline = {"MINERVA_OFFLINE": "1"}
    with ApiProcess(tmp_path_factory.mktemp("api"), scripts(), **offline) as api:
        yield api


def test_nobody_ever_gets_a_byte_of_what_is_another_persons(api):
    world, streams = make_world(api), list[str]()
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    actors = [
        Actor(api, world, name, random.Random(f"{seed} {name}"), streams) for name in NUM_OPERATIONS
    ]
    began_at = time.monotonic()
    with ThreadPoolExecutor() as threads:
        leaks = [leak for found in threads.map(leaks_of, actors) for leak in found]

    counted = sum((actor.counted for actor in actors), Counter())
    own_seen = {actor.name: actor.counted["own"] / NUM_OPERATIONS[actor.name] for actor in actors}
    print(f"{time.monotonic() - began_at:.0f} s, {dict(counted)}, own: {own_seen}")
    assert leaks == []
    assert all(share > 0.05 for share in own_seen.values()), "each sees enough of what is theirs"
    assert counted["500"] == 0


def leaks_of(actor: Actor) -> list[tuple[str, str, list[str]]]:
    leaks = []
    for _ in range(NUM_OPERATIONS[actor.name]):
        seen = actor.act()
        found = [canary for canary in actor.foreign_canaries if canary in seen.texts]
        if found and not is_echo(seen):
            leaks.append((actor.name, seen.asked, found))
    actor.connection.close()
    return leaks


def is_echo(seen: Seen) -> bool:
    """A refusal may repeat the name that was asked for."""
    return seen.status >= 400 and any(known(name) in seen.asked for name in NUM_OPERATIONS)
