"""Entry point. `--fd N` is the runner's end of a socket pair made by the inference service."""

from __future__ import annotations

import argparse
import logging
import socket

from inference.lifeline import die_with_parent
from inference.runner.process import Runner


def main() -> None:
    die_with_parent()
    parser = argparse.ArgumentParser(description="Hold one model and compute its completions.")
    parser.add_argument("--fd", type=int, required=True, help="inherited socket to the service")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    Runner(socket.socket(fileno=parser.parse_args().fd)).run()


if __name__ == "__main__":
    main()
