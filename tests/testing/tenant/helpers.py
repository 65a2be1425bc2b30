"""A small OAuth client for the tenant's own tests. It is not the package's client, so that neither can hide the other."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import requests

from django_auth0_flow.testing.tenant import Application, Tenant, User

CALLBACK = "http://127.0.0.1:8000/callback/"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPE = "openid profile email offline_access read:appointments"


class RelyingParty:
    """An application that asks the tenant; ``rp`` in the tests."""

    def __init__(self, tenant: Tenant, application: Application | None = None) -> None:
        self.tenant = tenant
        self.application = application or tenant.application
        self.application.callbacks = [CALLBACK]

    def url(self, **changes: Any) -> str:
        """Return an authorization URL; a change to None leaves that parameter out."""
        parameters = {
            "response_type": "code",
            "client_id": self.application.client_id,
            "redirect_uri": CALLBACK,
            "scope": SCOPE,
            "audience": self.tenant.api.identifier,
            "state": "the-state",
            "nonce": "the-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        sent = {name: value for name, value in parameters.items() if value is not None}
        return f"{self.tenant.issuer}authorize?{urlencode(sent)}"

    def callback(self, user: User | None = None, /, *, deny: Any = False, **changes: Any) -> dict[str, str]:
        """Log in and return the parameters of the callback."""
        return fields_of(self.tenant.login(self.url(**changes), user, deny=deny))

    def post(self, path: str, form: dict[str, Any], **options: Any) -> requests.Response:
        return requests.post(self.tenant.issuer + path, data=form, timeout=60, **options)

    def token(self, grant_type: str, *, headers: Any = None, **form: Any) -> requests.Response:
        """Ask the token endpoint with client_secret_post; a parameter that is None is left out."""
        full = {
            "grant_type": grant_type,
            "client_id": self.application.client_id,
            "client_secret": None if self.application.is_public else self.application.client_secret,
            **form,
        }
        sent = {name: value for name, value in full.items() if value is not None}
        return self.post("oauth/token", sent, headers=headers, allow_redirects=False)

    def exchange(self, code: str, **changes: Any) -> requests.Response:
        form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **changes}
        return self.token("authorization_code", **form)

    def log_in(self, user: User | None = None, /, **changes: Any) -> dict[str, Any]:
        """Return the token answer of a whole login."""
        answer = self.exchange(self.callback(user, **changes)["code"])
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def refresh(self, refresh_token: str, **changes: Any) -> requests.Response:
        return self.token("refresh_token", refresh_token=refresh_token, **changes)


def fields_of(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    assert url.startswith(CALLBACK), url
    return dict(parse_qsl(parts.fragment or parts.query))


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a JWT without checking anything."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


def verified(tenant: Tenant, token: str, **options: Any) -> dict[str, Any]:
    """Return the claims of a JWT after checking its signature with the tenant's published keys."""
    jwks = requests.get(f"{tenant.issuer}.well-known/jwks.json", timeout=60).json()
    keys = {key["kid"]: jwt.PyJWK(key) for key in jwks["keys"]}
    key = keys[jwt.get_unverified_header(token)["kid"]]
    checks: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": "audience" in options}
    return dict(jwt.decode(token, key, algorithms=["RS256", "PS256"], options=checks, **options))


def error_of(answer: requests.Response) -> tuple[int, str, str | None]:
    body = answer.json()
    return answer.status_code, body["error"], body.get("error_description")
