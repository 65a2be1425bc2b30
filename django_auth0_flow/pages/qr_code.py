"""QR codes for the pages, where ``segno`` is installed (the extra ``qr``)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: A longer text makes a code too fine to be read from a screen.
_MAX_TEXT = 800

#: How many modules of white ISO/IEC 18004 wants around a code.
_QUIET_ZONE = 4


@dataclass(frozen=True)
class QrCode:
    """A QR code for an SVG: ``size`` modules wide and high, white around it included; ``path`` draws the dark ones."""

    size: int
    path: str = field(repr=False)


def draw_qr_code(text: str) -> QrCode | None:
    """Return the QR code of ``text``, or None without ``segno``, without text, and for one that is too long."""
    if not 0 < len(text.encode()) <= _MAX_TEXT:
        return None
    try:
        import segno
    except ImportError:
        return None
    rows = ["".join(map(str, row)) for row in segno.make_qr(text, encoding="utf-8").matrix]
    path = "".join(
        f"M{run.start() + _QUIET_ZONE} {y + _QUIET_ZONE}h{len(run[0])}v1h-{len(run[0])}z"
        for y, row in enumerate(rows)
        for run in re.finditer("1+", row)
    )
    return QrCode(len(rows) + 2 * _QUIET_ZONE, path)
