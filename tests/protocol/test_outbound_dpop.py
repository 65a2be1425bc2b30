"""Calling APIs with a bound token: a proof for each request, nonces on demand, nothing for other origins."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from django_auth0_flow.protocol.dpop import DPoPKey, token_hash
from django_auth0_flow.protocol.outbound import ApiSession
from django_auth0_flow.protocol.prover import Prover
from django_auth0_flow.protocol.tokens import TokenSet
from tests.protocol.support import NOW, Answer, TinyServer

KEY = DPoPKey.generate()
CHALLENGE = {"WWW-Authenticate": 'DPoP error="use_dpop_nonce", algs="ES256"', "DPoP-Nonce": "wanted"}
EXPIRED = {"WWW-Authenticate": 'DPoP error="invalid_token", algs="ES256"'}


class Source:
    """Hands out bound tokens, another one for each that was rejected."""

    def __init__(self, token_type: str = "DPoP") -> None:
        self.number, self.token_type = 1, token_type
        self.rejected: list[str | None] = []

    def access_token(self, *, rejected: str | None = None) -> TokenSet:
        self.rejected.append(rejected)
        if rejected == f"token-{self.number}":
            self.number += 1
        return TokenSet(f"token-{self.number}", token_type=self.token_type, dpop_key=KEY.dump())


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def api(source: Source, server: TinyServer) -> Iterator[ApiSession]:
    with ApiSession(source, [server.origin], timeout=60, prover=Prover(lambda: NOW)) as session:
        yield session


def proofs(server: TinyServer) -> list[dict[str, Any]]:
    """Return the claims of the proofs that arrived; each must be of our key."""
    found = []
    for request in server.received:
        text = request.headers["DPoP"]
        assert jwt.get_unverified_header(text)["jwk"] == KEY.jwk
        key = jwt.PyJWK(jwt.get_unverified_header(text)["jwk"]).key
        found.append(jwt.decode(text, key, ["ES256"], options={"verify_iat": False}))
    assert len({claims["jti"] for claims in found}) == len(found), "a proof is made for one request"
    return found


def test_every_request_has_a_proof_of_its_own(api: ApiSession, server: TinyServer, source: Source) -> None:
    api.get(server.origin + "/a", params={"q": "1"})
    api.post(server.origin + "/b", json={"a": 1})
    assert [request.headers["Authorization"] for request in server.received] == ["DPoP token-1"] * 2
    first, second = proofs(server)
    assert (first["htm"], first["htu"]) == ("GET", server.origin + "/a")
    assert (second["htm"], second["htu"]) == ("POST", server.origin + "/b")
    assert first["ath"] == second["ath"] == token_hash("token-1")
    assert first["iat"] == NOW
    assert "nonce" not in first


@pytest.mark.parametrize("body", [None, b"bytes", "file"])
def test_a_nonce_challenge_is_answered_once_with_the_same_token(
    body: Any, api: ApiSession, server: TinyServer, source: Source
) -> None:
    server.answers = [Answer(401, headers=CHALLENGE), Answer(200, b"done")]
    response = api.post(server.origin, data=io.BytesIO(b"bytes") if body == "file" else body)
    assert response.content == b"done"
    assert [claims.get("nonce") for claims in proofs(server)] == [None, "wanted"]
    assert source.rejected == [None], "nothing is wrong with the token"
    assert [earlier.status_code for earlier in response.history] == [401]
    assert server.received[0].body == server.received[1].body
    api.get(server.origin)
    assert proofs(server)[-1]["nonce"] == "wanted", "remembered, so that the next request needs no challenge"


def test_a_nonce_in_the_answer_to_the_repeated_request_counts_too(api: ApiSession, server: TinyServer) -> None:
    server.answers = [Answer(401, headers=CHALLENGE), Answer(200, headers={"DPoP-Nonce": "later"}), Answer()]
    api.get(server.origin)
    api.get(server.origin)
    assert [claims.get("nonce") for claims in proofs(server)] == [None, "wanted", "later"]


def test_a_nonce_in_a_good_answer_is_for_the_next_request(api: ApiSession, server: TinyServer) -> None:
    server.answers = [Answer(200, headers={"DPoP-Nonce": "next"}), Answer()]
    api.get(server.origin)
    api.get(server.origin)
    assert [claims.get("nonce") for claims in proofs(server)] == [None, "next"]


def test_a_server_that_is_never_content_is_asked_twice(api: ApiSession, server: TinyServer, source: Source) -> None:
    server.answers = [Answer(401, headers=CHALLENGE), Answer(401, headers=CHALLENGE)]
    assert api.get(server.origin).status_code == 401
    assert len(server.received) == 3, "the request, the nonce, a renewed token"
    assert source.rejected == [None, "token-1"]


def test_a_challenge_is_met_once_also_across_redirects(api: ApiSession, server: TinyServer) -> None:
    server.answers = [Answer(401, headers=CHALLENGE), Answer(307, headers={"Location": "/b", **CHALLENGE})]
    server.answers += [Answer(401, headers=CHALLENGE), Answer(401, headers=CHALLENGE), Answer(200)]
    assert api.get(server.origin + "/a").status_code == 401
    assert [request.path for request in server.received] == ["/a", "/a", "/b"]


@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_only_a_401_is_about_the_proof(status: int, api: ApiSession, server: TinyServer, source: Source) -> None:
    server.answers = [Answer(status, headers=CHALLENGE), Answer()]
    assert api.get(server.origin).status_code == status
    assert (len(server.received), source.rejected) == (1, [None])


def test_a_bearer_token_goes_without_any_proof_whoever_asks(server: TinyServer) -> None:
    source = Source("Bearer")
    server.answers = [Answer(401, headers=CHALLENGE), Answer(401, headers=CHALLENGE)]
    with ApiSession(source, [server.origin], timeout=60, prover=Prover(lambda: NOW)) as session:
        assert session.get(server.origin, headers={"DPoP": "somebody's"}).status_code == 401
    assert [request.headers["Authorization"] for request in server.received] == ["Bearer token-1", "Bearer token-2"]
    assert all("DPoP" not in request.headers for request in server.received)


def test_a_challenge_without_nonce_is_a_plain_401(api: ApiSession, server: TinyServer, source: Source) -> None:
    server.answers = [Answer(401, headers={"WWW-Authenticate": CHALLENGE["WWW-Authenticate"]}), Answer()]
    assert api.get(server.origin).status_code == 200
    assert source.rejected == [None, "token-1"]


def test_challenge_then_an_expired_token(api: ApiSession, server: TinyServer, source: Source) -> None:
    server.answers = [Answer(401, headers=CHALLENGE), Answer(401, headers=EXPIRED), Answer(200, b"done")]
    response = api.get(server.origin)
    assert response.content == b"done"
    _, second, third = proofs(server)
    assert (second["nonce"], third["nonce"]) == ("wanted", "wanted")
    assert (second["ath"], third["ath"]) == (token_hash("token-1"), token_hash("token-2"))
    assert len(response.history) == 2


def test_a_renewed_token_has_a_new_proof(api: ApiSession, server: TinyServer) -> None:
    server.answers = [Answer(401, headers=EXPIRED), Answer()]
    api.get(server.origin)
    assert [claims["ath"] for claims in proofs(server)] == [token_hash("token-1"), token_hash("token-2")]


@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_a_redirect_within_the_origin_has_its_own_proof(
    status: int, method: str, api: ApiSession, server: TinyServer
) -> None:
    server.answers = [Answer(status, headers={"Location": "/b?c=d"}), Answer()]
    assert api.post(server.origin + "/a", data=b"x").status_code == 200
    first, second = proofs(server)
    assert (first["htm"], first["htu"]) == ("POST", server.origin + "/a")
    assert (second["htm"], second["htu"]) == (method, server.origin + "/b")


def test_a_redirected_request_may_be_challenged(api: ApiSession, server: TinyServer) -> None:
    server.answers = [Answer(302, headers={"Location": "/b"}), Answer(401, headers=CHALLENGE), Answer(200, b"done")]
    assert api.get(server.origin + "/a").content == b"done"
    assert [claims.get("nonce") for claims in proofs(server)] == [None, None, "wanted"]


@pytest.mark.parametrize("status", [302, 307])
def test_another_origin_gets_neither_token_nor_proof(
    status: int, api: ApiSession, server: TinyServer, stranger: TinyServer
) -> None:
    server.answers = [Answer(status, headers={"Location": stranger.origin + "/"})]
    assert api.get(server.origin).status_code == status
    assert stranger.received == []


def test_a_bearer_token_has_no_proof(server: TinyServer) -> None:
    """An API whose policy wants no binding gives plain tokens, also to a login with a key."""
    with ApiSession(Source("Bearer"), [server.origin], timeout=60, prover=Prover(lambda: NOW)) as api:
        server.answers = [Answer(401, headers=CHALLENGE), Answer(302, headers={"Location": "/b"}), Answer()]
        api.get(server.origin)
    assert not any("DPoP" in request.headers for request in server.received)
    assert {request.headers["Authorization"][:7] for request in server.received} == {"Bearer "}
