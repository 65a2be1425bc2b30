from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

import pytest

from django_auth0_flow.protocol.addresses import with_query
from django_auth0_flow.protocol.authorization import (
    MAX_PARAMETER_LENGTH,
    RESERVED_PARAMETERS,
    AuthorizationRequest,
    AuthorizationResponse,
    code_challenge,
    code_of,
    judge_response,
    new_secret,
    parse_authorization_response,
)
from django_auth0_flow.protocol.errors import AuthorizationError, CallbackError
from tests.protocol.support import ISSUER


def request(**changes: str | Mapping[str, str]) -> AuthorizationRequest:
    values = {
        "redirect_uri": "https://app.example.com/cb",
        "scope": "openid",
        "state": "state-of-this-login",
        **changes,
    }
    return AuthorizationRequest(**values)  # type: ignore[arg-type]  # a table of mixed values


def test_f4_code_challenge_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert request(code_verifier=verifier).query("c")["code_challenge"] == code_challenge(verifier)


def test_all_parameters() -> None:
    made = request(parameters={"audience": "https://api", "login_hint": "ada@example.com"})
    assert made.query("client") == {
        "response_type": "code",
        "client_id": "client",
        "redirect_uri": "https://app.example.com/cb",
        "scope": "openid",
        "state": "state-of-this-login",
        "nonce": made.nonce,
        "code_challenge": code_challenge(made.code_verifier),
        "code_challenge_method": "S256",
        "audience": "https://api",
        "login_hint": "ada@example.com",
    }


@pytest.mark.parametrize("name", sorted(RESERVED_PARAMETERS | {"scope"}))
def test_parameters_of_ours_cannot_be_replaced(name: str) -> None:
    made = request(parameters={name: "replaced"})
    assert "replaced" not in made.query("client").values()
    assert set(made.query("client")) == set(request().query("client"))


@pytest.mark.parametrize(
    ("endpoint", "start"),
    [("https://t/authorize", "https://t/authorize?"), ("https://t/authorize?a=1", "https://t/authorize?a=1&")],
)
def test_url(endpoint: str, start: str) -> None:
    made = request(parameters={"login_hint": "a b&c=d#é"})
    url = with_query(endpoint, made.query("client"))
    assert url.startswith(start)
    assert dict(parse_qsl(urlsplit(url).query))["login_hint"] == "a b&c=d#é"
    assert url.isascii()
    assert "#" not in url


def test_f14_entropy_and_independence() -> None:
    secrets = {new_secret() for _ in range(1000)}
    assert len(secrets) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in secrets)
    first, second = request(), request()
    values = [first.nonce, first.code_verifier, second.nonce, second.code_verifier]
    assert len(set(values)) == 4
    assert all(len(value) >= 43 for value in values)


def parse(**parameters: str | Sequence[str]) -> AuthorizationResponse:
    listed = {name: [value] if isinstance(value, str) else list(value) for name, value in parameters.items()}
    return parse_authorization_response(listed)


def test_a_good_response() -> None:
    found = parse(state="s", code="c", iss=ISSUER)
    assert found == AuthorizationResponse(state="s", code="c", iss=ISSUER)
    judge_response(found, issuer=ISSUER, iss_required=True)
    assert code_of(found) == "c"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        pytest.param({"state": ["s", "s"], "code": "c"}, "parameter_repeated", id="F8-state"),
        pytest.param({"state": "s", "code": ["c", "c"]}, "parameter_repeated", id="F8-code"),
        pytest.param({"state": "s", "error": ["e", "f"]}, "parameter_repeated", id="F8-error"),
        pytest.param({"state": "s", "code": "c", "iss": [ISSUER, ISSUER]}, "parameter_repeated", id="F8-iss"),
        pytest.param(
            {"state": "s", "error": "e", "error_description": ["a", "b"]}, "parameter_repeated", id="F8-description"
        ),
        pytest.param({"state": "s", "code": "c" * 4097}, "parameter_too_long", id="F11-long-code"),
        pytest.param({"state": "s" * 100_000}, "parameter_too_long", id="F11-long-state"),
        pytest.param({"state": "s\x00", "code": "c"}, "malformed_request", id="F11-nul"),
        pytest.param({"state": "s", "code": "c\r\nX: 1"}, "malformed_request", id="F11-newline"),
        pytest.param({"state": "sé", "code": "c"}, "malformed_request", id="F11-not-ascii"),
        pytest.param({"state": "s", "code": "\ud800"}, "malformed_request", id="F11-surrogate"),
        pytest.param({"state": "s", "error": "e\x1b[0m"}, "malformed_request", id="F11-escape-sequence"),
        pytest.param({}, "state_missing", id="F11-bare"),
        pytest.param({"code": "c"}, "state_missing", id="F1-no-state"),
        pytest.param({"state": "", "code": "c"}, "state_missing", id="F1-empty-state"),
        pytest.param({"state": [], "code": "c"}, "state_missing", id="F1-no-value"),
        pytest.param({"state[]": "s", "code": "c"}, "state_missing", id="F11-array-syntax"),
        pytest.param({"State": "s", "code": "c"}, "state_missing", id="F11-other-case"),
    ],
)
def test_unreadable_responses(parameters: dict[str, str | Sequence[str]], code: str) -> None:
    with pytest.raises(CallbackError) as caught:
        parse(**parameters)
    assert caught.value.code == code


