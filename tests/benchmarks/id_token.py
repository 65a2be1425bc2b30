"""ID token validation against the RSA verification in it; ``python -m tests.benchmarks.id_token ROUNDS`` prints rows."""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Callable, Mapping

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from django_auth0_flow.protocol import validation
from django_auth0_flow.protocol.http import Http
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.strict_json import parse_json_object
from django_auth0_flow.protocol.validation import JoseKeys, validate_id_token
from django_auth0_flow.testing.tenant import Tenant
from tests.benchmarks.measure import Row, Spread, ratios, scaled, take_turns, write_rows

GROUP = "ID token"
BUDGET = 1.5
NONCE = "n" * 43


def main(rounds: int) -> None:
    with Tenant() as tenant:
        token = tenant.make_id_token(nonce=NONCE) or ""
        issuer = Issuer(tenant.issuer, http=Http(timeout=10))
        keys = JoseKeys(issuer, "RS256")
        client_id, now = tenant.application.client_id, time.time()
        public = issuer.signing_keys(None)[0].key
    assert isinstance(public, RSAPublicKey)
    signing_input, _, encoded = token.encode().rpartition(b".")
    signature = base64.urlsafe_b64decode(encoded + b"==")

    def bare() -> None:
        public.verify(signature, signing_input, padding.PKCS1v15(), hashes.SHA256())

    def validate() -> None:
        validate_id_token(token, keys=keys, client_id=client_id, now=now, leeway=60, nonce=NONCE)

    def pyjwt() -> None:
        jwt.decode(token, public, algorithms=["RS256"], audience=client_id, issuer=issuer.url, leeway=60)

    parts = {"RSA verification": bare, **steps_of(token, keys, client_id, now)}
    found = take_turns({"validate": validate, "pyjwt": pyjwt, **parts}, rounds=rounds, repeat=40)
    found["bare"] = found["RSA verification"]
    micro = {name: scaled(values, 1e6) for name, values in found.items()}
    write_rows(
        [
            Row(
                GROUP,
                "validation against `public_key.verify`",
                ratios(found["validate"], found["bare"]),
                budget=BUDGET,
                detail=_microseconds(micro["validate"], micro["bare"]),
                profile=made_of(micro["validate"], {name: micro[name] for name in parts}),
            ),
            Row(
                GROUP,
                "`jwt.decode` with the key at hand, for comparison",
                ratios(found["pyjwt"], found["bare"]),
                detail=_microseconds(micro["pyjwt"], micro["bare"]),
            ),
        ]
    )


def steps_of(token: str, keys: JoseKeys, client_id: str, now: float) -> dict[str, Callable[[], object]]:
    """Return what validation does beside the RSA verification, each step by itself."""
    header, document, signature = (part.encode() for part in token.split("."))
    kid = validation._kept_header(header).get("kid")
    decoded = validation._base64url(document, "claims")
    claims = parse_json_object(decoded)

    def check_claims() -> None:
        validation._check_issuer(claims, keys.issuer.url)
        validation.check_subject(claims)
        validation._check_audience(claims, client_id)
        validation._check_authorized_party(claims, client_id)
        validation._check_times(claims, now=now, leeway=60)
        validation.equal_secrets(claims["nonce"], NONCE)

    return {
        "strict JSON of the claims": lambda: parse_json_object(decoded),
        "base64url of claims and signature": lambda: (
            validation._base64url(document, "claims"),
            validation._base64url(signature, "signature"),
        ),
        "the key for the header": lambda: keys.issuer.signing_keys(kid),
        "issuer, subject, audience, times, nonce": check_claims,
    }


def made_of(whole: Spread, parts: Mapping[str, Spread]) -> list[tuple[str, str]]:
    rest = whole.median - sum(part.median for part in parts.values())
    figures = {name: part.median for name, part in parts.items()} | {"calls in between, and what is not there": rest}
    return [(name, f"{figure:.1f} µs ({figure / whole.median:.0%})") for name, figure in figures.items()]


def _microseconds(mine: Spread, bare: Spread) -> str:
    return f"{mine.median:.1f} µs, bare {bare.median:.1f} µs"


if __name__ == "__main__":
    main(int(sys.argv[1]))
