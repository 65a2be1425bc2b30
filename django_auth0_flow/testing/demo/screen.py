"""What the demo prints."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable

from .wire import Hop

_STYLES = {"bold": "1", "soft": "2", "good": "32", "bad": "31;1"}


class Screen:
    """Standard output, in colour where a person looks at it.

    ``briefly``: the parameters of a request like one told before are only counted, if they are many.
    """

    def __init__(self, *, briefly: bool = False) -> None:
        self._colour = sys.stdout.isatty()
        self._width = min(shutil.get_terminal_size().columns, 140) if self._colour else 140
        self._briefly = briefly
        self._told: set[tuple[str, ...]] = set()

    def say(self, text: str = "", style: str = "") -> None:
        print(self.styled(text, style), flush=True)

    def styled(self, text: str, style: str) -> str:
        return f"\033[{_STYLES[style]}m{text}\033[0m" if self._colour and style else text

    def tell(self, hops: Iterable[Hop]) -> None:
        """Print requests; those of the same kind are counted on one line, where the first of them stands."""
        groups: dict[tuple[str, ...], list[Hop]] = {}
        for hop in hops:
            groups.setdefault(hop.kind, []).append(hop)
        for group in groups.values():
            hop = group[0]
            start = f"{hop.source:>7} → {hop.target:<6} "
            times = f"{len(group)} x " if len(group) > 1 else ""
            line = textwrap.fill(
                f"{times}{hop.method} {hop.path} {self._parameters(hop)} [{hop.status}]",
                self._width,
                initial_indent=start,
                subsequent_indent=" " * (len(start) + 2),
                break_long_words=False,
                break_on_hyphens=False,
            )
            self.say(line, "soft")

    def _parameters(self, hop: Hop) -> str:
        known = (hop.path, hop.kind[4], *hop.parameters)
        if self._briefly and known in self._told and len(hop.parameters) > 3:
            return f"({len(hop.parameters)} parameters as above) "
        self._told.add(known)
        return f"{hop.told()} " if hop.told() else ""
