"""The rows as a table in Markdown and as a plot in SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from tests.benchmarks.measure import TIMES, Row

_WIDTH, _LEFT, _LINE, _TOP = 1000, 470, 26, 60
_SCALE = 1.5  # the right edge, in budgets
_COLOURS = {True: "#1a7f37", False: "#cf222e"}


def table(rows: Sequence[Row]) -> str:
    lines = ["| measure | median | quartiles | budget | |", "|---|---:|---:|---:|---|"]
    for group, members in groupby(rows, key=lambda row: row.group):
        lines.append(f"| **{group}** | | | | |")
        for row in members:
            verdict = {None: "", True: "met", False: "**missed**"}[row.is_met]
            budget = "" if row.budget is None else f"≤ {_number(row.budget, row.unit)} {verdict}"
            low, high = _number(row.spread.low, row.unit), _number(row.spread.high, row.unit)
            median = f"{_number(row.spread.median, row.unit)} {row.unit}"
            lines.append(f"| {row.measure} | {median} | {low} to {high} | {budget} | {row.detail} |")
    return "\n".join(lines)


def profiles(rows: Sequence[Row]) -> str:
    """Say what each missed figure is made of."""
    parts = []
    for row in rows:
        if row.is_met is False:
            lines = [f"| {name} | {figure} |" for name, figure in row.profile]
            parts += [f"Missed: {row.group}, {row.measure}. It is made of:", "", "| part | |", "|---|---|", *lines, ""]
    return "\n".join(parts)


def _number(value: float, unit: str) -> str:
    return f"{value:.3f}" if unit == TIMES and value < 1.2 else f"{value:.2f}".removesuffix(".00")


def plot(rows: Sequence[Row], title: str) -> str:
    """Draw the rows that have a budget: a dot for the median, a line for the quartiles, both as shares of the budget."""
    budgeted = [row for row in rows if row.budget]
    height = _TOP + _LINE * len(budgeted) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="16">{escape(title)}</text>',
    ]
    for share in (0, 0.5, 1, _SCALE):
        x, colour = _x(share), "#57606a" if share == 1 else "#d0d7de"
        parts.append(f'<line x1="{x}" y1="{_TOP - 12}" x2="{x}" y2="{height - 30}" stroke="{colour}"/>')
        label = "budget" if share == 1 else f"{share:g}"
        parts.append(f'<text x="{x}" y="{height - 12}" text-anchor="middle" fill="#57606a">{label}</text>')
    for number, row in enumerate(budgeted):
        parts += _drawn(row, _TOP + _LINE * number)
    return "\n".join([*parts, "</svg>", ""])


def _drawn(row: Row, y: int) -> list[str]:
    assert row.budget
    colour = _COLOURS[bool(row.is_met)]
    label = escape(f"{row.group}: {row.measure}".replace("`", ""))
    low, middle, high = (_x(value / row.budget) for value in (row.spread.low, row.spread.median, row.spread.high))
    return [
        f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end">{label}</text>',
        f'<line x1="{low}" y1="{y}" x2="{high}" y2="{y}" stroke="{colour}" stroke-width="3"/>',
        f'<circle cx="{middle}" cy="{y}" r="5" fill="{colour}"/>',
    ]


def _x(share: float) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - 30) * max(0.0, min(share, _SCALE)) / _SCALE, 1)
