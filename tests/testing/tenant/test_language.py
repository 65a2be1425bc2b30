"""The language of the tenant's pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from jinja2 import Environment

from django_auth0_flow.testing.tenant import Tenant, language
from tests.testing.tenant.helpers import RelyingParty

TEMPLATES = sorted(Path(language.__file__).with_name("templates").glob("*.html"))


@pytest.fixture
def browser() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def login_page(rp: RelyingParty, browser: requests.Session, *, accepts: str = "en", **parameters: str) -> str:
    answer = browser.get(rp.url(**parameters), headers={"Accept-Language": accepts})
    assert answer.status_code == 200
    return answer.text


def lang_of(page: str) -> str:
    found = re.search(r'<html lang="(\w+)"', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("accepts", "ui_locales", "wanted"),
    [
        ("en", "", "en"),
        ("ja", "", "ja"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "", "ja"),
        ("fr", "", "en"),
        ("en", "ja", "ja"),
        ("en", "ja-JP en", "ja"),
        ("ja", "en-GB", "en"),
        ("ja", "fr en", "ja"),  # only the first one counts
        ("en", "<script>", "en"),
    ],
)
def test_the_application_and_then_the_browser_say_the_language(
    rp: RelyingParty, browser: requests.Session, accepts: str, ui_locales: str, wanted: str
) -> None:
    page = login_page(rp, browser, accepts=accepts, **({"ui_locales": ui_locales} if ui_locales else {}))
    assert lang_of(page) == wanted
    assert ("ようこそ" in page, "Welcome" in page) == (wanted == "ja", wanted == "en")


def test_what_a_person_chooses_stays(tenant: Tenant, rp: RelyingParty, browser: requests.Session) -> None:
    page = login_page(rp, browser, ui_locales="en")
    link = re.search(r'<a href="(\?[^"]+)" lang="ja"', page)
    assert link is not None
    page = browser.get(f"{tenant.issuer}u/login{link[1].replace('&amp;', '&')}").text
    assert (lang_of(page), "ログイン" in page) == ("ja", True)
    assert lang_of(login_page(rp, browser, ui_locales="en")) == "ja"
    assert lang_of(browser.get(tenant.issuer).text) == "ja"


def test_refusals_on_pages_are_translated_and_those_to_programs_are_not(
    tenant: Tenant, browser: requests.Session
) -> None:
    headers = {"Accept-Language": "ja"}
    page = browser.get(f"{tenant.issuer}u/login?state=100%25&language=ja", headers=headers)
    assert (page.status_code, "アプリケーションからやり直して" in page.text) == (400, True)
    page = browser.get(f"{tenant.issuer}authorize?client_id=100%25s", headers=headers)
    assert "Unknown client: 100%s" in page.text
    answer = browser.post(f"{tenant.issuer}oauth/token", data={"grant_type": "x"}, headers=headers)
    assert answer.json()["error_description"].isascii()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_text_is_in_the_catalogue(template: Path) -> None:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    environment.newstyle_gettext = True  # type: ignore[attr-defined]  # the extension's
    known = language._catalogue("ja")
    found = [text for _, _, text in environment.extract_translations(template.read_text())]  # type: ignore[attr-defined]
    singular = [text if isinstance(text, str) else text[0] for text in found]
    assert [text for text in singular if text not in known._catalog and (text, 0) not in known._catalog] == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_text_stands_in_a_template_untranslated(template: Path) -> None:
    text = re.sub(
        r"(?s)\{#.*?#\}|\{% trans .*?\{% endtrans %\}|<(style|script).*?</\1>|<code.*?</code>", "", template.read_text()
    )
    text = re.sub(r"(?s)\{%.*?%\}|\{\{.*?\}\}", "", text)
    attributes = re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*)"', text)
    words = [*re.split(r"(?s)<[^>]*>", text), *attributes]
    assert [found.strip() for found in words if re.search(r"[A-Za-z]{2,}", found.replace("UTC", ""))] == []
