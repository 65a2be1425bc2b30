"""The same site with several configurations, one for each kind of login: settings for the page "Ways to log in".

Use them by ``DJANGO_SETTINGS_MODULE=site_config.ways``; the demo does. Further choices from the environment:

AUTH0_ORGANIZATION                                id of an organization to log in to
AUTH0_BILLING                                     identifier of a second API with the permission read:invoices
AUTH0_STRONG_CLIENT_ID, AUTH0_STRONG_KEY          an application with Private Key JWT; its key as PEM text or a path
AUTH0_API_CLIENT_ID, AUTH0_API_CLIENT_SECRET      the custom API client of the appointments API
AUTH0_VAULT_CLIENT_ID, AUTH0_VAULT_CLIENT_SECRET  an application without refresh token rotation, for Token Vault

The other configurations are the same application as the default one. Each has a callback URL of its own,
``<BASE_URL>/ways/<name>/callback/``, and a logout URL, ``<BASE_URL>/ways/<name>/logged-out/``.
"""

from __future__ import annotations

from typing import Any

from .settings import *  # noqa: F403
from .settings import AUTH0 as DEFAULT
from .settings import env

ROOT_URLCONF = "site_config.ways_urls"
ORGANIZATION = env("AUTH0_ORGANIZATION")
BILLING_AUDIENCE = env("AUTH0_BILLING", "https://billing.example.com")


def default_without(*left_out: str, **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in DEFAULT.items() if key not in left_out} | changes


AUTH0 = {
    "default": {
        **DEFAULT,
        # Native applications may hand their login over, beside what is passed on anyway.
        "FORWARDED_PARAMS": ["organization", "invitation", "login_hint", "session_transfer_token"],
        # The board calls the API in the site's own name.
        "MACHINE_AUDIENCES": [DEFAULT["AUDIENCE"]],
    },
    # The answer comes in the body of a POST, not in an address.
    "form-post": {**DEFAULT, "RESPONSE_MODE": "form_post"},
    # The code comes together with an ID token that vouches for it.
    "hybrid": {**DEFAULT, "RESPONSE_TYPE": "code id_token"},
    # An ID token and nothing else: no client secret, no API.
    "id-token": default_without(
        "AUDIENCE", "API_ORIGINS", "CLIENT_SECRET", RESPONSE_TYPE="id_token", SCOPE="openid profile email"
    ),
    # All tokens come through the address bar: no client secret, no refresh token.
    "implicit": default_without(
        "CLIENT_SECRET",
        RESPONSE_TYPE="id_token token",
        SCOPE=" ".join(name for name in DEFAULT["SCOPE"].split() if name != "offline_access"),
    ),
    # On pages of this site.
    "direct": {
        **DEFAULT,
        "PASSWORDLESS": ["email-code", "email-link", "sms"],
        "PASSWORD_REALM": "Username-Password-Authentication",
        "SIGN_UP_FIELDS": ["email", "given_name", "family_name"],
    },
    # A view takes logins of the configuration that this callable names.
    "CONFIGURATION_FOR": "clinic.ways.configuration_for",
}
if env("AUTH0_STRONG_CLIENT_ID"):
    # Signed requests, pushed ahead; a private key instead of a secret; tokens bound to a key of the login.
    AUTH0["strong"] = default_without(
        "CLIENT_SECRET",
        CLIENT_ID=env("AUTH0_STRONG_CLIENT_ID"),
        CLIENT_ASSERTION_KEYS=[{"key": env("AUTH0_STRONG_KEY"), "alg": "RS256"}],
        PUSHED_AUTHORIZATION=True,
        SIGNED_REQUESTS=True,
        DPOP=True,
    )
if env("AUTH0_API_CLIENT_ID"):
    # No one logs in by it: with it the appointments API calls the other one in its caller's name.
    AUTH0["api"] = {
        **DEFAULT,
        "CLIENT_ID": env("AUTH0_API_CLIENT_ID"),
        "CLIENT_SECRET": env("AUTH0_API_CLIENT_SECRET"),
    }
if env("AUTH0_VAULT_CLIENT_ID"):
    AUTH0["vault"] = {
        **DEFAULT,
        "CLIENT_ID": env("AUTH0_VAULT_CLIENT_ID"),
        "CLIENT_SECRET": env("AUTH0_VAULT_CLIENT_SECRET"),
        # Accounts that people may connect, with what is asked for there.
        "CONNECTED_ACCOUNTS": {"google-oauth2": "openid https://www.googleapis.com/auth/calendar.readonly"},
    }

# RFC 9700 advises against access tokens in the address bar, and the check is right: a site of yours should heed it.
# Here the configuration "implicit" shows that very kind of login, beside the better ones.
SILENCED_SYSTEM_CHECKS = ["auth0_flow.W011"]
