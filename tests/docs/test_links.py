"""Every link of the documentation leads somewhere, and every page can be found from the README and from its neighbours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, LINKED, README, anchors, links, prose


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(README.parent)))
def test_links_and_anchors_exist(page: Path) -> None:
    for link in links(page):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_anchors_are_made_as_github_makes_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# What `request.auth0` knows\n## A_b / c, d\n## 日本語 の節\n## Twice\n```sh\n# none\n```\n## Twice\n"
    )
    assert anchors(page) == {"what-requestauth0-knows", "a_b--c-d", "日本語-の節", "twice", "twice-1"}


def listed() -> list[str]:
    """Return the pages in the order of the README's list."""
    part = prose(README).partition("<!-- all pages -->")[2]
    return re.findall(r"^- \[[^\]]+\]\(django_auth0_flow/docs/([\w-]+\.md)\)", part, re.MULTILINE)


def test_the_readme_lists_every_page_once() -> None:
    assert sorted(listed()) == sorted(path.name for path in DOCS.glob("*.md"))


@pytest.mark.parametrize("name", listed())
def test_every_page_leads_to_the_readme_and_to_its_neighbours(name: str) -> None:
    order = listed()
    here = order.index(name)
    neighbours = [*order[max(here - 1, 0) : here], *order[here + 1 : here + 2]]
    first = links(DOCS / name)[: 1 + len(neighbours)]
    assert first == ["../../README.md", *neighbours]


def test_the_readme_is_short_and_its_picture_small() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 260
    picture = DOCS / "images" / "appointments.png"
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")
    assert picture.stat().st_size < 60_000
