"""Where the time behind a figure goes: what a missed budget is explained with.

The profiler makes every Python function a little dearer than it is, so shares tell where to look, not what it costs.
"""

from __future__ import annotations

import cProfile
import pstats
import re
from collections import defaultdict
from collections.abc import Mapping

#: What a share is of, and the share; the largest first.
Shares = list[tuple[str, float]]

_Place = tuple[str, int, str]
_Caller = tuple[int, int, float, float]
_PACKAGE = re.compile(r"/(?:site|dist)-packages/([^/.]+)|/(django_auth0_flow)/|/(tests)/benchmarks/")
_OWNER = re.compile(r" of '_?([A-Za-z0-9_]+)\.")


def by_package(profile: cProfile.Profile) -> Shares:
    """Return own time by package; a built-in function counts as its caller's, unless it belongs to another module."""
    found: defaultdict[str, float] = defaultdict(float)
    stats: Mapping[_Place, tuple[int, int, float, float, Mapping[_Place, _Caller]]]
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # in use everywhere, and unknown to the stubs
    for (filename, _, name), (_, _, own, _, callers) in stats.items():
        owner = _OWNER.search(name) if filename == "~" else None
        if filename != "~" or owner:
            found[owner.group(1) if owner else _package_of(filename)] += own
            continue
        for (caller, _, _), (_, _, part, _) in callers.items():
            found[_package_of(caller)] += part
    return shares(found)


def _package_of(filename: str) -> str:
    package = _PACKAGE.search(filename)
    return next(filter(None, package.groups())) if package else "Python"


def shares(found: Mapping[str, float]) -> Shares:
    """Return each part's share of the whole."""
    whole = sum(found.values()) or 1
    return [(name, value / whole) for name, value in sorted(found.items(), key=lambda item: -item[1])]


def largest(found: Shares, most: int = 10) -> Shares:
    """Return the first ``most`` parts, and the rest as one."""
    rest = found[most:]
    return [*found[:most], (f"{len(rest)} others", sum(share for _, share in rest))] if rest else found
