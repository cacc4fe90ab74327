from __future__ import annotations


class ServerProblem(Exception):
    """`str(error)` is the sentence for the administrator, with the next step."""
