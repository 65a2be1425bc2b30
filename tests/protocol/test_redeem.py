"""Response types and modes: what the request says, what the response may hold, and what is made of it."""

from __future__ import annotations

import pytest

from django_auth0_flow.protocol.authorization import (
    RESPONSE_TYPES,
    AuthorizationRequest,
    AuthorizationResponse,
    code_of,
    default_response_mode,
    judge_response,
    kinds_of,
    parse_authorization_response,
    response_modes,
)
from django_auth0_flow.protocol.client import Client
from django_auth0_flow.protocol.client_auth import no_client_auth
from django_auth0_flow.protocol.errors import CallbackError
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.redeem import access_token_of
from tests.protocol.support import CLIENT_ID, ISSUER, NOW, canned_http

CANNED = canned_http()
CLIENT = Client(
    issuer=Issuer(ISSUER, http=CANNED),
    client_id=CLIENT_ID,
    auth=no_client_auth(CLIENT_ID),
    http=CANNED,
    clock=lambda: float(NOW),
    leeway=60,
)


@pytest.mark.parametrize(
    ("response_type", "modes"),
    [
        ("code", ("query", "form_post")),
        ("id_token", ("form_post",)),
        ("code id_token", ("form_post",)),
        ("id_token code", ("form_post",)),
        ("id_token token", ("fragment", "form_post")),
        ("token", ("fragment", "form_post")),
    ],
)
def test_tokens_never_travel_in_a_query(response_type: str, modes: tuple[str, ...]) -> None:
    assert response_modes(kinds_of(response_type)) == modes
    assert default_response_mode(kinds_of(response_type)) == modes[0]


def test_token_alone_is_no_way_to_log_in() -> None:
    assert kinds_of("token") not in map(kinds_of, RESPONSE_TYPES)


@pytest.mark.parametrize("response_type", [*RESPONSE_TYPES, "token"])
def test_state_and_nonce_always_go_along_and_a_challenge_with_every_code(response_type: str) -> None:
    mode = default_response_mode(kinds_of(response_type))
    request = AuthorizationRequest("https://a/", "openid", "s", response_type=response_type, response_mode=mode)
    query = request.query("client")
    assert query["response_type"] == response_type
    assert query.get("response_mode", "query") == mode
    assert (query["state"], query["nonce"]) == ("s", request.nonce)
    assert ("code_challenge" in query) == ("code" in response_type.split())


def test_nobodys_parameters_change_type_or_mode() -> None:
    request = AuthorizationRequest("https://a/", "openid", "s", parameters={"response_type": "x", "response_mode": "y"})
    assert request.query("client")["response_type"] == "code"
    assert "response_mode" not in request.query("client")


def test_tokens_may_be_longer_than_other_parameters() -> None:
    found = parse_authorization_response({"state": ["s"], "id_token": ["x" * 60_000], "access_token": ["y" * 60_000]})
    assert found.id_token == "x" * 60_000
    assert found.token_answer == {"access_token": "y" * 60_000}
    for name in ("id_token", "access_token"):
        with pytest.raises(CallbackError) as caught:
            parse_authorization_response({"state": ["s"], name: ["x" * 70_000]})
        assert caught.value.code == "parameter_too_long"
    with pytest.raises(CallbackError):
        parse_authorization_response({"state": ["s"], "code": ["x" * 5_000]})


def test_no_token_shows_in_a_repr() -> None:
    found = parse_authorization_response({"state": ["s3cret"], "id_token": ["s3cret"], "access_token": ["s3cret"]})
    assert "s3cret" not in repr(found)


def test_a_response_without_a_code_may_pass_where_none_is_wanted() -> None:
    found = AuthorizationResponse(state="s", id_token="t")
    judge_response(found, issuer="https://i/", iss_required=False)
    with pytest.raises(CallbackError) as caught:
        code_of(found)
    assert caught.value.code == "code_missing"


class TestAccessToken:
    def test_it_is_read_like_a_token_response(self) -> None:
        answer = {"access_token": "opaque", "token_type": "Bearer", "expires_in": "7200", "refresh_token": "never"}
        tokens = access_token_of(CLIENT, AuthorizationResponse(state="s", token_answer=answer))
        assert (tokens.access_token, tokens.refresh_token, tokens.id_token) == ("opaque", None, None)
        assert tokens.expires_at == NOW + 7200
        assert tokens.scope == frozenset()  # what the browser leaves out grants nothing

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            ({}, CallbackError),
            ({"access_token": "x"}, CallbackError),
            ({"access_token": "x y", "token_type": "Bearer"}, CallbackError),
            ({"access_token": "x", "token_type": "mac"}, CallbackError),
        ],
        ids=str,
    )
    def test_anything_else_is_refused(self, answer: dict[str, str], error: type[Exception]) -> None:
        with pytest.raises(error):
            access_token_of(CLIENT, AuthorizationResponse(state="s", token_answer=answer))