def test_what_a_response_may_hold_besides() -> None:
    found = parse(
        state="s",
        error="access_denied",
        error_description="<b>Ä\x00\r\n" + "x" * 3000,
        foo=["1", "2"],
        session_state="é",
    )
    assert found.error == "access_denied"
    assert len(found.error_description) == 2000
    assert parse(state="s" * MAX_PARAMETER_LENGTH, code="c").code == "c"
    assert parse_authorization_response({f"x{number}": ["1"] for number in range(5000)} | {"state": ["s"]}).state == "s"


@pytest.mark.parametrize(
    ("parameters", "iss_required", "code"),
    [
        pytest.param({"code": "c"}, True, "iss_missing", id="F7-missing-although-announced"),
        pytest.param({"code": "c", "iss": "https://evil.example.com/"}, False, "iss_mismatch", id="F7-other"),
        pytest.param({"code": "c", "iss": "https://evil.example.com/"}, True, "iss_mismatch", id="F7-other-announced"),
        pytest.param({"code": "c", "iss": ISSUER[:-1]}, False, "iss_mismatch", id="F7-without-slash"),
        pytest.param({"code": "c", "iss": ISSUER.upper()}, False, "iss_mismatch", id="F7-other-case"),
        pytest.param({"code": "c", "iss": ""}, False, "iss_mismatch", id="F7-empty"),
        pytest.param({"error": "access_denied", "iss": "https://evil/"}, False, "iss_mismatch", id="F7-with-error"),
    ],
)
def test_responses_that_belong_elsewhere(parameters: dict[str, str], iss_required: bool, code: str) -> None:
    found = parse(**{"state": "state-of-this-login", **parameters})
    with pytest.raises(CallbackError) as caught:
        judge_response(found, issuer=ISSUER, iss_required=iss_required)
    assert caught.value.code == code


@pytest.mark.parametrize("parameters", [{}, {"code": ""}], ids=["neither-code-nor-error", "empty-code"])
def test_responses_without_a_code(parameters: dict[str, str]) -> None:
    with pytest.raises(CallbackError) as caught:
        code_of(parse(state="s", **parameters))
    assert caught.value.code == "code_missing"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        pytest.param({"error": "access_denied"}, "access_denied", id="known"),
        pytest.param({"error": "access_denied", "code": "c"}, "access_denied", id="F9-error-and-code"),
        pytest.param({"error": "", "code": "c"}, "oauth_error", id="F9-empty-error-and-code"),
        pytest.param({"error": "<script>alert(1)</script>"}, "oauth_error", id="F10-markup"),
        pytest.param({"error": "e" * 3000}, "oauth_error", id="F10-long"),
    ],
)
def test_f9_error_wins(parameters: dict[str, str], code: str) -> None:
    found = parse(**{"state": "s", "error_description": "No.", **parameters})
    with pytest.raises(AuthorizationError) as caught:
        judge_response(found, issuer=ISSUER, iss_required=False)
    assert caught.value.code == code
    assert (caught.value.error, caught.value.error_description) == (parameters["error"], "No.")
    assert parameters["error"] not in str(caught.value) or code == "access_denied" or not parameters["error"]
