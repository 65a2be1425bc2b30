"""The doctor's words, and how it reads what a tenant says to a browser."""

from __future__ import annotations

import pytest

from django_auth0_flow.doctor.browser_answers import read_answer
from django_auth0_flow.doctor.catalogue import ERROR, MISTAKES, WARNING
from django_auth0_flow.doctor.printable import Printable
from django_auth0_flow.protocol.http import HttpAnswer
from tests.doctor.support import SITE


def test_every_mistake_has_words_and_a_place() -> None:
    for mistake in MISTAKES.values():
        assert mistake.severity in (ERROR, WARNING)
        assert mistake.cause.endswith(".")
        assert " > " in mistake.fix or mistake.fix.startswith("No Dashboard setting")


def page(body: str, status: int = 200, **headers: str) -> HttpAnswer:
    return HttpAnswer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body.encode())


@pytest.mark.parametrize(
    "answer",
    [
        page("", 302, Location="http://["),
        page("", 302, Location="https://[::1"),
        page("", 302, Location="//"),
        page("", 302),
        page("<form action='http://['><input name=error value=x>"),
        page("<form><input name=error value=x>"),
        page("\x00<<<<</form <!-- <script>error"),
        page("[]", 400, Content_Type="application/json"),
        page('{"error": ["x"], "error_description": 7}', 400, Content_Type="application/json"),
        page("<html>" * 50_000, 500),
    ],
)
def test_answers_of_any_kind_are_read(answer: HttpAnswer) -> None:
    found = read_answer(answer, asked="https://t.example.com/authorize", back=f"{SITE}/auth0/callback/")
    assert not found.came_back
    assert found.error == ""
    found.describe(Printable([]))


def test_only_our_own_address_counts_as_ours() -> None:
    for place in (
        "https://www.example.com.evil.example/auth0/callback/",
        "http://www.example.com/auth0/callback/",
        SITE,
    ):
        found = read_answer(
            page("", 302, Location=f"{place}?error=x"), asked="https://t.example.com/", back=f"{SITE}/auth0/callback/"
        )
        assert not found.came_back
        assert found.error == "x"
