"""A link as a QR code, in the form of one SVG path that a template can draw."""

from __future__ import annotations

from dataclasses import dataclass

import segno

QUIET_ZONE = 4


@dataclass(frozen=True)
class QRCode:
    """`size`: modules a side, the quiet zone included."""

    size: int
    path: str


def qr_code(text: str) -> QRCode:
    matrix = segno.make_qr(text, error="m").matrix
    runs = [
        f"M{column + QUIET_ZONE} {row + QUIET_ZONE}h1v1h-1z"
        for row, modules in enumerate(matrix)
        for column, is_dark in enumerate(modules)
        if is_dark
    ]
    return QRCode(len(matrix) + 2 * QUIET_ZONE, "".join(runs))
