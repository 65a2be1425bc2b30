"""Which signatures, headers and shapes of token are refused: rows S1 to S13 of the threat list."""

from __future__ import annotations

import base64
import json
import string
import threading
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from django_auth0_flow.protocol.errors import SigningKeyNotFound, TokenValidationError, TransportError
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.jws import MAX_TOKEN_LENGTH
from django_auth0_flow.protocol.validation import JoseKeys, validate_id_token
from django_auth0_flow.testing.tenant.jws import base64url
from django_auth0_flow.testing.tenant.keys import SigningKey
from tests.protocol.support import (
    CLIENT_ID,
    ISSUER,
    JWKS_URL,
    LEFT_OUT,
    METADATA_URL,
    NOW,
    TinyServer,
    canned_http,
    canned_issuer,
    good_claims,
    id_token,
    make_jws,
)

CLIENT_SECRET = "client-secret-of-the-tests-of-32-bytes-and-more"


def validate(token: object, keys: JoseKeys | Issuer) -> dict[str, Any]:
    if isinstance(keys, Issuer):
        keys = JoseKeys(keys, "RS256")
    return validate_id_token(token, keys=keys, client_id=CLIENT_ID, now=NOW, leeway=60, nonce="nonce-of-this-login")


def refused(token: object, keys: JoseKeys | Issuer) -> TokenValidationError:
    with pytest.raises(TokenValidationError) as caught:
        validate(token, keys)
    return caught.value


def with_header(token: str, **header: Any) -> str:
    """Return the token with other header members, its signature as it was."""
    _, payload, signature = token.split(".")
    return ".".join([base64url(json.dumps(header).encode()), payload, signature])


