"""Timing on a machine that others use too: rounds that take turns, CPU time, medians with their quartiles."""

from __future__ import annotations

import gc
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

#: The unit of a ratio.
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Spread:
    """The middle of many measurements: median and quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        low, middle, high = statistics.quantiles(values, n=4)
        return cls(middle, low, high)

    @classmethod
    def exactly(cls, value: float) -> Spread:
        """Return what was measured or counted once."""
        return cls(value, value, value)


@dataclass(frozen=True)
class Row:
    """One line of the table. ``budget``: what ``spread.median`` may be at most, None for a line that informs only.

    ``group``: the heading it stands under; ``detail``: what else is to be said about it; ``profile``: what it is made of,
    part by part, shown where the budget is missed. A ratio says in ``mine`` and ``other`` what it is a ratio of.
    """

    group: str
    measure: str
    spread: Spread
    unit: str = TIMES
    budget: float | None = None
    detail: str = ""
    profile: Sequence[tuple[str, str]] = ()
    mine: str = ""
    other: str = ""

    @property
    def is_met(self) -> bool | None:
        return None if self.budget is None else self.spread.median <= self.budget


def cpu_per_call(function: Callable[[], object], repeat: int) -> float:
    """Return the CPU seconds of this process per call."""
    started = time.process_time()
    for _ in range(repeat):
        function()
    return (time.process_time() - started) / repeat


def take_turns(functions: Mapping[str, Callable[[], object]], *, rounds: int, repeat: int) -> dict[str, list[float]]:
    """Return the CPU seconds per call of each function in each round; the order within a round is drawn by lot."""
    names = list(functions)
    found: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        cpu_per_call(functions[name], repeat)
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        random.shuffle(names)
        for name in names:
            found[name].append(cpu_per_call(functions[name], repeat))
    return found


def compared(mine: Sequence[float], other: Sequence[float], factor: float, unit: str) -> dict[str, Any]:
    """Return the fields of a row that compares the one with the other, round by round; ``factor`` makes them ``unit``."""
    spread = Spread.of([a / b for a, b in zip(mine, other, strict=True)])
    medians = [statistics.median(values) * factor for values in (mine, other)]
    first, second = (f"{median:.0f} {unit}" if median >= 100 else f"{median:.3g} {unit}" for median in medians)
    return {"spread": spread, "mine": first, "other": second}


def scaled(values: Sequence[float], factor: float) -> Spread:
    return Spread.of([value * factor for value in values])


def write_rows(rows: Sequence[Row]) -> None:
    """Hand the rows to the process that asked for them."""
    sys.stdout.write(json.dumps([asdict(row) for row in rows]) + "\n")


def read_rows(text: str) -> list[Row]:
    found: list[dict[str, Any]] = json.loads(text.splitlines()[-1])
    return [Row(**{**row, "spread": Spread(**row["spread"])}) for row in found]
