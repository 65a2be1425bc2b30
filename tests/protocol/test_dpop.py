"""DPoP keys, proofs, nonces; and what an API takes for a proof. Each refusal names what is wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from django_auth0_flow.protocol.dpop import DPoPKey, target_of, token_hash, validate_proof
from django_auth0_flow.protocol.errors import TokenValidationError
from django_auth0_flow.protocol.prover import Prover, asks_for_nonce
from django_auth0_flow.protocol.tokens import TokenSet, merge_refreshed
from django_auth0_flow.testing.tenant.dpop import thumbprint as tenants_thumbprint
from tests.protocol.support import NOW, make_jws

API = "https://api.example.com/things"
TOKEN = "an.access.token"
KEY = ec.generate_private_key(ec.SECP256R1())
JWK = {
    name: value
    for name, value in json.loads(ECAlgorithm.to_jwk(KEY.public_key())).items()
    if name in ("kty", "crv", "x", "y")
}
LEFT_OUT = object()
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def proof(claims: dict[str, Any] | None = None, key: Any = KEY, algorithm: str = "ES256", **header: Any) -> str:
    """Return a good proof of KEY for GET API with TOKEN, but for the changes."""
    full = {"jti": "1", "htm": "GET", "htu": API, "iat": NOW, "ath": token_hash(TOKEN), **(claims or {})}
    head = {"typ": "dpop+jwt", "jwk": JWK, **header}
    payload = json.dumps({name: value for name, value in full.items() if value is not LEFT_OUT}).encode()
    return jwt.api_jws.encode(payload, key, algorithm, headers=head)


def judge(text: str, **changes: Any) -> str:
    thumbprint = DPoPKey(KEY).thumbprint
    expected = {"method": "GET", "urls": (API,), "access_token": TOKEN, "thumbprint": thumbprint, "now": NOW}
    return validate_proof(text, **{**expected, **changes})


def refusal(text: str, **changes: Any) -> str:
    with pytest.raises(TokenValidationError) as caught:
        judge(text, **changes)
    assert caught.value.code == "invalid_dpop_proof"
    return caught.value.claim


class TestKeys:
    def test_a_key_survives_storage(self) -> None:
        key = DPoPKey.generate()
        text = key.dump()
        assert len(text) == 43
        assert (DPoPKey.load(text).jwk, DPoPKey.load(text).dump()) == (key.jwk, text)
        assert text not in f"{key!r} {TokenSet(dpop_key=text)!r}"

    def test_the_thumbprint_of_RFC_9449(self) -> None:
        """The RFC publishes no private key: its public one goes through another implementation, ours is compared to it."""
        x, y = "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"
        public = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        assert tenants_thumbprint(public) == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        key = DPoPKey(KEY)
        assert key.thumbprint == tenants_thumbprint(key.jwk)

    @pytest.mark.parametrize("text", ["", "A", "AAAA", "é" * 43, "_" * 90])
    def test_what_is_no_key(self, text: str) -> None:
        with pytest.raises(ValueError):  # noqa: PT011  # whatever base64 and cryptography say
            DPoPKey.load(text)

    def test_keys_differ(self) -> None:
        assert len({DPoPKey.generate().dump() for _ in range(20)}) == 20

    def test_a_refresh_keeps_the_key(self) -> None:
        old = TokenSet("a", dpop_key="k")
        assert merge_refreshed(old, TokenSet("b")).dpop_key == "k"
        assert merge_refreshed(TokenSet("a"), TokenSet("b", dpop_key="n")).dpop_key == "n"


class TestProofs:
    def test_members(self) -> None:
        key = DPoPKey(KEY)
        text = key.proof("POST", API + "?q=1#part", now=NOW + 0.7, access_token=TOKEN, nonce="n")
        assert jwt.get_unverified_header(text) == {"alg": "ES256", "typ": "dpop+jwt", "jwk": JWK}
        claims = jwt.decode(text, KEY.public_key(), ["ES256"], options={"verify_iat": False})
        assert claims.pop("jti")
        assert claims == {"htm": "POST", "htu": API, "iat": NOW, "ath": token_hash(TOKEN), "nonce": "n"}

    def test_a_token_request_has_no_ath_and_each_proof_its_own_jti(self) -> None:
        texts = [DPoPKey(KEY).proof("POST", API, now=NOW) for _ in range(50)]
        claims = [jwt.decode(text, options={"verify_signature": False}) for text in texts]
        assert set(claims[0]) == {"jti", "htm", "htu", "iat"}
        assert len({found["jti"] for found in claims}) == 50

    @pytest.mark.parametrize(
        ("url", "target"),
        [
            ("https://api.example.com", "https://api.example.com/"),
            ("https://API.Example.com:443/a?b=c#d", "https://api.example.com/a"),
            ("http://127.0.0.1:8000/a/", "http://127.0.0.1:8000/a/"),
            ("http://h:80/", "http://h/"),
            ("https://h:80/", "https://h:80/"),
            ("https://user:pw@h/a", "https://h/a"),
            ("https://[::1]:8443/a%20b", "https://[::1]:8443/a%20b"),
        ],
    )
    def test_targets(self, url: str, target: str) -> None:
        assert target_of(url) == target

    def test_the_ath_of_RFC_9449(self) -> None:
        assert (
            token_hash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU") == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
        )


class TestNonces:
    def test_the_last_nonce_of_an_origin_goes_into_its_proofs(self) -> None:
        prover, key = Prover(lambda: NOW), DPoPKey.generate().dump()

        def nonce(url: str) -> Any:
            return jwt.decode(prover.headers(key, "GET", url)["DPoP"], options={"verify_signature": False}).get("nonce")

        assert nonce(API) is None
        assert prover.note_nonce(API, {"DPoP-Nonce": "one"})
        assert prover.note_nonce(API + "/other", {"DPoP-Nonce": "two"})
        assert not prover.note_nonce(API, {})
        assert (nonce(API), nonce("https://api.example.com:443/x"), nonce("https://other.example.com/")) == (
            "two",
            "two",
            None,
        )

    @pytest.mark.parametrize("value", ["", "a b", "a\x7f", 'a"b', "a\\b", "é", "x" * 1025, "a\nb"])
    def test_what_is_no_nonce(self, value: str) -> None:
        assert not Prover(lambda: NOW).note_nonce(API, {"DPoP-Nonce": value})

    def test_the_memory_is_bounded_and_shared_by_threads(self) -> None:
        prover = Prover(lambda: NOW)

        def fill(start: int) -> None:
            for number in range(200):
                prover.note_nonce(f"https://h{start + number}.example.com/", {"DPoP-Nonce": "n"})

        threads = [threading.Thread(target=fill, args=(1000 * number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(prover._nonces) <= 64

    def test_challenges(self) -> None:
        assert asks_for_nonce({"WWW-Authenticate": 'DPoP error="use_dpop_nonce", algs="ES256"'})
        assert not asks_for_nonce({"WWW-Authenticate": 'DPoP error="invalid_token"'})
        assert not asks_for_nonce({})


class TestJudging:
    def test_a_good_proof(self) -> None:
        first, second = judge(proof()), judge(proof({"jti": "2"}))
        assert first != second
        assert judge(proof()) == first, "the caller finds a replay by this"

    @pytest.mark.parametrize(
        "htu",
        [
            API,
            API + "?a=b",
            API + "#c",
            "HTTPS://API.example.com:443/things",
            "https://api.example.com/%74hings",
        ],
    )
    def test_spellings_of_the_address(self, htu: str) -> None:
        assert judge(proof({"htu": htu}))

    def test_an_address_that_the_api_goes_by_as_well(self) -> None:
        assert judge(proof(), urls=("http://internal:8000/things", API))
        assert judge(proof({"htu": "https://h/%E3%81%82"}), urls=("https://h/あ",))

    @pytest.mark.parametrize("iat", [NOW - 300, NOW + 30, NOW + 0.5])
    def test_the_window(self, iat: float) -> None:
        assert judge(proof({"iat": iat}))

    @pytest.mark.parametrize(
        ("claim", "claims"),
        [
            ("htm", {"htm": "POST"}),
            ("htm", {"htm": "get"}),
            ("htm", {"htm": LEFT_OUT}),
            ("htu", {"htu": "https://api.example.com/"}),
            ("htu", {"htu": "https://api.example.com/things/"}),
            ("htu", {"htu": "http://api.example.com/things"}),
            ("htu", {"htu": "https://api.example.com:8443/things"}),
            ("htu", {"htu": "https://evil.example/things"}),
            ("htu", {"htu": "https://[::1"}),
            ("htu", {"htu": "https://api.example.com:x/things"}),
            ("htu", {"htu": ["https://api.example.com/things"]}),
            ("htu", {"htu": LEFT_OUT}),
            ("iat", {"iat": NOW - 301}),
            ("iat", {"iat": NOW + 31}),
            ("iat", {"iat": str(NOW)}),
            ("iat", {"iat": True}),
            ("iat", {"iat": LEFT_OUT}),
            ("ath", {"ath": token_hash("another")}),
            ("ath", {"ath": LEFT_OUT}),
            ("ath", {"ath": 7}),
            ("jti", {"jti": LEFT_OUT}),
            ("jti", {"jti": ""}),
            ("jti", {"jti": 5}),
            ("jti", {"jti": "x" * 513}),
        ],
    )
    def test_claims(self, claim: str, claims: dict[str, Any]) -> None:
        assert refusal(proof(claims)) == claim

    @pytest.mark.parametrize(
        ("claim", "make"),
        [
            ("typ", lambda: proof(typ="JWT")),
            ("typ", lambda: proof(typ=None)),
            ("alg", lambda: proof(key=_RSA, algorithm="RS256")),
            ("alg", lambda: proof(key="x" * 32, algorithm="HS256")),
            ("alg", lambda: _with_header(alg="none")),
            ("alg", lambda: _with_header(alg=["ES256"])),
            ("crit", lambda: _with_header(crit=["b64"])),
            ("crit", lambda: _with_header(b64=False)),
            ("jwk", lambda: _with_header(jwk=LEFT_OUT)),
            ("jwk", lambda: _with_header(jwk="text")),
            ("jwk", lambda: _with_header(jwk=json.loads(RSAAlgorithm.to_jwk(_RSA.public_key())))),
            ("jwk", lambda: _with_header(jwk={**JWK, "d": "AAAA"})),
            ("jwk", lambda: _with_header(jwk={**JWK, "crv": "P-384"})),
            ("jwk", lambda: _with_header(jwk={**JWK, "x": JWK["y"]})),
            ("jwk", lambda: _with_header(jwk={**JWK, "x": 7})),
            ("jwk", lambda: _with_header(jwk={**JWK, "x": "é" * 43})),
            ("jwk", lambda: _with_header(jwk={**JWK, "x": "A" * 43, "y": "A" * 43})),
            ("signature", lambda: proof(key=ec.generate_private_key(ec.SECP256R1()))),
            ("signature", lambda: proof().rpartition(".")[0] + "." + "A" * 86),
            ("signature", lambda: proof()[:-2]),
            ("signature", lambda: proof() + "AAAA"),
            ("signature", lambda: proof().rpartition(".")[0] + "." + "_" * 85 + "w"),
        ],
    )
    def test_headers_and_signatures(self, claim: str, make: Callable[[], str]) -> None:
        assert refusal(make()) == claim

    def test_a_proof_of_another_key(self) -> None:
        other = ec.generate_private_key(ec.SECP256R1())
        text = DPoPKey(other).proof("GET", API, now=NOW, access_token=TOKEN)
        assert refusal(text) == "jkt"

    @pytest.mark.parametrize("thumbprint", [None, 7, "", ["x"], "é"])
    def test_a_token_bound_to_nonsense(self, thumbprint: Any) -> None:
        assert refusal(proof(), thumbprint=thumbprint) == "jkt"

    @pytest.mark.parametrize(
        "text",
        ["", "x", "a.b", "a.b.c.d", "é.é.é", proof() + "," + proof(), proof() + "\n", " " + proof(), "A" * 9000],
        ids=range(9),
    )
    def test_what_is_no_proof(self, text: str) -> None:
        assert refusal(text) == "proof"

    @pytest.mark.parametrize("part", [b"[]", b"7", b"{", b"\xff", b"[" * 3000, b'{"a":1,"a":2}', b""])
    def test_parts_that_are_no_json_object(self, part: bytes) -> None:
        signed = jwt.api_jws.encode(part, KEY, "ES256", headers={"typ": "dpop+jwt", "jwk": JWK})
        assert refusal(_raw(part, {})) == "proof"
        assert refusal(signed) == "proof"


def _with_header(**changes: Any) -> str:
    """Return a good proof whose header was changed afterwards."""
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": JWK, **changes}
    kept = {name: value for name, value in header.items() if value is not LEFT_OUT}
    return _raw(kept, jwt.decode(proof(), options={"verify_signature": False}))


def _raw(header: Any, claims: Any) -> str:
    unsigned = make_jws(header, claims, b"", "HS256").rpartition(".")[0]
    return f"{unsigned}.{'A' * 86}"
