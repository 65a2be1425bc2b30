"""The doctor's words, and how it reads what a tenant says to a browser."""

from __future__ import annotations

import pytest

from django_auth0_flow.conf.settings import build_settings
from django_auth0_flow.doctor.browser_answers import read_answer
from django_auth0_flow.doctor.catalogue import ERROR, MISTAKES, WARNING
from django_auth0_flow.doctor.hints import hints_for
from django_auth0_flow.doctor.printable import Printable
from django_auth0_flow.doctor.refusals import find_mistake
from django_auth0_flow.doctor.setup_mistakes import find_setup_mistake
from django_auth0_flow.protocol.errors import AccountsRefused, TokenRequestError
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


@pytest.mark.parametrize(
    ("error", "text", "mistake"),
    [
        ("access_denied", "The upstream Identity Provider did not return a session_expiry claim", "SM85"),
        ("invalid_request", "Invalid subject_token_type and requested_token_type combination.", "SM74"),
        (
            "setactor_required",
            "setActor is required when requesting a session transfer token via token exchange.",
            "SM75",
        ),
        ("invalid_request", "Session Transfer Tokens cannot be requested on this tenant.", "SM75"),
        ("", "MFA is not supported using actor_token with the requested token exchange profile.", "SM76"),
        ("access_denied", "Service not found: https://example.eu.auth0.com/me/", "SM90"),
        (
            "access_denied",
            'Client "x" is not authorized to access resource server "https://example.eu.auth0.com/me/".',
            "SM90",
        ),
        ("unmet_authentication_requirements", "", "SM92"),
        (
            "unauthorized_client",
            "Grant type 'urn:ietf:params:oauth:grant-type:token-exchange' not allowed for the client.",
            "SM79",
        ),
    ],
)
def test_refusals_of_exchanges_and_ceilings_are_known(error: str, text: str, mistake: str) -> None:
    assert find_mistake(error, text, 400) == mistake
    found = find_setup_mistake(TokenRequestError(error, text, status=400))
    assert found is not None
    assert found.id == mistake


def test_a_login_that_is_handed_over_has_its_hint() -> None:
    plain = build_settings({"DOMAIN": "example.eu.auth0.com"})
    taking = build_settings({"DOMAIN": "example.eu.auth0.com", "FORWARDED_PARAMS": ["session_transfer_token"]})
    assert not any("SM87" in hint for hint in hints_for(plain, f"{SITE}/auth0/callback/"))
    assert any("SM87" in hint for hint in hints_for(taking, f"{SITE}/auth0/callback/"))


@pytest.mark.parametrize(
    ("error", "status", "mistake"),
    [("A0E-400-0003", 400, "SM93"), ("A0E-403-0001", 403, "SM91"), ("audience_not_granted", None, "SM91")],
)
def test_refusals_of_the_my_account_api_are_known(error: str, status: int | None, mistake: str) -> None:
    found = find_setup_mistake(AccountsRefused(error, "Invalid request payload input", status=status))
    assert found is not None
    assert found.id == mistake


def test_a_person_who_took_too_long_is_no_mistake_in_the_set_up() -> None:
    assert find_setup_mistake(AccountsRefused("A0E-404-0001", status=404, code="connect_expired")) is None


def test_connected_accounts_have_their_hints() -> None:
    plain = build_settings({"DOMAIN": "example.eu.auth0.com"})
    connecting = build_settings({"DOMAIN": "example.eu.auth0.com", "CONNECTED_ACCOUNTS": {"github": ""}})
    for mistake in ("SM72", "SM91"):
        assert not any(mistake in hint for hint in hints_for(plain, f"{SITE}/auth0/callback/"))
        assert any(mistake in hint for hint in hints_for(connecting, f"{SITE}/auth0/callback/"))
