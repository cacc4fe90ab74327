"""A reader of headers with every fault that a reader can have: which one, the file's name says."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from inference import header_process
from inference.model_files import ModelHeader, read_any


def faulty(path: Path) -> ModelHeader:
    match path.stem:
        case "loops":
            while True:
                pass
        case "grows":
            held = []
            while True:
                held.append(bytearray(2**20))
        case "dies":
            os.abort()
        case "sleeps":
            time.sleep(600)
        case "babbles":
            sys.stdout.buffer.write(b"\xff" * 100)
            sys.stdout.buffer.flush()
    return read_any(path)


if __name__ == "__main__":
    header_process.CPU_SECONDS = 0.5
    header_process.MEMORY_BYTES = 256 * 1024 * 1024
    header_process.main(faulty)
