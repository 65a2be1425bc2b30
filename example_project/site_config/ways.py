"""Further configurations of the same tenant, one for each kind of login: what the page "Ways to log in" is about.

AUTH0_STRONG_CLIENT_ID, AUTH0_STRONG_KEY       an application with Private Key JWT, and its key: PEM text or a path
AUTH0_VAULT_CLIENT_ID, AUTH0_VAULT_CLIENT_SECRET  an application without refresh token rotation, for Token Vault

The others are the same application as the default one. Each has a callback URL: ``<BASE_URL>/ways/<name>/callback/``.

A view takes logins of the configuration that its request would log in with (``CONFIGURATION_FOR``). Here that is the way
that the visitor logged in by last, since all of them lead to the same people of the same tenant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Configuration = dict[str, Any]


def configurations(default: Mapping[str, Any], env: Callable[[str], str]) -> dict[str, Configuration]:
    """Return the configurations beside ``default`` by name; those that lack something in the environment are left out."""
    found: dict[str, Configuration] = {
        "form-post": {**default, "RESPONSE_MODE": "form_post"},
        "hybrid": {**default, "RESPONSE_TYPE": "code id_token"},
        "id-token": without_tokens(default),
        "implicit": without_code(default),
        "direct": {
            **default,
            "PASSWORDLESS": ["email-code", "email-link", "sms"],
            "PASSWORD_REALM": "Username-Password-Authentication",
        },
    }
    if env("AUTH0_STRONG_CLIENT_ID"):
        found["strong"] = {
            **default,
            "CLIENT_ID": env("AUTH0_STRONG_CLIENT_ID"),
            "CLIENT_SECRET": "",
            "CLIENT_ASSERTION_KEYS": [{"key": env("AUTH0_STRONG_KEY"), "alg": "RS256"}],
            "PUSHED_AUTHORIZATION": True,
            "SIGNED_REQUESTS": True,
            "DPOP": True,
        }
    if env("AUTH0_VAULT_CLIENT_ID"):
        found["vault"] = {
            **default,
            "CLIENT_ID": env("AUTH0_VAULT_CLIENT_ID"),
            "CLIENT_SECRET": env("AUTH0_VAULT_CLIENT_SECRET"),
        }
    return found


def without_tokens(default: Mapping[str, Any]) -> Configuration:
    """Return a configuration whose logins are an ID token and nothing else: no client secret, no API."""
    left_out = ("AUDIENCE", "API_ORIGINS", "CLIENT_SECRET")
    kept = {key: value for key, value in default.items() if key not in left_out}
    return {**kept, "RESPONSE_TYPE": "id_token", "SCOPE": "openid profile email"}


def without_code(default: Mapping[str, Any]) -> Configuration:
    """Return a configuration whose tokens all come through the address bar: no client secret, no refresh token."""
    kept = {key: value for key, value in default.items() if key != "CLIENT_SECRET"}
    scope = " ".join(name for name in default["SCOPE"].split() if name != "offline_access")
    return {**kept, "RESPONSE_TYPE": "id_token token", "SCOPE": scope}