def other_spelling(encoded: str) -> str:
    """Return base64url text for the same bytes whose unused last bits are not zero."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    changed = encoded[:-1] + alphabet[alphabet.index(encoded[-1]) + 1]
    assert base64.urlsafe_b64decode(changed + "==") == base64.urlsafe_b64decode(encoded + "==")
    return changed


def test_a_good_token(key: SigningKey, other_key: SigningKey) -> None:
    claims = validate(id_token(key, good_claims(name="Ada")), canned_issuer(other_key, key))
    assert claims == good_claims(name="Ada")


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "none ", "", " ", None, LEFT_OUT, 0, [], ["RS256"], {}]
)
@pytest.mark.parametrize("signed", ["unsigned", "empty", "signed"])
def test_s1_alg_none(alg: object, signed: str, key: SigningKey) -> None:
    token = id_token(key, good_claims(), alg=alg)
    if signed != "signed":
        token = token.rpartition(".")[0] + ("." if signed == "empty" else "")
    assert refused(token, canned_issuer(key)).claim in ("alg", "token")


def public_forms(key: SigningKey) -> dict[str, bytes]:
    public = key.private.public_key()
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    spki, pkcs1 = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1
    jwk = key.jwk()
    return {
        "pem": public.public_bytes(pem, spki),
        "pem-stripped": public.public_bytes(pem, spki).strip(),
        "pkcs1-pem": public.public_bytes(pem, pkcs1),
        "der": public.public_bytes(der, spki),
        "pkcs1-der": public.public_bytes(der, pkcs1),
        "certificate": key.certificate,
        "x5c": jwk["x5c"][0].encode(),
        "modulus": base64.urlsafe_b64decode(jwk["n"] + "=="),
        "modulus-text": jwk["n"].encode(),
        "jwk": json.dumps(jwk).encode(),
        "jwks": json.dumps({"keys": [jwk]}).encode(),
        "empty": b"",
        "kid": key.kid.encode(),
        "none-text": b"None",
    }


@pytest.mark.parametrize(
    "form",
    "pem pem-stripped pkcs1-pem der pkcs1-der certificate x5c modulus modulus-text jwk jwks empty kid none-text".split(),
)
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_s2_hmac_with_the_public_key(form: str, algorithm: str, key: SigningKey) -> None:
    header = {"alg": algorithm, "typ": "JWT", "kid": key.kid}
    token = make_jws(header, good_claims(), public_forms(key)[form], algorithm)
    assert refused(token, canned_issuer(key)).claim == "alg"


@pytest.mark.parametrize("form", ["pem", "modulus-text", "jwk", "empty", "none-text"])
@pytest.mark.parametrize("secret", [None, "", CLIENT_SECRET])
def test_s2_where_hs256_is_configured(form: str, secret: str | None, key: SigningKey) -> None:
    token = make_jws({"alg": "HS256", "typ": "JWT"}, good_claims(), public_forms(key)[form], "HS256")
    assert refused(token, JoseKeys(canned_issuer(key), "HS256", secret)).claim in ("alg", "signature")


def test_s3_hmac_with_the_client_secret_while_rs256_is_configured(key: SigningKey) -> None:
    token = make_jws({"alg": "HS256", "typ": "JWT"}, good_claims(), CLIENT_SECRET.encode(), "HS256")
    assert refused(token, JoseKeys(canned_issuer(key), "RS256", CLIENT_SECRET)).claim == "alg"


def test_hs256_where_it_is_configured(key: SigningKey) -> None:
    token = make_jws({"alg": "HS256", "typ": "JWT"}, good_claims(), CLIENT_SECRET.encode(), "HS256")
    keys = JoseKeys(canned_issuer(key), "HS256", CLIENT_SECRET)
    assert validate(token, keys)["sub"] == good_claims()["sub"]
    assert refused(id_token(key, good_claims()), keys).claim == "alg"


def test_a_client_secret_that_is_a_public_key_verifies_nothing(key: SigningKey) -> None:
    secret = public_forms(key)["pem"]
    token = make_jws({"alg": "HS256", "typ": "JWT"}, good_claims(), secret, "HS256")
    assert refused(token, JoseKeys(canned_issuer(key), "HS256", secret.decode())).claim == "token"


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512"])
def test_s4_algorithm_not_configured(algorithm: str, key: SigningKey) -> None:
    token = make_jws({"alg": algorithm, "typ": "JWT", "kid": key.kid}, good_claims(), key.private, algorithm)
    error = refused(token, canned_issuer(key))
    assert (error.claim, error.expected, error.code) == ("alg", "RS256", "token_alg")


@pytest.mark.parametrize("named", ["RS384", "PS256", "rs256", "RS256 ", "ES256"])
def test_s4_header_names_another_algorithm_than_the_one_used(named: str, key: SigningKey) -> None:
    assert refused(id_token(key, good_claims(), alg=named), canned_issuer(key)).claim == "alg"


@pytest.mark.parametrize("used", ["RS384", "RS512", "PS256"])
def test_s4_signature_of_another_algorithm_than_named(used: str, key: SigningKey) -> None:
    token = make_jws({"alg": "RS256", "typ": "JWT", "kid": key.kid}, good_claims(), key.private, used)
    assert refused(token, canned_issuer(key)).claim == "signature"


def test_s4_es256(key: SigningKey) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "alg": "ES256"}
    jwk |= {"x": base64url(numbers.x.to_bytes(32, "big")), "y": base64url(numbers.y.to_bytes(32, "big"))}
    message = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "ES256", "kid": "ec"}, good_claims()))
    r, s = decode_dss_signature(private.sign(message.encode(), ec.ECDSA(SHA256())))
    token = f"{message}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
    assert refused(token, canned_issuer(key, jwk)).claim == "alg"
    assert refused(with_header(token, alg="RS256", kid="ec"), canned_issuer(key, jwk)).claim == "kid"


@pytest.mark.parametrize("published", ["RS512", "PS256", "ES256", "RSA-OAEP", "HS256", "none", "", None, ["RS256"]])
def test_s4_the_keys_own_algorithm(published: object, key: SigningKey, other_key: SigningKey) -> None:
    issuer = canned_issuer({**key.jwk(), "alg": published}, other_key)
    with pytest.raises(SigningKeyNotFound):
        validate(id_token(key, good_claims()), issuer)
    assert validate(id_token(other_key, good_claims()), issuer)


def test_ps256_where_it_is_configured(key: SigningKey) -> None:
    token = make_jws({"alg": "PS256", "typ": "JWT", "kid": key.kid}, good_claims(), key.private, "PS256")
    keys = JoseKeys(canned_issuer(key.jwk(with_alg=False)), "PS256")
    assert validate(token, keys)["sub"] == good_claims()["sub"]
    assert refused(id_token(key, good_claims()), keys).claim == "alg"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda head, body, sig: f"{head}.{body}.", id="S5-empty"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{sig[:-8]}", id="S5-shortened"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{sig}AAAA", id="S5-lengthened"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{sig[:-1]}", id="S5-not-base64"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{'A' * len(sig)}", id="S5-zeros"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{sig[::-1]}", id="S5-reversed"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{sig[4:8]}{sig[:4]}{sig[8:]}", id="S5-swapped-bytes"),
        pytest.param(lambda head, body, sig: f"{sig}.{body}.{head}", id="S5-swapped-parts"),
        pytest.param(
            lambda head, body, sig: f"{head}.{base64url(json.dumps(good_claims(sub='eve')).encode())}.{sig}",
            id="S5-other-claims",
        ),
        pytest.param(lambda head, body, sig: f"{head}.{body}.!{sig[1:]}", id="S5-not-base64url"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{sig}==", id="S5-padding"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{other_spelling(sig)}", id="S5-other-spelling"),
        pytest.param(lambda head, body, sig: f"{head}.{body}", id="S9-two-parts"),
        pytest.param(lambda head, body, sig: head, id="S9-one-part"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{sig}.{sig}", id="S9-four-parts"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{sig}.{sig}.{sig}", id="S9-five-parts"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{sig}."[: len(head) + 5], id="S9-truncated"),
        pytest.param(lambda head, body, sig: f"{head}..{sig}", id="S9-no-payload"),
        pytest.param(lambda head, body, sig: f".{body}.{sig}", id="S9-no-header"),
        pytest.param(lambda head, body, sig: "", id="S9-empty"),
        pytest.param(lambda head, body, sig: "..", id="S9-dots"),
        pytest.param(lambda head, body, sig: f" {head}.{body}.{sig}", id="S9-blank-before"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{sig}\n", id="S9-newline-after"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{sig}\x00", id="S9-nul"),
        pytest.param(lambda head, body, sig: f"{head}.{body}é.{sig}", id="S9-not-ascii"),
        pytest.param(lambda head, body, sig: f"{head}.{body}\ud800.{sig}", id="S9-surrogate"),
        pytest.param(lambda head, body, sig: f"{head}.{body}.{sig}".encode(), id="S9-bytes"),
        pytest.param(lambda head, body, sig: [head, body, sig], id="S9-list"),
        pytest.param(lambda head, body, sig: None, id="S9-null"),
        pytest.param(lambda head, body, sig: 17, id="S9-number"),
        pytest.param(lambda head, body, sig: f"{head}.{'A' * MAX_TOKEN_LENGTH}.{sig}", id="S9-huge"),
        pytest.param(lambda head, body, sig: "a." * 100_000, id="S9-many-parts"),
    ],
)
def test_s5_s9_broken_signature_or_structure(change: Any, key: SigningKey) -> None:
    token = change(*id_token(key, good_claims()).split("."))
    assert refused(token, canned_issuer(key)).claim in ("signature", "token")


def test_s5_every_byte_of_the_signature_counts(key: SigningKey) -> None:
    token = id_token(key, good_claims())
    issuer = canned_issuer(key)
    message, _, encoded = token.rpartition(".")
    signature = base64.urlsafe_b64decode(encoded + "==")
    for position in range(0, len(signature), 16):
        changed = bytearray(signature)
        changed[position] ^= 1
        assert refused(f"{message}.{base64url(bytes(changed))}", issuer).claim == "signature"


def test_s6_our_kid_but_another_key(key: SigningKey, other_key: SigningKey) -> None:
    assert refused(id_token(other_key, good_claims(), kid=key.kid), canned_issuer(key)).claim == "signature"


def test_s6_two_published_keys_swapped(key: SigningKey, other_key: SigningKey) -> None:
    token = id_token(other_key, good_claims(), kid=key.kid)
    assert refused(token, canned_issuer(key, other_key)).claim == "signature"


@pytest.mark.parametrize(
    "kid",
    [
        "unknown",
        "",
        "../../../../dev/null",
        "file:///dev/null",
        "http://127.0.0.1/keys",
        "' OR 1=1 --",
        "\x00",
        "\ud800",
        "k" * 50_000,
        7,
        1.5,
        True,
        None,
        [],
        ["kid"],
        {"kid": 1},
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_s6_kid_of_any_kind(kid: object, key: SigningKey) -> None:
    error = refused(id_token(key, good_claims(), kid=kid), canned_issuer(key))
    assert error.claim == "kid"
    assert isinstance(error, SigningKeyNotFound) == isinstance(kid, str)


def test_kid_absent_with_one_or_several_keys(key: SigningKey, other_key: SigningKey) -> None:
    token = id_token(key, good_claims(), kid=LEFT_OUT)
    assert validate(token, canned_issuer(key))
    assert validate(token, canned_issuer(other_key, key))
    assert refused(token, canned_issuer(other_key)).claim == "signature"


def test_published_key_without_kid(key: SigningKey) -> None:
    anonymous = {name: value for name, value in key.jwk().items() if name != "kid"}
    assert validate(id_token(key, good_claims(), kid=LEFT_OUT), canned_issuer(anonymous))


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c", "all"])
def test_s7_key_supplied_by_the_token(member: str, key: SigningKey, other_key: SigningKey, server: TinyServer) -> None:
    headers = {
        "jwk": other_key.jwk(),
        "jku": server.origin + "/jwks.json",
        "x5u": server.origin + "/certificate.pem",
        "x5c": other_key.jwk()["x5c"],
    }
    chosen = headers if member == "all" else {member: headers[member]}
    http = canned_http(key)
    issuer = Issuer(ISSUER, http=http)
    refused(id_token(other_key, good_claims(), **chosen), issuer)
    refused(id_token(other_key, good_claims(), kid=key.kid, **chosen), issuer)
    refused(id_token(other_key, good_claims(), kid=LEFT_OUT, **chosen), issuer)
    assert validate(id_token(key, good_claims(), **chosen), issuer), "the members are ignored, not forbidden"
    assert server.received == []
    assert set(http.asked) == {METADATA_URL, JWKS_URL}


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"crit": ["exp"]}, id="S8-crit-known-claim"),
        pytest.param({"crit": ["x"], "x": 1}, id="S8-crit"),
        pytest.param({"crit": []}, id="S8-crit-empty"),
        pytest.param({"crit": None}, id="S8-crit-null"),
        pytest.param({"crit": "b64"}, id="S8-crit-text"),
        pytest.param({"crit": ["b64"], "b64": False}, id="S8-b64-with-crit"),
        pytest.param({"b64": False}, id="S8-b64-alone"),
        pytest.param({"crit": {"b64": 1}, "b64": True}, id="S8-crit-object"),
    ],
)
def test_s8_crit(header: dict[str, Any], key: SigningKey) -> None:
    assert refused(id_token(key, good_claims(), **header), canned_issuer(key)).claim == "crit"


def test_s8_unencoded_payload(key: SigningKey) -> None:
    head = base64url(json.dumps({"alg": "RS256", "kid": key.kid, "b64": False, "crit": ["b64"]}).encode())
    payload = json.dumps(good_claims())
    signature = make_jws({}, {}, key.private, "RS256").rpartition(".")[2]
    assert refused(f"{head}.{payload}.{signature}", canned_issuer(key)).claim == "token"


PAYLOADS = [
    pytest.param(b"[]", id="S10-list"),
    pytest.param(b"null", id="S10-null"),
    pytest.param(b'"text"', id="S10-text"),
    pytest.param(b"17", id="S10-number"),
    pytest.param(b"true", id="S10-boolean"),
    pytest.param(b"{", id="S10-invalid-json"),
    pytest.param(b"{'sub': 'x'}", id="S10-python"),
    pytest.param(b"\xff\xfe", id="S10-bad-utf8"),
    pytest.param(b"\xef\xbb\xbf" + json.dumps(good_claims()).encode(), id="S10-bom"),
    pytest.param(b"[" * 100_000 + b"]" * 80_000, id="S10-lists-100000-deep"),
    pytest.param(b'{"a":' * 37_000 + b"0", id="S10-objects-deep"),
    pytest.param(b'{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}", id="S10-lists-in-a-claim"),
    pytest.param(json.dumps(good_claims()).encode()[:-1] + b',"sub":"eve"}', id="S10-duplicate-sub"),
    pytest.param(json.dumps(good_claims()).encode()[:-1] + b',"\\u0073ub":"eve"}', id="S10-duplicate-escaped"),
    pytest.param(json.dumps(good_claims()).encode()[:-1] + b',"x":{"a":1,"a":1}}', id="S10-duplicate-nested"),
    pytest.param(json.dumps(good_claims()).encode()[:-1] + b',"name":"\xed\xa0\x80"}', id="S10-surrogate-bytes"),
    pytest.param(json.dumps(good_claims()).encode()[:-1] + b',"x":NaN}', id="S10-nan"),
    pytest.param(json.dumps(good_claims()).encode()[:-1] + b',"x":' + b"1" * 5000 + b"}", id="S10-digits"),
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_s10_payload(payload: bytes, key: SigningKey) -> None:
    assert refused(id_token(key, payload), canned_issuer(key)).claim == "token"


@pytest.mark.parametrize("header", PAYLOADS)
def test_s10_header(header: bytes, key: SigningKey) -> None:
    assert refused(make_jws(header, good_claims(), key.private, "RS256"), canned_issuer(key)).claim in ("token", "alg")


def test_s10_deep_nesting_in_a_thread_with_a_small_stack(key: SigningKey) -> None:
    errors: list[str] = []
    token = id_token(key, b'{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}")
    previous = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=lambda: errors.append(refused(token, canned_issuer(key)).claim))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(previous)
    assert errors == ["token"]


@pytest.mark.parametrize("claim", ["sub", "iss", "aud", "nonce", "azp"])
def test_s10_lone_surrogate_in_a_claim_that_counts(claim: str, key: SigningKey) -> None:
    value = {"iss": ISSUER, "aud": CLIENT_ID, "azp": CLIENT_ID}.get(claim, "nonce-of-this-login") + "\ud800"
    assert refused(id_token(key, good_claims(**{claim: value})), canned_issuer(key)).claim == claim


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"use": "enc"}, id="S11-use-enc"),
        pytest.param({"use": "enc", "alg": "RSA-OAEP"}, id="S11-use-enc-oaep"),
        pytest.param({"use": ["sig"]}, id="S11-use-list"),
        pytest.param({"use": None}, id="S11-use-null"),
        pytest.param({"use": LEFT_OUT, "key_ops": ["encrypt", "wrapKey"]}, id="S11-key-ops"),
        pytest.param({"use": LEFT_OUT, "key_ops": "verify"}, id="S11-key-ops-text"),
        pytest.param({"d": "AQAB"}, id="S11-private"),
        pytest.param({"kty": "oct", "k": base64url(CLIENT_SECRET.encode()), "alg": "RS256"}, id="S11-oct"),
    ],
)
def test_s11_unfit_keys_of_the_key_set(changes: dict[str, Any], key: SigningKey, other_key: SigningKey) -> None:
    unfit = {name: value for name, value in {**key.jwk(), **changes}.items() if value is not LEFT_OUT}
    token = id_token(key, good_claims())
    with pytest.raises(SigningKeyNotFound):
        validate(token, canned_issuer(other_key, unfit))
    with pytest.raises(TransportError) as caught:
        validate(token, canned_issuer(unfit))
    assert caught.value.code == "no_signing_keys"


@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
def test_s11_hmac_with_a_published_oct_key(algorithm: str, key: SigningKey) -> None:
    oct_key = {"kty": "oct", "k": base64url(CLIENT_SECRET.encode()), "kid": "oct", "use": "sig"}
    token = make_jws({"alg": algorithm, "kid": "oct"}, good_claims(), CLIENT_SECRET.encode(), "HS256")
    assert refused(token, canned_issuer(key, oct_key)).claim in ("alg", "kid")


@pytest.mark.parametrize(
    ("header", "changes", "claim"),
    [
        pytest.param({"typ": "at+jwt"}, {}, "typ", id="S12-rfc9068-access-token"),
        pytest.param({"typ": "application/at+jwt"}, {}, "typ", id="S12-access-token-media-type"),
        pytest.param({"typ": "logout+jwt"}, {}, "typ", id="S12-logout-token-by-typ"),
        pytest.param({"typ": "dpop+jwt"}, {}, "typ", id="S12-dpop-proof"),
        pytest.param({"typ": "oauth-authz-req+jwt"}, {}, "typ", id="S12-request-object"),
        pytest.param({"typ": 1}, {}, "typ", id="S12-typ-number"),
        pytest.param({"typ": ["JWT"]}, {}, "typ", id="S12-typ-list"),
        pytest.param({}, {"aud": "https://api.example.com", "scope": "read"}, "aud", id="S12-auth0-access-token"),
        pytest.param(
            {},
            {"aud": ["https://api.example.com", ISSUER + "userinfo"], "azp": CLIENT_ID},
            "aud",
            id="S12-two-audiences",
        ),
        pytest.param({}, {"nonce": LEFT_OUT}, "nonce", id="S12-no-nonce"),
        pytest.param(
            {},
            {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "sid": "s", "jti": "j"},
            "events",
            id="S12-logout-token-by-events",
        ),
    ],
)
def test_s12_another_kind_of_token(
    header: dict[str, Any], changes: dict[str, Any], claim: str, key: SigningKey
) -> None:
    assert refused(id_token(key, good_claims(**changes), **header), canned_issuer(key)).claim == claim


@pytest.mark.parametrize("typ", ["JWT", "jwt", LEFT_OUT], ids=repr)
def test_typ_of_id_tokens(typ: object, key: SigningKey) -> None:
    assert validate(id_token(key, good_claims(), typ=typ), canned_issuer(key))


def test_s13_the_signature_is_always_checked(key: SigningKey) -> None:
    token = id_token(key, good_claims())
    with pytest.raises(TransportError):
        validate(token, Issuer(ISSUER, http=canned_http()))
