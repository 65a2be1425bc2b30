"""The documentation as tests read it: pages, blocks of code with their markers, headings, links.

A block's marker is the comment on the line before it. It says how the block is tested:

=====================  ===================================================================================================
``run: name``          a pytest file, run in the project ``tests/projects/readme``
``tour: …``            followed in a new project: shell commands, the local tenant, or the end of the file named
``settings``           executed; ``AUTH0`` then has no problems, and every other name is a setting of Django
``celery settings``    those of the worker in ``tests/projects/tasks``
``proxy``              nginx runs with it in ``tests/servers/test_deployment.py``, and the sites behind it with
                       ``proxy settings`` and ``sub-path settings``
``module``             executed as a module is when it is imported: what it defines is not called
``module: name``       executed by a test of its own, which looks at what it does
``in a view``          executed in a request of a logged-in visitor, with an API that answers everything
``in an async view``   the same, with ``await``
``in a view, with …``  the same, after a login at a local tenant that keeps the user's token
``shell``              every command of ours exists and takes these arguments; so too for the two commands of the README
``controls``           sent to a running local tenant
``template``           compiled; ``template tags`` and ``frame`` are rendered
``doctor output``      compared with the doctor's catalogue
=====================  ===================================================================================================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "django_auth0_flow" / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
#: Pages for contributors have links to check, too.
LINKED = [*PAGES, *(path for path in [ROOT / "tests" / "README.md"] if path.exists())]

_BLOCK = re.compile(
    r"(?:^<!-- (?P<marker>[^\n]+) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """A block of code. ``marker`` is "" where there is none."""

    page: str
    line: int
    marker: str
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*markers: str, language: str = "") -> list[Block]:
    """Return the blocks with one of these markers, in the order of the pages; all without."""
    return [
        found
        for path in PAGES
        for found in _blocks_of(path)
        if (not markers or found.marker in markers) and language in ("", found.language)
    ]


def _blocks_of(path: Path) -> Iterator[Block]:
    text = path.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(path.name, line, found["marker"] or "", found["language"], found["code"])


def prose(path: Path) -> str:
    """Return a page without its blocks of code."""
    return _BLOCK.sub("", path.read_text(encoding="utf-8"))


def table(marker: str) -> str:
    """Return the table after ``<!-- marker -->``, which stands on one page only."""
    texts = [path.read_text(encoding="utf-8") for path in PAGES]
    (found,) = [text.partition(f"<!-- {marker} -->\n")[2] for text in texts if f"<!-- {marker} -->" in text]
    return found.partition("\n\n")[0]


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", prose(path), re.MULTILINE):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def links(path: Path) -> list[str]:
    """Return where a page's links and pictures lead, code left out."""
    text = re.sub(r"`[^`\n]*`", "", prose(path))
    return re.findall(r"\]\(([^)\s]+)\)", text)
