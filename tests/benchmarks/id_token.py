"""ID token validation against ``jwt.decode`` with the same checks; ``python -m tests.benchmarks.id_token ROUNDS``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping

import jwt

from django_auth0_flow.protocol import claim_checks as rules
from django_auth0_flow.protocol.http import Http
from django_auth0_flow.protocol.issuer import Issuer
from django_auth0_flow.protocol.jws import parse_jwt
from django_auth0_flow.protocol.strict_json import parse_json_object
from django_auth0_flow.protocol.validation import JoseKeys, validate_id_token
from django_auth0_flow.testing.tenant import Tenant
from tests.benchmarks.measure import Row, Spread, compared, scaled, take_turns, write_rows

GROUP = "ID token"
BUDGET = 1.25
NONCE = "n" * 43
REQUIRED = ["iss", "sub", "aud", "exp", "iat", "nonce"]


def main(rounds: int) -> None:
    with Tenant() as tenant:
        token = tenant.make_id_token(nonce=NONCE) or ""
        issuer = Issuer(tenant.issuer, http=Http(timeout=10))
        keys = JoseKeys(issuer, "RS256")
        client_id, now = tenant.application.client_id, time.time()
        public = issuer.signing_keys(None)[0].key

    def validate() -> None:
        validate_id_token(token, keys=keys, client_id=client_id, now=now, leeway=60, nonce=NONCE)

    def decode() -> None:
        claims = jwt.decode(
            token,
            public,
            algorithms=["RS256"],
            audience=client_id,
            issuer=issuer.url,
            leeway=60,
            options={"require": REQUIRED},
        )
        assert claims["nonce"] == NONCE

    parts = steps_of(token, keys, client_id, now)
    found = take_turns({"validate": validate, "decode": decode, **parts}, rounds=rounds, repeat=40)
    micro = {name: scaled(values, 1e6) for name, values in found.items()}
    write_rows(
        [
            Row(
                GROUP,
                "validation against `jwt.decode` with the same checks",
                budget=BUDGET,
                **compared(found["validate"], found["decode"], 1e6, "µs"),
                profile=made_of(micro["validate"], {name: micro[name] for name in parts}),
            )
        ]
    )


def steps_of(token: str, keys: JoseKeys, client_id: str, now: float) -> dict[str, Callable[[], object]]:
    """Return what validation does, each step by itself."""
    kid = parse_jwt(token).header.get("kid")
    public = keys.issuer.signing_keys(kid)[0].key
    payload = jwt.api_jws.decode(token, public, algorithms=["RS256"])
    claims = parse_json_object(payload)

    def check_claims() -> None:
        rules.check_issuer(claims, keys.issuer.url)
        rules.check_subject(claims)
        rules.check_audience(claims, client_id)
        rules.check_authorized_party(claims, client_id)
        rules.check_times(claims, now=now, leeway=60)
        rules.check_nonce(claims, NONCE)

    return {
        "PyJWT: base64url, header, RSA verification": lambda: jwt.api_jws.decode(token, public, algorithms=["RS256"]),
        "strict JSON of the header, once per key": lambda: parse_jwt(token),
        "the key for the header": lambda: keys.issuer.signing_keys(kid),
        "strict JSON of the claims": lambda: parse_json_object(payload),
        "issuer, subject, audience, times, nonce": check_claims,
    }


def made_of(whole: Spread, parts: Mapping[str, Spread]) -> list[tuple[str, str]]:
    rest = whole.median - sum(part.median for part in parts.values())
    figures = {name: part.median for name, part in parts.items()} | {"calls in between, and what is not there": rest}
    return [(name, f"{figure:.1f} µs ({figure / whole.median:.0%})") for name, figure in figures.items()]


if __name__ == "__main__":
    main(int(sys.argv[1]))
