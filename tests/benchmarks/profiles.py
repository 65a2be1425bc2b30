"""Where the time and the memory behind a figure go: what a missed budget is explained with.

The profiler makes every Python function a little dearer than it is, so shares tell where to look, not what it costs.
"""

from __future__ import annotations

import cProfile
import gc
import importlib.machinery
import pstats
import re
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

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


@contextmanager
def memory_of_modules(prefix: str, kept: Counter[str]) -> Iterator[None]:
    """Note in ``kept`` the bytes that each module below ``prefix`` keeps once imported, without those it imports."""
    below: list[int] = []
    loader = importlib.machinery.SourceFileLoader
    execute = loader.exec_module

    def in_use() -> int:
        gc.collect()
        gc.freeze()  # so that the next collection is short
        return tracemalloc.get_traced_memory()[0]

    def measured(self: importlib.machinery.SourceFileLoader, module: ModuleType) -> None:
        before = in_use()
        below.append(0)
        try:
            execute(self, module)
        finally:  # some try optional modules, which fail
            whole = in_use() - before
            own = whole - below.pop()
            if below:
                below[-1] += whole
            if module.__name__.startswith(prefix):
                kept[module.__name__] += own

    loader.exec_module = measured  # type: ignore[assignment,method-assign]  # there is no other way to see one module's execution
    tracemalloc.start(1)
    try:
        yield
    finally:
        tracemalloc.stop()
        loader.exec_module = execute  # type: ignore[method-assign]


def shares(found: Mapping[str, float]) -> Shares:
    """Return each part's share of the whole."""
    whole = sum(found.values()) or 1
    return [(name, value / whole) for name, value in sorted(found.items(), key=lambda item: -item[1])]


def largest(found: Shares, most: int = 10) -> Shares:
    """Return the first ``most`` parts, and the rest as one."""
    rest = found[most:]
    return [*found[:most], (f"{len(rest)} others", sum(share for _, share in rest))] if rest else found
