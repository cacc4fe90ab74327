"""A second machine on the network: a network namespace, joined to this one by a veth pair."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

HERE, THERE = "10.203.77.1", "10.203.77.2"
RESOLVE = """
import sys
from zeroconf import AddressResolverIPv4, IPVersion, Zeroconf
network = Zeroconf(interfaces=[sys.argv[1]], ip_version=IPVersion.V4Only)
found = AddressResolverIPv4("minerva.local.")
assert found.request(network, 10_000)
print(*found.parsed_addresses())
network.close()
"""


class SecondMachine:
    """From `start` to `stop`. Needs the right to make a namespace: `why_not` says if it lacks."""

    def __init__(self) -> None:
        self.name = f"minerva-{os.getpid()}"
        self._link = f"mv{os.getpid() % 100_000}"

    def start(self) -> None:
        peer = f"{self._link}p"
        self._ip("netns", "add", self.name)
        self._ip("link", "add", self._link, "type", "veth", "peer", "name", peer)
        self._ip("link", "set", peer, "netns", self.name)
        self._ip("addr", "add", f"{HERE}/24", "dev", self._link)
        self._ip("link", "set", self._link, "up")
        self._ip("-n", self.name, "addr", "add", f"{THERE}/24", "dev", peer)
        self._ip("-n", self.name, "link", "set", peer, "up")
        self._ip("-n", self.name, "link", "set", "lo", "up")

    def stop(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", self._link], check=False, capture_output=True)

    def run(self, *command: str) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, *command],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout

    def addresses_of_minerva(self) -> list[str]:
        return self.run(sys.executable, "-c", RESOLVE, THERE).split()

    def program(self, path: str, folder: Path) -> str:
        """A program that does what that one does, from there."""
        script = folder / "there"
        script.write_text(f'#!/bin/sh\nexec ip netns exec {self.name} {path} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return str(script)

    @staticmethod
    def _ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def why_not() -> str:
    """Why there can be no second machine here; "" when there can."""
    machine = SecondMachine()
    try:
        machine.start()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no network namespace can be made here: {error}"
    finally:
        machine.stop()
    return ""
