"""What can be wrong with addresses: the tenant's, the site's own, and those of the API that tokens are for."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django_auth0_flow.conf.problems import Problem
from django_auth0_flow.conf.settings import Auth0Settings
from django_auth0_flow.protocol.addresses import is_acceptable_endpoint, origin_of


def _issuer_problems(conf: Auth0Settings) -> Iterator[Problem]:
    domain, issuer = conf.domain, conf.issuer if "ISSUER" in conf.given else ""
    if not conf.issuer:
        yield Problem("E004", "", "needs DOMAIN.", "Auth0 Dashboard: Applications > (app) > Settings > Domain.")
    if domain and issuer:
        yield Problem("E005", "", "has both DOMAIN and ISSUER.", "DOMAIN is for Auth0; ISSUER for any other provider.")
    if domain and (any(char in domain for char in "/:@?# ") or not domain.isascii() or "." not in domain):
        hint = (
            "Without https:// and without a slash: example.eu.auth0.com. A local tenant's address belongs into ISSUER."
        )
        yield Problem("E006", "DOMAIN", "must be a bare host name.", hint)
    if issuer and not is_acceptable_endpoint(issuer):
        yield Problem("E007", "ISSUER", "must be an https URL.", "Plain http is accepted for loopback addresses only.")
    elif issuer and (urlsplit(issuer).query or "/.well-known/" in issuer):
        yield Problem("E007", "ISSUER", "must be the issuer itself, not an address below it.")


def _is_origin(url: str) -> bool:
    return is_acceptable_endpoint(url) and urlsplit(url).path in ("", "/") and not urlsplit(url).query


def _origin_problems(conf: Auth0Settings) -> Iterator[Problem]:
    for origin in conf.api_origins:
        if not _is_origin(origin):
            hint = "Scheme, host and port only: https://api.example.com"
            yield Problem("E014", "API_ORIGINS", f"has {origin!r}, which is not an https origin.", hint)
    if conf.base_url and not _is_origin(conf.base_url):
        hint = "https://www.example.com (http only on loopback)"
        yield Problem("E015", "BASE_URL", "must be an https origin.", hint)


def _api_problems(conf: Auth0Settings) -> Iterator[Problem]:
    if "API_ORIGINS" not in conf.given and (api := conf.api_audience):
        key, origin = "AUDIENCE" if conf.audience else "RESOURCE", origin_of(api)
        if origin and not is_acceptable_endpoint(origin):
            yield Problem(
                "W030",
                key,
                "is plain http, to which no token is sent, and API_ORIGINS is missing: request.auth0.api can call nothing.",
                "An Identifier may say http; the API itself is called at API_ORIGINS: ['https://api.example.com'].",
            )
        elif not origin and conf.audience:
            text = "is not a URL, and API_ORIGINS is missing: request.auth0.api can't send its token anywhere."
            hint = "Add API_ORIGINS: ['https://api.example.com']."
            yield Problem("W002", key, text, hint)
    if conf.resource and not _is_uri(conf.resource):
        hint = "https://api.example.com (RFC 8707)"
        yield Problem("E045", "RESOURCE", "must be an absolute URI without a fragment.", hint)


def _is_uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) and not parts.fragment and text.isprintable() and " " not in text


def client_as_audience(key: str, text: str) -> Problem:
    """Return the problem of an audience that is a client id: ID tokens are issued for it."""
    return Problem(
        "E050",
        key,
        f"{text}: every ID token would have the audience of an access token.",
        "It is the API's Identifier, Auth0 Dashboard: Applications > APIs > (API) > Settings. Leave it out without an API.",
    )


def _audience_problems(conf: Auth0Settings) -> Iterator[Problem]:
    for name, own in (("audience", conf.audience), ("resource", conf.resource)):
        sent = conf.authorization_params.get(name)
        if conf.client_id and own == conf.client_id:
            yield client_as_audience(name.upper(), "is the CLIENT_ID")
        if conf.client_id and sent == conf.client_id:
            yield client_as_audience("AUTHORIZATION_PARAMS", f"sets {name} to the CLIENT_ID")
        if sent is not None and sent != own:
            text = f"sets {name}: tokens are then for an API that this site does not know of."
            hint = f"Set {name.upper()} instead: it goes with every request too."
            yield Problem("W031", "AUTHORIZATION_PARAMS", text, hint)


ADDRESS_RULES = (_issuer_problems, _origin_problems, _api_problems, _audience_problems)
