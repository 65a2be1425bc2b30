from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from django_auth0_flow.protocol.client_auth import (
    ClientAuth,
    client_secret_basic,
    client_secret_post,
    no_client_auth,
    private_key_jwt,
    tls_client_auth,
)
from django_auth0_flow.protocol.signing_keys import KeyRing, SigningKey, load_signing_key, sign_request
from tests.client_keys import client_key
from tests.protocol.support import ISSUER, NOW


@pytest.mark.parametrize(
    ("auth", "form", "headers"),
    [
        (client_secret_post("c", "s:% é"), {"a": "1", "client_id": "c", "client_secret": "s:% é"}, {}),
        (no_client_auth("c"), {"a": "1", "client_id": "c"}, {}),
        (tls_client_auth("c"), {"a": "1", "client_id": "c"}, {}),
        (
            client_secret_basic("c:d", "s:% é"),
            {"a": "1"},
            {"Authorization": "Basic " + base64.b64encode(b"c%3Ad:s%3A%25%20%C3%A9").decode()},
        ),
    ],
    ids=["post", "none", "certificate", "basic-form-encoded"],
)
def test_methods(auth: ClientAuth, form: dict[str, str], headers: dict[str, str]) -> None:
    sent = {"a": "1"}
    assert auth(sent, ISSUER) == headers
    assert sent == form


def key(name: str, algorithm: str = "RS256") -> SigningKey:
    return load_signing_key(client_key(name).pem, kid=name, alg=algorithm)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "PS256"])
def test_private_key_jwt(algorithm: str) -> None:
    auth = private_key_jwt("c", KeyRing([key("a", algorithm)]), lambda: NOW + 0.9)
    first, second = {"a": "1"}, {"a": "1"}
    assert auth(first, ISSUER) == auth(second, ISSUER) == {}
    assert set(first) == {"a", "client_id", "client_assertion_type", "client_assertion"}
    assert first["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    text = first["client_assertion"]
    assert jwt.get_unverified_header(text) == {"typ": "JWT", "alg": algorithm, "kid": "a"}
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(text, client_key("a").public_pem, [algorithm], audience=ISSUER, options=options)
    assert 0 < len(claims.pop("jti")) <= 64
    assert claims == {"iss": "c", "sub": "c", "aud": ISSUER, "iat": NOW, "exp": NOW + 60}
    assert text != second["client_assertion"], "each is good for one request"


def test_F16_the_audience_is_one_string_whatever_the_endpoint() -> None:
    form: dict[str, str] = {}
    private_key_jwt("c", KeyRing([key("a")]), lambda: NOW)(form, ISSUER)
    claims = jwt.decode(form["client_assertion"], options={"verify_signature": False})
    assert claims["aud"] == ISSUER


def test_a_key_without_kid_and_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(client_key("a").pem)
    text = load_signing_key(str(path)).sign({"a": 1}, now=NOW, lifetime=60)
    assert jwt.get_unverified_header(text) == {"typ": "JWT", "alg": "RS256"}
    payload = json.loads(jwt.api_jws.decode(text, client_key("a").public_pem, ["RS256"]))
    assert payload.pop("jti")
    assert payload == {"a": 1, "iat": NOW, "exp": NOW + 60}


def test_no_key_shows() -> None:
    assert "PRIVATE" not in repr(key("a"))
    assert repr(key("a")) == "SigningKey(algorithm='RS256', kid='a')"


class TestKeyRing:
    def test_the_newest_signs_until_it_is_refused(self) -> None:
        new, old = key("a"), key("b")
        ring = KeyRing([new, old])
        assert ring.current() is new
        assert ring.refused(new)
        assert ring.current() is old
        assert ring.refused(old)
        assert ring.current() is new

    def test_one_key_has_no_stand_in(self) -> None:
        new = key("a")
        ring = KeyRing([new])
        assert not ring.refused(new)
        assert ring.current() is new

    def test_two_threads_that_are_refused_at_once_turn_the_ring_once(self) -> None:
        new, old = key("a"), key("b")
        ring = KeyRing([new, old])
        assert ring.refused(new)
        assert ring.refused(new)
        assert ring.current() is old

    def test_the_newest_gets_another_chance(self, monkeypatch: pytest.MonkeyPatch) -> None:
        new, old = key("a"), key("b")
        ring = KeyRing([new, old])
        ring.refused(new)
        now = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: now() + 599)
        assert ring.current() is old
        monkeypatch.setattr(time, "monotonic", lambda: now() + 601)
        assert ring.current() is new


def test_request_objects() -> None:
    parameters = {"response_type": "code", "max_age": "60", "state": "s", "client_id": "c", "iss": "evil", "exp": "1"}
    text = sign_request(parameters, client_id="c", issuer=ISSUER, key=key("a"), now=NOW)
    assert jwt.get_unverified_header(text) == {"typ": "oauth-authz-req+jwt", "alg": "RS256", "kid": "a"}
    claims = jwt.decode(text, options={"verify_signature": False})
    assert 0 < len(claims.pop("jti")) <= 64
    assert claims == {
        "response_type": "code",
        "max_age": 60,
        "state": "s",
        "client_id": "c",
        "iss": "c",
        "aud": ISSUER,
        "iat": NOW,
        "exp": NOW + 300,
    }
