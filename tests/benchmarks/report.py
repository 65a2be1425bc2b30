"""The rows as tables in Markdown and as a plot in SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from tests.benchmarks.measure import TIMES, Row

#: Of the plot, in pixels: where the axis begins and ends, a line's height, the space above.
_LEFT, _RIGHT, _WIDTH, _LINE, _TOP = 540, 980, 1130, 22, 84
_END = 1.5  # of the axis, in budgets
_VERDICTS = {None: "", True: "met", False: "**missed**"}
#: Colours on a light and on a dark page.
_STYLE = """<style>
text { fill: #1f2328; } .page { fill: #ffffff; } .faint { fill: #59636e; } .grid { stroke: #d1d9e0; }
.budget { stroke: #1f2328; stroke-dasharray: 5 3; } .met { fill: #1a7f37; stroke: #1a7f37; }
.missed { fill: #cf222e; stroke: #cf222e; } .group { font-weight: bold; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; } .page { fill: #0d1117; } .faint { fill: #9198a1; } .grid { stroke: #3d444d; }
.budget { stroke: #f0f6fc; } .met { fill: #3fb950; stroke: #3fb950; } .missed { fill: #f85149; stroke: #f85149; } }
</style>"""


def summary(rows: Sequence[Row]) -> str:
    """Return the table of those that have a budget."""
    lines = [
        "| measure | ours | compared with | ratio | quartiles | budget | verdict |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for group, members in groupby([row for row in rows if row.budget is not None], key=lambda row: row.group):
        lines.append(f"| **{group}** | | | | | | |")
        for row in members:
            budget, verdict = _number(row.budget or 0, row.unit), _VERDICTS[row.is_met]
            ours, ratio = (row.mine, _figure(row)) if row.other else (_figure(row), "")
            cells = [row.measure, ours, row.other, ratio, _quartiles(row), f"≤ {budget}", verdict]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def table(rows: Sequence[Row]) -> str:
    """Return the table of all, with what else is to be said about each."""
    lines = ["| measure | median | quartiles | budget | |", "|---|---:|---:|---:|---|"]
    for group, members in groupby(rows, key=lambda row: row.group):
        lines.append(f"| **{group}** | | | | |")
        for row in members:
            budget = "" if row.budget is None else f"≤ {_number(row.budget, row.unit)} {_VERDICTS[row.is_met]}"
            detail = "; ".join(filter(None, [f"{row.mine} against {row.other}" if row.other else "", row.detail]))
            lines.append(f"| {row.measure} | {_figure(row)} | {_quartiles(row)} | {budget} | {detail} |")
    return "\n".join(lines)


def profiles(rows: Sequence[Row]) -> str:
    """Say what each missed figure is made of."""
    parts = []
    for row in rows:
        if row.is_met is False:
            lines = [f"| {name} | {figure} |" for name, figure in row.profile]
            parts += [f"Missed: {row.group}, {row.measure}. It is made of:", "", "| part | |", "|---|---|", *lines, ""]
    return "\n".join(parts)


def _figure(row: Row) -> str:
    return f"{_number(row.spread.median, row.unit)} {row.unit}".rstrip()


def _quartiles(row: Row) -> str:
    """Return the quartiles, nothing for what was counted once."""
    if row.spread.low == row.spread.high:
        return ""
    return f"{_number(row.spread.low, row.unit)} to {_number(row.spread.high, row.unit)}"


def _number(value: float, unit: str) -> str:
    return f"{value:.3f}" if unit == TIMES and value < 1.2 else f"{value:.2f}".removesuffix(".00")


def plot(rows: Sequence[Row], title: str) -> str:
    """Draw the rows that have a budget: a dot for the median, a line for the quartiles, both as shares of the budget."""
    groups = [(name, list(members)) for name, members in groupby([r for r in rows if r.budget], key=lambda r: r.group)]
    height = _TOP + _LINE * sum(1 + len(members) for _, members in groups) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="13">',
        _STYLE,
        f'<rect class="page" width="{_WIDTH}" height="{height}" rx="8"/>',
        f'<text x="16" y="28" font-size="17">{escape(title)}</text>',
        '<text class="faint" x="16" y="50">dot: median; bar: quartiles; arrow: beyond the edge</text>',
    ]
    for share in (0, 0.5, 1, _END):
        x, kind = _x(share), "budget" if share == 1 else "grid"
        label = "budget" if share == 1 else f"{share:.0%} of the budget" if share else "0"
        parts.append(f'<line class="{kind}" x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{height - 20}"/>')
        parts.append(f'<text class="faint" x="{x}" y="{_TOP - 14}" text-anchor="middle">{label}</text>')
    y = _TOP
    for name, members in groups:
        y += _LINE
        parts.append(f'<text class="group" x="16" y="{y - 4}">{escape(name)}</text>')
        for row in members:
            y += _LINE
            parts += _drawn(row, y - 8)
    return "\n".join([*parts, "</svg>", ""])


def _drawn(row: Row, y: int) -> list[str]:
    assert row.budget
    kind = "met" if row.is_met else "missed"
    low, middle, high = (_x(value / row.budget) for value in (row.spread.low, row.spread.median, row.spread.high))
    figure = escape(f"{_figure(row)} of {_number(row.budget, row.unit)}")
    dot = f'<circle class="{kind}" cx="{middle}" cy="{y}" r="5"/>'
    if row.spread.median > _END * row.budget:
        dot = f'<path class="{kind}" d="M {middle} {y} l -9 -6 v 12 z"/>'
    return [
        f'<text x="{_LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(row.measure.replace("`", ""))}</text>',
        f'<line class="{kind}" x1="{low}" y1="{y}" x2="{high}" y2="{y}" stroke-width="3"/>',
        dot,
        f'<text x="{_RIGHT + 14}" y="{y + 4}">{figure}</text>',
    ]


def _x(share: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * max(0.0, min(share, _END)) / _END, 1)
